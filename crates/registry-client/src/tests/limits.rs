//! Registries that limit requests, by rules that count requests and not time; and tokens that expire while requests
//! wait for their turn.

use futures::future::join_all;
use serde_json::json;

use super::*;
use fake_registry::{FakeEndpoint, Misbehaviour, Stated};

fn stocked(script: Script) -> Script {
    Script { contents: fake_registry::FakeContents::uniform(2), ..script }
}

fn together(count: usize) -> Vec<RepositoryRef> {
    RepositoryRef::together(numbered(count).into_iter().map(Arc::from))
}

/// Reads the tags of all repositories concurrently.
async fn read(rig: &Rig, places: &[RepositoryRef]) -> Vec<Result<Tags, RegistryError>> {
    join_all(places.iter().map(|place| rig.client.tags(place))).await
}

#[tokio::test]
async fn a_429_charges_no_attempt_while_others_pass() {
    // Six of seven requests are refused, which is more often than there are attempts.
    let script = stocked(Script::open(numbered(12).as_slice())).with_faults(|seen, nth| {
        (seen.endpoint == FakeEndpoint::Tags && nth % 7 != 0).then(|| Misbehaviour::status(429))
    });
    let server = FakeRegistry::start(script).await.expect("a port");
    let policy = RetryPolicy { give_up_after: Duration::from_mins(1), ..QUICK };
    let settings = settings(server.url(), Auth::None);
    let client = Client::build(settings, policy, ListBounds::default(), Arc::new(())).expect("a client");
    let places = together(12);
    let all = join_all(places.iter().map(|place| client.tags(place))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let slowed = client.slowed();
    assert_eq!((slowed.len(), slowed[0].endpoint, slowed[0].refused), (1, Endpoint::Tags, client.stats().retries));
    assert!(slowed[0].refused >= 11 * 6, "{slowed:?}");
}

#[tokio::test]
async fn a_registry_that_never_limits_is_not_slowed_down() {
    let rig = Rig::with(stocked(Script::open(numbered(40).as_slice())), |settings| settings.auth = Auth::None).await;
    assert!(read(&rig, &together(40)).await.iter().all(Result::is_ok));
    assert_eq!((rig.client.slowed().len(), rig.meter.waited()), (0, Vec::new()));
}

#[tokio::test]
async fn a_limit_that_does_not_open_is_told_with_its_words_and_for_how_long() {
    let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}"#;
    let script = stocked(Script::open(["a"])).with_faults(move |seen, _| {
        (seen.endpoint == FakeEndpoint::Tags)
            .then(|| Misbehaviour::status(429).header("retry-after", "21600").body(body))
    });
    let rig = Rig::with(script, |settings| settings.auth = Auth::None).await;
    let error = rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("limited");
    assert_eq!(error.fault(), Fault::RateLimited);
    let text = error.to_string();
    assert!(text.contains("TOOMANYREQUESTS: pull rate limit") && text.contains("come back in 21600 s"), "{text}");
    assert!(error.remedy().contains("`requests_per_second`"), "{}", error.remedy());
    assert_eq!(rig.server.count(FakeEndpoint::Tags), 2, "the same pause, asked for twice, is believed");
}

#[tokio::test]
async fn a_token_that_dies_in_the_line_is_renewed_before_its_request_is_sent() {
    // Four at a time and 20 per second: a request with a permit waits for longer than a token is valid.
    for together_or_alone in [true, false] {
        let script = stocked(Script::quay_like(numbered(24).as_slice())).with_token(|token| {
            token.lifetime = Duration::from_mins(1);
            token.fields = fake_registry::TokenFields::Both;
            token.expires_in = Stated::As(json!(0.12));
        });
        let rig = Rig::with(script, |settings| settings.requests_per_second = NonZeroU32::new(20)).await;
        let alone: Vec<_> = numbered(24).iter().map(|name| RepositoryRef::alone(name)).collect();
        let all = read(&rig, &if together_or_alone { together(24) } else { alone }).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        let tags = rig.server.requests_to(FakeEndpoint::Tags);
        assert_eq!(tags.len(), 24, "none is sent with a dead token and again with another");
    }
}

#[tokio::test]
async fn a_dead_token_that_is_refused_is_no_refusal_however_often() {
    // The token is valid for less time than an answer takes.
    let script = |refused: u64| {
        let script = Script { latency: Duration::from_millis(20), ..stocked(Script::quay_like(["a"])) };
        let script = script.with_token(|token| {
            token.fields = fake_registry::TokenFields::Both;
            token.expires_in = Stated::As(json!(0.015));
        });
        script.with_faults(move |seen, nth| {
            let body = r#"{"error":"Signature has expired"}"#;
            (seen.endpoint == FakeEndpoint::Tags && nth <= refused).then(|| Misbehaviour::status(401).body(body))
        })
    };
    let rig = Rig::new(script(7)).await;
    assert!(rig.client.tags(&RepositoryRef::alone("a")).await.is_ok());
    assert_eq!((rig.server.count(FakeEndpoint::Tags), rig.client.stats().retries), (8, 0));
    let rig = Rig::new(script(u64::MAX)).await;
    let error = rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("tokens of no use");
    assert_eq!(error.fault(), Fault::Protocol, "nobody has denied anything: {error}");
    assert!(error.to_string().contains("Signature has expired") && error.remedy().contains("lifetime"), "{error}");
    assert_eq!(rig.server.count(FakeEndpoint::Tags), 17);
}

/// What Quay answers to scopes that name a repository of a disabled account.
const DISABLED: &str = r#"{"errors":[{"code":"DENIED","detail":{},"message":"Namespace gone has been disabled."}]}"#;

#[tokio::test]
async fn one_repository_that_gets_no_token_does_not_change_the_method_or_take_others_along() {
    for at in [0, 2, 30] {
        let mut names = numbered(60);
        names.insert(at, "gone/app".to_owned());
        let script = stocked(Script::quay_like(names.as_slice())).with_faults(|seen, _| {
            let disabled = seen.endpoint == FakeEndpoint::Token && seen.target.contains("gone%2Fapp");
            disabled.then(|| Misbehaviour::status(405).body(DISABLED))
        });
        let rig = Rig::new(script).await;
        let places = RepositoryRef::together(names.iter().map(|name| Arc::from(name.as_str())));
        for (place, outcome) in places.iter().zip(read(&rig, &places).await) {
            match outcome {
                Ok(tags) => assert_eq!(tags.names.len(), 2),
                Err(error) => {
                    assert_eq!((&*place.repository, error.fault()), ("gone/app", Fault::Denied), "{error}");
                    assert!(error.to_string().contains("Namespace gone has been disabled"), "{error}");
                }
            }
        }
        let tokens = rig.server.requests_to(FakeEndpoint::Token);
        let posts = tokens.iter().filter(|seen| seen.method == "POST").count();
        assert!(posts <= 2, "{posts} where it is number {at}: none once a token was given");
        assert!(tokens.iter().skip(4).all(|seen| seen.method == "GET"));
    }
}

#[tokio::test]
async fn a_group_that_gets_no_token_is_asked_singly_whatever_it_is_told() {
    for goes in [400, 403, 404, 405, 409, 414, 418, 500]
        .map(Misbehaviour::status)
        .into_iter()
        .chain([Misbehaviour::status(200).body("{}")])
    {
        let name = format!("{goes:?}");
        let script = stocked(Script::quay_like(numbered(20).as_slice())).with_faults(move |seen, nth| {
            (seen.endpoint == FakeEndpoint::Token && nth > 1 && seen.query_all("scope").len() > 1).then(|| goes.clone())
        });
        let rig = Rig::new(script).await;
        assert!(rig.client.tags(&RepositoryRef::alone("team/app-000019")).await.is_ok());
        let all = read(&rig, &together(20)).await;
        assert!(all.iter().all(Result::is_ok), "{name}: {all:?}");
    }
}

#[tokio::test]
async fn a_login_that_is_refused_by_403_is_sent_once() {
    let names = numbered(16);
    let words = r#"{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}"#;
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    for (body, most) in [(words, 1), ("", 1), ("<html>Forbidden</html>", 1), (denied, 3)] {
        // The ping asks for no login, and each repository refuses.
        let script = stocked(Script::quay_like(names.as_slice())).with_faults(move |seen, _| match seen.endpoint {
            FakeEndpoint::Token => Some(Misbehaviour::status(403).body(body)),
            _ => None,
        });
        let rig = Rig::new(script).await;
        let places: Vec<_> = names.iter().map(|name| RepositoryRef::alone(name)).collect();
        let all = read(&rig, &places).await;
        let refused =
            all.iter().filter(|one| one.as_ref().is_err_and(|error| error.fault() == Fault::CredentialsRejected));
        assert!(refused.count() >= 14, "{all:?}");
        assert_eq!(rig.server.count(FakeEndpoint::Token), most, "{body}");
        assert!(matches!(rig.client.standing(), LoginStatus::Refused(_)));
    }
}

#[tokio::test]
async fn a_403_after_a_token_denies_one_repository() {
    let script = stocked(Script::quay_like(["a", "b", "c"])).with_faults(|seen, _| {
        (seen.endpoint == FakeEndpoint::Token && seen.target.contains("%3Ab%3A")).then(|| Misbehaviour::status(403))
    });
    let rig = Rig::new(script).await;
    let mut outcomes = Vec::new();
    for name in ["a", "b", "c"] {
        outcomes.push(rig.client.tags(&RepositoryRef::alone(name)).await.map(drop).map_err(|error| error.fault()));
    }
    assert_eq!(outcomes, [Ok(()), Err(Fault::Denied), Ok(())]);
}
