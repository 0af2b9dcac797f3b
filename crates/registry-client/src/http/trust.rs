//! Decides whether a server's certificate is trusted: by the authorities that the system and `ca_file` name, or because
//! the certificate itself is in `ca_file`. Says why it is not, for the operator.
//!
//! The rules of RFC 5280 are those of rustls. A certificate that is itself in `ca_file` is compared byte by byte, as
//! curl, Python and docker do by way of OpenSSL and Go: `openssl req -x509` makes an authority (`CA:TRUE`), and
//! `openssl x509 -req` without extensions makes version 1. rustls trusts neither as a server's certificate. Names,
//! validity and the signature of the handshake are checked in any case.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::http::handshake::HandshakeWatch;
use crate::http::x509::{CertificateFields, Outside, RSA_BITS, utc};
use crate::problem::tls::TlsFlaw;

/// Which servers are trusted.
#[derive(Debug)]
pub(crate) struct ServerTrust {
    /// None: any certificate is trusted, for `insecure_tls`.
    anchors: Option<TrustAnchors>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerTrust {
    /// Trusts these authorities and the certificates of `ca_file`.
    pub(crate) fn new(
        roots: RootCertStore,
        own: Option<Vec<CertificateDer<'static>>>,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().ok();
        Self { anchors: Some(TrustAnchors { authorities, own }), ..Self::of_any(provider) }
    }

    /// Trusts any certificate. The signature of the handshake is still verified.
    pub(crate) fn of_any(provider: &Arc<CryptoProvider>) -> Self {
        Self { anchors: None, algorithms: provider.signature_verification_algorithms }
    }
}

/// What decides whether a certificate is trusted.
#[derive(Debug)]
struct TrustAnchors {
    /// None if there is no authority at all.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of `ca_file`; none if it is not set.
    own: Option<Vec<CertificateDer<'static>>>,
}

impl TrustAnchors {
    fn is_own(&self, certificate: &CertificateDer<'_>) -> bool {
        self.own.iter().flatten().any(|own| own.as_ref() == certificate.as_ref())
    }

    /// Checks a certificate that is itself in `ca_file`.
    fn check_own(fields: &CertificateFields, server: &ServerName<'_>, now: UnixTime) -> Result<(), TlsFlaw> {
        let whose = String::from("its certificate");
        match fields.outside(now) {
            Some(Outside::Before) => Err(TlsFlaw::NotYetValid { whose, not_before: fields.not_before, now: utc(now) }),
            Some(Outside::After) => Err(TlsFlaw::Expired { whose, not_after: fields.not_after, now: utc(now) }),
            None if !fields.is_for(server) => Err(wrong_name(fields, server, true)),
            None if !fields.is_for_servers => Err(not_for_servers()),
            None => Ok(()),
        }
    }

    /// Why a certificate is not trusted, from the error of the verifier.
    fn flaw(
        &self,
        error: &rustls::Error,
        fields: &CertificateFields,
        chain: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        now: UnixTime,
    ) -> TlsFlaw {
        let rustls::Error::InvalidCertificate(error) = error else { return TlsFlaw::Unfit(error.to_string()) };
        let chain: Vec<_> = chain.iter().filter_map(|der| CertificateFields::read(der)).collect();
        let has_ca_file = self.own.is_some();
        let self_signed = || TlsFlaw::SelfSigned { subject: fields.subject.clone(), has_ca_file };
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let late = [fields].into_iter().chain(&chain).find(|one| one.outside(now) == Some(Outside::After));
                let late = late.unwrap_or(fields);
                TlsFlaw::Expired { whose: whose(late, fields), not_after: late.not_after, now: utc(now) }
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                let early = [fields].into_iter().chain(&chain).find(|one| one.outside(now) == Some(Outside::Before));
                let early = early.unwrap_or(fields);
                TlsFlaw::NotYetValid { whose: whose(early, fields), not_before: early.not_before, now: utc(now) }
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                wrong_name(fields, server, false)
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => not_for_servers(),
            _ if fields.is_self_issued() => self_signed(),
            CertificateError::UnknownIssuer => self.issuer_unknown(fields, &chain),
            CertificateError::BadSignature => self.issuer_differs(fields, &chain),
            _ if !fields.is_version_3 => {
                TlsFlaw::Unfit("is of X.509 version 1, which has no names of servers".to_owned())
            }
            _ if fields.is_authority => {
                TlsFlaw::Unfit("is one of a certificate authority (`CA:TRUE`), not of a server".to_owned())
            }
            CertificateError::BadEncoding => TlsFlaw::Unfit("cannot be read".to_owned()),
            CertificateError::UnhandledCriticalExtension => {
                TlsFlaw::Unfit("has a critical extension that this client does not know".to_owned())
            }
            other => {
                let weak = [fields].into_iter().chain(&chain).find_map(|one| Some((one, one.weak_signature?)));
                weak.map_or_else(
                    || TlsFlaw::Unfit(format!("is refused: {}", reason(other))),
                    |(one, algorithm)| {
                        let whose = whose(one, fields);
                        TlsFlaw::Weak(format!("{whose} is signed with {algorithm}, which is not accepted any more"))
                    },
                )
            }
        }
    }

    /// The last certificate of the chain that the server sent, from its own one on.
    fn last<'c>(fields: &'c CertificateFields, chain: &'c [CertificateFields]) -> &'c CertificateFields {
        let mut last = fields;
        // No longer than the chain: certificates may have issued each other.
        for _ in chain {
            match chain.iter().find(|one| last.is_issued_by(one)) {
                Some(next) if !last.is_self_issued() => last = next,
                _ => break,
            }
        }
        last
    }

    fn issuer_unknown(&self, fields: &CertificateFields, chain: &[CertificateFields]) -> TlsFlaw {
        let last = Self::last(fields, chain);
        let issuer = last.issuer.clone();
        if self.own.is_some() && !last.is_self_issued() {
            TlsFlaw::MissingIssuer { issuer }
        } else {
            TlsFlaw::UnknownIssuer { issuer }
        }
    }

    fn issuer_differs(&self, fields: &CertificateFields, chain: &[CertificateFields]) -> TlsFlaw {
        let last = Self::last(fields, chain);
        let own = self.own.iter().flatten().filter_map(|der| CertificateFields::read(der)).collect::<Vec<_>>();
        let issuers = chain.iter().chain(&own);
        let small = issuers.filter(|one| last.is_issued_by(one) || fields.is_issued_by(one));
        let bits = small.filter_map(|one| one.rsa_bits).min().filter(|bits| *bits < RSA_BITS);
        let issuer = last.issuer.clone();
        bits.map_or(TlsFlaw::IssuerChanged { issuer: issuer.clone() }, |bits| {
            TlsFlaw::Weak(format!("the RSA key of its issuer `{issuer}` has only {bits} bits"))
        })
    }

    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let fields = CertificateFields::read(certificate);
        let fields = fields.ok_or_else(|| {
            HandshakeWatch::note(TlsFlaw::Unfit("cannot be read".to_owned()));
            rustls::Error::InvalidCertificate(CertificateError::BadEncoding)
        })?;
        if self.is_own(certificate) {
            return Self::check_own(&fields, server, now).map(|()| ServerCertVerified::assertion()).map_err(|flaw| {
                let error = error_of(&flaw);
                HandshakeWatch::note(flaw);
                rustls::Error::InvalidCertificate(error)
            });
        }
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let verified = self
            .authorities
            .as_ref()
            .map_or(Err(unknown), |authorities| authorities.verify_server_cert(certificate, chain, server, ocsp, now));
        verified.inspect_err(|error| HandshakeWatch::note(self.flaw(error, &fields, chain, server, now)))
    }
}

impl ServerCertVerifier for ServerTrust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        HandshakeWatch::show(certificate);
        match &self.anchors {
            Some(anchors) => anchors.verify(certificate, chain, server, ocsp, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies the signature of a handshake in TLS 1.2 by the certificate, whatever version that has.
fn verify_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let verified = match version_1_key(certificate) {
        Some(fields) => verify_tls12_with_key(message, &fields, signed, algorithms),
        None => verify_tls12_signature(message, certificate, signed, algorithms),
    };
    verified.inspect_err(|_| note_short_key(certificate))
}

/// Verifies the signature of a handshake in TLS 1.3 by the certificate, whatever version that has.
fn verify_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let key = version_1_key(certificate).and_then(|fields| fields.key_der()).map(SubjectPublicKeyInfoDer::from);
    let verified = match key {
        Some(key) => verify_tls13_signature_with_raw_key(message, &key, signed, algorithms),
        None => verify_tls13_signature(message, certificate, signed, algorithms),
    };
    verified.inspect_err(|_| note_short_key(certificate))
}

/// Notes that a signature cannot be verified because the key is too short.
fn note_short_key(certificate: &CertificateDer<'_>) {
    let bits = CertificateFields::read(certificate).and_then(|fields| fields.rsa_bits);
    if let Some(bits) = bits.filter(|bits| *bits < RSA_BITS) {
        HandshakeWatch::note(TlsFlaw::Weak(format!("the RSA key of its certificate has only {bits} bits")));
    }
}

/// The certificate if it is of version 1, which rustls does not parse: its signatures are verified by its key alone. A
/// certificate of version 1 comes this far only if it is itself in `ca_file`.
fn version_1_key(certificate: &CertificateDer<'_>) -> Option<CertificateFields> {
    CertificateFields::read(certificate).filter(|fields| !fields.is_version_3)
}

/// As [`verify_tls12_signature`], with a key instead of a certificate: each algorithm of the scheme that is for this
/// kind of key.
fn verify_tls12_with_key(
    message: &[u8],
    fields: &CertificateFields,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let bad = || rustls::Error::InvalidCertificate(CertificateError::BadSignature);
    let (kind, key) = fields.key().ok_or_else(bad)?;
    let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme).map(|(_, all)| *all);
    let mut fitting = of_scheme.unwrap_or_default().iter().filter(|one| one.public_key_alg_id().as_ref() == kind);
    let is_valid = fitting.any(|one| one.verify_signature(&key, message, signed.signature()).is_ok());
    is_valid.then(HandshakeSignatureValid::assertion).ok_or_else(bad)
}

/// The error of rustls for a certificate of `ca_file`, which decides the alert that the server gets.
fn error_of(flaw: &TlsFlaw) -> CertificateError {
    match flaw {
        TlsFlaw::Expired { .. } => CertificateError::Expired,
        TlsFlaw::NotYetValid { .. } => CertificateError::NotValidYet,
        TlsFlaw::Unfit(_) => CertificateError::InvalidPurpose,
        _ => CertificateError::NotValidForName,
    }
}

fn whose(one: &CertificateFields, own: &CertificateFields) -> String {
    if std::ptr::eq(one, own) {
        "its certificate".to_owned()
    } else {
        format!("the certificate of `{}` in its chain", one.subject)
    }
}

/// The name of an error in words: `NameConstraintViolation` is `name constraint violation`.
fn reason(error: &CertificateError) -> String {
    let name = match error {
        CertificateError::Other(other) => other.to_string(),
        other => format!("{other:?}"),
    };
    // What a context adds is not for a person.
    let name = name.split(['(', ' ', '{']).next().unwrap_or_default();
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

fn wrong_name(fields: &CertificateFields, server: &ServerName<'_>, common_name_counts: bool) -> TlsFlaw {
    let subject = fields.subject.clone();
    if fields.names.is_empty() && !common_name_counts {
        return TlsFlaw::NoNames { subject };
    }
    let names = if fields.names.is_empty() { vec![subject] } else { fields.names.clone() };
    TlsFlaw::WrongName { host: server.to_str().into_owned(), names }
}

fn not_for_servers() -> TlsFlaw {
    TlsFlaw::Unfit("is not for servers: its extended key usage has no `serverAuth`".to_owned())
}
