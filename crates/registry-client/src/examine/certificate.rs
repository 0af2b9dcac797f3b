//! Reads a few fields of a certificate. It verifies nothing: verification has succeeded or failed
//! before.

use chrono::{DateTime, Utc};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::der::oid::db::rfc4519::{CN, O};
use x509_cert::name::Name;
use x509_cert::time::Time;

use crate::grammar::shown;

/// The subject, the issuer and the validity of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name, else its organisation; empty if it has neither.
    pub subject: String,
    /// The issuer's common name, else its organisation; empty if it has neither.
    pub issuer: String,
    /// When its validity begins.
    pub not_before: DateTime<Utc>,
    /// When its validity ends.
    pub not_after: DateTime<Utc>,
}

impl Certificate {
    /// Reads a certificate in DER; none where it is not one.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        // Not held to the profile of RFC 5280: the certificate may be the very one that breaks it.
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        Some(Self {
            subject: name(certificate.subject()),
            issuer: name(certificate.issuer()),
            not_before: time(validity.not_before)?,
            not_after: time(validity.not_after)?,
        })
    }
}

/// The common name, else the organisation, else nothing.
fn name(name: &Name) -> String {
    let text = |wanted| {
        let attribute = name.iter().find(|attribute| attribute.oid == wanted)?;
        Some(shown(&String::from_utf8_lossy(attribute.value.value())))
    };
    text(CN).or_else(|| text(O)).unwrap_or_default()
}

fn time(time: Time) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(time.to_unix_duration().as_secs()).ok()?, 0)
}

#[cfg(test)]
mod tests {
    use fake_registry::tls::{KeyPair, NAME, own};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn read(pair: &KeyPair) -> Certificate {
        let der = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM");
        Certificate::read(&der).expect("a certificate")
    }

    #[test]
    fn names_and_times_are_read() {
        let certificate = read(own());
        assert_eq!((certificate.subject.as_str(), certificate.issuer.as_str()), (NAME, NAME));
        assert_eq!((certificate.not_after - certificate.not_before).num_days(), 2);
        assert!(read(&own().expired()).not_after.to_rfc3339().starts_with("2020-"));
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        for der in
            [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 2, 0x30, 0], &[0; 64]]
        {
            assert_eq!(Certificate::read(der), None);
        }
    }
}
