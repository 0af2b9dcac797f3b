//! Why credentials are not sent to a token service.

/// Why credentials are not sent to a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UntrustedRealm {
    /// Neither https nor, where the registry itself is plain http, http.
    #[error("it is not https")]
    Plaintext,
    /// The realm's URL carries a user name, has no host or is not of HTTP.
    #[error("it is not a plain URL")]
    Odd,
    /// Another site (CVE-2020-15157, CVE-2026-33540, CVE-2026-48978).
    #[error("it is on another site, to which the credentials are not sent")]
    OtherSite,
}
