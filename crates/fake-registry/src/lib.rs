//! A scripted registry on loopback, for `stocktake demo` and for the tests in which a server has to misbehave.
//!
//! It follows its [`Script`] and records what it was asked. It is no registry: nothing can be pushed, and its shapes of
//! real servers cover what a walk sees of them, no more.

mod access;
mod answer;
mod catalog;
mod clock;
mod contents;
mod jwt;
mod listing;
mod misbehaviour;
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

pub use contents::{DOCKER_IMAGE, DOCKER_LIST, FakeContents, Holding, OCI_IMAGE, OCI_INDEX, sha256};
pub use misbehaviour::{Misbehaviour, MisbehaviourRule};
pub use repositories::{CatalogOrder, RepositoryNames};
pub use script::{
    AcceptRule, AnonymousCatalog, FakeAccess, Grants, GroupRule, HeadBehaviour, LinkStyle, ManifestRules, OverMax,
    ScopeRule, Script, Stated, TagPaging, TokenFields, TokenMethod, TokenScript, WriteLinks,
};
pub use seen::{Authorization, FakeEndpoint, SeenRequest};
pub use server::FakeRegistry;
pub use shapes::{PASSWORD, USERNAME};
