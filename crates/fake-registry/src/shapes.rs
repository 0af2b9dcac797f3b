//! Scripts that imitate how real servers list repositories. Each behaviour was measured on the real server.

use std::time::Duration;

use super::{
    AcceptRule, AnonymousCatalog, CatalogOrder, FakeAccess, LinkStyle, ManifestRules, OverMax, RepositoryNames,
    ScopeRule, Script, Stated, TagPaging, TokenFields, TokenMethod, TokenScript,
};

/// The user name in the scripts below. Like the name of a Quay robot account it has a `+`, which every encoding must preserve.
pub const USERNAME: &str = "acme+inventory";
/// The password in the scripts below. It has special characters, so that every test covers their encoding.
pub const PASSWORD: &str = "p:a/ss%2B+wörd";

impl Script {
    /// docker-registry 2.8.2 with a token server: path order, no pages of more than 1000 names, a scope for the catalog.
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

    /// Quay: order of creation, opaque cursors, at most 100 names per page, an empty catalog instead of a challenge. Its token
    /// endpoint answers only GET with only the field `token`, and answers 400 to the scope of the catalog.
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

    /// Pulp: absolute links, an empty page after a full last page, a scope for the catalog, tokens that are valid for 300 s.
    pub fn pulp_like(repositories: impl Into<RepositoryNames>) -> Self {
        Self {
            link: LinkStyle::Absolute,
            empty_last_page: true,
            over_max: OverMax::Clamp,
            ..Self::distribution_like(repositories)
        }
        .with_token(|token| token.method = TokenMethod::GetOnly)
    }

    /// A registry that requires Basic credentials, such as docker-registry with an htpasswd file.
    pub fn basic(repositories: impl Into<RepositoryNames>) -> Self {
        let access = FakeAccess::Basic { username: USERNAME.to_owned(), password: PASSWORD.to_owned() };
        Self { access, ..Self::open(repositories) }
    }
}
