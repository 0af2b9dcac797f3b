//! Why a body is not accepted.

use std::io;

/// Why a body is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// Over its cap.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It would take much memory, and has almost no content.
    #[error("the body is compressed to less than a {0}th of its size, which no real content is")]
    Packed(usize),
    /// A compression that was not offered.
    #[error("the body has the encoding `{0}`, which was not requested")]
    Encoding(String),
    /// Damaged or cut short.
    #[error("the body is damaged or was cut off: it is not complete gzip")]
    Gzip(io::Error),
}
