//! What is wrong with received content.

/// What is wrong with content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentFlaw {
    /// Its digest is another one.
    #[error("its digest is {found} and should be {wanted}")]
    Digest { found: String, wanted: String },
    /// `Docker-Content-Digest` is not a digest.
    #[error("the server sent `{0}` as its digest")]
    NoDigest(String),
    /// Header and body name different kinds of things (CVE-2021-41190).
    #[error("its `Content-Type` says `{announced}` and its content says `{itself}`")]
    MediaType { announced: String, itself: String },
    /// Image and index at once, or neither (CVE-2021-41190).
    #[error("it is both an image and an index, or neither")]
    Ambiguous,
    /// Not JSON, or not of this structure. Serde's own error would repeat the text.
    #[error("it cannot be read, line {line}, column {column}")]
    Json { line: usize, column: usize },
    /// A member that decides its kind comes twice: two readers would see two kinds.
    #[error("it has `{0}` twice")]
    Twice(&'static str),
    /// A value that no registry should send.
    #[error("{0} does not follow the specification")]
    Field(&'static str),
    /// More entries of something than the bound.
    #[error("it has more than {most} {what}")]
    TooMany { what: &'static str, most: usize },
}

impl From<&serde_json::Error> for ContentFlaw {
    fn from(error: &serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

/// Content that is valid and that this client does not support.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnsupportedContent {
    /// Another type of manifest.
    #[error("`{0}` is not a media type of a manifest")]
    MediaType(String),
    /// The registry has it, but not in a form that this client asks for.
    #[error("the registry has it only in a form that was not requested: {0}")]
    NotAccepted(String),
    /// A digest that cannot be verified.
    #[error("digests by `{0}` cannot be verified")]
    Algorithm(String),
}
