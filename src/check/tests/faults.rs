//! The matrix of rules: for each problem, exactly its rule applies.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::clock;
use crate::registry::api::{ApiLogin, ApiSettings};
use fake_registry::tls::{KeyPair, own, serve, serve_as};
use fake_registry::{Authorization, FakeEndpoint, Grants, Misbehaviour, SeenRequest, Stated};

/// Asserts that exactly this rule applies, and asserts the step and the severity.
pub(super) async fn fires(rule: &str, step: CheckStep, severity: Severity, rig: CheckRig) -> CheckReport {
    let report = rig.check().await;
    assert_eq!(rules_of(&report), [rule], "{report:#?}");
    let done = step_of(&report, step);
    assert_eq!(done.diagnoses.len(), 1, "{rule} is told at {step:?}: {report:#?}");
    assert_eq!(report.severity(), severity, "{rule}");
    let told = &done.diagnoses[0];
    assert!(!told.symptom.is_empty() && !told.cause.is_empty() && !told.remedy.is_empty(), "{told:?}");
    if severity != Severity::Good {
        assert_eq!(done.outcome, StepOutcome::Failed, "{report:#?}");
    }
    report
}

fn at(
    endpoint: FakeEndpoint,
    fault: Misbehaviour,
) -> impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static {
    move |seen, _| (seen.endpoint == endpoint).then(|| fault.clone())
}

fn error(status: u16, code: &str, message: &str) -> Misbehaviour {
    Misbehaviour::status(status).body(json!({"errors": [{"code": code, "message": message}]}).to_string())
}

#[tokio::test]
async fn a_robots_name_with_a_slash_sends_nothing() {
    let rig =
        CheckRig::nowhere().named("my-org/robot").with(|settings| settings.url = "https://quay.io".parse().unwrap());
    let report = fires("robot_name", CheckStep::Configuration, Severity::Configuration, rig).await;
    assert!(report.exchanges.is_empty());
    let told = report.diagnoses().next().unwrap();
    assert!(told.remedy.contains("`org+robot`") && told.evidence[0].seen == "my-org+robot", "{told:?}");
    for step in &CheckStep::OF_REGISTRY[1..] {
        assert_eq!(step_of(&report, *step).outcome, StepOutcome::Skipped, "{step:?}");
    }
}

#[tokio::test]
async fn a_robots_name_without_a_plus_is_told_of_once_quay_refuses_it() {
    let script = Script::quay_like(["a"]).with_token(|token| token.realm = Some("/v2/auth".into()));
    let refused = Misbehaviour::status(401).body(r#"{"error": "Invalid robot username"}"#);
    let script = script.with_faults(move |seen, _| (seen.path() == "/v2/auth").then(|| refused.clone()));
    fires("robot_name", CheckStep::Login, Severity::Authentication, CheckRig::of(script).await.named("inventory"))
        .await;
}

#[tokio::test]
async fn a_wrong_password() {
    let script = Script::quay_like(["a"]).with_token(|token| token.password = "another".into());
    let report =
        fires("credentials_refused", CheckStep::Login, Severity::Authentication, CheckRig::of(script).await).await;
    let told = report.diagnoses().next().unwrap();
    assert!(told.symptom.contains("invalid username or password"), "{told:?}");
    assert!(told.evidence.iter().any(|fact| fact.seen == format!("Basic [cut] (user name {USERNAME})")), "{told:?}");

    let rig = CheckRig::of(Script::basic(["a"])).await.named("another").basic();
    fires("credentials_refused", CheckStep::Login, Severity::Authentication, rig).await;
}

#[tokio::test]
async fn a_password_sent_straight_to_quay() {
    let script = Script::quay_like(["a"]).with_faults(|seen, _| {
        (seen.authorization == Authorization::Basic && seen.endpoint != FakeEndpoint::Token)
            .then(|| Misbehaviour::status(401).body(r#"{"error": "Invalid bearer token format"}"#))
    });
    fires("basic_on_api", CheckStep::Login, Severity::Authentication, CheckRig::of(script).await.basic()).await;
}

#[tokio::test]
async fn a_configured_token_that_is_refused() {
    let token = secret_file("made-elsewhere");
    let source = SecretSource::File(token.path().to_owned());
    let rig = CheckRig::of(Script::quay_like(["a"])).await.with(|settings| settings.auth = Auth::Bearer(source));
    fires("token_refused", CheckStep::Login, Severity::Authentication, rig).await;
}

#[tokio::test]
async fn no_login_where_one_is_wanted() {
    let rig = CheckRig::of(Script::distribution_like(["a"])).await.with(|settings| settings.auth = Auth::None);
    fires("login_wanted", CheckStep::Login, Severity::Authentication, rig).await;
}

#[tokio::test]
async fn a_scope_that_quay_cannot_read_is_told_of_though_another_is_taken() {
    let wildcard = |settings: &mut RegistrySettings| settings.scope = vec!["repository:org/*:pull".into()];
    let rig = CheckRig::of(Script::quay_like(["a"])).await.with(wildcard);
    let report = fires("scope_unreadable", CheckStep::Scope, Severity::Good, rig).await;
    let told = report.diagnoses().next().unwrap();
    assert!(told.symptom.contains("Unable to decode repository and actions"), "{told:?}");
    assert!(told.remedy.contains("repository:ORG/REPO:pull"), "{told:?}");
    assert_eq!(step_of(&report, CheckStep::Scope).outcome, StepOutcome::Note);

    let refusal = error(400, "DENIED", "Unable to decode repository and actions");
    let rig = CheckRig::of(Script::quay_like(["a"]).with_faults(at(FakeEndpoint::Token, refusal))).await.with(wildcard);
    fires("scope_unreadable", CheckStep::Scope, Severity::Authentication, rig).await;
}

#[tokio::test]
async fn a_wrong_service_is_told_with_both_values() {
    for script in [Script::quay_like(["a"]), Script::distribution_like(["a"])] {
        let rig = CheckRig::of(script).await.with(|settings| settings.service = Some("quay".into()));
        let report = fires("wrong_service", CheckStep::Login, Severity::Authentication, rig).await;
        let told = report.diagnoses().next().unwrap();
        assert!(told.cause.contains("`quay`") && told.cause.contains(".example"), "{told:?}");
    }
}

#[tokio::test]
async fn a_repository_that_the_account_may_not_read() {
    let refused = error(401, "UNAUTHORIZED", "access to the requested resource is not authorized")
        .header("www-authenticate", r#"Bearer realm="/token",service="quay.example:8443",scope="repository:a:pull""#);
    let script = Script::quay_like(["a"]).with_token(|token| token.grants = Grants::Nothing);
    let rig = CheckRig::of(script.with_faults(at(FakeEndpoint::Tags, refused))).await;
    let report = fires("missing_permission", CheckStep::Tags, Severity::Authentication, rig).await;
    let told = report.diagnoses().next().unwrap();
    assert!(told.remedy.contains("grant Read") && told.remedy.contains("repository:a:pull"), "{told:?}");
    assert_eq!(step_of(&report, CheckStep::Page).outcome, StepOutcome::Ok);

    let script = Script::distribution_like(["a"]).with_token(|token| {
        token.grants = Grants::Nothing;
        token.required_scope = Some("repository:acme/app:pull".into());
    });
    fires("missing_permission", CheckStep::Scope, Severity::Authentication, CheckRig::of(script).await).await;
}

#[tokio::test]
async fn an_empty_catalog_for_an_anonymous_caller() {
    for auth in [Auth::None, Auth::Token(None)] {
        let rig = CheckRig::of(Script::quay_like(["a"])).await.with(|settings| settings.auth = auth);
        fires("no_identity", CheckStep::Page, Severity::Authentication, rig).await;
    }
    let script = Script::distribution_like(["a"]).with_token(|token| token.anonymous = true);
    let rig = CheckRig::of(script).await.with(|settings| settings.auth = Auth::Token(None));
    fires("no_identity", CheckStep::Login, Severity::Authentication, rig).await;
}

#[tokio::test]
async fn a_catalog_that_the_account_may_not_list() {
    let script = Script::distribution_like(["a"]).with_token(|token| token.grants = Grants::Nothing);
    let report = fires("catalog_scope", CheckStep::Scope, Severity::Authentication, CheckRig::of(script).await).await;
    assert!(report.diagnoses().next().unwrap().remedy.contains("`registry:catalog:*`"));

    let script = Script::harbor_like(["a"]).with_faults(at(
        FakeEndpoint::Catalog,
        error(401, "UNAUTHORIZED", "unauthorized to list catalog: unauthorized to list catalog")
            .header("www-authenticate", r#"Basic realm="harbor""#),
    ));
    fires("harbor_role", CheckStep::Page, Severity::Authentication, CheckRig::of(script).await).await;
}

#[tokio::test]
async fn a_token_that_dies_before_its_stated_end() {
    let script = Script::distribution_like(["a"]).with_token(|token| token.expires_in = Stated::As(json!(3600)));
    let report = fires("token_lifetime", CheckStep::Login, Severity::Good, CheckRig::of(script).await).await;
    assert!(report.diagnoses().next().unwrap().symptom.contains("3600 s, but the token expires after 300 s"));

    let expired = error(401, "UNAUTHORIZED", "Signature has expired")
        .header("www-authenticate", r#"Bearer realm="/token",service="quay.example:8443",error="invalid_token""#);
    let script = Script::quay_like(["a"]).with_faults(move |seen, _| {
        (seen.endpoint == FakeEndpoint::Catalog && seen.authorization == Authorization::Bearer).then(|| expired.clone())
    });
    fires("token_lifetime", CheckStep::Login, Severity::Authentication, CheckRig::of(script).await).await;
}

/// A token with an invalid signature, issued so many seconds from now, valid for five minutes.
fn token(ahead_s: i64) -> Misbehaviour {
    let made = clock::now().timestamp() + ahead_s;
    let claims = json!({"sub": USERNAME, "aud": "quay.example:8443", "iat": made, "nbf": made, "exp": made + 300});
    let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    Misbehaviour::status(200).body(json!({"token": token}).to_string())
}

#[tokio::test]
async fn a_clock_that_is_off_by_a_tokens_word() {
    for (ahead_s, word) in [(3600, "ahead of"), (-3600, "behind")] {
        let script = Script::quay_like(["a"]).with_faults(at(FakeEndpoint::Token, token(ahead_s)));
        let report = fires("clock", CheckStep::Page, Severity::Authentication, CheckRig::of(script).await).await;
        assert!(report.diagnoses().next().unwrap().cause.contains(word));
    }
}

#[tokio::test]
async fn a_clock_that_is_off_by_the_date_of_an_answer() {
    let script = Script::open(["a"]).with_faults(at(
        FakeEndpoint::Ping,
        Misbehaviour::status(200).header("date", "Sun, 06 Nov 1994 08:49:37 GMT").body("{}"),
    ));
    fires("clock", CheckStep::Login, Severity::Good, CheckRig::of(script).await).await;
}

#[tokio::test]
async fn twenty_seconds_are_no_fault_of_a_clock() {
    for ahead_s in [-15, 15] {
        let script = Script::quay_like(["a"]).with_faults(at(FakeEndpoint::Token, token(ahead_s)));
        let report = CheckRig::of(script).await.check().await;
        assert!(!rules_of(&report).contains(&"clock"), "{report:#?}");
    }
}

#[tokio::test]
async fn a_realm_on_another_host_is_named_and_asked_for_nothing() {
    let elsewhere = |token: &mut fake_registry::TokenScript| token.realm = Some("http://127.0.0.2:1/token".into());
    let rig = CheckRig::of(Script::quay_like(["a"]).with_token(elsewhere)).await;
    let report = fires("realm_elsewhere", CheckStep::Login, Severity::Failed, rig).await;
    let told = report.diagnoses().next().unwrap();
    assert!(told.cause.contains("127.0.0.2:1") && told.remedy.contains("only if it is yours"), "{told:?}");
    assert!(report.exchanges.iter().all(|exchange| !exchange.is_authorized()));
}

#[tokio::test]
async fn a_registry_without_a_catalog() {
    for fault in [
        Misbehaviour::status(404).body("404 page not found"),
        Misbehaviour::status(405),
        error(400, "UNSUPPORTED", "The operation is unsupported."),
    ] {
        let rig = CheckRig::of(Script::open(["a"]).with_faults(at(FakeEndpoint::Catalog, fault))).await;
        let report = fires("no_catalog", CheckStep::Page, Severity::Failed, rig).await;
        assert!(report.diagnoses().next().unwrap().remedy.contains("`discovery`"));
    }
}

#[tokio::test]
async fn no_registry_under_this_url() {
    let rig = CheckRig::of(Script::open(["a"]).with_faults(at(FakeEndpoint::Ping, Misbehaviour::status(404)))).await;
    fires("no_registry", CheckStep::Ping, Severity::Failed, rig).await;
}

#[tokio::test]
async fn too_many_requests() {
    for (endpoint, step) in [
        (FakeEndpoint::Ping, CheckStep::Ping),
        (FakeEndpoint::Token, CheckStep::Login),
        (FakeEndpoint::Catalog, CheckStep::Page),
    ] {
        let limited = Misbehaviour::status(429).header("retry-after", "7");
        let rig = CheckRig::of(Script::distribution_like(["a"]).with_faults(at(endpoint, limited))).await;
        let report = fires("rate_limited", step, Severity::Failed, rig).await;
        let told = report.diagnoses().next().unwrap();
        assert!(told.remedy.contains("`requests_per_second`") && told.remedy.contains("`concurrency`"), "{told:?}");
        assert!(told.evidence.contains(&Fact::new("retry-after", "7")), "{told:?}");
    }
}

fn at_tls(change: impl FnOnce(&mut RegistrySettings)) -> CheckRig {
    let rig = CheckRig::nowhere().with(|settings| {
        settings.url = serve();
        settings.auth = Auth::None;
    });
    rig.with(change)
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_not_the_one_in_ca_file() {
    let other = secret_file(&KeyPair::new("elsewhere").certificate);
    let report = fires(
        "self_signed",
        CheckStep::Tls,
        Severity::Failed,
        at_tls(|settings| settings.ca_file = Some(other.path().to_owned())),
    )
    .await;
    assert!(report.diagnoses().next().unwrap().remedy.contains("`ca_file`"));
    let seen = &step_of(&report, CheckStep::Tls).evidence;
    assert!(seen.contains(&Fact::new("subject", "registry.tests")), "{seen:?}");
    assert!(seen.iter().any(|fact| fact.what == "valid"), "{seen:?}");
    assert!(report.exchanges.is_empty(), "nothing is said to a server that is not trusted");
}

#[tokio::test]
async fn a_certificate_for_another_host() {
    let file = secret_file(&own().certificate);
    let rig = at_tls(|settings| {
        settings.ca_file = Some(file.path().to_owned());
        settings.url.set_host(Some("localhost")).unwrap();
    });
    fires("certificate_name", CheckStep::Tls, Severity::Failed, rig).await;
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let pair = own().expired();
    let file = secret_file(&pair.certificate);
    let rig = at_tls(|settings| {
        settings.ca_file = Some(file.path().to_owned());
        settings.url = serve_as(&pair);
    });
    let report = fires("certificate_expired", CheckStep::Tls, Severity::Failed, rig).await;
    let seen = &step_of(&report, CheckStep::Tls).evidence;
    assert!(seen.iter().any(|fact| fact.what == "valid" && fact.seen.starts_with("2020-")), "{seen:?}");
}

#[tokio::test]
async fn a_server_that_speaks_plain_http() {
    let file = secret_file(&own().certificate);
    let rig = CheckRig::of(Script::open(["a"])).await.with(|settings| {
        settings.url = settings.url.as_str().replace("http:", "https:").parse().unwrap();
        settings.ca_file = Some(file.path().to_owned());
    });
    fires("plain_http", CheckStep::Tls, Severity::Failed, rig).await;
}

#[tokio::test]
async fn a_port_without_a_listener_and_an_unknown_host_name() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rig = CheckRig::nowhere().with(|settings| settings.url = format!("http://{free}").parse().unwrap());
    let report = fires("unreachable", CheckStep::Tcp, Severity::Failed, rig).await;
    assert!(report.diagnoses().next().unwrap().symptom.contains(&free.to_string()));
    assert_eq!(step_of(&report, CheckStep::Tls).evidence[0].seen, "tcp failed");

    // A label of DNS has at most 63 characters, so no resolver is asked.
    let url = format!("http://{}.example", "a".repeat(64));
    let rig = CheckRig::nowhere().with(|settings| settings.url = url.parse().unwrap());
    fires("unknown_host", CheckStep::Dns, Severity::Failed, rig).await;
}

/// Lists with the API of Quay. The function chooses the responses.
async fn by_quays_api(
    namespaces: &[&str],
    answer: impl Fn(&SeenRequest) -> Option<Misbehaviour> + Send + Sync + 'static,
) -> CheckRig {
    let mut rig = CheckRig::of(Script::open(["acme/app"]).with_faults(move |seen, _| answer(seen))).await;
    let login = ApiLogin::Bearer(SecretSource::File(rig.secret.path().to_owned()));
    let namespaces = namespaces.iter().map(|&name| name.to_owned()).collect();
    rig.plan.discovery = DiscoverySettings::Quay { api: ApiSettings { url: None, login }, namespaces };
    rig
}

fn quays_answer(seen: &SeenRequest, proof: &Misbehaviour) -> Option<Misbehaviour> {
    let text = match (seen.path(), seen.query("namespace").as_deref()) {
        ("/api/v1/repository", None) => return Some(proof.clone()),
        ("/api/v1/repository", Some("acme")) => r#"{"repositories":[{"namespace":"acme","name":"app"}]}"#,
        ("/api/v1/repository", Some(_)) => r#"{"repositories":[]}"#,
        (path, _) if path.starts_with("/api/") => return Some(Misbehaviour::status(404).body(r#"{"status":404}"#)),
        _ => return None,
    };
    Some(Misbehaviour::status(200).body(text))
}

#[tokio::test]
async fn a_dead_login_of_an_api() {
    let dead = Misbehaviour::status(400).body(r#"{"message":"bad request"}"#);
    let rig = by_quays_api(&["acme"], move |seen| quays_answer(seen, &dead)).await;
    let report = fires("api_login", CheckStep::Page, Severity::Authentication, rig).await;
    assert!(report.diagnoses().next().unwrap().remedy.contains("repo:read"));
    assert_eq!(step_of(&report, CheckStep::Login).outcome, StepOutcome::Skipped, "a refused login is not called good");
}

#[tokio::test]
async fn a_login_of_which_nothing_can_be_told() {
    let rig = by_quays_api(&["acme"], |seen| quays_answer(seen, &Misbehaviour::status(404))).await;
    fires("login_unproven", CheckStep::Page, Severity::Failed, rig).await;
}

#[tokio::test]
async fn a_namespace_that_is_not_there() {
    for namespaces in [&["acme", "ghost"][..], &["ghost"]] {
        let live = Misbehaviour::status(200).body(r#"{"repositories":[]}"#);
        let rig = by_quays_api(namespaces, move |seen| quays_answer(seen, &live)).await;
        let report = fires("owner_missing", CheckStep::Page, Severity::Failed, rig).await;
        assert!(report.diagnoses().next().unwrap().symptom.contains("repositories of ghost"), "{report:#?}");
        let tags = if namespaces.len() > 1 { StepOutcome::Note } else { StepOutcome::Skipped };
        assert_eq!(step_of(&report, CheckStep::Tags).outcome, tags, "{report:#?}");
    }
}
