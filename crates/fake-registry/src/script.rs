//! What a fake registry does: its content, its habits. Data only; `server` acts on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{CatalogOrder, FakeContents, Misbehaviour, MisbehaviourRule, RepositoryNames, SeenRequest};

/// The script of one server. The default is open, in byte order, without latency or faults, 1000 names a page.
#[derive(Clone, Debug)]
pub struct Script {
    /// The content.
    pub repositories: RepositoryNames,
    /// The catalog's order.
    pub order: CatalogOrder,
    /// Who may ask.
    pub access: FakeAccess,
    /// What a caller without credentials gets from the catalog, where credentials are wanted.
    pub anonymous_catalog: AnonymousCatalog,
    /// The largest page; also the size of a page where the caller does not ask for one.
    pub page_max: u32,
    /// What happens to a larger `n`.
    pub over_max: OverMax,
    /// How the next page is announced.
    pub link: LinkStyle,
    /// What the repositories hold.
    pub contents: FakeContents,
    /// How tags are paged; their links are written as the catalog's, but never opaque.
    pub tag_pages: TagPaging,
    /// How manifests and blobs are served.
    pub manifests: ManifestRules,
    /// Whether an exactly full last page announces a further, empty one, as Pulp does.
    pub empty_last_page: bool,
    /// A path before `/v2/` and `/token`, such as `/artifactory`; empty for none.
    pub prefix: String,
    /// How long every answer takes.
    pub latency: Duration,
    /// Whether answers are compressed for a client that accepts gzip.
    pub gzip: bool,
    /// Whether requests are kept for [`super::FakeRegistry::requests`]; benchmarks turn it off.
    pub record: bool,
    /// Which requests go wrong.
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
    /// The default script with this content.
    pub fn open(repositories: impl Into<RepositoryNames>) -> Self {
        Self { repositories: repositories.into(), ..Self::default() }
    }

    /// The same script, and these faults: of the request and its number among those to its endpoint, from 1 on.
    #[must_use]
    pub fn with_faults(
        mut self,
        faults: impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static,
    ) -> Self {
        self.faults = Some(MisbehaviourRule::new(faults));
        self
    }

    /// The same script with another token script; of no effect where tokens are not used.
    #[must_use]
    pub fn with_token(mut self, change: impl FnOnce(&mut TokenScript)) -> Self {
        if let FakeAccess::Token(token) | FakeAccess::BasicCatalog(token) = &mut self.access {
            change(token);
        }
        self
    }
}

/// Who may ask.
#[derive(Clone, Debug)]
pub enum FakeAccess {
    /// Everyone.
    Open,
    /// Those with Basic credentials.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// Those with a token of the token endpoint.
    Token(TokenScript),
    /// As with tokens, but the catalog wants the same credentials by Basic, as Harbor's does.
    BasicCatalog(TokenScript),
}

/// The catalog's answer to a request without any credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymousCatalog {
    /// 401 with a challenge.
    Challenge,
    /// 401 without one, as Quay with anonymous access off.
    Unchallenged,
    /// 200 and an empty list, as Quay.
    EmptyOk,
}

/// How tags are paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagPaging {
    /// Not at all, whatever is asked, as docker-registry; none are `null`.
    Whole,
    /// By `last=`, so many at most a page, as Quay.
    Last {
        /// The largest page, also where nothing is asked for.
        max: usize,
    },
}

/// How manifests and blobs are served.
#[derive(Clone, Debug)]
pub struct ManifestRules {
    /// Whether `Docker-Content-Digest` is told.
    pub digest_header: bool,
    /// What HEAD gets.
    pub head: HeadBehaviour,
    /// What happens where the stored media type is not accepted.
    pub accept: AcceptRule,
    /// Where blobs lie instead, `{path}` standing for the path asked for: they are redirected there.
    pub blobs_at: Option<String>,
}

impl Default for ManifestRules {
    fn default() -> Self {
        Self { digest_header: true, head: HeadBehaviour::Answered, accept: AcceptRule::Distribution, blobs_at: None }
    }
}

/// What a HEAD for a manifest gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadBehaviour {
    /// The right answer.
    Answered,
    /// 405.
    NotAllowed,
    /// 404, though GET would find it.
    NotFound,
}

/// What happens where a manifest's media type is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptRule {
    /// 404, as docker-registry.
    Distribution,
    /// A manifest of schema 1 instead, with a digest of its own, as Quay.
    Quay,
}

/// What happens to an `n` over the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverMax {
    /// 400 `PAGINATION_NUMBER_INVALID`; `n=0` is an empty page.
    Refuse,
    /// A page of the maximum; `n=0` is a page of one.
    Clamp,
}

/// Writes all values of the `Link` header for the relative target of the next page.
pub type WriteLinks = dyn Fn(&str) -> Vec<String> + Send + Sync;

/// How the next page is announced.
#[derive(Clone)]
pub enum LinkStyle {
    /// `</v2/_catalog?last=a%2Fb&n=100>; rel="next"`
    Relative,
    /// The same with scheme and host.
    Absolute,
    /// `</v2/_catalog?n=100&next_page=…%3D%3D>; rel="next"`; a cursor that is not of this server begins at page 1 again.
    Opaque,
    /// Not at all.
    Missing,
    /// As the function says.
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

/// The token endpoint, and what its tokens are good for.
#[derive(Clone, Debug)]
pub struct TokenScript {
    /// The user name.
    pub username: String,
    /// The password; also taken as a refresh token.
    pub password: String,
    /// How long tokens live, to the millisecond; what they say of it is rounded up to whole seconds.
    pub lifetime: Duration,
    /// Under which names the token is given.
    pub fields: TokenFields,
    /// `expires_in`, in whole seconds.
    pub expires_in: Stated,
    /// `issued_at`, in RFC 3339.
    pub issued_at: Stated,
    /// Which methods the endpoint answers.
    pub method: TokenMethod,
    /// Which scopes it can read; others are a 400.
    pub scopes: ScopeRule,
    /// What it grants to those who log in; anonymous callers are granted nothing.
    pub grants: Grants,
    /// Whether those without credentials get a token too; otherwise 401.
    pub anonymous: bool,
    /// The scope without which the catalog answers `insufficient_scope`, e.g. `registry:catalog:*`.
    pub required_scope: Option<String>,
    /// Whether a repository's tags, manifests and blobs want a token with its own scope, `repository:NAME:pull`.
    pub repository_scope: bool,
    /// Repositories that are granted no action, as Quay does: `actions: []`.
    pub denied: Vec<String>,
    /// What becomes of a request for several scopes.
    pub groups: GroupRule,
    /// The service of the challenge, and the audience that tokens must have.
    pub service: String,
    /// The challenge's realm; without it, `/token` of this server.
    pub realm: Option<String>,
}

impl TokenScript {
    /// Tokens of 300 s, stated in full, both field names, GET only, no scope required.
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

/// Under which names a token is given.
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

/// Whether a field is given, and whether it is right.
#[derive(Clone, Debug, PartialEq)]
pub enum Stated {
    /// Left out.
    Omitted,
    /// As it is.
    True,
    /// This instead.
    As(Value),
}

/// Which methods a token endpoint answers; others are a 405.
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
    /// All of the form `type:name:actions`, several by repeated parameters or spaces.
    Any,
    /// One `repository:NAME:ACTIONS` per parameter, without wildcards in the name, as Quay.
    RepositoriesOnly,
}

/// What becomes of a token request for several scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRule {
    /// All are granted.
    Granted,
    /// 400.
    Refused,
    /// 403.
    Forbidden,
    /// 200, and a token that grants nothing, as Pulp's to scopes that blanks separate.
    Forgotten,
    /// 200, and a token that the registry then refuses.
    Unsound,
}

/// What a token endpoint grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grants {
    /// What was asked for.
    Asked,
    /// Nothing, and still 200.
    Nothing,
}
