//! Reads a few fields of a certificate out of its DER. It verifies nothing: verification has succeeded or failed
//! before.

use chrono::{DateTime, NaiveDateTime, Utc};

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

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate: context-specific, constructed, number 0.
const VERSION: u8 = 0xa0;
/// `2.5.4.3` and `2.5.4.10`.
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
const ORGANISATION: [u8; 3] = [0x55, 4, 10];

impl Certificate {
    /// Reads `TBSCertificate` of RFC 5280, 4.1.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader(Reader(der).take(SEQUENCE)?);
        let mut fields = Reader(certificate.take(SEQUENCE)?);
        if fields.peek() == Some(VERSION) {
            fields.next()?;
        }
        fields.next()?; // the serial number
        fields.next()?; // the algorithm of the signature
        let issuer = name(fields.take(SEQUENCE)?);
        let mut validity = Reader(fields.take(SEQUENCE)?);
        let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
        let subject = name(fields.take(SEQUENCE)?);
        Some(Self { subject, issuer, not_before, not_after })
    }
}

/// The unread rest of DER.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            // A certificate is shorter than 4 GiB.
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(b, _)| b.len() <= 4)?;
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// The common name of a `Name`, else its organisation.
fn name(content: &[u8]) -> String {
    let mut sets = Reader(content);
    let mut organisation = String::new();
    while let Some((_, set)) = sets.next() {
        let attribute = Reader(set).take(SEQUENCE).map(Reader);
        let Some((oid, value)) = attribute.and_then(|mut pair| Some((pair.take(OID)?, pair.next()?.1))) else {
            continue;
        };
        let text = || shown(&String::from_utf8_lossy(value));
        if oid == COMMON_NAME {
            return text();
        }
        if oid == ORGANISATION {
            organisation = text();
        }
    }
    organisation
}

/// `UTCTime` or `GeneralizedTime`, both in UTC to the second (RFC 5280, 4.1.2.5).
fn time((tag, content): (u8, &[u8])) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Years from 50 on are in the 20th century.
        UTC_TIME => format!("{}{text}", if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    Some(NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%S").ok()?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        let read = |tag, text: &str| time((tag, text.as_bytes())).map(|time| time.to_rfc3339());
        assert_eq!(read(UTC_TIME, "261123161425Z").as_deref(), Some("2026-11-23T16:14:25+00:00"));
        assert_eq!(read(UTC_TIME, "991231235959Z").as_deref(), Some("1999-12-31T23:59:59+00:00"));
        assert_eq!(read(GENERALIZED_TIME, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00+00:00"));
        for (tag, text) in [(UTC_TIME, "x"), (UTC_TIME, "é61123161425Z"), (OID, "261123161425Z"), (UTC_TIME, "")] {
            assert_eq!(read(tag, text), None);
        }
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
