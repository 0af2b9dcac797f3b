//! The error text of an answer: without the secrets that were sent, escaped and cut.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::http::call::HttpAnswer;
use crate::http::xml_error::{XmlError, is_code};
use crate::problem::{ErrorAnswer, Problem};

/// Reads the error text of an answer: without the secrets that were sent, escaped and cut.
pub(crate) fn error_answer(answer: &HttpAnswer) -> ErrorAnswer {
    let text = String::from_utf8_lossy(&answer.body);
    let text = match serde_json::from_str::<Value>(&text) {
        Ok(json) => json_message(&json),
        Err(_) => plain_message(&text),
    };
    let text = answer.sent.shown(text);
    ErrorAnswer {
        status: answer.status,
        text: answer.without_success.and_then(|it| without_success(&text, it)).unwrap_or(text),
    }
}

/// The error text of a server that refused requests with 429 until the client gave up.
fn without_success(text: &str, (time, asked): (Duration, Option<Duration>)) -> Option<String> {
    let lasted = Some(time).filter(|time| time.as_secs() > 0).map(|time| format!("for {} s now", time.as_secs()));
    let asks = asked.filter(|_| !time.is_zero()).map(|asked| format!("to come back in {} s", asked.as_secs()));
    let parts: Vec<_> =
        [Some(text.to_owned()).filter(|text| !text.is_empty()), lasted, asks].into_iter().flatten().collect();
    (parts.len() > 1 || text.is_empty() && !parts.is_empty()).then(|| parts.join(", "))
}

/// The text of an answer that is not JSON: the error of a storage service, or what it is.
fn plain_message(text: &str) -> String {
    if let Some(error) = XmlError::read(text) {
        return error.text();
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    match () {
        () if text.starts_with("<?xml") => "an XML document".to_owned(),
        () if text.starts_with('<') => "an HTML page".to_owned(),
        () => text.to_owned(),
    }
}

/// What is used of an error of another host: its first code that registries or storage services have such codes for,
/// as they write it. No other text: that host may be one that only this machine can reach.
pub(crate) fn code_alone(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    if let Some(error) = XmlError::read(&text) {
        return format!("<Error><Code>{}</Code></Error>", error.code).into();
    }
    let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let code = json["errors"][0]["code"].as_str().filter(|code| is_code(code));
    code.map(|code| json!({"errors": [{"code": code}]}).to_string().into()).unwrap_or_default()
}

/// The problem that an unexpected answer means at any step.
pub(crate) fn unexpected(answer: &HttpAnswer) -> Problem {
    let reply = error_answer(answer);
    match &answer.elsewhere {
        Some(url) if reply.status != StatusCode::TOO_MANY_REQUESTS => {
            Problem::Elsewhere { host: answer.sent.shown(url.host_str().unwrap_or_default()), reply }
        }
        _ => Problem::of_status(reply),
    }
}

fn json_message(json: &Value) -> String {
    let first = &json["errors"][0];
    let parts: Vec<&str> = [&first["code"], &first["message"], &json["error"], &json["error_description"]]
        .into_iter()
        // Google's storage has an object of this name.
        .chain([&json["error"]["message"], &json["message"], &json["details"], &json["detail"]])
        .filter_map(Value::as_str)
        .collect();
    parts.join(": ")
}

/// Whether the answer has one of these error codes of the distribution specification.
pub(crate) fn has_code(body: &[u8], codes: &[&str]) -> bool {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return false };
    let errors = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
    errors.iter().any(|error| error["code"].as_str().is_some_and(|code| codes.contains(&code)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::header::{HeaderMap, HeaderValue};
    use hyper::{StatusCode, Version};

    use super::*;
    use crate::http::sent_secrets::SentSecrets;

    fn answer(body: &str, authorization: Option<&HeaderValue>) -> HttpAnswer {
        let (headers, body) = (HeaderMap::new(), body.as_bytes().to_vec());
        let sent = Arc::new(SentSecrets::default());
        sent.note(authorization, None);
        HttpAnswer {
            status: StatusCode::UNAUTHORIZED,
            version: Version::HTTP_11,
            headers,
            body,
            sent,
            without_success: None,
            elsewhere: None,
        }
    }

    #[test]
    fn what_a_server_said_is_found_in_every_shape() {
        let text = |body: &str| error_answer(&answer(body, None)).text;
        assert_eq!(text(r#"{"errors":[{"code":"DENIED","message":"no"}]}"#), "DENIED: no");
        assert_eq!(text(r#"{"error": "Invalid bearer token format"}"#), "Invalid bearer token format");
        assert_eq!(text(r#"{"details":"incorrect username or password"}"#), "incorrect username or password");
        assert_eq!(text(r#"{"error":{"code":403,"message":"no access"}}"#), "no access");
        assert_eq!(text("<!DOCTYPE html><p>x"), "an HTML page");
        assert_eq!(text("<?xml version=\"1.0\"?><a/>"), "an XML document");
        assert_eq!(text("<Error><Code>A</Code><Message>b\u{1b}[0m</Message></Error>"), "A: b\\u{1b}[0m");
        assert_eq!(text("plain\u{1b}[0m"), "plain\\u{1b}[0m");
        assert_eq!(text(""), "");
        assert!(text(&"x".repeat(100_000)).len() < 200);
    }

    #[test]
    fn of_another_host_a_code_is_used_and_no_text() {
        let code = |body: &str| String::from_utf8(code_alone(body.as_bytes())).expect("text");
        let manifest = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"secret","detail":{"a":"secret"}}]}"#;
        assert_eq!(code(manifest), r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#);
        let key = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>secret</Message></Error>";
        assert_eq!(code(key), "<Error><Code>NoSuchKey</Code></Error>");
        for none in ["secret", "<html>secret", r#"{"message":"secret"}"#, r#"{"errors":[{"code":"a secret"}]}"#, "[]"] {
            assert_eq!(code(none), "", "{none}");
        }
    }

    #[test]
    fn a_server_that_echoes_a_secret_does_not_get_it_into_the_message() {
        let sent = HeaderValue::from_static("Bearer hunter2");
        assert_eq!(error_answer(&answer(r#"{"error":"hunter2 is wrong"}"#, Some(&sent))).text, "[secret] is wrong");
    }

    #[test]
    fn codes_are_found_among_several() {
        let body = br#"{"errors":[{"code":"X"},{"code":"PAGINATION_NUMBER_INVALID"}]}"#;
        assert!(has_code(body, &["PAGINATION_NUMBER_INVALID"]));
        assert!(!has_code(body, &["UNSUPPORTED"]));
        assert!(!has_code(b"<html>", &["UNSUPPORTED"]));
    }
}
