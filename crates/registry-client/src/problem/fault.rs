//! The kinds of what goes wrong with a registry. What follows from a kind is decided elsewhere.

use std::fmt;

/// The kind of a failure, as far as an operator or a metric tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Wrong password, deleted or disabled account: not tried again.
    CredentialsRejected,
    /// The password or token could not be read from where it is kept.
    SecretUnreadable,
    /// Logged in and still not allowed.
    Denied,
    /// There is no catalog, or no registry.
    Unsupported,
    /// Still turned away after waiting as often as asked.
    RateLimited,
    /// No answer.
    Unreachable,
    /// No answers but server errors, or 404s that no registry has said.
    ServerError,
    /// The certificate is not trusted, or TLS could not be set up.
    Tls,
    /// An answer that is against the protocol.
    Protocol,
    /// Following the server would take credentials or the walk elsewhere.
    Untrusted,
    /// The catalog does not end.
    Endless,
    /// Listed, and not there when it was asked for.
    Gone,
    /// What came is not what its digest says, or cannot be read.
    Corrupt,
}

impl Fault {
    /// All of them, for tables and metrics.
    pub const ALL: [Self; 13] = [
        Self::CredentialsRejected,
        Self::SecretUnreadable,
        Self::Denied,
        Self::Unsupported,
        Self::RateLimited,
        Self::Unreachable,
        Self::ServerError,
        Self::Tls,
        Self::Protocol,
        Self::Untrusted,
        Self::Endless,
        Self::Gone,
        Self::Corrupt,
    ];

    /// A stable code for tables and metrics: `credentials_rejected`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialsRejected => "credentials_rejected",
            Self::SecretUnreadable => "secret_unreadable",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::RateLimited => "rate_limited",
            Self::Unreachable => "unreachable",
            Self::ServerError => "server_error",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Untrusted => "untrusted",
            Self::Endless => "endless",
            Self::Gone => "gone",
            Self::Corrupt => "corrupt",
        }
    }
}

impl Fault {
    /// Whether a credential is to blame.
    pub const fn is_authentication(self) -> bool {
        matches!(self, Self::CredentialsRejected | Self::SecretUnreadable | Self::Denied)
    }

    /// Whether the server itself may be in trouble, and not only what it was asked for.
    pub const fn is_trouble(self) -> bool {
        matches!(self, Self::Unreachable | Self::ServerError | Self::RateLimited)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_fit_a_metric_label() {
        let codes: std::collections::HashSet<_> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(codes.len(), Fault::ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
