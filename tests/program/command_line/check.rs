//! `check` as a user runs it: against the real docker-registry, its exit codes, both formats, and what `--trace` shows.

use std::net::TcpListener;
use std::time::Duration;

use fake_registry::{FakeRegistry, Grants, Misbehaviour, Script, TokenScript};
use serde_json::Value;

use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::program::{Finished, LOGIN, Workplace, one_registry};

const BASIC: &str = "    auth: {type: basic, username: acme+inventory, password_file: password}\n";
const TOKEN: Mode = Mode::Token { lifetime: Duration::from_mins(5) };

fn json(ended: &Finished) -> Value {
    serde_json::from_str(&ended.stdout).expect("standard output is one JSON value")
}

/// The outcome of each step of the one registry, and the rules that fired, in order.
fn told(ended: &Finished) -> (Vec<(String, String)>, Vec<String>) {
    let json = json(ended);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let steps = json["registries"][0]["steps"].as_array().expect("steps");
    let outcomes = steps.iter().map(|step| (text(&step["step"]), text(&step["outcome"]))).collect();
    let found = steps.iter().flat_map(|step| step["diagnosis"].as_array().expect("a list"));
    (outcomes, found.map(|diagnosis| text(&diagnosis["rule"])).collect())
}

/// Checks docker-registry with these lines of configuration; one rule is to fire, or none.
async fn real(mode: Mode, lines: &str, password: Option<&str>, code: i32, rule: Option<&str>) -> Finished {
    let registry = DockerRegistry::start(mode, ["denied/app", "team/app"]).await;
    let place = Workplace::with(&one_registry(&registry.url(), lines));
    if let Some(password) = password {
        place.secret("password", password);
    }
    let ended = place.run(&["check", "--format", "json"]).await.exits(code);
    let (outcomes, rules) = told(&ended);
    assert_eq!(rules, rule.into_iter().collect::<Vec<_>>(), "{}", ended.stdout);
    let names: Vec<_> = outcomes.iter().map(|(step, _)| step.as_str()).collect();
    let all = ["configuration", "dns", "tcp", "tls", "ping", "login", "scope", "page", "tags", "sink", "state"];
    assert_eq!(names, all);
    assert_eq!((outcomes[9].1.as_str(), outcomes[10].1.as_str()), ("ok", "ok"), "sink and state do not mind");
    assert_eq!(ended.stderr, "", "no log line is worth it");
    assert!(!place.path("state").exists() && place.tree("inventory").values().all(Vec::is_empty), "nothing is left");
    ended
}

#[tokio::test]
async fn the_real_registry_is_well_in_every_mode() {
    real(Mode::Open, "", None, 0, None).await;
    let ended = real(Mode::Htpasswd, LOGIN, None, 0, None).await;
    assert!(ended.stdout.contains("Basic [cut] (user name acme+inventory)"), "{}", ended.stdout);
    real(Mode::Htpasswd, BASIC, None, 0, None).await;
}

#[tokio::test]
async fn a_repository_that_the_account_may_not_read_is_told_on_the_real_registry() {
    let ended = real(TOKEN, LOGIN, None, 4, Some("missing_permission")).await;
    assert!(ended.stdout.contains("it needs `repository:denied/app:pull`"), "{}", ended.stdout);
    let (outcomes, _) = told(&ended);
    assert_eq!(outcomes[7], ("page".to_owned(), "ok".to_owned()));
    assert_eq!(outcomes[8], ("tags".to_owned(), "failed".to_owned()));
}

#[tokio::test]
async fn a_wrong_password_is_told_on_the_real_registry() {
    for (mode, lines) in [(TOKEN, LOGIN), (Mode::Htpasswd, LOGIN), (Mode::Htpasswd, BASIC)] {
        let ended = real(mode, lines, Some("hunter2"), 4, Some("credentials_refused")).await;
        assert!(ended.stdout.contains("rotate the secret"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("hunter2"));
    }
}

#[tokio::test]
async fn a_wrong_service_is_told_on_the_real_registry() {
    let lines = format!("{LOGIN}    service: elsewhere\n");
    let ended = real(TOKEN, &lines, None, 4, Some("wrong_service")).await;
    assert!(
        ended.stdout.contains("is for `elsewhere`, the registry calls itself `registry.tests`"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn no_login_is_told_on_the_real_registry() {
    real(TOKEN, "    auth: none\n", None, 4, Some("login_wanted")).await;
    real(Mode::Htpasswd, "", None, 4, Some("login_wanted")).await;
}

#[tokio::test]
async fn a_token_that_dies_before_its_stated_end_is_told_on_the_real_registry() {
    let registry = DockerRegistry::start(Mode::StrictToken { lifetime: Duration::from_mins(5) }, ["team/app"]).await;
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    let ended = place.run(&["check", "--format", "json"]).await.exits(0);
    assert_eq!(told(&ended).1, ["token_lifetime"], "{}", ended.stdout);
}

#[tokio::test]
async fn text_has_a_line_per_step_and_a_diagnosis_below() {
    let registry = FakeRegistry::start(Script::quay_like(["a"])).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    let ended = place.run(&["check"]).await.exits(0);
    let mut lines = ended.stdout.lines();
    for begin in ["configuration: /", "state: /", "sink warehouse: /"] {
        assert!(lines.next().unwrap().starts_with(begin), "{}", ended.stdout);
    }
    assert_eq!(lines.next().unwrap(), format!("quay  {}", registry.url()));
    let begins = ["ok       configuration ", "ok       dns ", "ok       tcp ", "skipped  tls ", "ok       ping "];
    for (line, begin) in lines.by_ref().zip(begins) {
        assert!(line.trim_start().starts_with(begin), "{line}");
    }
    assert!(ended.stdout.contains("\n  ok       sink warehouse  dry write"), "{}", ended.stdout);

    place.secret("password", "hunter2");
    let ended = place.run(&["check"]).await.exits(4);
    for words in ["\n  failed   login ", "\n  credentials_refused at login\n    symptom   ", "\n    remedy    rotate"] {
        assert!(ended.stdout.contains(words), "{words} in {}", ended.stdout);
    }
}

#[tokio::test]
async fn a_trace_shows_the_token_request_and_answer_without_the_secrets() {
    let registry = FakeRegistry::start(Script::distribution_like(["a"])).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    let ended = place.run(&["check", "--trace"]).await.exits(0);
    for words in [
        "\n  token  GET http://127.0.0.1:",
        "\n    ? service: registry.example",
        "\n    ? scope: registry:catalog:*",
        "\n    > authorization: Basic [cut] (user name acme+inventory)",
        "\n    > authorization: Bearer [cut, ",
        "\n    expires_in: 300",
        "\n    lifetime: 300 s, expires_in",
        "\n    access: registry:catalog:*",
        " ms  ",
    ] {
        assert!(ended.stdout.contains(words), "{words} in {}", ended.stdout);
    }
    let ended = place.run(&["check", "--trace", "--format", "json"]).await.exits(0);
    let json = json(&ended);
    let exchanges = json["registries"][0]["exchanges"].as_array().expect("exchanges").clone();
    let token = exchanges.iter().find(|exchange| exchange["about"] == "token").expect("a token request");
    assert_eq!(token["answer"]["token"]["lifetime_s"], 300);
    assert_eq!(token["answer"]["token"]["claims"]["sub"], "acme+inventory");
    for request in registry.requests() {
        let secret = request.header("authorization").and_then(|value| value.split_once(' '));
        assert!(secret.is_none_or(|(_, secret)| !ended.stdout.contains(secret)));
    }
    // Without --trace there are no exchanges, and no word of the headers sent.
    let plain = place.run(&["check", "--format", "json"]).await.exits(0);
    assert!(!plain.stdout.contains("\"exchanges\""));
}

#[tokio::test]
async fn the_worst_of_all_registries_decides_the_exit_code() {
    let good = FakeRegistry::start(Script::open(["a"])).await.unwrap();
    let limited = Script::open(["a"]).with_faults(|_, _| Some(Misbehaviour::status(429)));
    let limited = FakeRegistry::start(limited).await.unwrap();
    let refusing = FakeRegistry::start(Script::quay_like(["a"])).await.unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = format!(
        "sinks: {{out: {{type: stdout}}}}\nregistries:\n  - {{name: good, url: {}}}\n  - {{name: limited, url: {}}}\n  \
         - {{name: refusing, url: {}, auth: {{username: a+b, password_file: password}}}}\n  - {{name: gone, url: \
         'http://{free}'}}\n  - {{name: odd, url: 'https://127.0.0.1:9', ca_file: nowhere.pem}}\n",
        good.url(),
        limited.url(),
        refusing.url(),
    );
    let place = Workplace::with(&yaml);
    for (registries, code) in [
        (&["good"][..], 0),
        (&["limited"], 1),
        (&["gone", "good"], 1),
        (&["limited", "refusing"], 4),
        (&["good", "refusing", "odd"], 78),
        (&["godo"], 2),
    ] {
        let arguments: Vec<_> = ["check"].into_iter().chain(registries.iter().copied()).collect();
        place.run(&arguments).await.exits(code);
    }
    let ended = place.run(&["check", "--format", "json", "good", "limited"]).await.exits(1);
    let json = json(&ended);
    let ok: Vec<_> = json["registries"].as_array().unwrap().iter().map(|registry| registry["ok"].clone()).collect();
    assert_eq!(ok, [true, false]);
    place.configure("registries: []");
    assert_eq!(place.run(&["check"]).await.exits(78).stdout, "");
}

#[tokio::test]
async fn a_run_gives_the_same_remedy() {
    let nothing = |token: &mut TokenScript| token.grants = Grants::Nothing;
    for (script, lines) in [
        (Script::quay_like(["a"]).with_token(|token| token.password = "another".into()), ""),
        (Script::quay_like(["a"]), "    service: elsewhere\n"),
        (Script::distribution_like(["a"]).with_token(nothing), ""),
        (Script::distribution_like(["a"]).with_token(|token| token.realm = Some("http://127.0.0.2:1/".into())), ""),
    ] {
        let registry = FakeRegistry::start(script).await.unwrap();
        let place = Workplace::with(&one_registry(&registry.url(), &format!("{LOGIN}{lines}")));
        let (checked, ran) = (place.run(&["check", "--format", "json"]).await, place.run(&["run"]).await);
        assert_eq!(checked.code, ran.code, "{}", ran.stderr);
        let json = json(&checked);
        let steps = json["registries"][0]["steps"].as_array().expect("steps");
        let remedy = steps.iter().find_map(|step| step["diagnosis"][0]["remedy"].as_str()).expect("a remedy");
        ran.says(remedy);
    }
}
