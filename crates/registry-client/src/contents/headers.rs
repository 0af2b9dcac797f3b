//! Headers of the answers about manifests.

use hyper::header::HeaderMap;

use crate::grammar::is_digest;
use crate::http::call::HttpAnswer;
use crate::problem::Problem;
use crate::problem::content::ContentFlaw;

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn stated_digest(answer: &HttpAnswer) -> Result<Option<String>, Problem> {
    let Some(stated) = answer.headers.get(DIGEST) else { return Ok(None) };
    // Some proxies put it in quotation marks, as they do with ETags.
    let stated = String::from_utf8_lossy(stated.as_bytes()).trim().trim_matches('"').to_owned();
    match stated.as_str() {
        "" => Ok(None),
        digest if is_digest(digest) => Ok(Some(stated)),
        _ => Err(Problem::Corrupt(ContentFlaw::NoDigest(answer.sent.shown(stated)))),
    }
}

/// The digest of a manifest, from the header in which registries send it.
pub(crate) const DIGEST: &str = "docker-content-digest";
