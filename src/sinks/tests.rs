use yaml_sections::{Diagnostics, PathBases, YamlFile};

use super::*;

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

type ReadOptions = (Result<String, OptionRefused>, Result<Duration, OptionRefused>, Result<u8, OptionRefused>);

/// Reads the three options above; also the problems.
fn read_options(yaml: &str) -> (ReadOptions, String) {
    let path = Path::new("m.yaml");
    let diagnostics = Diagnostics::with_paths_from(PathBases { data: "/data".into(), ..PathBases::default() });
    let file = YamlFile::parse(path, yaml).unwrap();
    let mut section = file.section("a mapping", &diagnostics).unwrap();
    let mut options = SectionOptions { section: &mut section, reported: None };
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
