//! Where the server is: the setting `url`. Nothing is resolved or opened here.

use std::fmt;
use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// A server, a user and a database, without a password.
#[derive(Clone)]
pub struct ServerAddress {
    config: Config,
    /// As it is displayed.
    shown: String,
}

/// Why a text is no [`ServerAddress`]. Does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL of Postgres.
    #[error("is no address of a Postgres server; write postgres://USER@HOST:PORT/DATABASE")]
    Unreadable,
    /// A password.
    #[error("contains a password; take it out, and write `password_file` or another source of it")]
    Password,
    /// A part is missing.
    #[error("names no {0}; write postgres://USER@HOST:PORT/DATABASE")]
    Missing(&'static str),
    /// A parameter that is a setting of ours.
    #[error("contains a parameter of TLS; set `sslmode`, `ca_file`, `client_cert_file` and `client_key_file` instead")]
    Tls,
    /// Any other parameter.
    #[error("contains an unknown parameter; known are `host`, `port`, `user`, `dbname` and `target_session_attrs`")]
    Parameter,
}

const KNOWN_PARAMETERS: [&str; 5] = ["host", "port", "user", "dbname", "target_session_attrs"];

impl ServerAddress {
    /// Reads `postgres://USER@HOST:PORT/DATABASE`. A host that begins with `/` (written `%2F`, or as `?host=/…`) is the
    /// directory of a socket. Several hosts are tried in turn.
    ///
    /// # Errors
    /// If it is something else, is incomplete, or has a password.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or(AddressError::Unreadable)?;
        let parameters = rest.split_once('?').map_or("", |(_, parameters)| parameters);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=').map_or(parameter, |(key, _)| key) {
                key if KNOWN_PARAMETERS.contains(&key) => {}
                "password" | "passfile" => return Err(AddressError::Password),
                key if key.starts_with("ssl") => return Err(AddressError::Tls),
                _ => return Err(AddressError::Parameter),
            }
        }
        let config: Config = url.parse().map_err(|_| AddressError::Unreadable)?;
        if config.get_password().is_some() {
            return Err(AddressError::Password);
        }
        let named = |what, text: Option<&str>| match text {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(AddressError::Missing(what)),
        };
        let (user, database) = (named("user", config.get_user())?, named("database", config.get_dbname())?);
        if config.get_hosts().is_empty() {
            return Err(AddressError::Missing("host"));
        }
        let shown = format!("postgres://{user}@{}/{database}", hosts(&config));
        Ok(Self { config, shown })
    }

    /// What a connection begins with. It has no password and no rules of TLS yet.
    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    /// Whether no byte of a connection leaves this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        })
    }

    /// Whether it is a socket in the file system, which has no TLS.
    pub(crate) fn is_socket(&self) -> bool {
        self.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
    }

    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }
}

fn hosts(config: &Config) -> String {
    let ports = config.get_ports();
    let host = |(at, host): (usize, &Host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Unix(directory) => format!("{}:{port}", directory.display()),
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Tcp(name) => format!("{name}:{port}"),
        }
    };
    config.get_hosts().iter().enumerate().map(host).collect::<Vec<_>>().join(",")
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerAddress").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_sockets_are_read_and_shown() {
        for (url, shown, is_local, is_socket) in [
            ("postgres://me@db.example.com/inventory", "postgres://me@db.example.com:5432/inventory", false, false),
            ("postgresql://me@10.0.0.7:6432/i", "postgres://me@10.0.0.7:6432/i", false, false),
            ("postgres://me@localhost/i", "postgres://me@localhost:5432/i", true, false),
            ("postgres://me@[::1]:1/i", "postgres://me@[::1]:1/i", true, false),
            ("postgres://me@a:1,b:2/i?target_session_attrs=read-write", "postgres://me@a:1,b:2/i", false, false),
            ("postgres://me@%2Frun%2Fpg/i", "postgres://me@/run/pg:5432/i", true, true),
            ("postgres://me@/i?host=/run/pg&port=5433", "postgres://me@/run/pg:5433/i", true, true),
        ] {
            let address = ServerAddress::parse(url).expect(url);
            assert_eq!(address.to_string(), shown);
            assert_eq!((address.is_local(), address.is_socket()), (is_local, is_socket), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        use AddressError::{Missing, Parameter, Password, Tls, Unreadable};
        for (url, why) in [
            ("./inventory", Unreadable),
            ("mysql://me:hunter2@db/i", Unreadable),
            ("postgres://me:hunter2/i", Unreadable),
            ("postgres://me:hunter2@db/i", Password),
            ("postgres://me:hunt@er2@db/i", Password),
            ("postgres://me@db/i?password=hunter2", Password),
            ("postgres://db/i", Missing("user")),
            ("postgres://me@db", Missing("database")),
            ("postgres://me@/i", Missing("host")),
            ("postgres://me@db/i?sslmode=disable", Tls),
            ("postgres://me@db/i?sslpassword=hunter2", Tls),
            ("postgres://me@db/i?hunter2", Parameter),
        ] {
            let error = ServerAddress::parse(url).expect_err(url);
            assert_eq!(error, why, "{url}");
            assert!(!error.to_string().contains("hunt"), "{error}");
        }
    }
}
