//! The known causes of failed TLS handshakes, each with its text for the operator.

/// Why there is no trusted TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsCause {
    /// The certificate's issuer is not known here.
    UnknownIssuer,
    /// The certificate of the issuer is neither sent by the server nor in `ca_file`.
    MissingIssuer {
        /// The issuer's name.
        issuer: String,
    },
    /// The issuer has another key than the certificate of that name that is trusted here.
    IssuerChanged {
        /// The issuer's name.
        issuer: String,
    },
    /// The certificate is self-signed, and is not the one in `ca_file`.
    SelfSigned,
    /// The certificate has expired.
    CertificateExpired,
    /// The validity of the certificate has not begun.
    CertificateNotYetValid,
    /// The certificate is for other names.
    CertificateName,
    /// The key or the signature of the certificate is too weak.
    CertificateWeak,
    /// The certificate is not one of a server.
    CertificateUnfit,
    /// The server asks for a client certificate, or for another one.
    ClientCertificate,
    /// The server speaks only versions of TLS before 1.2.
    OldVersion,
    /// The server shares no algorithms with this client.
    NothingInCommon,
    /// The server knows no certificate for the host's name.
    UnknownName,
    /// The server ended the handshake for a reason that it did not name.
    Alert,
    /// The server speaks plain HTTP where TLS is configured.
    PlainHttp,
    /// The server speaks TLS where plain HTTP is configured.
    TlsWanted,
    /// The server does not speak TLS.
    NoTls,
}

impl TlsCause {
    /// A stable code for machines.
    pub(crate) const fn id(&self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_issuer",
            Self::MissingIssuer { .. } => "missing_issuer",
            Self::IssuerChanged { .. } => "issuer_changed",
            Self::SelfSigned => "self_signed",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateName => "certificate_name",
            Self::CertificateWeak => "certificate_weak",
            Self::CertificateUnfit => "certificate_unfit",
            Self::ClientCertificate => "client_certificate",
            Self::OldVersion => "tls_version",
            Self::NothingInCommon => "tls_ciphers",
            Self::UnknownName => "tls_name",
            Self::Alert => "tls_alert",
            Self::PlainHttp => "plain_http",
            Self::TlsWanted => "tls_wanted",
            Self::NoTls => "no_tls",
        }
    }

    /// The cause, in one line.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::UnknownIssuer => "an authority that this machine does not trust issued the certificate".into(),
            Self::MissingIssuer { issuer } => {
                format!("the server does not send the certificate of `{issuer}`, or `ca_file` is of another authority")
            }
            Self::IssuerChanged { issuer } => format!("`{issuer}` has another key than the one that is trusted here"),
            Self::SelfSigned => "the server's certificate is self-signed, and is not the one in `ca_file`".into(),
            Self::CertificateExpired => "the certificate has expired, or this machine's clock is wrong".into(),
            Self::CertificateNotYetValid => {
                "this machine's clock is behind, or the certificate is for a later time".into()
            }
            Self::CertificateName => "the certificate is for another name than the host in `url`".into(),
            Self::CertificateWeak => "the certificate's key or signature is too weak".into(),
            Self::CertificateUnfit => "the certificate is not one of a server".into(),
            Self::ClientCertificate => "the server asks for a client certificate that it trusts".into(),
            Self::OldVersion => "the server speaks only versions of TLS before 1.2".into(),
            Self::NothingInCommon => "the server shares no algorithms with this client".into(),
            Self::UnknownName => "the server has no certificate for the host in `url`".into(),
            Self::Alert => "the server ended the TLS handshake".into(),
            Self::PlainHttp => "the server speaks plain HTTP there, without TLS".into(),
            Self::TlsWanted => "the server speaks TLS there, and `url` is http".into(),
            Self::NoTls => "the server there may not speak TLS".into(),
        }
    }

    /// The remedy, in one line.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::MissingIssuer { issuer } => {
                return format!(
                    "make the server send its whole chain, or add the certificate of `{issuer}` to `ca_file`"
                );
            }
            Self::IssuerChanged { issuer } => {
                return format!("add the present certificate of `{issuer}` to `ca_file`");
            }
            _ => {}
        }
        let words = match self {
            Self::MissingIssuer { .. } | Self::IssuerChanged { .. } => "",
            Self::UnknownIssuer => {
                "if the authority is your own, give its certificate as `ca_file`; if it is a public one, make the server \
                 send its whole chain: the intermediate certificate is missing"
            }
            Self::SelfSigned => {
                "get the certificate from the registry's operator, and give the certificate itself as `ca_file`"
            }
            Self::CertificateExpired => "renew the registry's certificate, and check this machine's clock",
            Self::CertificateNotYetValid => {
                "set this machine's clock (NTP); if it is right, correct the registry's certificate"
            }
            Self::CertificateName => {
                "write a name of the certificate into `url`, or get a certificate that has this host in `subjectAltName`"
            }
            Self::CertificateWeak => {
                "issue the registry a certificate with an RSA key of 2048 bits or more, or an ECDSA key, signed with SHA-256"
            }
            Self::CertificateUnfit => {
                "issue the registry a certificate for a server (X.509 version 3, `CA:FALSE`, `subjectAltName`), or give its \
                 own certificate as `ca_file`"
            }
            Self::ClientCertificate => {
                "the server asks for a client certificate that it trusts: set `client_cert_file` and `client_key_file`, or \
                 renew them"
            }
            Self::OldVersion => "enable TLS 1.2 or 1.3 on the server, or on the load balancer in front of it",
            Self::NothingInCommon => {
                "enable current ciphers on the server: ECDHE with AES-GCM or ChaCha20; if it wants a client certificate, set \
                 `client_cert_file` and `client_key_file`"
            }
            Self::UnknownName => "check the host in `url`: it must be a name for which the server has a certificate",
            Self::Alert => "look at the server's log: it says why it ended the handshake",
            Self::PlainHttp => {
                "check the port in `url`; if the registry really has no TLS, write `http://` (passwords can then be read on \
                 the way)"
            }
            Self::TlsWanted => "write `https://` in `url`",
            Self::NoTls => "check `url` and its port: the server there may not be a registry, or not speak TLS",
        };
        words.into()
    }
}
