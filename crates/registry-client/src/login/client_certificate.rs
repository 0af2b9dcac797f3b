//! The client certificate, with which a client authenticates itself in TLS. This module verifies no server and sends
//! nothing.

use std::path::PathBuf;

use rustls::client::WantsClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ConfigBuilder, InconsistentKeys};

use crate::login::pem;
use crate::login::secret_file::{ReadFile, SecretFileRules};
use crate::problem::certificate::ClientCertificateError;
use crate::problem::secret::SecretFileUse;

/// The files of a client certificate and its key. They are read again for each client, that is for each run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file: the certificate, followed by those that lead to an authority that the server trusts.
    pub certificate: PathBuf,
    /// PEM file of the key, not encrypted. It is refused if other users can read or change it.
    pub key: PathBuf,
    /// Whether other users may read and own the file of the key.
    pub allow_readable: bool,
}

impl ClientCertificate {
    /// A TLS configuration that sends the certificate to servers that ask for one.
    pub(crate) fn present(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, ClientCertificateError> {
        let (certificates, key) = (pem::certificates(&self.certificate)?, self.key()?);
        let (certificate_file, key_file) = (self.certificate.clone(), self.key.clone());
        builder.with_client_auth_cert(certificates, key).map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                ClientCertificateError::Mismatch { certificate: certificate_file, key: key_file }
            }
            source => ClientCertificateError::Unusable { certificate: certificate_file, key: key_file, source },
        })
    }

    /// The key, which others cannot read.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, ClientCertificateError> {
        let used_as = SecretFileUse::ClientKey;
        let rules = SecretFileRules { longest: pem::LONGEST, used_as, allow_readable: self.allow_readable };
        let file = ReadFile::unchangeable(&self.key, rules)?.guarded()?;
        pem::key(&file.bytes).map_err(|source| ClientCertificateError::NoKey { path: self.key.clone(), source })
    }
}
