//! The token endpoint: it verifies credentials, reads scopes and issues a token. `access` decides what a token allows.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, basic_credentials};
use super::jwt::{GrantedScope, Signer};
use super::script::{Grants, GroupRule, ScopeRule, Stated, TokenFields, TokenMethod, TokenScript};
use super::seen::{Authorization, SeenRequest};
use crate::clock;

/// The parameters of a token request, from its query or its form.
struct TokenForm {
    service: Option<String>,
    scopes: Vec<String>,
    credentials: Option<(String, String)>,
    refresh_token: Option<String>,
}

/// Answers one request to the token endpoint.
pub(super) fn endpoint(script: &TokenScript, signer: &Signer, seen: &SeenRequest, form: &[u8]) -> Response<Bytes> {
    let get = seen.method == Method::GET;
    let allowed = match script.method {
        TokenMethod::GetOnly => get,
        TokenMethod::PostOnly => seen.method == Method::POST,
        TokenMethod::Both => get || seen.method == Method::POST,
    };
    if !allowed {
        return answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "method not allowed");
    }
    let request = TokenForm::parse(if get { seen.raw_query().as_bytes() } else { form }, seen);
    let subject = match (&request.credentials, &request.refresh_token) {
        (Some((username, password)), _) if *username == script.username && *password == script.password => username,
        (None, Some(token)) if *token == script.password => &script.username,
        (None, None) if script.anonymous && seen.authorization == Authorization::None => "",
        _ => return answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "invalid username or password"),
    };
    let Some(mut access) = read_scopes(script.scopes, &request.scopes) else {
        return answer::error(StatusCode::BAD_REQUEST, "DENIED", "Unable to decode repository and actions");
    };
    if access.len() > 1 {
        match script.groups {
            GroupRule::Refused => return answer::error(StatusCode::BAD_REQUEST, "DENIED", "one scope at a time"),
            GroupRule::Forbidden => return answer::error(StatusCode::FORBIDDEN, "DENIED", "one scope at a time"),
            GroupRule::Forgotten => access.clear(),
            GroupRule::Granted | GroupRule::Unsound => {}
        }
    }
    for denied in access.iter_mut().filter(|grant| script.denied.contains(&grant.name)) {
        denied.actions.clear();
    }
    if subject.is_empty() || script.grants == Grants::Nothing {
        access.clear();
    }
    // Quay issues a token for any service with 200, and the registry then refuses it. So the audience is the requested one.
    let audience = request.service.as_deref().unwrap_or(&script.service);
    let token = signer.issue(subject, audience, access, script.lifetime);
    answer::json(StatusCode::OK, &fields(script, &token))
}

fn fields(script: &TokenScript, token: &str) -> Value {
    let mut fields = json!({});
    if matches!(script.fields, TokenFields::Token | TokenFields::Both) {
        fields["token"] = token.into();
    }
    if matches!(script.fields, TokenFields::AccessToken | TokenFields::Both) {
        fields["access_token"] = token.into();
    }
    match &script.expires_in {
        Stated::Omitted => {}
        Stated::True => fields["expires_in"] = whole_seconds(script.lifetime).into(),
        Stated::As(value) => fields["expires_in"] = value.clone(),
    }
    match &script.issued_at {
        Stated::Omitted => {}
        Stated::True => fields["issued_at"] = clock::now().to_rfc3339().into(),
        Stated::As(value) => fields["issued_at"] = value.clone(),
    }
    fields
}

fn whole_seconds(lifetime: Duration) -> u64 {
    lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0)
}

impl TokenForm {
    fn parse(pairs: &[u8], seen: &SeenRequest) -> Self {
        let mut request =
            Self { service: None, scopes: Vec::new(), credentials: basic_credentials(seen), refresh_token: None };
        let (mut username, mut password) = (None, None);
        for (key, value) in url::form_urlencoded::parse(pairs) {
            match &*key {
                "service" => request.service = Some(value.into_owned()),
                "scope" => request.scopes.push(value.into_owned()),
                "username" => username = Some(value),
                "password" => password = Some(value),
                "refresh_token" => request.refresh_token = Some(value.into_owned()),
                _ => {}
            }
        }
        // Servers do not accept credentials in a query, because access logs would contain them.
        if let (Some(username), Some(password)) = (username, password)
            && seen.method == Method::POST
        {
            request.credentials = Some((username.into_owned(), password.into_owned()));
        }
        request
    }
}

/// The requested grants; none if the endpoint cannot read a scope.
fn read_scopes(rule: ScopeRule, scopes: &[String]) -> Option<Vec<GrantedScope>> {
    match rule {
        ScopeRule::Any => scopes
            .iter()
            .flat_map(|scope| scope.split(' '))
            .filter(|s| !s.is_empty())
            .map(GrantedScope::parse)
            .collect(),
        ScopeRule::RepositoriesOnly => scopes.iter().map(|scope| quay_grant(scope)).collect(),
    }
}

fn quay_grant(scope: &str) -> Option<GrantedScope> {
    let grant = GrantedScope::parse(scope)?;
    let action = |action: &String| matches!(&**action, "pull" | "push" | "*");
    let plain = !grant.name.contains([':', ',', '*', ' ']);
    (grant.kind == "repository" && plain && grant.actions.iter().all(action)).then_some(grant)
}

/// The challenge that names the token endpoint.
pub(super) fn challenge(script: &TokenScript, realm: &str, scope: Option<&str>, error: Option<&str>) -> String {
    let realm = script.realm.as_deref().map_or(Cow::Borrowed(realm), Cow::Borrowed);
    let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{}\"", script.service);
    for (key, value) in [("scope", scope), ("error", error)] {
        if let Some(value) = value {
            let _ = write!(challenge, ",{key}=\"{value}\""); // writing to a string cannot fail
        }
    }
    challenge
}
