//! A scripted registry on loopback, for `stocktake demo` and for tests that need a server that misbehaves.
//!
//! It follows its [`Script`] and records all requests. It is not a real registry: nothing can be pushed, and the scripts that
//! imitate real servers cover only the requests of a walk.

mod access;
mod answer;
mod catalog;
mod clock;
mod contents;
mod jwt;
mod listing;
mod misbehaviour;
mod names;
#[cfg(feature = "tls")]
pub mod openssl;
mod repositories;
mod repository;
mod repository_request;
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
