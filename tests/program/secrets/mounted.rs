//! Secret files as containers mount them: real mounts, owners, groups and modes, read by a user without rights. Only
//! root can make them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_registry::{FakeRegistry, PASSWORD, Script, USERNAME};
use serde_json::json;

use crate::support::program::{Finished, Workplace, one_registry};

/// `..data` leads to the directory of the files, as in a volume of Kubernetes.
const VOLUME: &str = "mkdir secret/..2026 && ln -s ..2026 secret/..data && cp password config.json secret/..2026/";
/// A pod that does not run as root, with `fsGroup: 2000`.
const POD: &str = "--reuid 100650 --regid 0 --groups 2000";
const AS_ROOT: &str = "--reuid 0 --regid 0 --clear-groups";

#[allow(clippy::print_stderr)] // says what was not checked
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("NOT CHECKED: only root can mount files with other owners");
    }
    root
}

struct Pod {
    registry: FakeRegistry,
}

impl Pod {
    async fn new() -> Self {
        Self { registry: FakeRegistry::start(Script::distribution_like(["a"])).await.unwrap() }
    }

    /// Runs with this `auth`, after these commands have made `secret/` in a mount namespace of their own.
    async fn run(&self, auth: &str, commands: &str, user: &str) -> Finished {
        let place = Workplace::with(&one_registry(&self.registry.url(), &format!("    auth: {auth}\n")));
        let host = format!("127.0.0.1:{}", self.registry.url().port().unwrap());
        let auth = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
        place.secret("config.json", &json!({"auths": {host: {"auth": auth}}}).to_string());
        // The binary is mounted too: the user may not pass the directories above it.
        let script = format!(
            "set -e; umask 022; chmod 755 .; mkdir secret work; chmod 777 work; : > stocktake; \
             mount --bind \"$1\" stocktake; shift; {commands}; sed -i 's|\\./inventory|./work/inventory|; 1i state: ./work/state' stocktake.yaml; \
             exec setpriv {user} ./stocktake \"$@\""
        );
        let by = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &script, "sh"];
        place.start_within(&by, &[], &["run"]).end().await
    }
}

const PASSWORD_FILE: &str = "{username: acme+inventory, password_file: secret/..data/password}";
const DOCKER_CONFIG: &str = "{type: docker_config, file: secret/..data/config.json}";

#[tokio::test]
async fn secrets_are_accepted_as_containers_mount_them() {
    if !is_root() {
        return;
    }
    let pod = Pod::new().await;
    let kubernetes = format!("{VOLUME}; chown 0:2000 secret/..2026/*; chmod 440 secret/..2026/*");
    let in_memory = "mount -t tmpfs none secret";
    let openshift = "--reuid 1000650000 --regid 0 --groups 0,1000650000";
    for (what, commands, user) in [
        ("Kubernetes, on any disk", kubernetes.clone(), POD),
        ("Kubernetes, on a tmpfs", format!("{in_memory}; {kubernetes}; mount -o remount,ro secret"), POD),
        ("OpenShift", format!("{VOLUME}; chown 0:1000650000 secret/..2026/*; chmod 440 secret/..2026/*"), openshift),
        ("Kubernetes without fsGroup", format!("{in_memory}; {VOLUME}; chmod 444 secret/..2026/*"), POD),
        ("a read-only mount", format!("{VOLUME}; chmod 444 secret/..2026/*; mount --bind -r secret secret"), POD),
        (
            "Compose: the owner of the host, read-only",
            format!(
                "{VOLUME}; chown 1000:1000 secret/..2026/*; chmod 644 secret/..2026/*; mount --bind -r secret secret"
            ),
            AS_ROOT,
        ),
        (
            "Podman: each file is a mount",
            format!(
                "{VOLUME}; chmod 444 secret/..2026/*; cd secret/..2026; for f in *; do mount --bind $f $f; done; cd ../.."
            ),
            POD,
        ),
        (
            "a directory closed to others",
            format!("{VOLUME}; chmod 444 secret/..2026/*; chown 100650 secret; chmod 700 secret"),
            POD,
        ),
    ] {
        for auth in [PASSWORD_FILE, DOCKER_CONFIG] {
            let ended = pod.run(auth, &commands, user).await;
            assert_eq!(ended.code, Some(0), "{what}: {auth}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn other_secrets_are_refused_with_the_ways_out_that_work() {
    if !is_root() {
        return;
    }
    let pod = Pod::new().await;
    let readable = format!("{VOLUME}; chmod 444 secret/..2026/*");
    let foreign = format!("{VOLUME}; chown 1000:1000 secret/..2026/*; chmod 400 secret/..2026/*");
    let ro_and_writable =
        format!("mount -t tmpfs none secret; {VOLUME}; chmod 664 secret/..2026/*; mount -o remount,ro secret");
    let sources = "`credential: NAME` with the environment variable CREDENTIALS_DIRECTORY";
    for (auth, commands, user, said) in [
        (PASSWORD_FILE, &readable, POD, vec!["can be read", "(mode 0444)", sources, "`allow_readable: true`"]),
        (DOCKER_CONFIG, &readable, POD, vec!["can be read", "`allow_readable: true` beside `type: docker_config`"]),
        (
            PASSWORD_FILE,
            &foreign,
            AS_ROOT,
            vec!["belongs to another user (1000)", "`chown root ", "mount the file read-only"],
        ),
        (DOCKER_CONFIG, &foreign, AS_ROOT, vec!["belongs to another user (1000)", "`allow_readable: true`"]),
        (PASSWORD_FILE, &ro_and_writable, POD, vec!["can be changed", "(mode 0664)", "such as 0440"]),
        (PASSWORD_FILE, &format!("{VOLUME}; chmod 400 secret/..2026/*"), POD, vec!["`fsGroup`"]),
    ] {
        let ended = pod.run(auth, commands, user).await;
        assert_ne!(ended.code, Some(0), "{commands}");
        for text in said {
            assert!(ended.stderr.contains(text), "{text}: {commands}: {}", ended.stderr);
        }
        // A user without rights cannot change the mode.
        assert!(user != POD || !ended.stderr.contains("chmod"), "{}", ended.stderr);
    }
    for (auth, commands) in [
        ("{username: acme+inventory, password_file: secret/..data/password, allow_readable: true}", &readable),
        ("{type: docker_config, file: secret/..data/config.json, allow_readable: true}", &readable),
    ] {
        let ended = pod.run(auth, commands, POD).await;
        assert_eq!(ended.code, Some(0), "{auth}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn what_podman_login_has_stored_for_root_is_found() {
    if !is_root() {
        return;
    }
    let pod = Pod::new().await;
    // A `/run` of its own, an empty file of docker, and podman's file.
    let commands = "mount -t tmpfs none /run; mkdir -p /run/containers/0 home/.docker; : > home/.docker/config.json; \
                    cp -p config.json /run/containers/0/auth.json; export HOME=$PWD/home";
    let ended = pod.run("docker_config", commands, AS_ROOT).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = pod.run("docker_config", &commands.replace("cp -p", ": "), AS_ROOT).await;
    ended.says("/run/containers/0/auth.json (there is no such file)").says("home/.docker/config.json (it is empty)");
}
