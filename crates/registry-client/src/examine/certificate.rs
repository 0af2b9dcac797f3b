//! The fields of a certificate that `check` shows.

use chrono::{DateTime, Utc};

use crate::http::x509::CertificateFields;

/// The subject, the issuer, the names and the validity of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name, else its organisation; empty if it has neither.
    pub subject: String,
    /// The issuer's common name, else its organisation; empty if it has neither.
    pub issuer: String,
    /// The DNS names and IP addresses that it is for (`subjectAltName`).
    pub names: Vec<String>,
    /// When its validity begins.
    pub not_before: DateTime<Utc>,
    /// When its validity ends.
    pub not_after: DateTime<Utc>,
}

impl Certificate {
    /// Reads a certificate in DER; none where it is not one.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let CertificateFields { subject, issuer, names, not_before, not_after, .. } = CertificateFields::read(der)?;
        Some(Self { subject, issuer, names, not_before, not_after })
    }
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
        assert_eq!(certificate.names, ["127.0.0.1"]);
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
