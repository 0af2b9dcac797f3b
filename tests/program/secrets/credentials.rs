//! Credentials that people have already, with the real docker-registry: docker's file, a credential helper, a program.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::inventory::{last_run, repositories};
use crate::support::program::{Finished, Workplace, one_registry};

const MODES: [Mode; 2] = [Mode::Htpasswd, Mode::Token { lifetime: Duration::from_mins(5) }];

fn host(registry: &DockerRegistry) -> String {
    format!("127.0.0.1:{}", registry.url().port().expect("a port"))
}

async fn run(place: &Workplace) -> Finished {
    let docker = place.path("docker").display().to_string();
    place.run_with(&[("DOCKER_CONFIG", &docker), ("PATH", &place.path_with("bin"))], &["run"]).await
}

#[track_caller]
fn assert_complete(place: &Workplace) {
    assert_eq!(repositories(&place.path("inventory"), "quay"), ["acme/app", "acme/web"]);
    assert_eq!(last_run(&place.path("inventory"), "quay").verdict, "complete");
}

#[tokio::test]
async fn a_docker_login_is_all_that_is_needed() {
    for mode in MODES {
        let registry = DockerRegistry::start(mode, ["acme/app", "acme/web"]).await;
        let place = Workplace::with(&one_registry(&registry.url(), "    auth: docker_config\n"));
        std::fs::create_dir(place.path("docker")).expect("made");
        let auth = STANDARD.encode(format!("{}:{}", registry.username(), registry.password()));
        place.secret("docker/config.json", &json!({"auths": {host(&registry): {"auth": auth}}}).to_string());
        run(&place).await.exits(0);
        assert_complete(&place);

        place.secret("docker/config.json", r#"{"auths":{"other.example":{}}}"#);
        let ended = run(&place).await.exits(4);
        let remedy = format!("docker login {}", host(&registry));
        ended.says("have stored no credentials").says("docker/config.json").says(&remedy);
    }
}

#[tokio::test]
async fn a_credential_helper_is_asked() {
    for mode in MODES {
        let registry = DockerRegistry::start(mode, ["acme/app", "acme/web"]).await;
        let place = Workplace::with(&one_registry(&registry.url(), "    auth: {type: docker_config}\n"));
        std::fs::create_dir(place.path("docker")).expect("made");
        place.secret("docker/config.json", &json!({"credHelpers": {host(&registry): "tests"}}).to_string());
        let answer = json!({"ServerURL": "", "Username": registry.username(), "Secret": registry.password()});
        place.secret("answer.json", &answer.to_string());
        let script = format!("test \"$1 $(cat)\" = 'get {}' && exec cat answer.json", host(&registry));
        place.script("bin/docker-credential-tests", &script);
        run(&place).await.exits(0);
        assert_complete(&place);

        place.script("bin/docker-credential-tests", "echo 'the keychain is locked' >&2; exit 1");
        run(&place).await.exits(4).says("the keychain is locked").says("docker-credential-tests");
    }
}

#[tokio::test]
async fn a_program_prints_the_password() {
    let registry = DockerRegistry::start(Mode::Htpasswd, ["acme/app", "acme/web"]).await;
    let auth = "    auth: {type: basic, username: acme+inventory, password_command: [print, ./password]}\n";
    let place = Workplace::with(&one_registry(&registry.url(), auth));
    place.script("bin/print", "exec cat \"$1\"");
    run(&place).await.exits(0);
    assert_complete(&place);

    let slow = auth.replace("]}", "], command_timeout: 200ms}");
    place.configure(&one_registry(&registry.url(), &slow));
    place.script("bin/print", "sleep 600");
    run(&place).await.exits(4).says("was still running after 200ms and was killed").says("command_timeout");
}
