//! The steps before HTTP: the host name, the connection, the TLS handshake. Each is done alone, so that the failing one
//! is known.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use crate::examine::certificate::Certificate;
use crate::http::handshake::{HandshakeFailure, HandshakeWatch, handshake as shake};
use crate::http::tls::client_config;
use crate::http::wire::place_of;
use crate::problem::Problem;
use crate::problem::cause::KnownCause;
use crate::problem::network::{NetworkEvent, NetworkProblem, Peer, words};
use crate::problem::tls_cause::TlsCause;
use crate::settings::RegistrySettings;

/// Time limit of each of these steps, for each address.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    /// The URL has no host, or no port is known for it.
    #[error("the url has no host")]
    NoHost,
    /// The name has no address, or could not be looked up. The text says which.
    #[error("{0}")]
    Unresolved(String),
    /// No address accepts a connection. The text has the reason for each address.
    #[error("{0}")]
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

pub(crate) async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, NoConnection> {
    let port = url.port_or_known_default().ok_or(NoConnection::NoHost)?;
    let host = match url.host().ok_or(NoConnection::NoHost)? {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(address), port)]),
        Host::Domain(name) => name,
    };
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let found = timeout(TIME_LIMIT, tokio::net::lookup_host((host, port))).await.unwrap_or_else(|_| Err(late()));
    let unresolved =
        |event| NoConnection::Unresolved(NetworkProblem::new(Peer::Server(place_of(url)), event).to_string());
    let addresses: Vec<_> = found.map_err(|error| unresolved(NetworkEvent::no_address(&error)))?.collect();
    if addresses.is_empty() { Err(unresolved(NetworkEvent::NoAddress)) } else { Ok(addresses) }
}

pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<SocketAddr, NoConnection> {
    let mut refused = Vec::new();
    for address in addresses {
        let event = match timeout(TIME_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(*address),
            Ok(Err(error)) => NetworkEvent::no_connection(&error),
            Err(_) => NetworkEvent::NoConnection(format!("no answer within {} s", TIME_LIMIT.as_secs())),
        };
        refused.push(NetworkProblem::new(Peer::Server(address.to_string()), event).to_string());
    }
    Err(NoConnection::Refused(refused.join("; ")))
}

pub(crate) async fn handshake(settings: &RegistrySettings, address: SocketAddr) -> Result<Handshake, Problem> {
    let config = Arc::new(client_config(settings)?);
    let watch = Arc::<HandshakeWatch>::default();
    let host = settings.url.host_str().unwrap_or_default();
    let shaken = timeout(TIME_LIMIT, async {
        let stream = TcpStream::connect(address).await.map_err(|error| no_handshake(words(&error)))?;
        shake(stream, &config, host, &watch).await
    });
    let late = || no_handshake(format!("no answer within {} s", TIME_LIMIT.as_secs()));
    let certificate = || watch.certificate().and_then(|der| Certificate::read(&der));
    let insecure = settings.insecure_tls;
    Ok(match shaken.await.unwrap_or_else(|_| Err(late())) {
        Ok(stream) => {
            let version = stream.get_ref().1.protocol_version().map(|version| match version {
                rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
                rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
                _ => "TLS",
            });
            Handshake { version, certificate: certificate(), insecure, refused: None }
        }
        Err(failure) => {
            let peer = Peer::Server(place_of(&settings.url));
            let refused = match failure {
                HandshakeFailure::Tls(flaw) => (flaw.cause(), flaw.to_string()),
                HandshakeFailure::Network(event) => (TlsCause::NoTls, NetworkProblem::new(peer, event).to_string()),
            };
            let refused = Some((KnownCause::Tls(refused.0), refused.1));
            Handshake { version: None, certificate: certificate(), insecure, refused }
        }
    })
}

fn no_handshake(why: String) -> HandshakeFailure {
    HandshakeFailure::Network(NetworkEvent::NoHandshake(why))
}
