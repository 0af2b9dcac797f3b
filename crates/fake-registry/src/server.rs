//! The server. It accepts connections on loopback, and answers each request with the regular response or with the
//! misbehaviour of the script. It stops when it is dropped.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use url::Url;

use super::answer::{self, Body};
use super::jwt::Signer;
use super::listing::RenderedCatalog;
use super::misbehaviour::Misbehaviour;
use super::repository_request::RepositoryRequest;
use super::script::{FakeAccess, Script};
use super::seen::{FakeEndpoint, RequestLog, SeenRequest};
use super::token;

/// The maximum size of a request body. Token requests are smaller.
const FORM_MAX: usize = 64 * 1024;

/// A running server. After it is dropped, the runtime closes its port and all connections.
///
/// The server runs on the runtime that started it. A test that blocks its thread, for example on a child process, needs a
/// runtime with another thread.
#[derive(Debug)]
pub struct FakeRegistry {
    server: Arc<Server>,
    accepting: AbortHandle,
}

impl FakeRegistry {
    /// Starts a server on a free port of 127.0.0.1, within the current tokio runtime.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let server = Arc::new(Server {
            address: listener.local_addr()?,
            listing: RenderedCatalog::new(&script.repositories, script.order),
            log: RequestLog::new(script.record),
            signer: Signer::new(),
            script,
        });
        let accepting = tokio::spawn(accept(listener, server.clone())).abort_handle();
        Ok(Self { server, accepting })
    }

    /// The URL of the server: scheme, host, port, and the prefix of the script. With a prefix, it has no `/` at its end.
    pub fn url(&self) -> Url {
        Url::parse(&self.server.base()).expect("an address and a path are a URL")
    }

    /// All requests so far, in order of arrival. Empty if the script does not record requests.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.server.log.requests()
    }

    /// The requests so far to one endpoint. Empty if the script does not record requests.
    pub fn requests_to(&self, endpoint: FakeEndpoint) -> Vec<SeenRequest> {
        self.requests().into_iter().filter(|request| request.endpoint == endpoint).collect()
    }

    /// The number of requests to an endpoint, also if the script does not record requests.
    pub fn count(&self, endpoint: FakeEndpoint) -> u64 {
        self.server.log.counted(endpoint)
    }

    /// The maximum number of requests that waited for a response at the same time.
    pub fn most_in_flight(&self) -> usize {
        self.server.log.most_in_flight()
    }

    /// The number of accepted connections.
    pub fn connections(&self) -> usize {
        self.server.log.connections()
    }

    /// The number of issued tokens.
    pub fn tokens_issued(&self) -> u64 {
        self.server.signer.issued()
    }

    /// From now on refuses all tokens issued so far, as a server with a new key does. New tokens are accepted.
    pub fn revoke_tokens(&self) {
        self.server.signer.revoke_all();
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) script: Script,
    pub(super) listing: RenderedCatalog,
    log: RequestLog,
    pub(super) signer: Signer,
}

/// Accepts connections until it is aborted. Then all connections end, because dropping the `JoinSet` aborts their tasks.
async fn accept(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error is a client that closed its connection early. Other clients are accepted.
                if let Ok((stream, _)) = accepted {
                    server.log.connected();
                    connections.spawn(serve(stream, server.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, server: Arc<Server>) {
    // Small responses must not wait for an acknowledgement. If the option cannot be set, they are only slow.
    let _ = stream.set_nodelay(true);
    let answer = |request| {
        let server = server.clone();
        async move { server.handle(request).await }
    };
    // An error is a client that closed its connection, or a misbehaviour of the script. Both are intended.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

impl Server {
    /// An error closes the connection without a response.
    async fn handle(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let _in_flight = self.log.enter();
        let (parts, body) = request.into_parts();
        let form = match parts.method {
            Method::POST => Limited::new(body, FORM_MAX).collect().await.map_err(io::Error::other)?.to_bytes(),
            _ => Bytes::new(),
        };
        let seen = Arc::new(SeenRequest::new(parts, &self.script.prefix));
        let nth = self.log.count(seen.endpoint);
        let number = self.log.record(&seen);
        if !self.script.latency.is_zero() {
            tokio::time::sleep(self.script.latency).await;
        }
        let misbehaviour = self.script.faults.as_ref().and_then(|faults| faults.of(&seen, nth));
        let response = match misbehaviour {
            None => answer::whole(self.answer(&seen, &form)?),
            Some(Misbehaviour::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                answer::whole(self.answer(&seen, &form)?)
            }
            Some(Misbehaviour::Drip { bytes, every }) => answer::dripped(self.answer(&seen, &form)?, bytes, every),
            Some(Misbehaviour::Truncate) => answer::truncated(self.answer(&seen, &form)?),
            Some(Misbehaviour::Respond { status, headers, body }) => answer::whole(scripted(status, &headers, body)?),
            Some(Misbehaviour::Drop) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Misbehaviour::Hang) => pending().await,
        };
        self.log.answered(number, response.status().as_u16());
        Ok(response)
    }

    /// The regular response.
    fn answer(&self, seen: &SeenRequest, form: &[u8]) -> io::Result<Response<Bytes>> {
        let answer = match (seen.endpoint, &self.script.access) {
            (FakeEndpoint::Token, FakeAccess::Token(script) | FakeAccess::BasicCatalog(script)) => {
                token::endpoint(script, &self.signer, seen, form)
            }
            (FakeEndpoint::Ping, _) => self.ping(seen),
            (FakeEndpoint::Catalog, _) => self.refuse_catalog(seen).unwrap_or_else(|| self.catalog(seen)),
            (FakeEndpoint::Tags | FakeEndpoint::Manifest | FakeEndpoint::Blob, _) => {
                let path = seen.path().strip_prefix(self.script.prefix.as_str()).and_then(RepositoryRequest::parse);
                let answer = |request: RepositoryRequest<'_>| {
                    self.refuse_repository(seen, request.repository).unwrap_or_else(|| self.repository(seen, &request))
                };
                path.map_or_else(no_such_page, answer)
            }
            (FakeEndpoint::Token | FakeEndpoint::Other, _) => no_such_page(),
        };
        if self.script.gzip { answer::gzip(seen, answer) } else { Ok(answer) }
    }

    /// The URL of the server, with the prefix.
    pub(super) fn base(&self) -> String {
        format!("http://{}{}", self.address, self.script.prefix)
    }
}

fn no_such_page() -> Response<Bytes> {
    answer::error(StatusCode::NOT_FOUND, "NOT_FOUND", "no such page")
}

fn scripted(status: u16, headers: &[(String, String)], body: Vec<u8>) -> io::Result<Response<Bytes>> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        response.headers_mut().append(name, HeaderValue::try_from(value).map_err(io::Error::other)?);
    }
    Ok(response)
}
