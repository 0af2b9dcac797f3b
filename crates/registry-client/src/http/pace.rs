//! Limits the number of requests that begin per second, over all clients of one host: several registries of one
//! configuration may be on it, as with [`crate::http::gate`]. It sends nothing itself.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::http::gate::host;
use crate::http::queue::Queue;

/// The generic cell rate algorithm: the head of the queue waits for the next free moment and takes it.
#[derive(Debug, Default)]
struct PaceClock {
    queue: Queue,
    /// The time at which all requests so far would be done if each took its whole interval; none before the first
    /// request.
    free: Mutex<Option<Instant>>,
}

/// The schedules of all hosts with a limit.
static CLOCKS: LazyLock<Mutex<HashMap<String, Weak<PaceClock>>>> = LazyLock::new(Mutex::default);

/// One client's limit, on the schedule of its registry's host. Requests to a token endpoint or a storage service count
/// as well: they are usually on the same site, and the limit is the registry's.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: Arc<PaceClock>,
    interval: Duration,
    /// How much of the host's time may be used in advance.
    slack: Duration,
}

impl Pace {
    /// A limit of so many requests per second. A tenth of them may begin at once, if that is more than one: timers are
    /// no finer than a millisecond. A front proxy that allows no burst usually has a low limit.
    pub(crate) fn new(registry: &Url, per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let slack = interval * (per_second / 10).saturating_sub(1);
        let mut clocks = CLOCKS.lock();
        clocks.retain(|_, clock| clock.strong_count() > 0);
        let shared = clocks.entry(host(registry)).or_default();
        let clock = shared.upgrade().unwrap_or_default();
        *shared = Arc::downgrade(&clock);
        Self { clock, interval, slack }
    }

    /// Waits until one more request may begin. A request that goes `first` has had its turn and needs another.
    pub(crate) async fn pass(&self, first: bool) {
        let arrived = Instant::now();
        let _head = self.clock.queue.head(first).await;
        let begins = {
            let mut free = self.clock.free.lock();
            // Computed from its arrival and not from now: timers are late by a millisecond, which would add up over the
            // queue.
            let begins = free.map_or(arrived, |free| free.max(arrived));
            *free = Some(begins + self.interval);
            begins
        };
        // Written as `now + slack`: shortly after the clock's start, there is nothing to subtract from.
        if begins > Instant::now() + self.slack {
            sleep_until(begins - self.slack).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    fn pace(host: &str, per_second: u32) -> Pace {
        Pace::new(&Url::parse(&format!("https://{host}/x")).expect("a URL"), per_second)
    }

    /// The time at which each of so many requests began, in milliseconds.
    async fn began(paces: &[&Pace], count: usize) -> Vec<u128> {
        let start = Instant::now();
        let one = async |at: usize| {
            paces[at % paces.len()].pass(false).await;
            start.elapsed().as_millis()
        };
        let mut all = join_all((0..count).map(one)).await;
        all.sort_unstable();
        all
    }

    #[tokio::test(start_paused = true)]
    async fn requests_begin_evenly_and_never_more_than_a_tenth_of_a_second_at_once() {
        let slow = began(&[&pace("slow.example", 5)], 4).await;
        assert_eq!(slow, [0, 200, 400, 600]);
        let quick = began(&[&pace("quick.example", 100)], 1000).await;
        assert_eq!(quick.iter().filter(|ms| **ms == 0).count(), 10);
        for window in [100, 1000] {
            let most = quick.iter().map(|from| quick.iter().filter(|at| (*from..from + window).contains(*at)).count());
            assert!(most.max() <= Some(usize::try_from(window / 10).expect("small") + 10), "{window} ms");
        }
        assert!((9890..=9920).contains(quick.last().expect("requests")), "{quick:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn unused_time_is_not_saved_up() {
        let pace = pace("idle.example", 10);
        pace.pass(false).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(began(&[&pace], 3).await, [0, 100, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn two_clients_of_one_host_share_its_limit_and_other_hosts_do_not() {
        let (one, two) = (pace("shared.example", 10), pace("SHARED.example.", 10));
        assert_eq!(began(&[&one, &two], 4).await, [0, 100, 200, 300]);
        let (one, two) = (pace("a.example", 10), pace("b.example", 10));
        assert_eq!(began(&[&one, &two], 4).await, [0, 0, 100, 100]);
    }
}
