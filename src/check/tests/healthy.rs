//! No rule applies to a healthy server.

use super::*;
use fake_registry::{AnonymousCatalog, RepositoryNames, TokenFields, TokenMethod};

#[tokio::test]
async fn healthy_servers_of_every_shape_fire_no_rule() {
    let post = Script::distribution_like(["a", "b/c"]).with_token(|token| {
        token.method = TokenMethod::PostOnly;
        token.fields = TokenFields::AccessToken;
    });
    let unchallenged = Script { anonymous_catalog: AnonymousCatalog::Unchallenged, ..Script::quay_like(["a", "b/c"]) };
    for (shape, script) in [
        ("quay", Script::quay_like(["b/c", "a"])),
        ("quay without anonymous access", unchallenged),
        ("harbor", Script::harbor_like(["a", "b/c"])),
        ("distribution", Script::distribution_like(["a", "b/c"])),
        ("distribution by POST", post),
        ("pulp", Script::pulp_like(["a", "b/c"])),
        ("basic", Script::basic(["a"])),
        ("open", Script::open(["a"])),
    ] {
        let report = CheckRig::of(script).await.check().await;
        assert!(rules_of(&report).is_empty(), "{shape}: {report:#?}");
        assert_eq!(report.severity(), Severity::Good, "{shape}: {report:#?}");
        let steps: Vec<_> = report.steps.iter().map(|done| done.step).collect();
        assert_eq!(steps, [&CheckStep::OF_REGISTRY[..], &[CheckStep::State]].concat(), "{shape}");
    }
}

#[tokio::test]
async fn healthy_servers_fire_no_rule_for_other_kinds_of_login() {
    for rig in [
        CheckRig::of(Script::basic(["a"])).await.basic(),
        CheckRig::of(Script::open(["a"])).await.with(|settings| settings.auth = Auth::None),
        CheckRig::of(Script::open(["a"])).await.with(|settings| settings.auth = Auth::Token(None)),
        CheckRig::of(Script::open(RepositoryNames::default())).await.with(|settings| settings.auth = Auth::None),
    ] {
        let report = rig.check().await;
        assert!(rules_of(&report).is_empty(), "{report:#?}");
        assert_eq!(report.severity(), Severity::Good);
    }
}
