//! A scripted registry on loopback, for `stocktake demo` and for the tests in which a server has to misbehave.
//!
//! It follows its [`Script`] and records what it was asked. It is no registry: nothing can be pushed, and its shapes of
//! real servers cover what a walk sees of them, no more.

mod access;
mod answer;
mod catalog;
mod clock;
mod contents;
mod fault;
mod jwt;
mod listing;
mod names;
mod repositories;
mod repository;
mod script;
mod seen;
mod server;
mod shapes;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
pub mod tls;
mod token;

pub use contents::{Contents, DOCKER_IMAGE, DOCKER_LIST, Holding, OCI_IMAGE, OCI_INDEX, sha256};
pub use fault::{Fault, Faults};
pub use repositories::{Order, Repositories};
pub use script::{
    AcceptRule, Access, AnonymousCatalog, Grants, GroupRule, Head, LinkStyle, ManifestRules, OverMax, ScopeRule,
    Script, Stated, TagPages, TokenFields, TokenMethod, TokenScript, WriteLinks,
};
pub use seen::{Authorization, Endpoint, SeenRequest};
pub use server::FakeRegistry;
pub use shapes::{PASSWORD, USERNAME};
