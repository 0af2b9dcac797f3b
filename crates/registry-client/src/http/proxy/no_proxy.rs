//! The rules of `NO_PROXY`, as Go's `httpproxy` reads them.

use std::net::IpAddr;

use url::{Host, Url};

use crate::address::AddressRange;

/// Which hosts are reached without a proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoProxy(Vec<NoProxyRule>);

#[derive(Clone, Debug)]
struct NoProxyRule {
    /// As it is written, for messages.
    written: String,
    matches: ExemptHosts,
    port: Option<String>,
}

#[derive(Clone, Debug)]
enum ExemptHosts {
    All,
    Network(AddressRange),
    Address(IpAddr),
    /// The suffix with its leading dot, and whether the bare domain counts as well.
    Domain {
        suffix: String,
        bare: bool,
    },
}

impl NoProxy {
    /// Reads a list with commas. Entries that are nothing are ignored, as in Go.
    pub(crate) fn parse(list: &str) -> Self {
        Self(list.split(',').map(str::trim).filter_map(NoProxyRule::parse).collect())
    }

    /// The rule that exempts this URL, as it is written.
    pub(crate) fn rule_for(&self, url: &Url) -> Option<&str> {
        let port = url.port_or_known_default()?.to_string();
        let (name, address) = match url.host()? {
            Host::Domain(name) => (name.trim_end_matches('.').to_ascii_lowercase(), None),
            Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(address))),
            Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(address).to_canonical())),
        };
        let rule = self.0.iter().find(|rule| rule.exempts(&name, address, &port));
        rule.map(|rule| rule.written.as_str())
    }
}

impl NoProxyRule {
    fn parse(written: &str) -> Option<Self> {
        let entry = written.to_ascii_lowercase();
        let of = |matches, port: Option<&str>| {
            Some(Self { written: written.to_owned(), matches, port: port.map(str::to_owned) })
        };
        if entry == "*" {
            return of(ExemptHosts::All, None);
        }
        if entry.contains('/') {
            return of(ExemptHosts::Network(entry.parse().ok()?), None);
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return of(ExemptHosts::Address(address.to_canonical()), None);
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port).filter(|port| !port.is_empty())),
            _ => (entry.as_str(), None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = host.parse::<IpAddr>() {
            return of(ExemptHosts::Address(address.to_canonical()), port);
        }
        let host = host.strip_prefix("*.").map_or_else(|| host.to_owned(), |rest| format!(".{rest}"));
        let host = host.trim_end_matches('.');
        let bare = !host.starts_with('.');
        let name = host.trim_start_matches('.');
        // Names in URLs are in their ASCII form.
        let name = Host::parse(name).map_or_else(|_| name.to_owned(), |host| host.to_string());
        (!name.is_empty()).then(|| of(ExemptHosts::Domain { suffix: format!(".{name}"), bare }, port))?
    }

    fn exempts(&self, name: &str, address: Option<IpAddr>, port: &str) -> bool {
        self.port.as_deref().is_none_or(|own| own == port)
            && match &self.matches {
                ExemptHosts::All => true,
                ExemptHosts::Network(network) => address.is_some_and(|address| network.contains(address)),
                ExemptHosts::Address(own) => address == Some(*own),
                ExemptHosts::Domain { suffix, bare } => {
                    address.is_none() && (name.ends_with(suffix) || (*bare && name == &suffix[1..]))
                }
            }
    }
}
