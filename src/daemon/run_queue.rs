//! Which runs are due, queued and running, by the schedule of each registry and its slots so far. Reads no clock and starts no
//! run. [`super::slot_store`] keeps the slots.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;
use tracing::{info, warn};

use crate::metrics::SkipReason;
use crate::schedule::{Schedule, ScheduleDecision, Slot, SlotHistory};
use crate::words::counted;

/// A run that waits in the queue or is in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueuedRun {
    pub(super) registry: RegistryName,
    /// The slot of the schedule; none for a run that was requested.
    pub(super) slot: Option<DateTime<Utc>>,
    /// Whether a person accepts that the registry has lost something.
    pub(super) accepts_loss: bool,
}

/// Slots for which no run is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SkippedSlots {
    pub(super) registry: RegistryName,
    pub(super) reason: SkipReason,
    pub(super) count: u64,
}

/// What one tick changed.
#[derive(Debug, Default)]
pub(super) struct TickOutcome {
    pub(super) skipped: Vec<SkippedSlots>,
    /// Registries whose slots changed and must be stored.
    pub(super) changed: Vec<RegistryName>,
}

#[derive(Debug)]
struct ScheduleEntry {
    schedule: Option<Schedule>,
    past: SlotHistory,
    next: NextEvaluation,
}

/// When an entry is evaluated next.
#[derive(Clone, Copy, Debug)]
enum NextEvaluation {
    /// At the next tick, for the first time since the daemon started.
    AtStart,
    /// At the next tick, because the configuration was reloaded.
    AfterReload,
    /// When this slot starts.
    At(Slot),
    /// Never: the schedule has no further slot.
    Never,
}

impl From<Option<Slot>> for NextEvaluation {
    fn from(next: Option<Slot>) -> Self {
        next.map_or(Self::Never, Self::At)
    }
}

impl ScheduleEntry {
    fn decide(&self, schedule: &Schedule, now: DateTime<Utc>, unwatched: Duration) -> ScheduleDecision {
        match self.next {
            NextEvaluation::AtStart => schedule.decide_at_start(&self.past, now),
            _ => schedule.decide(&self.past, now, unwatched),
        }
    }
}

/// A registry of a configuration that is being applied.
#[derive(Debug)]
pub(super) struct ConfiguredRegistry {
    pub(super) registry: RegistryName,
    pub(super) schedule: Option<Schedule>,
    /// The slots so far.
    pub(super) past: SlotHistory,
    /// Whether the registry was not known before.
    pub(super) is_new: bool,
    /// Whether `past` belongs to another schedule.
    pub(super) is_rescheduled: bool,
}

/// All registries of the configuration, and the runs that are queued or in progress.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    entries: BTreeMap<RegistryName, ScheduleEntry>,
    queue: VecDeque<QueuedRun>,
    /// Includes registries that were removed from the configuration.
    running: HashSet<RegistryName>,
}

impl RunQueue {
    /// Replaces the registries by those of another configuration. Registries that stay keep their slots. For a changed
    /// schedule, slots before now do not count. Returns the registries whose slots must be stored.
    pub(super) fn replace(&mut self, registries: Vec<ConfiguredRegistry>, now: DateTime<Utc>) -> Vec<RegistryName> {
        let mut before = std::mem::take(&mut self.entries);
        let mut changed = Vec::new();
        for ConfiguredRegistry { registry, schedule, mut past, is_new, is_rescheduled } in registries {
            let (is_rescheduled, next) = match before.remove(&registry) {
                None => (is_rescheduled, NextEvaluation::AtStart),
                Some(known) => {
                    past = known.past;
                    (
                        known.schedule.as_ref().map(described) != schedule.as_ref().map(described),
                        NextEvaluation::AfterReload,
                    )
                }
            };
            if is_rescheduled {
                past = SlotHistory::new(now);
            }
            if is_new || is_rescheduled {
                changed.push(registry.clone());
            }
            self.entries.insert(registry, ScheduleEntry { schedule, past, next });
        }
        self.queue.retain(|run| self.entries.contains_key(&run.registry));
        changed
    }

    /// Queues the runs whose slots are due. `unwatched` is the time since the last call by a monotonic clock.
    pub(super) fn queue_due_runs(&mut self, now: DateTime<Utc>, unwatched: Duration) -> TickOutcome {
        let mut tick = TickOutcome::default();
        for (name, entry) in &mut self.entries {
            let Some(schedule) = &entry.schedule else { continue };
            // If the clock was far ahead when a slot was taken, the next slot would be far in the future.
            let is_idle = match entry.next {
                NextEvaluation::Never => true,
                NextEvaluation::At(next) => now < next.starts_at,
                NextEvaluation::AtStart | NextEvaluation::AfterReload => false,
            };
            if is_idle && !entry.past.is_far_ahead(now) {
                continue;
            }
            let mut decision = entry.decide(schedule, now, unwatched);
            if let ScheduleDecision::Forget { ahead } = decision {
                warn!(registry = %name, "{name}: the slot of {ahead} was taken and lies far in the future: the clock was wrong then or is wrong now; slots count from now on");
                entry.past = SlotHistory::new(now);
                tick.changed.push(name.clone());
                decision = entry.decide(schedule, now, unwatched);
            }
            let mut skip = |reason, count| tick.skipped.push(SkippedSlots { registry: name.clone(), reason, count });
            match decision {
                ScheduleDecision::Wait { next } => {
                    entry.next = next.into();
                    continue;
                }
                // Impossible for slots that begin now.
                ScheduleDecision::Forget { .. } => continue,
                ScheduleDecision::Missed { last, count } => {
                    let missed = counted(count, "slot was missed and is", "slots were missed and are");
                    warn!(registry = %name, count, "{name}: {missed} not caught up; the last was at {last}");
                    skip(SkipReason::Missed, count);
                    entry.past.end(last);
                }
                ScheduleDecision::Run { slot, missed, late } => {
                    if missed > 0 {
                        skip(SkipReason::Missed, missed);
                    }
                    entry.past.begin(slot);
                    if self.running.contains(name) || self.queue.iter().any(|run| run.registry == *name) {
                        warn!(registry = %name, "{name}: the slot of {slot} is skipped because a run is still in progress");
                        skip(SkipReason::Overlap, 1);
                        entry.past.end(slot);
                    } else {
                        if late {
                            info!(registry = %name, "{name}: the slot of {slot} is caught up");
                        }
                        self.queue.push_back(QueuedRun {
                            registry: name.clone(),
                            slot: Some(slot),
                            accepts_loss: false,
                        });
                    }
                }
            }
            entry.next = entry.past.last.and_then(|last| schedule.next_after(last.slot)).into();
            tick.changed.push(name.clone());
        }
        tick
    }

    /// Queues a requested run, unless a run of the registry is queued or in progress.
    pub(super) fn queue_now(&mut self, registry: &RegistryName) -> bool {
        self.queue_requested(registry, false)
    }

    /// The same for a run whose losses a person may have accepted.
    pub(super) fn queue_requested(&mut self, registry: &RegistryName, accepts_loss: bool) -> bool {
        if !self.entries.contains_key(registry) || self.is_queued(registry) || self.running.contains(registry) {
            return false;
        }
        self.queue.push_back(QueuedRun { registry: registry.clone(), slot: None, accepts_loss });
        true
    }

    /// Takes the next run from the queue. From then on it is in progress.
    pub(super) fn next(&mut self) -> Option<QueuedRun> {
        // A registry that was removed and added again may still have its former run in progress.
        let at = self.queue.iter().position(|run| !self.running.contains(&run.registry))?;
        let run = self.queue.remove(at)?;
        self.running.insert(run.registry.clone());
        Some(run)
    }

    /// The run of a registry has ended. With a slot, the slot is served and is not taken again.
    pub(super) fn ended(&mut self, registry: &RegistryName, slot: Option<DateTime<Utc>>) {
        self.running.remove(registry);
        if let (Some(entry), Some(slot)) = (self.entries.get_mut(registry), slot) {
            entry.past.end(slot);
        }
    }

    /// The slots of a registry so far.
    pub(super) fn past(&self, registry: &RegistryName) -> Option<&SlotHistory> {
        self.entries.get(registry).map(|entry| &entry.past)
    }

    /// When the next scheduled run of a registry starts.
    pub(super) fn next_start(&self, registry: &RegistryName) -> Option<DateTime<Utc>> {
        match self.entries.get(registry)?.next {
            NextEvaluation::At(next) => Some(next.starts_at),
            NextEvaluation::AtStart | NextEvaluation::AfterReload | NextEvaluation::Never => None,
        }
    }

    /// The registries whose runs are queued.
    pub(super) fn queued(&self) -> HashSet<&RegistryName> {
        self.queue.iter().map(|run| &run.registry).collect()
    }

    fn is_queued(&self, registry: &RegistryName) -> bool {
        self.queue.iter().any(|run| run.registry == *registry)
    }
}

/// A schedule in one line. Two schedules with the same line are the same.
pub(super) fn described(schedule: &Schedule) -> String {
    format!("{} {} +{}s", schedule.expression(), schedule.time_zone(), schedule.jitter().as_secs())
}

#[cfg(test)]
#[path = "run_queue_tests.rs"]
mod tests;
