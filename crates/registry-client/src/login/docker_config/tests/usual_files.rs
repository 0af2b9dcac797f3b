//! Which of the usual files is used, and what is told of the others.

use std::ffi::OsString;

use super::*;

/// The files that an environment names, in order, with the variable that names each.
struct UsualFiles {
    place: Home,
    order: Vec<(&'static str, PathBuf)>,
}

impl UsualFiles {
    fn new() -> Self {
        let place = Home::new();
        let order = vec![
            ("REGISTRY_AUTH_FILE", place.path("auth.json")),
            ("DOCKER_CONFIG", place.path("docker/config.json")),
            ("XDG_RUNTIME_DIR", place.path("run/containers/auth.json")),
            ("XDG_CONFIG_HOME", place.path("config/containers/auth.json")),
            ("HOME", place.path("home/.dockercfg")),
        ];
        Self { place, order }
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        let value = match name {
            "REGISTRY_AUTH_FILE" => "auth.json",
            "DOCKER_CONFIG" => "docker",
            "XDG_RUNTIME_DIR" => "run",
            "XDG_CONFIG_HOME" => "config",
            "HOME" => "home",
            "PATH" => "bin",
            _ => return None,
        };
        Some(self.place.path(value).into_os_string())
    }

    async fn find(&self) -> Result<Credential, SecretError> {
        let variables: Vec<_> =
            ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME", "PATH"]
                .map(|name| (name, self.variable(name)))
                .into();
        let environment = move |name: &str| variables.iter().find(|(known, _)| *known == name)?.1.clone();
        let registry = "https://quay.io".parse().expect("a URL");
        DockerConfig::default().find(&registry, &environment).await.map(|stored| stored.credential)
    }
}

#[tokio::test]
async fn the_usual_files_are_looked_at_in_podmans_order_and_named_when_they_have_nothing() {
    let files = UsualFiles::new();
    let error = files.find().await.expect_err("nothing there");
    for (_, file) in &files.order {
        assert!(error.to_string().contains(&format!("{} (there is no such file)", file.display())), "{error}");
    }
    assert!(error.remedy().contains("`docker login quay.io` or `podman login quay.io`"), "{}", error.remedy());
    // From the last file to the first: a file with an entry comes before later files.
    for (name, file) in files.order.iter().rev() {
        let entry = format!(r#"{{"quay.io":{{"username":"{name}","password":"p"}}}}"#);
        let text = if is_legacy(file) { entry } else { format!(r#"{{"auths":{entry}}}"#) };
        write(file, &text, 0o600);
        assert_eq!(files.find().await.expect("stored"), login(name, "p"));
    }
    write(&files.order[0].1, "{", 0o600);
    assert!(files.find().await.is_err(), "a broken file is not passed over");
}

#[tokio::test]
async fn a_file_without_credentials_hides_no_file_after_it() {
    let files = UsualFiles::new();
    let first = &files.order[0].1;
    write(&files.order[2].1, &format!(r#"{{"auths":{{"quay.io":{{"auth":"{AUTH}"}}}}}}"#), 0o600);
    files.place.programs.add("docker-credential-none", "echo 'credentials not found in native keychain'; exit 1");
    for (text, lack) in [
        ("", "it is empty"),
        ("\n", "it is empty"),
        ("{}", "it has no entry for this registry"),
        ("null", "it has no entry for this registry"),
        (r#"{"auths":{"other.example":{"auth":"dTpwOnc="}}}"#, "it has no entry for this registry"),
        (r#"{"auths":{"quay.io":{"auth":"Og=="}}}"#, "its entry `quay.io` has no login"),
        (r#"{"auths":{"quay.io":{"auth":""}}}"#, "its entry `quay.io` has no login"),
        (r#"{"auths":{"quay.io":{}}}"#, "its entry `quay.io` has no login"),
        (r#"{"auths":{"quay.io":null}}"#, "its entry `quay.io` has no login"),
        (
            r#"{"auths":{"quay.io":{}},"credsStore":"desktop"}"#,
            "it names `docker-credential-desktop`, which is not on the PATH",
        ),
    ] {
        write(first, text, 0o600);
        assert_eq!(files.find().await.expect(text), login("u", "p:w"), "{text}");
        std::fs::rename(&files.order[2].1, files.place.path("aside")).expect("moved");
        let error = files.find().await.expect_err("none").to_string();
        std::fs::rename(files.place.path("aside"), &files.order[2].1).expect("moved back");
        assert!(error.contains(&format!("{} ({lack})", first.display())), "{text}: {error}");
    }
    let asked = r#"{"auths":{"quay.io":{}},"credsStore":"none"}"#;
    let error = files.place.look(asked, "https://quay.io", None).await.expect_err("none").to_string();
    assert!(error.contains("(`docker-credential-none` has no login for it)"), "{error}");
}

#[test]
fn without_a_runtime_directory_podman_keeps_logins_below_run_containers() {
    let user = rustix::process::getuid().as_raw();
    let of_user = PathBuf::from(format!("/run/containers/{user}/auth.json"));
    assert_eq!(usual_files(&|_: &str| None), std::slice::from_ref(&of_user));
    let empty = |name: &str| (name == "XDG_RUNTIME_DIR").then(OsString::new);
    assert_eq!(usual_files(&empty), std::slice::from_ref(&of_user));
    let at_home = |name: &str| (name == "HOME").then(|| OsString::from("/home/u"));
    let expected = [
        of_user,
        "/home/u/.config/containers/auth.json".into(),
        "/home/u/.docker/config.json".into(),
        "/home/u/.dockercfg".into(),
    ];
    assert_eq!(usual_files(&at_home), expected);
}
