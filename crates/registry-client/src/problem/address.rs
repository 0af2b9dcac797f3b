//! Why a host that a server names is not connected to.

use std::net::IpAddr;

use crate::address::AddressKind;

/// A server sent us where it may not.
#[derive(Debug, thiserror::Error)]
#[error("the registry refers to {host}{}, {kind}; nothing was sent there", in_brackets(.address.as_ref()))]
pub(crate) struct ForbiddenHost {
    /// Fit to be shown.
    pub(crate) host: String,
    /// Where the host is a name.
    pub(crate) address: Option<IpAddr>,
    pub(crate) kind: AddressKind,
}

impl ForbiddenHost {
    /// As `allow_hosts` has it: YAML takes a bracket for a list, and some addresses for numbers.
    pub(crate) fn listed(&self) -> String {
        if self.address.is_some() { self.host.clone() } else { format!("\"{}\"", self.host) }
    }

    /// The one that is the cause of this error.
    pub(crate) fn cause(error: &reqwest::Error) -> Option<Self> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(Self { host, address, kind }) = error.downcast_ref() {
                return Some(Self { host: host.clone(), address: *address, kind: *kind });
            }
            cause = error.source();
        }
        None
    }
}

fn in_brackets(address: Option<&IpAddr>) -> String {
    address.map_or_else(String::new, |address| format!(" ({address})"))
}
