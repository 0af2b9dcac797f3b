//! The responses about one repository: its tags, manifests and blobs. `access` decides which requests are authorized.

use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LINK, LOCATION};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::answer;
use super::contents::{Held, Stored, sha256};
use super::repository_request::RepositoryRequest;
use super::script::{AcceptRule, HeadBehaviour, OverMax, TagPaging};
use super::seen::{FakeEndpoint, SeenRequest};
use super::server::Server;

impl Server {
    /// The response to an authorized request.
    pub(super) fn repository(&self, seen: &SeenRequest, request: &RepositoryRequest<'_>) -> Response<Bytes> {
        let Some(held) = self.script.contents.of(request.repository, self.listing.contains(request.repository)) else {
            return unknown("NAME_UNKNOWN", "repository name not known to registry");
        };
        match seen.endpoint {
            FakeEndpoint::Tags => self.tags(seen, request.repository, &held.tags()),
            FakeEndpoint::Manifest => self.manifest(seen, request, held),
            _ => self.blob(request, held),
        }
    }

    fn tags(&self, seen: &SeenRequest, repository: &str, tags: &[String]) -> Response<Bytes> {
        let TagPaging::Last { max } = self.script.tag_pages else {
            let tags = if tags.is_empty() { Value::Null } else { json!(tags) };
            return answer::json(StatusCode::OK, &json!({"name": repository, "tags": tags}));
        };
        let asked = seen.query("n").and_then(|n| n.parse::<usize>().ok());
        if asked.is_some_and(|n| n > max) && self.script.over_max == OverMax::Refuse {
            let message = "invalid number of results requested";
            return answer::error(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", message);
        }
        let size = asked.map_or(max, |n| n.clamp(1, max));
        let last = seen.query("last");
        let start = last.and_then(|last| tags.iter().position(|tag| *tag == last)).map_or(0, |at| at + 1);
        let page = &tags[start..tags.len().min(start + size)];
        let mut response = answer::json(StatusCode::OK, &json!({"name": repository, "tags": page}));
        if let Some(last) = page.last().filter(|_| start + page.len() < tags.len()) {
            let last: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
            let target = format!("{}/v2/{repository}/tags/list?last={last}&n={size}", self.script.prefix);
            for link in self.written_links(&target) {
                if let Ok(link) = HeaderValue::try_from(link) {
                    response.headers_mut().append(LINK, link);
                }
            }
        }
        response
    }

    fn manifest(&self, seen: &SeenRequest, request: &RepositoryRequest<'_>, held: Held<'_>) -> Response<Bytes> {
        let rules = &self.script.manifests;
        match rules.head {
            HeadBehaviour::NotAllowed if seen.method == Method::HEAD => {
                return answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "method not allowed");
            }
            HeadBehaviour::NotFound if seen.method == Method::HEAD => {
                return unknown("MANIFEST_UNKNOWN", "manifest unknown");
            }
            _ => {}
        }
        let Some(stored) = held.manifest(request.repository, request.reference) else {
            return unknown("MANIFEST_UNKNOWN", "manifest unknown");
        };
        let accepted: Vec<_> = seen.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let accepts = accepted.iter().flat_map(|value| value.split(',')).any(|one| one.trim() == stored.media_type);
        let stored = match rules.accept {
            AcceptRule::Distribution if !accepts => {
                return unknown("MANIFEST_UNKNOWN", "manifest found, but accept header does not support it");
            }
            AcceptRule::Quay if !accepts => schema_1(request),
            _ => stored,
        };
        let mut response = Response::new(Bytes::from(stored.bytes));
        let headers = response.headers_mut();
        if let Ok(media_type) = HeaderValue::try_from(stored.media_type) {
            headers.insert(CONTENT_TYPE, media_type);
        }
        if let Ok(digest) = HeaderValue::try_from(stored.digest)
            && rules.digest_header
        {
            headers.insert("docker-content-digest", digest);
        }
        response
    }

    fn blob(&self, request: &RepositoryRequest<'_>, held: Held<'_>) -> Response<Bytes> {
        if let Some(storage) = &self.script.manifests.blobs_at {
            let mut response = answer::bytes(StatusCode::TEMPORARY_REDIRECT, "text/html", Vec::new());
            let location =
                storage.replace("{path}", &format!("/v2/{}/blobs/{}", request.repository, request.reference));
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(LOCATION, location);
            }
            return response;
        }
        match held.blob(request.repository, request.reference) {
            Some(bytes) => answer::bytes(StatusCode::OK, "application/octet-stream", bytes),
            None => unknown("BLOB_UNKNOWN", "blob unknown to registry"),
        }
    }
}

fn unknown(code: &str, message: &str) -> Response<Bytes> {
    answer::error(StatusCode::NOT_FOUND, code, message)
}

/// The manifest that Quay returns to a client that does not accept the type of the stored one.
fn schema_1(request: &RepositoryRequest<'_>) -> Stored {
    let bytes =
        json!({"schemaVersion": 1, "name": request.repository, "tag": request.reference, "fsLayers": []}).to_string();
    Stored {
        media_type: "application/vnd.docker.distribution.manifest.v1+prettyjws".to_owned(),
        digest: sha256(bytes.as_bytes()),
        bytes: bytes.into_bytes(),
    }
}
