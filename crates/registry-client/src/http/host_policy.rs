//! Which hosts a server may send the client to. Hosts in the configuration are connected to as they are. Hosts that a
//! server names (realms, redirects) may be on the public internet, or in the kind of network where the registry itself
//! is; not this machine, this network or a metadata service. The check is made on the address that is connected to.

use std::net::SocketAddr;
use std::sync::Arc;

use url::{Host, Url};

use crate::http::address_guard::{AddressGuard, system_lookup};
use crate::http::origin::is_listed;
use crate::http::proxy::{ProxyEnvironment, Route};
use crate::http::sent_secrets::SentSecrets;
use crate::http::wire::{WireClient, WireSettings};
use crate::problem::Problem;
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
    own: WireClient,
    /// The client for hosts that a server named.
    guarded: WireClient,
    guard: AddressGuard,
    proxies: Arc<ProxyEnvironment>,
}

impl HostPolicy {
    /// Two clients of the same parts.
    ///
    /// # Errors
    /// If the environment names a proxy for the registry that cannot be used.
    pub(crate) fn new(
        settings: &RegistrySettings,
        sent: Arc<SentSecrets>,
        proxies: ProxyEnvironment,
        wire: &WireSettings,
    ) -> Result<Self, Problem> {
        proxies.route(&settings.url).map_err(Problem::ProxySetting)?;
        // A page of a proxy may repeat what the proxy was sent.
        for login in proxies.logins() {
            sent.note_lasting(&login);
        }
        let proxies = Arc::new(proxies);
        let guard = AddressGuard::new(settings, sent, system_lookup);
        let guarded = wire.client(None, Some(guard.clone()));
        let own = wire.client(Some(proxies.clone()), None);
        let (registry, realm_hosts) = (settings.url.clone(), settings.realm_hosts.clone());
        Ok(Self { registry, realm_hosts, own, guarded, guard, proxies })
    }

    /// The HTTP client for this request. It looks the name up, and refuses addresses that are not allowed.
    pub(crate) fn client(&self, url: &Url, named_by: NamedBy) -> Result<&WireClient, Problem> {
        if named_by == NamedBy::Configured || url.host() == self.registry.host() || self.is_named(url, named_by) {
            return Ok(&self.own);
        }
        let passed = match url.host() {
            Some(Host::Ipv4(address)) => self.guard.pass(address.into()),
            Some(Host::Ipv6(address)) => self.guard.pass(address.into()),
            // The proxy looks the name up and has its own rules. Only names of this machine are refused here.
            Some(Host::Domain(name)) if self.is_proxied(url)? => self.guard.pass_by_proxy(name),
            _ => return Ok(&self.guarded),
        };
        passed.map(|()| &self.own).map_err(Problem::Forbidden)
    }

    fn is_proxied(&self, url: &Url) -> Result<bool, Problem> {
        let route = self.proxies.route(url).map_err(Problem::ProxySetting)?;
        Ok(matches!(route, Route::Proxy(_)))
    }

    /// How a URL is reached, in words: through which proxy, or why not through one.
    pub(crate) fn route_in_words(&self, url: &Url) -> Result<String, String> {
        match self.proxies.route(url) {
            Ok(Route::Proxy(proxy)) => Ok(proxy.name.to_string()),
            Ok(Route::Direct(why)) => Err(why.to_string()),
            Err(unusable) => Err(unusable.to_string()),
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
        if let Some(from) = from.filter(|_| url.host() == self.registry.host()) {
            self.guard.note_own_address(from.ip());
        }
    }
}

#[cfg(test)]
mod tests;
