//! What came, against what it should be: digests, media types, and the words for what is wrong with them.

use std::fmt::Write as _;

use sha2::{Digest, Sha256, Sha512};

use super::error::Problem;

/// What is wrong with content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    /// Its bytes have another digest.
    #[error("its digest is {found} and should be {wanted}")]
    Digest { found: String, wanted: String },
    /// `Docker-Content-Digest` is no digest.
    #[error("the server calls its digest `{0}`")]
    NoDigest(String),
    /// Header and body name different kinds of things (CVE-2021-41190).
    #[error("it was announced as `{announced}` and calls itself `{itself}`")]
    MediaType { announced: String, itself: String },
    /// Image and index at once, or neither (CVE-2021-41190).
    #[error("it is both an image and an index, or neither")]
    Ambiguous,
    /// Not JSON, or not of this shape. Serde's own words would repeat the text.
    #[error("it cannot be read, line {line}, column {column}")]
    Json { line: usize, column: usize },
    /// A member twice that decides what it is: two readers would take it for two things.
    #[error("it has `{0}` twice")]
    Twice(&'static str),
    /// A value that no registry should send.
    #[error("{0} is not as the specification has it")]
    Field(&'static str),
    /// More of something than anybody needs.
    #[error("it has more than {most} {what}")]
    TooMany { what: &'static str, most: usize },
}

impl From<&serde_json::Error> for Flaw {
    fn from(error: &serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

/// Content that is right and that we cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Foreign {
    /// Another kind of manifest.
    #[error("`{0}` is no media type of a manifest")]
    MediaType(String),
    /// Something that the registry has and does not hand out to those who ask as we do.
    #[error("the registry has it in a form that was not asked for: {0}")]
    NotAccepted(String),
    /// A digest that cannot be verified.
    #[error("digests by `{0}` cannot be verified")]
    Algorithm(String),
}

/// Whether the bytes have this digest, which follows the grammar.
pub(super) fn verify(bytes: &[u8], wanted: &str) -> Result<(), Problem> {
    let (algorithm, _) = wanted.split_once(':').unwrap_or((wanted, ""));
    let found = match algorithm {
        "sha256" => sha256(bytes),
        "sha512" => written("sha512", &Sha512::digest(bytes)),
        _ => return Err(Problem::Foreign(Foreign::Algorithm(algorithm.to_owned()))),
    };
    if found == wanted { Ok(()) } else { Err(Problem::Corrupt(Flaw::Digest { found, wanted: wanted.to_owned() })) }
}

/// The digest of the bytes where nobody names one.
pub(super) fn sha256(bytes: &[u8]) -> String {
    written("sha256", &Sha256::digest(bytes))
}

fn written(algorithm: &str, hash: &[u8]) -> String {
    let mut digest = format!("{algorithm}:");
    for byte in hash {
        write!(digest, "{byte:02x}").expect("writing to a string cannot fail");
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_verified_by_both_algorithms_and_no_other() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
        assert!(verify(b"", empty).is_ok());
        assert!(matches!(verify(b"x", empty), Err(Problem::Corrupt(Flaw::Digest { .. }))));
        let long = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                    47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
        assert!(verify(b"", long).is_ok());
        assert!(matches!(verify(b"", "blake3:aa"), Err(Problem::Foreign(Foreign::Algorithm(_)))));
    }
}
