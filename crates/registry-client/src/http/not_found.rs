//! Whose word a 404 is. A registry that does not have something says so with an error code. A load balancer without a
//! backend, an ingress without a route and a web server on the wrong port answer 404 as well, and know nothing of what was
//! asked for. It looks at answers and sends no request.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::StatusCode;
use serde_json::Value;

use crate::http::call::{HttpAnswer, HttpCall, RequestKind};
use crate::http::endpoint::Endpoint;
use crate::http::retry::{Attempt, AttemptOutcome, RetryDecision};
use crate::problem::{ErrorAnswer, Problem};

/// Codes with which registries say that something is not there.
const CODES: [&str; 5] = [
    // Distribution specification, "Error Codes". Artifactory (jetstack/version-checker#318), Nexus
    // (sonatype/nexus-public#317), Gitea (routers/api/packages/container/errors.go), zot (pkg/api/errors/errors.go) and Pulp
    // (pulp_container/app/exceptions.py) answer with them, too.
    "NAME_UNKNOWN",
    "MANIFEST_UNKNOWN",
    "BLOB_UNKNOWN",
    "MANIFEST_BLOB_UNKNOWN",
    // Harbor's only word for all of it (goharbor/harbor#20764, plexsystems/sinker#35).
    "NOT_FOUND",
];

/// How codes about tags begin: Quay's `TAG_EXPIRED` (endpoints/v2/errors.py).
const OF_TAGS: &str = "TAG_";

/// Codes with which a storage service says, in XML, that it does not have an object. Registries redirect requests for
/// blobs to it: S3 and those that speak as it does, Azure.
const OF_STORAGE: [&str; 2] = ["NoSuchKey", "BlobNotFound"];

/// How often to ask where an address is asked for that may well not be there: a registry without a catalog or API, or no
/// registry at all.
const FEW: u32 = 3;

/// After so many requests in a row that were repeated in vain, each further one is repeated once only, until that has
/// helped: an unknown registry that says 404 in words of its own must not cost all pauses each time.
const IN_VAIN: u32 = 8;
const TWICE: u32 = 2;

/// What a 404 or 410 says about a repository, or about something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// The registry does not have it.
    Gone,
    /// Nothing: no registry has said this. `Docker-Distribution-Api-Version` is no sign of one, since nginx adds it to
    /// its own errors where it is set up as distribution's documentation advises.
    Stray,
}

impl NotFound {
    /// Reads an answer about a repository; of another host, to which the registry sent us, what [`told_by_storage`] left.
    pub(crate) fn read(status: StatusCode, body: &[u8], abroad: bool) -> Option<Self> {
        if !is_not_found(status) {
            return None;
        }
        let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let errors = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let says_so = |error: &Value| {
            error["code"].as_str().is_some_and(|code| CODES.contains(&code) || code.starts_with(OF_TAGS))
        };
        let is_gone = errors.iter().any(says_so) || (abroad && !told_by_storage(body).is_empty());
        Some(if is_gone { Self::Gone } else { Self::Stray })
    }

    /// The problem for the caller.
    pub(crate) fn problem(self, said: ErrorAnswer) -> Problem {
        match self {
            Self::Gone => Problem::Gone(said),
            Self::Stray => Problem::Stray(said),
        }
    }
}

/// How long one client has been told 404 by no registry.
#[derive(Debug, Default)]
pub(crate) struct StrayCounter {
    /// Requests in a row for which all attempts ended so.
    in_vain: AtomicU32,
}

impl StrayCounter {
    /// How often at most to ask for what was answered so; none where the answer counts at once. A GET decides what a
    /// HEAD, which has no body, leaves open.
    pub(crate) fn most_attempts(&self, call: &HttpCall<'_>, answer: &HttpAnswer) -> Option<u32> {
        let most =
            most_attempts(call.endpoint, answer.status, &answer.body).filter(|_| call.wants != RequestKind::Head)?;
        Some(if self.in_vain.load(Ordering::Relaxed) < IN_VAIN { most } else { most.min(TWICE) })
    }

    /// Notes what became of an attempt.
    pub(crate) fn note(&self, attempt: &Attempt, decision: RetryDecision) {
        match (attempt.seen, decision) {
            (AttemptOutcome::Stray { .. }, RetryDecision::GiveUp) => drop(self.in_vain.fetch_add(1, Ordering::Relaxed)),
            // Asking again does help.
            (AttemptOutcome::Status(status), RetryDecision::Return) if attempt.number > 1 && status.is_success() => {
                self.in_vain.store(0, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// How often at most to ask an endpoint that answers so; none where the answer counts at once.
fn most_attempts(endpoint: Endpoint, status: StatusCode, body: &[u8]) -> Option<u32> {
    let is_stray = match endpoint {
        Endpoint::Tags | Endpoint::Manifest => NotFound::read(status, body, false) == Some(NotFound::Stray),
        // The storage answers in the same way however often it is asked.
        Endpoint::Blob => NotFound::read(status, body, true) == Some(NotFound::Stray),
        // APIs say in JSON of their own that there is no such project.
        Endpoint::Ping | Endpoint::Token | Endpoint::Catalog | Endpoint::Api => {
            return (is_not_found(status) && !is_object(body)).then_some(FEW);
        }
    };
    is_stray.then_some(u32::MAX)
}

fn is_not_found(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// All that counts of the body of another host's error, in our own words: the code that an object is not there, or nothing.
pub(crate) fn told_by_storage(body: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(body);
    let tells = |code: &&str| *code == text || text.contains(&format!("<Code>{code}</Code>"));
    OF_STORAGE.into_iter().find(tells).unwrap_or_default()
}

fn is_object(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 404s of what stands before registries.
    const STRAYS: [&str; 17] = [
        // Traefik, and every Go server's default.
        "404 page not found\n",
        // Envoy.
        "",
        "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body><center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center></body></html>",
        "<html><body><h1>404 Not Found</h1>\nThe resource could not be found.\n</body></html>",
        "default backend - 404",
        "response 404 (backend NotFound), service rules for the path non-existent",
        r#"{"message":"no Route matched with those values"}"#,
        r#"{"error_msg":"404 Route Not Found"}"#,
        r#"{"timestamp":"2026-11-23T02:00:00Z","status":404,"error":"Not Found","path":"/v2/a/tags/list"}"#,
        r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchBucket</Code></Error>"#,
        r#"{"errors":[]}"#,
        r#"{"errors":null}"#,
        r#"{"errors":[{"status":404,"message":"Not Found"}]}"#,
        r#"{"errors":[{"code":"ROUTE_NOT_FOUND","message":"NAME_UNKNOWN"}]}"#,
        r#"{"errors":[{"code":"UNKNOWN"}]}"#,
        r#"{"code":"NAME_UNKNOWN"}"#,
        r#"{"errors":[{"code":"NAME_UNKNOWN"}]"#,
    ];

    fn read(body: &str) -> Option<NotFound> {
        NotFound::read(StatusCode::NOT_FOUND, body.as_bytes(), false)
    }

    #[test]
    fn a_404_counts_by_a_registrys_error_code_alone() {
        for code in ["NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "TAG_EXPIRED", "NOT_FOUND"] {
            let body = format!(r#"{{"errors":[{{"code":"X"}},{{"code":"{code}","message":"m","detail":null}}]}}"#);
            assert_eq!(read(&body), Some(NotFound::Gone), "{code}");
            for endpoint in [Endpoint::Tags, Endpoint::Manifest, Endpoint::Blob] {
                assert_eq!(most_attempts(endpoint, StatusCode::NOT_FOUND, body.as_bytes()), None, "{code}");
            }
        }
        for body in STRAYS {
            assert_eq!(read(body), Some(NotFound::Stray), "{body}");
            assert_eq!(NotFound::read(StatusCode::GONE, body.as_bytes(), false), Some(NotFound::Stray), "{body}");
            assert_eq!(NotFound::read(StatusCode::OK, body.as_bytes(), false), None, "{body}");
            for endpoint in [Endpoint::Tags, Endpoint::Manifest, Endpoint::Blob] {
                let most = most_attempts(endpoint, StatusCode::NOT_FOUND, body.as_bytes());
                assert_eq!(most, Some(u32::MAX), "{body}");
            }
        }
    }

    #[test]
    fn a_storage_services_word_counts_where_the_registry_sent_us_there() {
        for code in ["NoSuchKey", "BlobNotFound"] {
            let body = format!(r#"<?xml version="1.0"?><Error><Code>{code}</Code><Message>x</Message></Error>"#);
            let read = |abroad| NotFound::read(StatusCode::NOT_FOUND, body.as_bytes(), abroad);
            assert_eq!((read(true), read(false)), (Some(NotFound::Gone), Some(NotFound::Stray)), "{code}");
            assert_eq!((told_by_storage(body.as_bytes()), told_by_storage(code.as_bytes())), (code, code));
        }
        for body in STRAYS {
            assert_eq!(NotFound::read(StatusCode::NOT_FOUND, body.as_bytes(), true), Some(NotFound::Stray), "{body}");
        }
    }

    #[test]
    fn elsewhere_json_counts_and_anything_else_is_asked_for_a_few_times() {
        for endpoint in [Endpoint::Ping, Endpoint::Token, Endpoint::Catalog, Endpoint::Api] {
            let most = |body: &str| most_attempts(endpoint, StatusCode::NOT_FOUND, body.as_bytes());
            assert_eq!(most("404 page not found"), Some(3));
            assert_eq!(most("<html>"), Some(3));
            assert_eq!(most(""), Some(3));
            assert_eq!(most(r#"{"message":"404 Group Not Found"}"#), None);
            assert_eq!(most(r#"{"errors":[{"code":"UNSUPPORTED"}]}"#), None);
            assert_eq!(most_attempts(endpoint, StatusCode::OK, b""), None);
        }
    }
}
