//! When a registry runs: cron expressions in a time zone, and which slot is due. Pure: the time is always an argument,
//! and the caller stores what is remembered. Knows no run, no file and no runtime.
//!
//! `croner` decides which wall-clock times match. `slots` applies the time zone to them, as Debian's cron does.

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

/// What the daemon runs when it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunOnStart {
    /// Nothing: missed slots stay missed.
    Never,
    /// The last slot, if it was missed or its run was interrupted less than `catch_up` ago.
    #[default]
    IfMissed,
    /// Every registry, at each start.
    Always,
}

/// The settings of a schedule.
#[derive(Clone, Debug)]
pub struct ScheduleSettings {
    /// The times, in the time zone.
    pub expression: Expression,
    /// IANA time zone in which `expression` is evaluated.
    pub time_zone: TimeZone,
    /// The starts of several registries are spread over this time, in whole seconds; zero: they are not spread.
    pub jitter: Duration,
    /// How late a slot may run at most; zero: never late.
    pub catch_up: Duration,
    /// What runs when the daemon starts.
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

/// A scheduled time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The scheduled time in whole seconds, by which the run is identified.
    pub at: DateTime<Utc>,
    /// When the run starts: the scheduled time plus this registry's jitter.
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

    /// The expression as configured: `0 2 * * *`.
    pub fn expression(&self) -> &str {
        self.expression.as_str()
    }

    /// The IANA name of the time zone: `Europe/Dublin`.
    pub fn time_zone(&self) -> &'static str {
        self.time_zone.name()
    }

    /// How long after each slot this registry starts: a hash of its name, so that it stays the same.
    pub fn jitter(&self) -> Duration {
        self.jitter.to_std().unwrap_or_default()
    }

    /// The first slot after this time; `None` if there is none. Takes microseconds.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<Slot> {
        slots::next(&self.expression, self.time_zone, at).map(|at| self.slot(at))
    }

    /// This time in the schedule's time zone.
    pub fn local(&self, at: DateTime<Utc>) -> DateTime<chrono::FixedOffset> {
        self.time_zone.local(at)
    }

    /// The longest gap between two successive slots of the next year or of the next 2000 slots, whichever is less; none
    /// if fewer than two are left. Takes up to some milliseconds for schedules of seconds and minutes: to be asked for
    /// once.
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
