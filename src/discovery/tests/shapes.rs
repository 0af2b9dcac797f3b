//! Each API's documented answers, from the first page to the last.

use super::*;

const QUAY_1: &str = r#"{"repositories":[
    {"namespace":"acme","name":"app","description":null,"is_public":false,"kind":"image","state":"NORMAL"},
    {"namespace":"acme","name":"chart","kind":"application"},
    {"namespace":"acme","name":"team/api","kind":"image"}],
  "next_page":"gAAAAABm-_x=="}"#;

#[tokio::test]
async fn quay_is_listed_by_namespace_and_its_key_goes_back_as_it_is() {
    let rig = DiscoveryRig::new(vec![
        ("/api/v1/repository?namespace=acme&public=true", body(QUAY_1)),
        (
            "/api/v1/repository?namespace=acme&public=true&next_page=gAAAAABm-_x%3D%3D",
            body(r#"{"repositories":[{"namespace":"acme","name":"web","kind":"image"}]}"#),
        ),
        ("/api/v1/repository?namespace=b%2Fc&public=true", body(r#"{"repositories":null,"next_page":null}"#)),
        ("/api/v1/organization/b%2Fc", body(r#"{"name":"b/c"}"#)),
    ])
    .await;
    assert_eq!(rig.names(&rig.quay(&["acme", "b/c"])).await, ["acme/app", "acme/team/api", "acme/web"]);
    assert_eq!(rig.targets().len(), 4);
    assert!(rig.authorizations().iter().all(|sent| *sent == format!("Bearer {SECRET}")));
}

#[tokio::test]
async fn quay_can_be_gone_on_with_where_a_walk_was_cut_off() {
    let rig = DiscoveryRig::new(vec![
        ("/api/v1/repository?namespace=acme&public=true", body(QUAY_1)),
        (
            "/api/v1/repository?namespace=acme&public=true&next_page=gAAAAABm-_x%3D%3D",
            body(r#"{"repositories":[{"namespace":"acme","name":"web"}]}"#),
        ),
        (
            "/api/v1/repository?namespace=other&public=true",
            body(r#"{"repositories":[{"namespace":"other","name":"x"}]}"#),
        ),
    ])
    .await;
    let settings = rig.quay(&["acme", "other"]);
    let pages = rig.walk(&settings).await.pages;
    assert!(pages[2].last && pages[2].cursor.is_none(), "after the last there is nowhere to go on");
    for (page, rest) in [(0, &["acme/web", "other/x"][..]), (1, &["other/x"])] {
        let cursor = pages[page].cursor.as_ref().expect("a cursor");
        assert_eq!(rig.walk_from(&settings, Some(cursor)).await.names(), rest);
    }
    let elsewhere = Cursor(pages[0].cursor.as_ref().expect("a cursor").0.replace("127.0.0.1", "127.0.0.2"));
    assert_eq!(rig.walk_from(&settings, Some(&elsewhere)).await.names().len(), 4, "it begins at the beginning");
}

#[tokio::test]
async fn harbor_is_listed_by_project_with_numbered_pages() {
    let rig = DiscoveryRig::new(vec![
        (
            "/api/v2.0/projects?page=1&page_size=100",
            body(r#"[{"project_id":1,"name":"library","repo_count":2},{"project_id":2,"name":"a b","metadata":{}}]"#)
                .header("x-total-count", "3")
                .header("link", "</api/v2.0/projects?page=2&page_size=100>; rel=\"next\""),
        ),
        (
            "/api/v2.0/projects?page=2&page_size=100",
            body(r#"[{"name":"empty"}]"#)
                .header("x-total-count", "3")
                .header("link", "</api/v2.0/projects?page=1&page_size=100>; rel=\"prev\""),
        ),
        (
            "/api/v2.0/projects/library/repositories?page=1&page_size=100",
            body(r#"[{"name":"library/nginx","artifact_count":1}]"#).header("x-total-count", "2"),
        ),
        (
            "/api/v2.0/projects/library/repositories?page_size=100&page=2",
            body(r#"[{"name":"library/team/api"}]"#).header("x-total-count", "2"),
        ),
        ("/api/v2.0/projects/a%20b/repositories?page=1&page_size=100", body(r#"[{"name":"a-b/x"}]"#)),
        ("/api/v2.0/projects/a%20b/repositories?page_size=100&page=2", body("[]")),
        ("/api/v2.0/projects/empty/repositories?page=1&page_size=100", body("null")),
    ])
    .await;
    let api = ApiSettings { url: None, login: ApiLogin::Basic(rig.login()) };
    let all = DiscoverySettings::Harbor { api: api.clone(), projects: Vec::new() };
    assert_eq!(rig.names(&all).await, ["library/nginx", "library/team/api", "a-b/x"]);
    assert!(rig.authorizations().iter().all(|sent| sent.starts_with("Basic ")));
    let one = DiscoverySettings::Harbor { api, projects: owned(&["library"]) };
    assert_eq!(rig.names(&one).await, ["library/nginx", "library/team/api"]);
}

#[tokio::test]
async fn gitlab_is_listed_by_group_and_project_on_another_host() {
    let rig = DiscoveryRig::new(vec![
        (
            "/gitlab/api/v4/groups/acme%2Fteam/registry/repositories?per_page=100&page=1",
            body(r#"[{"id":1,"name":"","path":"acme/team/app","project_id":9,"location":"r.example/acme/team/app"}]"#)
                .header("x-next-page", "2")
                .header("x-total", "2"),
        ),
        (
            "/gitlab/api/v4/groups/acme%2Fteam/registry/repositories?per_page=100&page=2",
            body(r#"[{"path":"acme/team/app/cache"}]"#).header("x-next-page", ""),
        ),
        (
            "/gitlab/api/v4/projects/42/registry/repositories?per_page=100&page=1",
            body(r#"[{"path":"acme/team/app"},{"path":"other/x"}]"#)
                .header("link", "<{base}/gitlab/api/v4/projects/42/registry/repositories?page=2>; rel=\"next\", <{base}/>; rel=\"first\"")
                .header("x-next-page", "2"),
        ),
        ("/gitlab/api/v4/projects/42/registry/repositories?page=2", body("[]").header("link", "<{base}/>; rel=\"first\"")),
    ])
    .await;
    // Nothing listens at the address of the registry, so a request to it would fail.
    let mut url = rig.server.url();
    url.set_path("/gitlab/");
    let registry = RegistrySettings::new("r", "http://127.0.0.1:1".parse().expect("a URL"));
    let rig = DiscoveryRig { client: Client::new(registry).expect("a client"), ..rig };
    let settings = DiscoverySettings::Gitlab {
        api: ApiSettings { url: Some(url), ..rig.bearer() },
        groups: owned(&["acme/team"]),
        projects: owned(&["42"]),
    };
    assert_eq!(rig.names(&settings).await, ["acme/team/app", "acme/team/app/cache", "other/x"]);
}

#[tokio::test]
async fn docker_hub_is_listed_by_namespace_with_a_token_by_exchange() {
    let rig = DiscoveryRig::new(vec![
        ("/v2/auth/token", body(r#"{"access_token":"eyJ.first"}"#)),
        ("/v2/auth/token", body(r#"{"access_token":"eyJ.second"}"#)),
        (
            "/v2/namespaces/acme/repositories?page_size=100",
            body(
                r#"{"count":2,"next":"{base}/v2/namespaces/acme/repositories?page=2&page_size=100","previous":null,
                  "results":[{"name":"app","namespace":"acme","repository_type":"image","is_private":true}]}"#,
            ),
        ),
        (
            "/v2/namespaces/acme/repositories?page=2&page_size=100",
            Misbehaviour::status(401).body(r#"{"message":"expired"}"#),
        ),
        (
            "/v2/namespaces/acme/repositories?page=2&page_size=100",
            body(r#"{"count":2,"next":null,"results":[{"name":"web","namespace":"acme"}]}"#),
        ),
    ])
    .await;
    let api = ApiSettings { url: None, login: ApiLogin::Exchanged(rig.login()) };
    let settings = DiscoverySettings::DockerHub { api, namespaces: owned(&["acme"]) };
    assert_eq!(rig.names(&settings).await, ["acme/app", "acme/web"]);
    let tokens = ["", "Bearer eyJ.first", "Bearer eyJ.first", "", "Bearer eyJ.second"];
    assert_eq!(rig.authorizations(), tokens, "a token that has expired is exchanged once more");
    let first = &rig.server.requests()[0];
    assert_eq!((first.method.as_str(), first.header("content-type")), ("POST", Some("application/json")));
}

#[tokio::test]
async fn docker_hub_without_a_login_shows_what_anybody_sees() {
    let rig = DiscoveryRig::new(vec![
        (
            "/v2/namespaces/acme/repositories?page_size=100",
            body(r#"{"count":0,"next":null,"previous":null,"results":[]}"#),
        ),
        ("/v2/users/acme", body(r#"{"username":"acme"}"#)),
    ])
    .await;
    let settings = DiscoverySettings::DockerHub { api: ApiSettings::default(), namespaces: owned(&["acme"]) };
    assert!(rig.names(&settings).await.is_empty());
    assert_eq!(rig.authorizations(), ["", ""]);
}

#[tokio::test]
async fn azures_catalog_is_read_with_a_token_for_the_scope_that_it_names() {
    let auth = |password| Auth::Token(Some(PasswordLogin { username: "acme".into(), password }));
    let challenge = "Bearer realm=\"{base}/oauth2/token\",service=\"x.azurecr.io\"";
    let with_scope = format!("{challenge},scope=\"registry:catalog:*\"");
    let answer = move |seen: &SeenRequest, _| {
        let granted = seen.header("authorization") == Some("Bearer acr");
        let goes = match (seen.path(), granted) {
            ("/v2/", _) => Misbehaviour::status(401).header("www-authenticate", challenge),
            ("/oauth2/token", _) if seen.query("scope").as_deref() == Some("registry:catalog:*") => {
                body(r#"{"access_token":"acr"}"#)
            }
            ("/acr/v1/_catalog", false) => Misbehaviour::status(401).header("www-authenticate", &with_scope),
            ("/acr/v1/_catalog", true) => match seen.query("last").as_deref() {
                None => body(r#"{"repositories":["a","b/c"]}"#)
                    .header("link", "</acr/v1/_catalog?last=b%2Fc&n=100&orderby=>; rel=\"next\""),
                _ => body(r#"{"repositories":["d"]}"#),
            },
            _ => Misbehaviour::status(400).body(r#"{"errors":[]}"#),
        };
        Some(at_home(goes, seen.header("host").unwrap_or_default()))
    };
    let rig = DiscoveryRig::with(Script::open([]).with_faults(answer), auth).await;
    assert_eq!(rig.names(&DiscoverySettings::Acr).await, ["a", "b/c", "d"]);
    let catalog: Vec<_> = rig.targets().into_iter().filter(|target| target.starts_with("/acr")).collect();
    assert_eq!(catalog.last().map(String::as_str), Some("/acr/v1/_catalog?last=b%2Fc&n=100&orderby="));
}

#[tokio::test]
async fn giteas_versions_are_packages_once_each_in_lower_case() {
    let first = r#"[{"id":3,"owner":{"id":1,"login":"Acme","full_name":""},"type":"container","name":"App","version":"2"},
        {"id":2,"owner":{"login":"Acme"},"type":"container","name":"App","version":"1"},
        {"id":9,"owner":{"login":"Acme"},"type":"npm","name":"lib","version":"1"}]"#;
    let rig = DiscoveryRig::new(vec![
        ("/api/v1/packages/Acme?type=container&page=1&limit=50", body(first).header("x-total-count", "5")),
        (
            "/api/v1/packages/Acme?type=container&limit=50&page=2",
            body(r#"[{"id":1,"owner":{"login":"Acme"},"type":"container","name":"App","version":"0"}]"#)
                .header("x-total-count", "5"),
        ),
        (
            "/api/v1/packages/Acme?type=container&limit=50&page=3",
            body(r#"[{"id":0,"owner":{"login":"Acme"},"type":"container","name":"team/api","version":"0"}]"#)
                .header("x-total-count", "5"),
        ),
    ])
    .await;
    let api = ApiSettings { url: None, login: ApiLogin::Token(rig.source()) };
    let settings = DiscoverySettings::Gitea { api, owners: owned(&["Acme"]) };
    assert_eq!(rig.names(&settings).await, ["acme/app", "acme/team/api"]);
    assert_eq!(rig.authorizations()[0], format!("token {SECRET}"));
}
