//! Reads bodies within bounds: hyper has no bound of its own, and sixteen kilobytes of gzip can become sixteen
//! megabytes. Reads chunks as they arrive, and stops at the bound. Does not look at the content.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use crate::grammar::shown;
use crate::problem::body::BodyError;

/// How many times as large a body may become when it is decompressed, and how large in any case. Gzip packs at most a
/// thousandfold, and only content that repeats itself; lists of names and manifests 5 to 60 times.
const MOST_PACKED: usize = 200;
const ANY_PACKED: usize = 1 << 20;

/// Bounds on a body, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cap {
    /// The bound on the body as it is received, perhaps compressed.
    pub(crate) packed: usize,
    /// The bound on the body when it is not, or no longer, compressed.
    pub(crate) plain: usize,
}

impl Cap {
    /// For a page of a list.
    pub(crate) const PAGE: Self = Self { packed: 8 << 20, plain: 32 << 20 };
    /// For a page of a registry's own API: a hundred entries of some kilobytes. Parsed into a value, it takes several
    /// times as much memory.
    pub(crate) const API: Self = Self { packed: 8 << 20, plain: 8 << 20 };
    /// For a manifest: the size that the distribution specification asks registries to accept at least, and that most
    /// accept at most.
    pub(crate) const MANIFEST: Self = Self { packed: 4 << 20, plain: 4 << 20 };
    /// For the configuration of an image, which has its history.
    pub(crate) const CONFIG: Self = Self { packed: 8 << 20, plain: 8 << 20 };
    /// For answers of token endpoints and for errors, which are short.
    pub(crate) const SMALL: Self = Self { packed: 256 << 10, plain: 1 << 20 };
}

/// A body that is being received.
#[derive(Debug)]
pub(crate) struct BodyReader {
    cap: Cap,
    packed: usize,
    into: BodyDecoder,
}

#[derive(Debug)]
enum BodyDecoder {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

/// The codings that [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-content-coding-registry) and others register
/// as compression. Storage services return any `Content-Encoding` that was uploaded, such as `aws-chunked`, `none`,
/// `utf-8`; those do not change the body.
const COMPRESSIONS: [&str; 12] =
    ["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz", "exi", "pack200-gzip", "lzma"];

impl BodyReader {
    /// Prepares for a body with this `Content-Encoding` and, if announced, this length.
    pub(crate) fn new(encoding: Option<&[u8]>, length: Option<u64>, cap: Cap) -> Result<Self, BodyError> {
        let gzip = is_gzip(encoding)?;
        let most = if gzip { cap.packed } else { cap.plain };
        let length = usize::try_from(length.unwrap_or(0)).unwrap_or(usize::MAX);
        if length > most {
            return Err(BodyError::TooLarge(most));
        }
        // Memory for the announced length is reserved up to one megabyte; beyond that, it grows with what arrives.
        let start = if gzip { 4 * length } else { length }.min(1 << 20);
        let sink = Capped { bytes: Vec::with_capacity(start), most: cap.plain, over: false };
        let into = if gzip { BodyDecoder::Gzip(Box::new(MultiGzDecoder::new(sink))) } else { BodyDecoder::Plain(sink) };
        Ok(Self { cap, packed: 0, into })
    }

    /// Adds the next chunk.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        match &mut self.into {
            BodyDecoder::Plain(sink) => sink.write_all(chunk).map_err(|_| BodyError::TooLarge(self.cap.plain)),
            BodyDecoder::Gzip(decoder) => {
                self.packed += chunk.len();
                if self.packed > self.cap.packed {
                    return Err(BodyError::TooLarge(self.cap.packed));
                }
                decoder.get_mut().most = self.cap.plain.min((self.packed * MOST_PACKED).max(ANY_PACKED));
                let written = decoder.write_all(chunk);
                written.map_err(|error| gzip_error(decoder.get_ref(), self.cap, error))
            }
        }
    }

    /// The whole body.
    pub(crate) fn finish(self) -> Result<Vec<u8>, BodyError> {
        match self.into {
            BodyDecoder::Plain(sink) => Ok(sink.bytes),
            // Some proxies send `Content-Encoding: gzip` with an empty body.
            BodyDecoder::Gzip(_) if self.packed == 0 => Ok(Vec::new()),
            BodyDecoder::Gzip(mut decoder) => {
                let finished = decoder.try_finish();
                finished.map_err(|error| gzip_error(decoder.get_ref(), self.cap, error))?;
                Ok(std::mem::take(&mut decoder.get_mut().bytes))
            }
        }
    }
}

/// Whether a body is gzip by its `Content-Encoding`. Codings that are not compression do not count.
fn is_gzip(encoding: Option<&[u8]>) -> Result<bool, BodyError> {
    let stated = String::from_utf8_lossy(encoding.unwrap_or_default()).to_ascii_lowercase();
    let mut compressions = stated.split(',').map(str::trim).filter(|coding| COMPRESSIONS.contains(coding));
    match (compressions.next(), compressions.next()) {
        (None, _) => Ok(false),
        (Some("gzip" | "x-gzip"), None) => Ok(true),
        _ => Err(BodyError::Encoding(shown(stated.trim()))),
    }
}

fn gzip_error(sink: &Capped, cap: Cap, error: io::Error) -> BodyError {
    match sink.over {
        true if sink.most < cap.plain => BodyError::Packed(MOST_PACKED),
        true => BodyError::TooLarge(sink.most),
        false => BodyError::Gzip(error),
    }
}

/// A buffer that does not grow beyond its bound.
struct Capped {
    bytes: Vec<u8>,
    most: usize,
    over: bool,
}

impl std::fmt::Debug for Capped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The buffer may hold the answer of a token endpoint, so `Debug` shows sizes only.
        write!(f, "{} of at most {} bytes", self.bytes.len(), self.most)
    }
}

impl Write for Capped {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if chunk.len() > self.most - self.bytes.len() {
            self.over = true;
            return Err(io::Error::other("over the cap"));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const CAP: Cap = Cap { packed: 1000, plain: 10_000 };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn read(encoding: Option<&[u8]>, bytes: &[u8]) -> Result<Vec<u8>, BodyError> {
        let mut body = BodyReader::new(encoding, None, CAP)?;
        bytes.chunks(7).try_for_each(|chunk| body.push(chunk))?;
        body.finish()
    }

    #[test]
    fn plain_and_gzip_bodies_come_through() {
        assert_eq!(read(None, b"hello").expect("plain"), b"hello");
        assert_eq!(read(Some(b"identity"), b"hello").expect("plain"), b"hello");
        assert_eq!(read(Some(b"GZIP"), &gzip(b"hello")).expect("gzip"), b"hello");
        assert_eq!(read(Some(b"gzip"), b"").expect("empty"), b"");
        let two_members = [gzip(b"hel"), gzip(b"lo")].concat();
        assert_eq!(read(Some(b"gzip"), &two_members).expect("gzip"), b"hello");
    }

    #[test]
    fn both_caps_hold_whatever_was_announced() {
        assert!(matches!(read(None, &[0; 10_001]), Err(BodyError::TooLarge(10_000))));
        assert!(matches!(read(Some(b"gzip"), &gzip(&vec![0; 1_000_000])), Err(BodyError::TooLarge(10_000))));
        assert!(matches!(BodyReader::new(None, Some(10_001), CAP), Err(BodyError::TooLarge(10_000))));
        assert!(matches!(BodyReader::new(Some(b"gzip"), Some(1001), CAP), Err(BodyError::TooLarge(1000))));
        assert!(matches!(BodyReader::new(None, Some(u64::MAX), CAP), Err(BodyError::TooLarge(10_000))));
        let noise: Vec<u8> = (0..3000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(matches!(read(Some(b"gzip"), &gzip(&noise)), Err(BodyError::TooLarge(1000))));
    }

    #[test]
    fn a_body_that_says_next_to_nothing_is_not_unpacked() {
        let unpacked = |bytes: &[u8]| {
            let mut body = BodyReader::new(Some(b"gzip"), None, Cap::PAGE).expect("gzip");
            bytes.chunks(16 << 10).try_for_each(|chunk| body.push(chunk))?;
            body.finish()
        };
        let name = |number: usize| format!("\"a-team-of-ours/with-a-long-name/service-{number:06}\",");
        let list: String = (0..200_000).map(name).collect();
        assert_eq!(unpacked(&gzip(list.as_bytes())).expect("a list of names").len(), list.len());
        let bomb = gzip("\"a\",".repeat(4 << 20).as_bytes());
        assert!(matches!(unpacked(&bomb), Err(BodyError::Packed(_))));
        let small = "\"a\",".repeat(ANY_PACKED / 4);
        assert_eq!(unpacked(&gzip(small.as_bytes())).expect("no harm").len(), small.len());
    }

    #[test]
    fn damaged_gzip_and_other_encodings_are_errors() {
        let whole = gzip(b"hello hello hello hello");
        assert!(matches!(read(Some(b"gzip"), &whole[..whole.len() - 9]), Err(BodyError::Gzip(_))));
        assert!(matches!(read(Some(b"gzip"), b"not gzip at all"), Err(BodyError::Gzip(_))));
        for encoding in ["br", "zstd", "gzip, gzip", "deflate", "aws-chunked, ZSTD", "br\u{1b}[2J, br"] {
            let error = read(Some(encoding.as_bytes()), b"").expect_err("not asked for").to_string();
            assert!(error.contains("the encoding `") && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn an_encoding_that_is_no_compression_does_not_count() {
        for encoding in ["aws-chunked", "none", "utf-8", "binary", "aws-chunked,", "UTF-8, identity", "\u{fc}", "8bit"]
        {
            assert_eq!(read(Some(encoding.as_bytes()), b"hello").expect("plain"), b"hello", "{encoding}");
        }
        for encoding in ["aws-chunked,gzip", "gzip, aws-chunked", "identity, X-GZIP"] {
            assert_eq!(read(Some(encoding.as_bytes()), &gzip(b"hello")).expect("gzip"), b"hello", "{encoding}");
        }
    }
}
