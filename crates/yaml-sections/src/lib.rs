//! Reads settings from YAML. All problems of all files are reported at once, each with its file, line and column.
//!
//! A derived `Deserialize` stops at the first error. Here, reading has three steps instead:
//!
//! 1. [`YamlFile::parse`] reads the text of a file into a tree of [`YamlNode`]s that know their positions. The size of
//!    the tree is bounded, so a file with aliases of aliases cannot fill the memory.
//! 2. A [`Section`] is one mapping of the tree. A reader asks for keys. Each is a `static` that also has a description:
//!    a [`RequiredKey`], [`OptionalKey`], [`DefaultKey`] or [`DerivedKey`]. The answer is a [`Field`], which converts
//!    the value to a type: [`Field::text`], [`Field::duration`], [`Field::one_of`], and so on.
//!    [`Section::finish`] reports the keys that the reader did not ask for. [`Section::keys`] has the descriptions of
//!    those that it asked for; a settings reference can be made of them.
//! 3. [`Diagnostics`] collects the problems. A reader gets [`Checked<T>`]: the value, or the proof that a problem was
//!    reported. It keeps reading after a problem and uses `?` only when it puts the values together.
//!    [`Diagnostics::settle`] returns the result, or all problems.
//!
//! No message repeats a value, because a password could stand in the wrong place. Names of keys are repeated only if
//! they look like names ([`is_plain`]).
//!
//! ```
//! use std::path::Path;
//! use std::time::Duration;
//! use yaml_sections::Phrase::Plain;
//! use yaml_sections::{Checked, DefaultKey, Diagnostics, Field, RequiredKey, Section, YamlFile};
//!
//! static HOST: RequiredKey = RequiredKey::new("host", Plain("text"), "db.example.org", "The server's name.");
//! static TIMEOUT: DefaultKey<Duration> =
//!     DefaultKey::new("timeout", Plain("a duration"), || Duration::from_secs(30), "The longest wait for an answer.");
//!
//! #[derive(Debug)]
//! struct Server {
//!     host: String,
//!     timeout: Duration,
//! }
//!
//! fn server(section: &mut Section<'_>) -> Checked<Server> {
//!     // Both keys are read before `?` ends the function at the first bad one.
//!     let host = section.required(&HOST, |field| field.text().map(str::to_owned));
//!     let timeout = section.or(&TIMEOUT, Field::duration);
//!     Ok(Server { host: host?, timeout: timeout? })
//! }
//!
//! fn load(text: &str) -> Result<Server, String> {
//!     let path = Path::new("server.yaml");
//!     let file = YamlFile::parse(path, text).map_err(|problem| problem.to_string())?;
//!     let diagnostics = Diagnostics::default();
//!     let checked = file.section("a mapping", &diagnostics).and_then(|mut section| {
//!         let server = server(&mut section);
//!         section.finish();
//!         server
//!     });
//!     diagnostics.settle(path, checked).map(|(server, _notes)| server).map_err(|problems| problems.to_string())
//! }
//!
//! let server = load("host: db.example.org\ntimeout: 1m30s\n").unwrap();
//! assert_eq!((server.host.as_str(), server.timeout.as_secs()), ("db.example.org", 90));
//!
//! let problems = "\
//! server.yaml:1:1: `host` is missing
//!     for example `host: db.example.org`
//! server.yaml:1:1: unknown key `timout`
//!     did you mean `timeout`?";
//! assert_eq!(load("timout: 5s\n").unwrap_err(), problems);
//! ```
#![deny(missing_docs)]

mod diagnostics;
mod duration;
mod field;
mod file;
mod key;
mod node;
mod paths;
mod problem;
mod section;
mod syntax;
mod words;

pub use diagnostics::{Checked, Diagnostics, Mention, Reported};
pub use duration::parse as parse_duration;
pub use field::{Field, LONGEST_DURATION};
pub use file::YamlFile;
pub use key::{
    AbsentKey, DefaultKey, DefaultValue, Derived, DerivedKey, DescribedKey, Example, KeyDescription, KnownKey,
    OptionalKey, Phrase, RequiredKey, SettingKey, Written, alternatives,
};
pub use node::{YamlNode, YamlValue};
pub use paths::{PathBases, path_from};
pub use problem::{ConfigNote, ConfigProblem, ConfigProblems, Position};
pub use section::Section;
pub use words::{is_plain, named, nearest};
