//! Whether a 404 comes from the registry. A registry that does not have something answers with an error code. A load
//! balancer without a backend, an ingress without a route and a web server on the wrong port answer 404 as well,
//! without knowing the content. This module reads answers and sends no request.

use std::sync::atomic::{AtomicU32, Ordering};

use hyper::StatusCode;
use serde_json::Value;

use crate::http::call::{HttpAnswer, HttpCall, RequestKind};
use crate::http::endpoint::Endpoint;
use crate::http::host_policy::NamedBy;
use crate::http::retry::{Attempt, AttemptOutcome, RetryDecision};
use crate::http::xml_error::XmlError;
use crate::problem::{ErrorAnswer, Problem};

/// Error codes of registries for something that does not exist.
const CODES: [&str; 5] = [
    // Distribution specification, "Error Codes". Artifactory (jetstack/version-checker#318), Nexus
    // (sonatype/nexus-public#317), Gitea (routers/api/packages/container/errors.go), zot (pkg/api/errors/errors.go) and Pulp
    // (pulp_container/app/exceptions.py) answer with them, too.
    "NAME_UNKNOWN",
    "MANIFEST_UNKNOWN",
    "BLOB_UNKNOWN",
    "MANIFEST_BLOB_UNKNOWN",
    // Harbor's only code for all of it (goharbor/harbor#20764, plexsystems/sinker#35).
    "NOT_FOUND",
];

/// The prefix of codes about tags: Quay's `TAG_EXPIRED` (endpoints/v2/errors.py).
const OF_TAGS: &str = "TAG_";

/// Error codes of storage services, in XML, for an object that does not exist. Registries redirect requests for blobs
/// to them: S3 and compatible services, Azure.
const OF_STORAGE: [&str; 2] = ["NoSuchKey", "BlobNotFound"];

/// Most attempts if the URL may well not exist: a registry without a catalog or API, or no registry at all.
const FEW: u32 = 3;

/// After so many requests in a row whose repetition did not help, each further one is repeated only once, until
/// repetition helps again: an unknown registry with error codes of its own must not cost all pauses each time.
const IN_VAIN: u32 = 8;
const TWICE: u32 = 2;

/// What a 404 or 410 means for a repository, or for something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// The registry does not have it.
    Gone,
    /// Nothing: the answer does not come from a registry. `Docker-Distribution-Api-Version` is no sign of one: nginx
    /// adds it to its own errors if it is set up as distribution's documentation advises.
    NotTheRegistry,
}

impl NotFound {
    /// Reads an answer about a repository. If another host answered after a redirect, it may be a storage service.
    pub(crate) fn read(status: StatusCode, body: &[u8], other_origin: bool) -> Option<Self> {
        if !is_not_found(status) {
            return None;
        }
        let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let errors = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let says_so = |error: &Value| {
            error["code"].as_str().is_some_and(|code| CODES.contains(&code) || code.starts_with(OF_TAGS))
        };
        let is_gone = errors.iter().any(says_so) || (other_origin && is_missing_object(body));
        Some(if is_gone { Self::Gone } else { Self::NotTheRegistry })
    }

    /// The problem to report.
    pub(crate) fn problem(self, reply: ErrorAnswer) -> Problem {
        match self {
            Self::Gone => Problem::Gone(reply),
            Self::NotTheRegistry => Problem::NotTheRegistry(reply),
        }
    }
}

/// Counts the requests of one client that were answered 404, and not by a registry.
#[derive(Debug, Default)]
pub(crate) struct ForeignNotFoundCounter {
    /// Number of requests in a row of which all attempts ended so.
    without_success: AtomicU32,
}

impl ForeignNotFoundCounter {
    /// Most attempts for a request with this answer. None if the answer is used at once. A HEAD has no body, so its
    /// answer is used at once and a GET decides.
    pub(crate) fn most_attempts(&self, call: &HttpCall<'_>, answer: &HttpAnswer) -> Option<u32> {
        let is_elsewhere = call.named_by == NamedBy::Redirect;
        let most = most_attempts(call.endpoint, answer.status, &answer.body, is_elsewhere)
            .filter(|_| call.wants != RequestKind::Head)?;
        Some(if self.without_success.load(Ordering::Relaxed) < IN_VAIN { most } else { most.min(TWICE) })
    }

    /// Notes the decision about an attempt.
    pub(crate) fn note(&self, attempt: &Attempt, decision: RetryDecision) {
        match (attempt.seen, decision) {
            (AttemptOutcome::NotTheRegistry { .. }, RetryDecision::GiveUp) => {
                self.without_success.fetch_add(1, Ordering::Relaxed);
            }
            // Repetition helped.
            (AttemptOutcome::Status(status), RetryDecision::Return) if attempt.number > 1 && status.is_success() => {
                self.without_success.store(0, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// Most attempts at an endpoint with this answer. None if the answer is used at once.
fn most_attempts(endpoint: Endpoint, status: StatusCode, body: &[u8], is_elsewhere: bool) -> Option<u32> {
    let is_foreign = match endpoint {
        // A storage service gives the same answer each time.
        Endpoint::Tags | Endpoint::Manifest | Endpoint::Blob => {
            let or_storage = is_elsewhere || endpoint == Endpoint::Blob;
            NotFound::read(status, body, or_storage) == Some(NotFound::NotTheRegistry)
        }
        // APIs report a missing project in JSON of their own.
        Endpoint::Ping | Endpoint::Token | Endpoint::Catalog | Endpoint::Api => {
            return (is_not_found(status) && !is_object(body)).then_some(FEW);
        }
    };
    is_foreign.then_some(u32::MAX)
}

fn is_not_found(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// Whether a storage service says that an object does not exist.
fn is_missing_object(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    XmlError::read(&text).is_some_and(|error| OF_STORAGE.contains(&error.code))
}

fn is_object(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 404 answers of proxies and servers in front of registries.
    const STRAYS: [&str; 17] = [
        // Traefik, and the default of Go servers.
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
                assert_eq!(most_attempts(endpoint, StatusCode::NOT_FOUND, body.as_bytes(), false), None, "{code}");
            }
        }
        for body in STRAYS {
            assert_eq!(read(body), Some(NotFound::NotTheRegistry), "{body}");
            assert_eq!(
                NotFound::read(StatusCode::GONE, body.as_bytes(), false),
                Some(NotFound::NotTheRegistry),
                "{body}"
            );
            assert_eq!(NotFound::read(StatusCode::OK, body.as_bytes(), false), None, "{body}");
            for endpoint in [Endpoint::Tags, Endpoint::Manifest, Endpoint::Blob] {
                let most = most_attempts(endpoint, StatusCode::NOT_FOUND, body.as_bytes(), false);
                assert_eq!(most, Some(u32::MAX), "{body}");
            }
        }
    }

    #[test]
    fn a_storage_services_word_counts_where_the_registry_sent_us_there() {
        for code in ["NoSuchKey", "BlobNotFound"] {
            let body = format!(r#"<?xml version="1.0"?><Error><Code>{code}</Code><Message>x</Message></Error>"#);
            let read = |other_origin| NotFound::read(StatusCode::NOT_FOUND, body.as_bytes(), other_origin);
            assert_eq!((read(true), read(false)), (Some(NotFound::Gone), Some(NotFound::NotTheRegistry)), "{code}");
        }
        for body in STRAYS {
            assert_eq!(
                NotFound::read(StatusCode::NOT_FOUND, body.as_bytes(), true),
                Some(NotFound::NotTheRegistry),
                "{body}"
            );
        }
    }

    #[test]
    fn elsewhere_json_counts_and_anything_else_is_asked_for_a_few_times() {
        for endpoint in [Endpoint::Ping, Endpoint::Token, Endpoint::Catalog, Endpoint::Api] {
            let most = |body: &str| most_attempts(endpoint, StatusCode::NOT_FOUND, body.as_bytes(), false);
            assert_eq!(most("404 page not found"), Some(3));
            assert_eq!(most("<html>"), Some(3));
            assert_eq!(most(""), Some(3));
            assert_eq!(most(r#"{"message":"404 Group Not Found"}"#), None);
            assert_eq!(most(r#"{"errors":[{"code":"UNSUPPORTED"}]}"#), None);
            assert_eq!(most_attempts(endpoint, StatusCode::OK, b"", false), None);
        }
    }
}
