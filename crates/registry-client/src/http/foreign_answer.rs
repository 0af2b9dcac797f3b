//! Recognises answers that are not the registry's: those of a proxy that passes requests in plain HTTP on, and those of a
//! server that wants TLS on its port.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, PROXY_AUTHENTICATE, RETRY_AFTER, WWW_AUTHENTICATE};
use url::Url;

use crate::http::proxy::Proxy;
use crate::http::sent_secrets::SentSecrets;
use crate::http::tunnel::{self, NoTunnel, text_of};
use crate::http::wire::{WireClient, place_of};
use crate::problem::Problem;
use crate::problem::network::Peer;
use crate::problem::proxy::ProxyAnswer;
use crate::problem::tls::{TlsFlaw, TlsProblem};

/// What servers with TLS answer to plain HTTP: nginx, Go, Apache, `HAProxy` with nginx's words.
const WANTS_TLS: [&str; 3] = [
    "plain HTTP request was sent to HTTPS port",
    "Client sent an HTTP request to an HTTPS server",
    "speaking plain HTTP to an SSL-enabled server port",
];

/// The problem that an answer to a request in plain HTTP is, if the registry has not made the answer.
pub(crate) fn not_of_the_registry(
    http: &WireClient,
    url: &Url,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    sent: &SentSecrets,
) -> Option<Problem> {
    if url.scheme() != "http" || status.is_success() {
        return None;
    }
    if status == StatusCode::BAD_REQUEST {
        let text = String::from_utf8_lossy(body);
        if WANTS_TLS.iter().any(|words| text.contains(words)) {
            let peer = Peer::Server(place_of(url));
            return Some(Problem::Tls(Box::new(TlsProblem { peer, flaw: TlsFlaw::TlsWanted })));
        }
    }
    let proxy = http.proxy(url).ok().flatten()?;
    let answer = answer_of_proxy(proxy, status, headers, body, sent)?;
    Some(Problem::Proxy(Box::new(NoTunnel::refusal(answer, proxy, &place_of(url)))))
}

fn answer_of_proxy(
    proxy: &Proxy,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    sent: &SentSecrets,
) -> Option<ProxyAnswer> {
    if !proxy.reads_requests() {
        return None;
    }
    let redacted = sent.redact(String::from_utf8_lossy(body).into_owned());
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        let offers = headers.get_all(PROXY_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let schemes: Vec<_> = offers.filter_map(|offer| Some(offer.split_whitespace().next()?.to_owned())).collect();
        return Some(tunnel::answer(status.as_u16(), &schemes, redacted.as_bytes()));
    }
    let may_be_of_proxy = matches!(status.as_u16(), 403 | 502 | 503 | 504) && !headers.contains_key(RETRY_AFTER);
    (may_be_of_proxy && !is_of_registry(headers))
        .then(|| ProxyAnswer::Unsure { status: status.as_u16(), text: text_of(redacted.as_bytes()) })
}

/// Whether an error has a sign of a registry: its API's header, a challenge, or JSON.
fn is_of_registry(headers: &HeaderMap) -> bool {
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    is_json || headers.contains_key("docker-distribution-api-version") || headers.contains_key(WWW_AUTHENTICATE)
}
