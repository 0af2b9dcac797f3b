//! That the tests' docker-registry is what it should be, seen by a plain client.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use stocktake::fake::Repositories;

use crate::support::client;
use crate::support::docker_registry::{DockerRegistry, Mode};

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
    let names = Repositories::generated(5000, 11);
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
