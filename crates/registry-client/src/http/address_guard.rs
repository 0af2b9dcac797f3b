//! Which addresses a server may send the client to: those on the public internet, and those of the kind of network where
//! the registry itself is. The check is made on the address that is connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use tokio::net::lookup_host;
use url::Host;

use crate::address::AddressKind;
use crate::http::sent_secrets::SentSecrets;
use crate::problem::address::ForbiddenHost;
use crate::settings::{AllowedHost, RegistrySettings};

/// A function that looks up a name.
pub(crate) type Lookup = fn(&str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

pub(crate) fn system_lookup(name: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    let name = name.to_owned();
    // The HTTP client sets the port.
    async move { Ok(lookup_host((name, 0)).await?.collect()) }.boxed()
}

/// Decides which addresses a server may send the client to, and looks up names accordingly. Clones share their state.
#[derive(Clone)]
pub(crate) struct AddressGuard {
    pub(crate) allowed: Arc<[AllowedHost]>,
    /// The kind of the registry's own address, as far as it is known.
    pub(crate) own_kind: Arc<Mutex<AddressKind>>,
    /// Secrets that no message may show: a server may put them into a name.
    pub(crate) sent: Arc<SentSecrets>,
    pub(crate) lookup: Lookup,
}

impl AddressGuard {
    pub(crate) fn new(settings: &RegistrySettings, sent: Arc<SentSecrets>, lookup: Lookup) -> Self {
        let own_kind = match settings.url.host() {
            Some(Host::Ipv4(address)) => AddressKind::of(address.into()),
            Some(Host::Ipv6(address)) => AddressKind::of(address.into()),
            _ => AddressKind::Public,
        };
        Self { allowed: settings.allow_hosts.as_slice().into(), own_kind: Arc::new(Mutex::new(own_kind)), sent, lookup }
    }

    pub(crate) fn own_kind(&self) -> AddressKind {
        *self.own_kind.lock()
    }

    pub(crate) fn note_own_address(&self, address: IpAddr) {
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
    pub(crate) fn pass(&self, address: IpAddr) -> Result<(), ForbiddenHost> {
        if self.allows(address) {
            return Ok(());
        }
        Err(ForbiddenHost { host: address.to_string(), address: None, kind: AddressKind::of(address) })
    }

    /// Checks a name that a proxy looks up.
    pub(crate) fn pass_by_proxy(&self, name: &str) -> Result<(), ForbiddenHost> {
        let plain = name.trim_end_matches('.');
        let is_here = plain == "localhost" || plain.ends_with(".localhost");
        if !is_here || self.own_kind() == AddressKind::Loopback {
            return Ok(());
        }
        Err(ForbiddenHost { host: self.sent.shown(name), address: None, kind: AddressKind::Loopback })
    }

    /// The function that looks up names.
    pub(crate) fn lookup(&self) -> Lookup {
        self.lookup
    }

    /// Those of a name's addresses that may be connected to.
    pub(crate) fn allowed(&self, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ForbiddenHost> {
        let (allowed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|to| self.allows(to.ip()));
        match refused.first().filter(|_| allowed.is_empty()) {
            Some(first) => {
                let (host, address) = (self.sent.shown(name), Some(first.ip()));
                Err(ForbiddenHost { host, address, kind: AddressKind::of(first.ip()) })
            }
            None => Ok(allowed),
        }
    }
}
