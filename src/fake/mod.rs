//! A scripted registry on loopback, for `stocktake demo` and for the tests in which a server has to misbehave.
//!
//! It follows its [`Script`] and records what it was asked. It is no registry: nothing can be pushed, and its shapes of
//! real servers cover what a walk sees of them, no more.

mod access;
mod answer;
mod catalog;
mod fault;
mod jwt;
mod listing;
mod repositories;
mod script;
mod seen;
mod server;
mod shapes;
#[cfg(test)]
mod tests;
mod token;

pub use fault::{Fault, Faults};
pub use repositories::{Order, Repositories};
pub use script::{
    Access, AnonymousCatalog, Grants, LinkStyle, OverMax, ScopeRule, Script, Stated, TokenFields, TokenMethod,
    TokenScript, WriteLinks,
};
pub use seen::{Authorization, Endpoint, SeenRequest};
pub use server::FakeRegistry;
pub use shapes::{PASSWORD, USERNAME};
