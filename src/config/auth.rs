//! How a registry is logged in to. A secret is named by where it is kept; written out, it is refused unread.

use crate::registry::{Auth, Login, SecretSource};
use crate::yaml::{Checked, Field, Section, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Token,
    Basic,
    Bearer,
    None,
}

const KINDS: [(&str, Kind); 4] =
    [("token", Kind::Token), ("basic", Kind::Basic), ("bearer", Kind::Bearer), ("none", Kind::None)];

pub(super) const PASSWORD: [&str; 3] = ["password_file", "password_env", "credential"];
pub(super) const TOKEN: [&str; 3] = ["token_file", "token_env", "credential"];
pub(super) const PASSWORD_SOURCES: &str = "`password_file: PATH`, `password_env: VARIABLE` or `credential: NAME`";
pub(super) const TOKEN_SOURCES: &str = "`token_file: PATH`, `token_env: VARIABLE` or `credential: NAME`";
/// Keys that people expect to take the secret itself.
const LITERALS: [&str; 5] = ["password", "token", "secret", "pass", "passwd"];
const WHY: &str = "a secret does not stand in the configuration, where backups, tickets and version control see it";

/// Reports secrets that are written out in this mapping.
pub(super) fn refuse_literals(section: &mut Section<'_>) -> Checked<()> {
    let refused = LITERALS.map(|key| {
        let sources = match key {
            "token" => "`type: bearer` with `token_file: PATH`, `token_env: VARIABLE` or `credential: NAME`",
            _ => PASSWORD_SOURCES,
        };
        section.refuse(key, &format!("`{key}`: {WHY}"), &format!("write, under `auth`, {sources}"))
    });
    refused.into_iter().collect()
}

/// Reads `auth`: a mapping, or the bare word of a kind that needs nothing else.
pub(super) fn read(field: &Field<'_>) -> Checked<Auth> {
    if let Value::Text(word) = &field.node.value {
        return match KINDS.iter().find(|(name, _)| name == word).map(|(_, kind)| kind) {
            Some(Kind::Token) => Ok(Auth::Token(None)),
            Some(Kind::None) => Ok(Auth::None),
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
    let misplaced = refuse_misplaced(section, kind);
    if kind == Kind::None {
        return literals.and(misplaced).map(|()| Auth::None);
    }
    let username = section.optional("username", username);
    let source = secret(section, if kind == Kind::Bearer { TOKEN } else { PASSWORD });
    // A secret that was refused stands for the one that should be there: its absence is no second problem.
    literals.and(misplaced)?;
    match kind {
        Kind::None => Ok(Auth::None),
        Kind::Bearer => source?
            .map(Auth::Bearer)
            .ok_or_else(|| section.problem("`type: bearer` needs a token", format!("add {TOKEN_SOURCES}"))),
        Kind::Token => login(section, username?, source?).map(Auth::Token),
        Kind::Basic => login(section, username?, source?)?.map(Auth::Basic).ok_or_else(|| {
            section.problem("`type: basic` needs a login", format!("add `username: NAME` and {PASSWORD_SOURCES}"))
        }),
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

pub(super) fn username(field: &Field<'_>) -> Checked<String> {
    let name = field.text()?;
    if name.contains(':') {
        let help = "if a password follows it, move the password to a file and name that in `password_file`";
        return Err(field.problem("a user name has no `:`", Some(help.to_owned())));
    }
    Ok(name.to_owned())
}

/// The one source of a secret among a file, a variable and a credential.
pub(super) fn secret(section: &mut Section<'_>, keys: [&'static str; 3]) -> Checked<Option<SecretSource>> {
    let fields: Vec<_> = keys.into_iter().filter_map(|key| section.take(key)).collect();
    let mut source = Ok(None);
    for (at, field) in fields.iter().enumerate() {
        let read = read_source(field).map(Some);
        source = match at {
            0 => read,
            _ => Err(field.problem("a secret has one source", Some(format!("keep this or `{}`", fields[0].key)))),
        };
    }
    source
}

fn read_source(field: &Field<'_>) -> Checked<SecretSource> {
    let text = field.text()?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match field.key {
        "credential" if text.contains('/') || text == "." || text == ".." => {
            Err(field.problem("expected the name of a systemd credential, found a path", None))
        }
        "credential" => Ok(SecretSource::Credential(text.to_owned())),
        "password_file" | "token_file" => Ok(SecretSource::File(text.into())),
        _ if text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(word) => {
            let help = "letters, digits and `_`, without `$`; the secret itself does not stand here";
            Err(field.problem("expected the name of an environment variable", Some(help.to_owned())))
        }
        _ => Ok(SecretSource::Env(text.to_owned())),
    }
}

/// Reports keys that belong to another kind than this.
fn refuse_misplaced(section: &mut Section<'_>, kind: Kind) -> Checked<()> {
    let (keys, help): (&[&'static str], _) = match kind {
        Kind::None => (
            &["username", "password_file", "password_env", "token_file", "token_env", "credential"],
            "leave it out, or choose another `type`",
        ),
        Kind::Bearer => (
            &["username", "password_file", "password_env"],
            "a bearer token is all that is sent; name its source alone",
        ),
        Kind::Token | Kind::Basic => {
            (&["token_file", "token_env"], "name a password's source; or `type: bearer` for a token made elsewhere")
        }
    };
    let name = KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
    let refuse = |key: &&'static str| section.refuse(key, &format!("`{key}` does not go with `type: {name}`"), help);
    keys.iter().map(refuse).collect::<Vec<_>>().into_iter().collect()
}
