//! What the files say together: sinks, registries, and that they fit each other. Pure.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};

use stocktake_sink::RegistryName;

use super::settings::RegistryConfig;
use super::{registry, schedule, web};
use crate::sinks::SinkSettings;
use crate::web::WebSettings;
use yaml_sections::{Checked, Diagnostics, Field, Position, Section, YamlFile, path_from};

const STATE: &str = "./state";
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(4).expect("is not zero");

/// What the files say together.
pub(super) struct Parts {
    pub(super) state: PathBuf,
    pub(super) concurrency: NonZeroUsize,
    pub(super) sinks: BTreeMap<String, SinkSettings>,
    pub(super) registries: Vec<RegistryConfig>,
    pub(super) web: WebSettings,
}

/// Checks them.
pub(super) fn check(
    mut main: Section<'_>,
    included: &[Checked<YamlFile>],
    diagnostics: &Diagnostics,
) -> Checked<Parts> {
    let default = path_from(&diagnostics.bases().data, Path::new(STATE));
    let state = main.or("state", default, state);
    let concurrency = main.or("concurrency", CONCURRENCY, |field| field.positive(1_000));
    let web = web::read(&mut main);
    let mut sink_names = Vec::new();
    let example = "{warehouse: {type: parquet, url: ./inventory}}";
    let sinks = main.required("sinks", example, |field| sinks(field, state.as_deref().ok(), &mut sink_names));
    let schedule = schedule::read(&mut main);
    let mut lists: Vec<_> = main.take("registries").into_iter().collect();
    let mut all_read = true;
    for source in included {
        let section =
            source.as_ref().ok().and_then(|source| source.section("a mapping with `registries`", diagnostics).ok());
        all_read &= section.is_some();
        if let Some(mut section) = section {
            lists.extend(section.take("registries"));
            included_alone(&mut section);
            section.finish();
        }
    }
    let for_all = registry::ForAll { sinks: &sink_names, schedule: schedule.as_ref().ok() };
    let registries = match registries(&lists, &for_all) {
        // What could not be read may have had some.
        Ok(none) if none.is_empty() && all_read => {
            let help = "for example `registries: [{name: quay, url: https://quay.io}]`";
            Err(main.problem("there is no registry", help))
        }
        Ok(read) if all_read && schedule.is_ok() && read.iter().all(|registry| registry.schedule.is_none()) => {
            schedule::without_effect(&mut main, "no registry has a `schedule`").map(|()| read)
        }
        read => read,
    };
    main.finish();
    schedule?;
    Ok(Parts { state: state?, concurrency: concurrency?, sinks: sinks?, registries: registries?, web: web? })
}

/// Reports what an included file cannot set.
fn included_alone(section: &mut Section<'_>) {
    for key in ["include", "state", "concurrency", "sinks", "listen", "web"].into_iter().chain(schedule::KEYS) {
        let message = format!("`{key}` belongs to the main file");
        // Reported is enough: the file's registries are checked all the same.
        let _ = section.refuse(key, &message, "an included file has `registries` alone");
    }
}

fn state(field: &Field<'_>) -> Checked<PathBuf> {
    if field.text()?.contains("://") {
        return Err(field.problem("expected a directory, found a url", None));
    }
    field.data_path()
}

/// The settings of all sinks. `names` gains the name of each, also of those that are wrong.
fn sinks<'a>(
    field: &Field<'a>,
    state: Option<&Path>,
    names: &mut Vec<&'a str>,
) -> Checked<BTreeMap<String, SinkSettings>> {
    let sinks = field.named()?;
    if sinks.is_empty() {
        return Err(field.problem("expected at least one sink, found none", None));
    }
    names.extend(sinks.iter().map(|(_, name, _)| name));
    names.sort_unstable();
    let state = state.map(|path| plain(&path.to_string_lossy()));
    let mut directories = HashMap::new();
    let read: Vec<_> = sinks
        .iter()
        .map(|(place, name, field)| {
            let settings = sink(place, name, field)?;
            let directory = settings.directory().map(|path| plain(&path));
            // Whoever clears the state must not clear inventories with it.
            if directory.is_some() && directory == state {
                let message = format!("`{name}` writes to the directory of `state`");
                let help = "give the sink a directory of its own".to_owned();
                return Err(field.diagnostics.add(place.problem(message, Some(help))));
            }
            match directory.and_then(|path| directories.insert(path, *name)) {
                Some(first) => Err(field.diagnostics.add(place.problem(
                    format!("`{name}` writes to the directory of `{first}`"),
                    Some("give each sink a directory of its own".to_owned()),
                ))),
                None => Ok(((*name).to_owned(), settings)),
            }
        })
        .collect();
    read.into_iter().collect()
}

/// `./inventory/` is `inventory`.
fn plain(path: &str) -> PathBuf {
    Path::new(path).components().filter(|part| *part != Component::CurDir).collect()
}

fn sink(place: &Position, name: &str, field: &Field<'_>) -> Checked<SinkSettings> {
    // It becomes a metric label and a path, as a registry's name does.
    let valid = name.parse::<RegistryName>().map_err(|_| {
        let message =
            "expected 1 to 63 letters, digits, `.`, `_` or `-` as the name of a sink, a letter or a digit first";
        field.diagnostics.add(place.problem(message, None))
    });
    let mut section = field.section()?;
    let settings = SinkSettings::parse(&mut section);
    section.finish();
    valid?;
    settings
}

fn registries(lists: &[Field<'_>], main: &registry::ForAll<'_>) -> Checked<Vec<RegistryConfig>> {
    let mut places = HashMap::new();
    let mut all = Vec::new();
    for list in lists {
        match list.list() {
            Ok(entries) => all.extend(entries.iter().map(|entry| registry(entry, main, &mut places))),
            Err(reported) => all.push(Err(reported)),
        }
    }
    all.into_iter().collect()
}

fn registry(
    entry: &Field<'_>,
    main: &registry::ForAll<'_>,
    places: &mut HashMap<RegistryName, Position>,
) -> Checked<RegistryConfig> {
    let mut section = entry.section()?;
    let name = section.required("name", "quay", |field| registry_name(field, places));
    let registry = registry::read(&mut section, name, main);
    section.finish();
    registry
}

/// The name of a registry, which must not be among those of `places`.
fn registry_name(field: &Field<'_>, places: &mut HashMap<RegistryName, Position>) -> Checked<RegistryName> {
    let name: RegistryName = field.parse(str::parse)?;
    match places.entry(name.clone()) {
        Entry::Occupied(first) => {
            let help = match first.get() {
                same if *same == field.position => "an alias repeats the whole entry".to_owned(),
                first => format!("the first is at {first}"),
            };
            Err(field.problem(format!("there are two registries `{name}`"), Some(help)))
        }
        Entry::Vacant(free) => {
            free.insert(field.position.clone());
            Ok(name)
        }
    }
}
