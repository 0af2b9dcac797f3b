//! Crawls on a paused clock against several kinds of limits: no request is lost, few are refused, and most of the limit
//! is used. Also the cost of a limit that never accepts a request.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU32;

use futures::future::join_all;
use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::*;
use crate::http::retry::{Attempt, AttemptOutcome, LimitedAttempt, RetryDecision};

/// A server's limit.
enum Limit {
    /// A token bucket: so many tokens per second, and so many at most.
    Bucket { per_second: f64, holds: f64, has: f64, at: Duration },
    /// So many requests in each period, counted from its beginning.
    Window { most: u32, period: Duration, number: u128, taken: u32 },
    /// So many requests in any period of this length.
    Sliding { most: usize, period: Duration, taken: VecDeque<Duration> },
    /// So many requests in total.
    Quota { left: u32 },
}

impl Limit {
    fn bucket(per_second: f64, burst: f64) -> Self {
        Self::Bucket { per_second, holds: burst + 1.0, has: burst + 1.0, at: Duration::ZERO }
    }

    fn window(most: u32, seconds: u64) -> Self {
        Self::Window { most, period: Duration::from_secs(seconds), number: 0, taken: 0 }
    }

    fn sliding(most: usize, seconds: u64) -> Self {
        Self::Sliding { most, period: Duration::from_secs(seconds), taken: VecDeque::new() }
    }

    /// Whether a request is accepted that arrives so long after the beginning.
    fn take(&mut self, now: Duration) -> bool {
        match self {
            Self::Bucket { per_second, holds, has, at } => {
                *has = (*has + now.saturating_sub(*at).as_secs_f64() * *per_second).min(*holds);
                *at = now;
                let passes = *has >= 1.0;
                *has -= f64::from(u8::from(passes));
                passes
            }
            Self::Window { most, period, number, taken } => {
                let current = now.as_nanos() / period.as_nanos();
                if *number != current {
                    (*number, *taken) = (current, 0);
                }
                let passes = *taken < *most;
                *taken += u32::from(passes);
                passes
            }
            Self::Sliding { most, period, taken } => {
                taken.retain(|at| *at + *period > now);
                let passes = taken.len() < *most;
                if passes {
                    taken.push_back(now);
                }
                passes
            }
            Self::Quota { left } => {
                let passes = *left > 0;
                *left = left.saturating_sub(1);
                passes
            }
        }
    }
}

struct Crawl {
    took: f64,
    refused: u32,
    lost: usize,
}

/// Sends so many requests, 16 at a time, each of which takes about `latency`, to a server with this limit.
async fn crawl(limit: Limit, count: usize, latency: Duration) -> Crawl {
    let (throttles, policy, permits) = (Throttles::default(), RetryPolicy::default(), Semaphore::new(16));
    let url = Url::parse("https://busy.example/v2/").expect("a URL");
    let (begun, limit, refused) = (Instant::now(), Mutex::new(limit), AtomicU32::new(0));
    let one = async |number: u64| {
        let mut random = fastrand::Rng::with_seed(number);
        let mut since: Option<Instant> = None;
        for times in 1.. {
            let permit = permits.acquire().await.expect("never closed");
            throttles.pass(&url, Endpoint::Tags, times > 1).await;
            let sent = Instant::now();
            sleep(latency.mul_f64(0.4 + 0.2 * random.f64())).await;
            let passes = limit.lock().take(begun.elapsed());
            sleep(latency.mul_f64(0.4 + 0.2 * random.f64())).await;
            drop(permit);
            if passes {
                throttles.passed(&url, Endpoint::Tags);
                return true;
            }
            refused.fetch_add(1, Ordering::Relaxed);
            let TurnedAway { without_success, others_pass, .. } =
                throttles.refused(&url, Endpoint::Tags, sent, &policy);
            let without_success = without_success.max(since.get_or_insert_with(Instant::now).elapsed());
            let limited = Some(LimitedAttempt { times, without_success, others_pass });
            let seen = AttemptOutcome::Status(StatusCode::TOO_MANY_REQUESTS);
            let attempt = Attempt { number: 1, seen, asked: None, repeatable: true, random: 0.5, limited };
            if policy.decide(&attempt) == RetryDecision::GiveUp {
                return false;
            }
        }
        unreachable!("patience ends")
    };
    let all = join_all((0..count as u64).map(one)).await;
    let lost = all.iter().filter(|passed| !**passed).count();
    Crawl { took: begun.elapsed().as_secs_f64(), refused: refused.load(Ordering::Relaxed), lost }
}

#[tokio::test(start_paused = true)]
async fn behind_five_a_second_a_hundred_repositories_take_less_than_half_a_minute() {
    let crawl = crawl(Limit::bucket(5.0, 2.0), 100, Duration::from_millis(5)).await;
    assert_eq!(crawl.lost, 0);
    assert!(crawl.took <= 30.0 && crawl.refused <= 30, "{} s, {} refused", crawl.took, crawl.refused);
}

#[tokio::test(start_paused = true)]
async fn limits_of_every_kind_lose_nothing_and_are_used_well() {
    for (name, limit, count, allowed) in [
        ("5/s, burst 2", Limit::bucket(5.0, 2.0), 300, 5.0),
        ("5/s, no burst", Limit::bucket(5.0, 0.0), 300, 5.0),
        ("1/s, no burst", Limit::bucket(1.0, 0.0), 100, 1.0),
        ("30 a minute, burst 2", Limit::bucket(0.5, 2.0), 60, 0.5),
        ("50/s, burst 2", Limit::bucket(50.0, 2.0), 2000, 50.0),
        ("50/s, burst 20", Limit::bucket(50.0, 20.0), 2000, 50.0),
        ("300/s, burst 20", Limit::bucket(300.0, 20.0), 6000, 300.0),
        ("10 in each second", Limit::window(10, 1), 500, 10.0),
        ("300 in each minute", Limit::window(300, 60), 2000, 5.0),
        ("60 in each minute", Limit::window(60, 60), 300, 1.0),
        ("5 in any second", Limit::sliding(5, 1), 300, 5.0),
        ("100 in any minute", Limit::sliding(100, 60), 600, 100.0 / 60.0),
    ] {
        let crawl = crawl(limit, count, Duration::from_millis(5)).await;
        #[allow(clippy::cast_precision_loss)]
        let (used, turned_away) = (count as f64 / crawl.took / allowed, f64::from(crawl.refused) / count as f64);
        assert_eq!(crawl.lost, 0, "{name}");
        assert!(used >= 0.7, "{name}: {used:.2} of what is allowed, {} s", crawl.took);
        assert!(crawl.refused <= 40 || turned_away < 0.3, "{name}: {} turned away", crawl.refused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_a_hundred_in_six_hours_ends_the_crawl_in_bounded_time_and_with_few_requests() {
    let crawl = crawl(Limit::Quota { left: 100 }, 120, Duration::from_millis(50)).await;
    assert_eq!(crawl.lost, 20);
    assert!((600.0..900.0).contains(&crawl.took), "{}", crawl.took);
    assert!(crawl.refused < 150, "{}", crawl.refused);
}

#[tokio::test(start_paused = true)]
async fn without_a_refusal_nothing_waits_and_other_hosts_and_endpoints_do_not_wait_for_one() {
    let (throttles, policy) = (Throttles::default(), RetryPolicy::default());
    let url = |host: &str| Url::parse(&format!("https://{host}/v2/")).expect("a URL");
    let start = Instant::now();
    for _ in 0..1000 {
        assert_eq!(throttles.pass(&url("a"), Endpoint::Tags, false).await, Duration::ZERO);
    }
    throttles.refused(&url("a"), Endpoint::Tags, Instant::now(), &policy);
    throttles.pass(&url("a"), Endpoint::Manifest, false).await;
    throttles.pass(&url("b"), Endpoint::Tags, false).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    let waited = throttles.pass(&url("A."), Endpoint::Tags, false).await;
    assert!((0.5..0.51).contains(&waited.as_secs_f64()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_pause_grows_while_nothing_passes_and_a_burst_counts_once() {
    let (throttles, policy) = (Throttles::default(), RetryPolicy::default());
    let url = Url::parse("https://a/v2/").expect("a URL");
    let sent = Instant::now();
    for _ in 0..16 {
        throttles.refused(&url, Endpoint::Tags, sent, &policy);
    }
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let waited = throttles.pass(&url, Endpoint::Tags, true).await;
        pauses.push((waited.as_secs_f64() * 2.0).round());
        let sent = Instant::now();
        sleep(Duration::from_millis(1)).await;
        throttles.refused(&url, Endpoint::Tags, sent, &policy);
    }
    assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0], "in halves of a second");
}
