//! Learns how many requests per second a server accepts, from those that it refuses with 429. Pure: it is given what
//! happened and when, and returns when the next request may begin.
//!
//! It limits a rate and not the number of requests in flight: servers limit requests per second or minute, and if
//! answers take milliseconds, a single request in flight may be too many. It begins with one request each
//! [`RetryPolicy::base`], and doubles in a second while all requests are accepted. After a refusal, it stays below the
//! rate that the server has accepted lately, and grows by the cube of the time since (RFC 9438): slowly near the
//! refused rate, quickly far from it.
//!
//! [`RetryPolicy::base`]: crate::http::retry::RetryPolicy::base

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::http::retry::RetryPolicy;

/// The factor by which a refusal reduces the rate.
const LESS: f64 = 0.85;
/// After so many seconds of requests, the rate is again what was refused.
const RECOVERY: f64 = 10.0;
/// How much each accepted request adds to the rate while it doubles: ln 2 in a second.
const DOUBLING: f64 = 0.7;
/// Number of accepted requests from whose times the accepted rate is computed.
const REMEMBERED: usize = 16;
/// The longest pause if the server names none. It is short enough not to miss the next minute of a limit per minute.
const SLOWEST: Duration = Duration::from_secs(8);
/// The first pause, if the policy has none.
const FIRST: Duration = Duration::from_millis(500);
/// The shortest pause, which bounds the rate.
const QUICKEST: Duration = Duration::from_micros(100);
/// One refusal among so many accepted requests is ignored: requests may overtake each other on the network.
const FORGIVEN: f64 = 1.0 / 20.0;
/// Most refusals that are ignored in a row.
const CREDIT: f64 = 2.0;
/// By how many seconds an ignored refusal sets the recovery back.
const SETBACK: f64 = 2.0;
/// After so long without a refusal, the next refusal starts a new time without success: no pause is longer.
const FORGOTTEN: Duration = Duration::from_mins(5);

/// The rate for one host and endpoint.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    /// The rate that was refused; none before it is known.
    most: Option<f64>,
    /// Whether the rate doubles each second.
    doubles: bool,
    /// Seconds of requests since the last refusal, as the rate counts them: a second without requests shows nothing.
    worked: f64,
    credit: f64,
    slowest: f64,
    /// The time of the last refusal that counted. Requests sent before it belong to the same burst.
    refused_at: Instant,
    passed_since: u64,
    passed: VecDeque<Instant>,
    /// When the next request may begin.
    next: Instant,
    /// Since when no request has been accepted.
    without_success: Option<Instant>,
    last_refusal: Instant,
}

impl Rate {
    /// The rate after the first refusal.
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
            without_success: Some(now),
            last_refusal: now,
        }
    }

    /// A request that was sent at `sent` was refused.
    pub(crate) fn refused(&mut self, sent: Instant, now: Instant) {
        if now > self.last_refusal + FORGOTTEN {
            self.without_success = None;
        }
        self.last_refusal = now;
        self.without_success.get_or_insert(now);
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

    /// A request was accepted.
    pub(crate) fn passed(&mut self, now: Instant) {
        self.without_success = None;
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

    /// When the next request may begin.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// A request begins now; `waited` says whether it had to wait. Only requests that had to wait let the rate grow.
    pub(crate) fn begin(&mut self, waited: bool, now: Instant) {
        if waited && !self.doubles {
            self.worked += 1.0 / self.per_second;
            self.per_second = self.grown();
        }
        // If the timer is late by a millisecond or two, that time is not lost for the next request. A longer delay is
        // not caught up.
        let late = now.saturating_duration_since(self.next);
        let from = if waited && late < Duration::from_millis(5) { self.next } else { self.next.max(now) };
        self.next = from + self.interval();
    }

    /// For how long no request has been accepted.
    pub(crate) fn without_success(&self, now: Instant) -> Duration {
        self.without_success.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Whether a request has been accepted since `then`.
    pub(crate) fn has_passed_since(&self, then: Instant) -> bool {
        self.passed.back().is_some_and(|last| *last >= then)
    }

    /// The current rate, in requests per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second).max(QUICKEST)
    }

    fn grown(&self) -> f64 {
        let Some(most) = self.most else { return self.per_second };
        let progress = (self.worked - RECOVERY) / RECOVERY;
        (most * (1.0 + (1.0 - LESS) * progress.powi(3))).clamp(self.slowest, 1.0 / QUICKEST.as_secs_f64())
    }

    /// The rate that the server has accepted lately, in requests per second.
    fn taken(&self, now: Instant) -> Option<f64> {
        let first = self.passed.front().filter(|_| self.passed.len() >= 4)?;
        #[allow(clippy::cast_precision_loss)] // 16 at most
        let count = self.passed.len() as f64;
        let seconds = now.saturating_duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| count / seconds)
    }
}
