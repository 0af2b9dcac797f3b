//! The kinds of registries, and the defaults of each. The configuration may override each default; nothing else depends
//! on the kind. Pure: looks at a URL and sends nothing.

use std::fmt;

use url::Url;

/// A registry's software or service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistryKind {
    /// Quay, Red Hat Quay, quay.io.
    Quay,
    /// Harbor.
    Harbor,
    /// CNCF distribution: `registry:2`, Debian's `docker-registry`.
    Distribution,
    /// Pulp with `pulp-container`.
    Pulp,
    /// Gitea, Forgejo, Codeberg.
    Gitea,
    /// GitLab's container registry.
    Gitlab,
    /// Docker Hub.
    DockerHub,
    /// GitHub's container registry.
    Ghcr,
    /// Amazon's registries, private and public.
    Ecr,
    /// Azure's registries.
    Acr,
    /// `JFrog` Artifactory.
    Artifactory,
    /// Sonatype Nexus.
    Nexus,
    /// zot.
    Zot,
}

/// The defaults of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // a table, and no state
pub struct Habits {
    /// Repositories per page to request.
    pub page_size: u32,
    /// Whether its links leave the path of the page.
    pub breaks_links: bool,
    /// Whether it lists its repositories at `/v2/_catalog`.
    pub has_catalog: bool,
    /// Whether its token endpoint refuses [`ScopeSet::CATALOG`](crate::ScopeSet::CATALOG).
    pub refuses_catalog_scope: bool,
    /// Whether pages of its catalog begin at cursors that only the server understands. If a name is sent instead, the
    /// server refuses it, or begins the list again.
    pub pages_by_cursor: bool,
    /// Whether a page of its catalog costs the server the work for all names before it, so that reading several pages
    /// at once gains nothing.
    pub walks_to_each_page: bool,
}

/// The defaults of most kinds.
pub(crate) const USUAL: Habits = Habits {
    page_size: 1000,
    breaks_links: false,
    has_catalog: true,
    refuses_catalog_scope: false,
    pages_by_cursor: false,
    walks_to_each_page: false,
};

impl RegistryKind {
    /// All kinds, by the words that the configuration uses.
    pub const ALL: [(&'static str, Self); 13] = [
        ("quay", Self::Quay),
        ("harbor", Self::Harbor),
        ("distribution", Self::Distribution),
        ("pulp", Self::Pulp),
        ("gitea", Self::Gitea),
        ("gitlab", Self::Gitlab),
        ("docker_hub", Self::DockerHub),
        ("ghcr", Self::Ghcr),
        ("ecr", Self::Ecr),
        ("acr", Self::Acr),
        ("artifactory", Self::Artifactory),
        ("nexus", Self::Nexus),
        ("zot", Self::Zot),
    ];

    /// The word that the configuration uses.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// Its defaults.
    pub fn habits(self) -> Habits {
        match self {
            // 100 names per page for any `n` (endpoints/v2/__init__.py).
            Self::Quay => Habits { page_size: 100, refuses_catalog_scope: true, pages_by_cursor: true, ..USUAL },
            // Gitea clamps to 100, Azure documents 100.
            Self::Gitea | Self::Acr => Habits { page_size: 100, ..USUAL },
            // Artifactory's links lack the repository key; those of Nexus have a path of their own.
            Self::Artifactory | Self::Nexus => Habits { breaks_links: true, ..USUAL },
            Self::DockerHub | Self::Ghcr => Habits { has_catalog: false, ..USUAL },
            // registry/storage/catalog.go walks the tree from its root. GitLab's registry is a fork of the same code.
            Self::Distribution | Self::Gitlab => Habits { walks_to_each_page: true, ..USUAL },
            // Its `last` is opaque; a `last` from elsewhere is refused.
            Self::Ecr => Habits { pages_by_cursor: true, ..USUAL },
            Self::Harbor | Self::Pulp | Self::Zot => USUAL,
        }
    }

    /// The kind of a well-known service, by its host.
    pub fn of_url(url: &Url) -> Option<Self> {
        let host = url.host_str()?.trim_end_matches('.');
        match host {
            "quay.io" => Some(Self::Quay),
            "docker.io" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => {
                Some(Self::DockerHub)
            }
            "ghcr.io" => Some(Self::Ghcr),
            "public.ecr.aws" => Some(Self::Ecr),
            "registry.gitlab.com" => Some(Self::Gitlab),
            "codeberg.org" => Some(Self::Gitea),
            _ if host.ends_with(".azurecr.io") => Some(Self::Acr),
            _ if host.contains(".dkr.ecr") && is_amazons(host) => Some(Self::Ecr),
            _ => None,
        }
    }
}

impl fmt::Display for RegistryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_amazons(host: &str) -> bool {
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn") || host.ends_with(".on.aws")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_hosts_are_known_and_their_lookalikes_are_not() {
        let of = |url: &str| RegistryKind::of_url(&Url::parse(url).expect("a URL"));
        for (url, kind) in [
            ("https://quay.io", RegistryKind::Quay),
            ("https://QUAY.IO./prefix", RegistryKind::Quay),
            ("https://registry-1.docker.io", RegistryKind::DockerHub),
            ("https://ghcr.io", RegistryKind::Ghcr),
            ("https://1234.dkr.ecr.eu-west-1.amazonaws.com", RegistryKind::Ecr),
            ("https://1234.dkr.ecr.cn-north-1.amazonaws.com.cn", RegistryKind::Ecr),
            ("https://x.azurecr.io", RegistryKind::Acr),
            ("https://registry.gitlab.com", RegistryKind::Gitlab),
        ] {
            assert_eq!(of(url), Some(kind), "{url}");
        }
        for url in ["https://quay.io.example.org", "https://notquay.io", "https://azurecr.io.evil", "https://[::1]"] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn words_and_kinds_are_one_to_one() {
        for (word, kind) in RegistryKind::ALL {
            assert_eq!(kind.as_str(), word);
        }
        let words: std::collections::HashSet<_> = RegistryKind::ALL.iter().map(|(word, _)| word).collect();
        assert_eq!(words.len(), RegistryKind::ALL.len());
    }
}
