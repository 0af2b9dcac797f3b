//! The certificate by which a client shows a server who it is. It trusts nobody and sends nothing.

use std::path::{Path, PathBuf};

use rustls::client::WantsClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ConfigBuilder, InconsistentKeys};

use crate::login::pem;
use crate::login::secret::read_file;
use crate::problem::certificate::ClientCertificateError;

/// Where a client's certificate and its key are kept. They are read anew for each client, that is for each run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM: the certificate, and those that lead from it to an authority that the server knows.
    pub certificate: PathBuf,
    /// PEM, not encrypted; refused when group or others can read it.
    pub key: PathBuf,
}

impl ClientCertificate {
    /// A client's configuration that shows it to servers which ask.
    pub(crate) fn present(
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
