//! Checks the files together: the keys of the main file, sinks, registries, and whether they fit each other. Reads no file.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};

use stocktake_sink::{ConfiguredSink, RegistryName, SinkPlace};

use super::phrases::whole;
use super::settings::RegistryConfig;
use super::{auth, registry, schedule, web};
use crate::sinks;
use crate::web::WebSettings;
use yaml_sections::Phrase::{Computed, Plain};
use yaml_sections::{
    Checked, DefaultKey, DerivedKey, Diagnostics, Field, OptionalKey, Position, RequiredKey, Section, YamlFile,
    YamlValue, is_plain, path_from,
};

const DEFAULT_STATE: &str = "./state";
const MOST_REGISTRIES_AT_ONCE: u32 = 1_000;

static STATE: DerivedKey = DerivedKey::new(
    "state",
    Plain("a directory"),
    Computed(|| format!("`{DEFAULT_STATE}`")),
    "Directory of everything that is kept between runs.",
);
static CONCURRENCY: DefaultKey<NonZeroUsize> = DefaultKey::new(
    "concurrency",
    Computed(|| whole(1, MOST_REGISTRIES_AT_ONCE.into())),
    || NonZeroUsize::new(4).expect("is not zero"),
    "Registries walked at the same time. Fewer if the limit of open files is too low.",
);
static SINKS: RequiredKey = RequiredKey::new(
    "sinks",
    Plain("a mapping of names to sinks"),
    "{warehouse: {type: parquet, url: ./inventory}}",
    "Where inventories are delivered. You choose the names.",
);
static REGISTRIES: OptionalKey = OptionalKey::new(
    "registries",
    Plain("a list of registries"),
    Plain("those of included files"),
    "The registries of this file. All files together need at least one.",
);
static NAME: RequiredKey = RequiredKey::new(
    "name",
    Plain("1 to 63 letters, digits, `.`, `_` or `-`"),
    "quay",
    "Name of the registry in file names, metric labels and tables. No two registries have the same.",
);

/// Names that people expect for keys of the main file.
const MAIN_KEYS: [(&str, &str); 17] = [
    ("registry", "registries"),
    ("sink", "sinks"),
    ("output", "sinks"),
    ("outputs", "sinks"),
    ("targets", "sinks"),
    ("state_dir", "state"),
    ("state_directory", "state"),
    ("data_dir", "state"),
    ("listen_address", "listen"),
    ("bind", "listen"),
    ("port", "listen"),
    ("metrics", "listen"),
    ("includes", "include"),
    ("cron", "schedule"),
    ("tz", "time_zone"),
    ("zone", "time_zone"),
    ("parallelism", "concurrency"),
];
/// Names that people expect for keys of a sink.
const SINK_KEYS: [(&str, &str); 8] = [
    ("path", "url"),
    ("dir", "url"),
    ("directory", "url"),
    ("target", "url"),
    ("output", "url"),
    ("location", "url"),
    ("file", "url"),
    ("kind", "type"),
];

/// What the files say together, checked.
pub(super) struct CheckedFiles {
    pub(super) state: PathBuf,
    pub(super) concurrency: NonZeroUsize,
    pub(super) sinks: BTreeMap<String, ConfiguredSink>,
    pub(super) registries: Vec<RegistryConfig>,
    pub(super) web: WebSettings,
}

/// Checks the main file and the files that it includes.
pub(super) fn check(
    mut main: Section<'_>,
    included: &[Checked<YamlFile>],
    diagnostics: &Diagnostics,
) -> Checked<CheckedFiles> {
    let checked = check_keys(&mut main, included, diagnostics);
    main.suggest(&MAIN_KEYS);
    main.finish();
    checked
}

/// The same without a report of unknown keys of the main file.
pub(super) fn check_keys(
    main: &mut Section<'_>,
    included: &[Checked<YamlFile>],
    diagnostics: &Diagnostics,
) -> Checked<CheckedFiles> {
    let default = path_from(&diagnostics.bases().data, Path::new(DEFAULT_STATE));
    let state = main.or_derived(&STATE, default, state);
    let concurrency = main.or(&CONCURRENCY, |field| field.positive(MOST_REGISTRIES_AT_ONCE));
    let web = web::read(main);
    let mut sink_names = Vec::new();
    let sinks = main.required(&SINKS, |field| all_sinks(field, state.as_deref().ok(), &mut sink_names));
    let schedule = schedule::read(main);
    let mut lists: Vec<_> = main.take(&REGISTRIES).into_iter().collect();
    let mut all_read = true;
    for source in included {
        let section =
            source.as_ref().ok().and_then(|source| source.section("a mapping with `registries`", diagnostics).ok());
        all_read &= section.is_some();
        if let Some(mut section) = section {
            lists.extend(section.take(&REGISTRIES));
            included_alone(&mut section);
            section.suggest(&MAIN_KEYS);
            section.finish();
        }
    }
    let for_all = registry::ForAll { sinks: &sink_names, schedule: schedule.as_ref().ok() };
    let registries = match registries(&lists, &for_all) {
        // Files that could not be read may have registries.
        Ok(none) if none.is_empty() && all_read => {
            let help = "for example `registries: [{name: quay, url: https://quay.io}]`";
            Err(main.problem("there is no registry", help))
        }
        Ok(read) if all_read && schedule.is_ok() && read.iter().all(|registry| registry.schedule.is_none()) => {
            schedule::without_effect(main, "no registry has a `schedule`").map(|()| read)
        }
        read => read,
    };
    schedule?;
    Ok(CheckedFiles { state: state?, concurrency: concurrency?, sinks: sinks?, registries: registries?, web: web? })
}

/// Reports keys that an included file cannot set.
fn included_alone(section: &mut Section<'_>) {
    for key in ["include", "state", "concurrency", "sinks", "listen", "web"].into_iter().chain(schedule::names()) {
        let message = format!("`{key}` belongs to the main file");
        // The report is enough: the registries of the file are checked anyway.
        let _ = section.refuse(key, &message, "an included file has `registries` alone");
    }
}

fn state(field: &Field<'_>) -> Checked<PathBuf> {
    if field.text()?.contains("://") {
        let help = format!("for example `{DEFAULT_STATE}`: the state is on a local disk");
        return Err(field.problem("expected a directory, found a url", Some(help)));
    }
    field.data_path()
}

/// The settings of all sinks. The name of each sink is added to `names`, even if the sink has a problem.
fn all_sinks<'a>(
    field: &Field<'a>,
    state: Option<&Path>,
    names: &mut Vec<&'a str>,
) -> Checked<BTreeMap<String, ConfiguredSink>> {
    let sinks = field.named()?;
    // The keys of a sink stand where its name should.
    if let Some((place, ..)) = sinks.iter().find(|(_, name, field)| *name == "type" && is_text(field)) {
        let help = "for example `warehouse: {type: parquet, url: ./inventory}`; you choose the name".to_owned();
        return Err(field.diagnostics.add(place.problem("`sinks`: the name of the sink is missing", Some(help))));
    }
    if sinks.is_empty() {
        return Err(field.problem("expected at least one sink, found none", None));
    }
    names.extend(sinks.iter().map(|(_, name, _)| name));
    names.sort_unstable();
    let state = state.map(plain);
    let mut taken = Vec::new();
    let read: Vec<_> = sinks
        .iter()
        .map(|(place, name, field)| {
            let settings = sink(place, name, field)?;
            let Some(own) = settings.place().cloned().map(plain_place) else {
                return Ok(((*name).to_owned(), settings));
            };
            // Otherwise, deleting the state would delete inventories.
            if matches!(&own, SinkPlace::Directory(directory) if Some(directory) == state.as_ref()) {
                let message = format!("`{name}` writes to the directory of `state`");
                let help = "give the sink a directory of its own".to_owned();
                return Err(field.diagnostics.add(place.problem(message, Some(help))));
            }
            let first = taken.iter().find_map(|(other, first)| Some((clash(&own, other)?, *first)));
            taken.push((own, *name));
            match first {
                Some((clash, first)) => Err(field.diagnostics.add(
                    place.problem(format!("`{name}` writes to {} `{first}`", clash.words), Some(clash.help.to_owned())),
                )),
                None => Ok(((*name).to_owned(), settings)),
            }
        })
        .collect();
    read.into_iter().collect()
}

/// Why two sinks may not have these places.
struct Clash {
    words: &'static str,
    help: &'static str,
}

/// Whether two places are one, or one bucket's prefix is inside the other.
fn clash(own: &SinkPlace, other: &SinkPlace) -> Option<Clash> {
    match (own, other) {
        (SinkPlace::Directory(own), SinkPlace::Directory(other)) if own == other => {
            Some(Clash { words: "the directory of", help: "give each sink a directory of its own" })
        }
        (SinkPlace::Remote { server: one, url: own }, SinkPlace::Remote { server: two, url: other }) if one == two => {
            let help = "give each sink a prefix of its own, none inside another";
            let is_inside =
                |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
            match (own == other, is_inside(own, other), is_inside(other, own)) {
                (true, ..) => Some(Clash { words: "the bucket and prefix of", help }),
                (_, true, _) => Some(Clash { words: "a prefix inside that of", help }),
                (_, _, true) => Some(Clash { words: "a prefix around that of", help }),
                _ => None,
            }
        }
        _ => None,
    }
}

fn plain_place(place: SinkPlace) -> SinkPlace {
    match place {
        SinkPlace::Directory(path) => SinkPlace::Directory(plain(&path)),
        remote @ SinkPlace::Remote { .. } => remote,
    }
}

/// `./inventory/` is `inventory`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn sink(place: &Position, name: &str, field: &Field<'_>) -> Checked<ConfiguredSink> {
    // The name becomes a metric label and part of a path, as the name of a registry does.
    let valid = name.parse::<RegistryName>().map_err(|_| {
        let message =
            "expected 1 to 63 letters, digits, `.`, `_` or `-` as the name of a sink, a letter or a digit first";
        field.diagnostics.add(place.problem(message, None))
    });
    let mut section = field.with_example("{type: parquet, url: ./inventory}").section()?;
    section.suggest(&SINK_KEYS);
    let settings = sinks::read(&mut section, auth::read_source);
    section.finish();
    valid?;
    settings
}

fn registries(lists: &[Field<'_>], main: &registry::ForAll<'_>) -> Checked<Vec<RegistryConfig>> {
    let mut places = HashMap::new();
    let mut all = Vec::new();
    for list in lists {
        let read = match not_a_list(list) {
            Some(help) => Err(list.problem("expected a list of registries", Some(help))),
            None => list.list(),
        };
        match read {
            Ok(entries) => all.extend(entries.iter().map(|entry| registry(entry, main, &mut places))),
            Err(reported) => all.push(Err(reported)),
        }
    }
    all.into_iter().collect()
}

/// How to make the value of `registries` a list, if it is none.
fn not_a_list(field: &Field<'_>) -> Option<String> {
    let nested = "begin each registry with a dash: `- name: quay`, and below it `  url: https://quay.io`";
    let named = "the name is the value of a key: `- name: quay`, and below it `  url: https://quay.io`";
    match &field.node.value {
        YamlValue::List(_) => None,
        // Each registry stands below its name, as sinks do.
        YamlValue::Map(entries) if entries.iter().all(|(_, value)| matches!(value.value, YamlValue::Map(_))) => {
            Some(named.to_owned())
        }
        YamlValue::Map(_) => Some(nested.to_owned()),
        _ => Some("for example `[{name: quay, url: https://quay.io}]`".to_owned()),
    }
}

fn is_text(field: &Field<'_>) -> bool {
    matches!(field.node.value, YamlValue::Text(_))
}

fn registry(
    entry: &Field<'_>,
    main: &registry::ForAll<'_>,
    places: &mut HashMap<RegistryName, Position>,
) -> Checked<RegistryConfig> {
    let mut section = entry.with_example("- {name: quay, url: https://quay.io}").section()?;
    if let Some((name, position)) = section.only_mapping().filter(|(name, _)| !["name", "url", "auth"].contains(name)) {
        let name = if is_plain(name) { name } else { "quay" };
        let help = format!("write `- name: {name}`, and below it, in the same column as `name`, its other keys");
        return Err(section.problem_at(
            &position.clone(),
            "the name of the registry is the value of a key",
            help.as_str(),
        ));
    }
    let registry = registry_section(&mut section, main, places);
    section.finish();
    registry
}

/// Reads the keys of a registry.
pub(super) fn registry_section(
    section: &mut Section<'_>,
    main: &registry::ForAll<'_>,
    places: &mut HashMap<RegistryName, Position>,
) -> Checked<RegistryConfig> {
    let name = section.required(&NAME, |field| registry_name(field, places));
    registry::read(section, name, main)
}

/// The name of a registry. `places` has the positions of the names that are taken.
fn registry_name(field: &Field<'_>, places: &mut HashMap<RegistryName, Position>) -> Checked<RegistryName> {
    let text = field.text()?;
    let name: RegistryName = text.parse().map_err(|error: stocktake_sink::BadRegistryName| {
        let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let near: String = text.chars().map(allowed).collect();
        let near = near.trim_start_matches(['.', '_', '-']);
        // Whatever else stands here, it is long or strange.
        let help = near.parse::<RegistryName>().ok().filter(|_| text.len() < 40);
        field.problem(error.to_string(), help.map(|near| format!("for example `{near}`")))
    })?;
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
