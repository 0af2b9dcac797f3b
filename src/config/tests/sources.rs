//! Kinds, discoveries, monitored repositories, and what the words of other programs become.

use std::time::Duration;

use super::*;
use crate::discovery::DiscoverySettings;
use crate::registry::Auth;
use crate::registry::Pagination;
use crate::registry::PasswordLogin;
use crate::registry::RegistryKind;
use crate::registry::SecretSource;
use crate::registry::Split;
use crate::registry::api::ApiLogin;
use crate::walk::Depth;

/// The notes on a registry with these lines, whose host is `url`.
fn notes_at(url: &str, lines: &str) -> Vec<String> {
    let text = format!("{SINK}registries:\n  - name: r\n    url: {url}\n{lines}");
    let config = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let place = |note: &ConfigNote| {
        note.to_string().rsplit_once("m.yaml:").map(|(_, note)| note.to_owned()).unwrap_or_default()
    };
    config.notes.iter().map(place).collect()
}

fn problem(lines: &str) -> String {
    load_registry(lines).expect_err("a problem")
}

#[test]
fn every_key_of_sources_is_read_and_has_its_default() {
    let registry = load_registry("").unwrap();
    assert_eq!(registry.discovery, DiscoverySettings::Catalog);
    assert_eq!((registry.walk.depth, registry.walk.resume_within), (Depth::Repositories, Duration::from_hours(1)));
    assert_eq!(registry.client.requests_per_second, None);
    assert_eq!((registry.client.kind, registry.client.split), (None, Split::Auto));
    assert_eq!(registry.client.pagination, Pagination::Auto);
    assert!(registry.walk.monitored.is_empty());

    let registry = load_registry(
        "    kind: gitea
    depth: manifests
    requests_per_second: 7
    split: off
    resume_within: 90m
    monitored_repositories: [acme/app, b]
    discovery: {type: gitea, owners: [acme], token_env: T, api_url: 'https://g.example/forge'}
",
    )
    .unwrap();
    assert_eq!((registry.walk.depth, registry.walk.resume_within), (Depth::Manifests, Duration::from_mins(90)));
    assert_eq!(registry.client.requests_per_second.map(std::num::NonZeroU32::get), Some(7));
    assert_eq!((registry.client.kind, registry.client.split), (Some(RegistryKind::Gitea), Split::Off));
    assert_eq!(registry.client.page_size.get(), 100, "what Gitea gives");
    assert_eq!(registry.walk.monitored, ["acme/app", "b"]);
    for off in ["0", "off", "0s"] {
        let registry = load_registry(&format!("    resume_within: {off}\n")).unwrap();
        assert_eq!(registry.walk.resume_within, Duration::ZERO, "{off}");
    }
}

#[test]
fn discoveries_are_read() {
    let token = ApiLogin::Bearer(SecretSource::Env("T".to_owned()));
    let login = PasswordLogin { username: "u".to_owned(), password: SecretSource::Env("P".to_owned()) };
    let with = |url: Option<&str>, login: &ApiLogin| crate::registry::api::ApiSettings {
        url: url.map(|url| url.parse().unwrap()),
        login: login.clone(),
    };
    let basic = ApiLogin::Basic(login.clone());
    let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    for (discovery, expected) in [
        ("catalog", DiscoverySettings::Catalog),
        ("{repositories: [a/b, c]}", DiscoverySettings::Listed(list(&["a/b", "c"]))),
        ("{type: listed, repositories: a}", DiscoverySettings::Listed(list(&["a"]))),
        (
            "{type: quay, namespace: acme, token_env: T}",
            DiscoverySettings::Quay { api: with(None, &token), namespaces: list(&["acme"]) },
        ),
        ("harbor", DiscoverySettings::Harbor { api: with(None, &basic), projects: Vec::new() }),
        (
            "{type: harbor, projects: [library], username: x, password_env: P}",
            DiscoverySettings::Harbor {
                api: with(None, &ApiLogin::Basic(PasswordLogin { username: "x".to_owned(), ..login.clone() })),
                projects: list(&["library"]),
            },
        ),
        (
            "{type: gitlab, api_url: 'https://g.example', groups: [7, a/b], projects: c/d, token_env: T}",
            DiscoverySettings::Gitlab {
                api: with(Some("https://g.example"), &token),
                groups: list(&["7", "a/b"]),
                projects: list(&["c/d"]),
            },
        ),
        (
            "{type: docker_hub, namespaces: [acme]}",
            DiscoverySettings::DockerHub {
                api: with(Some("https://hub.docker.com"), &ApiLogin::Exchanged(login.clone())),
                namespaces: list(&["acme"]),
            },
        ),
        ("acr", DiscoverySettings::Acr),
        (
            "{type: forgejo, owners: [acme]}",
            DiscoverySettings::Gitea { api: with(None, &ApiLogin::Anonymous), owners: list(&["acme"]) },
        ),
    ] {
        let lines = format!("    auth: {{username: u, password_env: P}}\n    discovery: {discovery}\n");
        assert_eq!(load_registry(&lines).map(|registry| registry.discovery), Ok(expected), "{discovery}");
    }
}

#[test]
fn discoveries_that_cannot_work_say_what_is_missing() {
    for (discovery, message) in [
        (
            "quayy",
            "`discovery`: expected one of catalog, listed, quay, harbor, gitlab, docker_hub, acr, gitea, forgejo, found another word\n    did you mean `quay`?",
        ),
        (
            "quay",
            "`discovery`: expected a mapping, found a word that needs more\n    for example `{type: quay, namespaces: [my-org], token_file: PATH}`",
        ),
        ("{namespaces: [a]}", "`type` is missing\n    for example `type: quay`, or `repositories: [my-org/app]`"),
        ("{type: quay, token_env: T}", "`namespaces` is missing\n    for example `namespaces: [my-org]`"),
        ("{type: quay, namespaces: [], token_env: T}", "`namespaces`: expected at least one name, found an empty list"),
        (
            "{type: gitlab, token_env: T, groups: [a]}",
            "`api_url` is missing: GitLab's API is on another host than its registry\n    for example `api_url: https://gitlab.example.org`",
        ),
        (
            "{type: gitlab, token_env: T, api_url: 'https://g.example'}",
            "`groups` and `projects` are missing\n    for example `groups: [my-group]`",
        ),
        (
            "{type: gitea, owners: a, api_url: 'http://g.example'}",
            "`api_url`: expected https, because the registry has it\n    write it with https: the API receives secrets, as the registry does",
        ),
        (
            "{type: gitea, owners: a, api_url: 'https://g.example/api/v1'}",
            "`api_url`: expected the address of the server\n    without the path of the API, which every request adds",
        ),
        (
            "{type: gitea, owners: a, groups: b}",
            "unknown key `groups`\n    known here: type, owners, api_url, token_file, token_env, token_command, credential, token_lifetime, \
                 command_timeout, allow_readable",
        ),
        ("{repositories: []}", "`repositories`: expected at least one repository, found an empty list"),
        (
            "{repositories: ['a:latest']}",
            "`repositories`: expected the name of a repository\n    `a`: without a tag or a digest",
        ),
        (
            "{repositories: [r.example/a]}",
            "`repositories`: expected a repository without its host\n    the name alone, for example `my-org/app`: the host stands in `url`",
        ),
    ] {
        let problem = problem(&format!("    discovery: {discovery}\n"));
        let (place, found) = problem.split_once(": ").unwrap();
        assert_eq!(found, message, "{discovery}");
        assert!(place.starts_with("m.yaml:5:"), "{problem}");
    }
    let missing = problem("    discovery: {type: quay, namespaces: [a]}\n");
    assert!(missing.starts_with("m.yaml:5:16: a token is missing\n    add `token_file: PATH`"), "{missing}");
    let literal = problem(&format!("    discovery: {{type: quay, namespaces: [a], token: {SECRET}}}\n"));
    assert!(
        literal.contains("do not write a secret into the configuration") && !literal.contains("s3cr3t"),
        "{literal}"
    );
    assert_eq!(literal.matches("m.yaml").count(), 1, "{literal}");
}

#[test]
fn a_discovery_without_a_login_says_that_it_sees_less() {
    for (discovery, noted) in [
        ("harbor", true),
        ("{type: harbor, username: u, password_env: P}", false),
        ("{type: docker_hub, namespaces: a}", true),
        ("{type: gitea, owners: a}", true),
        ("{type: gitea, owners: a, token_env: T}", false),
        ("acr", false),
    ] {
        let notes = notes_at("https://r.example", &format!("    discovery: {discovery}\n"));
        let expected = notes.iter().any(|note| note.contains("only public repositories are listed"));
        assert_eq!((notes.len(), expected), (usize::from(noted), noted), "{discovery} {notes:?}");
    }
}

#[test]
fn monitored_repositories_count_once_whatever_their_case() {
    let lines = "    monitored_repositories: [acme/app, Acme/App, b]\n";
    let notes = notes_at("https://r.example", lines);
    assert_eq!(
        notes,
        [
            "5:40: note: `monitored_repositories`: `acme/app` is here twice, and counts once",
            "5:40: note: `monitored_repositories`: read as `acme/app`: names of repositories are in lower case",
        ]
    );
    assert_eq!(load_registry(lines).unwrap().walk.monitored, ["acme/app", "b"]);
    assert!(problem("    monitored_repositories: [a//b]\n").contains("expected the name of a repository"));
}

#[test]
fn kinds_without_a_catalog_want_a_discovery() {
    for (url, kind) in [("https://ghcr.io", "auto"), ("https://r.example", "docker_hub")] {
        let with = |discovery: &str| {
            load_text(&format!("{SINK}registries: [{{name: r, url: '{url}', kind: {kind}{discovery}}}]\n"))
        };
        let problem = with("").expect_err("a problem");
        assert!(
            problem.contains("m.yaml:2:14: `discovery` is missing: `") && problem.contains("has no catalog"),
            "{problem}"
        );
        assert!(with(", discovery: {repositories: [a/b]}").is_ok() && with(", discovery: catalog").is_ok());
    }
    assert!(problem("    kind: quai\n").contains("did you mean `quay`?"));
}

#[test]
fn robot_names_are_checked_before_any_request() {
    let login = |name: &str| format!("    auth: {{username: '{name}', password_file: f}}\n");
    let refused = problem(&format!("    kind: quay\n{}", login("my-org/robot")));
    let expected =
        "m.yaml:6:22: `username`: no account of Quay has a `/` in its name\n    did you mean `my-org+robot`?";
    assert_eq!(refused, expected);
    let text = format!("{SINK}registries: [{{name: r, url: 'https://quay.io', username: a/b, password_file: f}}]\n");
    assert!(load_text(&text).expect_err("a problem").contains("did you mean `a+b`?"));
    let secret = problem(&format!("    kind: quay\n{}", login("a/s3cr3t W0rd")));
    assert!(secret.ends_with("did you mean `org+robot`?"), "{secret}");

    for (kind, name, note) in [
        ("quay", "my-org+robot", None),
        ("quay", "$oauthtoken", None),
        ("quay", "person", Some("not a robot account's name, which has a `+`")),
        ("harbor", "robot$stocktake", None),
        ("harbor", "admin", None),
        ("harbor", "robot", Some("Harbor's robots are named")),
        ("harbor", "robot$$x", Some("Harbor's robots are named")),
        ("ecr", "AWS", None),
        ("ecr", "aws", Some("Amazon accepts only one user name")),
        ("distribution", "a/b", None),
    ] {
        let notes = notes_at("https://r.example", &format!("    kind: {kind}\n{}", login(name)));
        assert_eq!(notes.len(), usize::from(note.is_some()), "{kind} {name}: {notes:?}");
        assert!(note.is_none_or(|note| notes[0].starts_with("6:22: note: ") && notes[0].contains(note)), "{notes:?}");
    }
}

#[test]
fn scopes_are_split_and_what_quay_cannot_read_is_refused() {
    let both = "    scope: repository:a/b:pull,repository:c/d:pull\n";
    let notes = notes_at("https://r.example", both);
    assert_eq!(notes, ["5:12: note: `scope`: read as 2 scopes, which are asked for one by one"]);
    let wildcard = problem("    kind: quay\n    scope: [repository:a/b:pull, 'repository:a/*:pull']\n");
    assert!(
        wildcard.starts_with("m.yaml:6:34: `scope`: Quay knows no wildcard in a scope and answers 400 to it\n"),
        "{wildcard}"
    );
    assert!(load_registry("    scope: 'repository:a/*:pull'\n").is_ok(), "others may know them");
    let notes = notes_at("https://quay.io", "    scope: 'registry:catalog:*'\n");
    assert!(notes[0].contains("`registry:catalog:*` is not asked for"), "{notes:?}");
    assert!(notes[1].contains("does not change which repositories are listed"), "{notes:?}");
}

/// The form of the guide, field by field, under the names that its program gives them.
#[test]
fn the_guides_own_example_is_read_and_what_is_done_differently_is_said() {
    let lines = "    registry_type: Quay.io
    auth_type: Token Auth (Docker v2)
    username: myorg+myrobot
    password_file: /run/secrets/quay
    auth_scope: repository:myorg/myrepo:pull
    service: quay
    max_repos: 200
    monitored_repos: [myorg/frontend, myorg/backend]
";
    let notes = notes_at("https://quay.io", lines).join("\n");
    for note in [
        "5:5: note: `registry_type` is read as `kind`",
        "5:20: note: `kind`: `Quay.io` is read as `quay`",
        "6:5: note: the login beside `url` is read as `auth`",
        "6:16: note: `type`: `Token Auth (Docker v2)` is read as `token`",
        "9:5: note: `auth_scope` is read as `scope`",
        "9:17: note: `scope`: on Quay the scope does not change which repositories are listed",
        "10:14: note: `service`: not the host of the registry, `quay.io`",
        "11:5: note: `max_repos` is read as `max_repositories`",
        "11:16: note: `max_repositories`: the inventory ends after 200 repositories",
        "12:5: note: `monitored_repos` is read as `monitored_repositories`",
    ] {
        assert!(notes.contains(note), "{note}\n{notes}");
    }
    let text = format!("{SINK}registries:\n  - name: r\n    url: https://quay.io\n{lines}");
    let registry = load_text(&text).unwrap().registries.remove(0);
    let password = SecretSource::File("/run/secrets/quay".into());
    assert_eq!(registry.client.auth, Auth::Token(Some(PasswordLogin { username: "myorg+myrobot".into(), password })));
    assert_eq!((registry.client.kind, registry.walk.max_repositories), (Some(RegistryKind::Quay), 200));
    assert_eq!(registry.walk.monitored, ["myorg/frontend", "myorg/backend"]);
    assert_eq!(registry.client.scope, ["repository:myorg/myrepo:pull"]);
}

#[test]
fn the_guides_password_in_the_file_is_refused_all_the_same() {
    let lines = format!("    auth_type: token\n    username: myorg+myrobot\n    password: {SECRET}\n");
    let refused = problem(&lines);
    assert_eq!(
        refused,
        "m.yaml:7:5: `password`: do not write a secret into the configuration, which backups, tickets and version control copy\n    write, under `auth`, `password_file: PATH`, `password_env: VARIABLE`, `password_command: [PROGRAM]` or `credential: NAME`"
    );
}

#[test]
fn one_thing_said_twice_is_a_problem() {
    let twice = problem("    scope: a\n    auth_scope: b\n");
    assert_eq!(twice, "m.yaml:6:5: `auth_scope` says the same as `scope`\n    keep `scope`");
    let twice = problem("    auth: none\n    username: u\n");
    assert!(twice.starts_with("m.yaml:6:5: a login stands here, and another in `auth`"), "{twice}");
}
