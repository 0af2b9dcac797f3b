//! Decides whether and when to try again. Pure: it is given what happened and a random number, and does not sleep.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};

/// How often to try again, and how long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// Most attempts at one request, the first included.
    pub attempts: u32,
    /// Bound of the first pause; it doubles with each further attempt.
    pub base: Duration,
    /// Bound of a pause that the client chooses itself.
    pub longest: Duration,
    /// Bound of a pause that the server asks for.
    pub longest_asked: Duration,
    /// How long a host may refuse all requests with 429 before the client gives up.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            base: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            longest_asked: Duration::from_mins(2),
            give_up_after: Duration::from_mins(10),
        }
    }
}

/// One attempt and its outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The number of the attempt, from 1.
    pub number: u32,
    /// The outcome.
    pub seen: AttemptOutcome,
    /// The pause that the server asked for.
    pub asked: Option<Duration>,
    /// Whether the request may be sent again after a failure: a GET. After a HEAD that fails, a GET is sent instead.
    pub repeatable: bool,
    /// A random number in `0.0..1.0`.
    pub random: f64,
    /// The state of the host's limit, if the host refused the request because of it.
    pub limited: Option<LimitedAttempt>,
}

/// A request that a host refused because of its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitedAttempt {
    /// How often the request has been refused, from 1.
    pub times: u32,
    /// For how long this request has been refused, or all requests to its endpoint if none of them was accepted.
    pub without_success: Duration,
    /// Whether another request has been accepted since this one was sent.
    pub others_pass: bool,
}

impl LimitedAttempt {
    /// Whether the attempt does not count. 429 says that the request was not processed. 503 may mean that no backend is
    /// there, unless other requests are answered.
    pub(crate) fn is_free(&self, seen: AttemptOutcome) -> bool {
        seen == AttemptOutcome::Status(StatusCode::TOO_MANY_REQUESTS) || self.others_pass
    }
}

impl AttemptOutcome {
    /// Whether the host says that it receives too many requests: 429, or 503 with a pause.
    pub(crate) fn is_limit(self, asked: Option<Duration>) -> bool {
        match self {
            Self::Status(StatusCode::TOO_MANY_REQUESTS) => true,
            Self::Status(StatusCode::SERVICE_UNAVAILABLE) => asked.is_some(),
            Self::Status(_) | Self::NotTheRegistry { .. } | Self::Broken | Self::Unusable => false,
        }
    }
}

/// The outcome of one attempt, as far as the decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    /// A complete answer.
    Status(StatusCode),
    /// A 404 that does not come from a registry.
    NotTheRegistry {
        /// Most attempts, if the policy allows as many.
        most: u32,
    },
    /// No connection, a lost one, or no answer within the time limit.
    Broken,
    /// An answer that another attempt would not improve: too large, a compression that was not offered, an untrusted
    /// certificate.
    Unusable,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Return the outcome to the caller.
    Return,
    /// Try again after this pause.
    After {
        /// The length of the pause.
        pause: Duration,
        /// Whether all requests to the host wait as well.
        all: bool,
    },
    /// Return the outcome: another attempt could help, but there have been enough.
    GiveUp,
}

impl RetryPolicy {
    /// Decides about one attempt. Pauses have full jitter: they are chosen evenly between zero and their bound, so that
    /// clients that were refused together do not return together. If the host limits requests without naming a pause,
    /// the pause is zero: the throttle decides when each request is sent.
    pub(crate) fn decide(&self, attempt: &Attempt) -> RetryDecision {
        let limited = attempt.limited;
        match attempt.seen {
            _ if limited.is_some() => {}
            AttemptOutcome::Status(status) if attempt.repeatable && is_passing(status) => {}
            AttemptOutcome::Broken | AttemptOutcome::NotTheRegistry { .. } if attempt.repeatable => {}
            AttemptOutcome::Status(_)
            | AttemptOutcome::Broken
            | AttemptOutcome::NotTheRegistry { .. }
            | AttemptOutcome::Unusable => return RetryDecision::Return,
        }
        let is_free = limited.is_some_and(|limited| limited.is_free(attempt.seen));
        let most = if let AttemptOutcome::NotTheRegistry { most } = attempt.seen { most } else { u32::MAX };
        let is_last = !is_free && attempt.number >= self.attempts.min(most);
        if is_last || limited.is_some_and(|limited| self.has_waited_enough(attempt, limited)) {
            return RetryDecision::GiveUp;
        }
        let doubled = self.base.saturating_mul(1 << (attempt.number - 1).min(20)).min(self.longest);
        let chosen = doubled.mul_f64(attempt.random);
        // A little longer than the server asked for, and never shorter: if all waiting requests came back at once, they
        // would be refused again.
        let asked = attempt.asked.map(|asked| asked.min(self.longest_asked) + self.base.mul_f64(attempt.random));
        match limited {
            Some(_) => RetryDecision::After { pause: asked.unwrap_or_default(), all: true },
            None => RetryDecision::After { pause: asked.unwrap_or(chosen), all: false },
        }
    }

    /// Whether to stop waiting for a limit: it has lasted too long, or the server has said twice that it will.
    fn has_waited_enough(&self, attempt: &Attempt, limited: LimitedAttempt) -> bool {
        let asks_too_much = attempt.asked.is_some_and(|asked| asked > self.give_up_after) && !limited.others_pass;
        limited.without_success >= self.give_up_after || (asks_too_much && limited.times > 1)
    }
}

/// Whether an error of a server may pass.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        && status != StatusCode::NOT_IMPLEMENTED
        && status != StatusCode::HTTP_VERSION_NOT_SUPPORTED
        || status == StatusCode::REQUEST_TIMEOUT
}

/// The pause that a server asks for: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or `X-Retry-After` as
/// seconds since 1970. A time in the past is no pause.
pub(crate) fn asked_pause(headers: &HeaderMap, unix_now: i64) -> Option<Duration> {
    let until = |unix: i64| u64::try_from(unix.saturating_sub(unix_now)).ok().map(Duration::from_secs);
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let standard = text(RETRY_AFTER.as_str()).and_then(|text| {
        let seconds = text.parse().ok().map(Duration::from_secs);
        let date = || {
            until(
                httpdate::parse_http_date(text)
                    .ok()?
                    .duration_since(std::time::UNIX_EPOCH)
                    .ok()?
                    .as_secs()
                    .try_into()
                    .ok()?,
            )
        };
        seconds.or_else(date)
    });
    standard.or_else(|| until(text("x-retry-after")?.parse().ok()?)).filter(|pause| !pause.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 4,
        base: Duration::from_secs(1),
        longest: Duration::from_secs(3),
        longest_asked: Duration::from_mins(1),
        give_up_after: Duration::from_mins(10),
    };

    fn status(code: u16) -> AttemptOutcome {
        AttemptOutcome::Status(StatusCode::from_u16(code).expect("a status"))
    }

    fn attempt(number: u32, seen: AttemptOutcome) -> Attempt {
        Attempt { number, seen, asked: None, repeatable: true, random: 0.5, limited: None }
    }

    /// A request that the host has refused `times` times, for so many seconds.
    fn turned_away(times: u32, seen: AttemptOutcome, seconds: u64, others_pass: bool) -> Attempt {
        let limited = LimitedAttempt { times, without_success: Duration::from_secs(seconds), others_pass };
        Attempt { limited: Some(limited), ..attempt(times, seen) }
    }

    fn pause(attempt: &Attempt) -> Option<Duration> {
        match POLICY.decide(attempt) {
            RetryDecision::After { pause, .. } => Some(pause),
            RetryDecision::Return | RetryDecision::GiveUp => None,
        }
    }

    #[test]
    fn retries_are_bounded_jittered_and_only_for_what_may_pass() {
        for seen in [AttemptOutcome::Broken, status(500), status(502), status(503), status(504), status(408)] {
            assert_eq!(pause(&attempt(1, seen)), Some(Duration::from_millis(500)), "{seen:?}");
            assert_eq!(POLICY.decide(&attempt(4, seen)), RetryDecision::GiveUp, "{seen:?}");
        }
        for seen in [
            status(200),
            status(400),
            status(401),
            status(403),
            status(404),
            status(405),
            status(501),
            AttemptOutcome::Unusable,
        ] {
            assert_eq!(POLICY.decide(&attempt(1, seen)), RetryDecision::Return, "{seen:?}");
        }
        assert_eq!(pause(&attempt(2, AttemptOutcome::Broken)), Some(Duration::from_secs(1)));
        assert_eq!(
            pause(&attempt(3, AttemptOutcome::Broken)),
            Some(Duration::from_millis(1500)),
            "bounded by `longest`"
        );
        let unlucky = Attempt { random: 0.0, ..attempt(1, AttemptOutcome::Broken) };
        assert_eq!(pause(&unlucky), Some(Duration::ZERO));
        let large = Attempt { number: 3_000_000_000, ..attempt(1, AttemptOutcome::Broken) };
        assert_eq!(
            RetryPolicy { attempts: u32::MAX, ..POLICY }.decide(&large),
            RetryDecision::After { pause: Duration::from_millis(1500), all: false }
        );
    }

    #[test]
    fn a_404_that_no_registry_has_said_is_repeated_as_often_as_it_is_worth() {
        let foreign = |most, number| attempt(number, AttemptOutcome::NotTheRegistry { most });
        assert_eq!(pause(&foreign(2, 1)), Some(Duration::from_millis(500)));
        assert_eq!(POLICY.decide(&foreign(2, 2)), RetryDecision::GiveUp);
        assert!(pause(&foreign(u32::MAX, 3)).is_some());
        assert_eq!(POLICY.decide(&foreign(u32::MAX, 4)), RetryDecision::GiveUp);
        let post = Attempt { repeatable: false, ..foreign(2, 1) };
        assert_eq!(POLICY.decide(&post), RetryDecision::Return);
    }

    #[test]
    fn what_is_not_repeatable_is_only_repeated_when_it_was_turned_away() {
        for seen in [AttemptOutcome::Broken, status(500), status(503)] {
            let post = Attempt { repeatable: false, ..attempt(1, seen) };
            assert_eq!(POLICY.decide(&post), RetryDecision::Return, "{seen:?}");
        }
        let post = Attempt { repeatable: false, ..turned_away(1, status(429), 0, false) };
        assert!(matches!(POLICY.decide(&post), RetryDecision::After { all: true, .. }));
    }

    #[test]
    fn the_pause_asked_for_is_kept_and_capped() {
        let asked = |seconds| Attempt {
            asked: Some(Duration::from_secs(seconds)),
            random: 0.0,
            ..turned_away(1, status(429), 0, false)
        };
        assert_eq!(POLICY.decide(&asked(7)), RetryDecision::After { pause: Duration::from_secs(7), all: true });
        assert_eq!(POLICY.decide(&asked(86_400)), RetryDecision::After { pause: Duration::from_mins(1), all: true });
        let unavailable = Attempt { seen: status(503), ..asked(7) };
        assert_eq!(POLICY.decide(&unavailable), RetryDecision::After { pause: Duration::from_secs(7), all: true });
    }

    #[test]
    fn a_429_counts_as_no_attempt_and_is_waited_out_until_nothing_has_passed_for_too_long() {
        let gives_up = |attempt: &Attempt| POLICY.decide(attempt) == RetryDecision::GiveUp;
        for others_pass in [false, true] {
            assert!(!gives_up(&turned_away(1000, status(429), 599, others_pass)));
            assert!(gives_up(&turned_away(2, status(429), 600, others_pass)));
        }
        let at_once = turned_away(9, status(429), 1, false);
        assert_eq!(
            POLICY.decide(&at_once),
            RetryDecision::After { pause: Duration::ZERO, all: true },
            "its turn decides"
        );
    }

    #[test]
    fn a_503_that_asks_for_a_pause_counts_as_an_attempt_unless_others_pass() {
        let asked = |attempt| Attempt { asked: Some(Duration::from_secs(7)), ..attempt };
        assert_eq!(POLICY.decide(&asked(turned_away(4, status(503), 1, false))), RetryDecision::GiveUp);
        assert_ne!(POLICY.decide(&asked(turned_away(4, status(503), 1, true))), RetryDecision::GiveUp);
    }

    #[test]
    fn a_pause_beyond_our_patience_is_believed_when_it_is_asked_for_again() {
        let asked = |attempt| Attempt { asked: Some(Duration::from_hours(6)), ..attempt };
        assert_ne!(POLICY.decide(&asked(turned_away(1, status(429), 0, false))), RetryDecision::GiveUp);
        assert_eq!(POLICY.decide(&asked(turned_away(2, status(429), 61, false))), RetryDecision::GiveUp);
        assert_ne!(POLICY.decide(&asked(turned_away(2, status(429), 61, true))), RetryDecision::GiveUp);
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let asked = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            asked_pause(&headers, 784_111_777)
        };
        assert_eq!(asked("retry-after", "120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(asked("x-retry-after", "784111782"), Some(Duration::from_secs(5)));
        for (name, value) in [
            ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"),
            ("retry-after", "soon"),
            ("retry-after", "-5"),
            ("retry-after", "0"),
            ("x-retry-after", "1"),
            ("x-retry-after", "99999999999999999999"),
        ] {
            assert_eq!(asked(name, value), None, "{name}: {value}");
        }
        assert_eq!(asked("x-retry-after", "9223372036854775807").map(|pause| pause.as_secs() > 1), Some(true));
    }
}
