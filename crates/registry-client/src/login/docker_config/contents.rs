//! A file of docker or podman, and the answer of a helper, as Go's `encoding/json` reads them: names in any case, the
//! last of two members with one name, text that is not Unicode replaced, and nothing read behind the first value.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::login::credential::Credential;
use crate::login::secret::Secret;

/// The user name with which a helper says that its secret is an identity token.
const IDENTITY: &str = "<token>";
/// Padding is optional, since some tools leave it out. Bits behind the last byte are ignored, as in Go.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The part of the file that is about credentials.
#[derive(Default)]
pub(super) struct ConfigContents {
    pub(super) auths: BTreeMap<String, ConfigEntry>,
    pub(super) cred_helpers: BTreeMap<String, String>,
    pub(super) creds_store: String,
}

impl ConfigContents {
    /// Reads a file. None: it has no text, which docker reads as a file without settings.
    pub(super) fn read(bytes: &[u8], is_legacy: bool) -> Result<Option<Self>, serde_json::Error> {
        // A byte order mark of an editor.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let contents = if is_legacy {
            let entries = Option::<Members<Option<ConfigEntry>>>::deserialize(&mut json)?;
            Self { auths: entries.map(entries_of).unwrap_or_default(), ..Self::default() }
        } else {
            Option::deserialize(&mut json)?.unwrap_or_default()
        };
        Ok(Some(contents))
    }
}

fn entries_of(members: Members<Option<ConfigEntry>>) -> BTreeMap<String, ConfigEntry> {
    members.0.into_iter().map(|(key, entry)| (key, entry.unwrap_or_default())).collect()
}

impl<'de> Deserialize<'de> for ConfigContents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentsVisitor;

        impl<'de> Visitor<'de> for ContentsVisitor {
            type Value = ConfigContents;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ConfigContents, A::Error> {
                let mut contents = ConfigContents::default();
                while let Some(StoredText(name)) = members.next_key()? {
                    match name.to_ascii_lowercase().as_str() {
                        "auths" => {
                            let entries: Option<_> = members.next_value()?;
                            contents.auths.extend(entries.map(entries_of).unwrap_or_default());
                        }
                        "credhelpers" => {
                            let helpers: Option<Members<Option<StoredText>>> = members.next_value()?;
                            let helpers = helpers.map(|helpers| helpers.0).unwrap_or_default().into_iter();
                            let names = helpers.map(|(key, name)| (key, name.map(|text| text.0).unwrap_or_default()));
                            contents.cred_helpers.extend(names);
                        }
                        "credsstore" => {
                            if let Some(StoredText(name)) = members.next_value()? {
                                contents.creds_store = name;
                            }
                        }
                        _ => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(contents)
            }
        }

        deserializer.deserialize_map(ContentsVisitor)
    }
}

/// One entry of `auths`.
#[derive(Default)]
pub(super) struct ConfigEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl<'de> Deserialize<'de> for ConfigEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Texts(["auth", "username", "password", "identitytoken", "registrytoken"]);
        let [auth, username, password, identitytoken, registrytoken] = deserializer.deserialize_map(names)?;
        Ok(Self { auth, username, password, identitytoken, registrytoken })
    }
}

/// `auth` is not `user:password` in base64.
#[derive(Debug)]
pub(super) struct BadAuth;

impl ConfigEntry {
    /// The strongest credential of the entry: a token for the registry itself, an identity token, a password. `auth`
    /// comes before `username` and `password`, as in docker.
    pub(super) fn credential(&self) -> Result<Option<Credential>, BadAuth> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credential::Bearer(Secret::new(token))));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::Identity(Secret::new(token))));
        }
        let decoded = given(&self.auth).map(|auth| decoded(&auth)).transpose()?.flatten();
        let (username, password) = decoded
            .unwrap_or_else(|| (given(&self.username).unwrap_or_default(), given(&self.password).unwrap_or_default()));
        // `auths: {"quay.io": {}}` only says that a helper has it.
        Ok((!username.is_empty() && !password.is_empty()).then(|| Credential::login(username, Secret::new(password))))
    }
}

/// User name and password of an `auth`. A password may have colons; docker has padded it with NUL. None: both are
/// empty, as in the `Og==` that docker writes for a login that a helper has.
fn decoded(auth: &str) -> Result<Option<(String, String)>, BadAuth> {
    // Go ignores line breaks within base64, which `base64` of the shell writes after 76 characters.
    let plain: String = auth.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = BASE64.decode(plain.trim()).map_err(|_| BadAuth)?;
    let text = String::from_utf8(bytes).map_err(|_| BadAuth)?;
    if text.is_empty() {
        return Ok(None);
    }
    let (username, password) = text.split_once(':').ok_or(BadAuth)?;
    match (username, password.trim_matches('\0')) {
        ("", "") => Ok(None),
        ("", _) => Err(BadAuth),
        (username, password) => Ok(Some((username.to_owned(), password.to_owned()))),
    }
}

/// The output of a helper.
pub(super) struct HelperAnswer {
    username: String,
    secret: String,
}

impl<'de> Deserialize<'de> for HelperAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [username, secret] = deserializer.deserialize_map(Texts(["username", "secret"]))?;
        let username = username.ok_or_else(|| D::Error::missing_field("Username"))?;
        Ok(Self { username, secret: secret.ok_or_else(|| D::Error::missing_field("Secret"))? })
    }
}

impl HelperAnswer {
    pub(super) fn credential(self) -> Option<Credential> {
        let secret = Secret::new(self.secret);
        match (self.username.as_str(), secret.expose()) {
            (_, "") => None,
            (IDENTITY, _) => Some(Credential::Identity(secret)),
            _ => Some(Credential::login(self.username, secret)),
        }
    }
}

/// The texts of the members with these names, in any case. `null` changes nothing.
struct Texts<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Texts<N> {
    type Value = [Option<String>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut texts = [const { None }; N];
        while let Some(StoredText(name)) = members.next_key()? {
            match self.0.iter().position(|known| name.eq_ignore_ascii_case(known)) {
                Some(at) => {
                    if let Some(StoredText(text)) = members.next_value()? {
                        texts[at] = Some(text);
                    }
                }
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(texts)
    }
}

/// The members of an object, in their order.
struct Members<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<T>, A::Error> {
                let mut all = Vec::new();
                while let Some((StoredText(name), value)) = members.next_entry()? {
                    all.push((name, value));
                }
                Ok(Members(all))
            }
        }

        deserializer.deserialize_map(All(PhantomData))
    }
}

/// A text. Bytes that are not Unicode, and halves of surrogate pairs, are replaced.
struct StoredText(String);

impl<'de> Deserialize<'de> for StoredText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = StoredText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<StoredText, E> {
                Ok(StoredText(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
