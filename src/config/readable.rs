//! `allow_readable`: whether a secret file may be one that other users can read. It stands beside the key that names the
//! file.

use crate::registry::{Auth, SecretSource};
use yaml_sections::{Checked, DefaultKey, Field, Position, Section};

use super::phrases::BOOL;

pub(super) static ALLOW_READABLE: DefaultKey<bool> = DefaultKey::new(
    "allow_readable",
    BOOL,
    || false,
    "Accept a secret file, named beside this key, that other users can read or own.",
);

/// The key beside `url`. It is about the files that are named there: `client_key_file`, and those of a login.
pub(super) struct Readable {
    allowed: Checked<bool>,
    place: Option<Position>,
    has_client_key: bool,
    has_login: bool,
}

impl Readable {
    /// Reads the key, before the others are taken. `login`: the keys of a login that may stand beside `url`.
    pub(super) fn read(section: &mut Section<'_>, login: &[(&str, &str)]) -> Self {
        let is_there = |section: &Section<'_>, key: &str| section.position_of(key).is_some();
        Self {
            place: section.position_of("allow_readable"),
            has_client_key: is_there(section, "client_key_file"),
            has_login: login.iter().any(|(key, _)| is_there(section, key)),
            allowed: section.or(&ALLOW_READABLE, Field::bool),
        }
    }

    /// The login and the value of the key. It is a problem if no file is named beside it.
    pub(super) fn settle(self, section: &Section<'_>, auth: Checked<Auth>) -> (Checked<Auth>, Checked<bool>) {
        let (Some(place), Ok(true), Ok(known)) = (self.place, self.allowed, &auth) else { return (auth, self.allowed) };
        let (with_setting, has_effect) = allowing(known.clone());
        if !(self.has_client_key || self.has_login && has_effect) {
            let help = "write it beside the key that names the file, such as `password_file` in `auth`";
            let message = "`allow_readable`: no secret file is named beside it";
            return (auth, Err(section.problem_at(&place, message, help)));
        }
        (if self.has_login { Ok(with_setting) } else { auth }, self.allowed)
    }
}

/// The same login with `allow_readable` beside it, and whether that has an effect.
fn allowing(mut auth: Auth) -> (Auth, bool) {
    let source = match &mut auth {
        Auth::Docker(config) => {
            config.allow_readable = true;
            return (auth, true);
        }
        Auth::Token(None) | Auth::None => return (auth, false),
        Auth::Token(Some(login)) | Auth::Basic(login) => &mut login.password,
        Auth::Bearer(source) | Auth::Identity(source) => source,
    };
    if let SecretSource::File(path) = source {
        *source = SecretSource::ReadableFile(std::mem::take(path));
    }
    let has_effect = matches!(source, SecretSource::ReadableFile(_));
    (auth, has_effect)
}
