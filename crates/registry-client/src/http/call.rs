//! A request as it is sent, and its answer, complete and within its bound.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request};
use hyper::{StatusCode, Version};
use url::Url;

use crate::http::body::Cap;
use crate::http::endpoint::Endpoint;
use crate::http::host_policy::NamedBy;
use crate::http::sent_secrets::SentSecrets;
use crate::model::media_type::ACCEPTED;
use crate::problem::Problem;

/// What a request is for. Its method, its `Accept` header and the bound on its answer follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// A page of names or tags, the ping.
    Listing,
    /// Data of a registry's own API.
    Api,
    /// A token.
    Token,
    /// The digest and media type of a manifest, without the manifest.
    Head,
    /// A manifest.
    Manifest,
    /// A configuration.
    Blob,
}

impl RequestKind {
    pub(crate) fn accept(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Listing | Self::Api | Self::Token => "application/json",
            Self::Head | Self::Manifest => ACCEPTED,
            Self::Blob => "*/*",
        })
    }

    pub(crate) fn cap(self) -> Cap {
        match self {
            Self::Listing => Cap::PAGE,
            Self::Api => Cap::API,
            Self::Token | Self::Head => Cap::SMALL,
            Self::Manifest => Cap::MANIFEST,
            Self::Blob => Cap::CONFIG,
        }
    }
}

/// The body of a POST.
#[derive(Clone, Copy)]
pub(crate) enum PostBody<'a> {
    /// `application/x-www-form-urlencoded`.
    Form(&'a str),
    /// `application/json`. The caller must note the secrets in it with [`SentSecrets::note`].
    Json(&'a str),
}

impl<'a> PostBody<'a> {
    pub(crate) fn form(self) -> Option<&'a str> {
        match self {
            Self::Form(form) => Some(form),
            Self::Json(_) => None,
        }
    }
}

/// A request to send: a POST if it has a body, a HEAD for [`RequestKind::Head`], else a GET.
pub(crate) struct HttpCall<'a> {
    pub(crate) url: &'a Url,
    pub(crate) authorization: Option<&'a HeaderValue>,
    pub(crate) form: Option<PostBody<'a>>,
    pub(crate) wants: RequestKind,
    /// The endpoint under which the request is counted.
    pub(crate) endpoint: Endpoint,
    /// Who named the host of the URL.
    pub(crate) named_by: NamedBy,
}

/// A complete answer.
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The secrets that were sent; they are removed from the answer when it is shown.
    pub(crate) sent: Arc<SentSecrets>,
    /// Set if the client gave up after 429: for how long all answers had been refusals, and the pause that the server
    /// asked for.
    pub(crate) without_success: Option<(Duration, Option<Duration>)>,
    /// The URL that answered, if redirects led to another origin. Set by the caller that follows them.
    pub(crate) elsewhere: Option<Url>,
}

impl HttpAnswer {
    /// Whether the server closes the connection after this answer.
    pub(crate) fn is_the_last(&self) -> bool {
        let says = |option| {
            let values = self.headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|reply| reply.trim().eq_ignore_ascii_case(option))
        };
        says("close") || (self.version == Version::HTTP_10 && !says("keep-alive"))
    }
}

/// Why there is no usable answer.
#[derive(Debug)]
pub(crate) enum HttpFailure {
    /// Another attempt may succeed.
    Broken(Problem),
    /// Another attempt would fail in the same way.
    Unusable(Problem),
}

impl HttpFailure {
    /// The same with the names of hosts as `shown` writes them.
    pub(crate) fn with_hosts(self, shown: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Broken(problem) => Self::Broken(problem.with_hosts(shown)),
            Self::Unusable(problem) => Self::Unusable(problem.with_hosts(shown)),
        }
    }
}

/// The request without its URL.
pub(crate) fn request(call: &HttpCall<'_>) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = match (call.form, call.wants) {
        (Some(_), _) => Method::POST,
        (None, RequestKind::Head) => Method::HEAD,
        (None, _) => Method::GET,
    };
    let headers = request.headers_mut();
    headers.insert(ACCEPT, call.wants.accept());
    // A HEAD must show the length of the manifest itself, not of a compressed form.
    let encoding = if call.wants == RequestKind::Head { "identity" } else { "gzip" };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    if let Some(authorization) = call.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    if let Some(posted) = call.form {
        let (media_type, body) = match posted {
            PostBody::Form(form) => ("application/x-www-form-urlencoded", form),
            PostBody::Json(json) => ("application/json", json),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        *request.body_mut() = Bytes::from(body.to_owned());
    }
    request
}
