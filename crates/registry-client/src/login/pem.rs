//! Reads certificates and keys from PEM files. Errors show no byte of the file: the parser's own errors have the line
//! that they failed at, which in a file without line breaks is the whole file, the key included.

use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::login::secret_file::read_bytes;
use crate::problem::certificate::{CertificatesError, NoPem};

/// Longest file of certificates or of a key, in bytes; the 150 certificates of a system take a quarter of a mebibyte.
pub(crate) const LONGEST: u64 = 4 * 1024 * 1024;

impl NoPem {
    /// The meaning of a parser's error for this text, without any of the text.
    fn of(error: &pem::Error, text: &[u8]) -> Self {
        match error {
            _ if has_lost_its_line_breaks(text) => Self::LineBreaks,
            pem::Error::IllegalSectionStart { .. } => Self::LineBreaks,
            pem::Error::MissingSectionEnd { .. } => Self::Unfinished,
            pem::Error::Base64Decode(_) => Self::NotBase64,
            _ => Self::Nothing,
        }
    }
}

/// Whether a line has text after `-----BEGIN …-----`.
fn has_lost_its_line_breaks(text: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        let text = String::from_utf8_lossy(line);
        let rest = text.trim().strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once("-----"));
        rest.is_some_and(|(_, behind)| !behind.is_empty())
    })
}

/// The certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let mut bytes = read_bytes(path, LONGEST)?;
    // Editors of Windows write a byte order mark.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|error| NoPem::of(&error, &bytes));
    match read {
        // A SEQUENCE with a length of two bytes, as each certificate is.
        _ if bytes.starts_with(&[0x30, 0x82]) => Err(CertificatesError::Der { path: path.to_owned() }),
        Ok(read) if read.is_empty() => Err(CertificatesError::None { path: path.to_owned() }),
        read => read.map_err(|source| CertificatesError::NotPem { path: path.to_owned(), source }),
    }
}

/// The first key of a text.
pub(crate) fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, NoPem> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| NoPem::of(&error, text))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nTUlJQ2Nhbm\nFyeQ==\n-----END PRIVATE KEY-----\n";

    fn certificates_of(text: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        let error = certificates(file.path()).expect_err("none");
        format!("{error:?} {}", crate::problem::chain::chain(&error))
    }

    #[test]
    fn what_is_no_pem_is_not_repeated() {
        for (broken, reason) in [
            (KEY.replace('\n', " "), NoPem::LineBreaks),
            (KEY.replace('\n', "\\n"), NoPem::LineBreaks),
            (KEY.replace('\n', ""), NoPem::LineBreaks),
            (KEY.replace("-----END", "----END"), NoPem::Unfinished),
            (KEY.replace("TUlJ", "T!lJ"), NoPem::NotBase64),
            (KEY.replace("-----BEGIN", "BEGIN"), NoPem::Nothing),
        ] {
            assert_eq!(key(broken.as_bytes()).map(|_| ()), Err(reason), "{broken}");
            let told = certificates_of(&broken);
            for piece in ["TUlJ", "T!lJ", "2Nhbm", "FyeQ", "84, 85, 108", "45, 45"] {
                assert!(!told.contains(piece), "{told}");
            }
        }
        assert!(certificates_of(&KEY.replace('\n', " ")).contains("line breaks are missing"));
        assert!(key(KEY.as_bytes()).is_ok());
    }
}
