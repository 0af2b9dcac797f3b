//! What the observer is given: everything once, and the end of every request.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use futures::FutureExt;

use super::*;
use crate::api::{ApiLogin, ApiSettings};
use crate::http::endpoint::Endpoint::{Api, Blob, Catalog, Manifest, Ping, Tags, Token};
use fake_registry::{FakeEndpoint, LinkStyle, Misbehaviour, OverMax, TagPaging};

/// What the observer was given.
#[derive(Clone, Copy, Debug)]
enum Told {
    Begun(Endpoint),
    Ended(EndedRequest),
    Retried(Endpoint),
    Waited(Duration),
    Page(Result<(), Fault>),
    Token(Result<(), Fault>),
    Refused(SafetyRule),
}

/// Records what it is given.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<Told>>);

impl Observer for Recorder {
    fn begun(&self, endpoint: Endpoint) {
        self.note(Told::Begun(endpoint));
    }

    fn ended(&self, exchange: &EndedRequest) {
        self.note(Told::Ended(*exchange));
    }

    fn retried(&self, endpoint: Endpoint) {
        self.note(Told::Retried(endpoint));
    }

    fn waited(&self, pause: Duration) {
        self.note(Told::Waited(pause));
    }

    fn page(&self, outcome: Result<(), Fault>) {
        self.note(Told::Page(outcome));
    }

    fn token(&self, outcome: Result<(), Fault>) {
        self.note(Told::Token(outcome));
    }

    fn refused_for_safety(&self, rule: SafetyRule) {
        self.note(Told::Refused(rule));
    }
}

impl Recorder {
    fn note(&self, told: Told) {
        self.0.lock().expect("no panic").push(told);
    }

    fn all<T>(&self, pick: impl Fn(Told) -> Option<T>) -> Vec<T> {
        self.0.lock().expect("no panic").iter().filter_map(|told| pick(*told)).collect()
    }

    fn begun(&self) -> Vec<Endpoint> {
        self.all(|told| if let Told::Begun(endpoint) = told { Some(endpoint) } else { None })
    }

    fn ended(&self) -> Vec<EndedRequest> {
        self.all(|told| if let Told::Ended(exchange) = told { Some(exchange) } else { None })
    }

    /// The outcomes of the requests to an endpoint.
    fn outcomes(&self, endpoint: Endpoint) -> Vec<Result<u16, Loss>> {
        self.ended().into_iter().filter(|ended| ended.endpoint == endpoint).map(|ended| ended.outcome).collect()
    }

    fn retried(&self) -> Vec<Endpoint> {
        self.all(|told| if let Told::Retried(endpoint) = told { Some(endpoint) } else { None })
    }

    pub(crate) fn waited(&self) -> Vec<Duration> {
        self.all(|told| if let Told::Waited(pause) = told { Some(pause) } else { None })
    }

    fn pages(&self) -> Vec<Result<(), Fault>> {
        self.all(|told| if let Told::Page(outcome) = told { Some(outcome) } else { None })
    }

    fn tokens(&self) -> Vec<Result<(), Fault>> {
        self.all(|told| if let Told::Token(outcome) = told { Some(outcome) } else { None })
    }

    pub(crate) fn refused(&self) -> Vec<SafetyRule> {
        self.all(|told| if let Told::Refused(rule) = told { Some(rule) } else { None })
    }

    fn in_flight(&self) -> usize {
        self.begun().len() - self.ended().len()
    }
}

fn paged(script: Script) -> Script {
    Script { page_max: 10, over_max: OverMax::Clamp, ..script }
}

/// The server answers every request without a login.
async fn anonymous(script: Script) -> Rig {
    Rig::with(script, |settings| {
        settings.auth = Auth::None;
        settings.timeout = Duration::from_millis(250);
    })
    .await
}

fn at(
    endpoint: FakeEndpoint,
    goes: Misbehaviour,
) -> impl Fn(&fake_registry::SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static {
    move |seen, _| (seen.endpoint == endpoint).then(|| goes.clone())
}

#[tokio::test]
async fn every_request_page_and_token_is_told_once() {
    let rig = Rig::new(paged(Script::distribution_like(numbered(25).as_slice()))).await;
    assert_eq!(rig.names().await, numbered(25));
    assert_eq!(rig.meter.begun(), [Ping, Catalog, Token, Catalog, Catalog, Catalog]);
    let ended: Vec<_> = rig.meter.ended().iter().map(|ended| (ended.endpoint, ended.outcome)).collect();
    let expected = [(Ping, 401), (Catalog, 401), (Token, 200), (Catalog, 200), (Catalog, 200), (Catalog, 200)];
    assert_eq!(ended, expected.map(|(endpoint, status)| (endpoint, Ok(status))));
    assert_eq!(rig.meter.pages(), [Ok(()); 3]);
    assert_eq!(rig.meter.tokens(), [Ok(())]);
    assert_eq!((rig.meter.retried(), rig.meter.waited(), rig.meter.refused()), (vec![], vec![], vec![]));
    assert_eq!(rig.client.stats().requests, 6, "as the run's report has it");
    for ended in rig.meter.ended() {
        assert!(ended.bytes > 0 && ended.took > Duration::ZERO, "{ended:?}");
        assert!(ended.clock_skew.is_some_and(|skew| skew.abs() < 5.0), "{ended:?}");
    }
}

#[tokio::test]
async fn bytes_are_those_on_the_wire() {
    let plain = anonymous(Script::open(numbered(1000).as_slice())).await;
    let packed = anonymous(Script { gzip: true, ..Script::open(numbered(1000).as_slice()) }).await;
    let mut bytes = Vec::new();
    for rig in [&plain, &packed] {
        rig.names().await;
        // The last page is full: what follows it is asked for as well.
        bytes.push(rig.meter.ended().iter().rev().nth(1).expect("a page").bytes);
    }
    let names = numbered(1000).iter().map(|name| name.len() as u64 + 3).sum::<u64>();
    assert!(bytes[0] >= names, "{bytes:?}");
    assert!(0 < bytes[1] && bytes[1] < names / 2, "{bytes:?}");
}

#[tokio::test]
async fn a_page_is_told_once_however_often_it_is_tried() {
    let failing = |times: u64| {
        paged(Script::open(numbered(29).as_slice())).with_faults(move |seen, nth| {
            (seen.endpoint == FakeEndpoint::Catalog && (2..2 + times).contains(&nth)).then(|| Misbehaviour::status(502))
        })
    };
    let rig = anonymous(failing(2)).await;
    assert_eq!(rig.names().await, numbered(29));
    assert_eq!(rig.meter.pages(), [Ok(()); 3]);
    assert_eq!(rig.meter.retried(), [Catalog; 2]);
    assert_eq!(rig.meter.outcomes(Catalog), [Ok(200), Ok(502), Ok(502), Ok(200), Ok(200)]);
    let rig = anonymous(failing(100)).await;
    assert_eq!(rig.error().await.fault(), Fault::ServerError);
    assert_eq!(rig.meter.pages(), [Ok(()), Err(Fault::ServerError)]);
    assert_eq!(rig.meter.retried(), [Catalog; 3], "the fourth try was the last");
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_a_page_given_up() {
    let html = Misbehaviour::status(200).body("<html>");
    let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Catalog, html))).await;
    assert_eq!(rig.error().await.fault(), Fault::Protocol);
    assert_eq!(rig.meter.pages(), [Err(Fault::Protocol)]);
}

#[tokio::test]
async fn what_was_no_answer_says_why() {
    for (goes, loss) in [
        (Misbehaviour::Drop, Loss::Broken),
        (Misbehaviour::Truncate, Loss::Broken),
        (Misbehaviour::Hang, Loss::Timeout),
    ] {
        let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Catalog, goes.clone()))).await;
        assert_eq!(rig.error().await.fault(), Fault::Unreachable);
        assert_eq!(rig.meter.outcomes(Catalog), [Err(loss); 4], "{goes:?}");
        assert_eq!((rig.meter.in_flight(), rig.meter.pages()), (0, vec![Err(Fault::Unreachable)]), "{goes:?}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let url = format!("http://{nobody}").parse().expect("a URL");
    let meter = Arc::<Recorder>::default();
    let client =
        Client::build(settings(url, Auth::None), QUICK, ListBounds::default(), meter.clone()).expect("a client");
    assert!(walk(&client).await.error.is_some());
    assert_eq!(meter.outcomes(Ping), [Err(Loss::Connect); 4]);
    assert_eq!((meter.retried().len(), meter.pages().len()), (3, 0), "no page was asked for");
}

#[tokio::test]
async fn waiting_is_told_when_the_registry_asked_for_it() {
    let script = Script::open(["a"]).with_faults(|seen, nth| {
        (seen.endpoint == FakeEndpoint::Catalog && nth == 1)
            .then(|| Misbehaviour::status(429).header("retry-after", "9"))
    });
    let rig = anonymous(script).await;
    rig.names().await;
    assert_eq!(rig.meter.outcomes(Catalog), [Ok(429), Ok(200)]);
    let waited: Duration = rig.meter.waited().iter().sum();
    assert!((0.25..5.0).contains(&waited.as_secs_f64()), "the policy's bound is 0.3 s: {waited:?}");
    assert_eq!((rig.meter.retried(), rig.meter.pages()), (vec![Catalog], vec![Ok(())]));
}

#[tokio::test]
async fn a_stopped_walk_leaves_nothing_in_flight() {
    let rig = Rig::with(Script::open(["a"]).with_faults(at(FakeEndpoint::Catalog, Misbehaviour::Hang)), |settings| {
        settings.auth = Auth::None;
    })
    .await;
    let mut stream = rig.client.catalog(None);
    assert!(stream.next().now_or_never().is_none());
    while rig.server.count(FakeEndpoint::Catalog) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.meter.in_flight(), 1);
    drop(stream);
    while rig.meter.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.meter.outcomes(Catalog), [Err(Loss::Dropped)]);
    assert_eq!(rig.meter.pages(), [], "nobody knows what would have become of it");
}

#[tokio::test]
async fn a_remembered_refusal_is_not_told_again() {
    let rig = Rig::new(Script::quay_like(["a"]).with_token(|token| token.password = "another".into())).await;
    for _ in 0..3 {
        assert_eq!(rig.error().await.fault(), Fault::CredentialsRejected);
    }
    assert_eq!(rig.meter.tokens(), [Err(Fault::CredentialsRejected)]);
    assert_eq!(rig.meter.outcomes(Token), [Ok(401)]);
}

#[tokio::test]
async fn a_token_in_place_of_a_dead_one_is_told_too() {
    let rig = Rig::new(Script::distribution_like(["a"])).await;
    rig.names().await;
    rig.server.revoke_tokens();
    let seen = rig.meter.tokens().len();
    rig.names().await;
    assert_eq!(rig.meter.tokens()[seen..], [Ok(())], "a token that had died was replaced");
}

#[tokio::test]
async fn what_leads_elsewhere_is_told_by_its_rule() {
    let thief = FakeRegistry::start(Script::open(["stolen"])).await.expect("a port");
    let elsewhere = format!("http://localhost:{}/token", thief.url().port().expect("a port"));
    let realm = Script::distribution_like(["a"]).with_token(|token| token.realm = Some(elsewhere.clone()));
    let rig = Rig::new(realm).await;
    assert_eq!(rig.error().await.fault(), Fault::Untrusted);
    assert_eq!((rig.meter.refused(), rig.meter.tokens()), (vec![SafetyRule::RealmHost], vec![Err(Fault::Untrusted)]));

    let away = Misbehaviour::status(307).header("location", &elsewhere);
    let odd = Misbehaviour::status(307).header("location", "ftp://127.0.0.1/");
    let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Catalog, odd))).await;
    assert_eq!(rig.error().await.fault(), Fault::Untrusted);
    assert_eq!((rig.meter.refused(), rig.meter.pages()), (vec![SafetyRule::Redirect], vec![Err(Fault::Untrusted)]));

    let rig = Rig::new(Script::distribution_like(["a"]).with_faults(at(FakeEndpoint::Token, away))).await;
    assert_eq!(rig.error().await.fault(), Fault::Untrusted);
    assert_eq!(rig.meter.refused(), [SafetyRule::Redirect]);

    let link = LinkStyle::Written(Arc::new(move |_| vec![format!("<{elsewhere}>; rel=\"next\"")]));
    let contents = fake_registry::FakeContents::uniform(20);
    let tag_pages = TagPaging::Last { max: 10 };
    let rig = anonymous(Script { link, contents, tag_pages, ..paged(Script::open(numbered(20).as_slice())) }).await;
    assert_eq!(rig.error().await.fault(), Fault::Untrusted);
    assert_eq!((rig.meter.refused(), rig.meter.pages()), (vec![SafetyRule::Link], vec![Err(Fault::Untrusted)]));
    let tags = rig.client.tags(&RepositoryRef::alone(numbered(1)[0].as_str())).await;
    assert_eq!(tags.expect_err("refused").fault(), Fault::Untrusted);
    assert_eq!((rig.meter.refused().len(), rig.meter.pages().len()), (2, 2));
    assert!(thief.requests().is_empty());
}

#[tokio::test]
async fn contents_are_told_by_what_they_are() {
    let contents = fake_registry::FakeContents::uniform(25);
    let script = Script { contents, tag_pages: TagPaging::Last { max: 10 }, ..Script::distribution_like(["a"]) };
    let rig = Rig::new(script).await;
    let place = RepositoryRef::alone("a");
    rig.client.tags(&place).await.expect("tags");
    assert_eq!(rig.meter.pages(), [Ok(()); 3]);
    let resolved = rig.client.resolve(&place, "v1").await.expect("resolved");
    let manifest = rig.client.manifest(&place, &resolved.digest).await.expect("a manifest");
    rig.client.config(&place, manifest.config.as_ref().expect("a config")).await.expect("read");
    // Two sizes of page were refused on the way to the first.
    assert_eq!(rig.meter.begun(), [Ping, Token, Tags, Tags, Tags, Tags, Tags, Manifest, Manifest, Blob]);
    assert_eq!(rig.meter.pages().len(), 3, "manifests are no pages");
    let head = rig.meter.ended().into_iter().find(|ended| ended.endpoint == Manifest).expect("a HEAD");
    assert_eq!(head.bytes, 0);
}

#[tokio::test]
async fn a_repository_that_is_gone_is_no_page_given_up() {
    let rig = anonymous(Script::open(["a"])).await;
    let gone = rig.client.tags(&RepositoryRef::alone("b")).await.expect_err("gone");
    assert_eq!(gone.fault(), Fault::Gone);
    assert_eq!(rig.meter.pages(), [Ok(())]);
    let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Tags, Misbehaviour::status(403)))).await;
    assert_eq!(rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("denied").fault(), Fault::Denied);
    assert_eq!(rig.meter.pages(), [Err(Fault::Denied)]);
}

#[tokio::test]
async fn pages_of_another_api_are_pages_too() {
    let script = Script::distribution_like(["a"])
        .with_faults(|seen, _| (seen.path() == "/api/list").then(|| Misbehaviour::status(200).body("[]")));
    let rig = Rig::new(script).await;
    let api = rig.client.api(ApiSettings { url: None, login: ApiLogin::Challenged }, "a login");
    let mut session = api.open().await.expect("open");
    session.get(&api.url(&["api", "list"]), "names", 1).await.expect("a page");
    assert_eq!(rig.meter.pages(), [Ok(())]);
    let asked: Vec<_> = rig.meter.begun().into_iter().filter(|endpoint| *endpoint == Api).collect();
    assert!(!asked.is_empty() && rig.meter.begun().iter().all(|endpoint| *endpoint != Catalog));
    let elsewhere = "http://elsewhere.example/".parse().expect("a URL");
    assert_eq!(session.get(&elsewhere, "names", 1).await.expect_err("refused").fault(), Fault::Untrusted);
    assert_eq!((rig.meter.pages().len(), rig.meter.refused()), (2, vec![SafetyRule::Link]));
}

#[tokio::test]
async fn a_token_by_exchange_is_a_token() {
    let script = Script::open(["a"]).with_faults(|seen, _| match seen.path() {
        "/v2/auth/token" => Some(Misbehaviour::status(200).body(r#"{"access_token":"t"}"#)),
        "/list" => Some(Misbehaviour::status(200).body("[]")),
        _ => None,
    });
    let rig = Rig::new(script).await;
    let login = ApiLogin::Exchanged(login(&rig.secret));
    let api = rig.client.api(ApiSettings { url: None, login }, "a login");
    let mut session = api.open().await.expect("open");
    session.get(&api.url(&["list"]), "names", 1).await.expect("a page");
    session.get(&api.url(&["list", "2"]), "names", 1).await.expect_err("not there");
    assert_eq!(rig.meter.tokens(), [Ok(())]);
    assert_eq!(rig.meter.begun(), [Token, Api, Api]);
    assert_eq!(rig.meter.pages(), [Ok(()), Err(Fault::Unsupported)]);
}

#[tokio::test]
async fn a_split_walk_tells_each_page_once() {
    let script = Script { latency: Duration::from_millis(2), ..paged(Script::open(numbered(500).as_slice())) };
    let rig = Rig::with(script, |settings| {
        settings.auth = Auth::None;
        settings.split = Split::Always;
    })
    .await;
    assert_eq!(rig.names().await.len(), 500);
    let requests = rig.meter.outcomes(Catalog).len();
    // One of them was the probe.
    assert_eq!(rig.meter.pages(), vec![Ok(()); requests - 1]);
    assert_eq!(rig.client.authorized().transport.counters.pages.load(Ordering::Relaxed), requests as u64 - 1);
    assert_eq!(rig.meter.in_flight(), 0);
}
