//! The script of a server: its content and its behaviour, as plain data. `server` follows it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{CatalogOrder, FakeContents, Misbehaviour, MisbehaviourRule, RepositoryNames, SeenRequest};

/// The script of one server. By default no login is needed, names are in byte order, a page has at most 1000 names, and there are
/// no latency and no misbehaviour.
#[derive(Clone, Debug)]
pub struct Script {
    /// The names of the repositories.
    pub repositories: RepositoryNames,
    /// The order of the catalog.
    pub order: CatalogOrder,
    /// Which credentials are required.
    pub access: FakeAccess,
    /// How the catalog responds to a request without credentials if credentials are required.
    pub anonymous_catalog: AnonymousCatalog,
    /// The maximum number of names per page. This is also the size of a page for a request without `n`.
    pub page_max: u32,
    /// How the server responds to a larger `n`.
    pub over_max: OverMax,
    /// How the `Link` header names the next page.
    pub link: LinkStyle,
    /// The content of the repositories.
    pub contents: FakeContents,
    /// How tags are paged. Their links have the style of the catalog, but are never opaque.
    pub tag_pages: TagPaging,
    /// How manifests and blobs are served.
    pub manifests: ManifestRules,
    /// Whether a full last page has a link to one more page, which is empty, as on Pulp.
    pub empty_last_page: bool,
    /// A path before `/v2/` and `/token`, such as `/artifactory`; empty for none.
    pub prefix: String,
    /// The latency of each response.
    pub latency: Duration,
    /// Whether responses are compressed for a client that accepts gzip.
    pub gzip: bool,
    /// Whether requests are recorded for [`super::FakeRegistry::requests`]. Benchmarks do not record them.
    pub record: bool,
    /// For which requests the server misbehaves, and how.
    pub faults: Option<MisbehaviourRule>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            repositories: RepositoryNames::default(),
            order: CatalogOrder::Bytewise,
            access: FakeAccess::Open,
            anonymous_catalog: AnonymousCatalog::Challenge,
            page_max: 1000,
            over_max: OverMax::Refuse,
            link: LinkStyle::Relative,
            contents: FakeContents::default(),
            tag_pages: TagPaging::Whole,
            manifests: ManifestRules::default(),
            empty_last_page: false,
            prefix: String::new(),
            latency: Duration::ZERO,
            gzip: false,
            record: true,
            faults: None,
        }
    }
}

impl Script {
    /// The default script with these repositories.
    pub fn open(repositories: impl Into<RepositoryNames>) -> Self {
        Self { repositories: repositories.into(), ..Self::default() }
    }

    /// The same script with misbehaviour. `faults` gets a request and its number at its endpoint, from 1 on.
    #[must_use]
    pub fn with_faults(
        mut self,
        faults: impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static,
    ) -> Self {
        self.faults = Some(MisbehaviourRule::new(faults));
        self
    }

    /// The same script with changes to its token script. Has no effect if the script uses no tokens.
    #[must_use]
    pub fn with_token(mut self, change: impl FnOnce(&mut TokenScript)) -> Self {
        if let FakeAccess::Token(token) | FakeAccess::BasicCatalog(token) = &mut self.access {
            change(token);
        }
        self
    }
}

/// Which credentials a request needs.
#[derive(Clone, Debug)]
pub enum FakeAccess {
    /// None.
    Open,
    /// Basic credentials.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token from the token endpoint.
    Token(TokenScript),
    /// A token. Only the catalog requires the same credentials by Basic, as on Harbor.
    BasicCatalog(TokenScript),
}

/// How the catalog responds to a request without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymousCatalog {
    /// 401 with a challenge.
    Challenge,
    /// 401 without a challenge, as Quay with anonymous access off.
    Unchallenged,
    /// 200 and an empty list, as Quay.
    EmptyOk,
}

/// How tags are paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagPaging {
    /// All tags are on one page, as on docker-registry. Without tags, the list is `null`.
    Whole,
    /// By `last=`, with at most `max` tags per page, as on Quay.
    Last {
        /// The maximum number of tags per page. This is also the size of a page for a request without `n`.
        max: usize,
    },
}

/// How manifests and blobs are served.
#[derive(Clone, Debug)]
pub struct ManifestRules {
    /// Whether responses have the header `Docker-Content-Digest`.
    pub digest_header: bool,
    /// How the server responds to HEAD.
    pub head: HeadBehaviour,
    /// How the server responds if the client does not accept the stored media type.
    pub accept: AcceptRule,
    /// The URL to which requests for blobs are redirected. It may contain `{path}`, which is the path of the request.
    pub blobs_at: Option<String>,
}

impl Default for ManifestRules {
    fn default() -> Self {
        Self { digest_header: true, head: HeadBehaviour::Answered, accept: AcceptRule::Distribution, blobs_at: None }
    }
}

/// How the server responds to a HEAD request for a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadBehaviour {
    /// With the regular response.
    Answered,
    /// With 405.
    NotAllowed,
    /// With 404, although GET finds the manifest.
    NotFound,
}

/// How the server responds if the client does not accept the media type of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptRule {
    /// With 404, as docker-registry does.
    Distribution,
    /// With a manifest of schema 1, which has its own digest, as Quay does.
    Quay,
}

/// How the server responds to an `n` above the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverMax {
    /// With 400 `PAGINATION_NUMBER_INVALID`. `n=0` gives an empty page.
    Refuse,
    /// With a page of the maximum size. `n=0` gives a page with one name.
    Clamp,
}

/// Returns all values of the `Link` header for the relative target of the next page.
pub type WriteLinks = dyn Fn(&str) -> Vec<String> + Send + Sync;

/// How the `Link` header names the next page.
#[derive(Clone)]
pub enum LinkStyle {
    /// `</v2/_catalog?last=a%2Fb&n=100>; rel="next"`
    Relative,
    /// The same target with scheme and host.
    Absolute,
    /// `</v2/_catalog?n=100&next_page=…%3D%3D>; rel="next"`; a cursor of another server gives the first page.
    Opaque,
    /// There is no `Link` header.
    Missing,
    /// With the values that the function returns.
    Written(Arc<WriteLinks>),
}

impl fmt::Debug for LinkStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relative => "Relative",
            Self::Absolute => "Absolute",
            Self::Opaque => "Opaque",
            Self::Missing => "Missing",
            Self::Written(_) => "Written",
        })
    }
}

/// How the token endpoint works, and what its tokens allow.
#[derive(Clone, Debug)]
pub struct TokenScript {
    /// The user name.
    pub username: String,
    /// The password, which is also accepted as a refresh token.
    pub password: String,
    /// The lifetime of tokens, in milliseconds. The claims state it rounded up to whole seconds.
    pub lifetime: Duration,
    /// The names of the fields that contain the token.
    pub fields: TokenFields,
    /// `expires_in`, in whole seconds.
    pub expires_in: Stated,
    /// `issued_at`, in RFC 3339.
    pub issued_at: Stated,
    /// Which methods the endpoint accepts.
    pub method: TokenMethod,
    /// Which scopes the endpoint can read. It answers others with 400.
    pub scopes: ScopeRule,
    /// What the endpoint grants after a login. Anonymous callers get nothing.
    pub grants: Grants,
    /// Whether requests without credentials get a token too. Otherwise they get 401.
    pub anonymous: bool,
    /// The scope without which the catalog answers `insufficient_scope`, e.g. `registry:catalog:*`.
    pub required_scope: Option<String>,
    /// Whether the tags, manifests and blobs of a repository require a token with the scope `repository:NAME:pull`.
    pub repository_scope: bool,
    /// Repositories for which the endpoint grants no action, as Quay does: `actions: []`.
    pub denied: Vec<String>,
    /// How the endpoint responds to a request for several scopes.
    pub groups: GroupRule,
    /// The `service` in the challenge, and the audience that tokens must have.
    pub service: String,
    /// The realm in the challenge. By default, `/token` of this server.
    pub realm: Option<String>,
}

impl TokenScript {
    /// Tokens are valid for 300 s, and the response states it. Both fields contain the token. Only GET is accepted, and no scope
    /// is required.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            lifetime: Duration::from_mins(5),
            fields: TokenFields::Both,
            expires_in: Stated::True,
            issued_at: Stated::True,
            method: TokenMethod::GetOnly,
            scopes: ScopeRule::Any,
            grants: Grants::Asked,
            anonymous: false,
            required_scope: None,
            repository_scope: false,
            denied: Vec::new(),
            groups: GroupRule::Granted,
            service: "fake".to_owned(),
            realm: None,
        }
    }
}

/// The names of the fields that contain the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFields {
    /// `token`
    Token,
    /// `access_token`
    AccessToken,
    /// Both.
    Both,
    /// Neither.
    Neither,
}

/// Whether the response has a field, and whether its value is correct.
#[derive(Clone, Debug, PartialEq)]
pub enum Stated {
    /// The field is missing.
    Omitted,
    /// The correct value.
    True,
    /// This value.
    As(Value),
}

/// Which methods a token endpoint accepts. It answers others with 405.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMethod {
    /// GET with a query.
    GetOnly,
    /// POST with a form.
    PostOnly,
    /// Both.
    Both,
}

/// Which scopes a token endpoint can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRule {
    /// All scopes of the form `type:name:actions`, with several in repeated parameters or separated by spaces.
    Any,
    /// One `repository:NAME:ACTIONS` per parameter, without wildcards in the name, as on Quay.
    RepositoriesOnly,
}

/// How a token endpoint responds to a request for several scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRule {
    /// With a token that grants all of them.
    Granted,
    /// With 400.
    Refused,
    /// With 403.
    Forbidden,
    /// With 200 and a token that grants nothing, as Pulp does for scopes that are separated by spaces.
    Forgotten,
    /// With 200 and a token that the registry then refuses.
    Unsound,
}

/// What a token endpoint grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grants {
    /// The requested scopes.
    Asked,
    /// Nothing, with status 200.
    Nothing,
}
