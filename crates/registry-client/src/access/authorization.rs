//! What a request is authorized with.

use std::sync::Arc;

use crate::token::cache::TokenRequest;

/// What a request is authorized with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    /// No credentials.
    Anonymous,
    /// The Basic credentials of the login.
    Basic,
    /// The configured token.
    Fixed,
    /// A token from the cache.
    Token(Arc<TokenRequest>),
}
