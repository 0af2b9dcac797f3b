//! Which proxy a request takes, by the variables of the environment as Go's `golang.org/x/net/http/httpproxy` reads
//! them, so that docker, podman and this client take the same way. Pure: the environment is given, nothing is sent.
//!
//! `ALL_PROXY` is not one of Go's variables. It is used where the variable of the scheme is not set, as in curl.

mod no_proxy;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use url::{Host, Url};

use crate::grammar::shown;
use crate::http::proxy::no_proxy::NoProxy;
use crate::problem::proxy::{ProxyFlaw, ProxyName, UnusableProxy};

/// The variables of each scheme. In upper case first: the first one that is not empty counts.
const HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const EXEMPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxies of an environment.
#[derive(Clone, Default)]
pub(crate) struct ProxyEnvironment {
    http: Option<Result<Proxy, UnusableProxy>>,
    https: Option<Result<Proxy, UnusableProxy>>,
    no_proxy: NoProxy,
    /// The variable of `no_proxy`.
    exempt_by: &'static str,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyProtocol {
    Http,
    Https,
    /// With names that the proxy looks up: `socks5` too, as in Go.
    Socks5,
}

/// One proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) name: ProxyName,
    pub(crate) protocol: ProxyProtocol,
    /// `http://HOST:PORT`, to connect to.
    pub(crate) to: Uri,
    /// User name and password, decoded.
    login: Option<(String, String)>,
}

/// The way of a request.
#[derive(Clone)]
pub(crate) enum Route<'a> {
    /// Through this proxy.
    Proxy(&'a Proxy),
    /// Not through a proxy.
    Direct(DirectReason<'a>),
}

/// Why a request does not go through a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DirectReason<'a> {
    /// No proxy is used by this client.
    NoProxies,
    /// The variable of the URL's scheme is not set.
    NotSet(&'static str),
    ThisMachine,
    /// A rule of a variable, as it is written.
    Listed {
        variable: &'static str,
        rule: &'a str,
    },
}

impl fmt::Display for DirectReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProxies => f.write_str("no proxy is used"),
            Self::NotSet(variable) => write!(f, "${variable} is not set"),
            Self::ThisMachine => f.write_str("a host of this machine is never reached through a proxy"),
            Self::Listed { variable, rule } => write!(f, "${variable} has `{}`", shown(rule)),
        }
    }
}

impl ProxyEnvironment {
    /// The proxies of this process.
    pub(crate) fn of_process() -> Self {
        Self::read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The proxies that these variables name.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            let set = |name: &&'static str| Some((*name, variable(name).filter(|value| !value.is_empty())?));
            names.iter().find_map(set)
        };
        let proxy = |names: &[&'static str]| first(names).map(|(name, value)| Proxy::parse(name, &value));
        // CVE-2016-5385: a CGI program gets the header `Proxy` of a request as HTTP_PROXY.
        let is_cgi = variable("REQUEST_METHOD").is_some_and(|value| !value.is_empty());
        let http = match first(&HTTP) {
            Some((name, _)) if is_cgi && name.eq_ignore_ascii_case("HTTP_PROXY") => {
                Some(Err(UnusableProxy { variable: name, flaw: ProxyFlaw::Cgi }))
            }
            _ => proxy(&HTTP),
        };
        let (exempt_by, exempt) = first(&EXEMPT).unwrap_or(("NO_PROXY", String::new()));
        Self { http, https: proxy(&HTTPS), no_proxy: NoProxy::parse(&exempt), exempt_by }
    }

    /// The headers `Proxy-Authorization` of all proxies.
    pub(crate) fn logins(&self) -> Vec<HeaderValue> {
        [&self.http, &self.https].into_iter().flatten().flatten().filter_map(Proxy::authorization).collect()
    }

    /// The way to a URL.
    ///
    /// # Errors
    /// If the variable for this URL does not name a proxy. A request never goes directly then.
    pub(crate) fn route(&self, url: &Url) -> Result<Route<'_>, UnusableProxy> {
        let (proxy, names) = match url.scheme() {
            "https" => (&self.https, "HTTPS_PROXY"),
            _ => (&self.http, "HTTP_PROXY"),
        };
        let Some(proxy) = proxy else { return Ok(Route::Direct(DirectReason::NotSet(names))) };
        if is_loopback(url) {
            return Ok(Route::Direct(DirectReason::ThisMachine));
        }
        if let Some(rule) = self.no_proxy.rule_for(url) {
            return Ok(Route::Direct(DirectReason::Listed { variable: self.exempt_by, rule }));
        }
        proxy.as_ref().map(Route::Proxy).map_err(Clone::clone)
    }
}

/// Whether the URL's host is this machine, as Go sees it: `localhost` and loopback addresses.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

impl Proxy {
    /// Reads the value of a variable. Without a scheme, it is `http`.
    fn parse(variable: &'static str, value: &str) -> Result<Self, UnusableProxy> {
        let unusable = |flaw| UnusableProxy { variable, flaw };
        let value = value.trim();
        if value.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(unusable(ProxyFlaw::Blank));
        }
        let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        let url = Url::parse(&text).map_err(|_| unusable(ProxyFlaw::NotAUrl))?;
        let (protocol, default_port) = match url.scheme() {
            "http" => (ProxyProtocol::Http, 80),
            "https" => (ProxyProtocol::Https, 443),
            "socks5" | "socks5h" => (ProxyProtocol::Socks5, 1080),
            other => return Err(unusable(ProxyFlaw::Scheme(shown(other)))),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| unusable(ProxyFlaw::NotAUrl))?;
        let address = format!("{host}:{}", url.port().unwrap_or(default_port));
        let to = format!("http://{address}").parse().map_err(|_| unusable(ProxyFlaw::NotAUrl))?;
        let decoded = |text: &str| decoded(text).ok_or_else(|| unusable(ProxyFlaw::Percent));
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (name, password) => Some((decoded(name)?, decoded(password.unwrap_or_default())?)),
        };
        Ok(Self { name: ProxyName { variable, address }, protocol, to, login })
    }

    /// The header `Proxy-Authorization`, for a proxy that speaks HTTP.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let (name, password) = self.login.as_ref().filter(|_| self.protocol != ProxyProtocol::Socks5)?;
        let mut value =
            HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether the proxy reads requests in plain HTTP, so that it may answer them itself.
    pub(crate) fn reads_requests(&self) -> bool {
        self.protocol != ProxyProtocol::Socks5
    }

    /// User name and password, for a proxy that speaks SOCKS.
    pub(crate) fn login(&self) -> Option<&(String, String)> {
        self.login.as_ref()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the password.
        f.debug_struct("Proxy").field("name", &self.name).field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// The text with its percent-encoding removed.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
