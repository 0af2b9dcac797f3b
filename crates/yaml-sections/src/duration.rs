//! Durations as people write them: `30s`, `1h30m`, `500ms`.

use std::time::Duration;

/// The units, largest first, with their milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads whole numbers, each with a unit, larger units first and each unit once. `None` for other text.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = &UNITS[..];
    let mut total = 0u64;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let at = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// The duration that a text like `30 seconds`, `1 day` or `1.5h` probably means, as it is written here.
pub(crate) fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let unit = unit.trim().to_ascii_lowercase();
    let ms = match unit.as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
        "m" | "min" | "mins" | "minute" | "minutes" => 6e4,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3.6e6,
        "d" | "day" | "days" => 8.64e7,
        "w" | "week" | "weeks" => 6.048e8,
        _ => return None,
    };
    let whole = number.parse::<f64>().ok().map(|number| number * ms).filter(|ms| *ms >= 1.0 && *ms < 1e12)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the range above
    let duration = Duration::from_millis(whole.round() as u64);
    Some(written(duration))
}

/// The duration as people write it; `off` for zero.
pub(crate) fn written(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, length) in UNITS {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            text.extend([count.to_string().as_str(), unit]);
        }
    }
    if text.is_empty() { "off".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["30s", "5m", "1h30m", "500ms", "1m1ms", "168h"] {
            assert_eq!(parse(text).map(written).as_deref(), Some(text));
        }
        assert_eq!(written(Duration::ZERO), "off");
    }

    #[test]
    fn what_is_meant_is_a_duration() {
        for (text, expected) in [
            ("30 seconds", "30s"),
            ("30sec", "30s"),
            ("5 min", "5m"),
            ("1 day", "24h"),
            ("1d", "24h"),
            ("1.5h", "1h30m"),
            ("2 Hours", "2h"),
            ("1w", "168h"),
        ] {
            assert_eq!(meant(text).as_deref(), Some(expected), "{text}");
            assert!(parse(expected).is_some());
        }
        for text in ["", "soon", "30", "1 fortnight", "0s", ".h", "1e9h", "99999999999999d"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }

    #[test]
    fn durations_carry_their_units() {
        for (text, ms) in
            [("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("1m0s1ms", 60_001), ("0s", 0)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "s", "30 s", "-1s", "1.5s", "1s1s", "1s1m", "1d", "1S", "99999999999999999h", "1sä"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
