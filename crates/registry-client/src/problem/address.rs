//! Why the client does not connect to a host that a server names.

use std::net::IpAddr;

use crate::address::AddressKind;

/// The address of a host that a server named is not allowed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the registry refers to {host}{}, {kind}; nothing was sent there", in_brackets(.address.as_ref()))]
pub(crate) struct ForbiddenHost {
    /// The host, without secrets.
    pub(crate) host: String,
    /// The address that the name has; none if the host is an address.
    pub(crate) address: Option<IpAddr>,
    pub(crate) kind: AddressKind,
}

impl ForbiddenHost {
    /// The host as `allow_hosts` writes it: YAML reads a bracket as a list, and some addresses as numbers.
    pub(crate) fn listed(&self) -> String {
        if self.address.is_some() { self.host.clone() } else { format!("\"{}\"", self.host) }
    }
}

fn in_brackets(address: Option<&IpAddr>) -> String {
    address.map_or_else(String::new, |address| format!(" ({address})"))
}
