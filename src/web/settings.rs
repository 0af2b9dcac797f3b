//! The settings of the listener: its address, its certificate, its users, and what they may do. Reads no file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// All settings of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// The address.
    pub listen: ListenAddress,
    /// The certificate; none for plain HTTP.
    pub tls: Option<TlsSettings>,
    /// The users with the hashes of their passwords. Without users, no password is required.
    pub users: BTreeMap<String, PasswordHash>,
    /// Whether a run can be requested over HTTP.
    pub allow_runs: bool,
    /// Names in lower case that the `Host` of a request may have besides those of this machine. On the network, an empty set
    /// allows every name.
    pub allowed_hosts: BTreeSet<String>,
}

impl Default for WebSettings {
    /// Loopback only, without a password, without requests for runs.
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
    /// Whether every client must authenticate, by password or by certificate.
    pub fn requires_authentication(&self) -> bool {
        let certificate_wanted =
            self.tls.as_ref().is_some_and(|tls| matches!(tls.clients, ClientCertificates::Required { .. }));
        !self.users.is_empty() || certificate_wanted
    }
}

/// `host:port`; `:port` for all interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address without brackets; empty for all interfaces.
    host: String,
    /// 0 for any free port.
    port: u16,
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 9914 }
    }
}

impl ListenAddress {
    /// A name or an address without brackets; none for all interfaces.
    pub(super) fn host(&self) -> Option<&str> {
        (!self.host.is_empty()).then_some(self.host.as_str())
    }

    /// 0 for any free port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Whether only this machine can connect.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// A text that is not a [`ListenAddress`].
#[derive(Debug, thiserror::Error)]
#[error("expected `host:port`, `[::1]:port`, or `:port` for every interface")]
pub struct ListenAddressError;

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError)?;
        let is_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_digits).ok_or(ListenAddressError)?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(within) => {
                let address: Ipv6Addr = within.and_then(|within| within.parse().ok()).ok_or(ListenAddressError)?;
                address.to_string()
            }
            None if host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) => host.to_owned(),
            None => return Err(ListenAddressError),
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

/// The TLS settings, with the key names of Prometheus' exporter-toolkit. The files are read again for each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM: the certificate, then the intermediate certificates.
    pub cert_file: PathBuf,
    /// PEM, not encrypted. It is refused if other users can read or change it.
    pub key_file: PathBuf,
    /// Whether other users may read and own the file of the key.
    pub allow_readable: bool,
    /// Whether clients present certificates.
    pub clients: ClientCertificates,
    /// The oldest accepted version.
    pub min_version: TlsVersion,
    /// The newest accepted version.
    pub max_version: TlsVersion,
}

/// Whether clients must present certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// `NoClientCert`: no certificate is requested.
    NotAsked,
    /// `VerifyClientCertIfGiven`: a certificate that is presented must be valid.
    VerifiedIfGiven {
        /// PEM: the certificate authorities.
        ca_file: PathBuf,
    },
    /// `RequireAndVerifyClientCert`: a valid certificate is required.
    Required {
        /// PEM: the certificate authorities.
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

/// The bcrypt hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A text that is not a [`PasswordHash`]. The error does not quote the text, which may be a password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordHashError {
    /// The text is not a bcrypt hash.
    #[error("expected the bcrypt hash of a password, found other text")]
    Malformed,
    /// The cost is too low or too high. A high cost takes seconds to check.
    #[error("expected a hash of a cost from 4 to {MOST_COST}, found {0}")]
    Cost(u32),
}

/// A check of this cost takes about two seconds. Each further step doubles the time.
const MOST_COST: u32 = 15;

impl PasswordHash {
    /// The binary logarithm of the number of rounds.
    pub fn cost(&self) -> u32 {
        self.0.parse::<bcrypt::HashParts>().map_or(0, |parts| parts.get_cost())
    }

    /// Whether this is the hash of the password. The time depends on the cost alone.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.0).unwrap_or(false)
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        let parts: bcrypt::HashParts = text.parse().map_err(|_| PasswordHashError::Malformed)?;
        // `2x` marks hashes of a faulty program. This library would accept them.
        if text.starts_with("$2x$") {
            return Err(PasswordHashError::Malformed);
        }
        match parts.get_cost() {
            4..=MOST_COST => Ok(Self(text.to_owned())),
            cost => Err(PasswordHashError::Cost(cost)),
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
    fn hashes_are_recognised_and_never_printed() {
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
