//! Debian's docker-registry: that it is what the tests take it for, seen by a plain client, and the whole pipeline with it.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use fake_registry::RepositoryNames;

use crate::support::client;
use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::inventory::{RunRow, last_run, repositories};
use crate::support::program::{LOGIN, Workplace, one_registry};

async fn catalog(registry: &DockerRegistry, query: &str, authorization: Option<&str>) -> Response {
    let url = registry.url().join(&format!("/v2/_catalog?{query}")).expect("a target");
    let request = client().get(url);
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    request.send().await.expect("an answer")
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON")
}

/// A token for the scope of the catalog's challenge, or for none.
async fn token(registry: &DockerRegistry, with_scope: bool) -> String {
    let refused = catalog(registry, "", None).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{}", registry.log());
    let challenge = challenge(&refused);
    let part = |key: &str| {
        let (_, rest) = challenge.split_once(&format!("{key}=\"")).expect(key);
        rest.split_once('"').expect("an end").0.to_owned()
    };
    let mut query = vec![("service", part("service"))];
    if with_scope {
        query.push(("scope", part("scope")));
    }
    let realm = url::Url::parse_with_params(&part("realm"), &query).expect("a realm");
    let request = client().get(realm).basic_auth(registry.username(), Some(registry.password()));
    let given = body(request.send().await.expect("an answer")).await;
    format!("Bearer {}", given["token"].as_str().expect("a token"))
}

fn challenge(response: &Response) -> String {
    response.headers()["www-authenticate"].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn five_thousand_repositories_are_listed_in_path_order() {
    let names = RepositoryNames::generated(5000, 11);
    let registry = DockerRegistry::start(Mode::Open, names.iter()).await;
    let (mut listed, mut last) = (Vec::new(), String::new());
    loop {
        let page = body(catalog(&registry, &format!("n=1000&last={last}"), None).await).await;
        let page = page["repositories"].as_array().expect("a list");
        let Some(end) = page.last() else { break };
        last = end.as_str().expect("a name").to_owned();
        listed.extend(page.iter().map(|name| name.as_str().expect("a name").to_owned()));
    }
    assert!(listed.is_sorted_by(|a, b| a.split('/').lt(b.split('/'))));
    assert!(!listed.is_sorted(), "the names tell path order from byte order");
    listed.sort_unstable();
    assert!(listed.iter().map(String::as_str).eq(names.iter()));
}

#[tokio::test]
async fn htpasswd_wants_basic_credentials() {
    let registry = DockerRegistry::start(Mode::Htpasswd, ["acme/app"]).await;
    let refused = catalog(&registry, "", None).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenge(&refused), "Basic realm=\"tests\"");

    let url = registry.url().join("/v2/_catalog").expect("a target");
    for (password, status) in [(registry.password(), StatusCode::OK), ("wrong", StatusCode::UNAUTHORIZED)] {
        let request = client().get(url.clone()).basic_auth(registry.username(), Some(password));
        assert_eq!(request.send().await.expect("an answer").status(), status, "{password}");
    }
}

#[tokio::test]
async fn tokens_of_the_right_scope_open_the_catalog_and_are_counted() {
    let registry = DockerRegistry::start(Mode::Token { lifetime: Duration::from_mins(5) }, ["acme/app"]).await;
    let good = token(&registry, true).await;
    let page = body(catalog(&registry, "", Some(&good)).await).await;
    assert_eq!(page["repositories"], Value::from(vec!["acme/app"]), "{}", registry.log());

    let narrow = token(&registry, false).await;
    let refused = challenge(&catalog(&registry, "", Some(&narrow)).await);
    assert!(refused.contains("error=\"insufficient_scope\""), "{refused}");
    assert_eq!(registry.tokens_issued(), 2);
}

#[tokio::test]
async fn an_ended_token_is_taken_for_sixty_seconds_more() {
    let registry = DockerRegistry::start(Mode::Token { lifetime: Duration::ZERO }, ["acme/app"]).await;
    let ended = token(&registry, true).await;
    assert_eq!(catalog(&registry, "", Some(&ended)).await.status(), StatusCode::OK, "{}", registry.log());
}

#[tokio::test]
async fn a_strict_token_is_refused_when_it_has_ended() {
    let registry = DockerRegistry::start(Mode::StrictToken { lifetime: Duration::ZERO }, ["acme/app"]).await;
    let ended = token(&registry, true).await;
    let refused = async {
        loop {
            let answer = catalog(&registry, "", Some(&ended)).await;
            if answer.status() != StatusCode::OK {
                return answer;
            }
        }
    };
    let refused = timeout(Duration::from_secs(10), refused).await.expect("`exp` is less than a second away");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&refused).contains("error=\"invalid_token\""));
}

const MANY: usize = 5000;

/// Takes the inventory and checks that every repository is in it exactly once.
async fn inventory(registry: &DockerRegistry, names: &RepositoryNames, lines: &str) -> RunRow {
    let place = Workplace::with(&one_registry(&registry.url(), lines));
    place.run(&["run"]).await.exits(0);
    let listed = repositories(&place.path("inventory"), "quay");
    assert!(listed.is_sorted(), "docker-registry's order is another");
    assert!(listed.iter().map(String::as_str).eq(names.iter()));
    last_run(&place.path("inventory"), "quay")
}

/// A walk that outlives its tokens of two seconds. docker-registry's time is quadratic in pages: where the machine is too
/// fast for one page size, the next takes it longer.
async fn outlives_its_tokens(mode: Mode) {
    let names = RepositoryNames::generated(MANY, 11);
    let registry = DockerRegistry::start(mode, names.iter()).await;
    for page_size in [50, 20, 8, 3] {
        let before = registry.tokens_issued();
        let row = inventory(&registry, &names, &format!("{LOGIN}    page_size: {page_size}\n")).await;
        assert_eq!((row.verdict.as_str(), row.rows_repositories), ("complete", 5000));
        let pages = MANY.div_ceil(page_size);
        assert_eq!((usize::try_from(row.pages), row.retries), (Ok(pages), 0), "{row:?}");
        assert_eq!(u64::try_from(row.token_requests), Ok(registry.tokens_issued() - before));
        // The ping, the question without credentials, each page, each token, and whether a full last page is the last:
        // nothing was asked for twice.
        let full = i64::from(MANY.is_multiple_of(page_size));
        assert_eq!(row.requests, 2 + row.pages + full + row.token_requests, "{row:?}");
        if row.token_requests >= 2 {
            return;
        }
    }
    panic!("no walk was long enough for a second token");
}

#[tokio::test]
async fn an_inventory_behind_tokens_of_two_seconds() {
    outlives_its_tokens(Mode::Token { lifetime: Duration::from_secs(2) }).await;
}

#[tokio::test]
async fn an_inventory_behind_tokens_that_end_when_they_say() {
    outlives_its_tokens(Mode::StrictToken { lifetime: Duration::from_secs(2) }).await;
}

#[tokio::test]
async fn an_inventory_behind_basic_credentials() {
    let names = RepositoryNames::generated(300, 12);
    let registry = DockerRegistry::start(Mode::Htpasswd, names.iter()).await;
    for auth in [LOGIN.to_owned(), LOGIN.replace("auth: {", "auth: {type: basic, ")] {
        let row = inventory(&registry, &names, &auth).await;
        assert_eq!((row.verdict.as_str(), row.pages, row.token_requests), ("complete", 1, 0), "{auth}");
    }
}

#[tokio::test]
async fn an_inventory_of_an_open_registry() {
    let names = RepositoryNames::generated(300, 13);
    let registry = DockerRegistry::start(Mode::Open, names.iter()).await;
    for lines in ["", "    auth: none\n", "    page_size: 7\n", LOGIN] {
        let row = inventory(&registry, &names, lines).await;
        assert_eq!((row.verdict.as_str(), row.token_requests, row.retries), ("complete", 0, 0), "{lines}");
    }
    // Over docker-registry's maximum of 1000, which it answers with 400.
    inventory(&registry, &names, "    page_size: 5000\n").await;
}
