//! How a registry is logged in to. A secret is named by where it is kept; written out, it is refused unread.
//!
//! | `type` | what is sent | keys |
//! |---|---|---|
//! | `token` | a token of the token service; with a login, in exchange for it | `username`, a password |
//! | `basic` | the login, on every request (ECR: `username: AWS`) | `username`, a password |
//! | `bearer` | a token made elsewhere, as it is | a token |
//! | `identity_token` | a token of the token service, in exchange for an identity token (`OAuth2` `refresh_token`) | a token |
//! | `docker_config` | whatever docker or podman have stored for the registry | `file`, `namespace` |
//! | `none` | nothing | |
//!
//! A password is one of `password_file`, `password_env`, `password_command` and `credential` (systemd's); a token is one of
//! `token_file`, `token_env`, `token_command` and `credential`. What a command prints is kept for `password_lifetime` or
//! `token_lifetime`, by default until it is refused; a command, and a credential helper of docker's, may run for
//! `command_timeout`.

use std::time::Duration;

use crate::registry::{Auth, DockerConfig, Login, SecretCommand, SecretSource};
use yaml_sections::{Checked, Field, Section, YamlValue};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Token,
    Basic,
    Bearer,
    Identity,
    Docker,
    None,
}

const KINDS: [(&str, Kind); 6] = [
    ("token", Kind::Token),
    ("basic", Kind::Basic),
    ("bearer", Kind::Bearer),
    ("identity_token", Kind::Identity),
    ("docker_config", Kind::Docker),
    ("none", Kind::None),
];

/// The keys of a secret: its sources, the third a command, and how long that one's output is kept.
pub(super) struct SecretKeys {
    sources: [&'static str; 4],
    lifetime: &'static str,
}

pub(super) const PASSWORD: SecretKeys = SecretKeys {
    sources: ["password_file", "password_env", "password_command", "credential"],
    lifetime: "password_lifetime",
};
pub(super) const TOKEN: SecretKeys =
    SecretKeys { sources: ["token_file", "token_env", "token_command", "credential"], lifetime: "token_lifetime" };

pub(super) const PASSWORD_SOURCES: &str =
    "`password_file: PATH`, `password_env: VARIABLE`, `password_command: [PROGRAM]` or `credential: NAME`";
pub(super) const TOKEN_SOURCES: &str =
    "`token_file: PATH`, `token_env: VARIABLE`, `token_command: [PROGRAM]` or `credential: NAME`";
/// Keys that people expect to take the secret itself.
const LITERALS: [&str; 7] = ["password", "token", "secret", "pass", "passwd", "identity_token", "identitytoken"];
const WHY: &str = "a secret does not stand in the configuration, where backups, tickets and version control see it";

/// Reports secrets that are written out in this mapping.
pub(super) fn refuse_literals(section: &mut Section<'_>) -> Checked<()> {
    let refused = LITERALS.map(|key| {
        let sources = match key {
            "token" => format!("`type: bearer` with {TOKEN_SOURCES}"),
            "identity_token" | "identitytoken" => format!("`type: identity_token` with {TOKEN_SOURCES}"),
            _ => PASSWORD_SOURCES.to_owned(),
        };
        section.refuse(key, &format!("`{key}`: {WHY}"), &format!("write, under `auth`, {sources}"))
    });
    refused.into_iter().collect()
}

/// Reads `auth`: a mapping, or the bare word of a kind that needs nothing else.
pub(super) fn read(field: &Field<'_>) -> Checked<Auth> {
    if let YamlValue::Text(word) = &field.node.value {
        return match KINDS.iter().find(|(name, _)| name == word).map(|(_, kind)| kind) {
            Some(Kind::Token) => Ok(Auth::Token(None)),
            Some(Kind::None) => Ok(Auth::None),
            Some(Kind::Docker) => Ok(Auth::Docker(DockerConfig::default())),
            _ => {
                let help = "for example `auth: {type: token, username: my-org+robot, password_file: PATH}`";
                Err(field.problem("expected a mapping, found text", Some(help.to_owned())))
            }
        };
    }
    let mut section = field.section()?;
    let auth = read_section(&mut section);
    section.finish();
    auth
}

/// A kind by its word, or by what a form of the Quay guide calls it.
fn kind(field: &Field<'_>) -> Checked<Kind> {
    const FORM: [(&str, &str, Kind); 4] = [
        ("Token Auth (Docker v2)", "token", Kind::Token),
        ("Bearer Token", "bearer", Kind::Bearer),
        ("Basic Auth", "basic", Kind::Basic),
        ("No Authentication", "none", Kind::None),
    ];
    let known = |text: &str| FORM.into_iter().find(|(words, ..)| text.eq_ignore_ascii_case(words));
    match field.text().ok().and_then(known) {
        Some((words, word, kind)) => {
            field.note(format!("`{words}` is read as `{word}`"), None);
            Ok(kind)
        }
        None => field.one_of(&KINDS),
    }
}

/// The same of keys that stand in this mapping.
pub(super) fn read_section(section: &mut Section<'_>) -> Checked<Auth> {
    let literals = refuse_literals(section);
    let kind = section.or("type", Kind::Token, kind).inspect_err(|_| section.skip_rest())?;
    // A secret that was refused stands for the one that should be there: its absence is no second problem.
    let refused = literals.and(refuse_misplaced(section, kind));
    match kind {
        Kind::None => refused.map(|()| Auth::None),
        Kind::Docker => {
            let config = docker_config(section);
            refused.and(config).map(Auth::Docker)
        }
        Kind::Bearer | Kind::Identity => {
            let token = secret(section, &TOKEN);
            refused?;
            let token = token?.ok_or_else(|| {
                let name = name(kind);
                section.problem(format!("`type: {name}` needs a token"), format!("add {TOKEN_SOURCES}"))
            })?;
            Ok(if kind == Kind::Bearer { Auth::Bearer(token) } else { Auth::Identity(token) })
        }
        Kind::Token | Kind::Basic => {
            let (username, password) = (section.optional("username", username), secret(section, &PASSWORD));
            refused?;
            match (kind, login(section, username?, password?)?) {
                (Kind::Basic, Some(login)) => Ok(Auth::Basic(login)),
                (Kind::Basic, None) => {
                    let help = format!("add `username: NAME` and {PASSWORD_SOURCES}");
                    Err(section.problem("`type: basic` needs a login", help))
                }
                (_, login) => Ok(Auth::Token(login)),
            }
        }
    }
}

pub(super) fn login(
    section: &Section<'_>,
    username: Option<String>,
    password: Option<SecretSource>,
) -> Checked<Option<Login>> {
    match (username, password) {
        (Some(username), Some(password)) => Ok(Some(Login { username, password })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.problem("`username` needs a password", format!("add {PASSWORD_SOURCES}"))),
        (None, Some(_)) => Err(section.problem("a password needs a user name", "add `username: NAME`")),
    }
}

fn docker_config(section: &mut Section<'_>) -> Checked<DockerConfig> {
    let default = DockerConfig::default();
    let file = section.optional("file", Field::path);
    let namespace = section.optional("namespace", |field| field.text().map(str::to_owned));
    let timeout = section.or("command_timeout", default.timeout, Field::duration);
    Ok(DockerConfig { file: file?, namespace: namespace?, timeout: timeout? })
}

pub(super) fn username(field: &Field<'_>) -> Checked<String> {
    let name = field.text()?;
    if name.contains(':') {
        let help = "if a password follows it, move the password to a file and name that in `password_file`";
        return Err(field.problem("a user name has no `:`", Some(help.to_owned())));
    }
    Ok(name.to_owned())
}

/// The one source of a secret among several, with what goes along with a command.
pub(super) fn secret(section: &mut Section<'_>, keys: &SecretKeys) -> Checked<Option<SecretSource>> {
    let fields: Vec<_> = keys.sources.into_iter().filter_map(|key| section.take(key)).collect();
    let mut source = Ok(None);
    for (at, field) in fields.iter().enumerate() {
        let read = read_source(field).map(Some);
        source = match at {
            0 => read,
            _ => Err(field.problem("a secret has one source", Some(format!("keep this or `{}`", fields[0].key)))),
        };
    }
    let is_command = fields.iter().any(|field| field.key == keys.sources[2]);
    let mut duration = |key| {
        section.optional(key, |field| {
            let help = || format!("add `{}`, or leave this out", keys.sources[2]);
            if is_command {
                field.duration()
            } else {
                Err(field.problem("has no effect without a command", Some(help())))
            }
        })
    };
    let (lifetime, timeout): (Checked<Option<Duration>>, _) = (duration(keys.lifetime), duration("command_timeout"));
    let (lifetime, timeout) = (lifetime?, timeout?);
    Ok(source?.map(|source| match source {
        SecretSource::Command(mut command) => {
            command.lifetime = lifetime;
            command.timeout = timeout.unwrap_or(command.timeout);
            SecretSource::Command(command)
        }
        source => source,
    }))
}

/// A program and its arguments. A line is not split: that would be a shell's work, with a shell's surprises.
fn command(field: &Field<'_>) -> Checked<SecretSource> {
    let words = field.each(|word| word.text().map(str::to_owned))?;
    let help = "the program and its arguments, for example `[aws, ecr, get-login-password]`; no shell reads them";
    match words.split_first() {
        Some((program, [])) if program.contains(char::is_whitespace) => {
            Err(field.problem("expected a list, found a line with blanks", Some(help.to_owned())))
        }
        Some((program, arguments)) => {
            Ok(SecretSource::Command(SecretCommand::new(field.program(program), arguments.to_vec())))
        }
        None => Err(field.problem("expected a program, found an empty list", Some(help.to_owned()))),
    }
}

fn read_source(field: &Field<'_>) -> Checked<SecretSource> {
    if field.key.ends_with("_command") {
        return command(field);
    }
    let text = field.text()?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match field.key {
        "credential" if text.contains('/') || text == "." || text == ".." => {
            Err(field.problem("expected the name of a systemd credential, found a path", None))
        }
        "credential" => Ok(SecretSource::Credential(text.to_owned())),
        "password_file" | "token_file" => Ok(SecretSource::File(field.path()?)),
        _ if text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(word) => {
            let help = "letters, digits and `_`, without `$`; the secret itself does not stand here";
            Err(field.problem("expected the name of an environment variable", Some(help.to_owned())))
        }
        _ => Ok(SecretSource::Env(text.to_owned())),
    }
}

/// Reports keys that belong to another kind than this.
fn refuse_misplaced(section: &mut Section<'_>, kind: Kind) -> Checked<()> {
    let password = ["password_file", "password_env", "password_command", "password_lifetime"];
    let token = ["token_file", "token_env", "token_command", "token_lifetime"];
    let (keys, help) = match kind {
        Kind::None => {
            let others = ["username", "credential", "command_timeout"];
            ([&others[..], &password, &token].concat(), "leave it out, or choose another `type`")
        }
        Kind::Docker => {
            let others = ["username", "credential"];
            ([&others[..], &password, &token].concat(), "user name and password are what docker has stored")
        }
        Kind::Bearer => {
            ([&["username"], &password[..]].concat(), "a bearer token is all that is sent; name its source alone")
        }
        Kind::Identity => {
            ([&["username"], &password[..]].concat(), "an identity token is all that is sent; name its source alone")
        }
        Kind::Token | Kind::Basic => {
            (token.to_vec(), "name a password's source; or `type: bearer` for a token made elsewhere")
        }
    };
    let name = name(kind);
    let mut refuse = |key, help| section.refuse(key, &format!("`{key}` does not go with `type: {name}`"), help);
    let mut refused: Vec<_> = keys.into_iter().map(|key| refuse(key, help)).collect();
    if kind != Kind::Docker {
        let help = "`type: docker_config` reads what docker and podman have stored";
        refused.extend(["file", "namespace"].map(|key| refuse(key, help)));
    }
    refused.into_iter().collect()
}

fn name(kind: Kind) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}
