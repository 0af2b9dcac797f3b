//! One request on its way, whose end the meter is told in any case: also when nobody waits for it any more.

use chrono::{DateTime, Utc};
use reqwest::header::{AGE, DATE, HeaderMap};
use tokio::time::Instant;

use crate::http::observer::{Endpoint, Exchange, Loss, Meter};
use crate::http::transport::{Answer, Failure};
use crate::problem::Problem;

/// A request on its way.
pub(crate) struct Flight<'m> {
    meter: &'m dyn Meter,
    begun: Instant,
    /// What is told at the end.
    exchange: Exchange,
}

impl<'m> Flight<'m> {
    pub(crate) fn begin(meter: &'m dyn Meter, endpoint: Endpoint) -> Self {
        meter.begun(endpoint);
        let exchange = Exchange {
            endpoint,
            outcome: Err(Loss::Dropped),
            bytes: 0,
            took: std::time::Duration::ZERO,
            clock_skew: None,
        };
        Self { meter, begun: Instant::now(), exchange }
    }

    /// Notes the head of an answer that came at `now`.
    pub(crate) fn answered(&mut self, headers: &HeaderMap, now: DateTime<Utc>) {
        self.exchange.clock_skew = clock_skew(headers, now);
    }

    /// Notes that so many bytes of the body came.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.exchange.bytes += bytes as u64;
    }

    /// Tells how it ended.
    pub(crate) fn end(mut self, outcome: &Result<Answer, Failure>) {
        self.exchange.outcome = match outcome {
            Ok(answer) => Ok(answer.status.as_u16()),
            Err(Failure::Broken(problem) | Failure::Unusable(problem)) => Err(loss(problem)),
        };
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.exchange.took = self.begun.elapsed();
        self.meter.ended(&self.exchange);
    }
}

fn loss(problem: &Problem) -> Loss {
    match problem {
        Problem::Timeout(_) => Loss::Timeout,
        Problem::Tls(_) => Loss::Connect,
        Problem::Broken(error) if error.is_connect() => Loss::Connect,
        _ => Loss::Broken,
    }
}

/// The server's clock minus ours, in seconds. An answer out of a cache bears the date at which it went in.
fn clock_skew(headers: &HeaderMap, now: DateTime<Utc>) -> Option<f64> {
    let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE))?.to_str().ok()?;
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(date).ok()?);
    Some((date - now).as_seconds_f64())
}

#[cfg(test)]
mod tests {
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
}
