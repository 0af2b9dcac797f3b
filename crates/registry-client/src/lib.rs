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
mod api;
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

pub use address::{AddressRange, NotAnAddressRange};
pub use api::page::{ApiAnswer, NextPage, with_query};
pub use api::questions::{Absence, Proof};
pub use api::{Api, ApiLogin, ApiSession, ApiSettings};
pub use client::{Client, LoginStatus};
pub use contents::contents_trait::Contents;
pub use grammar::{is_digest, is_repository_name, is_tag, shown};
pub use http::endpoint::Endpoint;
pub use http::observer::{EndedRequest, Loss, Observer, RawExchange, SafetyRule};
pub use http::origin::{same_origin, trust_realm};
pub use http::retry::{Attempt, AttemptOutcome, LimitedAttempt, RetryDecision, RetryPolicy, asked_pause};
pub use http::slowed::RateLimitSeen;
pub use http::stats::Stats;
pub use http::tls::certificates;
pub use login::auth::{Auth, PasswordLogin};
pub use login::client_certificate::ClientCertificate;
pub use login::command::SecretCommand;
pub use login::docker_config::DockerConfig;
pub use login::secret::{Secret, SecretSource};
pub use model::manifest::{Child, ContentKind, Descriptor, ImageConfig, Manifest, Platform, Resolved};
pub use model::names::Names;
pub use model::oddity::{Odd, Oddities};
pub use model::page::{Cursor, Page, Remark, Shortfall};
pub use model::place::RepositoryRef;
pub use model::tags::Tags;
pub use paging::link::next_page;
pub use problem::cause::KnownCause;
pub use problem::certificate::ClientCertificateError;
pub use problem::certificate::{CertificatesError, NoPem};
pub use problem::chain::chain;
pub use problem::error::{RegistryError, Step};
pub use problem::fault::Fault;
pub use problem::link::LinkError;
pub use problem::origin::UntrustedRealm;
pub use problem::secret::CommandError;
pub use problem::secret::SecretError;
pub use problem::token::NoToken;
pub use settings::kind::{CATALOG_SCOPE, Habits, RegistryKind};
pub use settings::{AllowedHost, Pagination, RegistrySettings, Split};
pub use token::bearer::{Claims, LifetimeSource, Token, read_answer};
pub use token::cache::{TokenCache, TokenRequest, TokenSource, TokenState};
pub use token::challenge::Challenge;
pub use token::grants::covers as grants_cover;
pub use token::scope::{ScopeLadder, ScopeSet};
