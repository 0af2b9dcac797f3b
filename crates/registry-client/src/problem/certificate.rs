//! Why certificates or keys cannot be used. No text here holds a key.

use std::path::PathBuf;

use crate::problem::secret::SecretError;

/// Why a text is no PEM, or has not in it what was looked for. It holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPem {
    /// A line begins with `-----BEGIN` or `-----END` and has more text.
    #[error("its line breaks are missing: `-----BEGIN …-----` and `-----END …-----` must be lines of their own")]
    LineBreaks,
    /// The text ends within a section.
    #[error("a section has no `-----END …-----`")]
    Unfinished,
    /// The text of a section is not base64.
    #[error("the content of a section is not base64")]
    NotBase64,
    /// No section of this kind.
    #[error("it has no section of this kind")]
    Nothing,
}

/// Why there are no certificates to trust or to send.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificatesError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] SecretError),
    /// The file is not PEM.
    #[error("the certificates in {path} cannot be read")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NoPem,
    },
    /// A section named as a certificate is not one.
    #[error("certificate {number} in {path} is not a certificate")]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
    },
    /// The file is a certificate in DER.
    #[error("{path} is in DER, not in PEM: `openssl x509 -inform der -in FILE` prints it in PEM")]
    Der {
        /// The file.
        path: PathBuf,
    },
    /// The file has no certificates.
    #[error("there are no certificates in {path}")]
    None {
        /// The file.
        path: PathBuf,
    },
}

/// Why a client certificate cannot be used. Never carries the key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientCertificateError {
    /// The file of the key cannot be read, or others can read it.
    #[error(transparent)]
    File(#[from] SecretError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// The file has no key, or only one that a password protects, which a program cannot enter.
    #[error("there is no unencrypted private key in PEM in {path}")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NoPem,
    },
    /// The key does not belong to the certificate.
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
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::File(error @ (SecretError::OpenToOthers(_) | SecretError::Changeable(_) | SecretError::Foreign(_))) => {
                error.remedy()
            }
            Self::File(_) | Self::Certificates(CertificatesError::File(_)) => {
                "check `client_cert_file` and `client_key_file`, and that this user may read them".into()
            }
            Self::NoKey { source: NoPem::LineBreaks, .. }
            | Self::Certificates(CertificatesError::NotPem { source: NoPem::LineBreaks, .. }) => {
                "write the file again with its line breaks: an environment variable or YAML's `>` has turned them into blanks"
                    .into()
            }
            Self::Certificates(_) => {
                "`client_cert_file` must have PEM certificates, the client's own first".into()
            }
            Self::NoKey { .. } => {
                "`client_key_file` must have a PEM key without a password: `openssl pkey -in KEY -out PLAIN` removes it"
                    .into()
            }
            Self::Mismatch { .. } | Self::Unusable { .. } => {
                "`client_cert_file` must begin with the certificate that was issued for `client_key_file`".into()
            }
        }
    }
}
