//! Checks with accounts that have few permissions. The result is the same as in a run.

use super::faults::fires;
use super::*;
use fake_registry::{FakeContents, Grants, RepositoryNames};

fn monitoring(mut rig: CheckRig, names: &[&str]) -> CheckRig {
    rig.plan.walk.monitored = names.iter().map(ToString::to_string).collect();
    rig
}

fn told<'a>(report: &'a CheckReport, what: &str) -> Vec<&'a str> {
    step_of(report, CheckStep::Tags)
        .evidence
        .iter()
        .filter(|fact| fact.what == what)
        .map(|fact| fact.seen.as_str())
        .collect()
}

#[tokio::test]
async fn monitored_repositories_are_tried_besides_the_first_that_is_listed() {
    let script = Script {
        contents: FakeContents::uniform(2).with("hidden/one", |held| held.tag("v1", "sha256:0")),
        ..Script::distribution_like(["a", "b"])
    };
    let rig = monitoring(CheckRig::of(script).await, &["hidden/one", "b"]);
    let report = rig.check().await;
    assert!(rules_of(&report).is_empty(), "{report:#?}");
    assert_eq!(told(&report, "repository"), ["hidden/one", "b", "a"]);
    assert_eq!(told(&report, "tags"), ["1", "2", "2"]);
}

#[tokio::test]
async fn a_monitored_repository_that_is_denied_fails_and_the_others_are_tried_all_the_same() {
    let script = Script { contents: FakeContents::uniform(1), ..Script::distribution_like(["a", "b"]) };
    let script = script.with_token(|token| token.denied = vec!["hidden/denied".to_owned()]);
    let report = monitoring(CheckRig::of(script).await, &["hidden/denied", "b"]).check().await;
    assert_eq!(rules_of(&report), ["missing_permission"], "{report:#?}");
    assert_eq!(step_of(&report, CheckStep::Tags).outcome, StepOutcome::Failed);
    assert_eq!(report.severity(), Severity::Authentication);
    assert_eq!(told(&report, "tags"), ["denied", "1", "1"]);
    let told = report.diagnoses().next().unwrap();
    assert!(told.remedy.contains("repository:hidden/denied:pull"), "{told:?}");
}

#[tokio::test]
async fn a_list_that_hides_everything_is_noted_where_a_monitored_repository_can_be_read() {
    let script = || Script {
        contents: FakeContents::default().with("hidden/one", |held| held.tag("v1", "sha256:0")),
        ..Script::quay_like([])
    };
    let rig = monitoring(CheckRig::of(script()).await, &["hidden/one"]);
    let report = rig.check().await;
    assert_eq!(rules_of(&report), ["nothing_listed"], "{report:#?}");
    assert_eq!(
        [CheckStep::Page, CheckStep::Tags].map(|step| step_of(&report, step).outcome),
        [StepOutcome::Note, StepOutcome::Ok]
    );
    assert_eq!(report.severity(), Severity::Good);

    let refused = script().with_token(|token| token.grants = Grants::Nothing);
    let report = monitoring(CheckRig::of(refused).await, &["hidden/one"]).check().await;
    assert_eq!(step_of(&report, CheckStep::Page).outcome, StepOutcome::Failed, "{report:#?}");
    assert_eq!(step_of(&report, CheckStep::Tags).outcome, StepOutcome::Failed, "{report:#?}");
}

#[tokio::test]
async fn an_empty_list_is_no_failure_where_it_is_allowed() {
    for auth in [None, Some(Auth::None), Some(Auth::Token(None))] {
        let rig = CheckRig::of(Script::quay_like(RepositoryNames::default())).await;
        let mut rig = rig.with(|settings| settings.auth = auth.unwrap_or(settings.auth.clone()));
        rig.plan.judge.allow_empty = true;
        let report = rig.check().await;
        assert!(rules_of(&report).is_empty(), "{report:#?}");
        assert_eq!(step_of(&report, CheckStep::Page).outcome, StepOutcome::Note);
    }
}

#[tokio::test]
async fn an_api_that_lists_nothing_is_told_by_who_asked() {
    use crate::registry::api::{ApiLogin, ApiSettings};
    let script = || {
        Script::open(["a"]).with_faults(|seen, _| {
            seen.path()
                .starts_with("/api/")
                .then(|| fake_registry::Misbehaviour::status(200).body(r#"{"repositories": []}"#))
        })
    };
    let secret = secret_file("token");
    let bearer = ApiLogin::Bearer(SecretSource::File(secret.path().to_owned()));
    for (login, rule) in [(ApiLogin::Anonymous, "no_identity"), (bearer, "nothing_listed")] {
        let mut rig = CheckRig::of(script()).await.with(|settings| settings.auth = Auth::None);
        let api = ApiSettings { url: None, login };
        rig.plan.discovery = DiscoverySettings::Quay { api, namespaces: vec!["acme".into()] };
        let report = rig.check().await;
        assert_eq!(rules_of(&report), [rule], "{report:#?}");
        assert_eq!(step_of(&report, CheckStep::Page).outcome, StepOutcome::Failed);
    }
}

#[tokio::test]
async fn an_account_that_sees_nothing_and_a_scope_that_it_does_not_get() {
    for script in [Script::quay_like([]), Script::distribution_like([]), Script::basic([])] {
        let report = fires("nothing_listed", CheckStep::Page, Severity::Failed, CheckRig::of(script).await).await;
        let told = report.diagnoses().next().unwrap();
        assert!(told.symptom.contains(USERNAME) && told.remedy.contains("`allow_empty: true`"), "{told:?}");
    }
    let refused = |names: &'static [&'static str]| async move {
        let names: RepositoryNames = names.iter().copied().collect();
        let script = Script::quay_like(names).with_token(|token| token.denied = vec!["acme/app".to_owned()]);
        CheckRig::of(script).await.with(|settings| settings.scope = vec!["repository:acme/app:pull".into()])
    };
    let report = fires("scope_not_granted", CheckStep::Page, Severity::Authentication, refused(&[]).await).await;
    let told = report.diagnoses().next().unwrap();
    assert!(told.remedy.contains("grant this account") && told.remedy.contains("repository:acme/app:pull"), "{told:?}");
    // On Quay, the account decides which repositories are listed.
    let report = fires("scope_not_granted", CheckStep::Scope, Severity::Good, refused(&["a"]).await).await;
    assert_eq!(step_of(&report, CheckStep::Scope).outcome, StepOutcome::Note);
}
