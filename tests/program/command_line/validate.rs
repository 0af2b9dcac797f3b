//! `validate` looks at what a configuration names on this machine: each problem with its place and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fake_registry::PASSWORD;

use crate::support::program::Workplace;

/// A configuration, from whose second line the registry begins.
fn yaml(lines: &str) -> String {
    format!("sinks: {{out: {{type: stdout}}}}\nregistries:\n  - name: quay\n    url: https://r.example\n{lines}")
}

fn mode(place: &Workplace, file: &str, mode: u32) {
    fs::set_permissions(place.path(file), fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory with files of every kind, usable and not.
fn workplace() -> Workplace {
    let place = Workplace::new();
    for (file, text, bits) in [
        ("open", PASSWORD, 0o644),
        ("writable", PASSWORD, 0o622),
        ("empty", "\n", 0o600),
        ("docker.json", r#"{"auths":{"r.example":{"auth":"Og=="}}}"#, 0o600),
        ("helper.json", r#"{"credsStore":"not-installed"}"#, 0o600),
        ("program", "#!/bin/sh\n", 0o644),
        ("none.pem", "none", 0o600),
    ] {
        place.secret(file, text);
        mode(&place, file, bits);
    }
    let one = fake_registry::tls::KeyPair::new("one");
    let other = fake_registry::tls::KeyPair::new("other");
    for (file, text) in [("cert.pem", &one.certificate), ("key.pem", &one.key), ("other-key.pem", &other.key)] {
        place.secret(file, text);
    }
    place.secret("open-key.pem", &one.key);
    mode(&place, "open-key.pem", 0o644);
    place
}

/// What the program said, with paths relative to its directory.
fn said(place: &Workplace, stderr: &str) -> String {
    stderr.replace(&format!("{}/", place.path("").display().to_string().trim_end_matches('/')), "")
}

/// Lines of the registry, the place and the message that are reported, and a word of what to do.
const PROBLEMS: [(&str, &str, &str); 19] = [
    (
        "    auth: {username: u, password_file: nowhere}\n",
        "5:40: `password_file`: cannot read nowhere: there is no such file",
        "put the secret there",
    ),
    (
        "    auth: {username: u, password_file: open}\n",
        "5:40: `password_file`: the secret file open can be read by its group or by others (mode 0644)",
        "`chmod 600 open`",
    ),
    (
        "    auth: {username: u, password_file: writable}\n",
        "5:40: `password_file`: the secret file writable can be changed",
        "`chmod 600 writable`",
    ),
    (
        "    auth: {username: u, password_file: empty}\n",
        "5:40: `password_file`: the secret in empty is empty",
        "put the secret there",
    ),
    (
        "    auth: {type: bearer, token_file: tmp}\n",
        "5:38: `token_file`: tmp is not a regular file",
        "where the password is kept",
    ),
    (
        "    auth: {username: u, password_env: NOT_SET}\n",
        "5:39: `password_env`: the environment variable NOT_SET is not set",
        "set NOT_SET",
    ),
    (
        "    auth: {type: bearer, token_env: BLANK}\n",
        "5:37: `token_env`: the secret in $BLANK is empty",
        "put the secret there",
    ),
    ("    auth: {username: u, credential: other}\n", "5:37: `credential`: cannot read ", "put the secret there"),
    (
        "    auth: {username: u, password_command: [no-such-program]}\n",
        "5:43: `password_command`: there is no program `no-such-program` on the PATH",
        "run the program by hand",
    ),
    (
        "    auth: {username: u, password_command: [./program]}\n",
        "5:43: `password_command`: run `",
        "run the program by hand",
    ),
    (
        "    auth: {type: docker_config, file: docker.json}\n",
        "5:39: `file`: docker and podman have stored no credentials for r.example; looked at docker.json (its entry `r.example` has no login)",
        "`docker login r.example`",
    ),
    (
        "    auth: {type: docker_config, file: helper.json}\n",
        "5:39: `file`: there is no program `docker-credential-not-installed`",
        "by hand",
    ),
    (
        "    auth: docker_config\n",
        "5:5: `auth`: docker and podman have stored no credentials for r.example",
        "`podman login r.example`",
    ),
    (
        "    discovery: {type: quay, namespaces: [a], token_file: nowhere}\n",
        "5:58: `token_file`: cannot read nowhere",
        "put the secret there",
    ),
    ("    ca_file: none.pem\n", "5:14: `ca_file`: ", "ca_file"),
    (
        "    client_cert_file: cert.pem\n    client_key_file: open-key.pem\n",
        "6:22: `client_key_file`: ",
        "`allow_readable: true` beside `client_key_file`",
    ),
    (
        "    client_cert_file: cert.pem\n    client_key_file: other-key.pem\n",
        "5:23: `client_cert_file`: ",
        "issued for `client_key_file`",
    ),
    ("    client_cert_file: nowhere\n    client_key_file: key.pem\n", "5:23: `client_cert_file`: ", "client_cert_file"),
    (
        "web: {tls_server_config: {cert_file: cert.pem, key_file: open-key.pem}}\n",
        "5:58: `key_file`: the secret file open-key.pem can be read",
        "`allow_readable: true` beside `key_file`",
    ),
];

#[tokio::test]
async fn what_is_missing_on_this_machine_is_reported_at_its_place() {
    let place = workplace();
    fs::create_dir(place.path("credentials")).unwrap();
    let credentials = place.path("credentials").display().to_string();
    let environment = [("BLANK", ""), ("CREDENTIALS_DIRECTORY", credentials.as_str()), ("HOME", "/nonexistent")];
    for (lines, told, remedy) in PROBLEMS {
        place.configure(&yaml(lines));
        let ended = place.run_with(&environment, &["validate"]).await.exits(78);
        let text = said(&place, &ended.stderr);
        let (problem, help) = text.split_once("\n    ").unwrap_or_else(|| panic!("{lines}: {text}"));
        assert!(problem.starts_with(&format!("stocktake.yaml:{told}")), "{lines}: {}", ended.stderr);
        assert!(help.contains(remedy) && help.lines().count() == 1, "{lines}: {}", ended.stderr);
        assert!(!ended.stderr.contains("os error") && !ended.stderr.contains(PASSWORD), "{lines}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
        let ended = place.run_with(&environment, &["validate", "--syntax-only"]).await.exits(0);
        assert!(ended.stdout.ends_with("no problem\n"), "{lines}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn the_state_must_be_a_directory_that_can_be_made_and_written() {
    let place = workplace();
    for (state, told) in [
        ("empty", "stocktake.yaml:1:8: `state`: cannot write to empty: it is not a directory"),
        ("empty/state", "stocktake.yaml:1:8: `state`: cannot write to "),
    ] {
        place.configure(&format!("state: {state}\n{}", yaml("")));
        let ended = place.run(&["validate"]).await.exits(78);
        assert!(said(&place, &ended.stderr).starts_with(told), "{}", ended.stderr);
        assert!(ended.stderr.contains("\n    let the user of stocktake write there"), "{}", ended.stderr);
    }
    place.configure(&format!("state: new/state\n{}", yaml("")));
    place.run(&["validate"]).await.exits(0);
    assert!(!place.path("new").exists(), "nothing is made");
}

#[tokio::test]
async fn everything_is_reported_at_once_and_each_place_of_the_same_file() {
    let place = workplace();
    let login = "    auth: {username: u, password_file: nowhere}\n";
    let second = "  - name: other\n    url: https://other.example\n    auth: {username: u, password_file: nowhere}\n";
    let third = "  - {name: third, url: 'https://third.example', auth: docker_config}\n";
    place.configure(&format!("state: empty\n{}", yaml(&format!("{login}{second}{third}"))));
    let ended = place.run_with(&[("HOME", "/nonexistent")], &["validate"]).await.exits(78);
    let places: Vec<_> = ended.stderr.lines().filter_map(|line| line.strip_prefix("stocktake.yaml:")).collect();
    let begins = ["1:8: `state`", "6:40: `password_file`", "9:40: `password_file`", "10:49: `auth`"];
    assert_eq!(places.len(), begins.len(), "{}", ended.stderr);
    for (line, begin) in places.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line} begins with {begin}");
    }
}

#[tokio::test]
async fn a_credential_of_the_service_is_a_note_where_there_is_no_service() {
    let place = workplace();
    place.configure(&yaml("    auth: {username: u, credential: quay}\n"));
    let ended = place.run(&["validate"]).await.exits(0);
    ended.says("stocktake.yaml:5:37: note: `credential`: ").says("`LoadCredential=`");
}

#[tokio::test]
async fn what_can_be_used_is_no_problem_and_nothing_is_run() {
    let place = workplace();
    place.script("ran", "touch it-ran; echo password");
    let client = "    client_cert_file: cert.pem\n    client_key_file: open-key.pem\n    allow_readable: true\n";
    for lines in [
        "    auth: {username: u, password_file: password}\n",
        "    auth: {username: u, password_file: open, allow_readable: true}\n",
        "    auth: {username: u, password_env: SET}\n",
        "    auth: {username: u, password_command: [./ran]}\n",
        "    ca_file: cert.pem\n",
        client,
        "web: {tls_server_config: {cert_file: cert.pem, key_file: key.pem}}\n",
    ] {
        place.configure(&yaml(lines));
        let before = place.tree(".");
        place.run_with(&[("SET", "password")], &["validate"]).await.exits(0);
        assert_eq!(place.tree("."), before, "{lines}");
    }
}

#[tokio::test]
async fn check_writes_to_the_state_and_leaves_nothing() {
    let registry = fake_registry::FakeRegistry::start(fake_registry::Script::distribution_like(["a"])).await.unwrap();
    let place = workplace();
    let configured = |state: &str| {
        let sinks = "sinks: {out: {type: stdout}}\nregistries:\n";
        format!(
            "state: {state}\n{sinks}  - name: quay\n    url: {}\n    auth: {{username: acme+inventory, password_file: password}}\n",
            registry.url()
        )
    };
    place.configure(&configured("state"));
    let before = place.tree(".");
    let ended = place.run(&["check"]).await.exits(0);
    assert!(ended.stdout.contains("  ok       state "), "{}", ended.stdout);
    assert_eq!(place.tree("."), before);
    place.configure(&configured("empty"));
    let ended = place.run(&["check"]).await.exits(1);
    assert!(
        ended.stdout.contains("  failed   state ") && ended.stdout.contains("another directory"),
        "{}",
        ended.stdout
    );
}
