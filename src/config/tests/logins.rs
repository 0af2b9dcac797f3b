//! Logins that cannot work, and secrets that stand where they must not.

use super::*;

#[test]
fn logins_that_cannot_work_are_refused() {
    let sources =
        "`password_file: PATH`, `password_env: VARIABLE`, `password_command: [PROGRAM]` or `credential: NAME`";
    let tokens = "`token_file: PATH`, `token_env: VARIABLE`, `token_command: [PROGRAM]` or `credential: NAME`";
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
             only the bearer token is sent; name its source and leave this out"
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
        ("{type: identity_token}", format!("5:11: `type: identity_token` needs a token\n    add {tokens}")),
        (
            "{type: identity_token, username: u, token_file: t}",
            "5:34: `username` does not go with `type: identity_token`\n    \
             only the identity token is sent; name its source and leave this out"
                .to_owned(),
        ),
        (
            "{type: docker_config, username: u}",
            "5:33: `username` does not go with `type: docker_config`\n    \
             user name and password come from the stored login"
                .to_owned(),
        ),
        (
            "{file: f}",
            "5:12: `file` does not go with `type: token`\n    \
             `type: docker_config` reads the logins that docker and podman have stored"
                .to_owned(),
        ),
        (
            "{username: u, password_command: aws ecr get-login-password}",
            "5:43: `password_command`: expected a list, found a line with blanks\n    the program and its arguments, \
             for example `[aws, ecr, get-login-password]`; no shell reads them"
                .to_owned(),
        ),
        (
            "{username: u, password_command: []}",
            "5:43: `password_command`: expected a program, found an empty list\n    the program and its arguments, \
             for example `[aws, ecr, get-login-password]`; no shell reads them"
                .to_owned(),
        ),
        (
            "{username: u, password_file: f, password_lifetime: 12h}",
            "5:62: `password_lifetime`: has no effect without a command\n    add `password_command`, or leave this out"
                .to_owned(),
        ),
        (
            "{type: bearer, token_command: [p], token_lifetime: 12}",
            "5:62: `token_lifetime`: expected a duration such as `30s`, `1h30m` or `500ms`, found a number without a \
             unit\n    `12s`, if seconds are meant"
                .to_owned(),
        ),
        (
            "{username: u, credential: a/b}",
            "5:37: `credential`: expected the name of a systemd credential, found a path".to_owned(),
        ),
        (
            "{username: u, password_env: $P}",
            "5:39: `password_env`: expected the name of an environment variable\n    \
             write the name alone: `password_env: P`"
                .to_owned(),
        ),
        (
            "{username: u, password_env: s3cr3t/W0rd}",
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
            "m.yaml:5:25: `password`: do not write a secret into the configuration, which backups, tickets and version control copy\n    write, under `auth`, `password_file: PATH`, `password_env: VARIABLE`, \
             `password_command: [PROGRAM]` or `credential: NAME`",
        ),
        (
            format!("    auth: {{type: bearer, token: {SECRET}}}\n"),
            "m.yaml:5:26: `token`: do not write a secret into the configuration, which backups, tickets and version control copy\n    write, under `auth`, `type: bearer` with `token_file: PATH`, `token_env: VARIABLE`, \
             `token_command: [PROGRAM]` or `credential: NAME`",
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
        format!("    auth: {{username: u, password_command: '{SECRET} x'}}\n"),
        format!("    auth: {{type: identity_token, identity_token: {SECRET}}}\n"),
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
