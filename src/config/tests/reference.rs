//! The settings reference of docs/configuration.md, made by running the readers. Each table has the keys that a reader asked
//! for, so no key is missing and none is described that is not read.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;

use yaml_sections::{AbsentKey, KeyDescription, Section, YamlFile, alternatives};

use super::super::*;
use crate::sinks;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
const BEGIN: &str = "<!-- generated: begin -->";
const END: &str = "<!-- generated: end -->";

/// The keys that `read` asks a section for which has these lines.
fn keys(yaml: &str, read: impl FnOnce(&mut Section<'_>, &Diagnostics)) -> Vec<KeyDescription> {
    let diagnostics = Diagnostics::default();
    let file = YamlFile::parse(Path::new("reference.yaml"), yaml).unwrap();
    let mut section = file.section("a mapping", &diagnostics).unwrap();
    read(&mut section, &diagnostics);
    section.keys()
}

/// The heading of a table, the text below it, and the keys.
type KeyTable = (String, String, Vec<KeyDescription>);

fn tables() -> Vec<KeyTable> {
    let mut tables = Vec::new();
    let mut table = |heading: &str, text: &str, keys| tables.push((heading.to_owned(), text.to_owned(), keys));
    let main = keys("", |section, diagnostics| {
        section.take(&INCLUDE);
        let _ = check::check_keys(section, &[], diagnostics);
    });
    let (schedule, main): (Vec<_>, Vec<_>) =
        main.into_iter().partition(|key| schedule::names().any(|name| name == key.name));
    table("Main file", "", main);
    table("Schedule", "In the main file for all registries, or in a registry for that one.", schedule);
    table("`web`", "", keys("", |section, _| drop(web::web_section(section))));
    table("`web.tls_server_config`", "", keys("", |section, _| drop(web::tls_section(section))));
    let registry = keys("", |section, _| {
        let for_all = registry::ForAll { sinks: &[], schedule: None };
        drop(check::registry_section(section, &for_all, &mut HashMap::default()));
    });
    let registry = registry.into_iter().filter(|key| schedule::names().all(|name| name != key.name)).collect();
    table("A registry", "An entry of `registries`. The keys of the schedule may also stand here.", registry);
    let words = |words: &[&'static str]| words.iter().map(|&word| (word, auth_text(word))).collect::<Vec<_>>();
    let types = words(&auth::AUTH_TYPES.map(|(word, _)| word));
    tables.extend(tables_of_types("`auth`", &types, |section, _| drop(auth::read_section(section))));
    let types = words(&discovery::TYPES.map(|(word, _)| word));
    let registry = discovery::ListedRegistry::default();
    tables.extend(tables_of_types("`discovery`", &types, |section, _| drop(discovery::mapping(section, &registry))));
    let kinds: Vec<_> = sinks::kinds().map(|kind| (kind.name, kind.summary)).collect();
    tables.extend(tables_of_types("A sink", &kinds, |section, _| drop(sinks::read(section, auth::read_source))));
    tables
}

/// A table of the key `type`, then a table of the other keys for each type, or for several types with the same keys.
fn tables_of_types(what: &str, types: &[(&str, &str)], read: impl Fn(&mut Section<'_>, &Diagnostics)) -> Vec<KeyTable> {
    let mut tables: Vec<KeyTable> = Vec::new();
    let mut without = Vec::new();
    for (word, sentence) in types {
        let (own, rest): (Vec<_>, Vec<_>) =
            keys(&format!("type: {word}"), &read).into_iter().partition(|key| key.name == "type");
        if tables.is_empty() {
            tables.push((what.to_owned(), String::new(), own));
        }
        if rest.is_empty() {
            without.push(*word);
        } else if let Some((heading, text, _)) = tables.iter_mut().find(|(_, _, keys)| *keys == rest) {
            let _ = write!(heading, " or `type: {word}`");
            *text = format!("{text} {sentence}").trim().to_owned();
        } else {
            tables.push((format!("{what} with `type: {word}`"), (*sentence).to_owned(), rest));
        }
    }
    if !without.is_empty() {
        tables[0].1 = format!("With {}, there are no other keys.", alternatives(&without));
    }
    tables
}

fn auth_text(word: &str) -> &'static str {
    match word {
        "token" => "`token`: the login is exchanged for tokens at the token service of the registry.",
        "basic" => "`basic`: the login is sent with every request.",
        "bearer" => "`bearer`: the token is sent with every request, as it is.",
        "identity_token" => {
            "`identity_token`: the token is exchanged for tokens at the token service (`refresh_token` of OAuth2)."
        }
        "docker_config" => "The login that docker or podman have stored for the registry is used.",
        "none" => "No login is sent.",
        _ => "",
    }
}

fn reference() -> String {
    let mut text = String::new();
    for (heading, sentence, keys) in tables() {
        let _ = write!(text, "\n### {heading}\n\n");
        if !sentence.is_empty() {
            let _ = write!(text, "{sentence}\n\n");
        }
        text += "| Key | Value | If absent | Meaning |\n|---|---|---|---|\n";
        for KeyDescription { name, accepts, absent, meaning } in keys {
            let absent = match absent {
                AbsentKey::Required => "required".to_owned(),
                AbsentKey::Default(written) => format!("`{written}`"),
                AbsentKey::Means(words) => words,
            };
            let _ = writeln!(text, "| `{name}` | {accepts} | {absent} | {meaning} |");
        }
    }
    text + "\n"
}

#[test]
fn the_reference_in_the_documentation_is_what_the_readers_say() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark of the beginning");
    let (written, after) = rest.split_once(END).expect("the mark of the end");
    let reference = format!("\n{}", reference());
    if std::env::var_os("STOCKTAKE_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(PAGE, format!("{before}{BEGIN}{reference}{END}{after}")).unwrap();
        return;
    }
    let wrong = reference.lines().zip(written.lines()).find(|(generated, written)| generated != written);
    assert!(
        reference == written,
        "docs/configuration.md is not what the readers say; the first difference: {wrong:#?}\n\
         To write it: STOCKTAKE_WRITE_DOCS=1 cargo test --workspace --all-features --lib the_reference_in_the_documentation"
    );
}

#[test]
fn every_described_key_has_a_sentence_and_values_and_no_table_has_a_key_twice() {
    for (heading, _, keys) in tables() {
        assert!(!keys.is_empty(), "{heading}");
        for (at, key) in keys.iter().enumerate() {
            assert!(key.meaning.ends_with('.') && !key.accepts.is_empty(), "{heading}: {key:?}");
            assert!(key.absent != AbsentKey::Default(String::new()), "{heading}: {key:?}");
            assert!(keys[..at].iter().all(|other| other.name != key.name), "{heading}: {key:?}");
            assert!([&key.accepts[..], key.meaning].iter().all(|text| !text.contains(['|', '\n'])), "{key:?}");
        }
    }
}

/// The keys of the annotated sample that show a default, with the value that they show.
#[test]
fn the_defaults_in_the_sample_are_those_of_the_readers() {
    let sample = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/stocktake.yaml")).unwrap();
    let shown = |indent: &str, key: &str| {
        let lines = sample.lines().filter_map(|line| line.strip_prefix(indent));
        let values = lines.filter_map(|line| line.strip_prefix("# ").unwrap_or(line).strip_prefix(&format!("{key}: ")));
        let values: Vec<_> = values.map(|value| value.split('#').next().unwrap_or_default().trim()).collect();
        values.first().map(|value| (*value).to_owned())
    };
    let mut compared = 0;
    for (heading, _, keys) in tables() {
        let indent = match heading.as_str() {
            "Main file" | "Schedule" => "",
            "`web`" => "  ",
            "A registry" => "    ",
            _ => continue,
        };
        for key in keys {
            let default = match key.absent {
                AbsentKey::Default(written) => written,
                // A default that depends on something begins with the value that is usual.
                AbsentKey::Means(words) if words.starts_with('`') => words.split('`').nth(1).unwrap().to_owned(),
                _ => continue,
            };
            let Some(value) = shown(indent, key.name) else { panic!("the sample has no `{}`", key.name) };
            if ["auth", "discovery"].contains(&key.name) && value.starts_with('{') {
                continue;
            }
            assert_eq!(value, default, "{heading}: {}", key.name);
            compared += 1;
        }
    }
    assert!(compared > 15, "the test sees defaults: {compared}");
}
