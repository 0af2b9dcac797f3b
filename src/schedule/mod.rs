//! When a registry runs: cron expressions in a time zone, and which slot is due. Pure: the time is always an argument, and
//! what is remembered belongs to the caller. Knows no run, no file and no runtime.
//!
//! `croner` says which wall-clock times match; what a time zone makes of them is in `slots`, as Debian's cron does it.

mod decision;
mod error;
mod expression;
mod field;
mod slots;
#[cfg(test)]
mod tests;
mod zone;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

pub use decision::{ScheduleDecision, SlotHistory, TakenSlot};
pub use error::ScheduleError;
pub use expression::Expression;
pub use zone::TimeZone;

/// Slots that [`Schedule::interval`] looks at.
const SLOTS: usize = 2_000;
/// How far ahead [`Schedule::interval`] looks: a year with both its changes of the clock, and a day more.
const YEAR: TimeDelta = TimeDelta::days(367);

/// Whether a registry runs when the daemon starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunOnStart {
    /// No: what was missed until then stays so.
    Never,
    /// If a slot was missed, or a run was cut off, no longer ago than `catch_up`.
    #[default]
    IfMissed,
    /// At each start.
    Always,
}

/// What is configured of a schedule.
#[derive(Clone, Debug)]
pub struct ScheduleSettings {
    /// The times, by the wall clock of the time zone.
    pub expression: Expression,
    /// Where that clock hangs.
    pub time_zone: TimeZone,
    /// Starts of several registries are spread over so much time, in whole seconds; zero: not at all.
    pub jitter: Duration,
    /// How late a slot may be run at most; zero: never late.
    pub catch_up: Duration,
    /// What is done at the start.
    pub run_on_start: RunOnStart,
}

impl ScheduleSettings {
    /// These times in UTC, without jitter, caught up within six hours.
    pub fn new(expression: Expression) -> Self {
        Self {
            expression,
            time_zone: TimeZone::default(),
            jitter: Duration::ZERO,
            catch_up: Duration::from_hours(6),
            run_on_start: RunOnStart::default(),
        }
    }
}

/// When a registry runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    expression: Expression,
    time_zone: TimeZone,
    /// This registry's own.
    jitter: TimeDelta,
    catch_up: TimeDelta,
    run_on_start: RunOnStart,
}

/// A time that a run stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// By the schedule, in whole seconds: the identity of the run.
    pub at: DateTime<Utc>,
    /// When it is this registry's turn: the same and its jitter.
    pub starts_at: DateTime<Utc>,
}

impl Schedule {
    /// The schedule of the registry of this name.
    pub fn new(settings: &ScheduleSettings, registry: &str) -> Self {
        let span = |duration| TimeDelta::from_std(duration).unwrap_or(YEAR).min(YEAR);
        Self {
            expression: settings.expression.clone(),
            time_zone: settings.time_zone,
            jitter: offset(registry, span(settings.jitter)),
            catch_up: span(settings.catch_up),
            run_on_start: settings.run_on_start,
        }
    }

    /// As configured: `0 2 * * *`.
    pub fn expression(&self) -> &str {
        self.expression.as_str()
    }

    /// As IANA names it: `Europe/Dublin`.
    pub fn time_zone(&self) -> &'static str {
        self.time_zone.name()
    }

    /// How long after each slot this registry starts: a hash of its name, so that it stays the same.
    pub fn jitter(&self) -> Duration {
        self.jitter.to_std().unwrap_or_default()
    }

    /// The first slot strictly after this time; none: never again. Takes microseconds.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<Slot> {
        slots::next(&self.expression, self.time_zone, at).map(|at| self.slot(at))
    }

    /// This time by the clock of the schedule, with that clock's offset from UTC.
    pub fn local(&self, at: DateTime<Utc>) -> DateTime<chrono::FixedOffset> {
        self.time_zone.local(at)
    }

    /// The longest gap between two successive slots of the next year or of the next 2000 slots, whichever is less; none if
    /// fewer than two are left. Takes up to some milliseconds for schedules of seconds and minutes: to be asked for once.
    pub fn interval(&self, from: DateTime<Utc>) -> Option<Duration> {
        let mut slot = self.next_after(from)?.at;
        let mut longest = None;
        for _ in 0..SLOTS {
            let Some(next) = self.next_after(slot) else { break };
            longest = longest.max(Some(next.at - slot));
            slot = next.at;
            if slot - from > YEAR {
                break;
            }
        }
        longest?.to_std().ok()
    }

    fn slot(&self, at: DateTime<Utc>) -> Slot {
        Slot { at, starts_at: at + self.jitter }
    }
}

/// A hash of this name, in whole seconds from nothing to less than `span`.
fn offset(name: &str, span: TimeDelta) -> TimeDelta {
    let seconds = u64::try_from(span.num_seconds()).unwrap_or_default().max(1);
    let hash = Sha256::digest(name.as_bytes());
    let number = hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    TimeDelta::seconds(i64::try_from(number % seconds).unwrap_or_default())
}
