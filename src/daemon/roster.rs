//! Whose turn it is. Knows each registry's schedule, what has been taken of it, and who is queued or running; reads no
//! clock, starts nothing, and forgets nothing that [`super::memory`] is to keep.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;
use tracing::{info, warn};

use crate::metrics::SkipReason;
use crate::schedule::{Decision, Past, Schedule, Slot};

/// A run that is to take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) registry: RegistryName,
    /// The slot of the schedule; none: somebody asked.
    pub(super) slot: Option<DateTime<Utc>>,
}

/// Slots that no run is started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) registry: RegistryName,
    pub(super) why: SkipReason,
    pub(super) count: u64,
}

/// What one turn changed.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) skipped: Vec<Skipped>,
    /// Registries of which there is something new to be remembered.
    pub(super) changed: Vec<RegistryName>,
}

#[derive(Debug)]
struct Entry {
    schedule: Option<Schedule>,
    past: Past,
    wait: Wait,
}

/// Until when nobody needs to look at an entry.
#[derive(Clone, Copy, Debug)]
enum Wait {
    /// It has not been looked at since the daemon began.
    Unmet,
    /// Its schedule was changed meanwhile.
    Changed,
    /// It is known to start then.
    Until(Slot),
    /// It has no further slot.
    Forever,
}

impl From<Option<Slot>> for Wait {
    fn from(next: Option<Slot>) -> Self {
        next.map_or(Self::Forever, Self::Until)
    }
}

impl Entry {
    fn decide(&self, schedule: &Schedule, now: DateTime<Utc>, unwatched: Duration) -> Decision {
        match self.wait {
            Wait::Unmet => schedule.decide_at_start(&self.past, now),
            _ => schedule.decide(&self.past, now, unwatched),
        }
    }
}

/// A registry of a configuration that is about to be taken.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) registry: RegistryName,
    pub(super) schedule: Option<Schedule>,
    /// What is remembered of it.
    pub(super) past: Past,
    /// Nothing: it is met for the first time.
    pub(super) is_new: bool,
    /// Whether that was of another schedule.
    pub(super) is_rescheduled: bool,
}

/// All registries of the configuration, and whatever is queued or running.
#[derive(Debug, Default)]
pub(super) struct Roster {
    entries: BTreeMap<RegistryName, Entry>,
    queue: VecDeque<Order>,
    /// Also those whose definition has gone meanwhile.
    running: HashSet<RegistryName>,
}

impl Roster {
    /// Takes the registries of a configuration in place of those before. Those that stay keep what is known of them.
    /// Where the schedule is another one, its slots begin now: the earlier ones were never promised.
    pub(super) fn replace(&mut self, entrants: Vec<Entrant>, now: DateTime<Utc>) -> Vec<RegistryName> {
        let mut before = std::mem::take(&mut self.entries);
        let mut changed = Vec::new();
        for Entrant { registry, schedule, mut past, is_new, is_rescheduled } in entrants {
            let (is_rescheduled, wait) = match before.remove(&registry) {
                None => (is_rescheduled, Wait::Unmet),
                Some(known) => {
                    past = known.past;
                    (known.schedule.as_ref().map(described) != schedule.as_ref().map(described), Wait::Changed)
                }
            };
            if is_rescheduled {
                past = Past::new(now);
            }
            if is_new || is_rescheduled {
                changed.push(registry.clone());
            }
            self.entries.insert(registry, Entry { schedule, past, wait });
        }
        self.queue.retain(|order| self.entries.contains_key(&order.registry));
        changed
    }

    /// Looks whose slots are due, and queues them. `unwatched` is how long nobody has looked, on a clock that nobody sets.
    pub(super) fn order_what_is_due(&mut self, now: DateTime<Utc>, unwatched: Duration) -> Turn {
        let mut turn = Turn::default();
        for (name, entry) in &mut self.entries {
            let Some(schedule) = &entry.schedule else { continue };
            // A clock that was far ahead when a slot was taken would otherwise be waited for until it is right.
            let is_idle = match entry.wait {
                Wait::Forever => true,
                Wait::Until(next) => now < next.starts_at,
                Wait::Unmet | Wait::Changed => false,
            };
            if is_idle && !entry.past.is_far_ahead(now) {
                continue;
            }
            let mut decision = entry.decide(schedule, now, unwatched);
            if let Decision::Forget { ahead } = decision {
                warn!(registry = %name, "{name}: the slot of {ahead} is taken, which lies far ahead: the clock was wrong then, or is now; slots count from now on");
                entry.past = Past::new(now);
                turn.changed.push(name.clone());
                decision = entry.decide(schedule, now, unwatched);
            }
            let mut skip = |why, count| turn.skipped.push(Skipped { registry: name.clone(), why, count });
            match decision {
                Decision::Wait { next } => {
                    entry.wait = next.into();
                    continue;
                }
                // Not of a past that begins now.
                Decision::Forget { .. } => continue,
                Decision::Missed { last, count } => {
                    warn!(registry = %name, count, "{name}: {count} slots went by, the last at {last}, and are not caught up");
                    skip(SkipReason::Missed, count);
                    entry.past.end(last);
                }
                Decision::Run { slot, missed, late } => {
                    if missed > 0 {
                        skip(SkipReason::Missed, missed);
                    }
                    entry.past.begin(slot);
                    if self.running.contains(name) || self.queue.iter().any(|order| order.registry == *name) {
                        warn!(registry = %name, "{name}: the slot of {slot} is skipped, as a run is still in progress");
                        skip(SkipReason::Overlap, 1);
                        entry.past.end(slot);
                    } else {
                        if late {
                            info!(registry = %name, "{name}: the slot of {slot} is caught up");
                        }
                        self.queue.push_back(Order { registry: name.clone(), slot: Some(slot) });
                    }
                }
            }
            entry.wait = entry.past.last.and_then(|last| schedule.next_after(last.slot)).into();
            turn.changed.push(name.clone());
        }
        turn
    }

    /// Queues a run that somebody asks for; not if one is queued or running.
    pub(super) fn order_now(&mut self, registry: &RegistryName) -> bool {
        if !self.entries.contains_key(registry) || self.is_queued(registry) || self.running.contains(registry) {
            return false;
        }
        self.queue.push_back(Order { registry: registry.clone(), slot: None });
        true
    }

    /// The next one whose turn it is; from here on it runs.
    pub(super) fn next(&mut self) -> Option<Order> {
        // One whose definition went and came back may still be busy with its former run.
        let at = self.queue.iter().position(|order| !self.running.contains(&order.registry))?;
        let order = self.queue.remove(at)?;
        self.running.insert(order.registry.clone());
        Some(order)
    }

    /// Its run has ended; that of a slot for good, or because it was told to stop.
    pub(super) fn ended(&mut self, registry: &RegistryName, slot: Option<DateTime<Utc>>) {
        self.running.remove(registry);
        if let (Some(entry), Some(slot)) = (self.entries.get_mut(registry), slot) {
            entry.past.end(slot);
        }
    }

    /// What is to be remembered of it.
    pub(super) fn past(&self, registry: &RegistryName) -> Option<&Past> {
        self.entries.get(registry).map(|entry| &entry.past)
    }

    /// When it starts next, if it has a schedule.
    pub(super) fn next_start(&self, registry: &RegistryName) -> Option<DateTime<Utc>> {
        match self.entries.get(registry)?.wait {
            Wait::Until(next) => Some(next.starts_at),
            Wait::Unmet | Wait::Changed | Wait::Forever => None,
        }
    }

    /// Who waits for their turn.
    pub(super) fn queued(&self) -> HashSet<&RegistryName> {
        self.queue.iter().map(|order| &order.registry).collect()
    }

    fn is_queued(&self, registry: &RegistryName) -> bool {
        self.queue.iter().any(|order| order.registry == *registry)
    }
}

/// A schedule in one line: another line, another schedule.
pub(super) fn described(schedule: &Schedule) -> String {
    format!("{} {} +{}s", schedule.expression(), schedule.time_zone(), schedule.jitter().as_secs())
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
