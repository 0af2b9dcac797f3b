//! The pages of the catalog and the links between them. `access` decides which requests are authorized.

use hyper::body::Bytes;
use hyper::header::{HeaderValue, LINK};
use hyper::{Response, StatusCode};

use super::answer;
use super::script::{LinkStyle, OverMax};
use super::seen::SeenRequest;
use super::server::Server;

impl Server {
    /// The page for an authorized request.
    pub(super) fn catalog(&self, seen: &SeenRequest) -> Response<Bytes> {
        let script = &self.script;
        let asked = seen.query("n").map(|n| n.parse::<u32>());
        let n = match (asked, script.over_max) {
            (None, _) => script.page_max,
            (Some(Ok(0)), OverMax::Clamp) => 1,
            (Some(Ok(n)), OverMax::Clamp) => n.min(script.page_max),
            (Some(Ok(n)), OverMax::Refuse) if n <= script.page_max => n,
            (Some(_), _) => {
                let message = "invalid number of results requested";
                return answer::error(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", message);
            }
        };
        let start = if matches!(script.link, LinkStyle::Opaque) {
            seen.query("next_page").and_then(|cursor| self.signer.position(&cursor)).unwrap_or(0)
        } else {
            seen.query("last").map_or(0, |last| self.listing.after(&last))
        };
        let end = self.listing.len().min(start + n as usize);
        let mut response = answer::bytes(StatusCode::OK, "application/json", self.listing.page(start, end));
        let full_last = script.empty_last_page && end == self.listing.len() && end - start == n as usize;
        if end > start && (end < self.listing.len() || full_last) {
            for link in self.links(end, n) {
                // A link that is not a valid header value cannot be sent and is left out.
                if let Ok(link) = HeaderValue::try_from(link) {
                    response.headers_mut().append(LINK, link);
                }
            }
        }
        response
    }

    fn links(&self, end: usize, n: u32) -> Vec<String> {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let prefix = &self.script.prefix;
        if let LinkStyle::Opaque = self.script.link {
            let cursor = encode(&self.signer.cursor(end));
            return vec![format!("<{prefix}/v2/_catalog?n={n}&next_page={cursor}>; rel=\"next\"")];
        }
        self.written_links(&format!("{prefix}/v2/_catalog?last={}&n={n}", encode(self.listing.name(end - 1))))
    }

    /// The values of the `Link` header for the target of the next page.
    pub(super) fn written_links(&self, target: &str) -> Vec<String> {
        match &self.script.link {
            LinkStyle::Relative | LinkStyle::Opaque => vec![format!("<{target}>; rel=\"next\"")],
            LinkStyle::Absolute => vec![format!("<http://{}{target}>; rel=\"next\"", self.address)],
            LinkStyle::Missing => Vec::new(),
            LinkStyle::Written(write) => write(target),
        }
    }
}
