//! What the settings of a registry need on this machine: looked at without sending anything and without running a
//! program.

use std::ffi::OsString;

use crate::login::auth::Auth;
use crate::login::local::LocalProblem;
use crate::problem::chain::chain;
use crate::problem::error::RegistryError;
use crate::settings::RegistrySettings;

impl RegistrySettings {
    /// Everything that the settings name on this machine and that cannot be used: files, variables and programs of the
    /// login, certificates.
    pub fn local_problems(&self) -> Vec<LocalProblem> {
        let (own, authority) = (self.of_client_certificate(), self.of_authority());
        self.of_login().into_iter().chain(authority).chain(own).collect()
    }

    fn of_login(&self) -> Option<LocalProblem> {
        match &self.auth {
            Auth::None | Auth::Token(None) => None,
            Auth::Token(Some(login)) | Auth::Basic(login) => login.password.local_problem(),
            Auth::Bearer(source) | Auth::Identity(source) => source.local_problem(),
            Auth::Docker(config) => {
                let error = config.look(&self.url, &|name: &str| std::env::var_os(name)).err()?;
                Some(match &config.file {
                    Some(file) => LocalProblem::of(&["file"], file, &error),
                    None => LocalProblem::of(&["auth"], self.url.as_str(), &error),
                })
            }
        }
    }

    fn of_authority(&self) -> Option<LocalProblem> {
        let file = self.ca_file.as_ref()?;
        let error = Self { client_certificate: None, ..self.clone() }.check_certificates().err()?;
        Some(of_certificates(&["ca_file"], file, &error))
    }

    fn of_client_certificate(&self) -> Option<LocalProblem> {
        let own = self.client_certificate.as_ref()?;
        // The server's certificate is not looked at here.
        let settings = Self { ca_file: None, insecure_tls: true, ..self.clone() };
        let error = settings.check_certificates().err()?;
        Some(match own.key() {
            Err(_) => of_certificates(&["client_key_file"], &own.key, &error),
            Ok(_) => of_certificates(&["client_cert_file"], &own.certificate, &error),
        })
    }
}

fn of_certificates(keys: &'static [&'static str], thing: impl Into<OsString>, error: &RegistryError) -> LocalProblem {
    let (problem, remedy) = (chain(error), error.remedy());
    LocalProblem { keys, thing: thing.into(), problem, remedy, is_of_service: false }
}
