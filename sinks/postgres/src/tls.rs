//! TLS with rustls, as `tokio-postgres` wants it.

use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use stocktake_sink::{SinkError, SinkErrorKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::{Connect, TlsConnector, client};

/// What of the server is verified: the words of `sslmode`, which are those of libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslVerification {
    /// No TLS.
    Disable,
    /// TLS with any certificate: against listeners only.
    Require,
    /// A certificate of a known authority, for whatever name.
    VerifyCa,
    /// A certificate of a known authority for the name in `url`.
    VerifyFull,
}

impl SslVerification {
    /// All, with their words.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("disable", Self::Disable),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

/// The settings of TLS. Files are read at each connection.
#[derive(Clone, Debug)]
pub(crate) struct PostgresTls {
    pub(crate) verification: SslVerification,
    /// The authorities to trust instead of those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    /// What is shown to a server that asks who we are.
    pub(crate) client: Option<ClientFiles>,
}

/// A client certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct ClientFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl PostgresTls {
    pub(crate) fn of(verification: SslVerification) -> Self {
        Self { verification, ca_file: None, client: None }
    }

    pub(crate) fn is_used(&self) -> bool {
        self.verification != SslVerification::Disable
    }

    fn config(&self) -> Result<ClientConfig, SinkError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable("cannot begin TLS", e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.verifier(provider)?));
        let Some(ClientFiles { certificate, key }) = &self.client else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(certificate)?;
        let secret = protected_key(key)?;
        builder
            .with_client_auth_cert(chain, secret)
            .map_err(|e| unusable(format!("{} and {} do not fit together", certificate.display(), key.display()), e))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<ServerVerifier, SinkError> {
        let authorities = match self.verification {
            SslVerification::Disable | SslVerification::Require => None,
            SslVerification::VerifyCa | SslVerification::VerifyFull => {
                let roots = Arc::new(self.roots()?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Some(verifier.map_err(|e| unusable("there is no authority to trust; set `ca_file`", e))?)
            }
        };
        Ok(ServerVerifier { authorities, verification: self.verification, provider })
    }

    fn roots(&self) -> Result<RootCertStore, SinkError> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|e| unusable(format!("cannot use {}", file.display()), e))?;
                }
            }
            // Those that cannot be read are left out, as everywhere else.
            None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
        }
        Ok(roots)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SinkError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            let message = format!("there is no certificate in {}; it should be PEM", file.display());
            Err(SinkError::new(SinkErrorKind::Invalid, message))
        }
        read => read.map_err(|e| unusable(format!("cannot read the certificates in {}", file.display()), e)),
    }
}

/// Reads a key that no other user can read. The group may, if root owns the file: so keys are shared with a service.
fn protected_key(file: &Path) -> Result<PrivateKeyDer<'static>, SinkError> {
    let cannot = || format!("cannot read the key in {}", file.display());
    let metadata = fs::metadata(file).map_err(|e| unusable(cannot(), e))?;
    let forbidden = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        let message = format!("other users can use the key in {0}; run `chmod 600 {0}`", file.display());
        return Err(SinkError::new(SinkErrorKind::Invalid, message));
    }
    PrivateKeyDer::from_pem_file(file).map_err(|e| unusable(cannot(), e))
}

fn unusable(context: impl Into<String>, error: impl std::error::Error + Send + Sync + 'static) -> SinkError {
    SinkError::new(SinkErrorKind::Invalid, context).with_source(error)
}

/// Verifies what `sslmode` asks for. The signature of the handshake is verified in any case.
#[derive(Debug)]
struct ServerVerifier {
    /// None: any certificate will do.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    verification: SslVerification,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(certificate, chain, server, ocsp, now) {
            // Names are compared after all else is found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.verification == SslVerification::VerifyCa => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes TLS of a connection. Without TLS it is asked for nothing.
#[derive(Clone)]
pub(crate) struct RustlsConnect {
    config: Option<Arc<ClientConfig>>,
}

impl RustlsConnect {
    /// Reads the files of these settings.
    pub(crate) fn new(settings: &PostgresTls) -> Result<Self, SinkError> {
        let config = if settings.is_used() { Some(Arc::new(settings.config()?)) } else { None };
        Ok(Self { config })
    }
}

impl MakeTlsConnect<Socket> for RustlsConnect {
    type Stream = RustlsStream;
    type TlsConnect = RustlsHandshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<RustlsHandshake, io::Error> {
        let Some(config) = &self.config else { return Ok(RustlsHandshake(None)) };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(RustlsHandshake(Some((TlsConnector::from(config.clone()), name))))
    }
}

/// One handshake, to be begun.
pub(crate) struct RustlsHandshake(Option<(TlsConnector, ServerName<'static>)>);

impl TlsConnect<Socket> for RustlsHandshake {
    type Stream = RustlsStream;
    type Error = io::Error;
    type Future = RustlsConnecting;

    fn connect(self, socket: Socket) -> RustlsConnecting {
        RustlsConnecting(self.0.map(|(connector, name)| Box::pin(connector.connect(name, socket))))
    }
}

/// A handshake that goes on.
pub(crate) struct RustlsConnecting(Option<Pin<Box<Connect<Socket>>>>);

impl Future for RustlsConnecting {
    type Output = io::Result<RustlsStream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(handshake) => handshake.as_mut().poll(context).map_ok(RustlsStream),
            None => Poll::Ready(Err(io::Error::other("TLS is disabled"))),
        }
    }
}

/// A connection under TLS.
pub(crate) struct RustlsStream(client::TlsStream<Socket>);

impl fmt::Debug for RustlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RustlsStream")
    }
}

impl TlsStream for RustlsStream {
    /// None. A server's login by SCRAM works without; who is at the other end is verified by its certificate.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for RustlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for RustlsStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
