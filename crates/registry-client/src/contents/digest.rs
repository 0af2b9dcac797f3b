//! Compares received content with its digest.

use sha2::{Digest, Sha256, Sha512};

use crate::problem::Problem;
use crate::problem::content::{ContentFlaw, UnsupportedContent};

/// Checks that the bytes have this digest, which follows the grammar.
pub(crate) fn verify(bytes: &[u8], wanted: &str) -> Result<(), Problem> {
    let (algorithm, _) = wanted.split_once(':').unwrap_or((wanted, ""));
    let found = match algorithm {
        "sha256" => sha256(bytes),
        "sha512" => format!("sha512:{}", hex::encode(Sha512::digest(bytes))),
        _ => return Err(Problem::UnsupportedContent(UnsupportedContent::Algorithm(algorithm.to_owned()))),
    };
    if found == wanted {
        Ok(())
    } else {
        Err(Problem::Corrupt(ContentFlaw::Digest { found, wanted: wanted.to_owned() }))
    }
}

/// The SHA-256 digest of the bytes, for content whose digest is not stated.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_verified_by_both_algorithms_and_no_other() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
        assert!(verify(b"", empty).is_ok());
        assert!(matches!(verify(b"x", empty), Err(Problem::Corrupt(ContentFlaw::Digest { .. }))));
        let long = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                    47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
        assert!(verify(b"", long).is_ok());
        assert!(matches!(verify(b"", "blake3:aa"), Err(Problem::UnsupportedContent(UnsupportedContent::Algorithm(_)))));
    }
}
