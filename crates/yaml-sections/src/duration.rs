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
