//! Sends one request over a pooled connection, and says in its own words what went wrong.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{HeaderMap, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{Request, StatusCode, Uri, Version};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use url::Url;

use crate::http::connect::{ConnectionLimit, LimitedConnector, asking};
use crate::http::connector::{ConnectFailure, Connector, RemoteAddress};
use crate::http::handshake::{HandshakeWatch, tls_error};
use crate::http::proxy::{Proxy, ProxyEnvironment, Route};
use crate::problem::Problem;
use crate::problem::network::{NetworkEvent, NetworkProblem, Peer};
use crate::problem::proxy::UnusableProxy;
use crate::problem::tls::{TlsFlaw, TlsProblem};

/// Most headers of one answer: ten times as many as the HTTP library reads by default. Their bytes are bounded by the
/// library, to 408 KiB.
const MOST_HEADERS: usize = 1000;

/// How long a connection may be idle before it is closed.
const IDLE: Duration = Duration::from_secs(90);

/// Sends requests over connections that it keeps.
#[derive(Clone)]
pub(crate) struct WireClient {
    client: Client<LimitedConnector<Connector>, Full<Bytes>>,
    connector: Connector,
    proxies: Option<Arc<ProxyEnvironment>>,
}

impl WireClient {
    /// At most so many connections are kept that are idle.
    pub(crate) fn new(
        connector: Connector,
        proxies: Option<Arc<ProxyEnvironment>>,
        limit: &ConnectionLimit,
        most_idle: usize,
    ) -> Self {
        use tower::Layer as _;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(most_idle)
            .http1_max_headers(MOST_HEADERS)
            .build(limit.layer(connector.clone()));
        Self { client, connector, proxies }
    }

    /// The proxy of a request.
    ///
    /// # Errors
    /// If the environment names one that cannot be used.
    pub(crate) fn proxy(&self, url: &Url) -> Result<Option<&Proxy>, UnusableProxy> {
        Ok(match self.proxies.as_deref().map(|proxies| proxies.route(url)).transpose()? {
            Some(Route::Proxy(proxy)) => Some(proxy),
            Some(Route::Direct(_)) | None => None,
        })
    }

    /// Sends a request to this URL and returns the answer without its body.
    pub(crate) async fn send(&self, url: &Url, request: Request<Bytes>) -> Result<WireAnswer<'_>, Problem> {
        let peer = || Peer::Server(place_of(url));
        let uri = url.as_str().parse::<Uri>().map_err(|_| Problem::BadUrl(place_of(url)))?;
        let proxy = self.proxy(url).map_err(Problem::ProxySetting)?;
        let mut outgoing = request.map(Full::new);
        outgoing.headers_mut().insert(USER_AGENT, super::user_agent());
        // With https, the proxy gets its login when it is asked for the way.
        if let Some(login) = proxy.filter(|_| url.scheme() == "http").and_then(Proxy::authorization) {
            outgoing.headers_mut().insert(PROXY_AUTHORIZATION, login);
        }
        *outgoing.uri_mut() = uri;
        match asking(self.client.request(outgoing)).await {
            Ok(response) => {
                let from = response.extensions().get::<RemoteAddress>().and_then(|RemoteAddress(from)| *from);
                let (head, body) = response.into_parts();
                let (status, version, headers) = (head.status, head.version, head.headers);
                Ok(WireAnswer { status, version, headers, from, body, received: 0, peer: peer(), client: self })
            }
            Err(error) => {
                tracing::debug!(error = crate::problem::chain::chain(&error), "no answer");
                Err(self.problem(&error, url, peer()))
            }
        }
    }

    fn problem(&self, error: &legacy::Error, url: &Url, peer: Peer) -> Problem {
        if let Some(failure) = found::<ConnectFailure>(error) {
            return match failure.clone() {
                ConnectFailure::Network(problem) => Problem::Network(problem),
                ConnectFailure::Tls(problem) => Problem::Tls(problem),
                ConnectFailure::Proxy(refusal) => Problem::Proxy(refusal),
                ConnectFailure::Setting(problem) => Problem::ProxySetting(problem),
                ConnectFailure::Forbidden(to) => Problem::Forbidden(to),
            };
        }
        let watch = error.connect_info().and_then(|connected| {
            let mut extras = hyper::http::Extensions::new();
            connected.get_extras(&mut extras);
            extras.get::<Arc<HandshakeWatch>>().cloned()
        });
        if url.scheme() == "http" && watch.is_some_and(|watch| watch.is_tls_alert()) {
            return Problem::Tls(Box::new(TlsProblem { peer, flaw: TlsFlaw::TlsWanted }));
        }
        self.broken(error, url, peer, None)
    }

    /// The problem of a connection that broke, after so many bytes of a body or before the answer.
    fn broken(&self, error: &(dyn Error + 'static), url: &Url, peer: Peer, received: Option<u64>) -> Problem {
        if let Some(error) = tls_error(error).filter(|error| !matches!(error, rustls::Error::General(_))) {
            let flaw = self.connector.flaw_of(error, url.host_str().unwrap_or_default());
            return Problem::Tls(Box::new(TlsProblem { peer, flaw }));
        }
        let event = match received {
            Some(bytes) => NetworkEvent::CutOff(bytes),
            None => before_answer(error),
        };
        // With TLS 1.3, a server may close the connection without saying that it wants a client certificate.
        let is_closed = matches!(event, NetworkEvent::Closed | NetworkEvent::Reset);
        if is_closed && url.scheme() == "https" && self.connector.wants_certificate.load(Ordering::Relaxed) {
            return Problem::Tls(Box::new(TlsProblem { peer, flaw: TlsFlaw::ClientCertificateWanted { alert: None } }));
        }
        Problem::Network(NetworkProblem::boxed(peer, event))
    }
}

/// What a broken connection means before an answer.
fn before_answer(error: &(dyn Error + 'static)) -> NetworkEvent {
    if let Some(error) = found::<std::io::Error>(error) {
        return NetworkEvent::broken(error);
    }
    match found::<hyper::Error>(error) {
        Some(error) if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() => {
            NetworkEvent::NotHttp
        }
        Some(_) => NetworkEvent::Closed,
        None => NetworkEvent::Other("the request could not be sent".to_owned()),
    }
}

/// An error of this type among the sources of another one.
fn found<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Host and port of a URL, as messages name them.
pub(crate) fn place_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// An answer, whose body is still to be read.
pub(crate) struct WireAnswer<'c> {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// The address that the answer came from; none behind a proxy.
    pub(crate) from: Option<SocketAddr>,
    body: Incoming,
    received: u64,
    peer: Peer,
    client: &'c WireClient,
}

impl WireAnswer<'_> {
    /// The announced length of the body.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next part of the body.
    pub(crate) async fn chunk(&mut self, url: &Url) -> Result<Option<Bytes>, Problem> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| {
                tracing::debug!(error = crate::problem::chain::chain(&error), "the answer was cut off");
                self.client.broken(&error, url, self.peer.clone(), Some(self.received))
            })?;
            // Trailers are not data.
            if let Ok(data) = frame.into_data() {
                self.received += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }
}

/// The parts of which both clients of a registry are made.
pub(crate) struct WireSettings {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) limit: ConnectionLimit,
    pub(crate) most_idle: usize,
    /// Time limit of connecting.
    pub(crate) connect: Duration,
}

impl WireSettings {
    /// A client of these parts.
    pub(crate) fn client(
        &self,
        proxies: Option<Arc<ProxyEnvironment>>,
        guard: Option<crate::http::address_guard::AddressGuard>,
    ) -> WireClient {
        let connector = Connector::new(self.tls.clone(), proxies.clone(), guard, self.connect);
        WireClient::new(connector, proxies, &self.limit, self.most_idle)
    }
}

#[cfg(test)]
mod tests;
