//! Why a `Link` header gives no next page.

/// Why a `Link` header gives no next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// The header has no readable link with a relation.
    #[error("the Link header cannot be read")]
    Unreadable,
    /// The target is not a URL.
    #[error("the next page's link is not a URL")]
    NotAUrl,
    /// The target is another scheme, host or port (CVE-2026-88887).
    #[error("the next page's link leads to another scheme, host or port")]
    OtherOrigin,
}
