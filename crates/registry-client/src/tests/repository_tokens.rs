//! Access to repositories, each of which may need a token of its own.

use std::sync::Arc;

use futures::future::join_all;

use super::*;
use fake_registry::{Authorization, FakeEndpoint, GroupRule, Misbehaviour};

fn stocked(script: Script) -> Script {
    Script { contents: fake_registry::FakeContents::uniform(2), ..script }
}

fn together(count: usize) -> Vec<RepositoryRef> {
    RepositoryRef::together(numbered(count).into_iter().map(Arc::from))
}

/// Reads the tags of all, one after another.
async fn read(rig: &Rig, places: &[RepositoryRef]) {
    for place in places {
        let tags = rig.client.tags(place).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(tags.names.len(), 2);
    }
}

#[tokio::test]
async fn companion_repositories_share_a_token_and_no_token_is_asked_for_in_vain() {
    let names = || fake_registry::RepositoryNames::from(numbered(50).as_slice());
    for script in [Script::distribution_like(names()), Script::quay_like(names()), Script::pulp_like(names())] {
        let rig = Rig::new(stocked(script)).await;
        read(&rig, &together(50)).await;
        let tokens = rig.server.requests_to(FakeEndpoint::Token);
        assert_eq!(tokens.iter().map(|token| token.query_all("scope").len()).collect::<Vec<_>>(), [20, 20, 10]);
        assert_eq!(tokens[0].query_all("scope")[1], "repository:team/app-000001:pull");
        assert_eq!(rig.client.stats().requests, 1 + 3 + 50);
    }
}

#[tokio::test]
async fn a_catalog_and_its_repositories_ping_once_and_know_their_scopes() {
    let rig = Rig::new(stocked(Script::distribution_like(numbered(40).as_slice()))).await;
    assert_eq!(rig.names().await.len(), 40);
    let before = rig.client.stats().requests;
    read(&rig, &together(40)).await;
    assert_eq!(rig.server.count(FakeEndpoint::Ping), 1);
    assert_eq!(rig.client.stats().requests - before, 2 + 40);
    let rig = Rig::with(stocked(Script::quay_like(["a"])), |settings| {
        settings.scope = vec!["repository:other/one:pull".into()];
    });
    let rig = rig.await;
    read(&rig, &[RepositoryRef::alone("a")]).await;
    assert_eq!(rig.server.requests_to(FakeEndpoint::Token)[0].query_all("scope"), ["repository:a:pull"]);
}

#[tokio::test]
async fn where_groups_do_not_work_each_repository_gets_its_own_and_groups_are_given_up() {
    for (rule, group_tokens, tag_requests) in [
        (GroupRule::Refused, 3, 120),
        (GroupRule::Forbidden, 3, 120),
        (GroupRule::Forgotten, 3, 120),
        (GroupRule::Unsound, 3, 123),
    ] {
        let script = stocked(Script::distribution_like(numbered(120).as_slice()));
        let rig = Rig::new(script.with_token(|token| token.groups = rule)).await;
        read(&rig, &together(120)).await;
        let tokens = rig.server.requests_to(FakeEndpoint::Token);
        assert_eq!(tokens.iter().filter(|token| token.query_all("scope").len() > 1).count(), group_tokens, "{rule:?}");
        assert_eq!(tokens.len(), group_tokens + 120, "{rule:?}");
        assert_eq!(rig.server.count(FakeEndpoint::Tags), tag_requests, "{rule:?}");
    }
}

#[tokio::test]
async fn a_token_of_a_group_that_is_too_long_for_a_proxy_is_not_insisted_on() {
    for status in [400, 431] {
        let script = stocked(Script::quay_like(numbered(20).as_slice())).with_faults(move |seen, _| {
            let long = seen.header("authorization").is_some_and(|value| value.len() > 1500);
            (seen.endpoint == FakeEndpoint::Tags && long)
                .then(|| Misbehaviour::status(status).body("<html>Too Large</html>"))
        });
        let rig = Rig::new(script).await;
        read(&rig, &together(20)).await;
        assert_eq!((rig.server.count(FakeEndpoint::Token), rig.server.count(FakeEndpoint::Tags)), (1 + 20, 1 + 20));
    }
}

#[tokio::test]
async fn a_companion_that_is_denied_does_no_harm() {
    let script = stocked(Script::quay_like(numbered(20).as_slice()));
    let rig = Rig::new(script.with_token(|token| token.denied = vec!["team/app-000003".into()])).await;
    for (at, place) in together(20).iter().enumerate() {
        match rig.client.tags(place).await {
            Ok(_) => assert_ne!(at, 3),
            Err(error) => {
                assert_eq!((at, error.fault()), (3, Fault::Denied), "{error:?}");
                assert_eq!(error.step(), Step::Tags("team/app-000003".into()));
                assert!(error.remedy().contains("grant Read"), "{}", error.remedy());
            }
        }
    }
    assert_eq!((rig.server.count(FakeEndpoint::Token), rig.server.count(FakeEndpoint::Tags)), (1, 20));
}

#[tokio::test]
async fn the_same_401_after_a_repositorys_own_token_is_denied() {
    let script = stocked(Script::quay_like(["a", "b"]));
    let rig = Rig::new(script.with_token(|token| token.denied = vec!["a".into()])).await;
    let error = rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("denied");
    assert_eq!(error.fault(), Fault::Denied);
    assert_eq!((rig.server.count(FakeEndpoint::Token), rig.server.count(FakeEndpoint::Tags)), (1, 1));
    read(&rig, &[RepositoryRef::alone("b")]).await;
}

#[tokio::test]
async fn challenges_with_ever_new_realms_end_in_denied() {
    let script = stocked(Script::distribution_like(["a"])).with_faults(|seen, nth| {
        let challenge = format!("Bearer realm=\"/token?{nth}\",service=\"registry.example\"");
        (seen.endpoint == FakeEndpoint::Tags).then(|| Misbehaviour::status(401).header("www-authenticate", &challenge))
    });
    let rig = Rig::new(script).await;
    assert_eq!(rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("denied").fault(), Fault::Denied);
    assert_eq!(rig.server.count(FakeEndpoint::Tags), 3);
}

#[tokio::test]
async fn a_token_that_dies_is_renewed_once_and_the_request_repeated() {
    let rig = Rig::new(stocked(Script::quay_like(numbered(3).as_slice()))).await;
    let places = together(3);
    read(&rig, &places[..1]).await;
    rig.server.revoke_tokens();
    read(&rig, &places[1..]).await;
    assert_eq!((rig.server.count(FakeEndpoint::Token), rig.server.count(FakeEndpoint::Tags)), (2, 4));
    let tags = rig.server.requests_to(FakeEndpoint::Tags);
    assert_eq!((tags[1].status, &tags[1].target), (Some(401), &tags[2].target));
}

#[tokio::test]
async fn many_at_once_ping_once_and_get_one_token_per_group() {
    let rig = Rig::new(stocked(Script::distribution_like(numbered(40).as_slice()))).await;
    let places = together(40);
    let all = join_all(places.iter().map(|place| rig.client.tags(place))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((rig.server.count(FakeEndpoint::Ping), rig.server.count(FakeEndpoint::Token)), (1, 2));
    assert_eq!(rig.server.count(FakeEndpoint::Tags), 40);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_however_many_are_read_at_once() {
    let names = numbered(16);
    for (script, endpoint) in [
        (Script::quay_like(names.as_slice()), FakeEndpoint::Token),
        (Script::basic(names.as_slice()), FakeEndpoint::Tags),
    ] {
        let wrong = secret_file("wrong");
        let rig = Rig::with(stocked(script), |settings| settings.auth = Auth::Token(Some(login(&wrong)))).await;
        let places: Vec<_> = names.iter().map(|name| RepositoryRef::alone(name)).collect();
        for outcome in join_all(places.iter().map(|place| rig.client.tags(place))).await {
            assert_eq!(outcome.expect_err("refused").fault(), Fault::CredentialsRejected);
        }
        assert_eq!(rig.server.count(endpoint), 1);
    }
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_also_where_the_first_request_had_no_answer() {
    let names = numbered(16);
    for (script, endpoint) in [
        (Script::quay_like(names.as_slice()), FakeEndpoint::Token),
        (Script::basic(names.as_slice()), FakeEndpoint::Tags),
    ] {
        let wrong = secret_file("wrong");
        let script = stocked(script).with_faults(move |seen, nth| {
            (seen.endpoint == endpoint && nth <= u64::from(QUICK.attempts)).then_some(Misbehaviour::Drop)
        });
        let rig = Rig::with(script, |settings| settings.auth = Auth::Token(Some(login(&wrong)))).await;
        let places: Vec<_> = names.iter().map(|name| RepositoryRef::alone(name)).collect();
        let all = join_all(places.iter().map(|place| rig.client.tags(place))).await;
        let faults: Vec<_> = all.into_iter().map(|outcome| outcome.expect_err("refused").fault()).collect();
        assert_eq!(faults.iter().filter(|fault| **fault == Fault::Unreachable).count(), 1, "{faults:?}");
        assert_eq!(faults.iter().filter(|fault| **fault == Fault::CredentialsRejected).count(), 15, "{faults:?}");
        assert_eq!(rig.server.count(endpoint), u64::from(QUICK.attempts) + 1);
    }
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_for_a_catalog_and_its_repositories_together() {
    let names = numbered(8);
    let wrong = secret_file("wrong");
    for script in [Script::distribution_like(names.as_slice()), Script::basic(names.as_slice())] {
        let script = Script { latency: Duration::from_millis(5), ..stocked(script) };
        let rig = Rig::with(script, |settings| settings.auth = Auth::Token(Some(login(&wrong)))).await;
        let places: Vec<_> = names.iter().map(|name| RepositoryRef::alone(name)).collect();
        let tags = join_all(places.iter().map(|place| rig.client.tags(place)));
        let (error, tags) = futures::future::join(rig.error(), tags).await;
        assert_eq!(error.fault(), Fault::CredentialsRejected);
        assert!(tags.iter().all(|one| one.as_ref().is_err_and(|error| error.fault() == Fault::CredentialsRejected)));
        let requests = rig.server.requests();
        assert_eq!(requests.iter().filter(|seen| seen.authorization == Authorization::Basic).count(), 1);
    }
}

#[tokio::test]
async fn a_challenge_that_came_to_nothing_is_not_taught_to_other_repositories() {
    // As a proxy does that passes on the challenge of the registry behind it.
    for challenge in ["Bearer realm=\"https://auth.elsewhere.example/token\"", "Basic realm=\"elsewhere\""] {
        let script = stocked(Script::distribution_like(["a", "b", "c"])).with_faults(move |seen, _| {
            let refused = Misbehaviour::status(401).header("www-authenticate", challenge);
            (seen.endpoint == FakeEndpoint::Tags && seen.path().contains("/b/")).then_some(refused)
        });
        let rig = Rig::new(script).await;
        read(&rig, &[RepositoryRef::alone("a")]).await;
        rig.client.tags(&RepositoryRef::alone("b")).await.expect_err("refused");
        read(&rig, &[RepositoryRef::alone("c")]).await;
        let last = rig.server.requests_to(FakeEndpoint::Tags).into_iter().filter(|seen| seen.path().contains("/c/"));
        assert_eq!(last.count(), 1, "{challenge}");
    }
}

#[tokio::test]
async fn a_repository_that_is_denied_is_no_wrong_password() {
    let denied = |seen: &fake_registry::SeenRequest, _| {
        let challenge = Misbehaviour::status(401).header("www-authenticate", "Basic realm=\"fake\"");
        seen.path().contains("/b/").then_some(challenge)
    };
    let basic = |settings: &mut RegistrySettings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Basic(login);
    };
    for rig in [
        Rig::new(stocked(Script::basic(["a", "b", "c"])).with_faults(denied)).await,
        Rig::with(stocked(Script::basic(["a", "b", "c"])).with_faults(denied), basic).await,
    ] {
        read(&rig, &[RepositoryRef::alone("a")]).await;
        assert_eq!(rig.client.tags(&RepositoryRef::alone("b")).await.expect_err("denied").fault(), Fault::Denied);
        read(&rig, &[RepositoryRef::alone("c")]).await;
    }
}

#[tokio::test]
async fn what_the_ping_does_not_tell_the_first_refusal_teaches_all() {
    let script = stocked(Script::distribution_like(numbered(30).as_slice()))
        .with_faults(|seen, _| (seen.endpoint == FakeEndpoint::Ping).then(|| Misbehaviour::status(200)));
    let rig = Rig::new(script).await;
    let places = together(30);
    let all = join_all(places.iter().map(|place| rig.client.tags(place))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(rig.server.count(FakeEndpoint::Tags), 30 + 1);
    let first = &rig.server.requests_to(FakeEndpoint::Tags)[0];
    assert_eq!((first.status, first.authorization), (Some(401), Authorization::Basic));
}

#[tokio::test]
async fn a_dead_registry_is_pinged_once_for_all_who_wait() {
    let unsupported = Misbehaviour::status(404).body(r#"{"errors":[{"code":"UNSUPPORTED"}]}"#);
    let rig = Rig::new(Script::open(["a"]).with_faults(move |_, _| Some(unsupported.clone()))).await;
    let place = RepositoryRef::alone("a");
    let all = join_all((0..10).map(|_| rig.client.tags(&place))).await;
    assert!(all.iter().all(|one| one.as_ref().is_err_and(|error| error.fault() == Fault::Unsupported)), "{all:?}");
    assert!(rig.server.count(FakeEndpoint::Ping) <= 2, "{}", rig.server.count(FakeEndpoint::Ping));
}

#[tokio::test]
async fn requests_in_flight_and_in_a_second_stay_within_the_limits_tokens_included() {
    let script = Script { latency: Duration::from_millis(20), ..Script::distribution_like(numbered(40).as_slice()) };
    let rig = Rig::with(stocked(script), |settings| {
        settings.requests_per_second = NonZeroU32::new(100);
    });
    let rig = rig.await;
    let places = together(40);
    let began = crate::clock::now();
    let all = join_all(places.iter().map(|place| rig.client.tags(place))).await;
    let took = crate::clock::now() - began;
    assert!(all.iter().all(Result::is_ok));
    assert!(rig.server.most_in_flight() <= 4);
    let requests = rig.client.stats().requests;
    assert_eq!(requests, 1 + 2 + 40);
    // Ten may begin at once, and then one every 10 ms.
    assert!(took.num_milliseconds() >= 320, "{took}");
}
