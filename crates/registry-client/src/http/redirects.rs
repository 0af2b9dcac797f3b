//! The redirects of one request: which are followed, and to where. Sends nothing.

use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};
use url::Url;

use crate::http::call::{HttpAnswer, RequestKind};
use crate::http::host_policy::NamedBy;
use crate::http::origin::{destination, same_origin};
use crate::http::written_url::resolve;
use crate::problem::Problem;

/// Redirects followed on one request.
const REDIRECTS: usize = 5;

/// How far redirects may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedirectRange {
    /// Within the origin.
    Origin,
    /// To other hosts as well, without `Authorization`. The distribution specification allows a registry to redirect
    /// any request. Blobs are at a storage service; registry.k8s.io redirects lists and manifests to the caller's region.
    Anywhere,
}

impl RedirectRange {
    /// For the requests of the distribution specification: anywhere. For others, which are about a login: the origin.
    pub(crate) fn of(wants: RequestKind) -> Self {
        match wants {
            RequestKind::Listing | RequestKind::Head | RequestKind::Manifest | RequestKind::Blob => Self::Anywhere,
            RequestKind::Api | RequestKind::Token => Self::Origin,
        }
    }
}

/// The current URL of a request that follows redirects.
#[derive(Debug)]
pub(crate) struct RedirectRoute {
    url: Url,
    before: Vec<Url>,
    range: RedirectRange,
    /// Whether a redirect has led to another origin. This stays so on a redirect back: credentials never cross an
    /// origin.
    is_elsewhere: bool,
}

impl RedirectRoute {
    /// For a request to `url` on behalf of `home`. A URL of another origin gets no credentials: it is the next page of
    /// a list that was redirected.
    pub(crate) fn new(url: &Url, home: &Url, range: RedirectRange) -> Self {
        Self { url: url.clone(), before: Vec::new(), range, is_elsewhere: !same_origin(url, home) }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// Who named the host of the current URL; `first` is who named that of the first one.
    pub(crate) fn named_by(&self, first: NamedBy) -> NamedBy {
        if self.is_elsewhere { NamedBy::Redirect } else { first }
    }

    /// Follows the redirect of this answer. Never from https to http.
    ///
    /// # Errors
    /// If it may not be followed, leads back, or is one too many.
    pub(crate) fn follow(&mut self, answer: &HttpAnswer) -> Result<(), Problem> {
        let location = answer.headers.get(LOCATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let may_follow = |to: &Url| {
            let is_secure = to.scheme() == "https" || (to.scheme() == "http" && self.url.scheme() == "http");
            let is_plain = to.username().is_empty() && to.password().is_none();
            is_plain && (same_origin(to, &self.url) || (self.range == RedirectRange::Anywhere && is_secure))
        };
        let target = resolve(&self.url, location).ok().filter(|to| !location.is_empty() && may_follow(to));
        let Some(target) = target else {
            return Err(not_followed(&self.url, answer));
        };
        self.is_elsewhere |= !same_origin(&target, &self.url);
        self.before.push(std::mem::replace(&mut self.url, target));
        if self.before.len() > REDIRECTS || self.before.contains(&self.url) {
            return Err(Problem::Redirects);
        }
        Ok(())
    }
}

/// The problem of an answer that redirects to where its request may not go.
pub(crate) fn not_followed(url: &Url, answer: &HttpAnswer) -> Problem {
    let location = answer.headers.get(LOCATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let to = destination(url, location, &answer.sent);
    let downgrades = url.scheme() == "https" && to.starts_with("http:");
    Problem::Redirect { to, downgrades }
}

pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
