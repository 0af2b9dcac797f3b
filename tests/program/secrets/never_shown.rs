//! No password and no token in anything that the program prints or writes, at its most talkative, whatever a server does
//! with what it was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_registry::{
    Authorization, FakeAccess, FakeEndpoint, FakeRegistry, Grants, Misbehaviour, Script, SeenRequest, TokenMethod,
    USERNAME,
};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::support::inventory::last_run;
use crate::support::program::{Workplace, one_registry};

/// Letters and digits look the same in JSON, in URLs, in forms and in `Debug`.
const CORE: &str = "c4n4ry7Qx9Zk";
const FIXED: &str = "eyJhbGciOiJub25lIn0.fixedC4n4ryToken.c2lnbmF0dXJl";

fn password() -> String {
    format!("p:/{CORE}%2B+wörd\"\\")
}

/// What the core looks like within base64, wherever in the encoded text it stands; both alphabets agree on it.
fn in_base64() -> [String; 3] {
    [0, 1, 2].map(|before: usize| {
        let text = STANDARD.encode("x".repeat(before) + CORE);
        let (start, end) = ((before * 8).div_ceil(6), (before + CORE.len()) * 8 / 6);
        text[start..end].to_owned()
    })
}

#[test]
fn the_canary_is_found_in_every_base64() {
    for text in [password(), format!("{USERNAME}:{}", password()), format!("x{}", password())] {
        let encoded = STANDARD.encode(text);
        assert!(in_base64().iter().any(|canary| encoded.contains(canary)), "{encoded}");
    }
}

/// How the program logs in.
#[derive(Clone, Copy, Debug)]
enum LoginMethod {
    Token,
    Basic,
    Bearer,
    /// An identity token, which goes into a form.
    Identity,
    /// A program that prints the password, and says it on standard error as well.
    Command,
    /// The same, and then it fails.
    Failing,
    /// What docker has stored in its file.
    Docker,
    /// What docker has stored in a credential helper, which is as talkative.
    Helper,
}

/// Where the password is kept.
const KEPT: [&str; 3] = ["password", "docker.json", "answer.json"];

impl LoginMethod {
    fn lines(self) -> String {
        match self {
            Self::Token => format!("    auth: {{username: {USERNAME}, password_env: CANARY}}\n"),
            Self::Basic => format!("    auth: {{type: basic, username: {USERNAME}, password_file: password}}\n"),
            Self::Bearer => "    auth: {type: bearer, token_env: FIXED}\n".to_owned(),
            Self::Identity => "    auth: {type: identity_token, token_file: password}\n".to_owned(),
            Self::Command => format!("    auth: {{type: basic, username: {USERNAME}, password_command: ./print}}\n"),
            Self::Failing => format!("    auth: {{username: {USERNAME}, password_command: [./print, and, fail]}}\n"),
            Self::Docker => "    auth: {type: docker_config, file: docker.json}\n".to_owned(),
            Self::Helper => "    auth: {type: docker_config, file: helper.json}\n".to_owned(),
        }
    }

    /// Everything that any of them needs.
    fn furnish(place: &Workplace, registry: &Url) {
        place.secret("password", &password());
        place.script("print", "cat password; cat password >&2; exit $#");
        let host = format!("127.0.0.1:{}", registry.port().unwrap());
        let auth = STANDARD.encode(format!("{USERNAME}:{}", password()));
        place.secret("docker.json", &json!({"auths": {host: {"auth": auth}}}).to_string());
        place.secret("helper.json", r#"{"credsStore":"talkative"}"#);
        place.secret("answer.json", &json!({"Username": USERNAME, "Secret": password()}).to_string());
        place.script("bin/docker-credential-talkative", "cat answer.json; cat answer.json password >&2");
    }
}

/// Runs against a registry, and looks for every secret in everything there is to see.
async fn keeps_its_secrets(case: &str, script: Script, login: LoginMethod, code: i32) {
    let registry = FakeRegistry::start(script).await.unwrap();
    for format in ["text", "json"] {
        let console = "  feed: {type: json, url: ./feed}\n  console: {type: stdout, format: jsonl}\nregistries:";
        let place = Workplace::with(&one_registry(&registry.url(), &login.lines()).replace("registries:", console));
        LoginMethod::furnish(&place, &registry.url());
        let environment = [
            ("CANARY", password()),
            ("FIXED", FIXED.to_owned()),
            ("RUST_LOG", "trace".to_owned()),
            ("PATH", place.path_with("bin")),
        ];
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ended = place.run_with(&environment, &["run", "--log-format", format]).await;
        assert_eq!(ended.code, Some(code), "{case}: {}", ended.stderr);
        assert!(ended.stderr.contains("TRACE"), "the log was as talkative as it gets");

        let mut seen = vec![("stdout".to_owned(), ended.stdout), ("stderr".to_owned(), ended.stderr)];
        let checked = place.run_with(&environment, &["check", "--trace", "--format", format]).await;
        assert!(checked.stdout.contains("quay"), "{case}: {}", checked.stderr);
        seen.extend([("check's stdout".to_owned(), checked.stdout), ("check's stderr".to_owned(), checked.stderr)]);
        // Objects are compressed; the one table that holds more than names is read.
        seen.push(("runs".to_owned(), format!("{:?}", last_run(&place.path("inventory"), "quay"))));
        let files = place.tree(".").into_iter().filter(|(name, _)| !KEPT.contains(&name.as_str()));
        seen.extend(files.map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned())));

        let mut secrets: Vec<_> = in_base64().into_iter().chain([CORE.to_owned(), FIXED.to_owned()]).collect();
        secrets.extend(registry.requests().iter().filter_map(sent));
        for (place, text) in &seen {
            for secret in &secrets {
                assert!(!text.contains(secret), "{case}: {secret} in {place}:\n{text}");
            }
        }
    }
}

/// The credentials of a request, as they went over the wire.
fn sent(seen: &SeenRequest) -> Option<String> {
    seen.header("authorization")?.split_once(' ').map(|(_, credentials)| credentials.to_owned())
}

fn mine(mut script: Script) -> Script {
    if let FakeAccess::Basic { password: expected, .. } = &mut script.access {
        *expected = password();
    }
    script.with_token(|token| token.password = password())
}

/// Answers everything authorized at one endpoint with this status, and with all that it was sent, in all forms.
fn echo(script: Script, endpoint: FakeEndpoint, status: u16) -> Script {
    mine(script).with_faults(move |seen, _| {
        (seen.endpoint == endpoint && seen.authorization != Authorization::None).then(|| {
            let mut told = vec![sent(seen).unwrap_or_default()];
            if seen.authorization == Authorization::Basic {
                told.extend([password(), form_urlencoded::byte_serialize(password().as_bytes()).collect()]);
            }
            let body = json!({"errors": [{"code": "X", "message": told.join(" ")}]}).to_string();
            Misbehaviour::status(status).body(body)
        })
    })
}

#[tokio::test]
async fn where_all_goes_well() {
    keeps_its_secrets("quay", mine(Script::quay_like(["a"])), LoginMethod::Token, 0).await;
    let post = Script::distribution_like(["a"]).with_token(|token| token.method = TokenMethod::PostOnly);
    keeps_its_secrets("a token by POST", mine(post), LoginMethod::Token, 0).await;
    keeps_its_secrets("basic", mine(Script::basic(["a"])), LoginMethod::Basic, 0).await;
    keeps_its_secrets("bearer", Script::open(["a"]), LoginMethod::Bearer, 0).await;
}

#[tokio::test]
async fn where_credentials_come_from_programs_and_from_docker() {
    let identity = || Script::distribution_like(["a"]).with_token(|token| token.method = TokenMethod::PostOnly);
    keeps_its_secrets("an identity token", mine(identity()), LoginMethod::Identity, 0).await;
    keeps_its_secrets("an identity token refused", identity(), LoginMethod::Identity, 4).await;
    keeps_its_secrets("a command", mine(Script::basic(["a"])), LoginMethod::Command, 0).await;
    keeps_its_secrets("a command's password refused", Script::basic(["a"]), LoginMethod::Command, 4).await;
    keeps_its_secrets("a command that fails", mine(Script::quay_like(["a"])), LoginMethod::Failing, 4).await;
    for login in [LoginMethod::Docker, LoginMethod::Helper] {
        keeps_its_secrets(&format!("{login:?}"), mine(Script::quay_like(["a"])), login, 0).await;
        keeps_its_secrets(&format!("{login:?}, refused"), Script::quay_like(["a"]), login, 4).await;
    }
}

#[tokio::test]
async fn where_the_token_endpoint_says_which_identity_token_it_was_sent() {
    for (status, code) in [(400, 4), (401, 4), (403, 4), (501, 1)] {
        let script = Script::distribution_like(["a"]).with_token(|token| token.method = TokenMethod::PostOnly);
        let script = mine(script).with_faults(move |seen, _| {
            let encoded: String = form_urlencoded::byte_serialize(password().as_bytes()).collect();
            let told = format!("refresh_token={encoded} is {}", password());
            (seen.endpoint == FakeEndpoint::Token).then(|| {
                Misbehaviour::status(status).body(json!({"error": "X", "error_description": told}).to_string())
            })
        });
        keeps_its_secrets(&format!("echo of a grant, {status}"), script, LoginMethod::Identity, code).await;
    }
}

#[tokio::test]
async fn where_the_registry_refuses() {
    keeps_its_secrets("a wrong password", Script::quay_like(["a"]), LoginMethod::Token, 4).await;
    keeps_its_secrets("a wrong password by Basic", Script::basic(["a"]), LoginMethod::Basic, 4).await;
    keeps_its_secrets("a wrong token", Script::quay_like(["a"]), LoginMethod::Bearer, 4).await;
    let denied = Script::distribution_like(["a"]).with_token(|token| token.grants = Grants::Nothing);
    keeps_its_secrets("denied", mine(denied), LoginMethod::Token, 4).await;
}

#[tokio::test]
async fn where_the_realm_is_hostile() {
    for realm in
        ["http://evil.example/token", "http://127.0.0.2:1/token", "file:///etc/passwd", "http://u:p@evil.example/"]
    {
        let script = mine(Script::quay_like(["a"])).with_token(|token| token.realm = Some(realm.to_owned()));
        keeps_its_secrets(realm, script, LoginMethod::Token, 1).await;
    }
}

#[tokio::test]
async fn where_the_token_endpoint_says_what_it_was_sent() {
    for (status, code) in [(400, 4), (401, 4), (403, 4), (501, 1), (418, 1)] {
        keeps_its_secrets(
            "echo of a token request",
            echo(Script::quay_like(["a"]), FakeEndpoint::Token, status),
            LoginMethod::Token,
            code,
        )
        .await;
    }
    let post = Script::quay_like(["a"]).with_token(|token| token.method = TokenMethod::PostOnly);
    let post = mine(post).with_faults(|seen, _| {
        let encoded: String = form_urlencoded::byte_serialize(password().as_bytes()).collect();
        (seen.method == "POST")
            .then(|| Misbehaviour::status(400).body(format!("bad form: username=u&password={encoded}")))
    });
    keeps_its_secrets("echo of a form", post, LoginMethod::Token, 4).await;
}

#[tokio::test]
async fn where_the_catalog_says_what_it_was_sent() {
    for (status, code) in [(400, 1), (401, 4), (403, 4), (404, 1), (501, 1)] {
        for (script, login) in [
            (Script::quay_like(["a"]), LoginMethod::Token),
            (Script::basic(["a"]), LoginMethod::Basic),
            (Script::open(["a"]), LoginMethod::Bearer),
        ] {
            let case = format!("echo of a catalog request, {status}, {login:?}");
            keeps_its_secrets(&case, echo(script, FakeEndpoint::Catalog, status), login, code).await;
        }
    }
}

#[tokio::test]
async fn where_the_catalog_lists_what_it_was_sent() {
    for (script, login) in [
        (Script::quay_like(["a"]), LoginMethod::Token),
        (Script::basic(["a"]), LoginMethod::Basic),
        (Script::open(["a"]), LoginMethod::Bearer),
    ] {
        // The token endpoint has told the catalog which password it was sent.
        let known = if matches!(login, LoginMethod::Bearer) { FIXED.to_owned() } else { password() };
        let script = mine(script).with_faults(move |seen, _| {
            let told = sent(seen).filter(|_| seen.endpoint == FakeEndpoint::Catalog)?;
            let names = ["a".to_owned(), told.clone(), format!("a/{told}"), known.clone(), "Plain".to_owned()];
            Some(Misbehaviour::status(200).body(json!({"repositories": names}).to_string()))
        });
        keeps_its_secrets(&format!("names, {login:?}"), script, login, 3).await;
    }
}

#[tokio::test]
async fn where_a_challenge_repeats_what_was_sent() {
    for challenge in ["Bearer realm=\"/token\",scope=\"X\"", "Bearer realm=\"http://X.example/\",service=\"X\""] {
        for status in [401, 403] {
            let script = mine(Script::quay_like(["a"])).with_faults(move |seen, _| {
                let told = sent(seen).filter(|_| seen.endpoint == FakeEndpoint::Catalog)?;
                Some(Misbehaviour::status(status).header("www-authenticate", &challenge.replace('X', &told)))
            });
            keeps_its_secrets(&format!("{status} {challenge}"), script, LoginMethod::Token, 4).await;
        }
    }
}

#[tokio::test]
async fn where_the_ping_says_what_it_was_sent() {
    for (status, code) in [(400, 1), (401, 4), (404, 1), (501, 1)] {
        for (script, login) in [(Script::basic(["a"]), LoginMethod::Basic), (Script::open(["a"]), LoginMethod::Bearer)]
        {
            let case = format!("echo of a ping, {status}, {login:?}");
            keeps_its_secrets(&case, echo(script, FakeEndpoint::Ping, status), login, code).await;
        }
    }
}

#[tokio::test]
async fn where_a_redirect_carries_what_was_sent() {
    for endpoint in [FakeEndpoint::Token, FakeEndpoint::Catalog] {
        let script = mine(Script::quay_like(["a"])).with_faults(move |seen, _| {
            let sent = sent(seen).filter(|_| seen.endpoint == endpoint)?;
            Some(Misbehaviour::status(302).header("location", &format!("http://evil.example/?sent={sent}")))
        });
        keeps_its_secrets("a redirect", script, LoginMethod::Token, 1).await;
    }
}
