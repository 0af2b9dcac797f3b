//! Which hosts a server may send the client to. Hosts in the configuration are connected to as they are. Hosts that a
//! server names (realms, redirects) may be on the public internet, or in the kind of network where the registry itself
//! is; not this machine, this network or a metadata service. The check is made on the address that is connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use hyper_util::client::proxy::matcher::Matcher;
use parking_lot::Mutex;
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use url::{Host, Url};

use crate::address::AddressKind;
use crate::http::origin::is_listed;
use crate::http::sent_secrets::SentSecrets;
use crate::problem::address::ForbiddenHost;
use crate::settings::{AllowedHost, RegistrySettings};

/// Who named the host of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// The configuration: the registry, or its API.
    Configured,
    /// The registry, in a challenge: a token service.
    Realm,
    /// The registry, in a redirect: another origin.
    Redirect,
}

/// The HTTP clients of one registry, and the rules for hosts.
pub(crate) struct HostPolicy {
    registry: Url,
    realm_hosts: Vec<String>,
    /// The client for hosts in the configuration.
    own: reqwest::Client,
    /// The client for hosts that a server named.
    guarded: reqwest::Client,
    guard: AddressGuard,
    /// The system's proxies. None: no proxy is used at all.
    proxies: Option<Matcher>,
    /// Whether the registry is behind a proxy, so that its own address is not known.
    is_proxied: bool,
}

impl HostPolicy {
    /// Two clients made by `builder`.
    pub(crate) fn new(
        settings: &RegistrySettings,
        sent: Arc<SentSecrets>,
        builder: impl Fn() -> ClientBuilder,
    ) -> reqwest::Result<Self> {
        let guard = AddressGuard::new(settings, sent, system_lookup);
        let guarded = builder().no_proxy().dns_resolver(guard.clone()).build()?;
        // No proxy for loopback, as in Go (httpproxy.Config): a proxy on another machine has another loopback.
        let proxies = (!is_loopback(&settings.url)).then(Matcher::from_system);
        let own = if proxies.is_some() { builder() } else { builder().no_proxy() };
        let is_proxied = is_proxied(proxies.as_ref(), &settings.url);
        let (registry, realm_hosts) = (settings.url.clone(), settings.realm_hosts.clone());
        Ok(Self { registry, realm_hosts, own: own.build()?, guarded, guard, proxies, is_proxied })
    }

    /// The HTTP client for this request. It looks the name up, and refuses addresses that are not allowed.
    pub(crate) fn client(&self, url: &Url, named_by: NamedBy) -> Result<&reqwest::Client, ForbiddenHost> {
        if named_by == NamedBy::Configured || url.host() == self.registry.host() || self.is_named(url, named_by) {
            return Ok(&self.own);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.guard.pass(address.into()).map(|()| &self.own),
            Some(Host::Ipv6(address)) => self.guard.pass(address.into()).map(|()| &self.own),
            // The proxy looks the name up and has its own rules. Only names of this machine are refused here.
            Some(Host::Domain(name)) if is_proxied(self.proxies.as_ref(), url) => {
                self.guard.pass_by_proxy(name).map(|()| &self.own)
            }
            _ => Ok(&self.guarded),
        }
    }

    /// Whether the configuration lists this host as one that the registry may send the client to.
    fn is_named(&self, url: &Url, named_by: NamedBy) -> bool {
        let hosts = self.guard.allowed.iter().filter_map(|allowed| match allowed {
            AllowedHost::Host(host) => Some(host.as_str()),
            AllowedHost::Network(_) => None,
        });
        let realms = self.realm_hosts.iter().filter(|_| named_by == NamedBy::Realm).map(String::as_str);
        is_listed(url, hosts.chain(realms))
    }

    /// Notes the address that an answer came from.
    pub(crate) fn answered(&self, url: &Url, from: Option<SocketAddr>) {
        if let Some(from) = from.filter(|_| !self.is_proxied && url.host() == self.registry.host()) {
            self.guard.note_own_address(from.ip());
        }
    }
}

fn is_proxied(proxies: Option<&Matcher>, url: &Url) -> bool {
    let intercepts = |proxies: &Matcher| Some(proxies.intercept(&url.as_str().parse().ok()?).is_some());
    proxies.and_then(intercepts).unwrap_or(false)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A function that looks up a name.
type Lookup = fn(&str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

fn system_lookup(name: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    let name = name.to_owned();
    // The HTTP client sets the port.
    async move { Ok(lookup_host((name, 0)).await?.collect()) }.boxed()
}

/// Decides which addresses a server may send the client to, and looks up names accordingly. Clones share their state.
#[derive(Clone)]
struct AddressGuard {
    allowed: Arc<[AllowedHost]>,
    /// The kind of the registry's own address, as far as it is known.
    own_kind: Arc<Mutex<AddressKind>>,
    /// Secrets that no message may show: a server may put them into a name.
    sent: Arc<SentSecrets>,
    lookup: Lookup,
}

impl AddressGuard {
    fn new(settings: &RegistrySettings, sent: Arc<SentSecrets>, lookup: Lookup) -> Self {
        let own_kind = match settings.url.host() {
            Some(Host::Ipv4(address)) => AddressKind::of(address.into()),
            Some(Host::Ipv6(address)) => AddressKind::of(address.into()),
            _ => AddressKind::Public,
        };
        Self { allowed: settings.allow_hosts.as_slice().into(), own_kind: Arc::new(Mutex::new(own_kind)), sent, lookup }
    }

    fn own_kind(&self) -> AddressKind {
        *self.own_kind.lock()
    }

    fn note_own_address(&self, address: IpAddr) {
        *self.own_kind.lock() = AddressKind::of(address);
    }

    /// Addresses of the same kind as the registry's own are allowed.
    fn allows(&self, address: IpAddr) -> bool {
        let kind = AddressKind::of(address);
        let is_named = |allowed: &AllowedHost| match allowed {
            AllowedHost::Network(network) => network.contains(address),
            AllowedHost::Host(_) => false,
        };
        kind == AddressKind::Public || kind == self.own_kind() || self.allowed.iter().any(is_named)
    }

    /// Checks an address in a URL.
    fn pass(&self, address: IpAddr) -> Result<(), ForbiddenHost> {
        if self.allows(address) {
            return Ok(());
        }
        Err(ForbiddenHost { host: address.to_string(), address: None, kind: AddressKind::of(address) })
    }

    /// Checks a name that a proxy looks up.
    fn pass_by_proxy(&self, name: &str) -> Result<(), ForbiddenHost> {
        let plain = name.trim_end_matches('.');
        let is_here = plain == "localhost" || plain.ends_with(".localhost");
        if !is_here || self.own_kind() == AddressKind::Loopback {
            return Ok(());
        }
        Err(ForbiddenHost { host: self.sent.shown(name), address: None, kind: AddressKind::Loopback })
    }

    /// The addresses of a name that may be connected to.
    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = (self.lookup)(name).await?;
        let (allowed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|to| self.allows(to.ip()));
        match refused.first().filter(|_| allowed.is_empty()) {
            Some(first) => {
                let (host, address) = (self.sent.shown(name), Some(first.ip()));
                Err(ForbiddenHost { host, address, kind: AddressKind::of(first.ip()) }.into())
            }
            None => Ok(allowed),
        }
    }
}

impl Resolve for AddressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move { Ok(Box::new(guard.addresses(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

#[cfg(test)]
mod tests;
