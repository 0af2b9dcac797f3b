//! Counts what a client has sent and received, for the report of its run.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::call::RequestKind;

/// What a client and its clones have sent and received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pages of repositories received.
    pub pages: u64,
    /// All HTTP requests sent, token requests and retries included.
    pub requests: u64,
    /// Requests sent again after a pause.
    pub retries: u64,
    /// Requests to token endpoints.
    pub token_requests: u64,
    /// Requests for manifests.
    pub manifest_requests: u64,
    /// Requests (HEAD) for the digest of a tag, without the manifest.
    pub head_requests: u64,
    /// Requests for configurations of images.
    pub blob_requests: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) pages: AtomicU64,
    requests: AtomicU64,
    pub(crate) retries: AtomicU64,
    token_requests: AtomicU64,
    manifest_requests: AtomicU64,
    head_requests: AtomicU64,
    blob_requests: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            pages: of(&self.pages),
            requests: of(&self.requests),
            retries: of(&self.retries),
            token_requests: of(&self.token_requests),
            manifest_requests: of(&self.manifest_requests),
            head_requests: of(&self.head_requests),
            blob_requests: of(&self.blob_requests),
        }
    }

    /// Counts one request.
    pub(crate) fn sent(&self, wants: RequestKind) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let counter = match wants {
            RequestKind::Listing | RequestKind::Api => return,
            RequestKind::Token => &self.token_requests,
            RequestKind::Head => &self.head_requests,
            RequestKind::Manifest => &self.manifest_requests,
            RequestKind::Blob => &self.blob_requests,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
