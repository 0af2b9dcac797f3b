//! The socket: accepts a limited number of connections, serves each in a task for a limited time, and ends them at a stop.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::backend::WebBackend;
use super::basic_auth::BasicAuth;
use super::error::WebError;
use super::hosts::AllowedHosts;
use super::routes::{RequestRules, Routes};
use super::settings::{ListenAddress, WebSettings};
use super::tls::Certificates;
use super::write_deadline::WriteDeadline;

/// Limits of the listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListenerLimits {
    /// Open connections; more wait to be accepted.
    pub(super) connections: usize,
    /// The time for a TLS handshake.
    pub(super) handshake: Duration,
    /// The time for the head of a request, and between a response and the next request.
    pub(super) request: Duration,
    /// The time for a response, from the first write that has to wait for the client.
    pub(super) response: Duration,
    /// The time for a connection. After it the connection gets the response that it waits for, and is closed.
    pub(super) life: Duration,
    /// The time for open responses after a stop.
    pub(super) stop: Duration,
}

/// Connections at once.
pub const MOST_CONNECTIONS: usize = 256;

const LIMITS: ListenerLimits = ListenerLimits {
    connections: MOST_CONNECTIONS,
    handshake: Duration::from_secs(10),
    request: Duration::from_secs(20),
    response: Duration::from_secs(30),
    life: Duration::from_mins(30),
    stop: Duration::from_secs(3),
};
/// Bytes of the head of a request, and of hyper's buffer for one connection.
const HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// The pause after a failed `accept`. It fails, for instance, without a free file descriptor.
const PAUSE: Duration = Duration::from_secs(1);

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    handle: ListenerHandle,
    limits: ListenerLimits,
}

/// Changes the settings of a listener while it serves.
#[derive(Clone, Debug)]
pub struct ListenerHandle {
    listen: ListenAddress,
    settings_in_use: Arc<RwLock<Arc<ActiveSettings>>>,
}

/// The settings in use, with what was loaded for them. Connections keep those under which they were accepted.
#[derive(Debug)]
struct ActiveSettings {
    certificates: Option<Arc<Certificates>>,
    auth: Option<Arc<BasicAuth>>,
    hosts: AllowedHosts,
    allow_runs: bool,
    /// Cancelled when other settings replace these. Each connection gets the response that it waits for, and is closed.
    retired: CancellationToken,
}

impl ActiveSettings {
    /// Reads the certificates. If the users are the same as before, the cache of logins is kept.
    fn of(settings: &WebSettings, former: Option<&Self>) -> Result<Self, WebError> {
        let certificates = settings.tls.as_ref().map(Certificates::load).transpose()?.map(Arc::new);
        let same = former.and_then(|former| former.auth.clone()).filter(|auth| auth.has_users(&settings.users));
        let auth = match same {
            _ if settings.users.is_empty() => None,
            Some(auth) => Some(auth),
            None => Some(Arc::new(BasicAuth::new(&settings.users)?)),
        };
        let hosts = AllowedHosts::of(settings.listen.is_loopback(), &settings.allowed_hosts);
        Ok(Self { certificates, auth, hosts, allow_runs: settings.allow_runs, retired: CancellationToken::new() })
    }
}

impl ListenerHandle {
    /// Applies other settings to new connections. Open connections get the response that they wait for, and are closed. An error
    /// changes nothing.
    ///
    /// # Errors
    /// If a file of certificates cannot be used, or if the settings have another address.
    pub fn replace(&self, settings: &WebSettings) -> Result<(), WebError> {
        if self.listen != settings.listen {
            return Err(WebError::Elsewhere { listen: settings.listen.clone() });
        }
        let settings_in_use = Arc::new(ActiveSettings::of(settings, Some(&self.settings_in_use()))?);
        std::mem::replace(&mut *self.settings_in_use.write(), settings_in_use).retired.cancel();
        Ok(())
    }

    fn settings_in_use(&self) -> Arc<ActiveSettings> {
        Arc::clone(&self.settings_in_use.read())
    }
}

impl Listener {
    /// Reads the certificates and binds the port.
    ///
    /// # Errors
    /// If a file of certificates cannot be used, or if the address cannot be bound.
    pub async fn bind(settings: &WebSettings) -> Result<Self, WebError> {
        Self::bind_with(settings, LIMITS).await
    }

    pub(super) async fn bind_with(settings: &WebSettings, limits: ListenerLimits) -> Result<Self, WebError> {
        let settings_in_use = ActiveSettings::of(settings, None)?;
        let refused = |source| WebError::Bind { listen: settings.listen.clone(), source };
        let socket = bind(&settings.listen).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        let handle = ListenerHandle {
            listen: settings.listen.clone(),
            settings_in_use: Arc::new(RwLock::new(Arc::new(settings_in_use))),
        };
        Ok(Self { socket, address, handle, limits })
    }

    /// The bound address with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A handle that changes the settings while the listener serves.
    pub fn handle(&self) -> ListenerHandle {
        self.handle.clone()
    }

    /// Serves until `stop` is cancelled. Then closes the port, and waits some seconds at most for open responses.
    pub async fn serve(self, backend: Arc<dyn WebBackend>, stop: CancellationToken) {
        let Self { socket, handle, limits, .. } = self;
        let (routes, permits) = (Arc::new(Routes::new(backend)), Arc::new(Semaphore::new(limits.connections)));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&socket, &permits) => accepted,
            };
            match accepted {
                Ok((stream, from, permit)) => {
                    let (settings_in_use, stop) = (handle.settings_in_use(), stop.clone());
                    let connection = WebConnection { routes: routes.clone(), settings_in_use, from, stop, limits };
                    connections.spawn(async move {
                        connection.receive(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    warn!("cannot accept a connection: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
        drop(socket);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        // The set aborts the connections that are left.
        let _ = timeout(limits.stop, all_ended).await;
    }
}

/// Waits for a permit, then accepts a connection.
async fn accept(
    socket: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, from) = socket.accept().await?;
    Ok((stream, from.ip(), permit))
}

/// For all interfaces binds `[::]`, which includes IPv4, or `0.0.0.0` without IPv6.
async fn bind(listen: &ListenAddress) -> io::Result<TcpListener> {
    if let Some(host) = listen.host() {
        return TcpListener::bind((host, listen.port())).await;
    }
    let port = listen.port();
    let everywhere: [SocketAddr; 2] = [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
    TcpListener::bind(&everywhere[..]).await
}

/// One connection.
struct WebConnection {
    routes: Arc<Routes>,
    settings_in_use: Arc<ActiveSettings>,
    from: IpAddr,
    stop: CancellationToken,
    limits: ListenerLimits,
}

impl WebConnection {
    async fn receive(self, stream: TcpStream) {
        // Without this option small responses wait for an acknowledgement. They would be slow and not wrong.
        let _ = stream.set_nodelay(true);
        let Some(certificates) = self.settings_in_use.certificates.clone() else { return self.serve(stream).await };
        let Ok(config) = tokio::task::spawn_blocking(move || certificates.fresh()).await else { return };
        let handshake = timeout(self.limits.handshake, TlsAcceptor::from(config).accept(stream));
        let accepted = tokio::select! {
            accepted = handshake => accepted,
            () = self.stop.cancelled() => return,
        };
        match accepted {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => debug!("a TLS handshake failed: {error}"),
            Err(_) => debug!("a TLS handshake took too long"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Self { routes, settings_in_use, from, stop, limits } = self;
        let respond = |request| {
            let (routes, settings_in_use) = (&routes, &settings_in_use);
            async move {
                let (hosts, auth) = (&settings_in_use.hosts, settings_in_use.auth.as_deref());
                let rules = RequestRules { hosts, auth, allow_runs: settings_in_use.allow_runs };
                Ok::<_, Infallible>(routes.respond(request, from, &rules).await)
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.request)
            .max_buf_size(HEAD)
            .max_headers(MOST_HEADERS)
            // Sends the bytes of a response without copying them, so that they hold their permit until they are sent.
            .writev(true)
            .serve_connection(TokioIo::new(WriteDeadline::new(stream, limits.response)), service_fn(respond));
        let mut connection = pin!(connection);
        // An error means that the client disconnected, was too slow, or did not speak HTTP.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stop.cancelled() => {}
            () = settings_in_use.retired.cancelled() => {}
            () = sleep(limits.life) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
