//! The socket: accepts connections, a bounded number, gives each a task and a bounded life, and ends them when told to.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Site;
use super::error::WebError;
use super::guard::Guard;
use super::hosts::Hosts;
use super::patience::Patient;
use super::routes::{Routes, Rules};
use super::settings::{ListenAddress, WebSettings};
use super::tls::Certificates;

/// How long things may take, and how much there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at once; others wait to be accepted.
    pub(super) connections: usize,
    /// For a TLS handshake.
    pub(super) handshake: Duration,
    /// For the head of a request, and between an answer and the next request.
    pub(super) request: Duration,
    /// For an answer, from the moment at which the client does not take all of it at once.
    pub(super) answer: Duration,
    /// For a connection, whatever it does; then it may have its answer, and no other.
    pub(super) life: Duration,
    /// For answers that are open when everything is to stop.
    pub(super) stop: Duration,
}

/// Connections at once.
pub const MOST_CONNECTIONS: usize = 256;

const BOUNDS: Bounds = Bounds {
    connections: MOST_CONNECTIONS,
    handshake: Duration::from_secs(10),
    request: Duration::from_secs(20),
    answer: Duration::from_secs(30),
    life: Duration::from_mins(30),
    stop: Duration::from_secs(3),
};
/// Bytes of a request's head, and of what hyper keeps in store for one connection.
const HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// After an `accept` that failed, as it does without a free descriptor.
const PAUSE: Duration = Duration::from_secs(1);

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    handle: Handle,
    bounds: Bounds,
}

/// Changes the settings of a listener while it serves.
#[derive(Clone, Debug)]
pub struct Handle {
    listen: ListenAddress,
    access: Arc<RwLock<Arc<Access>>>,
}

/// What the connections go by that were accepted under the same settings.
#[derive(Debug)]
struct Access {
    certificates: Option<Arc<Certificates>>,
    guard: Option<Arc<Guard>>,
    hosts: Hosts,
    allow_runs: bool,
    /// Other settings hold now; each connection may have the answer that it waits for.
    retired: CancellationToken,
}

impl Access {
    /// Reads certificates. Who logged in under the `former` settings need not wait for bcrypt again if users are the same.
    fn of(settings: &WebSettings, former: Option<&Self>) -> Result<Self, WebError> {
        let certificates = settings.tls.as_ref().map(Certificates::load).transpose()?.map(Arc::new);
        let known = former.and_then(|former| former.guard.clone()).filter(|guard| guard.knows(&settings.users));
        let guard = match known {
            _ if settings.users.is_empty() => None,
            Some(guard) => Some(guard),
            None => Some(Arc::new(Guard::new(&settings.users)?)),
        };
        let hosts = Hosts::of(settings.listen.is_loopback(), &settings.allowed_hosts);
        Ok(Self { certificates, guard, hosts, allow_runs: settings.allow_runs, retired: CancellationToken::new() })
    }
}

impl Handle {
    /// From now on, connections are held to these settings; those that are open get the answer that they wait for and
    /// are closed. An error changes nothing.
    ///
    /// # Errors
    /// If a file of certificates cannot be used, or the settings are for another address.
    pub fn replace(&self, settings: &WebSettings) -> Result<(), WebError> {
        if self.listen != settings.listen {
            return Err(WebError::Elsewhere { listen: settings.listen.clone() });
        }
        let access = Arc::new(Access::of(settings, Some(&self.access()))?);
        let mut current = self.access.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, access).retired.cancel();
        Ok(())
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Listener {
    /// Reads the certificates and takes the port.
    ///
    /// # Errors
    /// If a file of certificates cannot be used, or the address cannot be had.
    pub async fn bind(settings: &WebSettings) -> Result<Self, WebError> {
        Self::bind_with(settings, BOUNDS).await
    }

    pub(super) async fn bind_with(settings: &WebSettings, bounds: Bounds) -> Result<Self, WebError> {
        let access = Access::of(settings, None)?;
        let refused = |source| WebError::Bind { listen: settings.listen.clone(), source };
        let socket = bind(&settings.listen).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        let handle = Handle { listen: settings.listen.clone(), access: Arc::new(RwLock::new(Arc::new(access))) };
        Ok(Self { socket, address, handle, bounds })
    }

    /// Where it listens; the port is a real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What changes its settings later.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers until it is told to stop; then it closes the port and takes some seconds at most for the answers that are
    /// on their way.
    pub async fn serve(self, site: Arc<dyn Site>, stop: CancellationToken) {
        let Self { socket, handle, bounds, .. } = self;
        let (routes, places) = (Arc::new(Routes::new(site)), Arc::new(Semaphore::new(bounds.connections)));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&socket, &places) => accepted,
            };
            match accepted {
                Ok((stream, from, place)) => {
                    let (access, stop) = (handle.access(), stop.clone());
                    let visit = Visit { routes: routes.clone(), access, from, stop, bounds };
                    connections.spawn(async move {
                        visit.receive(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!("a connection could not be accepted: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
        drop(socket);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        // Those that are left end with the set.
        let _ = timeout(bounds.stop, all_ended).await;
    }
}

/// Accepts a connection when there is a place for one.
async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, from) = socket.accept().await?;
    Ok((stream, from.ip(), place))
}

/// Every interface is `[::]`, which takes IPv4 too, or where there is no IPv6, `0.0.0.0`.
async fn bind(listen: &ListenAddress) -> io::Result<TcpListener> {
    if let Some(host) = listen.host() {
        return TcpListener::bind((host, listen.port())).await;
    }
    let port = listen.port();
    let everywhere: [SocketAddr; 2] = [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
    TcpListener::bind(&everywhere[..]).await
}

/// One connection and what it goes by.
struct Visit {
    routes: Arc<Routes>,
    access: Arc<Access>,
    from: IpAddr,
    stop: CancellationToken,
    bounds: Bounds,
}

impl Visit {
    async fn receive(self, stream: TcpStream) {
        // Small answers must not wait for an acknowledgement; where that cannot be set, they are slow, not wrong.
        let _ = stream.set_nodelay(true);
        let Some(certificates) = self.access.certificates.clone() else { return self.serve(stream).await };
        let Ok(config) = tokio::task::spawn_blocking(move || certificates.fresh()).await else { return };
        let handshake = timeout(self.bounds.handshake, TlsAcceptor::from(config).accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = self.stop.cancelled() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => debug!("a TLS handshake failed: {error}"),
            Err(_) => debug!("a TLS handshake took too long"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Self { routes, access, from, stop, bounds } = self;
        let answer = |request| {
            let (routes, access) = (&routes, &access);
            async move {
                let rules =
                    Rules { hosts: &access.hosts, guard: access.guard.as_deref(), allow_runs: access.allow_runs };
                let answer = routes.answer(&request, from, &rules).await;
                Ok::<_, Infallible>(answer)
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.request)
            .max_buf_size(HEAD)
            .max_headers(MOST_HEADERS)
            // Bytes of an answer are sent from where they are, and with them goes the permit that they hold.
            .writev(true)
            .serve_connection(TokioIo::new(Patient::new(stream, bounds.answer)), service_fn(answer));
        let mut connection = pin!(connection);
        // An error is a client that went away, was too slow, or sent what is no HTTP: all of it is his affair.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stop.cancelled() => {}
            () = access.retired.cancelled() => {}
            () = sleep(bounds.life) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
