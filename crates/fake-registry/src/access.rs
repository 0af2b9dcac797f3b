//! Authorization: the response to the ping, and the responses to requests that are refused.

use hyper::body::Bytes;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::answer::{self, basic_credentials};
use super::jwt::{FakeClaims, GrantedScope};
use super::script::{AnonymousCatalog, FakeAccess, GroupRule, TokenScript};
use super::seen::{Authorization, SeenRequest};
use super::server::Server;
use super::token;

/// Why a token is refused: the `error` of the challenge, and the message in the body.
struct Refusal {
    error: Option<&'static str>,
    message: &'static str,
}

impl Server {
    /// The response to `/v2/`.
    pub(super) fn ping(&self, seen: &SeenRequest) -> Response<Bytes> {
        let refusal = match &self.script.access {
            FakeAccess::Open => None,
            FakeAccess::Basic { username, password } => refuse_basic(seen, username, password),
            FakeAccess::Token(script) | FakeAccess::BasicCatalog(script) => {
                self.bearer(script, seen, None).err().map(|refusal| self.challenge(script, None, &refusal))
            }
        };
        refusal.unwrap_or_else(|| answer::bytes(StatusCode::OK, "application/json", b"{}".to_vec()))
    }

    /// The response of the catalog to a request without permission; none if the request is allowed.
    pub(super) fn refuse_catalog(&self, seen: &SeenRequest) -> Option<Response<Bytes>> {
        let open = matches!(self.script.access, FakeAccess::Open);
        if seen.authorization == Authorization::None && !open {
            match self.script.anonymous_catalog {
                AnonymousCatalog::EmptyOk => {
                    return Some(answer::bytes(StatusCode::OK, "application/json", self.listing.page(0, 0)));
                }
                AnonymousCatalog::Unchallenged => {
                    return Some(answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "access is not authorized"));
                }
                AnonymousCatalog::Challenge => {}
            }
        }
        match &self.script.access {
            FakeAccess::Open => None,
            FakeAccess::Basic { username, password } => refuse_basic(seen, username, password),
            FakeAccess::BasicCatalog(script) => refuse_basic(seen, &script.username, &script.password),
            FakeAccess::Token(script) => match self.bearer(script, seen, script.required_scope.as_deref()) {
                Err(refusal) => Some(self.challenge(script, script.required_scope.as_deref(), &refusal)),
                // Quay answers a request with an anonymous token so.
                Ok(claims) if claims.sub.is_empty() => {
                    let page = b"<html><h1>Internal Server Error</h1></html>".to_vec();
                    Some(answer::bytes(StatusCode::INTERNAL_SERVER_ERROR, "text/html", page))
                }
                Ok(_) => None,
            },
        }
    }

    /// The response to a request for a repository without permission; none if the request is allowed.
    pub(super) fn refuse_repository(&self, seen: &SeenRequest, repository: &str) -> Option<Response<Bytes>> {
        match &self.script.access {
            FakeAccess::Open => None,
            FakeAccess::Basic { username, password } => refuse_basic(seen, username, password),
            FakeAccess::Token(script) | FakeAccess::BasicCatalog(script) => {
                let scope = format!("repository:{repository}:pull");
                let wanted = script.repository_scope.then_some(scope.as_str());
                let refused = match self.bearer(script, seen, wanted) {
                    Ok(claims) if claims.access.len() > 1 && script.groups == GroupRule::Unsound => {
                        Some(Refusal { error: Some("invalid_token"), message: "one scope a token" })
                    }
                    Ok(_) => None,
                    Err(refusal) => Some(refusal),
                };
                refused.map(|refusal| self.challenge(script, wanted, &refusal))
            }
        }
    }

    /// The claims of the token of the request.
    fn bearer(&self, script: &TokenScript, seen: &SeenRequest, scope: Option<&str>) -> Result<FakeClaims, Refusal> {
        let token = seen.header("authorization").unwrap_or_default().strip_prefix("Bearer ");
        let token = token.ok_or(Refusal { error: None, message: "authentication required" })?;
        let claims = self.signer.check(token, &script.service);
        let claims = claims.map_err(|message| Refusal { error: Some("invalid_token"), message })?;
        let wanted = scope.and_then(GrantedScope::parse);
        if wanted.is_some_and(|wanted| !claims.access.iter().any(|grant| grant.covers(&wanted))) {
            let message = "requested access to the resource is denied";
            return Err(Refusal { error: Some("insufficient_scope"), message });
        }
        Ok(claims)
    }

    fn challenge(&self, script: &TokenScript, scope: Option<&str>, refusal: &Refusal) -> Response<Bytes> {
        let realm = format!("{}/token", self.base());
        unauthorized(&token::challenge(script, &realm, scope, refusal.error), refusal.message)
    }
}

fn refuse_basic(seen: &SeenRequest, username: &str, password: &str) -> Option<Response<Bytes>> {
    let right = basic_credentials(seen).is_some_and(|(user, pass)| user == username && pass == password);
    (!right).then(|| unauthorized("Basic realm=\"fake\"", "authentication required"))
}

fn unauthorized(challenge: &str, message: &str) -> Response<Bytes> {
    let mut response = answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
