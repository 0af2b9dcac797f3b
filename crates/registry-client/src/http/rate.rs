//! How many requests a second a server takes, learnt from those that it turns away with 429. Pure: it is told what
//! happened and when, and says when the next request may begin.
//!
//! A rate and not a number of requests in flight: servers limit requests a second or a minute, and where answers take
//! milliseconds, a single request in flight may be too many. It begins with one request each [`RetryPolicy::base`], and
//! doubles in a second while all pass. From the first refusal on it keeps below what the server has taken of late, and
//! grows by the cube of the time since (RFC 9438): slowly near the rate that was refused, quickly far from it.
//!
//! [`RetryPolicy::base`]: crate::http::retry::RetryPolicy::base

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::http::retry::RetryPolicy;

/// What remains of the rate after a refusal.
const LESS: f64 = 0.85;
/// After so many seconds of work the rate is again what was refused.
const RECOVERY: f64 = 10.0;
/// What each passed request adds to the rate while it doubles: ln 2 in a second.
const DOUBLING: f64 = 0.7;
/// Passed requests from whose times we know what the server takes.
const REMEMBERED: usize = 16;
/// The longest pause where the server does not say how long: of a limit by the minute, the next minute is not missed.
const SLOWEST: Duration = Duration::from_secs(8);
/// The first, where the policy has none.
const FIRST: Duration = Duration::from_millis(500);
/// The shortest, which bounds the rate.
const QUICKEST: Duration = Duration::from_micros(100);
/// One refusal among so many passed requests is forgiven: a request may have been overtaken on its way.
const FORGIVEN: f64 = 1.0 / 20.0;
/// Most refusals that are forgiven in a row.
const CREDIT: f64 = 2.0;
/// What one that is forgiven takes back of the recovery, in seconds.
const SETBACK: f64 = 2.0;
/// After so long without a refusal the next one begins a new time without success: no pause is longer.
const FORGOTTEN: Duration = Duration::from_mins(5);

/// The rate for one host and endpoint.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    /// What was refused; none before it is known.
    most: Option<f64>,
    /// Whether it doubles.
    doubles: bool,
    /// Seconds of work since the last refusal, as the rate counts them: a second without requests tells nothing.
    worked: f64,
    credit: f64,
    slowest: f64,
    /// The last refusal that counted. Requests sent before it belong to the same burst.
    refused_at: Instant,
    passed_since: u64,
    passed: VecDeque<Instant>,
    /// From when on the next request may begin.
    next: Instant,
    /// Since when nothing has passed.
    in_vain: Option<Instant>,
    last_refusal: Instant,
}

impl Rate {
    /// After the first refusal.
    pub(crate) fn new(policy: &RetryPolicy, now: Instant) -> Self {
        let interval = if policy.base.is_zero() { FIRST } else { policy.base.min(SLOWEST) };
        Self {
            per_second: 1.0 / interval.as_secs_f64(),
            most: None,
            doubles: true,
            worked: 0.0,
            credit: 0.0,
            slowest: 1.0 / policy.longest.clamp(interval, SLOWEST).as_secs_f64(),
            refused_at: now,
            passed_since: 0,
            passed: VecDeque::new(),
            next: now + interval,
            in_vain: Some(now),
            last_refusal: now,
        }
    }

    /// A request that was sent at `sent` was turned away.
    pub(crate) fn refused(&mut self, sent: Instant, now: Instant) {
        if now > self.last_refusal + FORGOTTEN {
            self.in_vain = None;
        }
        self.last_refusal = now;
        self.in_vain.get_or_insert(now);
        if sent <= self.refused_at {
            return;
        }
        self.refused_at = now;
        if self.passed_since == 0 {
            self.per_second = (self.per_second / 2.0).max(self.slowest);
            self.doubles = true;
        } else if !self.doubles && self.credit >= 1.0 {
            self.credit -= 1.0;
            self.worked = (self.worked.min(RECOVERY) - SETBACK).max(0.0);
            self.per_second = self.grown();
        } else {
            let taken = self.taken(now).unwrap_or(self.per_second).min(self.per_second);
            let most = taken.max(self.per_second / 2.0);
            self.most = Some(most);
            (self.doubles, self.worked) = (false, 0.0);
            self.per_second = (most * LESS).max(self.slowest);
        }
        self.passed_since = 0;
        self.next = self.next.max(now + self.interval());
    }

    /// A request was not turned away.
    pub(crate) fn passed(&mut self, now: Instant) {
        self.in_vain = None;
        self.passed_since += 1;
        self.credit = (self.credit + FORGIVEN).min(CREDIT);
        if self.passed.len() == REMEMBERED {
            self.passed.pop_front();
        }
        self.passed.push_back(now);
        if self.doubles {
            self.per_second += DOUBLING;
            if let Some(most) = self.most.filter(|most| self.per_second >= *most) {
                (self.doubles, self.worked, self.per_second) = (false, RECOVERY, most);
            }
        }
    }

    /// From when on the next request may begin.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// A request begins now, which had to wait or not. The rate only grows by those that had to.
    pub(crate) fn begin(&mut self, waited: bool, now: Instant) {
        if waited && !self.doubles {
            self.worked += 1.0 / self.per_second;
            self.per_second = self.grown();
        }
        // The timer is late by a millisecond or two, which is not to be lost at each request; more is not caught up.
        let late = now.saturating_duration_since(self.next);
        let from = if waited && late < Duration::from_millis(5) { self.next } else { self.next.max(now) };
        self.next = from + self.interval();
    }

    /// How long nothing has passed.
    pub(crate) fn in_vain(&self, now: Instant) -> Duration {
        self.in_vain.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Whether a request has passed since then.
    pub(crate) fn has_passed_since(&self, then: Instant) -> bool {
        self.passed.back().is_some_and(|last| *last >= then)
    }

    /// Requests a second at the moment.
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second).max(QUICKEST)
    }

    fn grown(&self) -> f64 {
        let Some(most) = self.most else { return self.per_second };
        let way = (self.worked - RECOVERY) / RECOVERY;
        (most * (1.0 + (1.0 - LESS) * way.powi(3))).clamp(self.slowest, 1.0 / QUICKEST.as_secs_f64())
    }

    /// What the server has taken of late, in requests a second.
    fn taken(&self, now: Instant) -> Option<f64> {
        let first = self.passed.front().filter(|_| self.passed.len() >= 4)?;
        #[allow(clippy::cast_precision_loss)] // 16 at most
        let count = self.passed.len() as f64;
        let seconds = now.saturating_duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| count / seconds)
    }
}
