//! The certificates of the listener. The files are read again for each connection. If they cannot be used, the former
//! certificates stay in use.
//!
//! The bytes of the files are compared and not their times, so that every change is noticed. To read three small files takes
//! some twenty microseconds; a handshake takes more than a millisecond. The state of the TLS library, with which clients
//! resume sessions, is replaced only if the bytes differ.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tracing::{info, warn};

use crate::registry::SecretSource;

use super::error::WebError;
use super::settings::{ClientCertificates, TlsSettings, TlsVersion, WebSettings};

/// The largest size of a file of certificates or of a key, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Checks that the certificates and the key of the settings can be used.
///
/// # Errors
/// If they cannot be used.
pub fn certificates(settings: &WebSettings) -> Result<(), WebError> {
    settings.tls.as_ref().map(Certificates::load).transpose().map(drop)
}

/// The certificates in use, with the settings that name their files.
#[derive(Debug)]
pub(super) struct Certificates {
    settings: TlsSettings,
    current: Mutex<LoadedTls>,
}

#[derive(Debug)]
struct LoadedTls {
    files: TlsFiles,
    config: Arc<ServerConfig>,
    /// The last problem with the files, so that it is logged once.
    trouble: Option<String>,
}

impl Certificates {
    /// Reads the files.
    pub(super) fn load(settings: &TlsSettings) -> Result<Self, WebError> {
        let files = TlsFiles::read(settings)?;
        let config = Arc::new(files.config(settings)?);
        Ok(Self { settings: settings.clone(), current: Mutex::new(LoadedTls { files, config, trouble: None }) })
    }

    /// The configuration for the next connection. Blocks on the disk.
    pub(super) fn fresh(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock();
        let changed = match TlsFiles::read(&self.settings) {
            Ok(files) if files == current.files => None,
            Ok(files) => Some(files.config(&self.settings).map(|config| (files, config))),
            Err(error) => Some(Err(error)),
        };
        match changed {
            None => current.trouble = None,
            Some(Ok((files, config))) => {
                info!("the certificate of the listener was replaced");
                *current = LoadedTls { files, config: Arc::new(config), trouble: None };
            }
            // For instance while the certificate is copied already and its key is not.
            Some(Err(error)) => {
                let trouble = error.to_string();
                if current.trouble.as_ref() != Some(&trouble) {
                    warn!("the listener keeps its former certificate: {trouble}: {}", error.remedy());
                    current.trouble = Some(trouble);
                }
            }
        }
        current.config.clone()
    }
}

/// The contents of all files.
#[derive(PartialEq, Eq)]
struct TlsFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Option<Vec<u8>>,
}

impl std::fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

impl TlsFiles {
    fn read(settings: &TlsSettings) -> Result<Self, WebError> {
        let authorities = match &settings.clients {
            ClientCertificates::NotAsked => None,
            ClientCertificates::VerifiedIfGiven { ca_file } | ClientCertificates::Required { ca_file } => {
                Some(read(ca_file)?)
            }
        };
        let certificate = read(&settings.cert_file)?;
        let key = SecretSource::listener_key(&settings.key_file, LONGEST, settings.allow_readable)?;
        Ok(Self { certificate, key, authorities })
    }

    fn config(&self, settings: &TlsSettings) -> Result<ServerConfig, WebError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |source| WebError::Unusable {
            certificate: settings.cert_file.clone(),
            key: settings.key_file.clone(),
            source,
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(settings))
            .map_err(unusable)?;
        let builder = match self.verifier(settings)? {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let certificates = read_certificates(&self.certificate, &settings.cert_file)?;
        // The error of the parser is dropped: it could quote a line of the key.
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| WebError::NoKey { path: settings.key_file.clone() })?;
        let mut config = builder.with_single_cert(certificates, key).map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn verifier(&self, settings: &TlsSettings) -> Result<Option<Arc<dyn ClientCertVerifier>>, WebError> {
        let (path, is_required) = match &settings.clients {
            ClientCertificates::NotAsked => return Ok(None),
            ClientCertificates::VerifiedIfGiven { ca_file } => (ca_file, false),
            ClientCertificates::Required { ca_file } => (ca_file, true),
        };
        let mut roots = RootCertStore::empty();
        let refused =
            |source: Box<dyn std::error::Error + Send + Sync>| WebError::Authorities { path: path.clone(), source };
        for certificate in read_certificates(self.authorities.as_deref().unwrap_or_default(), path)? {
            roots.add(certificate).map_err(|source| refused(source.into()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if is_required { builder } else { builder.allow_unauthenticated() };
        builder
            .build()
            .map(|verifier| Some(verifier as Arc<dyn ClientCertVerifier>))
            .map_err(|source| refused(source.into()))
    }
}

fn versions(settings: &TlsSettings) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match (settings.min_version, settings.max_version) {
        (TlsVersion::Tls12, TlsVersion::Tls12) => &BOTH[1..],
        (TlsVersion::Tls12, TlsVersion::Tls13) => &BOTH,
        (TlsVersion::Tls13, _) => &BOTH[..1],
    }
}

fn read_certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, WebError> {
    let none = || WebError::NoCertificates { path: path.to_owned() };
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| none())?;
    if read.is_empty() { Err(none()) } else { Ok(read) }
}

/// The contents of a small, regular file.
fn read(path: &Path) -> Result<Vec<u8>, WebError> {
    let failed = |source| WebError::File { path: path.to_owned(), source };
    // Checked before the file is opened: to open a pipe blocks until a process writes to it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, format!("it is larger than {LONGEST} bytes"))));
    }
    Ok(bytes)
}
