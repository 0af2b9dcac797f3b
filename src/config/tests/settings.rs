//! What may stand in the files: every key, every default, and values that cannot be.

use std::time::Duration;

use super::*;
use crate::registry::AllowedHost;
use crate::registry::Auth;
use crate::registry::ClientCertificate;
use crate::registry::DockerConfig;
use crate::registry::Pagination;
use crate::registry::PasswordLogin;
use crate::registry::SecretCommand;
use crate::registry::SecretSource;
use crate::snapshot::JudgeSettings;

#[test]
fn every_default_is_there() {
    let config = load_text(&format!("{SINK}registries: [{{name: r, url: 'https://r.example'}}]\n")).unwrap();
    assert_eq!(config.state.file_name(), Some("state".as_ref()), "beside the file");
    assert_eq!(config.concurrency.get(), 4);
    assert_eq!(config.sha256.len(), 64);
    let registry = &config.registries[0];
    assert_eq!(registry.sinks, ["w"]);
    assert_eq!(registry.judge, JudgeSettings { allow_empty: false, shrink_limit: 0.2 });
    assert_eq!(registry.walk.max_repositories, 0);
    assert!(registry.walk.filter.accepts("any/thing"));
    let client = &registry.client;
    assert_eq!((&*client.name, client.url.as_str()), ("r", "https://r.example/"));
    assert_eq!(client.auth, Auth::Token(None));
    assert_eq!((client.page_size.get(), client.concurrency.get()), (1000, 16));
    assert_eq!(client.timeout.as_secs(), 30);
    assert_eq!(client.pagination, Pagination::Auto);
    assert!(client.scope.is_empty() && client.realm_hosts.is_empty() && client.allow_hosts.is_empty());
    assert_eq!((&client.service, &client.ca_file, client.insecure_tls), (&None, &None, false));
}

#[test]
fn every_key_is_read() {
    let registry = load_registry(
        "    auth: {type: token, username: my-org+robot, password_file: /run/secrets/quay}
    scope: [repository:my-org/app:pull, 'registry:catalog:*']
    service: quay.io
    pagination: repair
    page_size: 7
    concurrency: 3
    max_repositories: 12
    realm_hosts: [Auth.Example.org, 'b.example:443', '[::1]:5000', '[::1]']
    allow_hosts: [Minio.Example.org, 'b.example:9000', 10.2.0.0/16, 10.3.0.1, 'fd00::/8', '[fd00::1]', '[::1]:9000']
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
    assert_eq!(client.auth, Auth::Token(Some(PasswordLogin { username: "my-org+robot".to_owned(), password })));
    assert_eq!(client.scope, ["repository:my-org/app:pull", "registry:catalog:*"]);
    assert_eq!(client.pagination, Pagination::Repair);
    assert_eq!(client.service.as_deref(), Some("quay.io"));
    assert_eq!((client.page_size.get(), client.concurrency.get(), client.timeout.as_secs()), (7, 3, 5400));
    assert_eq!(client.realm_hosts, ["auth.example.org", "b.example:443", "[::1]:5000", "[::1]"]);
    let host = |name: &str| AllowedHost::Host(name.to_owned());
    let network = |text: &str| AllowedHost::Network(text.parse().unwrap());
    assert_eq!(
        client.allow_hosts,
        [
            host("minio.example.org"),
            host("b.example:9000"),
            network("10.2.0.0/16"),
            network("10.3.0.1"),
            network("fd00::/8"),
            network("fd00::1"),
            host("[::1]:9000"),
        ]
    );
    assert_eq!(client.ca_file.as_deref(), Some(Path::new("/etc/ssl/my-ca.pem")));
    assert_eq!(registry.walk.max_repositories, 12);
    let filter = &registry.walk.filter;
    assert!(filter.accepts("my-org/a") && !filter.accepts("my-org/x") && !filter.accepts("my-org/a/b"));
    assert_eq!(registry.judge, JudgeSettings { allow_empty: true, shrink_limit: 1.0 });
}

#[test]
fn logins_are_read() {
    let login = |password| PasswordLogin { username: "u".to_owned(), password };
    let mut aws = SecretCommand::new("aws", vec!["ecr".to_owned()]);
    (aws.lifetime, aws.timeout) = (Some(Duration::from_hours(12)), Duration::from_mins(1));
    for (auth, expected) in [
        ("token", Auth::Token(None)),
        ("none", Auth::None),
        ("~", Auth::Token(None)),
        ("{type: ~}", Auth::Token(None)),
        ("{type: none}", Auth::None),
        ("{username: u, password_env: P_1}", Auth::Token(Some(login(SecretSource::Env("P_1".to_owned()))))),
        ("{type: basic, username: u, credential: c}", Auth::Basic(login(SecretSource::Credential("c".to_owned())))),
        ("{type: bearer, token_file: /t}", Auth::Bearer(SecretSource::File("/t".into()))),
        ("{type: bearer, token_env: T}", Auth::Bearer(SecretSource::Env("T".to_owned()))),
        ("{type: bearer, credential: c}", Auth::Bearer(SecretSource::Credential("c".to_owned()))),
        ("{username: u, password_file: ~, password_env: P}", Auth::Token(Some(login(SecretSource::Env("P".into()))))),
        ("{type: identity_token, token_file: /t}", Auth::Identity(SecretSource::File("/t".into()))),
        ("docker_config", Auth::Docker(DockerConfig::default())),
        ("{type: docker_config}", Auth::Docker(DockerConfig::default())),
        (
            "{type: docker_config, file: /f, namespace: my-org, command_timeout: 3s}",
            Auth::Docker(DockerConfig {
                file: Some("/f".into()),
                namespace: Some("my-org".to_owned()),
                timeout: Duration::from_secs(3),
                allow_readable: false,
            }),
        ),
        (
            "{type: basic, username: u, password_command: [aws, ecr], password_lifetime: 12h, command_timeout: 1m}",
            Auth::Basic(login(SecretSource::Command(aws))),
        ),
        ("{type: bearer, token_command: p}", Auth::Bearer(SecretSource::Command(SecretCommand::new("p", Vec::new())))),
        (
            "{username: u, password_file: /p, allow_readable: true}",
            Auth::Token(Some(login(SecretSource::ReadableFile("/p".into())))),
        ),
        ("{type: bearer, token_file: /t, allow_readable: false}", Auth::Bearer(SecretSource::File("/t".into()))),
        (
            "{type: docker_config, allow_readable: true}",
            Auth::Docker(DockerConfig { allow_readable: true, ..DockerConfig::default() }),
        ),
    ] {
        let read = load_registry(&format!("    auth: {auth}\n")).map(|registry| registry.client.auth);
        assert_eq!(read, Ok(expected), "{auth}");
    }
}

#[test]
fn allow_readable_is_about_the_files_named_beside_it() {
    let key = "    client_cert_file: /c\n    client_key_file: /k\n    allow_readable: true\n";
    let own = ClientCertificate { certificate: "/c".into(), key: "/k".into(), allow_readable: true };
    let login = |source| Auth::Token(Some(PasswordLogin { username: "u".to_owned(), password: source }));
    for (lines, auth) in [
        ("    auth: {username: u, password_file: /p}\n", login(SecretSource::File("/p".into()))),
        ("    username: u\n    password_file: /p\n", login(SecretSource::ReadableFile("/p".into()))),
    ] {
        let client = load_registry(&format!("{key}{lines}")).expect("a configuration").client;
        assert_eq!((client.client_certificate, client.auth), (Some(own.clone()), auth), "{lines}");
    }
    for lines in [
        "    allow_readable: true\n",
        "    auth: {username: u, password_file: /p}\n    allow_readable: true\n",
        "    username: u\n    password_env: P\n    allow_readable: true\n",
        "    auth: {username: u, password_env: P, allow_readable: true}\n",
        "    auth: {type: none, allow_readable: true}\n",
    ] {
        let problems = load_registry(lines).expect_err(lines);
        assert!(format!("{problems:?}").contains("allow_readable"), "{lines}: {problems:?}");
    }
}

#[test]
fn a_client_certificate_has_two_files_and_https() {
    let both = load_registry("    client_cert_file: /c.pem\n    client_key_file: /k.pem\n").map(|r| r.client);
    let expected = ClientCertificate { certificate: "/c.pem".into(), key: "/k.pem".into(), allow_readable: false };
    assert_eq!(both.map(|client| client.client_certificate), Ok(Some(expected)));
    for (given, missing) in [("client_cert_file", "client_key_file"), ("client_key_file", "client_cert_file")] {
        let refused = load_registry(&format!("    {given}: f\n")).expect_err("a problem");
        assert_eq!(refused, format!("m.yaml:3:5: `{given}` needs `{missing}`\n    add `{missing}: PATH`"));
    }
    let text =
        format!("{SINK}registries: [{{name: r, url: 'http://r.example', client_cert_file: c, client_key_file: k}}]\n");
    let refused = load_text(&text).expect_err("problems");
    assert_eq!(refused.matches("has no effect on an http url").count(), 2, "{refused}");
}

/// Each value of a key under `registries:`, on line 5, with the column and text of its problem.
#[test]
#[allow(clippy::too_many_lines)] // a table
fn impossible_values_say_what_was_expected() {
    let example = "for example `https://quay.io`, or with a port `https://registry.example.org:5000`";
    for (key, value, column, message, help) in [
        ("page_size", "0", 16, "expected a whole number from 1 to 10000, found 0", ""),
        ("page_size", "-1", 16, "expected a whole number from 1 to 10000, found -1", ""),
        (
            "page_size",
            "1.5",
            16,
            "expected a whole number from 1 to 10000, found one that is not whole, or far too large",
            "",
        ),
        ("concurrency", "0", 18, "expected a whole number from 1 to 1000, found 0", ""),
        (
            "concurrency",
            "\"16\"",
            18,
            "expected a whole number from 1 to 1000, found text",
            "write it without quotes and leading zeros",
        ),
        ("max_repositories", "-1", 23, "expected a whole number, 0 or more, found -1", ""),
        ("shrink_limit", "2", 19, "expected a number from 0 to 1, found 2", "write `0.02`, if 2 percent are meant"),
        ("shrink_limit", "200", 19, "expected a number from 0 to 1, found 200", ""),
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
        ("insecure_tls", "yes", 19, "expected true or false, found text", "write `true`, without quotes"),
        ("allow_empty", "1", 18, "expected true or false, found a number", ""),
        ("scope", "12", 12, "expected text, found a number", "put it in quotes"),
        ("scope", "[a, [b]]", 16, "expected text, found a list", ""),
        ("service", "''", 14, "expected text, found an empty text", ""),
        (
            "service",
            r#""a\n""#,
            14,
            "expected text, found text with a line break or another control character",
            "write it on one line",
        ),
        ("service", r#""a\e""#, 14, "expected text, found text with a line break or another control character", ""),
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
            "expected one of token, basic, bearer, identity_token, docker_config, none, found another word",
            "did you mean `token`?",
        ),
        (
            "url",
            "quay.io",
            10,
            "expected a url that begins with https:// or http://",
            "did you mean `https://quay.io`?",
        ),
        ("url", "s3cr3t", 10, "expected a url that begins with https:// or http://", example),
        (
            "url",
            "ftp://quay.io",
            10,
            "expected an https or http url, found another scheme",
            "did you mean `https://quay.io`?",
        ),
        ("url", "https://", 10, "expected a url with a host, found something else", example),
        ("url", "https://a?b", 10, "expected a url without `?` and `#`", "leave that part out"),
        ("url", "https://a/v2/", 10, "expected a url without /v2, which every request adds", "leave that part out"),
        (
            "name",
            "a/b",
            11,
            "a registry name is 1 to 63 letters, digits, `.`, `_` or `-` and begins with a letter or a digit",
            "for example `a-b`",
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
fn a_range_of_addresses_is_one() {
    let problem = load_registry("    allow_hosts: [10.0.0.0/33]\n").expect_err("no range");
    assert!(problem.contains("expected a range of addresses") && problem.contains("10.2.0.0/16"), "{problem}");
    load_registry("    allow_hosts: ['https://a.example/']\n").expect_err("a url");
    load_registry("    allow_hosts: ['a b']\n").expect_err("two hosts");
}
