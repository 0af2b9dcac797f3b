//! Slows down after 429: for each host and endpoint that has refused requests, the rate at which requests are sent,
//! over all clients, as with [`crate::http::gate`]. The rate is per endpoint because limits are: Quay's proxy accepts 5
//! lists of tags per second and 50 manifests. Until a request is refused, the cost is one read of a flag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::http::endpoint::Endpoint;
use crate::http::gate::host;
use crate::http::queue::Queue;
use crate::http::rate::Rate;
use crate::http::retry::RetryPolicy;

/// Most hosts and endpoints remembered. Beyond that, those that are not in use are removed.
const MOST: usize = 256;

/// The rates of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Throttles {
    any: AtomicBool,
    all: Mutex<HashMap<(String, Endpoint), Arc<Throttle>>>,
}

/// The rates of this process.
static SHARED: LazyLock<Throttles> = LazyLock::new(Throttles::default);

/// Requests to one host and endpoint.
#[derive(Debug)]
pub(crate) struct Throttle {
    queue: Queue,
    rate: Mutex<Rate>,
}

/// The state of a limit after a request was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnedAway {
    /// For how long no request has been accepted.
    pub(crate) without_success: Duration,
    /// Whether another request has been accepted since this one was sent.
    pub(crate) others_pass: bool,
    /// The new rate, in requests per second.
    pub(crate) per_second: f64,
}

impl Throttles {
    /// The rates of this process.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// Waits until one more request may begin; returns how long that took. A request that goes `first` has been
    /// refused, or has had a turn and no token.
    pub(crate) async fn pass(&self, url: &Url, endpoint: Endpoint, first: bool) -> Duration {
        match self.of(url, endpoint) {
            Some(throttle) => throttle.pass(first).await,
            None => Duration::ZERO,
        }
    }

    /// Notes that a request that was sent at `sent` was refused.
    pub(crate) fn refused(&self, url: &Url, endpoint: Endpoint, sent: Instant, policy: &RetryPolicy) -> TurnedAway {
        let now = Instant::now();
        let throttle = {
            let mut all = self.all.lock();
            if all.len() >= MOST {
                all.retain(|_, throttle| Arc::strong_count(throttle) > 1);
            }
            let new = || Arc::new(Throttle { queue: Queue::default(), rate: Mutex::new(Rate::new(policy, now)) });
            all.entry((host(url), endpoint)).or_insert_with(new).clone()
        };
        self.any.store(true, Ordering::Release);
        let mut rate = throttle.rate.lock();
        rate.refused(sent, now);
        TurnedAway {
            without_success: rate.without_success(now),
            others_pass: rate.has_passed_since(sent),
            per_second: rate.per_second(),
        }
    }

    /// Notes that a request was accepted.
    pub(crate) fn passed(&self, url: &Url, endpoint: Endpoint) {
        if let Some(throttle) = self.of(url, endpoint) {
            throttle.rate.lock().passed(Instant::now());
        }
    }

    fn of(&self, url: &Url, endpoint: Endpoint) -> Option<Arc<Throttle>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.all.lock().get(&(host(url), endpoint)).cloned()
    }
}

impl Throttle {
    async fn pass(&self, first: bool) -> Duration {
        let begun = Instant::now();
        let _head = self.queue.head(first).await;
        let mut waited = false;
        loop {
            let (now, next) = (Instant::now(), self.rate.lock().next());
            if next <= now {
                self.rate.lock().begin(waited, now);
                return begun.elapsed();
            }
            waited = true;
            // The time may have moved, if another request was refused meanwhile.
            sleep_until(next).await;
        }
    }
}

#[cfg(test)]
mod tests;
