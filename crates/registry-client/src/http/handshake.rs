//! The TLS handshake of one connection, and why it failed. What the verifier and the resolver of the client's certificate
//! learn in it is kept per handshake, so that connections of one client do not mix their reasons.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ClientConfig, PeerIncompatible, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::grammar::shown;
use crate::problem::network::{NetworkEvent, words};
use crate::problem::tls::TlsFlaw;

tokio::task_local! {
    /// The handshake that is being polled.
    static HANDSHAKE: Arc<HandshakeWatch>;
}

/// Bytes kept of the beginning of what a server sends: enough to recognise HTTP, TLS and SSH.
const FIRST_BYTES: usize = 16;

/// What is learned during a handshake.
#[derive(Debug, Default)]
pub(crate) struct HandshakeWatch {
    flaw: Mutex<Option<TlsFlaw>>,
    certificate: Mutex<Option<CertificateDer<'static>>>,
    /// Whether the server has asked for a client certificate.
    asked: AtomicBool,
    first_bytes: Mutex<Vec<u8>>,
}

impl HandshakeWatch {
    /// Keeps why the server is not trusted.
    pub(crate) fn note(flaw: TlsFlaw) {
        let _ = HANDSHAKE.try_with(|watch| *watch.flaw.lock() = Some(flaw));
    }

    /// Keeps the server's certificate.
    pub(crate) fn show(certificate: &CertificateDer<'_>) {
        let _ = HANDSHAKE.try_with(|watch| *watch.certificate.lock() = Some(certificate.clone().into_owned()));
    }

    /// The server's certificate, if it has sent one.
    pub(crate) fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.certificate.lock().clone()
    }

    /// Whether the server has asked for a client certificate.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether what the server sent begins as a TLS alert.
    pub(crate) fn is_tls_alert(&self) -> bool {
        matches!(self.first_bytes.lock()[..], [0x15, 0x03, ..])
    }

    fn not_tls(&self) -> Option<TlsFlaw> {
        let first = self.first_bytes.lock();
        match first.first()? {
            // The types of TLS records.
            20..=23 => None,
            _ if first.starts_with(b"HTTP/") || first.first() == Some(&b'<') => Some(TlsFlaw::PlainHttp),
            _ => Some(TlsFlaw::NotTls(shown(String::from_utf8_lossy(&first).trim_end()))),
        }
    }
}

/// Why there is no TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeFailure {
    Tls(TlsFlaw),
    Network(NetworkEvent),
}

/// A stream whose first bytes are kept.
#[derive(Debug)]
pub(crate) struct FirstBytes<S> {
    stream: S,
    watch: Arc<HandshakeWatch>,
    is_begun: bool,
}

impl<S> FirstBytes<S> {
    pub(crate) fn new(stream: S, watch: Arc<HandshakeWatch>) -> Self {
        Self { stream, watch, is_begun: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        if !self.is_begun {
            let mut first = self.watch.first_bytes.lock();
            let missing = FIRST_BYTES - first.len();
            first.extend(into.filled()[before..].iter().take(missing));
            let is_begun = first.len() == FIRST_BYTES;
            drop(first);
            self.is_begun = is_begun;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Secures a stream to this host.
pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: &Arc<ClientConfig>,
    host: &str,
    watch: &Arc<HandshakeWatch>,
) -> Result<TlsStream<FirstBytes<S>>, HandshakeFailure> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let Ok(name) = ServerName::try_from(bare.to_owned()) else { return Err(HandshakeFailure::Tls(TlsFlaw::BadName)) };
    let stream = FirstBytes::new(stream, watch.clone());
    let shaking = HANDSHAKE.scope(watch.clone(), TlsConnector::from(config.clone()).connect(name, stream));
    shaking.await.map_err(|error| {
        let noted = watch.flaw.lock().take();
        let flaw = noted.or_else(|| watch.not_tls()).or_else(|| {
            let has_certificate = config.client_auth_cert_resolver.has_certs();
            Some(flaw_of(tls_error(&error)?, host, watch.has_asked(), has_certificate))
        });
        if flaw.is_none() && watch.has_asked() && !config.client_auth_cert_resolver.has_certs() {
            return HandshakeFailure::Tls(TlsFlaw::ClientCertificateWanted { alert: None });
        }
        flaw.map_or_else(|| HandshakeFailure::Network(no_handshake(&error)), HandshakeFailure::Tls)
    })
}

fn no_handshake(error: &io::Error) -> NetworkEvent {
    NetworkEvent::NoHandshake(match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "it reset the connection".to_owned(),
        _ => words(error),
    })
}

/// The TLS error among the sources of another one.
pub(crate) fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause: Option<&'a (dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An `io::Error` returns its inner error by `get_ref` only; its `source` skips it.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The reason that an error of TLS shows, in the handshake or after it. A server with TLS 1.3 refuses a client's
/// certificate after the handshake.
pub(crate) fn flaw_of(error: &rustls::Error, host: &str, has_asked: bool, has_certificate: bool) -> TlsFlaw {
    match error {
        rustls::Error::AlertReceived(alert) => flaw_of_alert(*alert, host, has_asked, has_certificate),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => TlsFlaw::OldVersion { alert: None },
        rustls::Error::PeerIncompatible(_) => TlsFlaw::NothingInCommon { alert: None },
        rustls::Error::InvalidCertificate(_) => {
            TlsFlaw::Broken("the signature of the handshake does not fit the certificate".to_owned())
        }
        other => TlsFlaw::Broken(shown(&other.to_string())),
    }
}

fn flaw_of_alert(alert: AlertDescription, host: &str, has_asked: bool, has_certificate: bool) -> TlsFlaw {
    let name = name_of(alert);
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => of_client_certificate(name, has_certificate),
        // What OpenSSL answers with TLS 1.2 if the certificate is missing, or is not accepted.
        AlertDescription::HandshakeFailure if has_asked => of_client_certificate(name, has_certificate),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            TlsFlaw::NothingInCommon { alert: Some(name) }
        }
        AlertDescription::ProtocolVersion | AlertDescription::InappropriateFallback => {
            TlsFlaw::OldVersion { alert: Some(name) }
        }
        AlertDescription::UnrecognisedName => TlsFlaw::UnknownName { host: host.to_owned() },
        _ => TlsFlaw::Alert(name),
    }
}

fn of_client_certificate(alert: String, has_certificate: bool) -> TlsFlaw {
    if has_certificate {
        TlsFlaw::ClientCertificateRefused { alert }
    } else {
        TlsFlaw::ClientCertificateWanted { alert: Some(alert) }
    }
}

/// The name of an alert as RFC 8446 writes it: `handshake_failure`.
fn name_of(alert: AlertDescription) -> String {
    let mut name = String::new();
    let mut before = '_';
    for c in format!("{alert:?}").chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            name.push('_');
        }
        before = c;
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Presents the client's certificate, or none, and notes that the server has asked for it.
#[derive(Debug)]
pub(crate) struct WatchedResolver(pub(crate) Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for WatchedResolver {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let _ = HANDSHAKE.try_with(|watch| watch.asked.store(true, Ordering::Relaxed));
        self.0.resolve(hints, schemes)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}
