//! Files as docker, podman and the tools of cloud providers write them, and helper programs that behave like real ones.

mod usual_files;

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;
use crate::login::command::tests::Programs;
use crate::login::secret::Secret;

/// `u:p:w`, as docker writes it.
const AUTH: &str = "dTpwOnc=";

fn login(username: &str, password: &str) -> Credential {
    Credential::Login { username: username.to_owned(), password: Secret::new(password) }
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}

struct Home {
    directory: TempDir,
    programs: Programs,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // A directory that is closed to others would protect every file in it.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        Self { directory, programs: Programs::new() }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// Reads one file with this text.
    async fn look(&self, text: &str, registry: &str, namespace: Option<&str>) -> Result<StoredCredential, SecretError> {
        self.look_with_mode(text, registry, namespace, 0o600).await
    }

    async fn look_with_mode(
        &self,
        text: &str,
        registry: &str,
        namespace: Option<&str>,
        mode: u32,
    ) -> Result<StoredCredential, SecretError> {
        let file = self.path("config.json");
        write(&file, text, mode);
        let namespace = namespace.map(str::to_owned);
        let config =
            DockerConfig { file: Some(file), namespace, timeout: Duration::from_secs(30), allow_readable: false };
        config.find(&registry.parse().expect("a URL"), &self.programs.environment()).await
    }

    async fn found(&self, text: &str, registry: &str) -> Option<Credential> {
        match self.look(text, registry, None).await {
            Ok(stored) => Some(stored.credential),
            Err(SecretError::NotStored { .. }) => None,
            Err(error) => panic!("{text} {registry}: {error}"),
        }
    }
}

#[tokio::test]
async fn keys_are_hosts_in_every_form_that_docker_and_podman_write() {
    let place = Home::new();
    for (key, registry, fits) in [
        ("quay.io", "https://quay.io", true),
        ("quay.io", "https://quay.io/prefix", true),
        ("QUAY.io", "https://quay.io", true),
        ("https://quay.io", "https://quay.io", true),
        ("https://quay.io/v1/", "https://quay.io", true),
        ("https://quay.io/v2/", "https://quay.io", true),
        ("quay.io/v2", "https://quay.io", true),
        ("quay.io:443", "https://quay.io", true),
        ("r.example:5000", "https://r.example:5000", true),
        ("http://r.example:5000", "http://r.example:5000", true),
        ("[::1]:5000", "http://[::1]:5000", true),
        ("https://index.docker.io/v1/", "https://registry-1.docker.io", true),
        ("https://index.docker.io/v1/", "https://docker.io", true),
        ("docker.io", "https://index.docker.io", true),
        ("r.example", "https://r.example:5000", false),
        ("r.example:5000", "https://r.example", false),
        ("evil.quay.io", "https://quay.io", false),
        ("quay.io", "https://evil.quay.io", false),
        ("quay.io.evil.example", "https://quay.io", false),
        ("https://quay.io.evil.example/v1/", "https://quay.io", false),
        ("quay.io/my-org", "https://quay.io", false),
        ("", "https://quay.io", false),
    ] {
        let text = format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#);
        let found = place.found(&text, registry).await;
        assert_eq!(found, fits.then(|| login("u", "p:w")), "{key} for {registry}");
    }
}

#[tokio::test]
async fn the_longest_namespace_goes_before_the_host() {
    let place = Home::new();
    let text = r#"{"auths":{
        "quay.io": {"username":"host","password":"p"}, "https://quay.io/v1/": {"username":"old","password":"p"},
        "quay.io/my-org": {"username":"org","password":"p"}, "quay.io/my-org/app": {"username":"app","password":"p"}
    }}"#;
    for (namespace, username) in [
        (None, "host"),
        (Some("my-org"), "org"),
        (Some("my-org/other"), "org"),
        (Some("/my-org/app/"), "app"),
        (Some("my-organisation"), "host"),
        (Some("other"), "host"),
    ] {
        let stored = place.look(text, "https://quay.io", namespace).await.expect("stored");
        assert_eq!(stored.credential, login(username, "p"), "{namespace:?}");
    }
    let text = r#"{"auths":{"quay.io/my-org":{"username":"org","password":"hunter2"}}}"#;
    let error = place.look(text, "https://quay.io", None).await.expect_err("nothing for all of it");
    assert!(error.to_string().contains("as a whole, only for quay.io/my-org"), "{error}");
    assert!(error.remedy().contains("`namespace`") && !error.to_string().contains("hunter2"), "{}", error.remedy());
}

#[tokio::test]
async fn entries_hold_passwords_and_tokens_in_every_shape() {
    let (place, token) = (Home::new(), Secret::new("t"));
    for (entry, expected) in [
        (r#"{"auth":"dTpwOnc="}"#, Some(login("u", "p:w"))),
        (r#"{"auth":"dTpwOnc"}"#, Some(login("u", "p:w"))),
        (r#"{"auth":" dTpwOnc=\n"}"#, Some(login("u", "p:w"))),
        // `u:p\0\0`: docker trims what it has padded.
        (r#"{"auth":"dTpwAAA="}"#, Some(login("u", "p"))),
        // `acme+inventory:wörd`
        (r#"{"auth":"YWNtZStpbnZlbnRvcnk6d8O2cmQ="}"#, Some(login("acme+inventory", "wörd"))),
        (r#"{"username":"u","password":"p"}"#, Some(login("u", "p"))),
        (r#"{"username":"other","password":"other","auth":"dTpwOnc=","email":"a@b"}"#, Some(login("u", "p:w"))),
        (r#"{"auth":"dTpwOnc=","identitytoken":"t"}"#, Some(Credential::Identity(token.clone()))),
        // The entry that `az acr login` writes: `00000000-0000-0000-0000-000000000000:`, or with the token as its
        // password.
        (
            r#"{"auth":"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==","identitytoken":"t"}"#,
            Some(Credential::Identity(token.clone())),
        ),
        (
            r#"{"username":"00000000-0000-0000-0000-000000000000","password":"t"}"#,
            Some(Credential::Identity(token.clone())),
        ),
        (r#"{"identitytoken":"i","registrytoken":"t"}"#, Some(Credential::Bearer(token))),
        ("{}", None),
        ("null", None),
        (r#"{"auth":null,"username":"u"}"#, None),
        (r#"{"auth":"dTo="}"#, None),
    ] {
        let text = format!(r#"{{"auths":{{"quay.io":{entry}}},"HttpHeaders":{{"a":"b"}},"credHelpers":null}}"#);
        assert_eq!(place.found(&text, "https://quay.io").await, expected, "{entry}");
    }
}

#[tokio::test]
async fn broken_files_are_named_and_never_quoted() {
    let place = Home::new();
    for (text, expected) in [
        ("{\"auths\":{\"quay.io\":\n\"hunter2\"}}", "see line 2, column 9"),
        ("{\"auths\":\"hunter2\"}", "see line 1"),
        ("hunter2", "see line 1, column 1"),
        (r#"{"auths":{"quay.io":{"auth":"hunter2!"}}}"#, "the entry `quay.io` in "),
        (r#"{"auths":{"quay.io":{"auth":"OnA="}}}"#, "not `user:password`"),
        (r#"{"credsStore":"../hunter2"}"#, "is not a plain name"),
    ] {
        let error = place.look(text, "https://quay.io", None).await.expect_err("refused");
        let shown = format!("{error} {} {error:?}", error.remedy());
        assert!(shown.contains(expected) && shown.contains("config.json"), "{shown}");
        assert!(!shown.contains("hunter2") || text.contains("../"), "{shown}");
    }
}

#[tokio::test]
async fn a_file_that_others_can_read_is_refused_if_it_holds_what_we_take() {
    let place = Home::new();
    place.programs.add("docker-credential-keychain", r#"echo '{"Username":"u","Secret":"s"}'"#);
    let stored = format!(r#"{{"auths":{{"quay.io":{{"auth":"{AUTH}"}}}}}}"#);
    let error = place.look_with_mode(&stored, "https://quay.io", None, 0o644).await.expect_err("refused");
    assert!(matches!(error, SecretError::OpenToOthers { .. }), "{error}");
    let helper = r#"{"credsStore":"keychain","auths":{"quay.io":{}}}"#;
    assert!(place.look_with_mode(helper, "https://quay.io", None, 0o644).await.is_ok());
}

#[tokio::test]
async fn helpers_are_asked_as_docker_asks_them() {
    let place = Home::new();
    // Each returns as user name its own name, its argument and its input.
    for name in ["ecr-login", "gcloud", "desktop"] {
        let script =
            format!("printf '{{\"ServerURL\":\"\",\"Username\":\"%s\",\"Secret\":\"s\"}}' \"{name} $* $(cat)\"");
        place.programs.add(&format!("docker-credential-{name}"), &script);
    }
    let own = r#"{"credHelpers":{"1.dkr.ecr.eu-west-1.amazonaws.com":"ecr-login","gcr.io":"gcloud","off.example":"",
        "https://index.docker.io/v1/":"gcloud"},"credsStore":"desktop",
        "auths":{"off.example":{"username":"file","password":"s"},"quay.io":{}}}"#;
    for (registry, username) in [
        ("https://1.dkr.ecr.eu-west-1.amazonaws.com", "ecr-login get 1.dkr.ecr.eu-west-1.amazonaws.com"),
        ("https://gcr.io", "gcloud get gcr.io"),
        ("https://docker.io", "gcloud get https://index.docker.io/v1/"),
        ("https://quay.io", "desktop get quay.io"),
        ("http://r.example:5000", "desktop get r.example:5000"),
        ("https://off.example", "file"),
    ] {
        let found = place.found(own, registry).await;
        assert_eq!(found, Some(login(username, "s")), "{registry}");
    }
    let hub = place.found(r#"{"credsStore":"desktop"}"#, "https://registry-1.docker.io").await;
    assert_eq!(hub, Some(login("desktop get https://index.docker.io/v1/", "s")));
}

#[tokio::test]
async fn what_a_helper_answers_is_told_apart() {
    let place = Home::new();
    let text = format!(r#"{{"credsStore":"x","auths":{{"quay.io":{{"auth":"{AUTH}"}}}}}}"#);
    let kept = || Ok(login("u", "p:w"));
    for (script, expected) in [
        (r#"echo '{"Username":"<token>","Secret":"t"}'"#, Ok(Credential::Identity(Secret::new("t")))),
        (r#"echo '{"Username":"AWS","Secret":"s","More":1}'"#, Ok(login("AWS", "s"))),
        // The helper does not have it: the entry in the file is used.
        ("echo 'credentials not found in native keychain'; exit 1", kept()),
        (r#"echo '{"Username":"","Secret":""}'"#, kept()),
        ("echo 'hunter2: no such thing'; exit 1", Err("exit status: 1: `*** no such thing`")),
        ("echo 'error getting credentials' >&2; exit 2", Err("exit status: 2: `error getting credentials`")),
        (r#"echo '{"Username":"u","Secret":"hunter2"}'; exit 1"#, Err("exit status: 1")),
        (r#"echo '{"Username":"u","Secret":"hunter2"'"#, Err("did not print")),
        ("echo hunter2", Err("did not print")),
        ("", Err("did not print")),
    ] {
        place.programs.add("docker-credential-x", script);
        match (place.look(&text, "https://quay.io", None).await, expected) {
            (Ok(stored), Ok(expected)) => assert_eq!(stored.credential, expected, "{script}"),
            (Err(error), Err(expected)) => {
                let shown = format!("{error} {} {error:?}", error.remedy());
                assert!(shown.contains(expected) && shown.contains("docker-credential-x"), "{shown}");
                assert!(!shown.contains("hunter2"), "{shown}");
            }
            (read, expected) => panic!("{script}: {read:?}, not {expected:?}"),
        }
    }
    let missing = r#"{"credsStore":"not-installed"}"#;
    let error = place.look(missing, "https://quay.io", None).await.expect_err("no such helper");
    assert_eq!(error.to_string(), "there is no program `docker-credential-not-installed` on the PATH");
}

#[tokio::test]
async fn what_go_reads_is_read() {
    let place = Home::new();
    let login = || Some(login("u", "p:w"));
    for (text, expected) in [
        // Names in any case, and what comes last.
        (format!(r#"{{"Auths":{{"quay.io":{{"AUTH":"{AUTH}"}}}}}}"#), login()),
        (format!(r#"{{"auths":{{"quay.io":{{"auth":"b3RoZXI6cA==","Auth":"{AUTH}"}}}}}}"#), login()),
        (format!(r#"{{"auths":{{"quay.io":{{"auth":"b3RoZXI6cA=="}},"quay.io":{{"auth":"{AUTH}"}}}}}}"#), login()),
        (format!(r#"{{"auths":{{"quay.io":{{"auth":"{AUTH}"}}}},"AUTHS":{{"other.example":{{}}}}}}"#), login()),
        (format!(r#"{{"auths":{{"quay.io":{{"auth":"{AUTH}","auth":null}}}},"auths":null}}"#), login()),
        // Line breaks within base64, bits behind its last byte, padding or none.
        (r#"{"auths":{"quay.io":{"auth":"dTpw\nOnc=\r\n"}}}"#.to_owned(), login()),
        (r#"{"auths":{"quay.io":{"auth":"dTpwOnd"}}}"#.to_owned(), login()),
        (r#"{"auths":{"quay.io":{"auth":"dTpwOnd="}}}"#.to_owned(), login()),
        // Windows' line ends, a byte order mark, blanks and more behind the object.
        (format!("\u{feff}{{\r\n\"auths\": {{\"quay.io\": {{\"auth\": \"{AUTH}\"}}}}\r\n}}\r\n\n"), login()),
        (format!(r#"{{"auths":{{"quay.io":{{"auth":"{AUTH}"}}}}}} {{"auths":"#), login()),
        // Half of a surrogate pair, where it is not used and where it is.
        (
            format!(
                r#"{{"detachKeys":"\ud83d","auths":{{"\udce9":{{}},"quay.io":{{"auth":"{AUTH}","email":"\ud83d"}}}}}}"#
            ),
            login(),
        ),
        // Without a login.
        (r#"{"auths":{"quay.io":{"auth":"Og=="}}}"#.to_owned(), None),
        (r#"{"auths":{"quay.io":{"auth":""}}}"#.to_owned(), None),
        (r#"{"auths":{"quay.io":{"auth":"\n"}}}"#.to_owned(), None),
        ("null".to_owned(), None),
        (String::new(), None),
        (" \r\n".to_owned(), None),
    ] {
        assert_eq!(place.found(&text, "https://quay.io").await, expected, "{text:?}");
    }
    let latin1 =
        [br#"{"HttpHeaders":{"a":""#.as_slice(), b"\xe9", br#""},"auths":{"quay.io":{"auth":"dTpwOnc="}}}"#].concat();
    let file = place.path("latin1.json");
    write(&file, "", 0o600);
    std::fs::write(&file, latin1).expect("written");
    let config = DockerConfig { file: Some(file), ..DockerConfig::default() };
    let registry = "https://quay.io".parse().expect("a URL");
    assert_eq!(Some(config.find(&registry, &|_: &str| None).await.expect("stored").credential), login());
}

#[tokio::test]
async fn the_file_of_old_docker_has_the_entries_alone() {
    let place = Home::new();
    let file = place.path(".dockercfg");
    write(&file, &format!(r#"{{"https://quay.io/v1/":{{"auth":"{AUTH}","email":"a@b"}}}}"#), 0o600);
    let config = DockerConfig { file: Some(file), ..DockerConfig::default() };
    let registry = "https://quay.io".parse().expect("a URL");
    assert_eq!(config.find(&registry, &|_: &str| None).await.expect("stored").credential, login("u", "p:w"));
}
