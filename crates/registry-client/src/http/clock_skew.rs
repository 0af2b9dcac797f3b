//! The difference between a server's clock and ours, by the `Date` of its answers. An answer from a cache has an `Age`,
//! and the date at which it was stored, so it shows nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::header::{AGE, DATE, HeaderMap};

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE))?.to_str().ok()?;
    Some(httpdate::parse_http_date(date).ok()?.into())
}

/// The server's clock minus ours, in seconds.
pub(crate) fn clock_skew(headers: &HeaderMap, now: DateTime<Utc>) -> Option<f64> {
    Some((date(headers)? - now).as_seconds_f64())
}

/// The difference in whole seconds, beyond the time that the answer took.
pub(crate) fn seconds_ahead(headers: &HeaderMap, took: Duration, unix_now: i64) -> Option<i64> {
    let date = date(headers)?.timestamp();
    let began = unix_now.saturating_sub(i64::try_from(took.as_secs()).ok()?);
    // `Date` and our own time are in whole seconds.
    Some(if date > unix_now + 1 {
        date - unix_now
    } else if date < began - 1 {
        date - began
    } else {
        0
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn the_date_tells_the_clock_unless_it_is_out_of_a_cache() {
        let now = DateTime::from_timestamp_millis(784_111_777_500).expect("a time");
        let skew = |pairs: &[(&'static str, &str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| ((*name).parse().expect("a name"), value.parse().expect("a value")));
            clock_skew(&pairs.collect(), now)
        };
        let date = "Sun, 06 Nov 1994 08:49:47 GMT";
        assert_eq!(skew(&[("date", date)]), Some(9.5));
        assert_eq!(skew(&[("date", "Sun, 06 Nov 1994 08:49:07 GMT")]), Some(-30.5));
        assert_eq!(skew(&[("date", date), ("age", "0")]), None);
        assert_eq!(skew(&[("date", "yesterday")]), None);
        assert_eq!(skew(&[]), None);
    }

    #[test]
    fn a_clock_is_off_only_beyond_what_the_answer_took() {
        let of = |date: &'static str, took: u64| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_static(date));
            seconds_ahead(&headers, Duration::from_secs(took), 784_111_777)
        };
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT", 0), Some(0));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:07 GMT", 30), Some(0));
        assert_eq!(of("Sun, 06 Nov 1994 08:48:37 GMT", 30), Some(-30));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:37 GMT", 30), Some(60));
        assert_eq!(of("yesterday", 0), None);
    }
}
