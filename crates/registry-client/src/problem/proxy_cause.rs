//! The known causes of failures at a proxy, each with its text for the operator.

/// Why a proxy does not pass requests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyCause {
    /// The proxy wants a login, or refuses the one that it was sent.
    Login {
        /// The variable that names the proxy.
        variable: &'static str,
        /// Whether the proxy was sent a login.
        sent: bool,
    },
    /// The proxy does not pass requests to the registry on.
    Refused {
        /// The variable that names the proxy.
        variable: &'static str,
        /// Host and port of the registry.
        target: String,
    },
    /// The proxy, or the registry behind it, refuses requests.
    OrRegistry {
        /// The variable that names the proxy.
        variable: &'static str,
    },
    /// The proxy does not accept a connection, or has no address.
    Unreachable {
        /// The variable that names the proxy.
        variable: &'static str,
    },
    /// The environment names a proxy in a way that cannot be used.
    Setting {
        /// The variable that names the proxy.
        variable: &'static str,
        /// The remedy.
        remedy: String,
    },
}

impl ProxyCause {
    /// A stable code for machines.
    pub(crate) const fn id(&self) -> &'static str {
        match self {
            Self::Login { .. } => "proxy_login",
            Self::Refused { .. } => "proxy_refused",
            Self::OrRegistry { .. } => "proxy_or_registry",
            Self::Unreachable { .. } => "proxy_unreachable",
            Self::Setting { .. } => "proxy_setting",
        }
    }

    /// The cause, in one line.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::Login { sent: false, .. } => "the proxy wants a user name and a password".into(),
            Self::Login { sent: true, .. } => "the proxy does not accept its user name and password".into(),
            Self::Refused { target, .. } => format!("the proxy does not connect to {target}"),
            Self::OrRegistry { .. } => "the proxy, or the registry behind it, refuses the request".into(),
            Self::Unreachable { .. } => "the proxy does not accept a connection".into(),
            Self::Setting { variable, .. } => format!("${variable} does not name a proxy that can be used"),
        }
    }

    /// The remedy, in one line.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Login { variable, sent: false } => {
                format!("write {variable} as http://USER:PASSWORD@HOST:PORT, special characters percent-encoded")
            }
            Self::Login { variable, sent: true } => {
                format!("correct the user name and the password in {variable}; special characters are percent-encoded")
            }
            Self::Refused { variable, target } => format!(
                "ask the proxy's operators to allow {target}, or correct {variable}; to connect without the proxy, add the \
                 host to NO_PROXY"
            ),
            Self::OrRegistry { variable } => format!(
                "ask the operators of the proxy first; to see what the registry itself answers, add its host to NO_PROXY, or \
                 correct {variable}"
            ),
            Self::Unreachable { variable } => format!(
                "check {variable}, and whether the proxy is up; to connect without the proxy, add the registry's host to \
                 NO_PROXY"
            ),
            Self::Setting { remedy, .. } => remedy.clone(),
        }
    }
}
