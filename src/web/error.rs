//! Why the listener cannot listen, or cannot take other settings.

use std::io;
use std::path::PathBuf;

use super::settings::ListenAddress;

/// Why the listener cannot listen, or cannot take other settings. Never carries a key.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address cannot be had.
    #[error("listen on {listen}")]
    Bind {
        /// Where.
        listen: ListenAddress,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Other settings are for another address, which takes another listener.
    #[error("the listener is at another address than {listen}")]
    Elsewhere {
        /// Where it ought to be.
        listen: ListenAddress,
    },
    /// The system gives no random numbers.
    #[error("get random numbers from the system")]
    NoRandomness,
    /// A file of certificates or of a key cannot be read.
    #[error("read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file has no certificates in it, or something that is none.
    #[error("there are no certificates in PEM in {}", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
    /// There is no key in the file; or one that a password protects, which nobody could type at night.
    #[error("there is no unencrypted private key in PEM in {}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The TLS library refuses what the files hold.
    #[error("use the certificate in {} and the key in {}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The TLS library refuses the authorities for clients.
    #[error("use the certificates in {} to verify clients", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl WebError {
    /// What the operator can do about it, in one line.
    pub fn remedy(&self) -> String {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another program has this port, perhaps another stocktake: set another `listen`".to_owned()
            }
            Self::Bind { .. } => {
                "set `listen` to an address of this machine and a port that this user may have".to_owned()
            }
            Self::NoRandomness => "look at the system's log".to_owned(),
            Self::Elsewhere { .. } => "bind a listener there".to_owned(),
            Self::File { .. } => "check the files of `tls_server_config`, and that this user may read them".to_owned(),
            Self::NoCertificates { .. } => {
                "`cert_file` and `client_ca_file` are to hold PEM certificates, in `cert_file` the listener's own first"
                    .to_owned()
            }
            Self::NoKey { .. } => {
                "`key_file` is to hold a PEM key: `openssl pkey -in KEY -out PLAIN` takes its password off".to_owned()
            }
            Self::Unusable { .. } => {
                "`cert_file` is to begin with the certificate that was issued for `key_file`".to_owned()
            }
            Self::Authorities { .. } => "`client_ca_file` is to hold the authorities' own certificates".to_owned(),
        }
    }
}
