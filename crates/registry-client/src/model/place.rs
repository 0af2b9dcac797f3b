//! Names of repositories, and which of them may share a token.

use std::sync::Arc;

use crate::grammar::is_repository_name;

/// Most repositories that share a token.
const COMPANIONS: usize = 20;
/// Most bytes of the scopes of one token, as a URL writes them. A JWT repeats the scopes in JSON and base64, and must
/// fit into a header of 8 KiB; the request line must fit into Quay's 4 KiB.
const SCOPES: usize = 3000;

/// A repository to be read, and the repositories that are read at about the same time. If tokens are per repository,
/// one token may serve all of them.
#[derive(Clone, Debug)]
pub struct RepositoryRef {
    /// The repository.
    pub repository: Arc<str>,
    /// The repository and those that share its token, in the same order for all of them. If there are too many for one
    /// token, the client requests a token for the repository alone.
    pub group: Arc<[Arc<str>]>,
}

impl RepositoryRef {
    /// Whether a name follows the grammar of repository names in the specification.
    pub fn is_valid_name(name: &str) -> bool {
        is_repository_name(name)
    }

    /// A repository that is read alone.
    pub fn alone(repository: &str) -> Self {
        let repository: Arc<str> = repository.into();
        Self { group: Arc::from([repository.clone()]), repository }
    }

    /// Groups repositories that are read one after another, so that one token may serve each group.
    pub fn together(repositories: impl IntoIterator<Item = Arc<str>>) -> Vec<Self> {
        let mut places = Vec::new();
        let mut group: Vec<Arc<str>> = Vec::new();
        let mut close = |group: &mut Vec<Arc<str>>| {
            let together: Arc<[Arc<str>]> = std::mem::take(group).into();
            places.extend(together.iter().map(|one| Self { repository: one.clone(), group: together.clone() }));
        };
        for repository in repositories {
            if !group.is_empty() && !fit(group.iter().chain([&repository])) {
                close(&mut group);
            }
            group.push(repository);
        }
        close(&mut group);
        places
    }

    /// Whether one token may serve the group.
    pub(crate) fn is_shared(&self) -> bool {
        self.group.len() > 1 && self.group.contains(&self.repository) && fit(self.group.iter())
    }
}

fn fit<'a>(group: impl Iterator<Item = &'a Arc<str>>) -> bool {
    // `&scope=repository%3A…%3Apull`, each `/` of the name `%2F`.
    let written = |name: &str| 29 + name.len() + 2 * name.bytes().filter(|&byte| byte == b'/').count();
    let (count, bytes) = group.fold((0, 0), |(count, bytes), name| (count + 1, bytes + written(name)));
    count <= COMPANIONS && bytes <= SCOPES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_under_the_limits_and_keep_every_repository_once_in_order() {
        for length in [1, 40, 255] {
            let names: Vec<Arc<str>> = (0..101).map(|at| format!("{at:0length$}").into()).collect();
            let places = RepositoryRef::together(names.clone());
            assert!(places.iter().map(|place| &place.repository).eq(&names));
            assert!(places.iter().all(|place| place.group.contains(&place.repository)));
            assert!(places.iter().all(|place| (1..=20).contains(&place.group.len())));
            let groups: Vec<_> = places.chunk_by(|a, b| Arc::ptr_eq(&a.group, &b.group)).collect();
            assert!(groups.iter().all(|group| group.len() == group[0].group.len()));
            assert_eq!(groups.len(), if length == 255 { 11 } else { 6 }, "{length}");
        }
        assert!(RepositoryRef::together([]).is_empty());
        assert!(!RepositoryRef::alone("a").is_shared());
    }
}
