use std::path::Path;

use stocktake_sink::{AbsentOption, OptionRefused, SecretOption, SinkOption, SinkOptions};
use yaml_sections::{Diagnostics, PathBases, YamlFile};

use super::*;
use crate::registry::SecretSource;

#[test]
fn every_crate_of_a_sink_is_a_kind_and_every_kind_has_the_name_of_its_feature() {
    let mut kinds: Vec<_> = KINDS.iter().map(|kind| kind.name).chain(LEFT_OUT.iter().copied()).collect();
    kinds.sort_unstable();
    let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sinks")).unwrap();
    let crates = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut crates: Vec<_> = crates.filter(|name| !["api", "objects"].contains(&name.as_str())).collect();
    crates.sort_unstable();
    assert_eq!(kinds, crates);
}

#[test]
fn a_kind_that_was_left_out_is_told_from_an_unknown_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for kind in LEFT_OUT {
        let text = format!("sinks: {{w: {{type: {kind}}}}}\nregistries: [{{name: r, url: 'https://r'}}]\n");
        std::fs::write(file.path(), text).unwrap();
        let problems = crate::config::load(Some(file.path())).expect_err("a problem").to_string();
        let message = format!(
            ":1:19: `type`: this build of stocktake is without `{kind}` sinks\n    use a build with the cargo \
             feature `{kind}`"
        );
        assert!(problems.ends_with(&message), "{problems}");
    }
}

static URL: SinkOption =
    SinkOption { key: "url", accepts: "a path", absent: AbsentOption::Required("./here"), meaning: "The place." };
static WAIT: SinkOption =
    SinkOption { key: "wait", accepts: "a duration", absent: AbsentOption::Default("30s"), meaning: "The wait." };
static MODE: SinkOption =
    SinkOption { key: "mode", accepts: "", absent: AbsentOption::Default("fast"), meaning: "The speed." };

fn no_source(field: &Field<'_>) -> Checked<SecretSource> {
    Err(field.problem("no source is read here", None))
}

type ReadOptions = (Result<String, OptionRefused>, Result<Duration, OptionRefused>, Result<u8, OptionRefused>);

/// Reads the three options above; also the problems.
fn read_options(yaml: &str) -> (ReadOptions, String) {
    let path = Path::new("m.yaml");
    let diagnostics = Diagnostics::with_paths_from(PathBases { data: "/data".into(), ..PathBases::default() });
    let file = YamlFile::parse(path, yaml).unwrap();
    let mut section = file.section("a mapping", &diagnostics).unwrap();
    let mut options = SectionOptions::new(&mut section, no_source);
    let options: &mut dyn SinkOptions = &mut options;
    let url = options.parse(&URL, |text| if text == "bad" { Err("not a place") } else { Ok(text.to_owned()) });
    let url = url.map(|text| options.data_path(Path::new(&text)).display().to_string());
    let read = (url, options.duration(&WAIT), options.one_of(&MODE, &[("slow", 1), ("fast", 2)]));
    section.finish();
    let problems = diagnostics.settle(path, Ok(())).err().map(|problems| problems.to_string());
    (read, problems.unwrap_or_default())
}

#[test]
fn options_are_read_with_their_defaults_and_paths_start_at_the_directory_for_data() {
    let (read, problems) = read_options("url: ./here\n");
    assert_eq!((read.0, read.1, read.2), (Ok("/data/here".to_owned()), Ok(Duration::from_secs(30)), Ok(2)));
    assert_eq!(problems, "");
    let (read, problems) = read_options("{url: /there, wait: 1m, mode: slow}\n");
    assert_eq!((read.0, read.1, read.2), (Ok("/there".to_owned()), Ok(Duration::from_mins(1)), Ok(1)));
    assert_eq!(problems, "");
}

#[test]
fn problems_of_options_are_all_reported_at_their_positions() {
    let (read, problems) = read_options("url: bad\nwait: 5\nmode: fsat\n");
    assert!(read.0.is_err() && read.1.is_err() && read.2.is_err());
    assert_eq!(
        problems,
        "m.yaml:1:6: `url`: not a place\n    for example `./here`\n\
         m.yaml:2:7: `wait`: expected a duration such as `30s`, `1h30m` or `500ms`, found a number without a unit\n    \
         `5s`, if seconds are meant\n\
         m.yaml:3:7: `mode`: expected one of slow, fast, found another word\n    did you mean `fast`?"
    );
    let (read, problems) = read_options("urll: here\n");
    assert!(read.0.is_err());
    assert_eq!(
        problems,
        "m.yaml:1:1: `url` is missing\n    for example `url: ./here`\n\
         m.yaml:1:1: unknown key `urll`\n    did you mean `url`?"
    );
}

static COMMAND: SinkOption =
    SinkOption { key: "command", accepts: "", absent: AbsentOption::Required("[x]"), meaning: "The program." };
static KEEP: SinkOption =
    SinkOption { key: "keep", accepts: "", absent: AbsentOption::Default("7"), meaning: "The nights." };
static SCHEMA: SinkOption =
    SinkOption { key: "schema", accepts: "", absent: AbsentOption::Means("none"), meaning: "The schema." };
static CA: SinkOption =
    SinkOption { key: "ca_file", accepts: "", absent: AbsentOption::Means("none"), meaning: "The authorities." };
static MORE: SinkOption =
    SinkOption { key: "options", accepts: "", absent: AbsentOption::Means("none"), meaning: "More." };
static LOGIN: SecretOption = SecretOption {
    literal: "password",
    file: "password_file",
    env: "password_env",
    command: "password_command",
    credential: "credential",
    meaning: "File that holds the password.",
};

/// Reads options as a sink does, with the files of secrets named as paths; also the problems.
fn with_options<T>(yaml: &str, read: impl FnOnce(&mut dyn SinkOptions) -> T) -> (T, String) {
    let path = Path::new("m.yaml");
    let bases = PathBases { inputs: "/etc/st".into(), data: "/data".into() };
    let diagnostics = Diagnostics::with_paths_from(bases);
    let file = YamlFile::parse(path, yaml).unwrap();
    let mut section = file.section("a mapping", &diagnostics).unwrap();
    let mut options = SectionOptions::new(&mut section, |field| field.path().map(SecretSource::File));
    let read = read(&mut options);
    section.finish();
    let problems = diagnostics.settle(path, Ok(())).err().map(|problems| problems.to_string());
    (read, problems.unwrap_or_default())
}

#[test]
fn lists_numbers_mappings_files_and_texts_are_read() {
    let (read, problems) = with_options(
        "command: [./load, '${HOME}']\nkeep: 9\nschema: s\nca_file: ca.pem\noptions: {a: 1, b: true, c: x}\n",
        |options| {
            let entries = options.entries(&MORE).unwrap();
            let entries: Vec<_> = entries.into_iter().map(|entry| (entry.key, entry.value, entry.at)).collect();
            let texts = (options.texts(&COMMAND).unwrap(), options.optional_text(&SCHEMA).unwrap());
            (texts, options.number(&KEEP, 1..=10).unwrap(), options.optional_file(&CA).unwrap(), entries)
        },
    );
    assert_eq!(problems, "");
    let entry = |key: &str, value: &str, at| (key.to_owned(), value.to_owned(), at);
    assert_eq!(read.0, (vec!["./load".to_owned(), "${HOME}".to_owned()], Some("s".to_owned())));
    assert_eq!((read.1, read.2), (9, Some("/etc/st/ca.pem".into())));
    assert_eq!(read.3, [entry("a", "1", 0), entry("b", "true", 1), entry("c", "x", 2)]);
    let (read, problems) = with_options("command: one\n", |options| {
        let (entries, program) = (options.entries(&MORE).unwrap(), options.program("./load"));
        let absent = (options.optional_text(&SCHEMA).unwrap(), options.optional_file(&CA).unwrap());
        (options.texts(&COMMAND).unwrap(), options.number(&KEEP, 1..=10).unwrap(), absent, entries, program)
    });
    assert_eq!(problems, "");
    assert_eq!(read, (vec!["one".to_owned()], 7, (None, None), Vec::new(), "/etc/st/load".to_owned()));
}

#[test]
fn entries_are_refused_at_their_positions_and_numbers_outside_their_range() {
    let ((), problems) = with_options("keep: 99\noptions:\n  a: 1\n  b: s3cr3t\n  c: [1]\n", |options| {
        assert!(options.number(&KEEP, 1..=10).is_err());
        assert!(options.entries(&MORE).is_err(), "a list is no value");
    });
    assert_eq!(
        problems,
        "m.yaml:1:7: `keep`: expected a whole number from 1 to 10, found 99\n\
         m.yaml:5:6: `options`: expected text, a whole number, `true` or `false`, found a list"
    );
    let ((), problems) = with_options("options:\n  a: 1\n  b: s3cr3t\n", |options| {
        let entries = options.entries(&MORE).unwrap();
        options.refuse_entry(&entries[1], "`b` is unknown".to_owned(), Some("did you mean `a`?".to_owned()));
    });
    assert_eq!(problems, "m.yaml:3:3: `b` is unknown\n    did you mean `a`?");
}

#[tokio::test]
async fn a_secret_has_one_place_and_is_read_anew_each_time() {
    let file = crate::tests::secret_file("one\n");
    let yaml = format!("password_file: {}\n", file.path().display());
    let (place, problems) = with_options(&yaml, |options| options.secret(&LOGIN).unwrap().unwrap());
    assert_eq!(problems, "");
    assert_eq!(place.read().await.unwrap().expose(), "one");
    std::fs::write(file.path(), "two\n").unwrap();
    assert_eq!(place.read().await.unwrap().expose(), "two");
    assert!(!format!("{place:?}").contains("two"));
    // Others may read it now.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(file.path(), mode).unwrap();
    let refused = place.read().await.unwrap_err();
    assert_eq!((refused.key, refused.is_of_service), ("password_file", false));
    assert_eq!(place.look().unwrap_err(), refused);
}

#[test]
fn a_secret_in_the_configuration_or_with_two_places_is_refused() {
    for (yaml, expected) in [
        (
            "password: s3cr3t\n",
            "m.yaml:1:1: `password`: do not write a secret into the configuration, which backups, tickets and version \
             control copy\n    write `password_file: PATH`, `password_env: VARIABLE`, `password_command: [PROGRAM]` or \
             `credential: NAME`",
        ),
        (
            "password_file: /a\ncredential: b\n",
            "m.yaml:2:13: `credential`: a secret has one source\n    keep this or `password_file`",
        ),
        (
            "credential: b\nallow_readable: true\n",
            "m.yaml:2:17: `allow_readable`: has no effect without a file that holds a secret\n    add `password_file`, \
             or leave this out",
        ),
    ] {
        let (read, problems) = with_options(yaml, |options| options.secret(&LOGIN).is_err());
        assert!(read, "{yaml}");
        assert_eq!(problems, expected);
    }
    let (read, problems) = with_options("{}\n", |options| options.secret(&LOGIN).unwrap().is_none());
    assert!(read && problems.is_empty(), "{problems}");
}
