//! Time zones: their names, and when their offset from UTC changes.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::ScheduleError;

/// Clocks do not change twice within this: since 1970 no zone has had two changes within a week.
const STEP: TimeDelta = TimeDelta::days(6);
const SECOND: TimeDelta = TimeDelta::seconds(1);

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(Tz);

/// A moment when the offset from UTC changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockChange {
    /// The first moment with the new offset.
    pub(super) at: DateTime<Utc>,
    before: FixedOffset,
    after: FixedOffset,
}

impl ClockChange {
    /// How far the clock goes forward; less than nothing: back.
    pub(super) fn forward(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.after.local_minus_utc() - self.before.local_minus_utc()))
    }

    /// What the clock shows at that moment, having changed.
    pub(super) fn wall_after(&self) -> NaiveDateTime {
        self.at.with_timezone(&self.after).naive_local()
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl FromStr for TimeZone {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text.eq_ignore_ascii_case("local") {
            let help = "name it, for example `Europe/Dublin`; `timedatectl` shows the name of this machine's";
            return Err(ScheduleError::new("which zone is local depends on the machine", help));
        }
        if let Ok(zone) = text.parse() {
            return Ok(Self(zone));
        }
        let is_offset = text.contains(['+', '-']) && text.contains(|c: char| c.is_ascii_digit()) && !text.contains('/');
        let is_short = (3..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase());
        let place = "name the place, for example `Europe/Dublin`: then the clock is changed in spring and autumn";
        let (message, help) = if is_offset {
            ("an offset is not the name of a time zone", place)
        } else if is_short {
            ("an abbreviation that is not the name of a time zone", place)
        } else {
            ("not the name of a time zone", "for example `Europe/Dublin` or `UTC`")
        };
        Err(ScheduleError::new(message, help))
    }
}

impl TimeZone {
    /// All names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    pub(super) fn local(self, at: DateTime<Utc>) -> DateTime<FixedOffset> {
        at.with_timezone(&self.offset(at))
    }

    pub(super) fn offset(self, at: DateTime<Utc>) -> FixedOffset {
        self.0.offset_from_utc_datetime(&at.naive_utc()).fix()
    }

    /// The first change after `from` and not after `until`. Both are whole seconds.
    pub(super) fn first_change(self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<ClockChange> {
        let before = self.offset(from);
        let mut low = from;
        while low < until {
            let mut high = (low + STEP).min(until);
            let after = self.offset(high);
            if after == before {
                low = high;
                continue;
            }
            while high - low > SECOND {
                let middle = low + TimeDelta::seconds((high - low).num_seconds() / 2);
                if self.offset(middle) == before { low = middle } else { high = middle }
            }
            return Some(ClockChange { at: high, before, after });
        }
        None
    }

    /// How long ago the clock already showed what it shows at this moment; none: it shows it for the first time.
    pub(super) fn repeats(self, at: DateTime<Utc>) -> Option<TimeDelta> {
        match self.0.from_local_datetime(&self.local(at).naive_local()) {
            MappedLocalTime::Ambiguous(one, other) => {
                let first = one.to_utc().min(other.to_utc());
                (first < at).then(|| at - first)
            }
            _ => None,
        }
    }
}
