//! When credentials are read, and how often a program runs.

use super::*;
use crate::login::auth::PasswordLogin;
use crate::login::command::SecretCommand;
use crate::login::command::tests::Programs;
use crate::login::docker_config::DockerConfig;
use crate::problem::secret::SecretError;

/// A program that prints `secret1`, `secret2` and so on, a new one each `every` runs.
struct Counting(Programs);

impl Counting {
    fn new(name: &str, every: u32, print: &str) -> Self {
        let programs = Programs::new();
        let count = programs.path("runs").display().to_string();
        programs.add(
            name,
            &format!("echo >> {count}; n=$(wc -l < {count}); secret=secret$(( (n + {every} - 1) / {every} )); {print}"),
        );
        Self(programs)
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.0.path("runs")).map_or(0, |lines| lines.lines().count())
    }

    fn credentials(&self, auth: Auth) -> Credentials {
        Credentials::within(auth, "https://r.example".parse().expect("a URL"), self.0.environment())
    }
}

fn command(lifetime: Option<Duration>) -> SecretSource {
    let mut command = SecretCommand::new("program", Vec::new());
    (command.lifetime, command.timeout) = (lifetime, Duration::from_secs(30));
    SecretSource::Command(command)
}

fn login(password: SecretSource) -> PasswordLogin {
    PasswordLogin { username: "AWS".into(), password }
}

fn secret(read: Option<Credential>) -> Option<String> {
    read.map(|credential| match credential {
        Credential::Login { password, .. } => password.expose().to_owned(),
        Credential::Identity(token) | Credential::Bearer(token) => token.expose().to_owned(),
    })
}

#[tokio::test]
async fn a_command_runs_once_until_what_it_printed_is_refused_and_then_once_more() {
    let program = Counting::new("program", 1, "echo $secret");
    let credentials = program.credentials(Auth::Basic(login(command(None))));
    for _ in 0..3 {
        assert_eq!(credentials.begin().await.expect("a kind"), LoginKind::Basic);
        credentials.authorization().await.expect("a header");
    }
    assert_eq!(program.runs(), 1);
    let (first, begun) = (credentials.login().await.expect("read").expect("a login"), Instant::now());
    let renewed = credentials.renewed(&first, begun, StatusCode::UNAUTHORIZED).await.expect("read");
    assert_eq!(secret(renewed), Some("secret2".into()));
    // Another request that was refused with the same credential gets the new one.
    let late = credentials.renewed(&first, begun, StatusCode::UNAUTHORIZED).await.expect("read");
    assert_eq!((secret(late), program.runs()), (Some("secret2".into()), 2));
    // The credential was read for the refused request, so reading it again would give the same.
    let second = credentials.login().await.expect("read").expect("a login");
    assert_eq!(credentials.renewed(&second, begun, StatusCode::UNAUTHORIZED).await.expect("read"), None);
    // 403 may only mean that this repository may not be read.
    assert_eq!(credentials.renewed(&second, Instant::now(), StatusCode::FORBIDDEN).await.expect("read"), None);
    assert_eq!(program.runs(), 2);
}

#[tokio::test]
async fn a_command_that_says_the_same_again_has_nothing_else_to_say() {
    let program = Counting::new("program", 100, "echo $secret");
    let credentials = program.credentials(Auth::Token(Some(login(command(None)))));
    let first = credentials.login().await.expect("read").expect("a login");
    let renewed = credentials.renewed(&first, Instant::now(), StatusCode::UNAUTHORIZED).await.expect("read");
    assert_eq!((renewed, program.runs()), (None, 2));
}

#[tokio::test]
async fn a_command_runs_again_when_its_output_has_reached_its_age() {
    let program = Counting::new("program", 1, "echo $secret");
    let credentials = program.credentials(Auth::Bearer(command(Some(Duration::from_nanos(1)))));
    assert_eq!(secret(credentials.login().await.expect("read")), Some("secret1".into()));
    let header = credentials.authorization().await.expect("a header");
    assert_eq!(header.to_str().expect("ASCII"), "Bearer secret2");
}

#[tokio::test]
async fn logins_at_once_run_a_command_once() {
    let program = Counting::new("program", 1, "echo $secret");
    let credentials = program.credentials(Auth::Token(Some(login(command(None)))));
    let all = futures::future::join_all((0..10).map(|_| credentials.login())).await;
    assert!(all.into_iter().all(|read| secret(read.expect("read")).as_deref() == Some("secret1")));
    assert_eq!(program.runs(), 1);
}

#[tokio::test]
async fn a_helper_is_asked_once_and_again_after_a_refusal() {
    let print = r#"printf '{"Username":"u","Secret":"%s"}' $secret"#;
    let program = Counting::new("docker-credential-x", 1, print);
    let file = program.0.path("config.json");
    std::fs::write(&file, r#"{"credsStore":"x"}"#).expect("written");
    let config = DockerConfig { file: Some(file), ..DockerConfig::default() };
    let credentials = program.credentials(Auth::Docker(config));
    for _ in 0..3 {
        assert_eq!(credentials.begin().await.expect("a kind"), LoginKind::Login);
        credentials.login().await.expect("read");
    }
    assert_eq!(program.runs(), 1);
    let first = credentials.login().await.expect("read").expect("a login");
    let renewed = credentials.renewed(&first, Instant::now(), StatusCode::UNAUTHORIZED).await.expect("read");
    assert_eq!(secret(renewed), Some("secret2".into()));
}

#[tokio::test]
async fn a_file_is_read_anew_at_every_login_and_once_after_a_refusal() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let write = |text: &str| std::fs::write(file.path(), text).expect("written");
    let source = SecretSource::File(file.path().to_owned());
    let url = "https://r.example".parse().expect("a URL");
    let credentials = Credentials::within(Auth::Bearer(source), url, |_: &str| None);
    let header = async || credentials.authorization().await.expect("a header").to_str().expect("ASCII").to_owned();
    write("one");
    assert_eq!(header().await, "Bearer one");
    write("two");
    assert_eq!(header().await, "Bearer one", "pages of one login do not read it again");
    let old = credentials.authorization().await.expect("a header");
    assert!(credentials.is_renewed(&old, Instant::now(), StatusCode::UNAUTHORIZED).await.expect("read"));
    assert_eq!(header().await, "Bearer two");
    let old = credentials.authorization().await.expect("a header");
    assert!(!credentials.is_renewed(&old, Instant::now(), StatusCode::UNAUTHORIZED).await.expect("read"));
    write("three");
    credentials.begin().await.expect("a kind");
    assert_eq!(header().await, "Bearer three");
}

#[tokio::test]
async fn a_replaced_identity_token_is_used_until_its_file_changes_or_it_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let write = |text: &str| std::fs::write(file.path(), text).expect("written");
    let source = SecretSource::File(file.path().to_owned());
    let url: Url = "https://r.example".parse().expect("a URL");
    let credentials = Credentials::within(Auth::Identity(source), url, |_: &str| None);
    let now = async || credentials.login().await.expect("read").expect("a token");
    write("stored");
    credentials.replace(&now().await, Secret::new("next")).await;
    assert_eq!(now().await, Credential::Identity(Secret::new("next")));
    // The identity token was refused; the stored one may still be valid.
    let renewed = credentials.renewed(&now().await, Instant::now(), StatusCode::UNAUTHORIZED).await.expect("read");
    assert_eq!(secret(renewed), Some("stored".into()));
    credentials.replace(&now().await, Secret::new("next")).await;
    write("rotated");
    assert_eq!(now().await, Credential::Identity(Secret::new("rotated")));
}

#[tokio::test]
async fn an_identity_token_is_never_sent_to_the_registry_itself() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "t").expect("written");
    let url = "https://r.example".parse().expect("a URL");
    let source = SecretSource::File(file.path().to_owned());
    let azure = PasswordLogin { username: AZURE.into(), password: source.clone() };
    let credentials = Credentials::within(Auth::Token(Some(azure)), url, |_: &str| None);
    assert_eq!(credentials.begin().await.expect("a kind"), LoginKind::Identity);
    assert!(matches!(credentials.authorization().await, Err(Problem::Secret(SecretError::IdentityAlone))));
}
