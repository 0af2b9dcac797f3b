//! Tests of the fake registry with a plain HTTP client. They do not use the registry client, because the fake registry tests it.

use std::sync::Once;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use super::*;

fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test in this process may have installed the provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().no_proxy().build().expect("a client")
}

async fn get(fake: &FakeRegistry, target: &str) -> Response {
    client().get(fake.url().join(target).expect("a target")).send().await.expect("an answer")
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON")
}

fn link(response: &Response) -> Option<&str> {
    response.headers().get("link").map(|value| value.to_str().expect("text"))
}

fn challenge(response: &Response) -> &str {
    response.headers().get("www-authenticate").map_or("", |value| value.to_str().expect("text"))
}

async fn token(fake: &FakeRegistry, query: &str) -> Response {
    let url = fake.url().join(&format!("/token?{query}")).expect("a target");
    client().get(url).basic_auth(USERNAME, Some(PASSWORD)).send().await.expect("an answer")
}

async fn catalog_with(fake: &FakeRegistry, token: &str) -> Response {
    let url = fake.url().join("/v2/_catalog?n=100").expect("a target");
    client().get(url).bearer_auth(token).send().await.expect("an answer")
}

/// All names, from all pages.
async fn walk(fake: &FakeRegistry, first: &str) -> Vec<String> {
    let (mut names, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(target) = next {
        let response = get(fake, &target).await;
        assert_eq!(response.status(), StatusCode::OK, "{target}");
        next = link(&response).map(|link| link[1..link.find('>').expect("an end")].to_owned());
        let page = body(response).await;
        let page = page["repositories"].as_array().expect("a list");
        names.extend(page.iter().map(|name| name.as_str().expect("a name").to_owned()));
    }
    names
}

#[tokio::test]
async fn every_name_comes_once_in_each_order_and_link_style() {
    let repositories = RepositoryNames::generated(250, 7);
    for order in [CatalogOrder::Bytewise, CatalogOrder::Path, CatalogOrder::Given, CatalogOrder::Shuffled(1)] {
        for link in [LinkStyle::Relative, LinkStyle::Absolute, LinkStyle::Opaque] {
            let script = Script { order, link, ..Script::open(repositories.clone()) };
            let fake = FakeRegistry::start(script).await.expect("a server");
            let mut names = walk(&fake, "/v2/_catalog?n=100").await;
            assert_eq!(fake.count(FakeEndpoint::Catalog), 3);
            let bytewise = matches!(order, CatalogOrder::Bytewise | CatalogOrder::Given);
            assert_eq!(names.is_sorted(), bytewise, "{order:?}");
            names.sort_unstable();
            assert!(names.iter().map(String::as_str).eq(repositories.iter()), "{order:?}");
        }
    }
}

#[test]
fn generated_names_are_sorted_unique_and_repeatable() {
    for count in [0, 1, 10_000] {
        let names = RepositoryNames::generated(count, 3);
        assert_eq!(names.len(), count);
        assert!(names.iter().is_sorted_by(|a, b| a < b));
        assert!(names.iter().eq(RepositoryNames::generated(count, 3).iter()));
    }
}

#[tokio::test]
async fn last_takes_any_key_in_the_order_of_the_server() {
    let names = ["a", "a-b/y", "a.b/z", "a/x", "a/x-1"];
    for (order, expected) in [(CatalogOrder::Bytewise, ["a.b/z", "a/x"]), (CatalogOrder::Path, ["a.b/z", "b"])] {
        let names = RepositoryNames::from([&names[..], &["b"]].concat().try_into().unwrap_or([""; 6]));
        let fake = FakeRegistry::start(Script { order, ..Script::open(names) }).await.expect("a server");
        let page = body(get(&fake, "/v2/_catalog?n=2&last=a-zzz").await).await;
        assert_eq!(page["repositories"], Value::from(expected.to_vec()), "{order:?}");
    }
}

#[tokio::test]
async fn n_over_the_maximum_is_refused_or_clamped() {
    let script = Script { page_max: 2, ..Script::open(["a", "b", "c"]) };
    let fake = FakeRegistry::start(script.clone()).await.expect("a server");
    let refused = get(&fake, "/v2/_catalog?n=3").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(refused).await["errors"][0]["code"], "PAGINATION_NUMBER_INVALID");

    let fake = FakeRegistry::start(Script { over_max: OverMax::Clamp, ..script }).await.expect("a server");
    let page = get(&fake, "/v2/_catalog?n=3").await;
    assert_eq!(link(&page), Some("</v2/_catalog?last=b&n=2>; rel=\"next\""));
}

#[tokio::test]
async fn an_exactly_full_last_page_has_a_link_only_if_scripted() {
    for empty_last_page in [false, true] {
        let script = Script { empty_last_page, ..Script::open(["a", "b"]) };
        let fake = FakeRegistry::start(script).await.expect("a server");
        assert_eq!(walk(&fake, "/v2/_catalog?n=2").await, ["a", "b"]);
        assert_eq!(fake.count(FakeEndpoint::Catalog), if empty_last_page { 2 } else { 1 });
    }
}

#[tokio::test]
async fn tokens_open_the_catalog_until_they_expire_are_revoked_or_lack_the_scope() {
    let script = Script::distribution_like(["a"]);
    let fake = FakeRegistry::start(script.clone()).await.expect("a server");
    let refused = get(&fake, "/v2/_catalog").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let realm =
        format!("Bearer realm=\"{}token\",service=\"registry.example\",scope=\"registry:catalog:*\"", fake.url());
    assert_eq!(challenge(&refused), realm);

    let query = "service=registry.example&scope=registry:catalog:*";
    let given = body(token(&fake, query).await).await;
    assert_eq!(given["expires_in"], 300);
    let good = given["token"].as_str().expect("a token");
    assert_eq!(catalog_with(&fake, good).await.status(), StatusCode::OK);
    fake.revoke_tokens();
    assert!(challenge(&catalog_with(&fake, good).await).contains("error=\"invalid_token\""));

    let narrow = body(token(&fake, "service=registry.example&scope=repository:a:pull").await).await;
    let narrow = catalog_with(&fake, narrow["token"].as_str().expect("a token")).await;
    assert!(challenge(&narrow).contains("error=\"insufficient_scope\""));

    let elsewhere = FakeRegistry::start(script.clone()).await.expect("a server");
    let foreign = body(token(&elsewhere, query).await).await;
    let foreign = catalog_with(&fake, foreign["token"].as_str().expect("a token")).await;
    assert!(challenge(&foreign).contains("error=\"invalid_token\""));

    let fake = FakeRegistry::start(script.with_token(|token| token.lifetime = Duration::ZERO)).await.expect("a server");
    let dead = body(token(&fake, query).await).await;
    let dead = catalog_with(&fake, dead["token"].as_str().expect("a token")).await;
    assert!(challenge(&dead).contains("error=\"invalid_token\""));
    assert_eq!(fake.tokens_issued(), 1);
}

#[tokio::test]
async fn the_token_endpoint_minds_method_credentials_and_form() {
    let fake = FakeRegistry::start(Script::distribution_like(["a"])).await.expect("a server");
    assert_eq!(get(&fake, "/token").await.status(), StatusCode::UNAUTHORIZED);
    let form = |grant: &str, secret: &str| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", grant).append_pair("username", USERNAME).append_pair(secret, PASSWORD);
        form.append_pair("scope", "registry:catalog:*");
        client().post(fake.url().join("/token").expect("a target")).body(form.finish()).send()
    };
    for (grant, secret) in [("password", "password"), ("refresh_token", "refresh_token")] {
        let given = body(form(grant, secret).await.expect("an answer")).await;
        let catalog = catalog_with(&fake, given["access_token"].as_str().expect("a token")).await;
        assert_eq!(catalog.status(), StatusCode::OK, "{grant}");
    }
    let script = Script::distribution_like(["a"]).with_token(|token| token.method = TokenMethod::PostOnly);
    let fake = FakeRegistry::start(script).await.expect("a server");
    assert_eq!(token(&fake, "").await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn quay_lists_nothing_without_a_token_and_refuses_the_catalog_scope() {
    let fake = FakeRegistry::start(Script::quay_like(["b", "a"])).await.expect("a server");
    let anonymous = get(&fake, "/v2/_catalog").await;
    assert_eq!(anonymous.status(), StatusCode::OK);
    assert_eq!(body(anonymous).await["repositories"], Value::Array(Vec::new()));
    assert!(challenge(&get(&fake, "/v2/").await).starts_with("Bearer "));

    assert_eq!(token(&fake, "scope=registry:catalog:*").await.status(), StatusCode::BAD_REQUEST);
    let given = body(token(&fake, "service=quay.example:8443").await).await;
    let fields: Vec<_> = given.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["token"]);
    let names = body(catalog_with(&fake, given["token"].as_str().expect("a token")).await).await;
    assert_eq!(names["repositories"], Value::from(vec!["b", "a"]));

    let anonymous = body(get(&fake, "/token?service=quay.example:8443").await).await;
    let failed = catalog_with(&fake, anonymous["token"].as_str().expect("a token")).await;
    assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_bad_cursor_begins_at_page_one_again() {
    let script = Script { link: LinkStyle::Opaque, ..Script::open(["a", "b", "c"]) };
    let fake = FakeRegistry::start(script).await.expect("a server");
    for bad in ["next_page=bm9uc2Vuc2U%3D", "last=b"] {
        let page = body(get(&fake, &format!("/v2/_catalog?n=1&{bad}")).await).await;
        assert_eq!(page["repositories"], Value::from(vec!["a"]), "{bad}");
    }
}

#[tokio::test]
async fn harbor_wants_basic_on_the_catalog_and_bearer_elsewhere() {
    let fake = FakeRegistry::start(Script::harbor_like(["a"])).await.expect("a server");
    assert!(challenge(&get(&fake, "/v2/").await).starts_with("Bearer "));
    assert!(challenge(&get(&fake, "/v2/_catalog").await).starts_with("Basic "));
    let url = fake.url().join("/v2/_catalog").expect("a target");
    let listed = client().get(url).basic_auth(USERNAME, Some(PASSWORD)).send().await.expect("an answer");
    assert_eq!(listed.status(), StatusCode::OK);
    let seen = fake.requests();
    assert_eq!(seen[2].authorization, Authorization::Basic);
    assert_eq!(seen.iter().map(|request| request.status).collect::<Vec<_>>(), [Some(401), Some(401), Some(200)]);
}

#[tokio::test]
async fn faults_strike_the_requests_they_are_written_for() {
    let script = Script::open(["some/name", "some/other-name"]).with_faults(|request, nth| match nth {
        _ if request.endpoint != FakeEndpoint::Catalog => None,
        1 => Some(Misbehaviour::status(429).header("retry-after", "7").body("slow down")),
        2 => Some(Misbehaviour::Drop),
        3 => Some(Misbehaviour::Truncate),
        4 => Some(Misbehaviour::Drip { bytes: 10, every: Duration::from_millis(1) }),
        5 => Some(Misbehaviour::Delay(Duration::from_millis(1))),
        _ => Some(Misbehaviour::Hang),
    });
    let fake = FakeRegistry::start(script).await.expect("a server");
    let url = fake.url().join("/v2/_catalog").expect("a target");
    let ask = || client().get(url.clone()).send();

    let limited = ask().await.expect("an answer");
    assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (429, &"7".parse().expect("a value")));
    ask().await.expect_err("dropped");
    let cut = ask().await.expect("headers");
    assert_eq!(cut.status(), StatusCode::OK);
    cut.bytes().await.expect_err("truncated");
    for _ in ["dripped", "delayed"] {
        assert_eq!(body(ask().await.expect("an answer")).await["repositories"][1], "some/other-name");
    }
    tokio::time::timeout(Duration::from_millis(50), ask()).await.expect_err("hangs");
    let statuses: Vec<_> = fake.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(429), None, Some(200), Some(200), Some(200), None]);
}

#[tokio::test]
async fn connections_and_requests_in_flight_are_counted_and_end_with_the_server() {
    let script = Script { latency: Duration::from_millis(50), prefix: "/registry".to_owned(), ..Script::open(["a"]) };
    let fake = FakeRegistry::start(script).await.expect("a server");
    let url = format!("{}/v2/", fake.url());
    let client = client();
    let asked = (0..5).map(|_| client.get(&url).send());
    for response in futures::future::join_all(asked).await {
        assert_eq!(response.expect("an answer").status(), StatusCode::OK);
    }
    assert_eq!((fake.most_in_flight(), fake.connections()), (5, 5));
    drop(fake);
    client.get(&url).send().await.expect_err("stopped");
}

#[tokio::test]
async fn links_and_bodies_can_be_written_by_hand() {
    let two = LinkStyle::Written(std::sync::Arc::new(|target| {
        vec!["</other>; rel=prev".to_owned(), format!("{target}; REL=next")]
    }));
    let script = Script { link: two, gzip: true, ..Script::open(["quo\"te", "ü"]) };
    let fake = FakeRegistry::start(script).await.expect("a server");
    let page = get(&fake, "/v2/_catalog?n=1").await;
    let links: Vec<_> = page.headers().get_all("link").iter().collect();
    assert_eq!(links, ["</other>; rel=prev", "/v2/_catalog?last=quo%22te&n=1; REL=next"]);
    assert_eq!(body(page).await["repositories"][0], "quo\"te");

    let request = client().get(fake.url().join("/v2/_catalog").expect("a target")).header("accept-encoding", "gzip");
    let packed = request.send().await.expect("an answer");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.bytes().await.expect("a body")[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn made_content_is_found_by_tag_and_by_digest_and_is_what_its_digest_says() {
    let fake = FakeRegistry::start(Script { contents: FakeContents::uniform(3), ..Script::open(["a/b"]) });
    let fake = fake.await.expect("a server");
    let accepted = |target: &str| client().get(fake.url().join(target).expect("a target")).header("accept", OCI_IMAGE);
    assert_eq!(body(get(&fake, "/v2/a/b/tags/list").await).await["tags"], Value::from(vec!["v0", "v1", "v2"]));
    let tagged = accepted("/v2/a/b/manifests/v2").send().await.expect("an answer");
    let digest = tagged.headers()["docker-content-digest"].to_str().expect("text").to_owned();
    let bytes = tagged.bytes().await.expect("a body");
    assert_eq!(sha256(&bytes), digest);
    let by_digest = accepted(&format!("/v2/a/b/manifests/{digest}")).send().await.expect("an answer");
    assert_eq!(by_digest.bytes().await.expect("a body"), bytes);
    let manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
    let config = manifest["config"]["digest"].as_str().expect("a digest");
    let blob = get(&fake, &format!("/v2/a/b/blobs/{config}")).await.bytes().await.expect("a body");
    assert_eq!((sha256(&blob).as_str(), Value::from(blob.len())), (config, manifest["config"]["size"].clone()));
    for unknown in ["/v2/a/b/manifests/v3", "/v2/a/manifests/v0", "/v2/c/tags/list", "/v2/a/b/blobs/sha256:0"] {
        assert_eq!(accepted(unknown).send().await.expect("an answer").status(), StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_accepted_is_unknown_or_converted() {
    let stocked = |script: Script| Script { contents: FakeContents::uniform(1), ..script };
    let fake = FakeRegistry::start(stocked(Script::open(["a"]))).await.expect("a server");
    assert_eq!(get(&fake, "/v2/a/manifests/v0").await.status(), StatusCode::NOT_FOUND);
    let manifests = ManifestRules { accept: AcceptRule::Quay, ..ManifestRules::default() };
    let fake = FakeRegistry::start(Script { manifests, ..stocked(Script::open(["a"])) }).await.expect("a server");
    let converted = get(&fake, "/v2/a/manifests/v0").await;
    assert!(converted.headers()["content-type"].to_str().expect("text").contains("v1+prettyjws"));
}

#[tokio::test]
async fn a_repository_wants_a_token_with_its_own_scope() {
    let script = Script { contents: FakeContents::uniform(1), ..Script::quay_like(["a", "b"]) };
    let fake = FakeRegistry::start(script.with_token(|token| token.denied = vec!["b".into()])).await.expect("a server");
    let refused = get(&fake, "/v2/a/tags/list").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&refused).contains("scope=\"repository:a:pull\""), "{}", challenge(&refused));
    let both = "service=quay.example:8443&scope=repository:a:pull&scope=repository:b:pull";
    let given = body(token(&fake, both).await).await;
    let given = given["token"].as_str().expect("a token");
    for (repository, status) in [("a", StatusCode::OK), ("b", StatusCode::UNAUTHORIZED)] {
        let url = fake.url().join(&format!("/v2/{repository}/tags/list")).expect("a target");
        let answer = client().get(url).bearer_auth(given).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{repository}");
    }
}
