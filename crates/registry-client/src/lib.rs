//! The registry protocol: challenge, token, catalog pages, tags, manifests. Knows no Arrow, no sink and no configuration
//! file.
//!
//! A walk is: ping `/v2/` (`ping`); find out what the catalog wants (`session`), getting tokens on the way (`cache`,
//! `realm`, for `credentials`); follow the links (`catalog`), several at once where that helps (`split`, `ranges`), and ask where
//! one seems to be missing (`ending`, `beyond`). Beside
//! it, each repository is asked with the access that it wants (`repository`, `group`) for its tags (`tags`), manifests and
//! configurations (`reading`). Every request goes through `send` and passes `transport`. The rest is pure.

mod access;
mod address;
pub mod api;
mod catalog;
mod client;
mod clock;
mod concurrency;
mod contents;
pub mod examine;
mod grammar;
mod http;
mod login;
mod model;
mod paging;
mod problem;
mod settings;
#[cfg(test)]
mod tests;
mod token;

pub use address::AddressRange;
pub use client::{Client, LoginStatus};
pub use contents::contents_trait::Contents;
pub use grammar::shown;
pub use http::endpoint::Endpoint;
pub use http::observer::{EndedRequest, Loss, Observer, SafetyRule};
pub use http::slowed::RateLimitSeen;
pub use http::stats::Stats;
pub use login::auth::{Auth, PasswordLogin};
pub use login::client_certificate::ClientCertificate;
pub use login::command::SecretCommand;
pub use login::docker_config::DockerConfig;
pub use login::secret::SecretSource;
pub use model::manifest::{Child, ContentKind, Descriptor, ImageConfig, Manifest, Platform, Resolved};
pub use model::names::Names;
pub use model::oddity::{Odd, Oddities};
pub use model::page::{Cursor, ListNote, Page};
pub use model::place::RepositoryRef;
pub use model::tags::Tags;
pub use problem::cause::KnownCause;
pub use problem::error::{RegistryError, Step};
pub use problem::fault::Fault;
pub use settings::kind::{Habits, RegistryKind};
pub use settings::{AllowedHost, Pagination, RegistrySettings, Split};
pub use token::cache::TokenState;
pub use token::scope::ScopeSet;
