//! One gate per host: when a server answers one request with "not now", all requests to that host wait, from all
//! clients: several registries of one configuration may be on one host. It sends nothing itself.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use url::Url;

/// Until when no request is sent to each host.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: Mutex<HashMap<String, Instant>>,
}

/// The gate of all clients of this process.
static SHARED: LazyLock<Gate> = LazyLock::new(Gate::default);

impl Gate {
    /// The gate of this process.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// Sends no request to the URL's host and port for `pause`, or for longer if an earlier pause ends later.
    pub(crate) fn close(&self, url: &Url, pause: Duration) {
        let until = Instant::now() + pause;
        let mut closed = self.closed.lock();
        closed.entry(host(url)).and_modify(|agreed| *agreed = until.max(*agreed)).or_insert(until);
    }

    /// Waits until a request may be sent to the URL's host; returns how long that took. Returns at once if no pause is
    /// set.
    pub(crate) async fn pass(&self, url: &Url) -> Duration {
        let mut waited = Duration::ZERO;
        while let Some(until) = self.closed_until(url) {
            let begun = Instant::now();
            sleep_until(until).await;
            waited += begun.elapsed();
        }
        waited
    }

    /// Whether no request may be sent to the URL's host now.
    pub(crate) fn is_closed(&self, url: &Url) -> bool {
        self.closed_until(url).is_some()
    }

    fn closed_until(&self, url: &Url) -> Option<Instant> {
        let mut closed = self.closed.lock();
        if closed.is_empty() {
            return None;
        }
        let host = host(url);
        let until = *closed.get(&host)?;
        if until > Instant::now() {
            return Some(until);
        }
        closed.remove(&host);
        None
    }
}

/// A URL's host and port.
pub(crate) fn host(url: &Url) -> String {
    // `quay.io.` is `quay.io`.
    let name = url.host_str().unwrap_or_default().trim_end_matches('.');
    format!("{name}:{}", url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_gate_holds_back_all_requests_to_that_host_and_no_others() {
        let gate = Gate::default();
        let (busy, other) = (Url::parse("https://a/x").expect("URL"), Url::parse("https://a:8443/x").expect("URL"));
        let start = Instant::now();
        gate.close(&busy, Duration::from_secs(5));
        gate.close(&busy, Duration::from_secs(2));
        gate.pass(&other).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        let same_host = Url::parse("https://A.:443/y").expect("URL");
        tokio::join!(gate.pass(&busy), gate.pass(&same_host));
        assert!((5.0..5.1).contains(&start.elapsed().as_secs_f64()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_closed_again_meanwhile_stays_closed() {
        let gate = Gate::default();
        let url = Url::parse("https://a/x").expect("URL");
        let start = Instant::now();
        gate.close(&url, Duration::from_secs(1));
        let longer = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            gate.close(&url, Duration::from_secs(3));
        };
        tokio::join!(gate.pass(&url), longer);
        assert!(start.elapsed() >= Duration::from_millis(3500));
    }
}
