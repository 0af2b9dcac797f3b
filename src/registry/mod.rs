//! The registry protocol: challenge, token, catalog pages, tags, manifests. Knows no Arrow, no sink and no configuration
//! file.
//!
//! A walk is: ping `/v2/` (`ping`); find out what the catalog wants (`session`), getting tokens on the way (`cache`,
//! `realm`, for `credentials`); follow the links (`catalog`), several at once where that helps (`split`, `ranges`), and ask where
//! one seems to be missing (`ending`, `beyond`). Beside
//! it, each repository is asked with the access that it wants (`repository`, `group`) for its tags (`tags`), manifests and
//! configurations (`reading`). Every request goes through `send` and passes `transport`. The rest is pure.

mod address;
mod api;
mod beyond;
mod body;
mod cache;
mod catalog;
mod chain;
mod challenge;
mod circle;
mod client;
mod client_certificate;
mod command;
mod connect;
mod content;
mod contents;
mod credentials;
mod diagnosis;
mod docker_config;
mod ending;
mod error;
pub mod examine;
mod fault;
mod finding;
mod flight;
mod gate;
mod grammar;
mod group;
mod heads;
mod image_config;
mod kind;
mod lenient;
mod link;
mod manifest;
mod manifest_body;
mod media_type;
mod meter;
mod names;
mod not_found;
mod oddity;
mod origin;
mod pace;
mod page;
mod parts;
mod pem;
mod ping;
mod place;
mod ranges;
mod reach;
mod reading;
mod realm;
mod refusal;
mod repository;
mod retry;
mod scope;
mod secret;
mod send;
mod sent;
mod session;
mod settings;
mod signed;
mod site;
mod split;
mod stats;
mod tags;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod token;
mod transport;
mod unlinked;

pub use address::{Network, NotANetwork};
pub use api::{Absence, Api, ApiAnswer, ApiLogin, ApiSession, ApiSettings, NextPage, Proof, with_query};
pub use cache::{TokenCache, TokenSource, TokenState, Wanted};
pub use chain::chain;
pub use challenge::Challenge;
pub use client::{Client, Standing};
pub use client_certificate::{ClientCertificate, ClientCertificateError};
pub use command::{CommandError, SecretCommand};
pub use contents::{Contents, Tags};
pub(crate) use diagnosis::covers as grants_cover;
pub use docker_config::DockerConfig;
pub use error::{RegistryError, Step};
pub use fault::Fault;
pub use finding::Finding;
pub use grammar::{is_digest, is_repository_name, is_tag, shown};
pub use kind::{CATALOG_SCOPE, Habits, Kind};
pub use link::{LinkError, next_page};
pub use manifest::{Child, Descriptor, ImageConfig, Manifest, Platform, Resolved};
pub use meter::{Endpoint, Exchange, Loss, Meter, Rule, Unmetered};
pub use names::Names;
pub use oddity::{Odd, Oddities};
pub use origin::{Distrust, same_origin, trust_realm};
pub use page::{Cursor, Page, Remark, Shortfall};
pub use pem::{CertificatesError, NoPem};
pub use place::Place;
pub use retry::{Attempt, Decision, RetryPolicy, Seen, asked_pause};
pub use scope::{Ladder, ScopeSet};
pub use secret::{Secret, SecretError, SecretSource};
pub use settings::{AllowedHost, Auth, Login, Pagination, Settings, Split};
pub use stats::Stats;
pub use tls::certificates;
pub use token::{Claims, LifetimeSource, NoToken, Token, read_answer};
