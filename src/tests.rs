//! What tests of several rooms share.

use std::io::Write as _;

use tempfile::NamedTempFile;

/// A secret in a file of its own; gone with it.
pub(crate) fn secret_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}
