//! What a request carried and nobody may read again, and how to take it out of what a server says: some answer with all
//! they were sent. It decides nothing about an answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use url::form_urlencoded;

use super::Secret;

/// The secrets of one request, in each form that a server may repeat.
#[derive(Default)]
pub(super) struct Sent(Vec<Secret>);

impl Sent {
    /// Those of a request with this `Authorization` and this form.
    pub(super) fn of(authorization: Option<&HeaderValue>, form: Option<&str>) -> Self {
        let header = authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        let basic = header.filter(|(scheme, _)| *scheme == "Basic").and_then(|(_, value)| STANDARD.decode(value).ok());
        let login = basic.and_then(|login| String::from_utf8(login).ok());
        let password =
            login.as_deref().and_then(|login| login.split_once(':')).map(|(_, password)| password.to_owned());
        let pairs = form.into_iter().flat_map(|form| form_urlencoded::parse(form.as_bytes()));
        let passwords = pairs.filter(|(key, _)| key == "password").map(|(_, value)| value.into_owned());

        let plain = header.map(|(_, value)| value.to_owned()).into_iter().chain(password).chain(passwords);
        let mut forms: Vec<_> = plain.filter(|secret| !secret.is_empty()).flat_map(forms).collect();
        // A shorter one may be part of a longer one, which would then not be found whole.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms.into_iter().map(Secret::new).collect())
    }

    /// The text without them.
    pub(super) fn strike(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| text.replace(secret.expose(), "[secret]"))
    }
}

/// A secret as it is, and as a form, a URL and JSON write it.
fn forms(secret: String) -> [String; 4] {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let url = form.replace('+', "%20");
    let json = serde_json::Value::from(secret.as_str()).to_string();
    let json = json[1..json.len() - 1].to_owned();
    [secret, form, url, json]
}

#[cfg(test)]
mod tests {
    use super::super::realm::{basic, header};
    use super::*;

    #[test]
    fn every_form_of_what_was_sent_is_struck() {
        let login = basic("u", &Secret::new("p:/ \"+ö")).expect("a header");
        let sent = Sent::of(Some(&login), None);
        let text =
            "dTpwOi8gIivDtg== dTpwOi8gIivDtg%3D%3D p:/ \"+ö p:/ \\\"+ö p%3A%2F+%22%2B%C3%B6 p%3A%2F%20%22%2B%C3%B6";
        assert_eq!(sent.strike(text.into()), "[secret] [secret] [secret] [secret] [secret] [secret]");

        let sent = Sent::of(None, Some("grant_type=password&username=u&password=a%2Bb+c"));
        assert_eq!(sent.strike("username=u&password=a%2Bb+c, a+b c".into()), "username=u&password=[secret], [secret]");

        let sent = Sent::of(Some(&header("Bearer", "abc.def").expect("a header")), None);
        assert_eq!(sent.strike("Bearer abc.def, abc".into()), "Bearer [secret], abc");
    }

    #[test]
    fn nothing_sent_is_nothing_struck() {
        assert_eq!(Sent::of(None, None).strike("as it is".into()), "as it is");
        let empty = basic("u", &Secret::new("")).expect("a header");
        assert_eq!(Sent::of(Some(&empty), None).strike("as it is".into()), "as it is");
    }
}
