//! Why the listener cannot listen, or cannot take other settings.

use std::io;
use std::path::PathBuf;

use super::settings::ListenAddress;
use crate::registry::examine::LocalProblem;

/// Why the listener cannot listen, or cannot take other settings. Never carries a key.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address cannot be bound.
    #[error("cannot listen on {listen}")]
    Bind {
        /// Where.
        listen: ListenAddress,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The new settings have another address. A listener cannot change its address.
    #[error("the listener has another address than {listen}")]
    Elsewhere {
        /// The address in the settings.
        listen: ListenAddress,
    },
    /// The system provides no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// A file of certificates or of a key cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of the key cannot be read, or other users can read or change it.
    #[error(transparent)]
    Key(#[from] LocalProblem),
    /// A file has no certificates, or has something else.
    #[error("there are no certificates in PEM in {}", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
    /// The file has no key, or a key that is protected by a password.
    #[error("there is no unencrypted private key in PEM in {}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The TLS library rejects the contents of the files.
    #[error("cannot use the certificate in {} and the key in {}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The TLS library rejects the certificate authorities for clients.
    #[error("cannot use the certificates in {} to verify clients", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl WebError {
    /// What the operator can do, in one line.
    pub fn remedy(&self) -> String {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another program has this port, perhaps another stocktake: set another `listen`".to_owned()
            }
            Self::Bind { .. } => {
                "set `listen` to an address of this machine and a port that this user may bind".to_owned()
            }
            Self::NoRandomness => "look at the log of the system".to_owned(),
            Self::Elsewhere { .. } => "start another listener for that address".to_owned(),
            Self::Key(error) => error.remedy.clone(),
            Self::File { .. } => "check that the files of `tls_server_config` exist and that this user may read them".to_owned(),
            Self::NoCertificates { .. } => {
                "put PEM certificates into `cert_file` and `client_ca_file`; in `cert_file`, the certificate of the listener comes first"
                    .to_owned()
            }
            Self::NoKey { .. } => {
                "put a PEM key without a password into `key_file`: `openssl pkey -in KEY -out PLAIN` removes the password".to_owned()
            }
            Self::Unusable { .. } => {
                "put the certificate that was issued for `key_file` first in `cert_file`".to_owned()
            }
            Self::Authorities { .. } => "put the certificates of the certificate authorities into `client_ca_file`".to_owned(),
        }
    }
}
