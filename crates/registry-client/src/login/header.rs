//! Builds `Authorization` headers, marked as sensitive so that logs do not show them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::login::secret::Secret;
use crate::problem::Problem;

/// `Basic` credentials by RFC 7617, in UTF-8.
pub(crate) fn basic(username: &str, password: &Secret) -> Result<HeaderValue, Problem> {
    header("Basic", &STANDARD.encode(format!("{username}:{}", password.expose())))
}

/// An `Authorization` header, marked as sensitive. The scheme is spelled `Bearer`: Quay answers 401 to `bearer`.
pub(crate) fn header(scheme: &str, credentials: &str) -> Result<HeaderValue, Problem> {
    let mut value = HeaderValue::try_from(format!("{scheme} {credentials}")).map_err(|_| Problem::BadSecret)?;
    value.set_sensitive(true);
    Ok(value)
}
