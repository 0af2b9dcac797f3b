//! Remembers the secrets of requests, and removes them from texts of a server: some servers repeat everything that they
//! were sent. This module decides nothing about an answer.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use parking_lot::Mutex;
use url::form_urlencoded;

use crate::grammar::shown;
use crate::login::secret::Secret;

/// Most requests remembered: the login, and the latest tokens.
const REMEMBERED: usize = 8;

/// The secrets of a client's latest requests. A server may repeat what another request or another server was sent: the
/// password of a token request, the token of a request for a page.
#[derive(Default)]
pub(crate) struct SentSecrets {
    latest: Mutex<VecDeque<SentRequest>>,
    /// The logins of proxies, which every request may carry.
    lasting: Mutex<Vec<SecretForms>>,
}

struct SentRequest {
    authorization: Option<HeaderValue>,
    form: Option<Secret>,
    sent: SecretForms,
}

impl SentSecrets {
    /// Remembers the login of a proxy for as long as the client is there.
    pub(crate) fn note_lasting(&self, authorization: &HeaderValue) {
        self.lasting.lock().push(SecretForms::of(Some(authorization), None));
    }

    /// Remembers a request with this `Authorization` and this form.
    pub(crate) fn note(&self, authorization: Option<&HeaderValue>, form: Option<&str>) {
        if authorization.is_none() && form.is_none() {
            return;
        }
        let mut requests = self.latest.lock();
        let known = requests.iter().position(|one| {
            one.authorization.as_ref() == authorization && one.form.as_ref().map(Secret::expose) == form
        });
        let carried = known.and_then(|at| requests.remove(at)).unwrap_or_else(|| SentRequest {
            authorization: authorization.cloned(),
            form: form.map(Secret::new),
            sent: SecretForms::of(authorization, form),
        });
        requests.push_back(carried);
        if requests.len() > REMEMBERED {
            requests.pop_front();
        }
    }

    /// The text without the secrets.
    pub(crate) fn redact(&self, text: String) -> String {
        let text = self.lasting.lock().iter().fold(text, |text, login| login.redact(text));
        let requests = self.latest.lock();
        requests.iter().fold(text, |text, one| one.sent.redact(text))
    }

    /// A text of a server without the secrets, safe to print.
    pub(crate) fn shown(&self, text: impl Into<String>) -> String {
        // The text is cut last: otherwise the first part of a cut secret would remain.
        shown(&self.redact(text.into()))
    }
}

/// The secrets of one request, in each form that a server may repeat.
struct SecretForms(Vec<Secret>);

impl SecretForms {
    /// The secrets of a request with this `Authorization` and this form.
    fn of(authorization: Option<&HeaderValue>, form: Option<&str>) -> Self {
        // A configured token, and what a server makes of it, may have characters that are not ASCII.
        let header = authorization.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let header = header.and_then(|value| value.split_once(' '));
        let basic = header.filter(|(scheme, _)| *scheme == "Basic").and_then(|(_, value)| STANDARD.decode(value).ok());
        let login = basic.and_then(|login| String::from_utf8(login).ok());
        let password =
            login.as_deref().and_then(|login| login.split_once(':')).map(|(_, password)| password.to_owned());
        let pairs = form.into_iter().flat_map(|form| form_urlencoded::parse(form.as_bytes()));
        let passwords =
            pairs.filter(|(key, _)| key == "password" || key == "refresh_token").map(|(_, value)| value.into_owned());

        let plain = header.map(|(_, value)| value.to_owned()).into_iter().chain(password).chain(passwords);
        let mut forms: Vec<_> = plain.filter(|secret| !secret.is_empty()).flat_map(forms).collect();
        // The longest come first: a shorter one may be part of a longer one, which would then not be found.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms.into_iter().map(Secret::new).collect())
    }

    /// The text without these secrets.
    fn redact(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| text.replace(secret.expose(), "[secret]"))
    }
}

/// A secret as it is, and as it is written in a form, a URL, JSON and a host name.
fn forms(secret: String) -> [String; 5] {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let url = form.replace('+', "%20");
    let json = serde_json::Value::from(secret.as_str()).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let host = secret.to_ascii_lowercase();
    [secret, form, url, json, host]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::header::{basic, header};

    #[test]
    fn every_form_of_what_was_sent_is_struck() {
        let login = basic("u", &Secret::new("p:/ \"+ö")).expect("a header");
        let sent = SecretForms::of(Some(&login), None);
        let text =
            "dTpwOi8gIivDtg== dTpwOi8gIivDtg%3D%3D p:/ \"+ö p:/ \\\"+ö p%3A%2F+%22%2B%C3%B6 p%3A%2F%20%22%2B%C3%B6";
        assert_eq!(sent.redact(text.into()), "[secret] [secret] [secret] [secret] [secret] [secret]");

        let sent = SecretForms::of(None, Some("grant_type=refresh_token&refresh_token=a%2Bb"));
        assert_eq!(sent.redact("a refresh_token, a%2Bb".into()), "a refresh_token, [secret]");

        let sent = SecretForms::of(None, Some("grant_type=password&username=u&password=a%2Bb+c"));
        assert_eq!(sent.redact("username=u&password=a%2Bb+c, a+b c".into()), "username=u&password=[secret], [secret]");

        let sent = SecretForms::of(Some(&header("Bearer", "abc.def").expect("a header")), None);
        assert_eq!(sent.redact("Bearer abc.def, abc".into()), "Bearer [secret], abc");
    }

    #[test]
    fn nothing_sent_is_nothing_struck() {
        assert_eq!(SecretForms::of(None, None).redact("as it is".into()), "as it is");
        let empty = basic("u", &Secret::new("")).expect("a header");
        assert_eq!(SecretForms::of(Some(&empty), None).redact("as it is".into()), "as it is");
    }

    #[test]
    fn the_login_is_remembered_through_many_tokens_while_it_is_used() {
        let memory = SentSecrets::default();
        let login = basic("u", &Secret::new("hunter2")).expect("a header");
        for number in 0..100 {
            memory.note(Some(&login), None);
            memory.note(Some(&header("Bearer", &format!("token{number}!")).expect("a header")), None);
        }
        assert_eq!(memory.shown("hunter2 token99! token0!\n"), "[secret] [secret] token0!\\u{a}");
        assert!(memory.latest.lock().len() <= REMEMBERED);
    }

    #[test]
    fn a_long_secret_is_struck_before_the_text_is_cut() {
        let memory = SentSecrets::default();
        let token = "x".repeat(1000);
        memory.note(Some(&header("Bearer", &token).expect("a header")), None);
        assert_eq!(memory.shown(format!("{token} {token}")), "[secret] [secret]");
    }
}
