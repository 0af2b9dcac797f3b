//! What a request is authorized with.

use crate::token::cache::TokenRequest;
use std::sync::Arc;

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
