//! What users see: each problem with its place, message and help.
#![cfg(all(feature = "parquet", feature = "json", feature = "stdout"))] // messages name every kind of sink

mod files;
mod mutations;

use std::fs;

use super::*;
use crate::registry::{Auth, Login, SecretSource};

const SINK: &str = "sinks: {w: {type: stdout}}\n";
const SECRET: &str = "s3cr3t/W0rd";

/// Loads the first of these files; problems name files relative to their directory.
fn load_files(files: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let loaded = load(Some(&dir.path().join(files[0].0)));
    loaded.map_err(|problems| problems.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

fn load_text(text: &str) -> Result<Config, String> {
    load_files(&[("m.yaml", text)])
}

/// One registry with these further lines, each under its keys.
fn load_registry(lines: &str) -> Result<RegistryConfig, String> {
    let text = format!("{SINK}registries:\n  - name: r\n    url: https://r.example\n{lines}");
    load_text(&text).map(|config| config.registries[0].clone())
}

#[track_caller]
fn assert_problems(text: &str, expected: &str) {
    assert_eq!(load_text(text).expect_err("problems"), expected.trim_matches('\n'), "\n{text}");
}

#[test]
fn every_default_is_there() {
    let config = load_text(&format!("{SINK}registries: [{{name: r, url: 'https://r.example'}}]\n")).unwrap();
    assert_eq!(config.state, Path::new("./state"));
    assert_eq!(config.concurrency.get(), 4);
    assert_eq!(config.sha256.len(), 64);
    let registry = &config.registries[0];
    assert_eq!(registry.sinks, ["w"]);
    assert_eq!(registry.judge, JudgeSettings { allow_empty: false, shrink_limit: 0.2 });
    assert_eq!(registry.walk.max_repositories, 0);
    assert!(registry.walk.filter.accepts("any/thing"));
    let client = &registry.client;
    assert_eq!((client.name.as_str(), client.url.as_str()), ("r", "https://r.example/"));
    assert_eq!(client.auth, Auth::Token(None));
    assert_eq!((client.page_size.get(), client.concurrency.get()), (1000, 16));
    assert_eq!(client.timeout.as_secs(), 30);
    assert!(client.scope.is_empty() && client.realm_hosts.is_empty());
    assert_eq!((&client.service, &client.ca_file, client.insecure_tls), (&None, &None, false));
}

#[test]
fn every_key_is_read() {
    let registry = load_registry(
        "    auth: {type: token, username: my-org+robot, password_file: /run/secrets/quay}
    scope: [repository:my-org/app:pull, 'registry:catalog:*']
    service: quay.io
    page_size: 7
    concurrency: 3
    max_repositories: 12
    realm_hosts: [Auth.Example.org, 'b.example:443', '[::1]:5000', '[::1]']
    include: my-org/*
    exclude: [my-org/x, ~x]
    ca_file: /etc/ssl/my-ca.pem
    insecure_tls: false
    timeout: 1h30m
    sinks: w
    allow_empty: true
    shrink_limit: 1
",
    )
    .unwrap();
    let client = &registry.client;
    let password = SecretSource::File("/run/secrets/quay".into());
    assert_eq!(client.auth, Auth::Token(Some(Login { username: "my-org+robot".to_owned(), password })));
    assert_eq!(client.scope, ["repository:my-org/app:pull", "registry:catalog:*"]);
    assert_eq!(client.service.as_deref(), Some("quay.io"));
    assert_eq!((client.page_size.get(), client.concurrency.get(), client.timeout.as_secs()), (7, 3, 5400));
    assert_eq!(client.realm_hosts, ["auth.example.org", "b.example:443", "[::1]:5000", "[::1]"]);
    assert_eq!(client.ca_file.as_deref(), Some(Path::new("/etc/ssl/my-ca.pem")));
    assert_eq!(registry.walk.max_repositories, 12);
    let filter = &registry.walk.filter;
    assert!(filter.accepts("my-org/a") && !filter.accepts("my-org/x") && !filter.accepts("my-org/a/b"));
    assert_eq!(registry.judge, JudgeSettings { allow_empty: true, shrink_limit: 1.0 });
}

#[test]
fn logins_are_read() {
    let login = |password| Login { username: "u".to_owned(), password };
    for (auth, expected) in [
        ("token", Auth::Token(None)),
        ("none", Auth::None),
        ("~", Auth::Token(None)),
        ("{type: ~}", Auth::Token(None)),
        ("{type: none}", Auth::None),
        ("{username: u, password_env: P_1}", Auth::Token(Some(login(SecretSource::Env("P_1".to_owned()))))),
        ("{type: basic, username: u, credential: c}", Auth::Basic(login(SecretSource::Credential("c".to_owned())))),
        ("{type: bearer, token_file: t}", Auth::Bearer(SecretSource::File("t".into()))),
        ("{type: bearer, token_env: T}", Auth::Bearer(SecretSource::Env("T".to_owned()))),
        ("{type: bearer, credential: c}", Auth::Bearer(SecretSource::Credential("c".to_owned()))),
        ("{username: u, password_file: ~, password_env: P}", Auth::Token(Some(login(SecretSource::Env("P".into()))))),
    ] {
        let read = load_registry(&format!("    auth: {auth}\n")).map(|registry| registry.client.auth);
        assert_eq!(read, Ok(expected), "{auth}");
    }
}

/// Each value of a key under `registries:`, on line 5, with the column and text of its problem.
#[test]
fn impossible_values_say_what_was_expected() {
    let example = "for example `https://quay.io`, or with a port `https://registry.example.org:5000`";
    for (key, value, column, message, help) in [
        ("page_size", "0", 16, "expected a whole number from 1 to 10000, found 0", ""),
        ("page_size", "-1", 16, "expected a whole number from 1 to 10000, found -1", ""),
        ("page_size", "1.5", 16, "expected a whole number from 1 to 10000, found a number", ""),
        ("concurrency", "0", 18, "expected a whole number from 1 to 1000, found 0", ""),
        (
            "concurrency",
            "\"16\"",
            18,
            "expected a whole number from 1 to 1000, found text",
            "write it without quotes and leading zeros",
        ),
        ("max_repositories", "-1", 23, "expected a whole number, 0 or more, found -1", ""),
        ("shrink_limit", "2", 19, "expected a number from 0 to 1, found 2", ""),
        ("shrink_limit", ".nan", 19, "expected a number from 0 to 1, found NaN", ""),
        ("shrink_limit", "-0.1", 19, "expected a number from 0 to 1, found -0.1", ""),
        (
            "timeout",
            "30",
            14,
            "expected a duration such as `30s`, `1h30m` or `500ms`, found a number without a unit",
            "`30s`, if seconds are meant",
        ),
        (
            "timeout",
            "\"30\"",
            14,
            "expected a duration such as `30s`, `1h30m` or `500ms`, found other text",
            "whole numbers with h, m, s or ms, larger units first",
        ),
        ("timeout", "0s", 14, "expected a duration such as `30s`, `1h30m` or `500ms`, found no time at all", ""),
        ("timeout", "25h", 14, "expected at most `24h`, found more", ""),
        ("insecure_tls", "yes", 19, "expected true or false, found text", "exactly so, without quotes"),
        ("allow_empty", "1", 18, "expected true or false, found a number", ""),
        ("scope", "12", 12, "expected text, found a number", "put it in quotes"),
        ("scope", "[a, [b]]", 16, "expected text, found a list", ""),
        ("service", "''", 14, "expected text, found an empty text", ""),
        ("service", r#""a\n""#, 14, "expected text, found text with a line break or another control character", ""),
        (
            "include",
            "'a{'",
            14,
            "not a pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
            "",
        ),
        ("exclude", "[a, '[']", 18, "not a pattern: unclosed character class; missing ']'", ""),
        ("sinks", "[w, v]", 16, "there is no sink `v`", "known: w"),
        ("sinks", "[w, w]", 16, "twice the sink `w`", ""),
        ("sinks", "[]", 12, "expected at least one sink, found an empty list", "leave it out for all sinks"),
        (
            "realm_hosts",
            "'https://a.example/'",
            18,
            "expected a host, perhaps with a port",
            "without scheme and path, for example `auth.example.org` or `auth.example.org:5001`",
        ),
        (
            "auth",
            "basic",
            11,
            "expected a mapping, found text",
            "for example `auth: {type: token, username: my-org+robot, password_file: PATH}`",
        ),
        (
            "auth",
            "{type: tokn}",
            18,
            "expected one of token, basic, bearer, none, found another word",
            "did you mean `token`?",
        ),
        ("url", "quay.io", 10, "expected a url that begins with https:// or http://", example),
        ("url", "ftp://quay.io", 10, "expected an https or http url, found another scheme", example),
        ("url", "https://", 10, "expected a url with a host, found something else", example),
        ("url", "https://a?b", 10, "expected a url without `?` and `#`", "leave that part out"),
        ("url", "https://a/v2/", 10, "expected a url without /v2, which every request adds", "leave that part out"),
        (
            "name",
            "a/b",
            11,
            "a registry name is 1 to 63 letters, digits, `.`, `_` or `-` and begins with a letter or a digit",
            "",
        ),
    ] {
        let mut lines = vec!["    name: r", "    url: https://r.example"];
        lines.retain(|line| !line.trim().starts_with(&format!("{key}:")));
        let others = lines.join("\n");
        let text = format!("{SINK}registries:\n  -\n    {key}: {value}\n{others}\n");
        let key = if key == "auth" && value.starts_with('{') { "type" } else { key };
        let help = if help.is_empty() { String::new() } else { format!("\n    {help}") };
        assert_problems(&text, &format!("m.yaml:4:{column}: `{key}`: {message}{help}"));
    }
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    assert_problems(
        "state: https://bucket/state
concurrency: 0
sinks:
  warehouse: {type: stdou}
  console: {type: stdout, format: tabel, colour: true}
  -x: {type: stdout}
  nothing:
registeries: []
registries:
  - name: a
    name: b
    pagesize: 3
    sinks: [consle]
    1: x
  - name: a
    url: http://a
    insecure_tls: true
    ca_file: x
  - [x]
",
        "
m.yaml:1:8: `state`: expected a directory, found a url
m.yaml:2:14: `concurrency`: expected a whole number from 1 to 1000, found 0
m.yaml:4:21: `type`: expected one of parquet, json, stdout, found another word
    did you mean `stdout`?
m.yaml:5:35: `format`: expected one of table, jsonl, csv, found another word
    did you mean `table`?
m.yaml:5:42: unknown key `colour`
    known here: type, format
m.yaml:6:3: expected 1 to 63 letters, digits, `.`, `_` or `-` as the name of a sink, a letter or a digit first
m.yaml:7:10: `type` is missing
    for example `type: parquet`
m.yaml:8:1: unknown key `registeries`
    did you mean `registries`?
m.yaml:10:5: `url` is missing
    for example `url: https://quay.io`
m.yaml:11:5: the key `name` stands here twice
    the first is at m.yaml:10:5
m.yaml:12:5: unknown key `pagesize`
    did you mean `page_size`?
m.yaml:13:13: `sinks`: there is no sink `consle`
    did you mean `console`?
m.yaml:14:5: expected a name as the key, found a number
m.yaml:15:11: `name`: there are two registries `a`
    the first is at m.yaml:10:11
m.yaml:17:19: `insecure_tls`: has no effect on an http url
    write the url with https, or leave this out
m.yaml:18:14: `ca_file`: has no effect on an http url
    write the url with https, or leave this out
m.yaml:19:5: expected a mapping for `registries`, found a list
",
    );
}

#[test]
fn nothing_at_all_is_told_from_something_wrong() {
    let missing = "
m.yaml:1:1: `sinks` is missing
    for example `sinks: {warehouse: {type: parquet, url: ./inventory}}`
m.yaml:1:1: there is no registry
    for example `registries: [{name: quay, url: https://quay.io}]`
";
    assert_problems("", missing);
    assert_problems("# nothing\n", missing);
    assert_problems("sinks: ~\nregistries: ~\n", missing);
    assert_problems("[]", "m.yaml:1:1: expected a mapping with `sinks` and `registries`, found a list");
    assert_problems(
        "sinks: {}\nregistries: []\n",
        "
m.yaml:1:1: there is no registry
    for example `registries: [{name: quay, url: https://quay.io}]`
m.yaml:1:8: `sinks`: expected at least one sink, found none
",
    );
}

#[test]
fn two_sinks_do_not_share_a_directory() {
    assert_problems(
        "sinks:
  a: {type: parquet, url: ./inventory}
  b: {type: json, url: inventory/}
  c: {type: json, url: ./inventory/json}
  d: {type: stdout}
  e: {type: stdout}
registries: [{name: r, url: 'https://r'}]
",
        "
m.yaml:3:3: `b` writes to the directory of `a`
    give each sink a directory of its own
",
    );
}

#[test]
fn a_sink_says_what_is_wrong_with_its_target() {
    assert_problems(
        "sinks: {a: {type: parquet}, b: {type: json, url: 's3://u:s3cr3t@b'}}\nregistries: [{name: r, url: 'https://r'}]\n",
        "
m.yaml:1:12: `url` is missing
    for example `url: ./inventory`
m.yaml:1:50: `url`: unknown scheme \"s3\" in the target; known are: a plain path, file://
",
    );
}

#[test]
fn logins_that_cannot_work_are_refused() {
    let sources = "`password_file: PATH`, `password_env: VARIABLE` or `credential: NAME`";
    let tokens = "`token_file: PATH`, `token_env: VARIABLE` or `credential: NAME`";
    for (auth, expected) in [
        ("{username: u}", format!("5:11: `username` needs a password\n    add {sources}")),
        ("{credential: c}", "5:11: a password needs a user name\n    add `username: NAME`".to_owned()),
        ("{type: basic}", format!("5:11: `type: basic` needs a login\n    add `username: NAME` and {sources}")),
        ("{type: bearer}", format!("5:11: `type: bearer` needs a token\n    add {tokens}")),
        (
            "{username: u, password_file: f, credential: c}",
            "5:55: `credential`: a secret has one source\n    keep this or `password_file`".to_owned(),
        ),
        (
            "{type: bearer, username: u, token_env: T}",
            "5:26: `username` does not go with `type: bearer`\n    \
             a bearer token is all that is sent; name its source alone"
                .to_owned(),
        ),
        (
            "{type: none, credential: c}",
            "5:24: `credential` does not go with `type: none`\n    leave it out, or choose another `type`".to_owned(),
        ),
        (
            "{token_file: t}",
            "5:12: `token_file` does not go with `type: token`\n    \
             name a password's source; or `type: bearer` for a token made elsewhere"
                .to_owned(),
        ),
        (
            "{username: u, credential: a/b}",
            "5:37: `credential`: expected the name of a systemd credential, found a path".to_owned(),
        ),
        (
            "{username: u, password_env: $P}",
            "5:39: `password_env`: expected the name of an environment variable\n    \
             letters, digits and `_`, without `$`; the secret itself does not stand here"
                .to_owned(),
        ),
        (
            "{username: u, passwordfile: f}",
            format!(
                "5:11: `username` needs a password\n    add {sources}\n\
                 m.yaml:5:25: unknown key `passwordfile`\n    did you mean `password_file`?"
            ),
        ),
    ] {
        let refused = load_registry(&format!("    auth: {auth}\n")).expect_err("problems");
        assert_eq!(refused, format!("m.yaml:{expected}"), "{auth}");
    }
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_printed() {
    for (lines, expected) in [
        (
            format!("    auth: {{username: u, password: {SECRET}}}\n"),
            "m.yaml:5:25: `password`: a secret does not stand in the configuration, where backups, tickets and \
             version control see it\n    write, under `auth`, `password_file: PATH`, `password_env: VARIABLE` or \
             `credential: NAME`",
        ),
        (
            format!("    auth: {{type: bearer, token: {SECRET}}}\n"),
            "m.yaml:5:26: `token`: a secret does not stand in the configuration, where backups, tickets and version \
             control see it\n    write, under `auth`, `type: bearer` with `token_file: PATH`, `token_env: VARIABLE` \
             or `credential: NAME`",
        ),
        (
            format!("    auth: {{username: 'u:{SECRET}', password_file: f}}\n"),
            "m.yaml:5:22: `username`: a user name has no `:`\n    if a password follows it, move the password to a \
             file and name that in `password_file`",
        ),
    ] {
        assert_eq!(load_registry(&lines).expect_err("a problem"), expected);
    }
    for lines in [
        format!("    password: {SECRET}\n"),
        format!("    auth: {SECRET}\n"),
        format!("    auth: [u, {SECRET}]\n"),
        format!("    auth: {{u, {SECRET}}}\n"),
        "    auth: {username: u, s3cr3t}\n".to_owned(),
        format!("    auth: {{type: {SECRET}}}\n"),
        format!("    auth: {{username: u, passwort: {SECRET}}}\n"),
        format!("    auth: {{username: u, password_env: {SECRET}}}\n"),
        format!("    auth: {{username: u, credential: {SECRET}}}\n"),
        format!("    auth: {{username: u, password: !{SECRET} x}}\n"),
        format!("    auth: {{username: u, password: !!int {SECRET}}}\n"),
        format!("    auth: {{username: u, password: *{SECRET}}}\n"),
        format!("    auth: {{username: u, password: \"{SECRET}\\q\"}}\n"),
        format!("    auth: {{username: u, password: {SECRET}: x}}\n"),
        format!("    auth: {{username: u, password: {SECRET}\n"),
        format!("    realm_hosts: ['u:{SECRET}@a.example']\n"),
        format!("    sinks: ['{SECRET}']\n"),
        format!("    {SECRET}: x\n"),
    ] {
        let refused = load_registry(&lines).expect_err("a problem");
        assert!(!refused.contains("s3cr3t"), "{lines}{refused}");
    }
    for url in [
        "https://u:s3cr3t@a",
        "https://s3cr3t@a",
        "u:s3cr3t@a",
        "https:u:s3cr3t@a",
        "https://a b:s3cr3t@c",
        "http://s3cr3t\\@a:x",
    ] {
        let text = format!("{SINK}registries: [{{name: r, url: '{url}'}}]\n");
        let refused = load_text(&text).expect_err("a problem");
        assert!(!refused.contains("s3cr3t") && refused.starts_with("m.yaml:2:29: `url`: expected a url"), "{refused}");
    }
}

#[test]
fn syntax_errors_have_their_place() {
    for (text, expected) in [
        ("a: [\n", "1:4: cannot read this YAML: unclosed bracket '['"),
        ("a: 1\n b: 2\n", "2:3: cannot read this YAML: mapping values are not allowed in this context"),
        ("a: *b\n", "1:4: cannot read this YAML: alias references unknown anchor"),
        ("a: &a [*a]\n", "1:8: cannot read this YAML: an alias stands within what it repeats"),
        ("a: !x y\n", "1:7: cannot read this YAML: a tag (`!…`) has no meaning here"),
        ("a: !!int y\n", "1:10: cannot read this YAML: the value is not what its tag (`!!…`) says"),
        ("a: 1\n---\nb: 2\n", "2:1: cannot read this YAML: a second document begins"),
    ] {
        assert_problems(text, &format!("m.yaml:{expected}"));
    }
}

#[test]
fn aliases_and_merges_work_and_point_at_what_they_repeat() {
    let config = load_text(&format!(
        "{SINK}registries:
  - &base {{name: a, url: 'https://a', timeout: 5s}}
  - <<: *base
    name: b
"
    ))
    .unwrap();
    assert_eq!(config.registries[1].client.timeout.as_secs(), 5);
    assert_eq!(config.registries[1].client.name.as_str(), "b");
    assert_problems(
        &format!("{SINK}registries:\n  - &a {{name: a, url: 'https://a', timeout: 5}}\n  - *a\n"),
        "
m.yaml:3:15: `name`: there are two registries `a`
    an alias repeats the whole entry
m.yaml:3:45: `timeout`: expected a duration such as `30s`, `1h30m` or `500ms`, found a number without a unit
    `5s`, if seconds are meant
",
    );
}

#[test]
fn what_unfolds_or_nests_without_bound_is_stopped() {
    let mut bomb = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned()];
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push(format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let bomb = bomb.concat();
    let many = format!("a: [{}]", "1,".repeat(400_000));
    let deep_blocks: Vec<_> = (0..500).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for text in [&bomb, &many, &"[".repeat(10_000), &"- ".repeat(10_000), &deep_blocks.concat(), &"{a: ".repeat(200)] {
        let refused = load_text(text).expect_err("a problem");
        assert!(refused.contains("cannot read this YAML: ") && refused.len() < 200, "{refused}");
    }
    let huge = "#".repeat(1024 * 1024 + 1);
    assert_problems(&huge, "m.yaml: it is larger than 1048576 bytes");
}
