//! The kinds of failures. What follows from a kind is decided elsewhere.

use std::fmt;

/// The kind of a failure, as far as operators and metrics distinguish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Wrong password, deleted or disabled account. The credentials are not sent again.
    CredentialsRejected,
    /// The password or token could not be read from where it is kept.
    SecretUnreadable,
    /// The login may not read this.
    Denied,
    /// The server has no catalog, or is not a registry.
    Unsupported,
    /// The registry still refused the request because of its rate limit after all pauses.
    RateLimited,
    /// No connection, or no complete answer.
    Unreachable,
    /// Only server errors, or 404 answers that do not come from a registry.
    ServerError,
    /// The certificate is not trusted, or TLS could not be set up.
    Tls,
    /// An answer, or a name, that breaks the protocol.
    Protocol,
    /// The answer would lead credentials or the walk to another host.
    Untrusted,
    /// A list or a manifest does not end, or exceeds its bound.
    Endless,
    /// Listed, and not there any more when it was requested.
    Gone,
    /// The content does not have its digest, or cannot be parsed.
    Corrupt,
}

impl Fault {
    /// All kinds, for tables and metrics.
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
    /// Whether a credential or its permissions may be the reason.
    pub const fn is_authentication(self) -> bool {
        matches!(self, Self::CredentialsRejected | Self::SecretUnreadable | Self::Denied)
    }

    /// Whether the server itself may have failed, and not only the request.
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
