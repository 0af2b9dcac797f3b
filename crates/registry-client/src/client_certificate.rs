//! The certificate by which a client shows a server who it is. It trusts nobody and sends nothing.

use std::path::{Path, PathBuf};

use rustls::client::WantsClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ConfigBuilder, InconsistentKeys};

use super::SecretError;
use super::pem::{self, CertificatesError, NoPem};
use super::secret::read_file;

/// Where a client's certificate and its key are kept. They are read anew for each client, that is for each run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM: the certificate, and those that lead from it to an authority that the server knows.
    pub certificate: PathBuf,
    /// PEM, not encrypted; refused when group or others can read it.
    pub key: PathBuf,
}

/// Why a client certificate cannot be used. Never carries the key.
#[derive(Debug, thiserror::Error)]
pub enum ClientCertificateError {
    /// The key cannot be read, or others can.
    #[error(transparent)]
    File(#[from] SecretError),
    /// There are no certificates to be had.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// There is no key in the file; or one that a password protects, which nobody could type at night.
    #[error("there is no unencrypted private key in PEM in {path}")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NoPem,
    },
    /// Two halves of different pairs.
    #[error("the key in {key} is not the one of the first certificate in {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library refuses the pair.
    #[error("the certificate in {certificate} and the key in {key} cannot be used")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl ClientCertificateError {
    /// What the operator can do about it, in one line.
    pub fn remedy(&self) -> String {
        match self {
            Self::File(_) | Self::Certificates(CertificatesError::File(_)) => {
                "check `client_cert_file` and `client_key_file`, and that this user may read them".into()
            }
            Self::NoKey { source: NoPem::LineBreaks, .. }
            | Self::Certificates(CertificatesError::NotPem { source: NoPem::LineBreaks, .. }) => {
                "write the file anew with its line breaks: an environment variable or YAML's `>` has turned them into blanks"
                    .into()
            }
            Self::Certificates(_) => {
                "`client_cert_file` is to hold PEM certificates, the client's own first".into()
            }
            Self::NoKey { .. } => {
                "`client_key_file` is to hold a PEM key: `openssl pkey -in KEY -out PLAIN` takes its password off"
                    .into()
            }
            Self::Mismatch { .. } | Self::Unusable { .. } => {
                "`client_cert_file` is to begin with the certificate that was issued for `client_key_file`".into()
            }
        }
    }
}

impl ClientCertificate {
    /// A client's configuration that shows it to servers which ask.
    pub(super) fn present(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, ClientCertificateError> {
        let (certificates, key) = (pem::certificates(&self.certificate)?, key(&self.key)?);
        let (certificate_file, key_file) = (self.certificate.clone(), self.key.clone());
        builder.with_client_auth_cert(certificates, key).map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                ClientCertificateError::Mismatch { certificate: certificate_file, key: key_file }
            }
            source => ClientCertificateError::Unusable { certificate: certificate_file, key: key_file, source },
        })
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, ClientCertificateError> {
    let text = read_file(path, pem::LONGEST)?.guarded(path)?;
    pem::key(text.as_bytes()).map_err(|source| ClientCertificateError::NoKey { path: path.to_owned(), source })
}
