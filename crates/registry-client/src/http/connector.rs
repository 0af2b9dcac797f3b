//! Opens connections: directly or through a proxy, with TLS or without. Each way to fail has its own error, because each
//! has its own remedy.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tower::{BoxError, Service};
use url::Url;

use crate::http::address_guard::{AddressGuard, system_lookup};
use crate::http::handshake::{FirstBytes, HandshakeFailure, HandshakeWatch, handshake};
use crate::http::proxy::{DirectReason, Proxy, ProxyEnvironment, ProxyProtocol, Route};
use crate::http::tunnel::{self, NoTunnel};
use crate::problem::address::ForbiddenHost;
use crate::problem::network::{NetworkEvent, NetworkProblem, Peer};
use crate::problem::proxy::{ProxyRefusal, UnusableProxy};
use crate::problem::tls::{TlsFlaw, TlsProblem};

/// Time limit of connecting; part of the time limit of the request.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// When an idle connection is probed, how often and how many times. A firewall may forget a connection without a word.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
/// How long sent bytes may remain unconfirmed. Only Linux has this option.
#[cfg(target_os = "linux")]
const UNCONFIRMED: Duration = Duration::from_secs(30);

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ConnectFailure {
    #[error("{0}")]
    Network(Box<NetworkProblem>),
    #[error("{0}")]
    Tls(Box<TlsProblem>),
    #[error("{0}")]
    Proxy(Box<ProxyRefusal>),
    #[error(transparent)]
    Setting(UnusableProxy),
    #[error(transparent)]
    Forbidden(ForbiddenHost),
}

/// A name could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NoLookup(io::Error);

/// A byte stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens connections. Clones share their state.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector<AddressResolver>,
    tls: Arc<ClientConfig>,
    /// None: no proxy is used.
    proxies: Option<Arc<ProxyEnvironment>>,
    limit: Duration,
    /// Whether a server has asked for a client certificate, and there is none.
    pub(crate) wants_certificate: Arc<AtomicBool>,
}

impl Connector {
    /// With a guard, names are looked up and their addresses checked by it.
    pub(crate) fn new(
        tls: Arc<ClientConfig>,
        proxies: Option<Arc<ProxyEnvironment>>,
        guard: Option<AddressGuard>,
        limit: Duration,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(AddressResolver(guard));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNCONFIRMED));
        Self { tcp, tls, proxies, limit, wants_certificate: Arc::default() }
    }

    async fn open(self, to: Uri) -> Result<ServerConnection, ConnectFailure> {
        let until = Instant::now() + self.limit;
        let url = Url::parse(&to.to_string());
        let route = match (&self.proxies, &url) {
            (Some(proxies), Ok(url)) => proxies.route(url).map_err(ConnectFailure::Setting)?,
            _ => Route::Direct(DirectReason::NoProxies),
        };
        let target = place(&to);
        let is_tls = to.scheme_str() == Some("https");
        match route {
            Route::Direct(_) => {
                let peer = Peer::Server(target);
                let stream = self.tcp(&to, &peer, until).await?;
                let from = stream.peer_addr().ok();
                if is_tls {
                    self.secured(stream, &to, peer, until, from).await
                } else {
                    Ok(ServerConnection::plain(stream, from, false))
                }
            }
            Route::Proxy(proxy) => {
                let stream = self.to_proxy(proxy, until).await?;
                if proxy.protocol == ProxyProtocol::Socks5 {
                    let asked = timeout_at(until, tunnel::socks(stream, proxy, &with_port(&to))).await;
                    let stream = self.passed(asked, proxy, &target)?;
                    if is_tls {
                        return self.secured(stream, &to, Peer::Server(target), until, None).await;
                    }
                    return Ok(ServerConnection::plain(stream, None, false));
                }
                if !is_tls {
                    return Ok(ServerConnection::plain(stream, None, true));
                }
                let asked = timeout_at(until, tunnel::connect(stream, proxy, &target)).await;
                let stream = self.passed(asked, proxy, &target)?;
                self.secured(stream, &to, Peer::Server(target), until, None).await
            }
        }
    }

    /// The result of asking a proxy for a way to the target.
    fn passed<S>(
        &self,
        asked: Result<Result<S, NoTunnel>, tokio::time::error::Elapsed>,
        proxy: &Proxy,
        target: &str,
    ) -> Result<S, ConnectFailure> {
        let peer = || Peer::Proxy(proxy.name.clone());
        match asked {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(NoTunnel::Refused(answer))) => {
                Err(ConnectFailure::Proxy(Box::new(NoTunnel::refusal(answer, proxy, target))))
            }
            Ok(Err(NoTunnel::Broken(event))) => Err(ConnectFailure::Network(NetworkProblem::boxed(peer(), event))),
            Err(_) => Err(ConnectFailure::Network(NetworkProblem::boxed(peer(), NetworkEvent::Silent(self.limit)))),
        }
    }

    async fn to_proxy(&self, proxy: &Proxy, until: Instant) -> Result<Box<dyn Stream>, ConnectFailure> {
        let peer = Peer::Proxy(proxy.name.clone());
        let stream = self.tcp(&proxy.to, &peer, until).await?;
        if proxy.protocol != ProxyProtocol::Https {
            return Ok(Box::new(stream));
        }
        Ok(self.shake(stream, &proxy.to, peer, until).await?.0)
    }

    async fn tcp(&self, to: &Uri, peer: &Peer, until: Instant) -> Result<TcpStream, ConnectFailure> {
        let failed = |event| ConnectFailure::Network(NetworkProblem::boxed(peer.clone(), event));
        match timeout_at(until, self.tcp.clone().call(to.clone())).await {
            Ok(Ok(stream)) => Ok(stream.into_inner()),
            Ok(Err(error)) => Err(no_connection(&error).map_or_else(ConnectFailure::Forbidden, failed)),
            Err(_) => Err(failed(NetworkEvent::NoConnection(format!("no answer within {} s", self.limit.as_secs())))),
        }
    }

    async fn secured<S: Stream + 'static>(
        &self,
        stream: S,
        to: &Uri,
        peer: Peer,
        until: Instant,
        from: Option<SocketAddr>,
    ) -> Result<ServerConnection, ConnectFailure> {
        let (stream, watch) = self.shake(stream, to, peer, until).await?;
        Ok(ServerConnection::of(stream, from, false, watch))
    }

    /// Makes the handshake of TLS with the host of a URI. Returns the stream, and what the handshake showed.
    async fn shake<S: Stream + 'static>(
        &self,
        stream: S,
        to: &Uri,
        peer: Peer,
        until: Instant,
    ) -> Result<(Box<dyn Stream>, Arc<HandshakeWatch>), ConnectFailure> {
        let watch = Arc::<HandshakeWatch>::default();
        let shaken = timeout_at(until, handshake(stream, &self.tls, to.host().unwrap_or_default(), &watch)).await;
        if watch.has_asked() && !self.tls.client_auth_cert_resolver.has_certs() {
            self.wants_certificate.store(true, Ordering::Relaxed);
        }
        let late = || NetworkEvent::NoHandshake(format!("no answer within {} s", self.limit.as_secs()));
        match shaken.unwrap_or_else(|_| Err(HandshakeFailure::Network(late()))) {
            Ok(stream) => Ok((Box::new(stream), watch)),
            Err(HandshakeFailure::Tls(flaw)) => Err(ConnectFailure::Tls(Box::new(TlsProblem { peer, flaw }))),
            Err(HandshakeFailure::Network(event)) => Err(ConnectFailure::Network(NetworkProblem::boxed(peer, event))),
        }
    }

    /// The reason that an error of TLS after the handshake shows.
    pub(crate) fn flaw_of(&self, error: &rustls::Error, host: &str) -> TlsFlaw {
        let has_certificate = self.tls.client_auth_cert_resolver.has_certs();
        crate::http::handshake::flaw_of(error, host, self.wants_certificate.load(Ordering::Relaxed), has_certificate)
    }
}

impl Service<Uri> for Connector {
    type Response = ServerConnection;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<ServerConnection, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        self.clone().open(to).map(|opened| opened.map_err(BoxError::from)).boxed()
    }
}

/// Host and port of a URI.
pub(crate) fn place(to: &Uri) -> String {
    let default = if to.scheme_str() == Some("https") { 443 } else { 80 };
    format!("{}:{}", to.host().unwrap_or_default(), to.port_u16().unwrap_or(default))
}

/// The URI with its port, which SOCKS needs.
fn with_port(to: &Uri) -> Uri {
    format!("{}://{}", to.scheme_str().unwrap_or("https"), place(to)).parse().unwrap_or_else(|_| to.clone())
}

/// What an error of the TCP connector means. Its own type is private, and its text is of no use to a person.
fn no_connection(error: &(dyn std::error::Error + 'static)) -> Result<NetworkEvent, ForbiddenHost> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(forbidden) = error.downcast_ref::<ForbiddenHost>() {
            return Err(forbidden.clone());
        }
        if let Some(NoLookup(error)) = error.downcast_ref() {
            return Ok(NetworkEvent::no_address(error));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Ok(NetworkEvent::no_connection(error));
        }
        cause = error.source();
    }
    Ok(NetworkEvent::NoConnection("the address cannot be used".to_owned()))
}

/// The address that a connection is to. None behind a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteAddress(pub(crate) Option<SocketAddr>);

/// A connection to a server, or to a proxy.
pub(crate) struct ServerConnection {
    stream: TokioIo<Box<dyn Stream>>,
    from: RemoteAddress,
    is_proxy: bool,
    watch: Arc<HandshakeWatch>,
}

impl ServerConnection {
    fn plain<S: Stream + 'static>(stream: S, from: Option<SocketAddr>, is_proxy: bool) -> Self {
        let watch = Arc::<HandshakeWatch>::default();
        Self::of(Box::new(FirstBytes::new(stream, watch.clone())), from, is_proxy, watch)
    }

    fn of(stream: Box<dyn Stream>, from: Option<SocketAddr>, is_proxy: bool, watch: Arc<HandshakeWatch>) -> Self {
        Self { stream: TokioIo::new(stream), from: RemoteAddress(from), is_proxy, watch }
    }
}

impl Connection for ServerConnection {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_proxy).extra(self.from).extra(self.watch.clone())
    }
}

impl Read for ServerConnection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl Write for ServerConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, from)
    }
}

/// Looks up names, with or without a guard.
#[derive(Clone)]
struct AddressResolver(Option<AddressGuard>);

impl Service<Name> for AddressResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        async move {
            let lookup = guard.as_ref().map_or(system_lookup as _, AddressGuard::lookup);
            let found = lookup(name.as_str()).await.map_err(NoLookup)?;
            let found = match guard {
                Some(guard) => guard.allowed(name.as_str(), found)?,
                None => found,
            };
            if found.is_empty() {
                return Err(NoLookup(io::ErrorKind::NotFound.into()).into());
            }
            Ok(found.into_iter())
        }
        .boxed()
    }
}
