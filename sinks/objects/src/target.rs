//! Where objects go, checked without touching it.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// The root below which objects are published. Today a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    directory: PathBuf,
}

/// A target that cannot be one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was written.
    #[error("the target is empty; write a directory such as ./inventory, or file:///srv/inventory")]
    Empty,
    /// Somewhere we cannot write to.
    #[error("unknown scheme {0:?} in the target; known are: a plain path, file://")]
    UnknownScheme(String),
    /// A file URL that names no local directory.
    #[error("{0:?} names no local directory; write file:// and an absolute path, as in file:///srv/inventory")]
    NotLocal(String),
}

impl Target {
    /// Reads a path (`./inventory`, `/srv/inventory`) or a file URL (`file:///srv/inventory`).
    ///
    /// # Errors
    /// If it is empty, of another scheme, or a file URL of another host.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        if url.trim().is_empty() {
            return Err(TargetError::Empty);
        }
        let directory = match scheme(url) {
            None => PathBuf::from(url),
            Some("file") => {
                let parsed = Url::parse(url).ok().filter(|u| u.query().is_none() && u.fragment().is_none());
                let path = parsed.and_then(|u| u.to_file_path().ok());
                path.ok_or_else(|| TargetError::NotLocal(url.to_owned()))?
            }
            // Only the scheme is shown: the rest may carry credentials.
            Some(other) => return Err(TargetError::UnknownScheme(other.to_owned())),
        };
        Ok(Self { directory })
    }

    /// The same target with another directory, made of this one: for a caller whose relative paths begin elsewhere than at
    /// the working directory.
    #[must_use]
    pub fn map(self, directory: impl FnOnce(&Path) -> PathBuf) -> Self {
        Self { directory: directory(&self.directory) }
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directory.display().fmt(f)
    }
}

/// What stands before `://`, if it has the form of a scheme (RFC 3986, section 3.1); in lower case only for `file`.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !starts_well || !scheme.chars().all(allowed) {
        return None;
    }
    Some(if scheme.eq_ignore_ascii_case("file") { "file" } else { scheme })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_urls_are_read() {
        for (written, directory) in [
            ("./inventory", "./inventory"),
            ("/srv/inventory", "/srv/inventory"),
            ("file:///srv/inventory", "/srv/inventory"),
            ("FILE:///srv/my%20inventory", "/srv/my inventory"),
            ("file://localhost/srv", "/srv"),
            ("./odd://name", "./odd://name"),
        ] {
            assert_eq!(Target::parse(written).unwrap().directory(), Path::new(directory), "{written}");
        }
    }

    #[test]
    fn others_are_refused_with_what_is_known() {
        let unknown = Target::parse("s3://key:secret@bucket/x").unwrap_err().to_string();
        assert_eq!(unknown, r#"unknown scheme "s3" in the target; known are: a plain path, file://"#);
        assert_eq!(Target::parse(" "), Err(TargetError::Empty));
        for bad in ["file://elsewhere/srv", "file:///srv?x=1"] {
            assert_eq!(Target::parse(bad), Err(TargetError::NotLocal(bad.to_owned())));
        }
    }
}
