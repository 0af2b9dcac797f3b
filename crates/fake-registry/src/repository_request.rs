//! The path of a request about one repository.

/// A request for the tags, a manifest or a blob of a repository.
pub(super) struct RepositoryRequest<'a> {
    pub(super) repository: &'a str,
    /// A tag, a digest, or `list`.
    pub(super) reference: &'a str,
}

impl<'a> RepositoryRequest<'a> {
    /// Parses `/v2/NAME/…`. The path has no prefix of the script any more.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v2/")?;
        let (repository, reference) =
            ["/tags/", "/manifests/", "/blobs/"].into_iter().find_map(|part| path.rsplit_once(part))?;
        Some(Self { repository, reference })
    }
}
