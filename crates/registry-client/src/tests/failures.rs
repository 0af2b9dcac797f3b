//! Rate limits and failures.

use std::time::Instant;

use super::*;
use crate::http::gate::Gate;
use fake_registry::{FakeEndpoint, Misbehaviour, OverMax};

fn paged() -> Script {
    Script { page_max: 10, over_max: OverMax::Clamp, ..Script::open(numbered(50).as_slice()) }
}

/// The third catalog request fails `times` times.
fn failing(goes: Misbehaviour, times: u64) -> Script {
    paged().with_faults(move |seen, nth| {
        (seen.endpoint == FakeEndpoint::Catalog && (3..3 + times).contains(&nth)).then(|| goes.clone())
    })
}

async fn anonymous(script: Script) -> Rig {
    Rig::with(script, |settings| {
        settings.auth = Auth::None;
        settings.timeout = Duration::from_millis(250);
    })
    .await
}

#[allow(clippy::disallowed_methods)] // a real socket waits on real time
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn a_429_is_waited_out_in_every_form_of_retry_after() {
    let soon = |seconds: i64| (crate::clock::now().timestamp() + seconds).to_string();
    let html = "<html>slow down</html>";
    for (goes, least_ms) in [
        (Misbehaviour::status(429).header("retry-after", "86400"), 300),
        (Misbehaviour::status(429).header("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT"), 300),
        (Misbehaviour::status(429).header("x-retry-after", &soon(86_400)), 300),
        (Misbehaviour::status(429).header("retry-after", "soon").body(html), 0),
        (Misbehaviour::status(429).body(html), 0),
        (Misbehaviour::status(503).header("retry-after", "5"), 300),
    ] {
        let name = format!("{goes:?}");
        let rig = anonymous(failing(goes, 1)).await;
        let begun = now();
        assert_eq!(rig.names().await, numbered(50), "{name}");
        assert!(begun.elapsed() >= Duration::from_millis(least_ms), "{name}: {:?}", begun.elapsed());
        assert_eq!(rig.client.stats().retries, 1, "{name}");
    }
}

#[tokio::test]
async fn a_429_that_stays_is_rate_limited() {
    let rig = anonymous(failing(Misbehaviour::status(429), 100)).await;
    let walked = rig.walk().await;
    let error = walked.error.expect("an error");
    assert_eq!((error.fault(), error.step()), (Fault::RateLimited, Step::Page(3)));
    // After 4, 8, 16 and then each 20 ms, for a tenth of a second.
    assert!(
        (2 + 2..=2 + 9).contains(&rig.server.count(FakeEndpoint::Catalog)),
        "{}",
        rig.server.count(FakeEndpoint::Catalog)
    );
    assert_eq!(walked.pages.len(), 2, "what was read is handed on first");
}

/// How long a walk of `other` takes that begins as soon as the walk of `rig` must pause for `host`.
async fn waits_for(rig: &Rig, host: &url::Url, other: &Client) -> Duration {
    let later = async {
        while !Gate::shared().is_closed(host) {
            tokio::task::yield_now().await;
        }
        let begun = now();
        walk(other).await;
        begun.elapsed()
    };
    tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(rig.walk(), later).1 }).await.expect("told")
}

/// The first request to this endpoint is answered with a pause.
fn busy(script: Script, endpoint: FakeEndpoint) -> Script {
    script.with_faults(move |seen, nth| {
        (seen.endpoint == endpoint && nth == 1).then(|| Misbehaviour::status(429).header("retry-after", "9"))
    })
}

#[tokio::test]
async fn the_gate_holds_back_all_requests_to_that_host() {
    let rig = anonymous(busy(paged(), FakeEndpoint::Catalog)).await;
    let waited = waits_for(&rig, &rig.server.url(), &rig.client).await;
    assert!(waited >= Duration::from_millis(150), "{waited:?}");
}

#[tokio::test]
async fn two_registries_on_one_host_share_its_gate() {
    let rig = anonymous(busy(paged(), FakeEndpoint::Catalog)).await;
    let other = settings(rig.server.url(), Auth::None);
    let other = Client::build(other, QUICK, ListBounds::default(), Arc::new(())).expect("a client");
    let waited = waits_for(&rig, &rig.server.url(), &other).await;
    assert!(waited >= Duration::from_millis(150), "{waited:?}");
    assert_eq!(other.stats().retries, 0, "it was not told itself");
}

#[tokio::test]
async fn two_registries_with_one_token_endpoint_share_its_gate() {
    let auth = FakeRegistry::start(busy(Script::quay_like(["a"]), FakeEndpoint::Token)).await.expect("a port");
    let script = || {
        let realm = auth.url().join("/token").expect("a URL").to_string();
        Script::quay_like(["a"]).with_token(|token| token.realm = Some(realm))
    };
    let (rig, other) = (Rig::new(script()).await, Rig::new(script()).await);
    let waited = waits_for(&rig, &auth.url(), &other.client).await;
    assert!(waited >= Duration::from_millis(150), "{waited:?}");
    assert_eq!((other.client.stats().retries, other.client.stats().token_requests), (0, 1));
}

#[tokio::test]
async fn passing_failures_are_retried_and_the_walk_is_whole() {
    for goes in [
        Misbehaviour::status(500),
        Misbehaviour::status(502),
        Misbehaviour::status(503),
        Misbehaviour::Drop,
        Misbehaviour::Truncate,
        Misbehaviour::Hang,
    ] {
        let name = format!("{goes:?}");
        let rig = anonymous(failing(goes, 2)).await;
        assert_eq!(rig.names().await, numbered(50), "{name}");
        assert_eq!(rig.client.stats().retries, 2, "{name}");
    }
}

#[tokio::test]
async fn lasting_failures_end_in_an_error_after_bounded_attempts() {
    let drip = Misbehaviour::Drip { bytes: 1, every: Duration::from_millis(20) };
    for (goes, fault, words) in [
        (Misbehaviour::status(500), Fault::ServerError, "the server keeps failing: 500"),
        (
            Misbehaviour::Drop,
            Fault::Unreachable,
            "127.0.0.1:PORT closed the connection before it answered (4 tries in ",
        ),
        (Misbehaviour::Truncate, Fault::Unreachable, "the answer of 127.0.0.1:PORT was cut off after "),
        (Misbehaviour::Hang, Fault::Unreachable, "no complete answer from 127.0.0.1:PORT within 250 ms (4 tries in "),
        (drip, Fault::Unreachable, "no complete answer from 127.0.0.1:PORT within 250 ms (4 tries in "),
    ] {
        let name = format!("{goes:?}");
        let rig = anonymous(failing(goes, 1000)).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (fault, Step::Page(3)), "{name}: {error}");
        let told = chain(&error).replace(&format!(":{}", rig.server.url().port().expect("a port")), ":PORT");
        assert!(told.starts_with(&format!("catalog page 3: {words}")), "{name}: {told}");
        assert_eq!(rig.server.count(FakeEndpoint::Catalog), 2 + 4, "{name}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_unreachable() {
    let server = FakeRegistry::start(Script::default()).await.expect("a port");
    let gone = settings(server.url(), Auth::None);
    let port = server.url().port().expect("a port");
    drop(server);
    let client = Client::build(gone, QUICK, ListBounds::default(), Arc::new(())).expect("a client");
    let error = walk(&client).await.error.expect("an error");
    assert_eq!((error.fault(), error.step()), (Fault::Unreachable, Step::Ping));
    assert!(error.remedy().contains("host name"), "{}", error.remedy());
    let told = chain(&error);
    let (words, time) = told.split_once(" (4 tries in ").expect("the number of tries");
    assert_eq!(words, format!("ping: cannot reach 127.0.0.1:{port}: connection refused"));
    assert!(time.ends_with(" ms)"), "{told}");
}

#[tokio::test]
async fn requests_in_flight_stay_within_the_limit() {
    let script = Script { latency: Duration::from_millis(10), ..Script::quay_like(numbered(500).as_slice()) };
    let rig = Rig::with(script, |settings| settings.concurrency = NonZeroUsize::new(2).expect("not zero")).await;
    let walks = futures::future::join_all((0..6).map(|_| walk(&rig.client))).await;
    assert!(walks.iter().all(|walked| walked.names().len() == 500));
    assert_eq!(rig.server.most_in_flight(), 2);
    assert!(rig.server.connections() <= 2, "{} connections", rig.server.connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_stay_within_the_limit_too() {
    let script = || Script { page_max: 1, over_max: OverMax::Clamp, ..Script::open(numbered(500).as_slice()) };
    for gzip in [false, true] {
        for limit in [1, 2] {
            let script = Script { gzip, ..script() };
            let rig = Rig::with(script, |settings| {
                settings.auth = Auth::None;
                settings.concurrency = NonZeroUsize::new(limit).expect("not zero");
            })
            .await;
            let walks = futures::future::join_all((0..limit).map(|_| walk(&rig.client))).await;
            assert!(walks.iter().all(|walked| walked.names().len() == 500));
            assert!(rig.server.connections() <= limit, "{} connections for {limit}", rig.server.connections());
        }
    }
}
