//! The configuration: YAML files, read and checked as a whole. What is wrong is reported all at once with its place;
//! only a checked [`Config`] leaves this room. Reads the configuration files, nothing else, and no network.
#![allow(clippy::zero_sized_map_values)] // without any sink built in, `SinkSettings` has no values

mod auth;
mod duration;
mod field;
mod files;
mod node;
mod problem;
mod registry;
mod section;
#[cfg(test)]
mod tests;
mod words;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stocktake_sink::RegistryName;

use crate::registry::Settings;
use crate::snapshot::JudgeSettings;
use crate::sinks::SinkSettings;
use crate::walk::WalkSettings;
use field::Field;
use files::Files;
use node::{Node, Source, Value};
pub(crate) use problem::Checked;
use problem::{Place, Report};
pub use problem::{Problem, Problems};
pub(crate) use section::Section;
pub(crate) use words::suggest;

const STATE: &str = "./state";
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(4).expect("is not zero");

/// A configuration without a known mistake.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of what is kept between runs; relative to the working directory, like every path but those of
    /// `include`.
    pub state: PathBuf,
    /// Registries walked at the same time.
    pub concurrency: NonZeroUsize,
    /// Where inventories go, by name; at least one.
    pub sinks: BTreeMap<String, SinkSettings>,
    /// The registries in the order of the files; at least one, no two of one name.
    pub registries: Vec<RegistryConfig>,
    /// SHA-256 of the bytes of all files as read, in hexadecimal.
    pub sha256: String,
    /// The main file.
    pub file: PathBuf,
}

/// One registry.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// For the protocol.
    pub client: Settings,
    /// For the walk.
    pub walk: WalkSettings,
    /// For the verdict.
    pub judge: JudgeSettings,
    /// The sinks that it is delivered to, all of them keys of [`Config::sinks`]; at least one.
    pub sinks: Vec<String>,
}

/// Reads and checks the configuration: this main file, or that of the first usual place.
///
/// # Errors
/// All problems of all files. A file that cannot be read or parsed is one of them and hides no other file's.
pub fn load(explicit: Option<&Path>) -> Result<Config, Problems> {
    let file = files::find(explicit, &files::USUAL).map_err(Problems::one)?;
    let report = Report::default();
    let checked = read(&file, &report);
    report.settle(&file, checked)
}

fn read(file: &Path, report: &Report) -> Checked<Config> {
    let mut files = Files::new(report);
    let main = files.main(file)?;
    let mut section = main.section("a mapping with `sinks` and `registries`", report)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let included = section.take("include").map_or_else(Vec::new, |field| files.included(&field, directory));
    let Parts { state, concurrency, sinks, registries } = check(section, &included, report)?;
    Ok(Config { state, concurrency, sinks, registries, sha256: files.sha256(), file: file.to_owned() })
}

/// What the files say together.
struct Parts {
    state: PathBuf,
    concurrency: NonZeroUsize,
    sinks: BTreeMap<String, SinkSettings>,
    registries: Vec<RegistryConfig>,
}

/// Checks what was read; pure.
fn check(mut main: Section<'_>, included: &[Source], report: &Report) -> Checked<Parts> {
    let state = main.or("state", STATE.into(), state);
    let concurrency = main.or("concurrency", CONCURRENCY, |field| field.positive(1_000));
    let mut sink_names = Vec::new();
    let sinks =
        main.required("sinks", "{warehouse: {type: parquet, url: ./inventory}}", |field| sinks(field, &mut sink_names));
    let mut lists: Vec<_> = main.take("registries").into_iter().collect();
    for source in included {
        if let Ok(mut section) = source.section("a mapping with `registries`", report) {
            lists.extend(section.take("registries"));
            included_alone(&mut section);
            section.finish();
        }
    }
    let registries = registries(&lists, &sink_names);
    let registries = match registries {
        Ok(none) if none.is_empty() => {
            let help = "for example `registries: [{name: quay, url: https://quay.io}]`";
            Err(main.problem("there is no registry", help))
        }
        read => read,
    };
    main.finish();
    Ok(Parts { state: state?, concurrency: concurrency?, sinks: sinks?, registries: registries? })
}

/// Reports what an included file cannot set.
fn included_alone(section: &mut Section<'_>) {
    for key in ["include", "state", "concurrency", "sinks"] {
        let message = format!("`{key}` belongs to the main file");
        // Reported is enough: the file's registries are checked all the same.
        let _ = section.refuse(key, &message, "an included file has `registries` alone");
    }
}

impl Source {
    fn section<'a>(&'a self, what: &str, report: &'a Report) -> Checked<Section<'a>> {
        // An empty file's root stands at its end, where nobody looks.
        let Node { line, column, value } = &self.root;
        let (line, column) = if matches!(value, Value::Null) { (1, 1) } else { (*line, *column) };
        let place = Place { file: Arc::clone(&self.file), line, column };
        Section::of(&self.root, place, what, report)
    }
}

fn state(field: &Field<'_>) -> Checked<PathBuf> {
    if field.text()?.contains("://") {
        return Err(field.problem("expected a directory, found a url", None));
    }
    field.path()
}

/// The settings of all sinks. `names` gains the name of each, also of those that are wrong.
fn sinks<'a>(field: &Field<'a>, names: &mut Vec<&'a str>) -> Checked<BTreeMap<String, SinkSettings>> {
    let sinks = field.named()?;
    if sinks.is_empty() {
        return Err(field.problem("expected at least one sink, found none", None));
    }
    names.extend(sinks.iter().map(|(_, name, _)| name));
    names.sort_unstable();
    let read: Vec<_> = sinks.into_iter().map(|(place, name, field)| sink(&place, name, &field)).collect();
    read.into_iter().collect()
}

fn sink(place: &Place, name: &str, field: &Field<'_>) -> Checked<(String, SinkSettings)> {
    // It becomes a metric label and a path, as a registry's name does.
    let valid = name.parse::<RegistryName>().map_err(|_| {
        let message =
            "expected 1 to 63 letters, digits, `.`, `_` or `-` as the name of a sink, a letter or a digit first";
        field.report.add(place.problem(message, None))
    });
    let mut section = field.section()?;
    let settings = SinkSettings::parse(&mut section);
    section.finish();
    valid?;
    Ok((name.to_owned(), settings?))
}

fn registries(lists: &[Field<'_>], sinks: &[&str]) -> Checked<Vec<RegistryConfig>> {
    let mut places = HashMap::new();
    let mut all = Vec::new();
    for list in lists {
        match list.list() {
            Ok(entries) => all.extend(entries.iter().map(|entry| registry(entry, sinks, &mut places))),
            Err(reported) => all.push(Err(reported)),
        }
    }
    all.into_iter().collect()
}

fn registry(entry: &Field<'_>, sinks: &[&str], places: &mut HashMap<RegistryName, Place>) -> Checked<RegistryConfig> {
    let mut section = entry.section()?;
    let name = section.required("name", "quay", |field| registry_name(field, places));
    let registry = registry::read(&mut section, name, sinks);
    section.finish();
    registry
}

/// The name of a registry, which must not be among those of `places`.
fn registry_name(field: &Field<'_>, places: &mut HashMap<RegistryName, Place>) -> Checked<RegistryName> {
    let name: RegistryName = field.parse(str::parse)?;
    match places.entry(name.clone()) {
        Entry::Occupied(first) => {
            let help = match first.get() {
                same if *same == field.place => "an alias repeats the whole entry".to_owned(),
                first => format!("the first is at {first}"),
            };
            Err(field.problem(format!("there are two registries `{name}`"), Some(help)))
        }
        Entry::Vacant(free) => {
            free.insert(field.place.clone());
            Ok(name)
        }
    }
}
