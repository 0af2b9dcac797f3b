//! The steps before HTTP: the host name, the connection, the TLS handshake. Each is done alone, so that the failing one
//! is known.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ClientConnection;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use crate::examine::certificate::Certificate;
use crate::http::tls::{AcceptAll, CertificateWatcher, client_config, roots};
use crate::problem::Problem;
use crate::problem::cause::KnownCause;
use crate::problem::table::cause_of_tls;
use crate::settings::RegistrySettings;

/// Time limit of each of these steps, for each address.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    /// The URL has no host, or no port is known for it.
    #[error("the url has no host")]
    NoHost,
    /// The name has no address, or could not be looked up.
    #[error("look up {host}")]
    Unresolved {
        /// The name.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No address accepts a connection. The text has the reason for each address.
    #[error("no connection: {0}")]
    Refused(String),
}

/// The result of a TLS handshake.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    /// The version, e.g. `TLS 1.3`; none if the handshake failed before.
    pub version: Option<&'static str>,
    /// The server's own certificate; none if it sent none that can be read.
    pub certificate: Option<Certificate>,
    /// Whether any certificate is accepted (`insecure_tls`).
    pub insecure: bool,
    /// Why the server is not trusted, or does not speak TLS: the known cause, and the reason as text.
    pub refused: Option<(KnownCause, String)>,
}

/// The environment variable that names a proxy for this URL.
pub(crate) fn proxy(url: &Url) -> Option<&'static str> {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let names: &[&str] = match url.scheme() {
        _ if loopback => &[],
        "https" => &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => &["http_proxy", "ALL_PROXY", "all_proxy"],
    };
    names.iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())).copied()
}

pub(crate) async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, NoConnection> {
    let port = url.port_or_known_default().ok_or(NoConnection::NoHost)?;
    let host = match url.host().ok_or(NoConnection::NoHost)? {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(address), port)]),
        Host::Domain(name) => name,
    };
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let found = timeout(TIME_LIMIT, tokio::net::lookup_host((host, port))).await.unwrap_or_else(|_| Err(late()));
    let unresolved = |source| NoConnection::Unresolved { host: host.to_owned(), source };
    let addresses: Vec<_> = found.map_err(unresolved)?.collect();
    if addresses.is_empty() { Err(unresolved(std::io::ErrorKind::NotFound.into())) } else { Ok(addresses) }
}

pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<SocketAddr, NoConnection> {
    let mut refused = Vec::new();
    for address in addresses {
        match timeout(TIME_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(*address),
            Ok(Err(error)) => refused.push(format!("{address}: {error}")),
            Err(_) => refused.push(format!("{address}: no answer within {} s", TIME_LIMIT.as_secs())),
        }
    }
    Err(NoConnection::Refused(refused.join("; ")))
}

pub(crate) async fn handshake(settings: &RegistrySettings, address: SocketAddr) -> Result<Handshake, Problem> {
    let mut config = client_config(settings)?;
    let provider = config.crypto_provider().clone();
    let verifier = if settings.insecure_tls {
        None
    } else {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots(settings)?), provider.clone()).build();
        Some(verifier.map_err(|_| Problem::NoRoots)?)
    };
    let recorder = Arc::new(CertificateRecorder { verifier, seen: Mutex::default() });
    let accepting = AcceptAll { provider, watcher: Some(recorder.clone()) };
    config.dangerous().set_certificate_verifier(Arc::new(accepting));
    let insecure = settings.insecure_tls;
    let name = match settings.url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
        _ => Some(ServerName::from(address.ip())),
    };
    let unfit = || Handshake {
        insecure,
        refused: Some((KnownCause::NoTls, "the host is not a valid TLS name".into())),
        ..Handshake::default()
    };
    let Some(name) = name else { return Ok(unfit()) };
    let connection = ClientConnection::new(Arc::new(config), name).map_err(Problem::TlsSetup)?;
    // The thread continues if a server sends its bytes too slowly; it is not waited for.
    let shaken = timeout(TIME_LIMIT, tokio::task::spawn_blocking(move || shake(connection, address))).await;
    let late = || (None, Some((KnownCause::NoTls, format!("no handshake within {} s", TIME_LIMIT.as_secs()))));
    let (version, failure) = shaken.ok().and_then(Result::ok).unwrap_or_else(late);
    let seen = recorder.seen.lock().take();
    let (certificate, distrust) =
        seen.map_or((None, None), |seen| (Certificate::read(&seen.certificate), seen.distrust));
    let distrust = distrust.map(|error| (cause_of_tls(&error), error.to_string()));
    Ok(Handshake { version, certificate, insecure, refused: distrust.or(failure) })
}

type Shaken = (Option<&'static str>, Option<(KnownCause, String)>);

/// Completes the handshake, on a thread of its own.
fn shake(mut connection: ClientConnection, address: SocketAddr) -> Shaken {
    let failed = |error: std::io::Error| {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        (None, Some((tls.map_or(KnownCause::NoTls, cause_of_tls), error.to_string())))
    };
    let mut stream = match std::net::TcpStream::connect_timeout(&address, TIME_LIMIT) {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    let bounded = stream.set_read_timeout(Some(TIME_LIMIT)).and_then(|()| stream.set_write_timeout(Some(TIME_LIMIT)));
    if let Err(error) = bounded {
        return failed(error);
    }
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut stream) {
            return failed(error);
        }
    }
    let version = connection.protocol_version().map(|version| match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "TLS",
    });
    connection.send_close_notify();
    // The connection is closed in either case.
    let _ = connection.write_tls(&mut stream);
    (version, None)
}

/// Records each certificate, and what the real verifier says of it.
#[derive(Debug)]
struct CertificateRecorder {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    seen: Mutex<Option<SeenCertificate>>,
}

#[derive(Debug)]
struct SeenCertificate {
    certificate: CertificateDer<'static>,
    distrust: Option<rustls::Error>,
}

impl CertificateWatcher for CertificateRecorder {
    fn shown(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) {
        let verdict =
            self.verifier.as_ref().map(|verifier| verifier.verify_server_cert(certificate, chain, name, ocsp, now));
        let seen =
            SeenCertificate { certificate: certificate.clone().into_owned(), distrust: verdict.and_then(Result::err) };
        *self.seen.lock() = Some(seen);
    }
}
