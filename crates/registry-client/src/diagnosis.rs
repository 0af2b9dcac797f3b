//! From what a server said to what an operator can do: it matches on the message, not on the status alone, since the
//! same 401 has ten causes. It changes nothing about how a request is handled.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::ScopeSet;
use super::body::BodyError;
use super::challenge::Challenge;
use super::content::{Flaw, Foreign};
use super::error::{Problem, Said, Step};
use super::finding::Finding;
use super::link::LinkError;
use super::sent::Memory;
use super::token::Claims;
use super::transport::Answer;

/// The cause behind a refusal, where it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Basic credentials were sent where a token is wanted.
    UseTokens,
    /// A Quay user name that is no robot's.
    RobotName,
    /// The token is for somebody else.
    Audience { token: String, asked: String },
    /// The token speaks for nobody.
    NoIdentity,
    /// The token grants no action.
    GrantsNothing,
    /// The catalog wants another scope.
    WantsScope(String),
    /// Harbor lists its catalog to system accounts only.
    HarborRole,
    /// No credentials are configured.
    NoLogin,
    /// A fixed token was sent.
    FixedToken,
    /// The registry's own API wants another login: what it needs.
    Api(&'static str),
    /// A token that has just been received is said to have expired.
    Expired,
}

/// Reads what a server said, without what it was sent, escaped and cut.
pub(super) fn said(answer: &Answer) -> Said {
    let text = String::from_utf8_lossy(&answer.body);
    let text = match serde_json::from_str::<Value>(&text) {
        Ok(json) => json_message(&json),
        Err(_) if text.trim_start().starts_with('<') => "an HTML page".to_owned(),
        Err(_) => text.trim().to_owned(),
    };
    let text = answer.sent.shown(text);
    Said { status: answer.status, text: answer.in_vain.and_then(|it| in_vain(&text, it)).unwrap_or(text) }
}

/// What a server said that turned requests away until our patience ended.
fn in_vain(text: &str, (time, asked): (Duration, Option<Duration>)) -> Option<String> {
    let lasted = Some(time).filter(|time| time.as_secs() > 0).map(|time| format!("for {} s now", time.as_secs()));
    let asks = asked.filter(|_| !time.is_zero()).map(|asked| format!("to come back in {} s", asked.as_secs()));
    let told: Vec<_> =
        [Some(text.to_owned()).filter(|text| !text.is_empty()), lasted, asks].into_iter().flatten().collect();
    (told.len() > 1 || text.is_empty() && !told.is_empty()).then(|| told.join(", "))
}

fn json_message(json: &Value) -> String {
    let first = &json["errors"][0];
    let told: Vec<&str> = [&first["code"], &first["message"], &json["error"], &json["error_description"]]
        .into_iter()
        .chain([&json["message"], &json["details"], &json["detail"]])
        .filter_map(Value::as_str)
        .collect();
    told.join(": ")
}

/// Whether the answer is one of these error codes of the distribution specification.
pub(super) fn has_code(body: &[u8], codes: &[&str]) -> bool {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return false };
    let errors = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
    errors.iter().any(|error| error["code"].as_str().is_some_and(|code| codes.contains(&code)))
}

/// Why access was denied, as far as the answer and the token tell.
pub(super) fn why_denied(
    said: &Said,
    challenges: &[Challenge],
    token: Option<(&str, Option<&str>)>,
    sent: &Memory,
) -> Option<Hint> {
    let text = said.text.to_ascii_lowercase();
    if text.contains("invalid bearer token format") {
        return Some(Hint::UseTokens);
    }
    if text.contains("list catalog") {
        return Some(Hint::HarborRole);
    }
    let claims = token.and_then(|(token, _)| Claims::read(token));
    // A token endpoint may grant whatever service it is asked for: what the registry calls itself tells.
    let own = challenges.iter().find(|challenge| challenge.is("bearer")).and_then(|bearer| bearer.param("service"));
    let service = own.or_else(|| token.and_then(|(_, asked)| asked));
    if let (Some(claims), Some(service)) = (&claims, service) {
        let audiences = claims.audiences();
        if text.contains("audience") || !(audiences.is_empty() || audiences.contains(&service)) {
            return Some(Hint::Audience { token: sent.shown(audiences.join(", ")), asked: sent.shown(service) });
        }
    }
    if claims.as_ref().is_some_and(Claims::is_anonymous) {
        return Some(Hint::NoIdentity);
    }
    // Whoever calls this has got the token a moment ago.
    if token.is_some() && text.contains("expired") {
        return Some(Hint::Expired);
    }
    let scope = challenges.iter().find_map(|challenge| challenge.param("scope"));
    if let Some(scope) = scope.filter(|scope| lacks(claims.as_ref(), scope)) {
        return Some(Hint::WantsScope(sent.shown(scope)));
    }
    claims.as_ref().is_some_and(Claims::grants_nothing).then_some(Hint::GrantsNothing)
}

/// Whether a token that lists its grants does not grant this, or does not list any.
fn lacks(claims: Option<&Claims>, scope: &str) -> bool {
    claims.and_then(Claims::grants).is_none_or(|grants| !covers(&grants, scope))
}

/// Whether these grants include every scope of the text.
pub fn covers(grants: &[String], scopes: &str) -> bool {
    let granted = |scope: &str| {
        let Some((what, actions)) = scope.rsplit_once(':') else { return false };
        let mut same = grants.iter().filter_map(|grant| grant.rsplit_once(':')).filter(|(of, _)| *of == what);
        same.any(|(_, have)| {
            have.split(',').any(|one| one == "*") || actions.split(',').all(|a| have.split(',').any(|one| one == a))
        })
    };
    ScopeSet::parse([scopes]).iter().all(granted)
}

/// One line on what to do.
pub(super) fn remedy(step: &Step, problem: &Problem) -> String {
    match problem {
        Problem::Secret(error) => return error.remedy(),
        Problem::ClientCertificate(error) => return error.remedy(),
        Problem::Forbidden(to) => {
            return format!(
                "if that host is yours, write `allow_hosts: [{}]`; otherwise the registry, or a proxy before it, reaches \
                 into this network: ask its operator",
                to.listed()
            );
        }
        Problem::Storage { host, .. } => {
            return format!(
                "look at the registry's storage settings, at its clock, and at the way from here to {host}"
            );
        }
        _ => {}
    }
    if let Some(finding) = Finding::of(step, problem) {
        return finding.remedy();
    }
    let words = match problem {
        Problem::Denied { .. } if step.is_of_one_repository() => {
            "grant this account Read (pull) on the repository, or exclude it; on Quay it may also have been deleted"
        }
        Problem::Denied { .. } if *step == Step::Token => {
            "the account may not have such a token: check its permissions"
        }
        Problem::Denied { .. } => "check the account's permissions, and that this machine's clock is right",
        Problem::BadSecret => "check where the password is kept, and that this user may read it",
        Problem::TooManyScopes => "write fewer scopes, or none at all",
        Problem::ServerError(_) => "look at the registry's own logs, and run again later",
        Problem::Broken(_) => "run again; if it stays, look at the proxy before the registry",
        Problem::Timeout(_) => "raise `timeout`, or lower `page_size`",
        Problem::CaFile(_) => "`ca_file` is to hold PEM certificates, each line of them on a line of its own",
        Problem::NoRoots => "install the system's CA certificates, or set `ca_file`",
        Problem::TlsSetup(_) | Problem::HttpSetup(_) => "check `ca_file` and the proxy variables",
        Problem::Body(BodyError::TooLarge(_)) if matches!(step, Step::Manifest(_) | Step::Config(_)) => {
            "it is larger than registries take as a rule: push it again, smaller, or exclude the repository"
        }
        Problem::Body(BodyError::TooLarge(_)) if matches!(step, Step::Api(_)) => {
            "check `api_url` of `discovery`: no page of this API is as long"
        }
        Problem::Body(BodyError::TooLarge(_)) => "lower `page_size`",
        Problem::Body(BodyError::Packed) => {
            "look at what answers there: it is no registry's answer, and meant to do harm"
        }
        Problem::Unsupported(_) | Problem::Listing(_) if matches!(step, Step::Api(_)) => {
            "check the names under `discovery`, and its `api_url`: the API is not there, or does not show them to this login"
        }
        Problem::Link(LinkError::OtherOrigin) | Problem::Redirect { .. } if matches!(step, Step::Api(_)) => {
            "if the new address is right, configure it as `api_url` of `discovery`; otherwise somebody interferes"
        }
        Problem::Link(LinkError::OtherOrigin) | Problem::Redirect { .. } => {
            "if the new address is right, configure it as `url`; otherwise a proxy rewrites it, or somebody interferes"
        }
        Problem::Unexpected(said) if said.status == StatusCode::NOT_FOUND => {
            "the link to the next page leads nowhere: a proxy before the registry rewrites or forgets its path prefix; \
             mend it there, or set `pagination: repair`"
        }
        Problem::Unexpected(said) if said.status == StatusCode::BAD_REQUEST && matches!(step, Step::Page(_)) => {
            "on Quay this is a robot account that has been deleted; elsewhere lower `page_size`"
        }
        Problem::Stray(_) => {
            "look at the proxy or load balancer before the registry: it answers in the registry's place, as it does while \
             no backend is there; then run again"
        }
        Problem::SeenUrl | Problem::SeenPage => {
            "the registry goes in circles: Quay does so when a proxy decodes the `next_page` cursor"
        }
        Problem::Gone(_) => {
            "nothing: it was deleted or has expired since it was listed; where it stays, run the registry's garbage collection"
        }
        Problem::Corrupt(Flaw::Digest { .. }) => {
            "push it again: the registry's storage is damaged, or a proxy changes what passes through it"
        }
        Problem::Corrupt(_) => "push it again with a current client; what is stored is not sound",
        Problem::Foreign(Foreign::NotAccepted(_)) => {
            "nothing, if it is no image: the inventory knows images, indexes and artifacts; else push it again with a current client"
        }
        Problem::Foreign(_) => "nothing: the inventory knows images, indexes and artifacts, by SHA-256 or SHA-512",
        Problem::BadName(_) => "correct the name where it is configured",
        Problem::TooManyPages(_) | Problem::TooManyNames(_) | Problem::TooManyOnPage(_)
            if step.is_of_one_repository() =>
        {
            "delete old tags, or exclude the repository: nobody can use so many"
        }
        Problem::TooMuch(_) => "lower `concurrency`, or leave the repository out with `exclude`",
        Problem::TooManyOnPage(_) => {
            "no registry's list is as long: look at what answers there; if the list is right, let the registry page it"
        }
        Problem::NoWayOn => "let the registry, or the proxy before it, send `Link` headers: one is missing here",
        Problem::TooManyPages(_) | Problem::TooManyNames(_) => "raise `page_size`, or split the registry",
        _ => "check `url`: what answers there does not keep to the registry protocol",
    };
    words.into()
}

/// The TLS error within a request's error, through the layers that wrap it.
pub(super) fn tls_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause: Option<&'a (dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error gives its inner error by `get_ref` alone; its `source` skips it.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use reqwest::Version;
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(body: &str, authorization: Option<&HeaderValue>) -> Answer {
        let (headers, body) = (HeaderMap::new(), body.as_bytes().to_vec());
        let sent = Arc::new(Memory::default());
        sent.note(authorization, None);
        Answer { status: StatusCode::UNAUTHORIZED, version: Version::HTTP_11, headers, body, sent, in_vain: None }
    }

    #[test]
    fn what_a_server_said_is_found_in_every_shape() {
        let text = |body: &str| said(&answer(body, None)).text;
        assert_eq!(text(r#"{"errors":[{"code":"DENIED","message":"no"}]}"#), "DENIED: no");
        assert_eq!(text(r#"{"error": "Invalid bearer token format"}"#), "Invalid bearer token format");
        assert_eq!(text(r#"{"details":"incorrect username or password"}"#), "incorrect username or password");
        assert_eq!(text("<!DOCTYPE html><p>x"), "an HTML page");
        assert_eq!(text("plain\u{1b}[0m"), "plain\\u{1b}[0m");
        assert_eq!(text(""), "");
        assert!(text(&"x".repeat(100_000)).len() < 200);
    }

    #[test]
    fn a_server_that_echoes_a_secret_does_not_get_it_into_the_message() {
        let sent = HeaderValue::from_static("Bearer hunter2");
        assert_eq!(said(&answer(r#"{"error":"hunter2 is wrong"}"#, Some(&sent))).text, "[secret] is wrong");
    }

    #[test]
    fn a_grant_covers_a_scope_with_all_of_its_actions() {
        let grants = ["repository:a:pull,push".to_owned(), "registry:catalog:*".to_owned(), "repository:b:".to_owned()];
        for covered in [
            "repository:a:pull",
            "repository:a:push,pull",
            "registry:catalog:*",
            "repository:a:pull registry:catalog:*",
        ] {
            assert!(covers(&grants, covered), "{covered}");
        }
        for lacking in
            ["repository:a:delete", "repository:b:pull", "repository:aa:pull", "repository:a:pull repository:b:pull"]
        {
            assert!(!covers(&grants, lacking), "{lacking}");
        }
    }

    #[test]
    fn codes_are_found_among_several() {
        let body = br#"{"errors":[{"code":"X"},{"code":"PAGINATION_NUMBER_INVALID"}]}"#;
        assert!(has_code(body, &["PAGINATION_NUMBER_INVALID"]));
        assert!(!has_code(body, &["UNSUPPORTED"]));
        assert!(!has_code(b"<html>", &["UNSUPPORTED"]));
    }
}
