//! Where a store is: a directory or a bucket, as a path or a URL. It is read without touching disk or network.

use std::fmt;
use std::path::{Path, PathBuf};

use stocktake_sink::{SinkError, SinkErrorKind};
use url::Url;

/// Where objects are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A local directory.
    Directory(PathBuf),
    /// A prefix in a bucket.
    Bucket {
        /// Whose bucket.
        kind: BucketKind,
        /// The name of the bucket; for Azure, of the container.
        bucket: String,
        /// The prefix of all keys, without `/` at its ends; may be empty.
        prefix: String,
    },
}

/// The kinds of object storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketKind {
    /// Amazon S3, and servers that speak its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl BucketKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    /// The scheme of URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }

    /// The cargo feature that a build needs for it.
    pub fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gcs",
            Self::Azure => "azure",
        }
    }

    /// Whether this build can open such buckets.
    pub fn is_built(self) -> bool {
        match self {
            Self::S3 => cfg!(feature = "s3"),
            Self::Google => cfg!(feature = "gcs"),
            Self::Azure => cfg!(feature = "azure"),
        }
    }

    /// What the provider calls a bucket.
    pub fn noun(self) -> &'static str {
        match self {
            Self::S3 | Self::Google => "bucket",
            Self::Azure => "container",
        }
    }
}

/// Why a text is not a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The text is empty.
    #[error("the target is empty; write a directory such as ./inventory, or a bucket as s3://bucket/prefix")]
    Empty,
    /// An unknown scheme.
    #[error(
        "unknown scheme {0:?} in the target; known are: a plain path, file://, s3://bucket/prefix, gs://bucket/prefix, \
         az://container/prefix"
    )]
    UnknownScheme(String),
    /// A file URL that names no local directory.
    #[error("{0:?} names no local directory; write file:// and an absolute path, as in file:///srv/inventory")]
    NotLocal(String),
    /// Something beside a bucket and a prefix. The text is not repeated, since it may have a password.
    #[error(
        "the URL has a login, a port, a query or a fragment; write {0}://{1}/prefix alone, and the rest in `options`"
    )]
    More(&'static str, &'static str),
    /// The name of the bucket is missing or has characters that no bucket has.
    #[error(
        "the URL names no {1}; write {0}://{1}/prefix, with letters, digits, `.`, `_` and `-` in the name of the {1}"
    )]
    NoBucket(&'static str, &'static str),
    /// The prefix has characters that engines escape in different ways.
    #[error("the prefix has a character that is not a letter, a digit, `.`, `_`, `-`, `=` or `/`, or an empty part")]
    Prefix,
}

impl Place {
    /// Reads a path (`./inventory`), a file URL (`file:///srv/inventory`), or the URL of a bucket (`s3://bucket/prefix`,
    /// `gs://bucket/prefix`, `az://container/prefix`).
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(url: &str) -> Result<Self, PlaceError> {
        if url.trim().is_empty() {
            return Err(PlaceError::Empty);
        }
        let Some((scheme, rest)) = scheme(url) else { return Ok(Self::Directory(PathBuf::from(url))) };
        if scheme == "file" {
            let parsed = Url::parse(url).ok().filter(|u| u.query().is_none() && u.fragment().is_none());
            let path = parsed.and_then(|u| u.to_file_path().ok());
            return path.map(Self::Directory).ok_or_else(|| PlaceError::NotLocal(url.to_owned()));
        }
        match BucketKind::ALL.into_iter().find(|kind| kind.scheme() == scheme) {
            Some(kind) => bucket(kind, rest),
            // Only the scheme is shown, because the rest may contain credentials.
            None => Err(PlaceError::UnknownScheme(scheme)),
        }
    }

    /// The error of a build without such buckets.
    #[allow(dead_code)] // a build with all kinds has no need of it
    pub(crate) fn left_out(&self, kind: BucketKind) -> SinkError {
        let (scheme, feature) = (kind.scheme(), kind.feature());
        let message = format!(
            "cannot open {self}: this build of stocktake is without {scheme}:// buckets; use a build with the cargo \
             feature `{feature}`"
        );
        SinkError::new(SinkErrorKind::Invalid, message)
    }

    /// The directory, if it is one.
    pub fn as_directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::Bucket { .. } => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Bucket { kind, bucket, prefix } if prefix.is_empty() => write!(f, "{}://{bucket}", kind.scheme()),
            Self::Bucket { kind, bucket, prefix } => write!(f, "{}://{bucket}/{prefix}", kind.scheme()),
        }
    }
}

fn bucket(kind: BucketKind, rest: &str) -> Result<Place, PlaceError> {
    let (scheme, noun) = (kind.scheme(), kind.noun());
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains(['@', ':']) || rest.contains(['?', '#']) {
        return Err(PlaceError::More(scheme, noun));
    }
    let is_allowed = |more: &'static str| move |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    let is_name = bucket.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '$');
    if !is_name || !bucket.chars().all(is_allowed("._-$")) {
        return Err(PlaceError::NoBucket(scheme, noun));
    }
    let prefix = prefix.trim_end_matches('/');
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !prefix.chars().all(is_allowed("._-=/")) || !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Err(PlaceError::Prefix);
    }
    Ok(Place::Bucket { kind, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// The part before `://` if it has the form of a scheme (RFC 3986, section 3.1), in lower case if it is known; and the
/// rest.
fn scheme(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !starts_well || !scheme.chars().all(allowed) {
        return None;
    }
    let lower = scheme.to_ascii_lowercase();
    let is_known = lower == "file" || BucketKind::ALL.iter().any(|kind| kind.scheme() == lower);
    Some((if is_known { lower } else { scheme.to_owned() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_urls_are_directories() {
        for (written, directory) in [
            ("./inventory", "./inventory"),
            ("/srv/inventory", "/srv/inventory"),
            ("file:///srv/inventory", "/srv/inventory"),
            ("FILE:///srv/my%20inventory", "/srv/my inventory"),
            ("file://localhost/srv", "/srv"),
            ("./odd://name", "./odd://name"),
        ] {
            assert_eq!(Place::parse(written).unwrap().as_directory(), Some(Path::new(directory)), "{written}");
        }
    }

    #[test]
    fn urls_of_buckets_are_read_and_shown_as_they_are_written() {
        for (written, kind, name, prefix, shown) in [
            ("s3://inv", BucketKind::S3, "inv", "", "s3://inv"),
            ("S3://inv/a/b/", BucketKind::S3, "inv", "a/b", "s3://inv/a/b"),
            ("gs://my.bucket/team=x", BucketKind::Google, "my.bucket", "team=x", "gs://my.bucket/team=x"),
            ("az://$web/inventory", BucketKind::Azure, "$web", "inventory", "az://$web/inventory"),
        ] {
            let place = Place::parse(written).unwrap();
            assert_eq!(place, Place::Bucket { kind, bucket: name.to_owned(), prefix: prefix.to_owned() });
            assert_eq!(place.to_string(), shown);
        }
    }

    #[test]
    fn others_are_refused_with_what_is_known_and_without_their_passwords() {
        let unknown = Place::parse("ftp://key:secret@host/x").unwrap_err().to_string();
        assert!(unknown.starts_with(r#"unknown scheme "ftp" in the target; known are: a plain path, file://, s3://"#));
        assert_eq!(Place::parse(" "), Err(PlaceError::Empty));
        for bad in ["file://elsewhere/srv", "file:///srv?x=1"] {
            assert_eq!(Place::parse(bad), Err(PlaceError::NotLocal(bad.to_owned())));
        }
        for bad in ["s3://key:s3cr3t@inv/x", "s3://inv/x?region=s3cr3t", "s3://inv:9000/s3cr3t", "s3://inv/#s3cr3t"] {
            let refused = Place::parse(bad).unwrap_err();
            assert_eq!(refused, PlaceError::More("s3", "bucket"), "{bad}");
            assert!(!refused.to_string().contains("s3cr3t"));
        }
        assert_eq!(Place::parse("az:///x"), Err(PlaceError::NoBucket("az", "container")));
        for bad in ["s3://inv//x", "s3://inv/a/../b", "s3://inv/a b", "s3://inv/%20"] {
            assert_eq!(Place::parse(bad), Err(PlaceError::Prefix), "{bad}");
        }
    }
}
