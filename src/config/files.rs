//! Finds and reads the files of a configuration. No other part of the configuration reads the disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use yaml_sections::{Checked, ConfigProblem, Diagnostics, Field, Position, YamlFile};

/// The main files that are tried if none is named.
pub(super) const USUAL: [&str; 2] = ["config/stocktake.yaml", "/etc/stocktake/stocktake.yaml"];
/// Far above a thousand registries. A larger file is not a configuration.
const MAX_BYTES: u64 = 1024 * 1024;
const MAX_FILES: usize = 1000;

/// The main file: the named one, else the first of the usual files that exists.
pub(super) fn find(explicit: Option<&Path>, usual: &[&str]) -> Result<PathBuf, ConfigProblem> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    // A file that exists but cannot be read is reported. The next one is not tried.
    let there = |path: &&&str| fs::symlink_metadata(path).is_ok();
    usual.iter().find(there).map(PathBuf::from).ok_or_else(|| {
        let help = format!("looked for {}; name another with --config FILE", usual.join(" and "));
        Position::whole(Path::new(usual[0])).problem("there is no configuration file", Some(help))
    })
}

/// Reads files, each once, and hashes their bytes.
pub(super) struct ConfigFiles<'r> {
    diagnostics: &'r Diagnostics,
    read: BTreeSet<PathBuf>,
    digest: Sha256,
}

impl<'r> ConfigFiles<'r> {
    pub(super) fn new(diagnostics: &'r Diagnostics) -> Self {
        Self { diagnostics, read: BTreeSet::new(), digest: Sha256::new() }
    }

    /// The main file.
    pub(super) fn main(&mut self, path: &Path) -> Checked<YamlFile> {
        let text =
            self.text(path).map_err(|reason| self.diagnostics.add(Position::whole(path).problem(reason, None)))?;
        self.parse(path, &text)
    }

    /// The files that `include` names, relative to `directory`, in the order of their names.
    pub(super) fn included(&mut self, include: &Field<'_>, directory: &Path) -> Vec<Checked<YamlFile>> {
        let patterns = match include.each(|field| field.text().map(|text| (field.position.clone(), text))) {
            Ok(patterns) => patterns,
            Err(reported) => return vec![Err(reported)],
        };
        let main = self.read.clone();
        let mut sources = Vec::new();
        for (place, pattern) in patterns {
            match expand(directory, pattern) {
                Ok(paths) if paths.iter().any(|path| path.canonicalize().is_ok_and(|same| main.contains(&same))) => {
                    let help = "leave it out; if it is a pattern, put the other files into a directory of their own";
                    let problem = place.problem("`include`: the file includes itself", Some(help.to_owned()));
                    sources.push(Err(self.diagnostics.add(problem)));
                }
                Ok(paths) => sources.extend(paths.iter().filter_map(|path| self.include(path, &place))),
                Err(message) => {
                    sources.push(Err(self.diagnostics.add(place.problem(format!("`include`: {message}"), None))));
                }
            }
        }
        sources
    }

    /// An included file. `None`: it was read before.
    fn include(&mut self, path: &Path, place: &Position) -> Option<Checked<YamlFile>> {
        if path.canonicalize().is_ok_and(|same| self.read.contains(&same)) {
            return None;
        }
        // A pipe would block, and a directory is a mistake.
        let text = match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err("it is not a file".to_owned()),
            _ => self.text(path),
        };
        let text = text.map_err(|reason| {
            let message = format!("`include`: cannot read {}: {reason}", path.display());
            self.diagnostics.add(place.problem(message, None))
        });
        Some(text.and_then(|text| self.parse(path, &text)))
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        self.read.extend(path.canonicalize());
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| in_words(&error))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| in_words(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(format!("it is larger than {MAX_BYTES} bytes"));
        }
        self.digest.update(&bytes);
        String::from_utf8(bytes)
            .map_err(|error| format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
    }

    fn parse(&self, path: &Path, text: &str) -> Checked<YamlFile> {
        YamlFile::parse(path, text).map_err(|problem| self.diagnostics.add(problem))
    }

    /// The SHA-256 of all bytes that were read, in hexadecimal.
    pub(super) fn sha256(self) -> String {
        hex::encode(self.digest.finalize())
    }
}

/// The paths that a pattern matches; may be none. A path without pattern characters is returned even if it does not exist.
fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![directory.join(pattern)]);
    }
    let pattern = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        let directory = directory.to_str().ok_or("the directory's name is not UTF-8")?;
        Path::new(&glob::Pattern::escape(directory)).join(pattern).to_string_lossy().into_owned()
    };
    let options =
        glob::MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..Default::default() };
    let found = glob::glob_with(&pattern, options).map_err(|error| format!("not a pattern: {}", error.msg))?;
    let paths: Vec<_> = found
        .take(MAX_FILES + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("cannot read {}: {}", error.path().display(), in_words(error.error())))?;
    if paths.len() > MAX_FILES {
        return Err(format!("the pattern names more than {MAX_FILES} files"));
    }
    Ok(paths)
}

/// What the operating system said, in plain words.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
