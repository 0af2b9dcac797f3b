//! What the listener is told: where it listens, who may come in, and what they may do. Plain data; no file is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// Everything that the configuration says of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// Where it listens.
    pub listen: ListenAddress,
    /// Its certificate; none: plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Who may come in, with a password each; nobody: no password is asked for.
    pub users: BTreeMap<String, PasswordHash>,
    /// Whether a run can be asked for.
    pub allow_runs: bool,
    /// Names, in lower case, that a request's `Host` may have beside those of this machine; where the listener is on the
    /// network, empty means any.
    pub allowed_hosts: BTreeSet<String>,
}

impl Default for WebSettings {
    /// Loopback only, for everybody there, to look and not to touch.
    fn default() -> Self {
        Self {
            listen: ListenAddress::default(),
            tls: None,
            users: BTreeMap::new(),
            allow_runs: false,
            allowed_hosts: BTreeSet::new(),
        }
    }
}

impl WebSettings {
    /// Whether it is told from everybody who asks: by password or by certificate.
    pub fn knows_who_asks(&self) -> bool {
        let certificate_wanted =
            self.tls.as_ref().is_some_and(|tls| matches!(tls.clients, ClientCertificates::Required { .. }));
        !self.users.is_empty() || certificate_wanted
    }
}

/// `host:port`; `:port` is every interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address without brackets; empty: every interface.
    host: String,
    /// 0: one that is free.
    port: u16,
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 9914 }
    }
}

impl ListenAddress {
    /// A name or an address without brackets; none: every interface.
    pub(super) fn host(&self) -> Option<&str> {
        (!self.host.is_empty()).then_some(self.host.as_str())
    }

    /// 0: one that is free.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Whether nobody but this machine gets there.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// A text is no place to listen.
#[derive(Debug, thiserror::Error)]
#[error("expected `host:port`, `[::1]:port`, or `:port` for every interface")]
pub struct NoListenAddress;

impl FromStr for ListenAddress {
    type Err = NoListenAddress;

    fn from_str(text: &str) -> Result<Self, NoListenAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(NoListenAddress)?;
        let is_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_digits).ok_or(NoListenAddress)?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(within) => {
                let address: Ipv6Addr = within.and_then(|within| within.parse().ok()).ok_or(NoListenAddress)?;
                address.to_string()
            }
            None if host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) => host.to_owned(),
            None => return Err(NoListenAddress),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The TLS side, with the key names of Prometheus' exporter-toolkit. The files are read anew for each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM: the certificate, and those that lead from it to an authority that clients know.
    pub cert_file: PathBuf,
    /// PEM, not encrypted. Its mode is not looked at: Kubernetes mounts secrets for everybody in the container to read.
    pub key_file: PathBuf,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// The newest one.
    pub max_version: TlsVersion,
}

/// What is asked of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// `NoClientCert`: nothing.
    NotAsked,
    /// `VerifyClientCertIfGiven`: one that is shown has to be good.
    VerifiedIfGiven {
        /// PEM: the authorities that issue them.
        ca_file: PathBuf,
    },
    /// `RequireAndVerifyClientCert`: a good one.
    Required {
        /// PEM: the authorities that issue them.
        ca_file: PathBuf,
    },
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `TLS12`.
    Tls12,
    /// `TLS13`.
    Tls13,
}

/// The hash of a password by bcrypt.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A text is no hash of a password. It is never quoted: it may be the password.
#[derive(Debug, thiserror::Error)]
pub enum NoPasswordHash {
    /// Something else.
    #[error("expected the bcrypt hash of a password, found other text")]
    Malformed,
    /// One that takes seconds to check.
    #[error("expected a hash of a cost from 4 to {MOST_COST}, found {0}")]
    Cost(u32),
}

/// One check of this cost takes about two seconds; each more doubles that.
const MOST_COST: u32 = 15;

impl PasswordHash {
    /// Twice to the power of this many rounds.
    pub fn cost(&self) -> u32 {
        self.0.parse::<bcrypt::HashParts>().map_or(0, |parts| parts.get_cost())
    }

    /// Whether this is the hash of that password. Takes as long as the cost says, for right ones and wrong ones.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.0).unwrap_or(false)
    }
}

impl FromStr for PasswordHash {
    type Err = NoPasswordHash;

    fn from_str(text: &str) -> Result<Self, NoPasswordHash> {
        let parts: bcrypt::HashParts = text.parse().map_err(|_| NoPasswordHash::Malformed)?;
        // `2x` marks hashes that a faulty program made; this library would check them as right ones.
        if text.starts_with("$2x$") {
            return Err(NoPasswordHash::Malformed);
        }
        match parts.get_cost() {
            4..=MOST_COST => Ok(Self(text.to_owned())),
            cost => Err(NoPasswordHash::Cost(cost)),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[bcrypt]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_are_read_and_printed_alike() {
        for (text, is_loopback) in [
            ("127.0.0.1:9914", true),
            ("127.9.9.9:0", true),
            ("localhost:9914", true),
            ("[::1]:9914", true),
            ("[::]:9914", false),
            (":9914", false),
            ("0.0.0.0:9914", false),
            ("metrics-1.example.org:65535", false),
        ] {
            let read: ListenAddress = text.parse().expect(text);
            assert_eq!((read.to_string().as_str(), read.is_loopback()), (text, is_loopback));
        }
        for text in
            ["", "9914", "localhost", "::1:9914", "[::1]", "[x]:1", "a:", "a:+1", "a:65536", "a b:1", "/run/s:1"]
        {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn hashes_are_told_from_other_text_and_never_printed() {
        let good = "$2y$04$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";
        let hash: PasswordHash = good.parse().expect("a hash");
        assert_eq!((hash.cost(), format!("{hash:?}").as_str()), (4, "[bcrypt]"));
        assert!(good.replace("$04$", "$15$").parse::<PasswordHash>().is_ok());
        for cost in ["16", "31"] {
            let refused = good.replace("$04$", &format!("${cost}$")).parse::<PasswordHash>().expect_err("too slow");
            assert_eq!(refused.to_string(), format!("expected a hash of a cost from 4 to 15, found {cost}"));
        }
        for text in ["hunter2", "", "$2x$04$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze", &good[..59]] {
            let refused = text.parse::<PasswordHash>().expect_err("no hash").to_string();
            assert!(!refused.contains("hunter2") && !refused.contains("$2"), "{refused}");
        }
    }
}
