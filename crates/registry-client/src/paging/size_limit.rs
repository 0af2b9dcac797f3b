//! Whether a registry refuses a page because of its size, and which size to request then. Pure.
//!
//! No status and no code says it everywhere: 400 `PAGINATION_NUMBER_INVALID` (docker-registry), 400 `UNSUPPORTED`, 413
//! `TOO_MANY_TAGS_REQUESTED` (Quay in 2024), 422 `TAG_LIMIT_EXCEEDED` (a draft of OCI), and what proxies make of it. So
//! a refused page is requested again with fewer names, and then without a size; if that is refused as well, the size
//! was not the reason.

use hyper::StatusCode;

use crate::http::call::HttpAnswer;
use crate::paging::page::MODEST;

/// Whether a request with a size may have been refused because of it.
pub(crate) fn may_be_about_size(answer: &HttpAnswer) -> bool {
    answer.elsewhere.is_none() && may_be_status_of_size(answer.status)
}

/// These client errors have another meaning: the login, the path or the method, something that does not exist, a time
/// limit, a rate limit, a law.
fn may_be_status_of_size(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(status.as_u16(), 401 | 402 | 403 | 404 | 405 | 407 | 408 | 410 | 421 | 425 | 426 | 429 | 451)
}

/// The size to request after this one was refused; none for a request without a size. `n=0` is never sent: it means an
/// empty page to some servers, and a page of one name to others.
pub(crate) fn smaller_size(refused: u32, answer: &HttpAnswer) -> Option<u32> {
    // A draft of the distribution specification lets the registry say its limit.
    let stated = answer.headers.get("oci-tag-limit").and_then(|limit| limit.to_str().ok()?.trim().parse().ok());
    let modest = (refused > MODEST).then_some(MODEST);
    stated.filter(|limit| (1..refused).contains(limit)).or(modest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_errors_may_be_about_the_size_unless_they_have_another_meaning() {
        let status = |status| StatusCode::from_u16(status).expect("a status");
        for one in [400, 406, 409, 411, 412, 413, 414, 415, 416, 417, 418, 422, 424, 428, 431, 499] {
            assert!(may_be_status_of_size(status(one)), "{one}");
        }
        for other in [200, 301, 401, 403, 404, 405, 407, 408, 410, 429, 451, 500, 503] {
            assert!(!may_be_status_of_size(status(other)), "{other}");
        }
    }
}
