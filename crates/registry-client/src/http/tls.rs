//! Which certificates to trust: those of the system's certificate authorities, those of `ca_file`, or any if the
//! configuration says so; and which client certificate to send. The crypto provider is set here, so that nothing
//! depends on a process-wide default.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::login::pem;
use crate::problem::Problem;
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
    let builder = if settings.insecure_tls {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAll { provider, watcher: None }))
    } else {
        builder.with_root_certificates(roots(settings)?)
    };
    let mut config = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some(own) => own.present(builder).map_err(Problem::ClientCertificate)?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
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
}

/// The certificate authorities that a registry's settings trust.
pub(crate) fn roots(settings: &RegistrySettings) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    let own = settings.ca_file.as_deref().map(pem::certificates).transpose().map_err(Problem::CaFile)?;
    for certificate in own.into_iter().flatten() {
        roots.add(certificate).map_err(Problem::TlsSetup)?;
    }
    // If one of a hundred certificates cannot be read, the others are still used.
    roots.add_parsable_certificates(SYSTEM.iter().cloned());
    if roots.is_empty() && settings.url.scheme() == "https" {
        return Err(Problem::NoRoots);
    }
    Ok(roots)
}

/// Is shown each certificate that [`AcceptAll`] accepts.
pub(crate) trait CertificateWatcher: Debug + Send + Sync {
    /// A certificate with its chain, as a verifier gets them.
    fn shown(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    );
}

/// Accepts any certificate: for `insecure_tls`, and for `check`, which shows a certificate even if it is not trusted.
#[derive(Debug)]
pub(crate) struct AcceptAll {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) watcher: Option<Arc<dyn CertificateWatcher>>,
}

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(watcher) = &self.watcher {
            watcher.shown(certificate, chain, name, ocsp, now);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::auth::Auth;
    use crate::tests::settings;

    #[test]
    fn a_plain_http_registry_may_have_an_https_realm_and_trusts_the_system_for_it() {
        let of = |url: &str| settings(url.parse().expect("a URL"), Auth::None);
        let http = roots(&of("http://r.example")).expect("an absence is no error").len();
        assert_eq!(http, roots(&of("https://r.example")).map_or(0, |roots| roots.len()));
    }
}
