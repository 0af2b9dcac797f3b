//! Which certificates to trust: those of the system's certificate authorities, those of `ca_file`, or any if the
//! configuration says so; and which client certificate to send. The crypto provider is set here, so that nothing
//! depends on a process-wide default.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::http::handshake::WatchedResolver;
use crate::http::proxy::ProxyEnvironment;
use crate::http::trust::ServerTrust;
use crate::login::pem;
use crate::problem::Problem;
use crate::problem::certificate::CertificatesError;
use crate::problem::error::{RegistryError, Step};
use crate::settings::RegistrySettings;

/// The system's certificates, read once for all registries.
static SYSTEM: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| rustls_native_certs::load_native_certs().certs);

/// The TLS configuration of a registry's client. If the registry is plain http, its token endpoint may still be https,
/// but missing system certificates are no error.
pub(crate) fn client_config(settings: &RegistrySettings) -> Result<ClientConfig, Problem> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(Problem::TlsSetup)?;
    let trust = if settings.insecure_tls {
        ServerTrust::of_any(&provider)
    } else {
        let own = settings.ca_file.as_deref().map(pem::certificates).transpose().map_err(Problem::CaFile)?;
        ServerTrust::new(roots(settings, own.as_deref())?, own, &provider)
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    let mut config = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some(own) => own.present(builder).map_err(Problem::ClientCertificate)?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.client_auth_cert_resolver = Arc::new(WatchedResolver(config.client_auth_cert_resolver.clone()));
    Ok(config)
}

impl RegistrySettings {
    /// Reads the certificates and the key of these settings. It is no error if the system has no certificates.
    ///
    /// # Errors
    /// As [`crate::Client::new`].
    pub fn check_certificates(&self) -> Result<(), RegistryError> {
        match client_config(self) {
            Ok(_) | Err(Problem::NoRoots) => Ok(()),
            Err(problem) => Err(RegistryError::new(Step::Setup, problem)),
        }
    }

    /// Checks that the variable of the environment that names a proxy for this registry can be used, if there is one.
    ///
    /// # Errors
    /// As [`crate::Client::new`].
    pub fn check_proxy(&self) -> Result<(), RegistryError> {
        let proxies = ProxyEnvironment::of_process();
        let route = proxies.route(&self.url).map(|_| ());
        route.map_err(|unusable| RegistryError::new(Step::Setup, Problem::ProxySetting(unusable)))
    }
}

/// The certificate authorities that a registry's settings trust, with those of `ca_file`.
fn roots(settings: &RegistrySettings, own: Option<&[CertificateDer<'static>]>) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for (at, certificate) in own.into_iter().flatten().enumerate() {
        let path = settings.ca_file.clone().unwrap_or_default();
        let unreadable = |_| Problem::CaFile(CertificatesError::NotACertificate { path, number: at + 1 });
        roots.add(certificate.clone()).map_err(unreadable)?;
    }
    // If one of a hundred certificates cannot be read, the others are still used.
    roots.add_parsable_certificates(SYSTEM.iter().cloned());
    if roots.is_empty() && settings.url.scheme() == "https" {
        return Err(Problem::NoRoots);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::auth::Auth;
    use crate::tests::settings;

    #[test]
    fn a_plain_http_registry_may_have_an_https_realm_and_trusts_the_system_for_it() {
        let of = |url: &str| settings(url.parse().expect("a URL"), Auth::None);
        let http = roots(&of("http://r.example"), None).expect("an absence is no error").len();
        assert_eq!(http, roots(&of("https://r.example"), None).map_or(0, |roots| roots.len()));
    }
}
