//! What a registry's kind changes, configured or recognised.

use super::*;
use fake_registry::{FakeEndpoint, Misbehaviour, SeenRequest};

/// Answers to a ping with these headers, and to the catalog with a link that has lost the path's prefix.
fn losing_its_prefix(header: &'static str) -> Script {
    let answer = move |seen: &SeenRequest, nth| match seen.endpoint {
        FakeEndpoint::Ping => Some(Misbehaviour::status(200).header(header, "7").body("{}")),
        FakeEndpoint::Catalog if nth == 1 => Some(
            Misbehaviour::status(200)
                .body(r#"{"repositories":["a"]}"#)
                .header("link", "</v2/elsewhere?last=a&n=1>; rel=\"next\""),
        ),
        FakeEndpoint::Catalog => Some(Misbehaviour::status(200).body(r#"{"repositories":["b"]}"#)),
        _ => None,
    };
    Script::open([]).with_faults(answer)
}

#[tokio::test]
async fn a_registry_that_says_what_it_is_gets_what_its_kind_needs() {
    let rig = Rig::with(losing_its_prefix("x-jfrog-version"), |settings| settings.auth = Auth::None).await;
    assert_eq!(rig.names().await, ["a", "b"]);
    let unknown = Rig::with(losing_its_prefix("x-other"), |settings| settings.auth = Auth::None).await;
    assert_eq!(unknown.error().await.fault(), Fault::Protocol);
}

#[tokio::test]
async fn what_is_configured_comes_before_what_the_kind_would_set() {
    let strict = Rig::with(losing_its_prefix("x-jfrog-version"), |settings| {
        settings.auth = Auth::None;
        settings.pagination = Pagination::Strict;
    });
    assert_eq!(strict.await.error().await.fault(), Fault::Protocol);
    let other = Rig::with(losing_its_prefix("x-jfrog-version"), |settings| {
        settings.auth = Auth::None;
        settings.kind = Some(RegistryKind::Zot);
    });
    assert_eq!(other.await.error().await.fault(), Fault::Protocol);
}

#[tokio::test]
async fn quay_is_never_asked_for_the_catalogs_scope() {
    for (kind, asked) in [(None, true), (Some(RegistryKind::Quay), false)] {
        let script = Script::distribution_like(numbered(3).as_slice())
            .with_token(|token| token.required_scope = Some(ScopeSet::CATALOG.into()));
        let rig = Rig::with(script, |settings| settings.kind = kind).await;
        rig.walk().await;
        let scopes: Vec<_> =
            rig.server.requests_to(FakeEndpoint::Token).iter().flat_map(|seen| seen.query_all("scope")).collect();
        assert_eq!(scopes.iter().any(|scope| scope == ScopeSet::CATALOG), asked, "{kind:?} {scopes:?}");
    }
}
