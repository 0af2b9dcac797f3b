//! Why there is no trusted TLS connection: each reason with its words and its known cause.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::problem::network::Peer;
use crate::problem::tls_cause::TlsCause;

/// There is no trusted TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsProblem {
    pub(crate) peer: Peer,
    pub(crate) flaw: TlsFlaw,
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            TlsFlaw::TlsWanted => write!(f, "no plain connection to {}: {}", self.peer, self.flaw),
            _ => write!(f, "no trusted TLS connection to {}: {}", self.peer, self.flaw),
        }
    }
}

/// The reason. Names are safe to print.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsFlaw {
    #[error("its certificate, for `{subject}`, is self-signed and {}", not_trusted(*.has_ca_file))]
    SelfSigned { subject: String, has_ca_file: bool },
    #[error("its certificate was issued by `{issuer}`, which this machine does not trust")]
    UnknownIssuer { issuer: String },
    #[error(
        "its certificate was issued by `{issuer}`, whose certificate is neither sent by the server nor in `ca_file`"
    )]
    MissingIssuer { issuer: String },
    #[error("its certificate is not signed with the key of the `{issuer}` that is trusted here")]
    IssuerChanged { issuer: String },
    #[error("{whose} expired at {}; this machine's clock says {}", time(*.not_after), time(*.now))]
    Expired { whose: String, not_after: DateTime<Utc>, now: DateTime<Utc> },
    #[error("{whose} is valid only from {}; this machine's clock says {}", time(*.not_before), time(*.now))]
    NotYetValid { whose: String, not_before: DateTime<Utc>, now: DateTime<Utc> },
    #[error("its certificate is not for `{host}`, but for {}", listed(.names))]
    WrongName { host: String, names: Vec<String> },
    #[error("its certificate has no `subjectAltName`, and the common name `{subject}` does not count")]
    NoNames { subject: String },
    #[error("{0}")]
    Weak(String),
    #[error("its certificate {0}")]
    Unfit(String),
    #[error("it asks for a client certificate, and none is configured{}", alerted(.alert.as_deref()))]
    ClientCertificateWanted { alert: Option<String> },
    #[error("it does not accept the client certificate{}", alerted(Some(.alert)))]
    ClientCertificateRefused { alert: String },
    #[error("its TLS is older than version 1.2{}", alerted(.alert.as_deref()))]
    OldVersion { alert: Option<String> },
    #[error("it shares no cipher, key exchange or signature algorithm with this client{}", alerted(.alert.as_deref()))]
    NothingInCommon { alert: Option<String> },
    #[error("it has no certificate for the name `{host}`{}", alerted(Some("unrecognized_name")))]
    UnknownName { host: String },
    #[error("it ended the handshake{}", alerted(Some(.0)))]
    Alert(String),
    #[error("it answers in plain HTTP")]
    PlainHttp,
    #[error("it wants TLS, and `url` is http")]
    TlsWanted,
    #[error("it does not answer in TLS{}", begins(.0))]
    NotTls(String),
    #[error("the host is not a valid name for TLS")]
    BadName,
    #[error("it breaks the rules of TLS: {0}")]
    Broken(String),
}

fn not_trusted(has_ca_file: bool) -> &'static str {
    if has_ca_file { "not the one in `ca_file`" } else { "not trusted here" }
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn alerted(alert: Option<&str>) -> String {
    alert.map_or_else(String::new, |alert| format!(" (alert {alert})"))
}

fn begins(with: &str) -> String {
    if with.is_empty() { String::new() } else { format!(": it begins with `{with}`") }
}

/// Most names of a certificate that a message has.
const NAMES: usize = 5;

fn listed(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(NAMES).map(|name| format!("`{name}`")).collect();
    let rest = names.len().saturating_sub(NAMES);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    if names.is_empty() { "no name".to_owned() } else { format!("{}{rest}", shown.join(", ")) }
}

impl TlsFlaw {
    /// The known cause that this is a symptom of.
    pub(crate) fn cause(&self) -> TlsCause {
        match self {
            Self::SelfSigned { .. } => TlsCause::SelfSigned,
            Self::UnknownIssuer { .. } => TlsCause::UnknownIssuer,
            Self::MissingIssuer { issuer } => TlsCause::MissingIssuer { issuer: issuer.clone() },
            Self::IssuerChanged { issuer } => TlsCause::IssuerChanged { issuer: issuer.clone() },
            Self::Expired { .. } => TlsCause::CertificateExpired,
            Self::NotYetValid { .. } => TlsCause::CertificateNotYetValid,
            Self::WrongName { .. } | Self::NoNames { .. } => TlsCause::CertificateName,
            Self::Weak(_) => TlsCause::CertificateWeak,
            Self::Unfit(_) => TlsCause::CertificateUnfit,
            Self::ClientCertificateWanted { .. } | Self::ClientCertificateRefused { .. } => TlsCause::ClientCertificate,
            Self::OldVersion { .. } => TlsCause::OldVersion,
            Self::NothingInCommon { .. } => TlsCause::NothingInCommon,
            Self::UnknownName { .. } | Self::BadName => TlsCause::UnknownName,
            Self::Alert(_) | Self::Broken(_) => TlsCause::Alert,
            Self::PlainHttp => TlsCause::PlainHttp,
            Self::TlsWanted => TlsCause::TlsWanted,
            Self::NotTls(_) => TlsCause::NoTls,
        }
    }
}
