//! Scripts in the shape of real servers, as far as listing goes. The facts were measured on the servers themselves.

use std::time::Duration;

use super::{
    AcceptRule, AnonymousCatalog, CatalogOrder, FakeAccess, LinkStyle, ManifestRules, OverMax, RepositoryNames,
    ScopeRule, Script, Stated, TagPaging, TokenFields, TokenMethod, TokenScript,
};

/// The user of the shapes below: the form of a Quay robot, whose `+` must survive every encoding.
pub const USERNAME: &str = "acme+inventory";
/// The password of the shapes below, awkward on purpose, so that every test covers its encoding.
pub const PASSWORD: &str = "p:a/ss%2B+wörd";

impl Script {
    /// docker-registry 2.8.2 behind a token server: path order, pages refused over 1000, a scope for the catalog.
    pub fn distribution_like(repositories: impl Into<RepositoryNames>) -> Self {
        Self {
            order: CatalogOrder::Path,
            access: FakeAccess::Token(TokenScript {
                method: TokenMethod::Both,
                required_scope: Some("registry:catalog:*".to_owned()),
                repository_scope: true,
                service: "registry.example".to_owned(),
                ..TokenScript::new(USERNAME, PASSWORD)
            }),
            ..Self::open(repositories)
        }
    }

    /// Quay: creation order, opaque cursors, 100 a page whatever is asked, an empty catalog instead of a challenge,
    /// a bare `token` from GET alone, 400 to the catalog scope.
    pub fn quay_like(repositories: impl Into<RepositoryNames>) -> Self {
        Self {
            order: CatalogOrder::Given,
            access: FakeAccess::Token(TokenScript {
                lifetime: Duration::from_hours(1),
                fields: TokenFields::Token,
                expires_in: Stated::Omitted,
                issued_at: Stated::Omitted,
                scopes: ScopeRule::RepositoriesOnly,
                anonymous: true,
                repository_scope: true,
                service: "quay.example:8443".to_owned(),
                ..TokenScript::new(USERNAME, PASSWORD)
            }),
            anonymous_catalog: AnonymousCatalog::EmptyOk,
            page_max: 100,
            over_max: OverMax::Clamp,
            link: LinkStyle::Opaque,
            tag_pages: TagPaging::Last { max: 100 },
            manifests: ManifestRules { accept: AcceptRule::Quay, ..ManifestRules::default() },
            ..Self::open(repositories)
        }
    }

    /// Harbor: Bearer on `/v2/`, Basic on the catalog.
    pub fn harbor_like(repositories: impl Into<RepositoryNames>) -> Self {
        Self {
            access: FakeAccess::BasicCatalog(TokenScript {
                repository_scope: true,
                service: "harbor-registry".to_owned(),
                ..TokenScript::new(USERNAME, PASSWORD)
            }),
            over_max: OverMax::Clamp,
            ..Self::open(repositories)
        }
    }

    /// Pulp: absolute links, an empty page after an exactly full one, a scope for the catalog, tokens of 300 s.
    pub fn pulp_like(repositories: impl Into<RepositoryNames>) -> Self {
        Self {
            link: LinkStyle::Absolute,
            empty_last_page: true,
            over_max: OverMax::Clamp,
            ..Self::distribution_like(repositories)
        }
        .with_token(|token| token.method = TokenMethod::GetOnly)
    }

    /// Any registry that wants Basic credentials, as docker-registry with an htpasswd file.
    pub fn basic(repositories: impl Into<RepositoryNames>) -> Self {
        let access = FakeAccess::Basic { username: USERNAME.to_owned(), password: PASSWORD.to_owned() };
        Self { access, ..Self::open(repositories) }
    }
}
