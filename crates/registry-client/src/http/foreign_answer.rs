//! Recognises answers that are not the registry's: those of a proxy that passes requests in plain HTTP on, and those of a
//! server that wants TLS on its port.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, PROXY_AUTHENTICATE, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::http::call::{HttpAnswer, HttpCall};
use crate::http::endpoint::Endpoint;
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
pub(crate) fn not_of_the_registry(http: &WireClient, call: &HttpCall<'_>, answer: &HttpAnswer) -> Option<Problem> {
    let (url, status) = (call.url, answer.status);
    if url.scheme() != "http" || status.is_success() {
        return None;
    }
    if status == StatusCode::BAD_REQUEST {
        let text = String::from_utf8_lossy(&answer.body);
        if WANTS_TLS.iter().any(|words| text.contains(words)) {
            let peer = Peer::Server(place_of(url));
            return Some(Problem::Tls(Box::new(TlsProblem { peer, flaw: TlsFlaw::TlsWanted })));
        }
    }
    let proxy = http.proxy(url).ok().flatten().filter(|proxy| proxy.reads_requests())?;
    let refusal = of_proxy(call.endpoint, answer)?;
    Some(Problem::Proxy(Box::new(NoTunnel::refusal(refusal, proxy, &place_of(url)))))
}

fn of_proxy(endpoint: Endpoint, answer: &HttpAnswer) -> Option<ProxyAnswer> {
    let (status, headers) = (answer.status, &answer.headers);
    let page = || answer.sent.redact(String::from_utf8_lossy(&answer.body).into_owned());
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        let offers = headers.get_all(PROXY_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let schemes: Vec<_> = offers.filter_map(|offer| Some(offer.split_whitespace().next()?.to_owned())).collect();
        return Some(tunnel::answer(status.as_u16(), &schemes, page().as_bytes()));
    }
    // What only some repositories get is the registry's own refusal: a proxy has let the others pass.
    let is_of_all = !matches!(endpoint, Endpoint::Tags | Endpoint::Manifest | Endpoint::Blob);
    let may_be_of_proxy = matches!(status.as_u16(), 403 | 502 | 503 | 504) && !headers.contains_key(RETRY_AFTER);
    (is_of_all && may_be_of_proxy && !is_of_registry(headers))
        .then(|| ProxyAnswer::Unsure { status: status.as_u16(), text: text_of(page().as_bytes()) })
}

/// Whether an error has a sign of a registry: its API's header, a challenge, or JSON.
fn is_of_registry(headers: &HeaderMap) -> bool {
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    is_json || headers.contains_key("docker-distribution-api-version") || headers.contains_key(WWW_AUTHENTICATE)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::Version;
    use hyper::header::HeaderName;

    use super::*;
    use crate::http::sent_secrets::SentSecrets;

    fn answer(status: u16, header: Option<(&'static str, &str)>, body: &str) -> HttpAnswer {
        let headers = header.map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        HttpAnswer {
            status: StatusCode::from_u16(status).expect("a status"),
            version: Version::HTTP_11,
            headers: headers.into_iter().collect(),
            body: body.as_bytes().to_vec(),
            sent: Arc::<SentSecrets>::default(),
            without_success: None,
            elsewhere: None,
        }
    }

    #[test]
    fn an_error_without_a_sign_of_a_registry_may_be_of_the_proxy() {
        let unsure = |status, text: &str| Some(ProxyAnswer::Unsure { status, text: text.into() });
        for (status, header, wanted) in [
            (403, None, unsure(403, "no")),
            (503, None, unsure(503, "no")),
            (403, Some(("content-type", "text/html")), unsure(403, "no")),
            (403, Some(("content-type", "application/json; charset=utf-8")), None),
            (403, Some(("docker-distribution-api-version", "registry/2.0")), None),
            (403, Some(("www-authenticate", "Bearer realm=\"x\"")), None),
            (503, Some(("retry-after", "7")), None),
            (401, None, None),
            (404, None, None),
            (500, None, None),
        ] {
            let answer = answer(status, header, "<html>no</html>");
            assert_eq!(of_proxy(Endpoint::Ping, &answer), wanted, "{status} {header:?}");
            assert_eq!(of_proxy(Endpoint::Tags, &answer), None, "of one repository: {status} {header:?}");
        }
        let login = answer(407, Some(("proxy-authenticate", "Basic realm=\"corp\"")), "log in");
        for endpoint in Endpoint::ALL {
            let wanted = Some(ProxyAnswer::Status { status: 407, text: "log in".into() });
            assert_eq!(of_proxy(endpoint, &login), wanted);
        }
    }
}
