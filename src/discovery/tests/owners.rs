//! Namespaces, groups, projects and owners that are configured and not there.

use super::*;
use crate::registry::Fault;

fn listed(text: &'static str) -> Misbehaviour {
    body(text).header("x-total-count", "1").header("x-total", "1")
}

fn gone() -> Misbehaviour {
    Misbehaviour::status(404).body(r#"{"message":"not found"}"#)
}

/// Each API with owners `acme`, which is there, and `ghost`, and how it says that.
fn each(rig: &DiscoveryRig, owners: &[&str]) -> [DiscoverySettings; 6] {
    let owners = || owned(owners);
    let token = ApiSettings { url: None, login: ApiLogin::Token(rig.source()) };
    let basic = ApiSettings { url: None, login: ApiLogin::Basic(rig.login()) };
    [
        DiscoverySettings::Quay { api: rig.bearer(), namespaces: owners() },
        DiscoverySettings::Harbor { api: basic, projects: owners() },
        DiscoverySettings::Gitlab { api: rig.bearer(), groups: owners(), projects: Vec::new() },
        DiscoverySettings::Gitlab { api: rig.bearer(), groups: Vec::new(), projects: owners() },
        DiscoverySettings::DockerHub { api: ApiSettings::default(), namespaces: owners() },
        DiscoverySettings::Gitea { api: token, owners: owners() },
    ]
}

async fn rig() -> DiscoveryRig {
    let forbidden = || Misbehaviour::status(403).body(r#"{"errors":[{"code":"FORBIDDEN","message":"forbidden"}]}"#);
    DiscoveryRig::new(vec![
        (
            "/api/v1/repository?namespace=acme&public=true",
            body(r#"{"repositories":[{"namespace":"acme","name":"app"}]}"#),
        ),
        ("/api/v1/repository?namespace=ghost&public=true", body(r#"{"repositories":[]}"#)),
        ("/api/v2.0/projects/acme/repositories?page=1&page_size=100", listed(r#"[{"name":"acme/app"}]"#)),
        ("/api/v2.0/projects/ghost/repositories?page=1&page_size=100", forbidden()),
        ("/api/v2.0/projects/ghost", forbidden()),
        ("/api/v4/groups/acme/registry/repositories?per_page=100&page=1", listed(r#"[{"path":"acme/app"}]"#)),
        ("/api/v4/projects/acme/registry/repositories?per_page=100&page=1", listed(r#"[{"path":"acme/app"}]"#)),
        (
            "/v2/namespaces/acme/repositories?page_size=100",
            body(r#"{"count":1,"next":null,"results":[{"namespace":"acme","name":"app"}]}"#),
        ),
        ("/v2/namespaces/ghost/repositories?page_size=100", body(r#"{"count":0,"next":null,"results":[]}"#)),
        (
            "/api/v1/packages/acme?type=container&page=1&limit=50",
            listed(r#"[{"owner":{"login":"acme"},"type":"container","name":"app","version":"1"}]"#),
        ),
    ])
    .await
}

#[tokio::test]
async fn one_that_is_not_there_is_named_and_the_others_are_listed() {
    for owners in [["acme", "ghost"], ["ghost", "acme"]] {
        for at in 0..6 {
            let rig = rig().await;
            let settings = each(&rig, &owners)[at].clone();
            assert_eq!(rig.names(&settings).await, ["acme/app"], "{settings:?}");
            let shortfalls = rig.shortfalls(&settings).await;
            assert_eq!(shortfalls.len(), 1, "{settings:?} {shortfalls:?}");
            assert!(
                shortfalls[0].0 == "missing" && shortfalls[0].1.contains("of ghost: it does not exist"),
                "{shortfalls:?}"
            );
        }
    }
}

#[tokio::test]
async fn check_is_told_of_it_too() {
    for at in 0..6 {
        let rig = rig().await;
        let discovery = of(&each(&rig, &["acme", "ghost"])[at], &rig.client);
        let page = discovery.probe().await.expect("an answer").expect("a page");
        assert_eq!(page.names.iter().collect::<Vec<_>>(), ["acme/app"]);
        assert_eq!(page.shortfalls.len(), 1, "{page:?}");
    }
}

#[tokio::test]
async fn none_that_is_there_ends_the_walk() {
    for at in 0..6 {
        let rig = rig().await;
        let settings = each(&rig, &["ghost"])[at].clone();
        let walked = rig.walk(&settings).await;
        let error = walked.error.unwrap_or_else(|| panic!("{settings:?}"));
        assert!(matches!(error.fault(), Fault::Unsupported | Fault::Denied), "{settings:?} {error}");
        assert!(walked.pages.is_empty() && error.to_string().contains("of ghost"), "{error}");
        let probed = of(&settings, &rig.client).probe().await.expect("an answer");
        assert_eq!(probed.expect_err("a refusal").fault(), error.fault());
    }
}

#[tokio::test]
async fn one_that_is_there_and_empty_is_no_shortfall() {
    let rig = DiscoveryRig::new(vec![
        ("/api/v1/repository?namespace=acme&public=true", body(r#"{"repositories":[]}"#)),
        ("/api/v1/organization/acme", gone()),
        ("/api/v1/users/acme", body(r#"{"username":"acme"}"#)),
    ])
    .await;
    let settings = rig.quay(&["acme"]);
    assert!(rig.names(&settings).await.is_empty());
    assert!(rig.shortfalls(&settings).await.is_empty());
}

#[tokio::test]
async fn a_list_that_is_refused_though_its_owner_is_there_ends_the_walk() {
    let list = "/api/v4/groups/acme/registry/repositories?per_page=100&page=1";
    for (owner, what) in [
        (body(r#"{"path":"acme"}"#), "there"),
        // A proxy does not know what it is asked for: that says nothing of the group.
        (Misbehaviour::status(404).body("404 page not found"), "a proxy's word"),
    ] {
        let rig = DiscoveryRig::new(vec![
            ("/api/v4/groups/other/registry/repositories?per_page=100&page=1", listed(r#"[{"path":"other/app"}]"#)),
            (list, Misbehaviour::status(404).body("404 page not found")),
            ("/api/v4/groups/acme", owner),
        ])
        .await;
        let groups = owned(&["other", "acme"]);
        let settings = DiscoverySettings::Gitlab { api: rig.bearer(), groups, projects: Vec::new() };
        let error = rig.error(&settings).await;
        assert_eq!(error.fault(), Fault::Unsupported, "{what}: {error}");
    }
}

#[tokio::test]
async fn one_place_that_says_no_is_enough_where_none_says_yes() {
    let list = ("/api/v1/repository?namespace=acme&public=true", body(r#"{"repositories":[]}"#));
    let other =
        ("/api/v1/repository?namespace=b&public=true", body(r#"{"repositories":[{"namespace":"b","name":"c"}]}"#));
    for (user, missing) in [(Misbehaviour::status(401), true), (Misbehaviour::status(302), true), (body("{}"), false)] {
        let places = [("/api/v1/organization/acme", gone()), ("/api/v1/users/acme", user)];
        let rig = DiscoveryRig::new([vec![list.clone(), other.clone()], places.to_vec()].concat()).await;
        assert_eq!(rig.shortfalls(&rig.quay(&["acme", "b"])).await.len(), usize::from(missing));
    }
    // Where no place says no, the list is believed, which said 200.
    let places =
        [("/api/v1/organization/acme", Misbehaviour::status(401)), ("/api/v1/users/acme", Misbehaviour::status(403))];
    let rig = DiscoveryRig::new([vec![list, other], places.to_vec()].concat()).await;
    assert!(rig.shortfalls(&rig.quay(&["acme", "b"])).await.is_empty());
}
