//! Turns matching wall-clock times into slots in UTC. When the clock of the time zone changes, slots follow Debian's
//! cron (cron(8), "Daylight Saving Time and other time changes"; its `find_jobs` and `main_loop`):
//!
//! - A schedule with `*` first in its minutes or hours (here also in its seconds) goes by the clock as it is: times that
//!   are skipped do not exist, times that are repeated match twice and are two moments.
//! - Any other has times of the day. What is skipped runs once, when the clock has changed; what is repeated runs the
//!   first time alone. That is for changes of less than three hours: greater ones correct the calendar.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::expression::Expression;
use super::field::{FIRST_YEAR, LAST_YEAR};
use super::zone::{ClockChange, TimeZone};

/// Changes of so much or more are corrections.
pub(super) const CORRECTION: TimeDelta = TimeDelta::hours(3);
/// Due slots are counted up to so many.
const COUNTED: u64 = 1_000;

/// The first slot after this time; `None` if there is none.
pub(super) fn next(expression: &Expression, zone: TimeZone, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut from = within_years(after)?;
    let mut inclusive = false;
    loop {
        let offset = zone.offset(from);
        let wall = expression.next_match(from.with_timezone(&offset).naive_local(), inclusive)?;
        let candidate = wall.and_local_timezone(offset).single()?.to_utc();
        if let Some(change) = zone.first_change(from, candidate) {
            if expression.has_times_of_day() && is_skipped(wall, change) {
                return Some(change.at);
            }
            (from, inclusive) = (change.at, true);
        } else if expression.has_times_of_day() && zone.repeats(candidate).is_some_and(|ago| ago < CORRECTION) {
            (from, inclusive) = (candidate, false);
        } else {
            return Some(candidate);
        }
    }
}

/// Whether a time that the clock had not shown before the change, nor would show at once, is jumped over by it.
fn is_skipped(wall: NaiveDateTime, change: ClockChange) -> bool {
    change.forward() < CORRECTION && wall < change.wall_after()
}

/// This time in whole seconds, not before the first year; none: after the last.
fn within_years(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let new_year = |year: u16| Some(NaiveDate::from_ymd_opt(year.into(), 1, 1)?.and_time(NaiveTime::MIN).and_utc());
    let at = DateTime::from_timestamp(at.timestamp(), 0)?.max(new_year(FIRST_YEAR)?);
    (at < new_year(LAST_YEAR + 1)?).then_some(at)
}

/// Slots that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) latest: DateTime<Utc>,
    /// How many are due besides; counting ends at a thousand.
    pub(super) earlier: u64,
}

/// The slots after `base` and not after `limit`, if there are any.
pub(super) fn due(expression: &Expression, zone: TimeZone, base: DateTime<Utc>, limit: DateTime<Utc>) -> Option<Due> {
    let next = |at| next(expression, zone, at).filter(|slot| *slot <= limit);
    let (mut latest, mut earlier) = (next(base)?, 0);
    while earlier < COUNTED {
        let Some(slot) = next(latest) else { return Some(Due { latest, earlier }) };
        (latest, earlier) = (slot, earlier + 1);
    }
    // Far fewer steps than slots, where each second is one and the daemon slept for a year.
    let mut none_after = limit;
    while none_after - latest > TimeDelta::seconds(1) {
        let middle = latest + (none_after - latest) / 2;
        match next(middle) {
            Some(slot) => latest = slot,
            None => none_after = middle,
        }
    }
    while let Some(slot) = next(latest) {
        latest = slot;
    }
    Some(Due { latest, earlier })
}
