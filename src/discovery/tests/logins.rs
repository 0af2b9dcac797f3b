//! Every login that is configured is shown to be alive before what it lists is believed.

use super::*;
use crate::registry::Fault;

/// A discovery of each API whose lists a dead login may read too, what it is asked for as proof, what a dead login gets
/// there, and what it lists.
fn each(rig: &DiscoveryRig) -> [(DiscoverySettings, &'static str, u16); 4] {
    let token = ApiSettings { url: None, login: ApiLogin::Token(rig.source()) };
    let basic = ApiSettings { url: None, login: ApiLogin::Basic(rig.login()) };
    let gitlab = DiscoverySettings::Gitlab { api: rig.bearer(), groups: owned(&["acme"]), projects: Vec::new() };
    [
        (rig.quay(&["acme"]), PROOFS[0], 400),
        (DiscoverySettings::Harbor { api: basic, projects: owned(&["acme"]) }, PROOFS[1], 401),
        (gitlab, PROOFS[2], 401),
        (DiscoverySettings::Gitea { api: token, owners: owned(&["acme"]) }, PROOFS[3], 401),
    ]
}

/// The first page of each of them, of one repository.
fn public_lists() -> Vec<(&'static str, Misbehaviour)> {
    let total = |goes: Misbehaviour| goes.header("x-total-count", "1").header("x-total", "1");
    vec![
        (
            "/api/v1/repository?namespace=acme&public=true",
            body(r#"{"repositories":[{"namespace":"acme","name":"app"}]}"#),
        ),
        ("/api/v2.0/projects/acme/repositories?page=1&page_size=100", total(body(r#"[{"name":"acme/app"}]"#))),
        ("/api/v4/groups/acme/registry/repositories?per_page=100&page=1", total(body(r#"[{"path":"acme/app"}]"#))),
        (
            "/api/v1/packages/acme?type=container&page=1&limit=50",
            total(body(r#"[{"owner":{"login":"acme"},"type":"container","name":"app","version":"1"}]"#)),
        ),
    ]
}

async fn rig(proofs: Vec<(&'static str, Misbehaviour)>) -> DiscoveryRig {
    DiscoveryRig::new([public_lists(), proofs].concat()).await
}

#[tokio::test]
async fn a_dead_login_is_refused_though_it_may_list() {
    for at in 0..4 {
        let unstarted = rig(Vec::new()).await;
        let (_, proof, status) = each(&unstarted)[at].clone();
        let rig = rig(vec![(proof, Misbehaviour::status(status).body(r#"{"message":"hunter2/Ü+% is dead"}"#))]).await;
        let (settings, ..) = each(&rig)[at].clone();
        let error = rig.error(&settings).await;
        assert_eq!(error.fault(), Fault::CredentialsRejected, "{proof}: {error}");
        assert!(error.remedy().contains("check the secret"), "{}", error.remedy());
        assert!(!format!("{error:?}{error}").contains("hunter2"), "{error:?}");
        assert!(!rig.all_targets().iter().any(|target| target.contains("page=1")), "{:?}", rig.all_targets());
        // `check` does the same.
        let probed = of(&settings, &rig.client).probe().await.expect("an answer");
        assert_eq!(probed.expect_err("a refusal").fault(), Fault::CredentialsRejected, "{proof}");
    }
}

#[tokio::test]
async fn a_living_login_is_asked_for_once_and_believed() {
    for at in 0..4 {
        let rig = rig(Vec::new()).await;
        let (settings, proof, _) = each(&rig)[at].clone();
        assert_eq!(rig.names(&settings).await, ["acme/app"]);
        assert_eq!(rig.all_targets()[0], proof);
        assert_eq!(rig.all_targets().len(), 2, "{:?}", rig.all_targets());
    }
}

#[tokio::test]
async fn a_login_that_is_withdrawn_in_mid_walk_is_noticed_at_its_end() {
    let rig = rig(vec![
        (PROOFS[0], body("{}")),
        (PROOFS[0], Misbehaviour::status(400).body(r#"{"message":"bad request"}"#)),
        (
            "/api/v1/repository?namespace=other&public=true",
            body(r#"{"repositories":[{"namespace":"other","name":"public"}]}"#),
        ),
    ])
    .await;
    let walked = rig.walk(&rig.quay(&["acme", "other"])).await;
    assert_eq!(walked.names(), ["acme/app"], "the last page is not handed out");
    assert_eq!(walked.error.expect("an error").fault(), Fault::CredentialsRejected);
}

#[tokio::test]
async fn harbors_robots_are_alive_though_they_are_no_users() {
    let current = Misbehaviour::status(412).body(r#"{"errors":[{"code":"PRECONDITION"}]}"#);
    let rig = rig(vec![(PROOFS[1], current)]).await;
    let (settings, ..) = each(&rig)[1].clone();
    assert!(rig.shortfalls(&settings).await.is_empty());
}

#[tokio::test]
async fn giteas_narrow_tokens_are_alive_though_they_may_not_read_their_user() {
    let narrow =
        Misbehaviour::status(403).body(r#"{"message":"token does not have at least one of required scope(s)"}"#);
    let rig = rig(vec![(PROOFS[3], narrow)]).await;
    let (settings, ..) = each(&rig)[3].clone();
    assert!(rig.shortfalls(&settings).await.is_empty());
}

#[tokio::test]
async fn gitlabs_kinds_of_tokens_are_each_asked_where_they_are_known() {
    let refused = || Misbehaviour::status(401).body(r#"{"message":"401 Unauthorized"}"#);
    let missing = || Misbehaviour::status(404).body(r#"{"error":"404 Not ListAnswer"}"#);
    for (proofs, is_alive) in [
        // An OAuth token.
        (vec![(PROOFS[2], Misbehaviour::status(400).body("{}")), ("/api/v4/user", body("{}"))], true),
        // A server before 15.5.
        (vec![(PROOFS[2], missing()), ("/api/v4/user", body("{}"))], true),
        (vec![(PROOFS[2], missing()), ("/api/v4/user", refused())], false),
        // The token of a CI job.
        (vec![(PROOFS[2], refused()), ("/api/v4/user", refused()), ("/api/v4/job", body("{}"))], true),
        (vec![(PROOFS[2], refused()), ("/api/v4/user", refused()), ("/api/v4/job", refused())], false),
    ] {
        let rig = rig(proofs).await;
        let (settings, ..) = each(&rig)[2].clone();
        let fault = rig.walk(&settings).await.error.map(|error| error.fault());
        assert_eq!(fault, (!is_alive).then_some(Fault::CredentialsRejected), "{:?}", rig.all_targets());
    }
}

#[tokio::test]
async fn a_login_of_which_nothing_can_be_told_is_named() {
    for goes in [Misbehaviour::status(404).body("{}"), Misbehaviour::status(405), body("<html>log in</html>")] {
        let rig = rig(vec![(PROOFS[1], goes)]).await;
        let (settings, ..) = each(&rig)[1].clone();
        let shortfalls = rig.shortfalls(&settings).await;
        assert_eq!(shortfalls.len(), 1, "{shortfalls:?}");
        assert_eq!(shortfalls[0].0, "unproven");
        assert!(shortfalls[0].1.contains("/api/v2.0/users/current"), "{shortfalls:?}");
    }
}

#[tokio::test]
async fn without_a_login_nothing_is_to_be_shown() {
    let rig = rig(Vec::new()).await;
    let settings = DiscoverySettings::Gitea { api: ApiSettings::default(), owners: owned(&["acme"]) };
    assert_eq!(rig.names(&settings).await, ["acme/app"]);
    assert_eq!(rig.all_targets().len(), 1);
}
