//! What a token grants, and why a request with it was refused.

use crate::http::sent_secrets::SentSecrets;
use crate::problem::ErrorAnswer;
use crate::problem::cause::KnownCause;
use crate::token::bearer::Claims;
use crate::token::challenge::Challenge;
use crate::token::scope::ScopeSet;

/// Why access was denied, as far as the answer and the token show it.
pub(crate) fn why_denied(
    reply: &ErrorAnswer,
    challenges: &[Challenge],
    token: Option<(&str, Option<&str>)>,
    sent: &SentSecrets,
) -> Option<KnownCause> {
    let text = reply.text.to_ascii_lowercase();
    if is_of_another_form(&text) {
        return Some(KnownCause::BasicOnApi);
    }
    if text.contains("list catalog") {
        return Some(KnownCause::HarborRole);
    }
    let claims = token.and_then(|(token, _)| Claims::read(token));
    // A token endpoint may grant any service that it is asked for. The name that the registry uses for itself shows
    // which one is right.
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
    // The token was just received.
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

/// Whether the registry says that what it was sent is not a token as it issues them.
pub(crate) fn is_of_another_form(text: &str) -> bool {
    text.to_ascii_lowercase().contains("invalid bearer token format")
}

/// Whether a token does not grant this scope, or does not list its grants.
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
