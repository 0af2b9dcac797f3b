//! Size and SHA-256 of an object, taken while it is written.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

/// Passes bytes on, counts them and hashes them.
#[derive(Debug)]
pub(crate) struct Tee<W> {
    out: W,
    hash: Sha256,
    bytes: u64,
    failure: Option<io::Error>,
}

impl<W: Write> Tee<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, hash: Sha256::new(), bytes: 0, failure: None }
    }

    /// The first error of the writer below. Formats wrap errors, each in its own way, so it is kept here.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// The writer, the number of bytes that went into it, and their SHA-256 in lower-case hex.
    pub(crate) fn finish(self) -> (W, u64, String) {
        (self.out, self.bytes, hex::encode(self.hash.finalize()))
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(e) = &result
            && e.kind() != io::ErrorKind::Interrupted
        {
            // An error cannot be cloned. Its number, or else its kind, is enough for the message.
            let copy = || e.raw_os_error().map_or_else(|| e.kind().into(), io::Error::from_raw_os_error);
            self.failure.get_or_insert_with(copy);
        }
        result
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        let written = self.note(written)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.note(flushed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at a time and has room for ten.
    struct Small(Vec<u8>);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(3);
            if self.0.len() + taken > 10 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_bytes_that_were_taken_count() {
        let mut tee = Tee::new(Small(Vec::new()));
        tee.write_all(b"abc").unwrap();
        assert!(tee.take_failure().is_none());
        let (_, bytes, hash) = tee.finish();
        // FIPS 180-2, appendix B.1.
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(bytes, 3);
    }

    #[test]
    fn a_failure_is_remembered() {
        let mut tee = Tee::new(Small(Vec::new()));
        assert!(tee.write_all(b"a dozen bytes").is_err());
        assert_eq!(tee.take_failure().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
