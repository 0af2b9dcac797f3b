//! Files and answers that hold a secret and are broken: an error that holds what it stumbled over is never shown. Each case has a
//! canary in it, which is looked for in everything that there is to see.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fake_registry::{FakeEndpoint, FakeRegistry, Misbehaviour, Script, USERNAME};
use serde_json::json;
use url::Url;

use crate::support::daemon::Daemon;
use crate::support::inventory::last_run;
use crate::support::program::{Finished, Workplace, one_registry};

/// Fit for base64, for a user's password and for a word of YAML; a multiple of three bytes long, as all that stands before
/// it in a file, so that it looks the same within base64.
const CANARY: &str = "c4n4ryTw33tMqZ81";

/// The canary in every form that a message may give it.
fn forms() -> Vec<String> {
    let decimal: Vec<String> = CANARY.bytes().map(|byte| byte.to_string()).collect();
    let hexadecimal = CANARY.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let inner = |before: usize| {
        let text = STANDARD.encode("x".repeat(before) + CANARY);
        text[(before * 8).div_ceil(6)..(before + CANARY.len()) * 8 / 6].to_owned()
    };
    vec![
        CANARY[2..12].to_owned(),
        decimal[2..8].join(", "),
        hexadecimal[4..20].to_owned(),
        inner(0),
        inner(1),
        inner(2),
    ]
}

fn assert_silent(case: &str, seen: &[(&str, String)]) {
    for (place, text) in seen {
        for form in forms() {
            assert!(!text.contains(&form), "{case}: {form} in {place}:\n{text}");
        }
    }
}

/// Files that hold the canary on purpose.
const KEPT: [&str; 12] = [
    "password",
    "combined.pem",
    "key.pem",
    "ca.pem",
    "docker.json",
    "helper.json",
    "answer",
    "bin/docker-credential-broken",
    "print",
    "stocktake.yaml",
    "credentials/quay",
    "cert.pem",
];

/// Everything that there is to see of this configuration; and what `validate` said.
async fn seen(case: &str, place: &Workplace) -> Finished {
    let credentials = place.path("credentials").display().to_string();
    let (path, variable) = (place.path_with("bin"), format!("{CANARY}\u{1}"));
    let environment =
        [("RUST_LOG", "trace"), ("PATH", &path), ("CREDENTIALS_DIRECTORY", &credentials), ("BROKEN", &variable)];
    let validated = place.run_with(&environment, &["validate"]).await;
    assert_silent(case, &[("validate", format!("{}{}", validated.stdout, validated.stderr))]);
    for format in ["text", "json"] {
        let ran = place.run_with(&environment, &["run", "--log-format", format]).await;
        assert!(!matches!(ran.code, Some(0)), "{case}: it is broken: {}", ran.stderr);
        let checked = place.run_with(&environment, &["check", "--trace", "--format", format]).await;
        let mut seen = vec![("run", ran.stdout + &ran.stderr), ("check", checked.stdout + &checked.stderr)];
        if ran.code != Some(78) {
            seen.push(("runs", format!("{:?}", last_run(&place.path("inventory"), "quay"))));
        }
        let files = place.tree(".").into_iter().filter(|(name, _)| !KEPT.contains(&name.as_str()));
        seen.extend(files.map(|(_, bytes)| ("a file", String::from_utf8_lossy(&bytes).into_owned())));
        assert_silent(case, &seen);
    }
    validated
}

const NOWHERE: &str = "https://127.0.0.1:1/";

fn nowhere(lines: &str) -> Workplace {
    let feed = "  feed: {type: json, url: ./feed}\nregistries:";
    Workplace::with(&one_registry(&NOWHERE.parse().unwrap(), lines).replace("registries:", feed))
}

/// A private key and a certificate in PEM, with the canary in both.
fn pem(kind: &str) -> String {
    let body = STANDARD.encode(format!("{}{CANARY}{}", "a".repeat(99), "b".repeat(99)));
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// Files in which something got lost on the way.
fn broken_pems() -> Vec<(&'static str, String)> {
    let combined = pem("PRIVATE KEY") + &pem("CERTIFICATE");
    vec![
        ("blanks for line breaks", combined.replace('\n', " ")),
        ("backslashes for line breaks", combined.replace('\n', "\\n")),
        ("no line breaks", combined.replace('\n', "")),
        ("no end", combined.replace("-----END", "----END")),
        ("no base64", combined.replace("YWFh", "Y!Fh")),
        ("no beginning", combined.replace("-----BEGIN", "BEGIN")),
        ("another kind", combined.replace("KEY-----", &format!("{CANARY}-----")).replace("CERT", "X")),
        ("no PEM", format!("{CANARY}\n{CANARY}")),
        ("no certificate", combined),
    ]
}

#[tokio::test]
async fn certificates_and_keys_are_not_repeated_and_validate_finds_the_mistake() {
    for (case, text) in broken_pems() {
        let place = nowhere("    client_cert_file: combined.pem\n    client_key_file: combined.pem\n");
        place.secret("combined.pem", &text);
        let validated = seen(case, &place).await;
        validated.exits(78).says("combined.pem");
        let place = nowhere("    ca_file: ca.pem\n");
        place.secret("ca.pem", &text);
        seen(case, &place).await.exits(78);
    }
    let place = nowhere("    client_cert_file: combined.pem\n    client_key_file: combined.pem\n");
    place.secret("combined.pem", &(pem("PRIVATE KEY") + &pem("CERTIFICATE")).replace('\n', " "));
    place.run(&["validate"]).await.exits(78).says("its line breaks are missing").says("combined.pem");
}

#[tokio::test]
async fn validate_names_files_that_are_not_here_and_can_leave_them_out() {
    let place = nowhere("    client_cert_file: /nowhere/cert.pem\n    client_key_file: /nowhere/key.pem\n");
    place.run(&["validate"]).await.exits(78).says("cannot read /nowhere/cert.pem: there is no such file");
    place.run(&["validate", "--syntax-only"]).await.exits(0);
}

async fn registry(answers: impl Fn(FakeEndpoint) -> Option<Misbehaviour> + Send + Sync + 'static) -> FakeRegistry {
    let script = Script::distribution_like(["a"]).with_faults(move |seen, _| answers(seen.endpoint));
    FakeRegistry::start(script).await.unwrap()
}

fn host(url: &Url) -> String {
    format!("127.0.0.1:{}", url.port().unwrap())
}

#[tokio::test]
async fn what_docker_has_stored_is_not_repeated() {
    let registry = registry(|_| None).await;
    let host = host(&registry.url());
    for (case, text) in [
        ("no JSON", format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{CANARY}")),
        ("bare", CANARY.to_owned()),
        ("a text", format!("\"{CANARY}\"")),
        ("auths is a text", json!({"auths": CANARY}).to_string()),
        ("an entry is a text", json!({"auths": {(host.as_str()): CANARY}}).to_string()),
        ("auth is a list", json!({"auths": {(host.as_str()): {"auth": [CANARY]}}}).to_string()),
        ("auth is no base64", json!({"auths": {(host.as_str()): {"auth": format!("{CANARY}!")}}}).to_string()),
        ("auth has no colon", json!({"auths": {(host.as_str()): {"auth": STANDARD.encode(CANARY)}}}).to_string()),
        ("a password is an object", json!({"auths": {(host.as_str()): {"password": {CANARY: 1}}}}).to_string()),
    ] {
        let place =
            Workplace::with(&one_registry(&registry.url(), "    auth: {type: docker_config, file: docker.json}\n"));
        place.secret("docker.json", &text);
        seen(case, &place).await;
    }
}

#[tokio::test]
async fn what_programs_print_is_not_repeated() {
    let registry = registry(|_| None).await;
    for (case, script) in [
        ("a text", format!("echo {CANARY}")),
        ("half of it", format!("echo '{{\"Username\":\"u\",\"Secret\":\"{CANARY}'")),
        ("another shape", format!("echo '{{\"Username\":\"u\",\"Secret\":[\"{CANARY}\"]}}'")),
        ("another key", format!("echo '{{\"{CANARY}\":1}}'")),
        ("a failure", format!("echo {CANARY}; echo no {CANARY} here >&2; exit 1")),
        ("a failure aloud", format!("echo 'password {CANARY} is wrong'; exit 1")),
        ("too much", format!("while :; do echo {CANARY}; done")),
        ("no text", format!("printf '{CANARY}\\377'")),
        ("two lines", format!("echo {CANARY}; echo {CANARY}")),
    ] {
        let place =
            Workplace::with(&one_registry(&registry.url(), "    auth: {type: docker_config, file: helper.json}\n"));
        place.secret("helper.json", r#"{"credsStore":"broken"}"#);
        place.script("bin/docker-credential-broken", &script);
        seen(&format!("a helper: {case}"), &place).await;
        let auth = format!("    auth: {{username: {USERNAME}, password_command: ./print}}\n");
        let place = Workplace::with(&one_registry(&registry.url(), &auth));
        place.script("print", &script);
        seen(&format!("a command: {case}"), &place).await;
    }
}

#[tokio::test]
async fn passwords_that_cannot_be_sent_are_not_repeated() {
    let registry = registry(|_| None).await;
    for (case, auth) in [
        ("a file", "{type: bearer, token_file: password}"),
        ("a credential", "{type: bearer, credential: quay}"),
        ("a variable", "{type: bearer, token_env: BROKEN}"),
        ("a password that is refused", "{username: u, password_file: password}"),
        ("an identity token that is refused", "{type: identity_token, token_file: password}"),
    ] {
        let place = Workplace::with(&one_registry(&registry.url(), &format!("    auth: {auth}\n")));
        std::fs::create_dir(place.path("credentials")).unwrap();
        let broken = format!("{CANARY}\n{CANARY}\u{1}");
        place.secret("password", &broken);
        place.secret("credentials/quay", &broken);
        seen(case, &place).await;
    }
}

#[tokio::test]
async fn what_a_token_service_answers_is_not_repeated() {
    let claims = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    for (case, body) in [
        ("no JSON", format!("{{\"token\": \"{CANARY}")),
        ("bare", CANARY.to_owned()),
        ("a text", format!("\"{CANARY}\"")),
        ("a list", json!({"token": [CANARY]}).to_string()),
        ("an object", json!({"access_token": {CANARY: 1}}).to_string()),
        ("a line break", json!({"token": format!("{CANARY}\n")}).to_string()),
        ("another field", json!({"id_token": CANARY}).to_string()),
        ("a token that means nothing", json!({"token": CANARY, "expires_in": CANARY}).to_string()),
        ("claims that are none", json!({"token": claims(&format!("{{\"exp\":\"{CANARY}"))}).to_string()),
        ("odd claims", json!({"token": claims(&json!({"exp": CANARY, "iat": [CANARY]}).to_string())}).to_string()),
    ] {
        let answer = body.clone();
        let registry =
            registry(move |at| (at == FakeEndpoint::Token).then(|| Misbehaviour::status(200).body(answer.clone())))
                .await;
        let place = Workplace::with(&one_registry(&registry.url(), crate::support::program::LOGIN));
        seen(case, &place).await;
    }
}

#[tokio::test]
async fn a_secret_in_the_configuration_is_not_repeated() {
    for auth in [
        format!("{{username: u, password: {CANARY}}}"),
        format!("{{username: u, password: *{CANARY}}}"),
        format!("{{username: u, password: &{CANARY}}}"),
        format!("{{username: u, password: !{CANARY}}}"),
        format!("{{username: u, password: '{CANARY}}}"),
        format!("{{username: u, password: @{CANARY}}}"),
        format!("{{username: u, password: `{CANARY}}}"),
        format!("{{username: u, password: %{CANARY}: [}}"),
        format!("{{username: u, password_file: [{CANARY}]}}"),
        format!("{{username: 'u:{CANARY}'}}"),
        format!("{{username: u, password_env: ${CANARY}}}"),
        format!("{{username: u, password_command: 'echo {CANARY}'}}"),
        format!("{{type: {CANARY}}}"),
        CANARY.to_owned(),
        format!("[{CANARY}]"),
    ] {
        let place = nowhere(&format!("    auth: {auth}\n"));
        seen(&auth, &place).await.exits(78);
    }
    for (from, to) in [
        ("https://127.0.0.1:1/", format!("https://u:{CANARY}@127.0.0.1:1/")),
        ("  - name", format!("  - {CANARY}\n  - name")),
    ] {
        let place = nowhere("");
        let text = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
        place.configure(&text.replace(from, &to));
        seen(&to, &place).await.exits(78);
    }
}

#[tokio::test]
async fn the_listeners_own_files_are_not_repeated() {
    for (case, text) in broken_pems() {
        let web = "listen: 127.0.0.1:0\nweb: {tls_server_config: {cert_file: cert.pem, key_file: key.pem}}\n";
        let place = nowhere("");
        let rest = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
        place.configure(&format!("{web}{rest}"));
        for file in ["cert.pem", "key.pem"] {
            place.secret(file, &text);
        }
        for command in ["validate", "daemon"] {
            let ended = place.run_with(&[("RUST_LOG", "trace")], &[command]).await;
            assert_ne!(ended.code, Some(0), "{case}: {command}: {}", ended.stderr);
            assert_silent(case, &[(command, ended.stdout + &ended.stderr)]);
        }
    }
    let place = nowhere("");
    let rest = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    place.configure(&format!("web: {{basic_auth_users: {{u: {CANARY}}}}}\n{rest}"));
    let ended = place.run(&["validate"]).await;
    assert_silent("a password for its hash", &[("validate", ended.stderr.clone())]);
    ended.exits(78);
}

#[tokio::test]
async fn the_status_page_and_the_metrics_repeat_nothing_either() {
    let place = nowhere(
        "    client_cert_file: combined.pem\n    client_key_file: combined.pem\n    schedule: 0 0 1 1 *\n    run_on_start: always\n",
    );
    let rest = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    place.configure(&format!("listen: 127.0.0.1:0\n{rest}"));
    place.secret("combined.pem", &(pem("PRIVATE KEY") + &pem("CERTIFICATE")).replace('\n', " "));
    let daemon = Daemon::start_with(&place, &[("RUST_LOG", "trace")]).await;
    daemon.until("stocktake_last_run_timestamp_seconds{registry=\"quay\"}", |value| value.is_some()).await;
    let mut seen = Vec::new();
    for page in ["/", "/metrics", "/readyz", "/livez"] {
        seen.push((page, daemon.get(page).await.1));
    }
    assert!(seen[0].1.contains("quay"), "{}", seen[0].1);
    let ended = daemon.stop().await;
    seen.push(("the log", ended.stderr));
    assert_silent("a client certificate", &seen);
}
