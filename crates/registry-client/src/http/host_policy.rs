//! Where a server may send us. Names that stand in the configuration are connected to as they are. Names that a server says
//! (realms, redirects) may lead to the public internet and to where the registry itself is, not to this machine, into this
//! network or to a metadata service. What is checked are the very addresses that are connected to.

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

/// Who has said where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// The configuration: to the registry, or to an API of its own.
    Configured,
    /// The registry, in a challenge: to a token service.
    Realm,
    /// The registry, by a redirect: to another origin.
    Abroad,
}

/// The ways of one registry's client.
pub(crate) struct HostPolicy {
    registry: Url,
    realm_hosts: Vec<String>,
    /// For hosts that stand in the configuration.
    own: reqwest::Client,
    /// For names that a server said.
    guarded: reqwest::Client,
    guard: AddressGuard,
    /// None: no proxy is used at all.
    proxies: Option<Matcher>,
    /// Whether the registry is behind one, so that its own address is not seen.
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
        // As Go does (httpproxy.Config): a proxy elsewhere cannot know what our loopback is.
        let proxies = (!is_loopback(&settings.url)).then(Matcher::from_system);
        let own = if proxies.is_some() { builder() } else { builder().no_proxy() };
        let is_proxied = is_proxied(proxies.as_ref(), &settings.url);
        let (registry, realm_hosts) = (settings.url.clone(), settings.realm_hosts.clone());
        Ok(Self { registry, realm_hosts, own: own.build()?, guarded, guard, proxies, is_proxied })
    }

    /// The client to ask this with. A name is looked up by that client, and refused there where it leads astray.
    pub(crate) fn client(&self, url: &Url, way: NamedBy) -> Result<&reqwest::Client, ForbiddenHost> {
        if way == NamedBy::Configured || url.host() == self.registry.host() || self.is_named(url, way) {
            return Ok(&self.own);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.guard.pass(address.into()).map(|()| &self.own),
            Some(Host::Ipv6(address)) => self.guard.pass(address.into()).map(|()| &self.own),
            // The proxy looks names up, and has its own rules; but it cannot mean us by this one.
            Some(Host::Domain(name)) if is_proxied(self.proxies.as_ref(), url) => {
                self.guard.pass_by_proxy(name).map(|()| &self.own)
            }
            _ => Ok(&self.guarded),
        }
    }

    /// Whether the configuration names this host as one that the registry may send us to.
    fn is_named(&self, url: &Url, way: NamedBy) -> bool {
        let hosts = self.guard.allowed.iter().filter_map(|allowed| match allowed {
            AllowedHost::Host(host) => Some(host.as_str()),
            AllowedHost::Network(_) => None,
        });
        let realms = self.realm_hosts.iter().filter(|_| way == NamedBy::Realm).map(String::as_str);
        is_listed(url, hosts.chain(realms))
    }

    /// Notes where an answer came from.
    pub(crate) fn answered(&self, url: &Url, from: Option<SocketAddr>) {
        if let Some(from) = from.filter(|_| !self.is_proxied && url.host() == self.registry.host()) {
            self.guard.note_home(from.ip());
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

/// Looks a name up.
type Lookup = fn(&str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

fn system_lookup(name: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    let name = name.to_owned();
    // The port is put in by those who connect.
    async move { Ok(lookup_host((name, 0)).await?.collect()) }.boxed()
}

/// Tells addresses that a server may send us to, and looks up names as those alone. Cloned, it is the same one.
#[derive(Clone)]
struct AddressGuard {
    allowed: Arc<[AllowedHost]>,
    /// Of which kind the registry's own address is, as far as it is known.
    home: Arc<Mutex<AddressKind>>,
    /// What no message may repeat: a server may put it into a name.
    sent: Arc<SentSecrets>,
    lookup: Lookup,
}

impl AddressGuard {
    fn new(settings: &RegistrySettings, sent: Arc<SentSecrets>, lookup: Lookup) -> Self {
        let home = match settings.url.host() {
            Some(Host::Ipv4(address)) => AddressKind::of(address.into()),
            Some(Host::Ipv6(address)) => AddressKind::of(address.into()),
            _ => AddressKind::Public,
        };
        Self { allowed: settings.allow_hosts.as_slice().into(), home: Arc::new(Mutex::new(home)), sent, lookup }
    }

    fn home(&self) -> AddressKind {
        *self.home.lock()
    }

    fn note_home(&self, address: IpAddr) {
        *self.home.lock() = AddressKind::of(address);
    }

    /// Where the registry is, what is there as well may be meant.
    fn allows(&self, address: IpAddr) -> bool {
        let kind = AddressKind::of(address);
        let is_named = |allowed: &AllowedHost| match allowed {
            AllowedHost::Network(network) => network.contains(address),
            AllowedHost::Host(_) => false,
        };
        kind == AddressKind::Public || kind == self.home() || self.allowed.iter().any(is_named)
    }

    /// An address that a URL holds.
    fn pass(&self, address: IpAddr) -> Result<(), ForbiddenHost> {
        if self.allows(address) {
            return Ok(());
        }
        Err(ForbiddenHost { host: address.to_string(), address: None, kind: AddressKind::of(address) })
    }

    /// A name that a proxy is to look up.
    fn pass_by_proxy(&self, name: &str) -> Result<(), ForbiddenHost> {
        let plain = name.trim_end_matches('.');
        let is_here = plain == "localhost" || plain.ends_with(".localhost");
        if !is_here || self.home() == AddressKind::Loopback {
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
