//! Why the token service that a registry names gives no token. A part of [`crate::problem::cause`].

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenServiceCause {
    /// The challenge names a token endpoint by http, though the registry is https.
    Plaintext {
        /// Its origin and path.
        url: String,
        /// Whether its host is the registry's own.
        is_own: bool,
    },
    /// The URL that the registry names as its token service issues no token.
    Wrong {
        /// Its origin and path.
        url: String,
    },
    /// The token service fails.
    Fails {
        /// Its origin and path.
        url: String,
    },
    /// The token service redirects to another URL.
    Moved {
        /// Its origin and path.
        url: String,
        /// Origin and path of the other URL.
        to: String,
    },
}

impl TokenServiceCause {
    /// A stable code for machines.
    pub(crate) const fn id(&self) -> &'static str {
        match self {
            Self::Plaintext { .. } => "realm_plaintext",
            Self::Wrong { .. } => "token_service",
            Self::Fails { .. } => "token_service_fails",
            Self::Moved { .. } => "token_service_moved",
        }
    }

    /// The cause, in one line.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::Plaintext { url, is_own: true } => {
                format!("the registry believes that it is reached over http, and names the token service {url}")
            }
            Self::Plaintext { url, .. } => format!("the registry names a token service over http: {url}"),
            Self::Wrong { url } => format!("the registry names {url} as its token service, which it is not"),
            Self::Fails { url } => format!("the token service {url} fails"),
            Self::Moved { url, to } => {
                format!("the registry names {url} as its token service, and requests for tokens go to {to}")
            }
        }
    }

    /// The remedy, in one line.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Plaintext { is_own: true, .. } => {
                "let the proxy in front of the registry set `X-Forwarded-Proto: https`, or correct the external URL in the \
                 registry's settings: no password is sent over http"
                    .into()
            }
            Self::Plaintext { .. } => {
                "correct the `realm` in the registry's settings to https, or let the proxy in front of it set \
                 `X-Forwarded-Proto: https`: no password is sent over http"
                    .into()
            }
            Self::Wrong { url } => format!(
                "the registry names {url} as its token service: correct `realm` in the registry's settings, or let the \
                 proxy in front of it pass that path to the token service"
            ),
            Self::Fails { url } => format!(
                "look at the logs of the token service {url}, and of the proxy in front of it; then run again"
            ),
            Self::Moved { to, .. } => format!(
                "redirects to another host, and of a form, are not followed with credentials: if {to} is right, correct \
                 `realm` in the registry's settings, or the proxy in front of it"
            ),
        }
    }
}
