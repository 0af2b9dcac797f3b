//! End-to-end tests of the rules. On a server with a problem, exactly the rule for this problem applies; on a healthy server, no
//! rule applies.

mod faults;
mod grants;
mod healthy;
mod logins;
mod matrix;
mod steps;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::*;
use crate::discovery::DiscoverySettings;
use crate::registry::Auth;
use crate::registry::PasswordLogin;
use crate::registry::RegistrySettings;
use crate::registry::SecretSource;
use crate::snapshot::JudgeSettings;
use crate::tests::secret_file;
use crate::walk::WalkSettings;
use fake_registry::{FakeRegistry, PASSWORD, Script, USERNAME};

/// The plan of a check, and the server and the file with the secret that the plan refers to.
struct CheckRig {
    server: Option<FakeRegistry>,
    plan: Plan,
    secret: NamedTempFile,
}

impl CheckRig {
    /// A plan for a server with this script, with its user name and password.
    async fn of(script: Script) -> Self {
        let server = FakeRegistry::start(script).await.expect("a port");
        Self { server: Some(server), ..Self::nowhere() }.at_server()
    }

    /// A plan without a server.
    fn nowhere() -> Self {
        let secret = secret_file(PASSWORD);
        let url = "http://127.0.0.1:1".parse().expect("a URL");
        let password = SecretSource::File(secret.path().to_owned());
        let mut registry = RegistrySettings::new("fake", url);
        registry.auth = Auth::Token(Some(PasswordLogin { username: USERNAME.into(), password }));
        registry.timeout = Duration::from_secs(5);
        let plan = Plan {
            keep_undelivered: 7,
            name: "fake".parse().expect("a name"),
            registry,
            discovery: DiscoverySettings::Catalog,
            walk: WalkSettings::default(),
            judge: JudgeSettings::default(),
            sinks: Vec::new(),
            state: PathBuf::new(),
            config_sha256: String::new(),
            meter: std::sync::Arc::new(()),
        };
        Self { server: None, plan, secret }
    }

    fn at_server(mut self) -> Self {
        if let Some(server) = &self.server {
            self.plan.registry.url = server.url();
        }
        self
    }

    fn with(mut self, change: impl FnOnce(&mut RegistrySettings)) -> Self {
        change(&mut self.plan.registry);
        self
    }

    /// The same plan with another user name.
    fn named(self, name: &str) -> Self {
        self.with(|settings| {
            let (Auth::Token(Some(login)) | Auth::Basic(login)) = &mut settings.auth else { unreachable!() };
            login.username = name.to_owned();
        })
    }

    /// The same plan with Basic on every request.
    fn basic(self) -> Self {
        self.with(|settings| {
            let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
            settings.auth = Auth::Basic(login);
        })
    }

    async fn check(&self) -> CheckReport {
        check(&self.plan).await
    }
}

fn rules_of(report: &CheckReport) -> Vec<&'static str> {
    report.diagnoses().map(|diagnosis| diagnosis.rule).collect()
}

fn step_of(report: &CheckReport, step: CheckStep) -> &StepReport {
    report.steps.iter().find(|done| done.step == step).expect("every report has every step")
}
