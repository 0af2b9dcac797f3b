//! Records the rate limits that one client met: how many of its requests were refused with 429, and how many per second
//! were accepted from then on. It slows nothing down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::http::endpoint::Endpoint;

/// Most requests per second are computed from at least so many accepted requests; of fewer, the last rate is reported.
const ENOUGH: u32 = 10;

/// Requests of one kind that were refused with 429.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimitSeen {
    /// What the requests were for.
    pub endpoint: Endpoint,
    /// How many were refused.
    pub refused: u64,
    /// How many per second were accepted, from the first refusal on.
    pub per_second: f64,
}

/// The rate limits that a client met.
#[derive(Debug, Default)]
pub(crate) struct SlowedAccount {
    any: AtomicBool,
    kinds: Mutex<Vec<SlowedEndpoint>>,
}

#[derive(Debug)]
struct SlowedEndpoint {
    endpoint: Endpoint,
    refused: u64,
    since: Instant,
    taken: u32,
    last: Instant,
    /// The last rate of the throttle, in requests per second.
    rate: f64,
}

impl SlowedAccount {
    /// Notes a refusal and the new rate. `true` if it is the first for this endpoint.
    pub(crate) fn refused(&self, endpoint: Endpoint, rate: f64) -> bool {
        self.any.store(true, Ordering::Release);
        let (now, mut kinds) = (Instant::now(), self.kinds.lock());
        if let Some(kind) = kinds.iter_mut().find(|kind| kind.endpoint == endpoint) {
            (kind.refused, kind.rate) = (kind.refused + 1, rate);
            return false;
        }
        kinds.push(SlowedEndpoint { endpoint, refused: 1, since: now, taken: 0, last: now, rate });
        true
    }

    /// Notes a request that was accepted.
    pub(crate) fn taken(&self, endpoint: Endpoint) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut kinds = self.kinds.lock();
        if let Some(kind) = kinds.iter_mut().find(|kind| kind.endpoint == endpoint) {
            (kind.taken, kind.last) = (kind.taken.saturating_add(1), Instant::now());
        }
    }

    pub(crate) fn read(&self) -> Vec<RateLimitSeen> {
        let kinds = self.kinds.lock();
        let seen = |kind: &SlowedEndpoint| {
            let seconds = kind.last.saturating_duration_since(kind.since).max(Duration::from_millis(1)).as_secs_f64();
            let per_second = if kind.taken < ENOUGH { kind.rate } else { f64::from(kind.taken) / seconds };
            RateLimitSeen { endpoint: kind.endpoint, refused: kind.refused, per_second }
        };
        kinds.iter().map(seen).collect()
    }
}
