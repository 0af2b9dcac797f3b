//! Why the answer of a token endpoint has no token.

/// Why the answer of a token endpoint has no token. Never has the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoToken {
    /// A page for people, such as that of a login.
    #[error("it is an HTML page")]
    Html,
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotJson,
    /// Neither `token` nor `access_token`.
    #[error("it has neither `token` nor `access_token`")]
    Missing,
    /// Characters that no header can carry.
    #[error("the token has characters that no header can carry")]
    BadCharacters,
}
