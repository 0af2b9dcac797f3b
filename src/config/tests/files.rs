//! Several files, files that cannot be read, and the samples that are shipped.

use super::*;
use crate::registry::Auth;

const MAIN: &str = "include: r.d/*.yaml\nsinks: {w: {type: stdout}}\n";

fn one(name: &str) -> String {
    format!("registries: [{{name: {name}, url: 'https://{name}'}}]\n")
}

fn names(config: &Config) -> Vec<&str> {
    config.registries.iter().map(|registry| registry.name.as_str()).collect()
}

#[test]
fn included_files_come_after_the_main_file_in_the_order_of_their_names() {
    let (a, b) = (one("a"), one("b"));
    let main = format!("{MAIN}{}", one("m"));
    let config =
        load_files(&[("m.yaml", &main), ("r.d/2.yaml", &a), ("r.d/1.yaml", &b), ("r.d/.0.yaml", "x"), ("r.d/x", "x")]);
    assert_eq!(names(&config.unwrap()), ["m", "b", "a"]);
}

#[test]
fn the_digest_is_that_of_all_files() {
    let main = "include: [b.yaml]\nsinks: {w: {type: stdout}}\n";
    let load = |name| load_files(&[("m.yaml", main), ("b.yaml", &one(name))]).unwrap().sha256;
    assert_eq!(load("a"), load("a"));
    assert_ne!(load("a"), load("b"));
    // The two texts, one after the other, through sha256sum.
    assert_eq!(load("a"), "567c5439f0ef2f96b504e2c9b7a519716a568c7b5db340fd3ead03db6f9134a9");
}

#[test]
fn a_pattern_may_match_nothing_and_a_path_must_be_there() {
    let registry = one("m");
    assert!(load_files(&[("m.yaml", &format!("{MAIN}{registry}"))]).is_ok());
    let main = format!("include: [none.yaml, r.d, 'r.d/*', '/nowhere/*.yaml', 'a**']\n{SINK}{registry}");
    let refused = load_files(&[("m.yaml", &main), ("r.d/sub/x.yaml", "")]).expect_err("problems");
    assert_eq!(
        refused,
        "m.yaml:1:11: `include`: cannot read none.yaml: there is no such file
m.yaml:1:22: `include`: cannot read r.d: it is not a file
m.yaml:1:27: `include`: cannot read r.d/sub: it is not a file
m.yaml:1:55: `include`: not a pattern: recursive wildcards must form a single path component"
    );
}

#[test]
fn a_file_is_read_once_however_often_it_is_named() {
    let main = format!("include: ['[a-l].yaml', b.yaml, ./b.yaml]\n{SINK}{}", one("m"));
    let config = load_files(&[("m.yaml", &main), ("b.yaml", &one("b"))]).unwrap();
    assert_eq!(names(&config), ["m", "b"]);
}

#[test]
fn a_file_that_includes_itself_is_refused() {
    for include in ["m.yaml", "./m.yaml", "../*/m.yaml", "'*.yaml'", "'[m-n].yaml'"] {
        let main = format!("include: {include}\n{SINK}{}", one("m"));
        let refused = load_files(&[("d/m.yaml", &main), ("d/n.yaml", &one("n"))]).expect_err(include);
        let help = "leave it out; if it is a pattern, put the other files into a directory of their own";
        assert_eq!(refused, format!("d/m.yaml:1:10: `include`: the file includes itself\n    {help}"));
    }
}

#[test]
fn a_directory_that_looks_like_a_pattern_is_taken_as_it_is() {
    let config = load_files(&[("a[b]/m.yaml", MAIN), ("a[b]/r.d/1.yaml", &one("a"))]).unwrap();
    assert_eq!(names(&config), ["a"]);
}

#[test]
fn problems_of_all_files_come_together() {
    let main = format!("{MAIN}registries: [{{name: a, url: 'https://a', sinks: x}}]\n");
    let refused = load_files(&[
        ("m.yaml", &main),
        ("r.d/1.yaml", "registries: [\n"),
        ("r.d/2.yaml", "sinks: {}\nregistry: []\nregistries:\n  - {name: a, url: 'https://b'}\n"),
        ("r.d/3.yaml", "[]"),
        ("r.d/4.yaml", ""),
        ("r.d/5.yaml", "registries: {name: c}\n"),
    ])
    .expect_err("problems");
    assert_eq!(
        refused,
        "m.yaml:3:49: `sinks`: there is no sink `x`
    known: w
r.d/1.yaml:1:13: cannot read this YAML: the bracket `[` that begins here has no end
    add the `]` that ends it
r.d/2.yaml:1:1: `sinks` belongs to the main file
    an included file has `registries` alone
r.d/2.yaml:2:1: unknown key `registry`
    did you mean `registries`?
r.d/2.yaml:4:12: `name`: there are two registries `a`
    the first is at m.yaml:3:21
r.d/3.yaml:1:1: expected a mapping with `registries`, found a list
r.d/5.yaml:1:13: `registries`: expected a list of registries
    begin each registry with a dash: `- name: quay`, and below it `  url: https://quay.io`"
    );
}

#[test]
fn no_registry_is_missed_where_a_file_could_not_be_read() {
    for (main, expected) in [
        (
            MAIN.to_owned(),
            "r.d/1.yaml:1:1: cannot read this YAML: the bracket `[` that begins here has no end\n    add the `]` that ends it",
        ),
        (format!("include: none.yaml\n{SINK}"), "m.yaml:1:10: `include`: cannot read none.yaml: there is no such file"),
        (format!("include: 3\n{SINK}"), "m.yaml:1:10: `include`: expected text, found a number\n    put it in quotes"),
    ] {
        assert_eq!(load_files(&[("m.yaml", &main), ("r.d/1.yaml", "[")]).expect_err("a problem"), expected);
    }
}

#[test]
fn a_file_that_is_not_there_is_one_problem() {
    let problems = load(Some(Path::new("/nowhere/m.yaml"))).expect_err("a problem");
    assert_eq!(problems.to_string(), "/nowhere/m.yaml: there is no such file");
    let problem = super::super::files::find(None, &["/nowhere/a.yaml", "/nowhere/b.yaml"]).expect_err("a problem");
    assert_eq!(
        problem.to_string(),
        "/nowhere/a.yaml: there is no configuration file
    looked for /nowhere/a.yaml and /nowhere/b.yaml; name another with --config FILE"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.yaml");
    fs::write(&path, b"a: \xff").unwrap();
    let problems = load(Some(&path)).expect_err("a problem");
    assert_eq!(problems.to_string(), format!("{}: it is not UTF-8 at byte 3", path.display()));
}

#[test]
fn the_samples_are_valid() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let sample = samples.join("stocktake.yaml");
    let config = load(Some(&sample)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(names(&config), ["local"]);

    // Each line that is commented out is what the comment says it is: the same with all of them in force.
    let all: String = fs::read_to_string(&sample).unwrap().lines().map(|line| in_force(line) + "\n").collect();
    let text = all.replace("registries.d", samples.join("registries.d").to_str().unwrap());
    let text = text.replace("http://127.0.0.1", "https://127.0.0.1");
    let config = load_text(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(
        names(&config),
        [
            "local",
            "acr",
            "distribution",
            "docker-hub",
            "ecr",
            "ghcr",
            "gitea",
            "gitlab",
            "harbor",
            "quay-guide",
            "quay"
        ]
    );
    assert!(matches!(config.registries[0].client.auth, Auth::Token(Some(_))));
    assert_eq!(config.sinks.len(), 6);
    assert!(config.sinks.values().all(|sink| sink.build().is_ok()));

    let shipped = |directory: &Path| {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "yaml")).count()
    };
    assert_eq!(shipped(&samples), 1, "a sample that no test loads");
    assert_eq!(shipped(&samples.join("registries.d")), 10, "a sample that no test loads");
}

/// `# key: value` without its `# `, unless it is prose.
fn in_force(line: &str) -> String {
    let Some((indent, text)) = line.split_once("# ").filter(|(indent, _)| indent.trim().is_empty()) else {
        return line.to_owned();
    };
    let key = text.trim_start().split_once(": ").map_or("", |(key, _)| key);
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if is_key { format!("{indent}{text}") } else { line.to_owned() }
}
