//! Turns what was observed at a step into [`Fact`]s, which are texts for the report.

use chrono::DateTime;

use super::evidence::Evidence;
use super::report::{Fact, lifetime_source};
use crate::registry::Auth;
use crate::registry::KnownCause;
use crate::registry::Page;
use crate::registry::RegistrySettings;
use crate::registry::examine::Exchange;
use crate::registry::examine::ExchangePurpose;
use crate::registry::examine::Handshake;
use crate::registry::examine::TokenFacts;
use crate::registry::examine::shown;
use crate::run::Plan;

/// The name of a fact that turns a successful step into a note.
pub(super) const WARNING: &str = "warning";

/// Names and settings. Of secrets, only where they are stored.
pub(super) fn settings(plan: &Plan) -> Vec<Fact> {
    let settings = &plan.registry;
    let (kind, login, source) = match &settings.auth {
        Auth::Token(None) => ("token, anonymous", None, None),
        Auth::Token(Some(login)) => ("token", Some(login), None),
        Auth::Basic(login) => ("basic", Some(login), None),
        Auth::Bearer(source) => ("bearer", None, Some(source)),
        Auth::Identity(source) => ("identity_token", None, Some(source)),
        Auth::Docker(_) => ("docker_config", None, None),
        Auth::None => ("none", None, None),
    };
    let source = source.or(login.map(|login| &login.password));
    let mut facts = vec![Fact::new("url", settings.url.as_str()), Fact::new("auth", kind)];
    facts.extend(login.map(|login| Fact::new("user name", shown(&login.username))));
    facts.extend(source.map(|source| Fact::new("secret in", source.to_string())));
    facts.extend(settings.service.as_deref().map(|service| Fact::new("service", shown(service))));
    facts.extend((!settings.scope.is_empty()).then(|| Fact::new("scope", shown(&settings.scope.join(" ")))));
    facts.extend(not_a_robot(settings));
    let sinks: Vec<_> = plan.sinks.iter().map(|(name, _)| name.as_str()).collect();
    facts.push(Fact::new("sinks", if sinks.is_empty() { "none".to_owned() } else { sinks.join(", ") }));
    facts
}

/// Through which proxy requests go, or why through none.
pub(super) fn proxy(route: Result<String, String>) -> Fact {
    Fact::new("proxy", route.unwrap_or_else(|why| format!("none: {why}")))
}

/// The same for the token service.
pub(super) fn proxy_of(realm: &url::Url, route: Result<String, String>) -> Fact {
    let host = shown(realm.host_str().unwrap_or_default());
    let Fact { seen, .. } = proxy(route);
    Fact::new("proxy to the token service", format!("{host}: {seen}"))
}

/// On Quay, a name without `+` belongs to a person, or is the name of a robot account with a mistake. Names such as
/// `$oauthtoken` are neither.
fn not_a_robot(settings: &RegistrySettings) -> Option<Fact> {
    let evidence = Evidence::of_settings(settings);
    let name = evidence.username.filter(|_| evidence.is_quay)?;
    let odd = !name.contains(['+', '/']) && !name.starts_with('$');
    odd.then(|| Fact::new(WARNING, KnownCause::RobotName.remedy()))
}

/// The first names of a certificate; those of a content network have hundreds.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let first = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{first} and {more} more") } else { first }
}

pub(super) fn handshake(seen: &Handshake) -> Vec<Fact> {
    let mut facts: Vec<_> = seen.version.map(|version| Fact::new("protocol", version)).into_iter().collect();
    if let Some(certificate) = &seen.certificate {
        facts.push(Fact::new("subject", &certificate.subject));
        facts.push(Fact::new("issuer", &certificate.issuer));
        facts.extend((!certificate.names.is_empty()).then(|| Fact::new("names", some_of(&certificate.names))));
        facts.push(Fact::new(
            "valid",
            format!("{} to {}", certificate.not_before.date_naive(), certificate.not_after.date_naive()),
        ));
    }
    facts.push(Fact::new(
        "verification",
        match &seen.refused {
            Some((_, why)) => why.as_str(),
            None if seen.insecure => "none: `insecure_tls` is set",
            None => "trusted",
        },
    ));
    facts
}

pub(super) fn ping(evidence: &Evidence) -> Vec<Fact> {
    let Some(reply) = evidence.ping() else { return Vec::new() };
    let mut facts = vec![Fact::new("status", reply.status.to_string())];
    facts.extend(reply.offers.iter().map(|offer| Fact::new("challenge", offer.to_string())));
    for (what, name) in [("server", "server"), ("via", "via"), ("api", "docker-distribution-api-version")] {
        facts.extend(reply.header(name).map(|value| Fact::new(what, value)));
    }
    facts
}

/// The result of the login: the last token received, or else the last response to a token request.
pub(super) fn login(evidence: &Evidence) -> Vec<Fact> {
    if let Some((exchange, token)) = evidence.tokens().next_back() {
        return [token_request(exchange), vec![Fact::new("status", "200")], self::token(exchange, token)].concat();
    }
    let asked = evidence.about(ExchangePurpose::Token).next_back();
    let mut facts = asked.map_or_else(Vec::new, token_request);
    // Without a token endpoint, the credentials are sent to the registry itself.
    let sent = evidence.exchanges.iter().rev().find(|exchange| exchange.is_authorized());
    if asked.is_none() {
        facts.extend(sent.and_then(Exchange::authorization).map(|credentials| Fact::new("authorization", credentials)));
    }
    let status = asked.or(sent).and_then(Exchange::status);
    facts.extend(status.map(|status| Fact::new("status", status.to_string())));
    facts
}

fn token_request(exchange: &Exchange) -> Vec<Fact> {
    let mut facts = vec![Fact::new("request", format!("{} {}", exchange.method, exchange.url))];
    facts.extend(exchange.asked("service").map(|service| Fact::new("service", service)));
    facts.push(Fact::new("authorization", exchange.authorization().unwrap_or("none")));
    facts
}

/// Everything that is known of a token, without the token.
pub(super) fn trace(exchange: &Exchange, token: &TokenFacts) -> Vec<Fact> {
    let claims = token.claims.as_ref();
    let mut facts = vec![Fact::new("token", format!("[cut, {} bytes]", token.bytes))];
    facts.extend(token.expires_in.as_ref().map(|stated| Fact::new("expires_in", stated)));
    facts.extend(self::token(exchange, token));
    facts.extend(claims.map(|claims| Fact::new("access", access(claims.access.as_deref()))));
    facts
}

fn token(exchange: &Exchange, token: &TokenFacts) -> Vec<Fact> {
    let source = lifetime_source(token.source);
    let mut facts = vec![
        Fact::new("fields", token.fields.join(", ")),
        Fact::new("lifetime", format!("{} s, {source}", token.lifetime.as_secs())),
    ];
    facts.extend(token.issued_at.as_ref().map(|at| Fact::new("issued_at", at)));
    let Some(claims) = &token.claims else {
        facts.push(Fact::new("claims", "none: the token is not a JWT"));
        return facts;
    };
    let now = exchange.received_at.timestamp();
    for (what, time) in [("iat", claims.iat), ("nbf", claims.nbf), ("exp", claims.exp)] {
        facts
            .extend(time.map(|time| Fact::new(what, format!("{} ({:+} s)", in_words(time), time.saturating_sub(now)))));
    }
    facts.extend(claims_of(token));
    facts
}

/// The subject, the audience and the access of a token.
pub(super) fn claims(token: &TokenFacts) -> Vec<Fact> {
    let mut facts = claims_of(token);
    facts.extend(token.claims.as_ref().map(|claims| Fact::new("access", access(claims.access.as_deref()))));
    facts
}

fn claims_of(token: &TokenFacts) -> Vec<Fact> {
    let Some(claims) = &token.claims else { return Vec::new() };
    let sub = claims.sub.as_deref().map(|sub| if sub.is_empty() { "anonymous" } else { sub });
    let mut facts: Vec<_> = sub.map(|sub| Fact::new("sub", sub)).into_iter().collect();
    facts.extend((!claims.aud.is_empty()).then(|| Fact::new("aud", claims.aud.join(", "))));
    facts
}

fn access(grants: Option<&[String]>) -> String {
    match grants {
        None => "not stated".to_owned(),
        Some([]) => "nothing".to_owned(),
        Some(grants) => grants.join(" "),
    }
}

fn in_words(unix: i64) -> String {
    DateTime::from_timestamp(unix, 0).map_or_else(|| unix.to_string(), |time| time.format("%H:%M:%SZ").to_string())
}

/// The scopes of each token request, and the access that the last token grants.
pub(super) fn scope(evidence: &Evidence) -> Vec<Fact> {
    let asked = |exchange: &Exchange| {
        let scopes = exchange.asked("scope").collect::<Vec<_>>().join(" ");
        let scopes = if scopes.is_empty() { "no scope".to_owned() } else { scopes };
        let status = exchange.status().map_or("no response".to_owned(), |status| status.to_string());
        Fact::new("asked for", format!("{scopes}: {status}"))
    };
    let mut facts: Vec<_> = evidence.about(ExchangePurpose::Token).map(asked).collect();
    let claims = evidence.tokens().next_back().and_then(|(_, token)| token.claims.as_ref());
    facts.extend(claims.map(|claims| Fact::new("granted", access(claims.access.as_deref()))));
    facts
}

pub(super) fn page(evidence: &Evidence, page: &Page) -> Vec<Fact> {
    let mut facts = vec![Fact::new("repositories", (page.names.len() as u64 + page.invalid_count).to_string())];
    if page.invalid_count > 0 {
        facts.push(Fact::new("unreadable names", page.invalid_count.to_string()));
    }
    facts.extend(evidence.kind.map(|(kind, why)| Fact::new("kind", format!("{kind}, because {why}"))));
    facts.push(Fact::new("order", order(page)));
    let fetched = evidence.about(ExchangePurpose::Catalog).rfind(|exchange| exchange.status() == Some(200));
    if let Some(exchange) = fetched {
        facts.extend(exchange.asked("n").map(|n| Fact::new("asked for", format!("{n} a page"))));
        let link = exchange.answer().and_then(|reply| reply.link.as_ref());
        facts.push(Fact::new("next page", link.map_or("none".to_owned(), ToString::to_string)));
    }
    facts
}

fn order(page: &Page) -> &'static str {
    let names: Vec<&str> = page.names.iter().collect();
    // The registry `distribution` lists directories in order: `a/b` comes before `a-b`.
    let by_path = |a: &&str, b: &&str| a.split('/').le(b.split('/'));
    match names.len() {
        0 | 1 => "unknown",
        _ if names.is_sorted() => "by name",
        _ if names.is_sorted_by(by_path) => "by path",
        _ => "other",
    }
}
