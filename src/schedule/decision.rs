//! Decides which slot is due, given the slots that were run before.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::slots::{self, CORRECTION, Due};
use super::{RunOnStart, Schedule, Slot};

/// Up to here a run is on time.
const ON_TIME: TimeDelta = TimeDelta::seconds(60);
/// A past that is further ahead than this comes from a clock that was wrong, and not from one that was an hour or a
/// time zone off.
const FAR_AHEAD: TimeDelta = TimeDelta::hours(25);
/// How often the run of a slot is begun, if it is cut off each time.
const ATTEMPTS: u32 = 3;

/// The stored history of a registry's slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotHistory {
    /// When the daemon first loaded this schedule: earlier slots do not count as missed.
    pub first_seen: DateTime<Utc>,
    /// The last slot that was run or skipped.
    pub last: Option<TakenSlot>,
}

/// A slot that was run or skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenSlot {
    /// The slot.
    pub slot: DateTime<Utc>,
    /// Whether its run has ended, or it was skipped.
    pub ended: bool,
    /// How often its run was started.
    pub attempts: u32,
}

impl SlotHistory {
    /// A history that begins now.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { first_seen: now, last: None }
    }

    /// Records that the run of this slot starts, again if it is the last slot.
    pub fn begin(&mut self, slot: DateTime<Utc>) {
        let before = self.last.filter(|last| last.slot == slot).map_or(0, |last| last.attempts);
        self.last = Some(TakenSlot { slot, ended: false, attempts: before.saturating_add(1) });
    }

    /// Records that the run of this slot ended, or that this slot and all before it are skipped.
    pub fn end(&mut self, slot: DateTime<Utc>) {
        match &mut self.last {
            Some(last) if last.slot == slot => last.ended = true,
            // A run that ends after later slots were passed over changes nothing.
            Some(last) if last.slot > slot => {}
            _ => self.last = Some(TakenSlot { slot, ended: true, attempts: 0 }),
        }
    }

    /// Whether the last slot is more than 25 hours in the future: the clock was wrong then, or is now.
    pub fn is_far_ahead(&self, now: DateTime<Utc>) -> bool {
        self.base() - now > FAR_AHEAD
    }

    /// Slots up to here are done with.
    fn base(&self) -> DateTime<Utc> {
        self.last.map_or(self.first_seen, |last| last.slot.max(self.first_seen))
    }
}

/// What the daemon does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleDecision {
    /// Nothing.
    Wait {
        /// The slot to wait for; none: never again. It holds until another one is taken, whatever the clock does,
        /// unless [`SlotHistory::is_far_ahead`].
        next: Option<Slot>,
    },
    /// Run this slot, and remember that with [`SlotHistory::begin`].
    Run {
        /// The slot.
        slot: DateTime<Utc>,
        /// How many earlier ones it stands for besides; counted up to a thousand.
        missed: u64,
        /// Whether it is more than a minute late: a catch-up.
        late: bool,
    },
    /// Slots are due, and too old to be caught up: pass over them with [`SlotHistory::end`].
    Missed {
        /// The latest of them.
        last: DateTime<Utc>,
        /// How many they are; counted up to a thousand and one.
        count: u64,
    },
    /// What is remembered lies more than 25 hours ahead, so the clock was wrong then or is now. Warn, replace it by
    /// [`SlotHistory::new`], and ask again.
    Forget {
        /// The time that lies ahead.
        ahead: DateTime<Utc>,
    },
}

impl Schedule {
    /// What is to be done now, while the daemon runs. `unwatched` is the time since the last call, by a clock that is never
    /// set: a slot that became due within a minute of that was jumped over by the wall clock, and is run as if it were
    /// on time.
    ///
    /// Takes microseconds while nothing is due, and a millisecond or two where a thousand slots are.
    pub fn decide(&self, past: &SlotHistory, now: DateTime<Utc>, unwatched: Duration) -> ScheduleDecision {
        let was_watched = TimeDelta::from_std(unwatched).is_ok_and(|unwatched| unwatched <= ON_TIME);
        let most = if was_watched { self.latest_start().max(CORRECTION) } else { self.latest_start() };
        Self::trusting(past, now, || self.catch_up(past, now, most))
    }

    /// The same the first time after the daemon began: runs that were cut off are due again, and `run_on_start` counts.
    pub fn decide_at_start(&self, past: &SlotHistory, now: DateTime<Utc>) -> ScheduleDecision {
        Self::trusting(past, now, || match self.run_on_start {
            RunOnStart::Never => self.catch_up(past, now, TimeDelta::MIN),
            RunOnStart::IfMissed => match self.catch_up(past, now, self.latest_start()) {
                wait @ ScheduleDecision::Wait { .. } => self.cut_off(past, now).unwrap_or(wait),
                decision => decision,
            },
            RunOnStart::Always => self.run_at_once(past, now),
        })
    }

    /// What `decide` says, unless the past lies in the future.
    fn trusting(past: &SlotHistory, now: DateTime<Utc>, decide: impl FnOnce() -> ScheduleDecision) -> ScheduleDecision {
        if past.is_far_ahead(now) { ScheduleDecision::Forget { ahead: past.base() } } else { decide() }
    }

    /// Runs the latest slot that is due, if it is not later than `most`.
    fn catch_up(&self, past: &SlotHistory, now: DateTime<Utc>, most: TimeDelta) -> ScheduleDecision {
        let next = self.next_after(past.base());
        if next.is_none_or(|slot| slot.starts_at > now) {
            return ScheduleDecision::Wait { next };
        }
        match self.due(past, now - self.jitter) {
            None => ScheduleDecision::Wait { next },
            Some(due) if self.lateness(due.latest, now) <= most => self.run(due.latest, due.earlier, now),
            Some(due) => ScheduleDecision::Missed { last: due.latest, count: due.earlier + 1 },
        }
    }

    /// Runs the last slot once more, if it was cut off and is not too old.
    fn cut_off(&self, past: &SlotHistory, now: DateTime<Utc>) -> Option<ScheduleDecision> {
        let last = past.last.filter(|last| !last.ended && last.attempts < ATTEMPTS)?;
        (self.lateness(last.slot, now) <= self.latest_start()).then(|| self.run(last.slot, 0, now))
    }

    /// Runs a slot that is due, without waiting for its jitter; else one that was cut off; else one of its own.
    fn run_at_once(&self, past: &SlotHistory, now: DateTime<Utc>) -> ScheduleDecision {
        let due = self.due(past, now);
        if let Some(due) = due.filter(|due| self.lateness(due.latest, now) <= self.latest_start()) {
            return self.run(due.latest, due.earlier, now);
        }
        self.cut_off(past, now).unwrap_or_else(|| {
            let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
            let slot = past.last.map_or(now, |last| now.max(last.slot + TimeDelta::seconds(1)));
            ScheduleDecision::Run { slot, missed: due.map_or(0, |due| due.earlier + 1), late: false }
        })
    }

    fn run(&self, slot: DateTime<Utc>, missed: u64, now: DateTime<Utc>) -> ScheduleDecision {
        ScheduleDecision::Run { slot, missed, late: self.lateness(slot, now) > ON_TIME }
    }

    fn due(&self, past: &SlotHistory, limit: DateTime<Utc>) -> Option<Due> {
        slots::due(&self.expression, self.time_zone, past.base(), limit)
    }

    fn lateness(&self, slot: DateTime<Utc>, now: DateTime<Utc>) -> TimeDelta {
        now - self.slot(slot).starts_at
    }

    /// How late a slot may be run at most.
    fn latest_start(&self) -> TimeDelta {
        self.catch_up.max(ON_TIME)
    }
}
