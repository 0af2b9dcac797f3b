//! The registry protocol: challenge, token, catalog pages. Knows no Arrow, no sink and no configuration file.
//!
//! A walk is: ping `/v2/`; find out what the catalog wants (`session`), getting tokens on the way (`cache`, `realm`);
//! follow the links (`catalog`). Every request passes `transport`. The rest is pure.

mod body;
mod cache;
mod catalog;
mod challenge;
mod client;
mod connect;
mod contents;
mod diagnosis;
mod error;
pub mod examine;
mod finding;
mod gate;
mod grammar;
mod link;
mod manifest;
mod names;
mod origin;
mod page;
mod realm;
mod retry;
mod scope;
mod secret;
mod sent;
mod session;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod token;
mod transport;

pub use cache::{TokenCache, TokenSource, TokenState, Wanted};
pub use challenge::Challenge;
pub use client::Client;
pub use contents::{Contents, Place, Tags};
pub use error::{Fault, RegistryError, Step};
pub use finding::Finding;
pub use grammar::{is_repository_name, shown};
pub use link::{LinkError, next_page};
pub use manifest::{Child, Descriptor, ImageConfig, Manifest, Platform, Resolved};
pub use names::Names;
pub use origin::{Distrust, same_origin, trust_realm};
pub use page::{Cursor, Page};
pub use retry::{Attempt, Decision, RetryPolicy, Seen, asked_pause};
pub use scope::{Ladder, ScopeSet};
pub use secret::{Secret, SecretError, SecretSource};
pub use settings::{Auth, Login, Pagination, Settings, Split};
pub use token::{Claims, LifetimeSource, NoToken, Token, read_answer};
pub use transport::Stats;
