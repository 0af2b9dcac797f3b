//! Why there is no next page to be had from a `Link`.

/// Why there is no next page to be had from a `Link`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// No link with a relation could be read.
    #[error("the Link header cannot be read")]
    Unreadable,
    /// The target is not a URL.
    #[error("the next page's link is not a URL")]
    NotAUrl,
    /// The target is another scheme, host or port (CVE-2026-88887).
    #[error("the next page's link leads to another scheme, host or port")]
    OtherOrigin,
}
