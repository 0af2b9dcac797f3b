//! `auth`: how stocktake logs in to a registry. The configuration names the place of a secret. A secret that is written
//! into the configuration is refused without reading it.
//!
//! | `type` | what is sent | keys |
//! |---|---|---|
//! | `token` | a token of the token service; with a login, in exchange for it | `username`, a password |
//! | `basic` | the login, on every request (ECR: `username: AWS`) | `username`, a password |
//! | `bearer` | a token made elsewhere, as it is | a token |
//! | `identity_token` | a token of the token service, in exchange for an identity token (`OAuth2` `refresh_token`) | a token |
//! | `docker_config` | the login that docker or podman have stored for the registry | `file`, `namespace` |
//! | `none` | nothing | |
//!
//! A password is one of `password_file`, `password_env`, `password_command` and `credential` (systemd's); a token is one of
//! `token_file`, `token_env`, `token_command` and `credential`. The output of a command is kept for `password_lifetime` or
//! `token_lifetime`, by default until the registry refuses it. A command, and a credential helper of docker, may run for
//! `command_timeout`.

use std::time::Duration;

use crate::registry::Auth;
use crate::registry::DockerConfig;
use crate::registry::PasswordLogin;
use crate::registry::SecretCommand;
use crate::registry::SecretSource;
use yaml_sections::Phrase::{self, Computed, Plain};
use yaml_sections::{Checked, DefaultKey, Field, OptionalKey, Section, Written, YamlValue, is_plain, nearest};

use super::phrases::{DURATION, NONE, PATH, TEXT};
use super::readable::ALLOW_READABLE;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthType {
    Token,
    Basic,
    Bearer,
    Identity,
    Docker,
    None,
}

pub(super) const AUTH_TYPES: [(&str, AuthType); 6] = [
    ("token", AuthType::Token),
    ("basic", AuthType::Basic),
    ("bearer", AuthType::Bearer),
    ("identity_token", AuthType::Identity),
    ("docker_config", AuthType::Docker),
    ("none", AuthType::None),
];

/// The keys of a secret: its four sources, of which the third is a command, and the lifetime of the command's output.
pub(super) struct SecretKeys {
    sources: [&'static OptionalKey; 4],
    lifetime: &'static OptionalKey,
}

static TYPE: DefaultKey<AuthType> =
    DefaultKey::one_of("type", &AUTH_TYPES, || AuthType::Token, "How the login is sent; see the tables of the types.");
pub(super) static USERNAME: OptionalKey =
    OptionalKey::new("username", Plain("text without `:`"), Plain("no login"), "User name of the login.");
static FILE: OptionalKey = OptionalKey::new(
    "file",
    PATH,
    Plain("the first file of podman or docker with a login for it"),
    "The file with stored logins.",
);
static NAMESPACE: OptionalKey = OptionalKey::new(
    "namespace",
    TEXT,
    NONE,
    "Namespace of an entry of podman: `my-org` for the entry `quay.io/my-org`.",
);
static HELPER_TIMEOUT: DefaultKey<Duration> = DefaultKey::new(
    "command_timeout",
    DURATION,
    || DockerConfig::default().timeout,
    "How long a credential helper may run.",
);
static COMMAND_TIMEOUT: OptionalKey = OptionalKey::new(
    "command_timeout",
    DURATION,
    Computed(|| format!("`{}`", SecretCommand::new(String::new(), Vec::new()).timeout.written())),
    "How long the command may run.",
);
static CREDENTIAL: OptionalKey = OptionalKey::new(
    "credential",
    Plain("the name of a systemd credential"),
    NONE,
    "Credential of the systemd unit (`LoadCredential=`) that holds the secret.",
);

const VARIABLE: Phrase = Plain("the name of an environment variable");
const COMMAND: Phrase = Plain("a program and its arguments, as a list");
const UNTIL_REFUSED: Phrase = Plain("until the registry refuses it");
static PASSWORD_FILE: OptionalKey = OptionalKey::new("password_file", PATH, NONE, "File that holds the password.");
static PASSWORD_ENV: OptionalKey =
    OptionalKey::new("password_env", VARIABLE, NONE, "Environment variable that holds the password.");
static PASSWORD_COMMAND: OptionalKey =
    OptionalKey::new("password_command", COMMAND, NONE, "Command that prints the password. No shell is used.");
static PASSWORD_LIFETIME: OptionalKey =
    OptionalKey::new("password_lifetime", DURATION, UNTIL_REFUSED, "How long the output of the command is used.");
static TOKEN_FILE: OptionalKey = OptionalKey::new("token_file", PATH, NONE, "File that holds the token.");
static TOKEN_ENV: OptionalKey =
    OptionalKey::new("token_env", VARIABLE, NONE, "Environment variable that holds the token.");
static TOKEN_COMMAND: OptionalKey =
    OptionalKey::new("token_command", COMMAND, NONE, "Command that prints the token. No shell is used.");
static TOKEN_LIFETIME: OptionalKey =
    OptionalKey::new("token_lifetime", DURATION, UNTIL_REFUSED, "How long the output of the command is used.");

pub(super) static PASSWORD: SecretKeys = SecretKeys {
    sources: [&PASSWORD_FILE, &PASSWORD_ENV, &PASSWORD_COMMAND, &CREDENTIAL],
    lifetime: &PASSWORD_LIFETIME,
};
pub(super) static TOKEN: SecretKeys =
    SecretKeys { sources: [&TOKEN_FILE, &TOKEN_ENV, &TOKEN_COMMAND, &CREDENTIAL], lifetime: &TOKEN_LIFETIME };

pub(super) const PASSWORD_SOURCES: &str =
    "`password_file: PATH`, `password_env: VARIABLE`, `password_command: [PROGRAM]` or `credential: NAME`";
pub(super) const TOKEN_SOURCES: &str =
    "`token_file: PATH`, `token_env: VARIABLE`, `token_command: [PROGRAM]` or `credential: NAME`";
/// Keys that people expect to take the secret itself.
const LITERALS: [&str; 7] = ["password", "token", "secret", "pass", "passwd", "identity_token", "identitytoken"];
const WHY: &str = "do not write a secret into the configuration, which backups, tickets and version control copy";

/// Reports secrets that are written into this mapping.
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

/// Reads `auth`: a mapping, or the word of a type that needs no other key.
pub(super) fn read(field: &Field<'_>) -> Checked<Auth> {
    if let YamlValue::Text(word) = &field.node.value {
        return match AUTH_TYPES.iter().find(|(name, _)| name == word).map(|(_, kind)| kind) {
            Some(AuthType::Token) => Ok(Auth::Token(None)),
            Some(AuthType::None) => Ok(Auth::None),
            Some(AuthType::Docker) => Ok(Auth::Docker(DockerConfig::default())),
            _ => {
                let alone = ["token", "docker_config", "none"];
                let near = nearest(word, &alone).filter(|_| !AUTH_TYPES.iter().any(|(name, _)| name == word));
                let help = near.map_or_else(
                    || "for example `auth: {type: token, username: my-org+robot, password_file: PATH}`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                Err(field.problem("expected a mapping, found text", Some(help)))
            }
        };
    }
    let example = "{type: token, username: my-org+robot, password_file: PATH}";
    let mut section = field.with_example(example).section()?;
    let auth = read_section(&mut section);
    section.finish();
    auth
}

/// A type by its word, or by its name in a form of the Quay guide.
fn kind(field: &Field<'_>) -> Checked<AuthType> {
    const FORM: [(&str, &str, AuthType); 4] = [
        ("Token Auth (Docker v2)", "token", AuthType::Token),
        ("Bearer Token", "bearer", AuthType::Bearer),
        ("Basic Auth", "basic", AuthType::Basic),
        ("No Authentication", "none", AuthType::None),
    ];
    let known = |text: &str| FORM.into_iter().find(|(words, ..)| text.eq_ignore_ascii_case(words));
    match field.text().ok().and_then(known) {
        Some((words, word, kind)) => {
            field.note(format!("`{words}` is read as `{word}`"), None);
            Ok(kind)
        }
        None => field.one_of(&AUTH_TYPES),
    }
}

/// Reads the keys of `auth` in this mapping.
pub(super) fn read_section(section: &mut Section<'_>) -> Checked<Auth> {
    let literals = refuse_literals(section);
    let kind = section.or(&TYPE, kind).inspect_err(|_| section.skip_rest())?;
    // If a secret was refused, a missing one is not reported as a second problem.
    let refused = literals.and(refuse_misplaced(section, kind));
    match kind {
        AuthType::None => refused.map(|()| Auth::None),
        AuthType::Docker => {
            let config = docker_config(section);
            refused.and(config).map(Auth::Docker)
        }
        AuthType::Bearer | AuthType::Identity => {
            let token = secret(section, &TOKEN);
            refused?;
            let token = token?.ok_or_else(|| {
                let name = name(kind);
                section.problem(format!("`type: {name}` needs a token"), format!("add {TOKEN_SOURCES}"))
            })?;
            Ok(if kind == AuthType::Bearer { Auth::Bearer(token) } else { Auth::Identity(token) })
        }
        AuthType::Token | AuthType::Basic => {
            let (username, password) = (section.optional(&USERNAME, username), secret(section, &PASSWORD));
            refused?;
            match (kind, login(section, username?, password?)?) {
                (AuthType::Basic, Some(login)) => Ok(Auth::Basic(login)),
                (AuthType::Basic, None) => {
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
) -> Checked<Option<PasswordLogin>> {
    match (username, password) {
        (Some(username), Some(password)) => Ok(Some(PasswordLogin { username, password })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.problem("`username` needs a password", format!("add {PASSWORD_SOURCES}"))),
        (None, Some(_)) => Err(section.problem("a password needs a user name", "add `username: NAME`")),
    }
}

fn docker_config(section: &mut Section<'_>) -> Checked<DockerConfig> {
    let file = section.optional(&FILE, Field::path);
    let namespace = section.optional(&NAMESPACE, |field| field.text().map(str::to_owned));
    let timeout = section.or(&HELPER_TIMEOUT, Field::duration);
    let allow_readable = section.or(&ALLOW_READABLE, Field::bool);
    Ok(DockerConfig { file: file?, namespace: namespace?, timeout: timeout?, allow_readable: allow_readable? })
}

pub(super) fn username(field: &Field<'_>) -> Checked<String> {
    let name = field.text()?;
    if name.contains(':') {
        let help = "if a password follows it, move the password to a file and name that in `password_file`";
        return Err(field.problem("a user name has no `:`", Some(help.to_owned())));
    }
    Ok(name.to_owned())
}

/// Reads the source of a secret, of which there must be only one, and the settings of a command.
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
    let command = keys.sources[2].name();
    let is_command = fields.iter().any(|field| field.key == command);
    let mut duration = |key: &'static OptionalKey| {
        section.optional(key, |field| {
            let help = || format!("add `{command}`, or leave this out");
            if is_command {
                field.duration()
            } else {
                Err(field.problem("has no effect without a command", Some(help())))
            }
        })
    };
    let (lifetime, timeout): (Checked<Option<Duration>>, _) = (duration(keys.lifetime), duration(&COMMAND_TIMEOUT));
    let file = keys.sources[0].name();
    let is_file = fields.iter().any(|field| field.key == file);
    let allow_readable = section.or(&ALLOW_READABLE, |field| match field.bool()? {
        true if !is_file => {
            let help = format!("add `{file}`, or leave this out");
            Err(field.problem("has no effect without a file that holds a secret", Some(help)))
        }
        allowed => Ok(allowed),
    });
    let (lifetime, timeout, allow_readable) = (lifetime?, timeout?, allow_readable?);
    Ok(source?.map(|source| match source {
        SecretSource::File(path) if allow_readable => SecretSource::ReadableFile(path),
        SecretSource::Command(mut command) => {
            command.lifetime = lifetime;
            command.timeout = timeout.unwrap_or(command.timeout);
            SecretSource::Command(command)
        }
        source => source,
    }))
}

/// A program and its arguments. A line is not split at blanks, because the rules of a shell for that are complicated.
fn command(field: &Field<'_>) -> Checked<SecretSource> {
    // A shell among them reads `${NAME}` itself. No shell reads the name of the program.
    let words = field.each(|word| word.verbatim_text().map(str::to_owned))?;
    if words.first().is_some_and(|program| program.starts_with(['~', '$'])) {
        let help = "write the whole path of the program: no shell replaces `~` and variables".to_owned();
        return Err(field.problem("expected a program, found a placeholder", Some(help)));
    }
    let help = "the program and its arguments, for example `[aws, ecr, get-login-password]`; no shell reads them";
    match words.split_first() {
        Some((program, [])) if program.contains(char::is_whitespace) => {
            Err(field.problem("expected a list, found a line with blanks", Some(help.to_owned())))
        }
        Some((program, arguments)) => {
            let program = field.program(program);
            field.mention(&program);
            Ok(SecretSource::Command(SecretCommand::new(program, arguments.to_vec())))
        }
        None => Err(field.problem("expected a program, found an empty list", Some(help.to_owned()))),
    }
}

/// Reads one source of a secret. The end of its key says which: `_file`, `_env`, `_command`, or `credential`.
pub(super) fn read_source(field: &Field<'_>) -> Checked<SecretSource> {
    if field.key.ends_with("_command") {
        return command(field);
    }
    if field.key.ends_with("_file") && field.verbatim_text()?.contains("CREDENTIALS_DIRECTORY") {
        let help = "write `credential: NAME`: the file NAME in the directory of the unit's credentials".to_owned();
        return Err(field.problem("environment variables are not replaced in this file", Some(help)));
    }
    let text = if field.key.ends_with("_env") { field.verbatim_text()? } else { field.text()? };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match field.key {
        "credential" if text.contains('/') || text == "." || text == ".." => {
            Err(field.problem("expected the name of a systemd credential, found a path", None))
        }
        "credential" => {
            field.mention(text);
            Ok(SecretSource::Credential(text.to_owned()))
        }
        file if file.ends_with("_file") => Ok(SecretSource::File(field.path()?)),
        _ if text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(word) => {
            let name = text.trim_start_matches('$').trim_matches(['{', '}']);
            let is_name = text.starts_with('$') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let help = if is_name && is_plain(name) {
                format!("write the name alone: `{}: {name}`", field.key)
            } else {
                "letters, digits and `_`, without `$`; the secret itself does not stand here".to_owned()
            };
            Err(field.problem("expected the name of an environment variable", Some(help)))
        }
        _ => {
            field.mention(text);
            Ok(SecretSource::Env(text.to_owned()))
        }
    }
}

/// Reports keys that belong to another type.
fn refuse_misplaced(section: &mut Section<'_>, kind: AuthType) -> Checked<()> {
    let password = ["password_file", "password_env", "password_command", "password_lifetime"];
    let token = ["token_file", "token_env", "token_command", "token_lifetime"];
    let (keys, help) = match kind {
        AuthType::None => {
            let others = ["username", "credential", "command_timeout", "allow_readable"];
            ([&others[..], &password, &token].concat(), "leave it out, or choose another `type`")
        }
        AuthType::Docker => {
            let others = ["username", "credential"];
            ([&others[..], &password, &token].concat(), "user name and password come from the stored login")
        }
        AuthType::Bearer => (
            [&["username"], &password[..]].concat(),
            "only the bearer token is sent; name its source and leave this out",
        ),
        AuthType::Identity => (
            [&["username"], &password[..]].concat(),
            "only the identity token is sent; name its source and leave this out",
        ),
        AuthType::Token | AuthType::Basic => {
            (token.to_vec(), "name a password's source; or `type: bearer` for a token made elsewhere")
        }
    };
    let name = name(kind);
    let mut refuse = |key, help| section.refuse(key, &format!("`{key}` does not go with `type: {name}`"), help);
    let mut refused: Vec<_> = keys.into_iter().map(|key| refuse(key, help)).collect();
    if kind != AuthType::Docker {
        let help = "`type: docker_config` reads the logins that docker and podman have stored";
        refused.extend(["file", "namespace"].map(|key| refuse(key, help)));
    }
    refused.into_iter().collect()
}

fn name(kind: AuthType) -> &'static str {
    AUTH_TYPES.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}
