//! The facts of the steps, for each outcome.

use std::sync::Arc;

use async_trait::async_trait;
use stocktake_sink::{Receipt, Sink, SinkError, SinkErrorKind, Snapshot};

use super::*;
use fake_registry::{FakeEndpoint, Misbehaviour, RepositoryNames};

fn seen<'a>(report: &'a CheckReport, step: CheckStep, what: &str) -> Vec<&'a str> {
    step_of(report, step).evidence.iter().filter(|fact| fact.what == what).map(|fact| fact.seen.as_str()).collect()
}

#[tokio::test]
async fn each_step_says_what_it_saw() {
    let report = CheckRig::of(Script::quay_like(["b/c", "a"])).await.check().await;
    assert_eq!(seen(&report, CheckStep::Configuration, "user name"), [USERNAME]);
    assert_eq!(seen(&report, CheckStep::Dns, "address"), ["127.0.0.1"]);
    assert_eq!(step_of(&report, CheckStep::Tls).outcome, StepOutcome::Skipped);
    assert_eq!(seen(&report, CheckStep::Ping, "status"), ["401"]);
    assert!(seen(&report, CheckStep::Ping, "challenge")[0].contains("service=quay.example:8443"));
    assert_eq!(seen(&report, CheckStep::Login, "fields"), ["token"]);
    assert_eq!(seen(&report, CheckStep::Login, "lifetime"), ["3600 s, exp of the token"]);
    assert_eq!(seen(&report, CheckStep::Login, "sub"), [USERNAME]);
    assert_eq!(seen(&report, CheckStep::Scope, "asked for"), ["no scope: 200"]);
    assert_eq!(seen(&report, CheckStep::Scope, "granted"), ["nothing"]);
    assert_eq!(seen(&report, CheckStep::Page, "repositories"), ["2"]);
    assert_eq!(seen(&report, CheckStep::Page, "order"), ["other"]);
    assert_eq!(seen(&report, CheckStep::Page, "next page"), ["none"]);
}

#[tokio::test]
async fn the_form_of_links_and_the_page_size_granted_are_told() {
    let names = RepositoryNames::generated(150, 3);
    let report = CheckRig::of(Script::quay_like(names.clone())).await.check().await;
    assert_eq!(seen(&report, CheckStep::Page, "repositories"), ["100"]);
    assert_eq!(seen(&report, CheckStep::Page, "asked for"), ["1000 a page"]);
    assert_eq!(seen(&report, CheckStep::Page, "next page"), ["relative, with n and next_page"]);
    let script = Script { page_max: 100, ..Script::pulp_like(names) };
    let report = CheckRig::of(script).await.check().await;
    assert!(seen(&report, CheckStep::Page, "next page")[0].starts_with("absolute"));
}

#[tokio::test]
async fn a_failure_that_no_rule_knows_is_told_with_what_the_client_knows() {
    let page = |fault: Misbehaviour| {
        move |seen: &fake_registry::SeenRequest, _| (seen.endpoint == FakeEndpoint::Catalog).then(|| fault.clone())
    };
    for (fault, rule) in [
        (Misbehaviour::status(500).body("<html>"), "server_error"),
        (Misbehaviour::status(200).body("<html>"), "protocol"),
        (Misbehaviour::Truncate, "unreachable"),
        (Misbehaviour::Drop, "unreachable"),
    ] {
        let report = CheckRig::of(Script::open(["a"]).with_faults(page(fault))).await.check().await;
        assert_eq!(rules_of(&report), [rule], "{report:#?}");
        assert_eq!(step_of(&report, CheckStep::Page).outcome, StepOutcome::Failed);
        assert_eq!(report.severity(), Severity::Failed);
        assert_eq!(step_of(&report, CheckStep::Tags).evidence, [Fact::new("why", "page failed")]);
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_an_authentication_failure_and_a_ca_file_a_configuration_one() {
    let rig = CheckRig::of(Script::quay_like(["a"])).await;
    let unreadable = rig.with(|settings| {
        let Auth::Token(Some(login)) = &mut settings.auth else { unreachable!() };
        login.password = SecretSource::File("/nonexistent/secret".into());
    });
    let report = unreadable.check().await;
    assert_eq!(rules_of(&report), ["secret_unreadable"], "{report:#?}");
    assert_eq!(report.severity(), Severity::Authentication);

    let rig = CheckRig::nowhere().with(|settings| {
        settings.url = "https://127.0.0.1:1".parse().unwrap();
        settings.ca_file = Some("/nonexistent/ca.pem".into());
    });
    let report = rig.check().await;
    assert_eq!(rules_of(&report), ["tls"], "{report:#?}");
    assert_eq!((report.severity(), report.steps.len()), (Severity::Configuration, CheckStep::OF_REGISTRY.len() + 1));
}

#[derive(Debug)]
struct Shelf(Option<SinkErrorKind>);

#[async_trait]
impl Sink for Shelf {
    async fn publish(&self, _: &Snapshot) -> Result<Receipt, SinkError> {
        unreachable!("a check publishes nothing")
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.0.map_or(Ok(()), |kind| Err(SinkError::new(kind, "write to the shelf")))
    }
}

#[tokio::test]
async fn each_sink_is_its_own_step_even_if_the_registry_fails() {
    let mut rig =
        CheckRig::nowhere().named("my-org/robot").with(|settings| settings.url = "https://quay.io".parse().unwrap());
    let good: Arc<dyn Sink> = Arc::new(Shelf(None));
    let full: Arc<dyn Sink> = Arc::new(Shelf(Some(SinkErrorKind::Full)));
    rig.plan.sinks = vec![("good".into(), good), ("full".into(), full)];
    let report = rig.check().await;
    assert_eq!(rules_of(&report), ["robot_name", "sink"]);
    let sinks: Vec<_> = report.steps.iter().filter(|done| done.step == CheckStep::Sink).collect();
    assert_eq!([sinks[0].outcome, sinks[1].outcome], [StepOutcome::Ok, StepOutcome::Failed]);
    assert_eq!(sinks[1].subject.as_deref(), Some("full"));
    assert!(sinks[1].diagnoses[0].remedy.contains("make room"));
}

#[test]
fn a_persons_name_on_quay_is_noted_before_any_request() {
    let has_warning = |name: &str| {
        let rig = CheckRig::nowhere().named(name).with(|settings| settings.url = "https://quay.io".parse().unwrap());
        facts::settings(&rig.plan).iter().any(|fact| fact.what == facts::WARNING)
    };
    assert_eq!(["alice", "$oauthtoken", "org+robot"].map(has_warning), [true, false, false]);
}

#[tokio::test]
async fn a_registry_that_lists_the_password_does_not_get_it_shown() {
    let listed = Misbehaviour::status(200).body(r#"{"repositories":["hunter2"]}"#);
    let script = Script::open(["a"])
        .with_faults(move |seen, _| (seen.endpoint == FakeEndpoint::Catalog).then(|| listed.clone()));
    let secret = secret_file("hunter2");
    let rig = CheckRig::of(script).await.basic().with(|settings| {
        let Auth::Basic(login) = &mut settings.auth else { unreachable!() };
        login.password = SecretSource::File(secret.path().to_owned());
    });
    let report = rig.check().await;
    assert_eq!(seen(&report, CheckStep::Tags, "repository"), ["[secret]"]);
    let told = format!("{report:?} {}", report.to_json(true));
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn where_names_come_from_a_list_the_login_is_told_by_what_the_tags_wanted() {
    let script = || Script::pulp_like(["a/b", "c"]).with_token(|token| token.denied = vec!["c".to_owned()]);
    let listing = |rig: CheckRig, name: &str| {
        let mut rig = rig;
        rig.plan.discovery = DiscoverySettings::Listed(vec![name.to_owned()]);
        rig
    };
    let outcomes = |report: &CheckReport| {
        [CheckStep::Login, CheckStep::Scope, CheckStep::Page, CheckStep::Tags].map(|step| step_of(report, step).outcome)
    };
    // The server has no contents, so there are no tags.
    let report = listing(CheckRig::of(script()).await, "a/b").check().await;
    assert_eq!(
        outcomes(&report),
        [StepOutcome::Ok, StepOutcome::Ok, StepOutcome::Ok, StepOutcome::Note],
        "{report:#?}"
    );
    assert_eq!(seen(&report, CheckStep::Scope, "granted"), ["repository:a/b:pull"]);

    let report = listing(CheckRig::of(script()).await, "c").check().await;
    assert_eq!(rules_of(&report), ["missing_permission"], "{report:#?}");
    assert_eq!(
        outcomes(&report),
        [StepOutcome::Ok, StepOutcome::Ok, StepOutcome::Ok, StepOutcome::Failed],
        "{report:#?}"
    );

    let secret = secret_file("hunter2");
    let wrong = listing(CheckRig::of(script()).await, "a/b").with(|settings| {
        let Auth::Token(Some(login)) = &mut settings.auth else { unreachable!() };
        login.password = SecretSource::File(secret.path().to_owned());
    });
    let report = wrong.check().await;
    assert_eq!(rules_of(&report), ["credentials_refused"], "{report:#?}");
    assert_eq!(
        outcomes(&report),
        [StepOutcome::Failed, StepOutcome::Skipped, StepOutcome::Ok, StepOutcome::Skipped],
        "{report:#?}"
    );
    assert_eq!(report.diagnoses().next().unwrap().step, CheckStep::Login);

    let anonymous = listing(CheckRig::of(script()).await, "a/b").with(|settings| settings.auth = Auth::None);
    let report = anonymous.check().await;
    assert_eq!(rules_of(&report), ["login_wanted"], "{report:#?}");
}
