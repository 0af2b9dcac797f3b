//! The record of requests: each request, how many ran at the same time, and the number of connections.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};

/// The endpoint of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FakeEndpoint {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/token`
    Token,
    /// `/v2/NAME/tags/list`
    Tags,
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest,
    /// `/v2/NAME/blobs/DIGEST`
    Blob,
    /// Anything else.
    Other,
}

/// How a request was authorized. The scheme is compared exactly, as Quay does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authorization {
    /// There is no `Authorization` header.
    None,
    /// `Basic …`
    Basic,
    /// `Bearer …`
    Bearer,
    /// Another scheme, or one of these in another case.
    Other,
}

/// A request and the status of its response.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// The method.
    pub method: Method,
    /// The path and the query, as they were sent.
    pub target: String,
    /// The endpoint of the request.
    pub endpoint: FakeEndpoint,
    /// How it was authorized.
    pub authorization: Authorization,
    /// All headers.
    pub headers: HeaderMap,
    /// The status of the response. None if there is no response, or none yet.
    pub status: Option<u16>,
}

impl SeenRequest {
    pub(super) fn new(parts: Parts, prefix: &str) -> Self {
        let path = parts.uri.path();
        let endpoint = match path.strip_prefix(prefix) {
            Some("/v2/" | "/v2") => FakeEndpoint::Ping,
            Some("/v2/_catalog") => FakeEndpoint::Catalog,
            Some("/token") => FakeEndpoint::Token,
            Some(path) if path.starts_with("/v2/") && path.ends_with("/tags/list") => FakeEndpoint::Tags,
            Some(path) if path.starts_with("/v2/") && path.contains("/manifests/") => FakeEndpoint::Manifest,
            Some(path) if path.starts_with("/v2/") && path.contains("/blobs/") => FakeEndpoint::Blob,
            _ => FakeEndpoint::Other,
        };
        let authorization = match parts.headers.get(AUTHORIZATION).map(hyper::header::HeaderValue::as_bytes) {
            None => Authorization::None,
            Some(value) if value.starts_with(b"Basic ") => Authorization::Basic,
            Some(value) if value.starts_with(b"Bearer ") => Authorization::Bearer,
            Some(_) => Authorization::Other,
        };
        let target = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        Self { method: parts.method, target, endpoint, authorization, headers: parts.headers, status: None }
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query as it was sent; empty if there is none.
    pub fn raw_query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// All values of a query parameter, decoded.
    pub fn query_all(&self, name: &str) -> Vec<String> {
        let pairs = url::form_urlencoded::parse(self.raw_query().as_bytes());
        pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// The first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.raw_query().as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A request, and the status of its response if there is one.
type Entry = (Arc<SeenRequest>, Option<u16>);

/// Counts all requests, and records them if the script says so.
#[derive(Debug)]
pub(super) struct RequestLog {
    requests: Option<Mutex<Vec<Entry>>>,
    by_endpoint: [AtomicU64; 7],
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    connections: AtomicUsize,
}

/// A request in flight. It is dropped after the response, or if the client closes its connection.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a RequestLog);

impl RequestLog {
    pub(super) fn new(record: bool) -> Self {
        Self {
            requests: record.then(Mutex::default),
            by_endpoint: Default::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        }
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn enter(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        InFlight(self)
    }

    /// Counts the request. Returns its number at its endpoint, from 1 on.
    pub(super) fn count(&self, endpoint: FakeEndpoint) -> u64 {
        self.by_endpoint[endpoint as usize].fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Records the request. Returns its index for [`RequestLog::answered`].
    pub(super) fn record(&self, request: &Arc<SeenRequest>) -> usize {
        let Some(requests) = &self.requests else { return 0 };
        let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push((request.clone(), None));
        requests.len() - 1
    }

    pub(super) fn answered(&self, number: usize, status: u16) {
        if let Some(requests) = &self.requests {
            requests.lock().unwrap_or_else(PoisonError::into_inner)[number].1 = Some(status);
        }
    }

    pub(super) fn requests(&self) -> Vec<SeenRequest> {
        let Some(requests) = &self.requests else { return Vec::new() };
        let requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(|(request, status)| SeenRequest { status: *status, ..(**request).clone() }).collect()
    }

    pub(super) fn counted(&self, endpoint: FakeEndpoint) -> u64 {
        self.by_endpoint[endpoint as usize].load(Ordering::SeqCst)
    }

    pub(super) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
