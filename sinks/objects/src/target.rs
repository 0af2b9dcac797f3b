//! The directory of objects, as a path or a URL. It is checked without touching the disk.

use std::fmt;
use std::path::{Path, PathBuf};

use stocktake_sink::{AbsentOption, OptionRefused, SinkOption, SinkOptions};
use url::Url;

/// The root below which objects are published. Today a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    directory: PathBuf,
}

/// Why a text is not a target.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text is empty.
    #[error("the target is empty; write a directory such as ./inventory, or file:///srv/inventory")]
    Empty,
    /// An unknown scheme.
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
            // Only the scheme is shown, because the rest may contain credentials.
            Some(other) => return Err(TargetError::UnknownScheme(other.to_owned())),
        };
        Ok(Self { directory })
    }

    /// The option `url` of a kind of sink that writes objects.
    pub const fn option(example: &'static str) -> SinkOption {
        SinkOption {
            key: "url",
            accepts: "a directory, or a `file://` URL",
            absent: AbsentOption::Required(example),
            meaning: "Directory of the files. No other sink may have it.",
        }
    }

    /// Reads that option. A relative path starts at the directory for data.
    ///
    /// # Errors
    /// If the option is missing or [`Target::parse`] refuses it; this is reported.
    pub fn read(options: &mut dyn SinkOptions, option: &'static SinkOption) -> Result<Self, OptionRefused> {
        let written = options.parse(option, Self::parse)?;
        Ok(Self { directory: options.data_path(&written.directory) })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directory.display().fmt(f)
    }
}

/// The part before `://` if it has the form of a scheme (RFC 3986, section 3.1). Only `file` is changed to lower case.
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
