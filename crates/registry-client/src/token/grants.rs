//! What a token grants, and why a request with it was denied.

use crate::http::sent_secrets::SentSecrets;
use crate::problem::ErrorAnswer;
use crate::problem::cause::KnownCause;
use crate::token::bearer::Claims;
use crate::token::challenge::Challenge;
use crate::token::scope::ScopeSet;

/// Why access was denied, as far as the answer and the token tell.
pub(crate) fn why_denied(
    said: &ErrorAnswer,
    challenges: &[Challenge],
    token: Option<(&str, Option<&str>)>,
    sent: &SentSecrets,
) -> Option<KnownCause> {
    let text = said.text.to_ascii_lowercase();
    if text.contains("invalid bearer token format") {
        return Some(KnownCause::BasicOnApi);
    }
    if text.contains("list catalog") {
        return Some(KnownCause::HarborRole);
    }
    let claims = token.and_then(|(token, _)| Claims::read(token));
    // A token endpoint may grant whatever service it is asked for: what the registry calls itself tells.
    let own = challenges.iter().find(|challenge| challenge.is("bearer")).and_then(|bearer| bearer.param("service"));
    let service = own.or_else(|| token.and_then(|(_, asked)| asked));
    if let (Some(claims), Some(service)) = (&claims, service) {
        let audiences = claims.audiences();
        if text.contains("audience") || !(audiences.is_empty() || audiences.contains(&service)) {
            return Some(KnownCause::WrongService {
                token: sent.shown(audiences.join(", ")),
                registry: sent.shown(service),
            });
        }
    }
    if claims.as_ref().is_some_and(Claims::is_anonymous) {
        return Some(KnownCause::NoIdentity);
    }
    // Whoever calls this has got the token a moment ago.
    if token.is_some() && text.contains("expired") {
        return Some(KnownCause::TokenLifetime);
    }
    let scope = challenges.iter().find_map(|challenge| challenge.param("scope"));
    if let Some(scope) = scope.filter(|scope| lacks(claims.as_ref(), scope)) {
        let scope = sent.shown(scope);
        return Some(if scope.starts_with("registry:") {
            KnownCause::CatalogScope { scope }
        } else {
            KnownCause::MissingPermission { scope: Some(scope) }
        });
    }
    claims.as_ref().is_some_and(Claims::grants_nothing).then_some(KnownCause::MissingPermission { scope: None })
}

/// Whether a token that lists its grants does not grant this, or does not list any.
fn lacks(claims: Option<&Claims>, scope: &str) -> bool {
    claims.and_then(Claims::grants).is_none_or(|grants| !ScopeSet::parse([scope]).is_granted_by(&grants))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_a_scope_with_all_of_its_actions() {
        let grants = ["repository:a:pull,push".to_owned(), "registry:catalog:*".to_owned(), "repository:b:".to_owned()];
        for covered in [
            "repository:a:pull",
            "repository:a:push,pull",
            "registry:catalog:*",
            "repository:a:pull registry:catalog:*",
        ] {
            assert!(ScopeSet::parse([covered]).is_granted_by(&grants), "{covered}");
        }
        for lacking in
            ["repository:a:delete", "repository:b:pull", "repository:aa:pull", "repository:a:pull repository:b:pull"]
        {
            assert!(!ScopeSet::parse([lacking]).is_granted_by(&grants), "{lacking}");
        }
    }
}
