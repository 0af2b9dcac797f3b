//! A client of container registries that lists what a registry has: its repositories, their tags, manifests and image
//! configurations. The client only reads, and it downloads no layers. It speaks the
//! [OCI distribution specification](https://github.com/opencontainers/distribution-spec), and it knows where real servers
//! differ from it.
//!
//! # Where to begin
//!
//! 1. [`RegistrySettings::new`] takes a name and a URL and sets defaults. Change the fields that need it: [`Auth`] says how
//!    to log in, [`SecretSource`] says where the password is read from.
//! 2. [`Client::new`] prepares the client and sends nothing. Clones share connections, tokens and counters.
//! 3. [`Client::catalog`] is a stream of [`Page`]s of repository names. For a registry without a catalog, [`Client::api`]
//!    asks the registry's own JSON API; see the module [`api`].
//! 4. The trait [`Contents`], which [`Client`] implements, reads one repository, named by a [`RepositoryRef`]:
//!    [`Contents::tags`] lists its tags, [`Contents::resolve`] finds the digest of a tag, [`Contents::manifest`] reads a
//!    manifest, and [`Contents::config`] reads the configuration of an image.
//! 5. Every failure is a [`RegistryError`]: its [`Step`], its [`Fault`] (the kind, for metrics), a
//!    [`remedy`](RegistryError::remedy) for the operator, and its cause as `source`.
//!
//! ```no_run
//! use futures::StreamExt as _;
//! use registry_client::{Client, RegistryError, RegistrySettings};
//!
//! # async fn list() -> Result<(), RegistryError> {
//! let url = "https://registry.example.com".parse().expect("a URL");
//! let client = Client::new(RegistrySettings::new("example", url))?;
//! let mut pages = client.catalog(None);
//! while let Some(page) = pages.next().await {
//!     for name in page?.names.iter() {
//!         println!("{name}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The client needs a tokio runtime with time and network enabled. To count requests, or to show them, implement
//! [`Observer`] and call [`Client::observed`]. To find out why a registry cannot be read, use the module [`examine`]: it
//! goes through the steps of a walk one by one and records each request and its answer without secrets.
//!
//! # A walk, step by step
//!
//! 1. **Ping.** The first call asks `GET /v2/`, once for each client. The challenges of the answer
//!    (`WWW-Authenticate`) say which logins the registry offers. Its headers and its body often say which software the
//!    registry is ([`RegistryKind`]).
//! 2. **Login.** The client asks for the catalog. If the registry refuses, the client takes the realm of the challenge, asks
//!    the token service for a token, and asks again. It tries the configured scopes first, then the scopes of the
//!    challenge, then none. If a login is configured, an answer to an anonymous request is not used. A token is fetched
//!    once for all requests that want it, and is renewed at about 80% of its lifetime. Credentials go to the registry's own
//!    hosts and to [`RegistrySettings::realm_hosts`] only.
//! 3. **Pages.** The client follows `Link` until a page has none. One page is fetched ahead while the caller uses the one
//!    before it. A full page without a `Link` may be the last, or its link may have been lost: the client asks again to find
//!    out. A list that repeats itself ends with an error.
//! 4. **Ranges.** If the first pages show that names are ordered, that `last=` takes any name, and that latency is what a
//!    page costs, the rest is read in several ranges of names at once ([`Split`]).
//! 5. **Repositories.** Each repository is asked with a token for its own scope, or with one for up to twenty repositories
//!    ([`RepositoryRef::together`]). A HEAD finds the digest of a tag. Manifests and configurations are verified against
//!    their digests before they are parsed.
//!
//! Each of these requests goes through the same stages. It waits until fewer than [`RegistrySettings::concurrency`]
//! requests are in flight, until no pause holds for the host, and until the rate allows one more. Only then its token is
//! looked up, so that the token does not expire while the request waits. The answer is read within a bound on its size.
//! Lost connections, server errors and 429 are tried again, after the pause that the server asks for or a random one.
//! Redirects are followed within the registry's origin, and to other hosts for blobs only, without `Authorization`.
//!
//! # The modules
//!
//! A module imports only modules above it in this table. `api`, `examine` and the names below are public; the rest is
//! private.
//!
//! | module | what it has |
//! |---|---|
//! | `clock`, `address`, `grammar`, `concurrency` | the wall clock; kinds of IP addresses; the grammar of names, tags and digests; two rules for tasks that want the same |
//! | `model` | what the client returns: pages, tags, manifests, image configurations |
//! | `problem` | all that can go wrong, with its kind, its known cause and its remedy |
//! | `login` | secrets and where they are read from, docker's and podman's files, client certificates |
//! | `settings` | [`RegistrySettings`], and what each kind of registry sets by default |
//! | `http` | one request and its answer: connection, proxy, TLS, bounds, pace, retries, and which hosts may be asked |
//! | `paging` | one page of names, the link to the next, and whether a list has ended |
//! | `token` | challenges, scopes, the token service, the cache of tokens |
//! | `access` | a request with the login that it needs |
//! | `contents` | tags, manifests and configurations of one repository |
//! | `catalog` | the list of repositories, page by page or in ranges |
//! | [`api`] | the registry's own JSON API |
//! | `client` | [`Client`], which holds the others together |
//! | [`examine`] | the steps of a walk one by one, for diagnosis |

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
pub use problem::chain::chain;
pub use problem::error::{RegistryError, Step};
pub use problem::fault::Fault;
pub use settings::kind::{Habits, RegistryKind};
pub use settings::{AllowedHost, Pagination, RegistrySettings, Split};
pub use token::cache::TokenState;
pub use token::scope::ScopeSet;
