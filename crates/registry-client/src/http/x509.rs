//! Reads the fields of a certificate that decide whether it is trusted, and those that messages name. It verifies
//! nothing.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use rustls::pki_types::{ServerName, UnixTime};
use x509_cert::Version;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::{Any, BitString, ObjectIdentifier, UintRef};
use x509_cert::der::oid::db::rfc4519::{CN, O};
use x509_cert::der::{Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfo;
use x509_cert::time::Time;

use crate::grammar::shown;

const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const SERVER_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Signature algorithms that are not accepted any more, with the names that `openssl` prints.
const WEAK_SIGNATURES: [(ObjectIdentifier, &str); 4] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"), "md5WithRSAEncryption"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), "sha1WithRSAEncryption"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"), "dsa-with-SHA1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "ecdsa-with-SHA1"),
];

/// The fewest bits of an RSA key whose signatures the crypto provider accepts.
pub(crate) const RSA_BITS: usize = 2048;

/// The fields of a certificate. Texts are safe to print.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFields {
    /// The subject's common name, else its organisation; empty if it has neither.
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) not_before: DateTime<Utc>,
    pub(crate) not_after: DateTime<Utc>,
    /// Version 1 and 2 have no extensions.
    pub(crate) is_version_3: bool,
    pub(crate) is_authority: bool,
    /// Whether a server may use it, by its extended key usage.
    pub(crate) is_for_servers: bool,
    /// The DNS names and IP addresses of `subjectAltName`.
    pub(crate) names: Vec<String>,
    /// The algorithm of its signature, if it is not accepted any more.
    pub(crate) weak_signature: Option<&'static str>,
    /// The bits of its key, if that is an RSA key.
    pub(crate) rsa_bits: Option<usize>,
    common_name: Option<String>,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    key: SubjectPublicKeyInfo<Any, BitString>,
}

impl CertificateFields {
    /// Reads a certificate in DER; none where it is not one.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        // Not held to the profile of RFC 5280: the certificate may be the very one that breaks it.
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let signature = certificate.signature_algorithm().oid;
        let fields = certificate.tbs_certificate();
        let validity = fields.validity();
        let purposes = fields.get_extension::<ExtendedKeyUsage>().ok().flatten();
        let alternatives = fields.get_extension::<SubjectAltName>().ok().flatten();
        let constraints = fields.get_extension::<BasicConstraints>().ok().flatten();
        let key = fields.subject_public_key_info().clone();
        Some(Self {
            subject: name(fields.subject()),
            issuer: name(fields.issuer()),
            not_before: time(validity.not_before)?,
            not_after: time(validity.not_after)?,
            is_version_3: fields.version() == Version::V3,
            is_authority: constraints.is_some_and(|(_, constraints)| constraints.ca),
            is_for_servers: purposes
                .is_none_or(|(_, usage)| usage.0.iter().any(|of| *of == SERVER_PURPOSE || *of == ANY_PURPOSE)),
            names: alternatives.map_or_else(Vec::new, |(_, names)| names.0.iter().filter_map(alternative).collect()),
            weak_signature: WEAK_SIGNATURES.iter().find(|(oid, _)| *oid == signature).map(|(_, name)| *name),
            rsa_bits: rsa_bits(&key),
            common_name: text(fields.subject(), CN),
            subject_der: fields.subject().to_der().ok()?,
            issuer_der: fields.issuer().to_der().ok()?,
            key,
        })
    }

    /// Whether subject and issuer are the same, as in a self-signed certificate.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether the other certificate has the name of this one's issuer.
    pub(crate) fn is_issued_by(&self, other: &Self) -> bool {
        self.issuer_der == other.subject_der
    }

    /// Whether the certificate names this server. The common name counts where there is no other name, as in OpenSSL:
    /// ask only about a certificate that is trusted itself.
    pub(crate) fn is_for(&self, server: &ServerName<'_>) -> bool {
        let host = server.to_str();
        let is_host = |name: &String| match (name.parse::<IpAddr>(), host.parse::<IpAddr>()) {
            (Ok(own), Ok(wanted)) => own == wanted,
            (Err(_), Err(_)) => is_name(name, &host),
            _ => false,
        };
        if self.names.is_empty() { self.common_name.iter().any(is_host) } else { self.names.iter().any(is_host) }
    }

    /// Whether the time is before, within (`None`) or after the validity.
    pub(crate) fn outside(&self, now: UnixTime) -> Option<Outside> {
        let now = utc(now);
        match now {
            _ if now < self.not_before => Some(Outside::Before),
            _ if now > self.not_after => Some(Outside::After),
            _ => None,
        }
    }

    /// The algorithm of the key, in DER without its tag and length, and the key itself.
    pub(crate) fn key(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let algorithm = self.key.algorithm.to_der().ok()?;
        let mut reader = SliceReader::new(&algorithm).ok()?;
        let header = x509_cert::der::Header::decode(&mut reader).ok()?;
        let length = usize::try_from(header.length()).ok()?;
        let content = algorithm.len().checked_sub(length)?;
        Some((algorithm[content..].to_vec(), self.key.subject_public_key.as_bytes()?.to_vec()))
    }

    /// The whole key, in DER.
    pub(crate) fn key_der(&self) -> Option<Vec<u8>> {
        self.key.to_der().ok()
    }
}

/// On which side of a validity a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    Before,
    After,
}

/// A time of rustls as a date.
pub(crate) fn utc(time: UnixTime) -> DateTime<Utc> {
    i64::try_from(time.as_secs()).ok().and_then(|at| DateTime::from_timestamp(at, 0)).unwrap_or_default()
}

/// Whether a name of a certificate, perhaps with `*` as its first label, is that of the host.
fn is_name(name: &str, host: &str) -> bool {
    let (name, host) = (name.trim_end_matches('.'), host.trim_end_matches('.'));
    match name.strip_prefix("*.") {
        None => name.eq_ignore_ascii_case(host),
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && parent.contains('.') && rest.eq_ignore_ascii_case(parent)
        }),
    }
}

fn alternative(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(shown(name.as_str())),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes().len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes.as_bytes()).ok()?).to_string()),
            16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes.as_bytes()).ok()?).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The length of the modulus, which is the first number of an RSA key.
fn rsa_bits(key: &SubjectPublicKeyInfo<Any, BitString>) -> Option<usize> {
    let bytes = key.subject_public_key.as_bytes().filter(|_| key.algorithm.oid == RSA)?;
    let mut reader = SliceReader::new(bytes).ok()?;
    let bits = reader.sequence(|reader| {
        let modulus = UintRef::decode(reader)?.as_bytes().to_vec();
        UintRef::decode(reader)?;
        let zeros = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        x509_cert::der::Result::Ok(modulus.len() * 8 - zeros)
    });
    bits.ok()
}

/// The common name, else the organisation, else nothing.
fn name(name: &Name) -> String {
    text(name, CN).or_else(|| text(name, O)).unwrap_or_default()
}

fn text(name: &Name, wanted: ObjectIdentifier) -> Option<String> {
    let attribute = name.iter().find(|attribute| attribute.oid == wanted)?;
    Some(shown(&String::from_utf8_lossy(attribute.value.value())))
}

fn time(time: Time) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(time.to_unix_duration().as_secs()).ok()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label_below_a_domain() {
        for (name, host, fits) in [
            ("r.example", "R.example.", true),
            ("r.example", "x.r.example", false),
            ("*.corp.example", "r.corp.example", true),
            ("*.corp.example", "corp.example", false),
            ("*.corp.example", "a.b.corp.example", false),
            ("*.example", "r.example", false),
            ("*", "r", false),
        ] {
            assert_eq!(is_name(name, host), fits, "{name} {host}");
        }
    }
}
