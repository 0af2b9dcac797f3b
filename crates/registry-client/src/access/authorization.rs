//! What a request is authorized with.

use std::sync::Arc;

use crate::token::cache::TokenRequest;

/// What a request is authorized with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    /// Nothing.
    Anonymous,
    /// The login's Basic credentials.
    Basic,
    /// The configured token.
    Fixed,
    /// A token of the cache.
    Token(Arc<TokenRequest>),
}
