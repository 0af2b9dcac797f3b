//! The table of rules. Each rule reads the evidence and recognises one problem. Rules have no side effects.
//!
//! The client recognises most causes from the response of the server, so the errors of a run have the same remedies. The
//! other causes follow only from several exchanges together: wrong clocks and lifetimes, an empty page for an anonymous
//! caller, a configured scope that was refused.

use crate::registry::examine::Exchange;
use crate::registry::examine::ExchangePurpose;
use crate::registry::examine::TokenFacts;
use crate::registry::examine::shown;
use crate::registry::{KnownCause, ScopeSet};

use super::evidence::{DiscoveryLogin, Evidence, StepFailure};
use super::report::{CheckStep, Diagnosis, Fact};

/// A difference of clocks or lifetimes above this many seconds is a problem. Servers allow 30 to 60.
const LEEWAY_S: i64 = 20;

/// A rule that recognises one problem.
#[derive(Clone, Copy, Debug)]
pub struct DiagnosisRule {
    /// The stable name of the rule, which is also the `id` of its [`KnownCause`].
    pub id: &'static str,
    look: fn(&Evidence) -> Option<Diagnosis>,
}

macro_rules! recognised {
    ($id:literal) => {
        DiagnosisRule { id: $id, look: |evidence| recognised(evidence, $id) }
    };
}

/// All rules.
pub const RULES: [DiagnosisRule; 58] = [
    DiagnosisRule { id: "robot_name", look: robot_name },
    recognised!("unknown_host"),
    recognised!("unreachable"),
    recognised!("proxy_setting"),
    recognised!("proxy_unreachable"),
    recognised!("proxy_login"),
    recognised!("proxy_refused"),
    recognised!("proxy_or_registry"),
    recognised!("unknown_issuer"),
    recognised!("missing_issuer"),
    recognised!("issuer_changed"),
    recognised!("self_signed"),
    recognised!("certificate_expired"),
    recognised!("certificate_not_yet_valid"),
    recognised!("certificate_name"),
    recognised!("certificate_weak"),
    recognised!("certificate_unfit"),
    recognised!("client_certificate"),
    recognised!("tls_version"),
    recognised!("tls_ciphers"),
    recognised!("tls_name"),
    recognised!("tls_alert"),
    recognised!("plain_http"),
    recognised!("tls_wanted"),
    recognised!("no_tls"),
    recognised!("no_registry"),
    recognised!("realm_elsewhere"),
    recognised!("realm_plaintext"),
    recognised!("token_service"),
    recognised!("token_service_fails"),
    recognised!("token_service_moved"),
    recognised!("basic_on_api"),
    recognised!("token_as_password"),
    recognised!("robot_unknown"),
    recognised!("user_password"),
    recognised!("encrypted_password"),
    recognised!("secret_expired"),
    recognised!("account_disabled"),
    recognised!("login_locked"),
    recognised!("token_form"),
    recognised!("credentials_refused"),
    recognised!("token_refused"),
    recognised!("login_wanted"),
    recognised!("wrong_service"),
    DiagnosisRule { id: "no_identity", look: no_identity },
    DiagnosisRule { id: "scope_not_granted", look: scope_not_granted },
    DiagnosisRule { id: "nothing_listed", look: nothing_listed },
    DiagnosisRule { id: "clock", look: clock },
    DiagnosisRule { id: "token_lifetime", look: token_lifetime },
    DiagnosisRule { id: "scope_unreadable", look: scope_unreadable },
    recognised!("missing_permission"),
    recognised!("catalog_scope"),
    recognised!("harbor_role"),
    recognised!("no_catalog"),
    recognised!("api_login"),
    recognised!("login_unproven"),
    recognised!("owner_missing"),
    recognised!("rate_limited"),
];

/// The diagnoses of all rules, in the order of the table.
pub fn diagnose(evidence: &Evidence) -> Vec<Diagnosis> {
    RULES.iter().filter_map(|rule| (rule.look)(evidence)).collect()
}

/// The diagnosis of a failure that no rule recognises.
pub(super) fn unknown(evidence: &Evidence, failure: &StepFailure) -> Diagnosis {
    Diagnosis {
        rule: failure.code,
        step: failure.step,
        symptom: failure.symptom.clone(),
        cause: "unknown; see the symptom".to_owned(),
        remedy: failure.remedy.clone(),
        evidence: conversation(evidence, failure.step),
    }
}

fn recognised(evidence: &Evidence, rule: &'static str) -> Option<Diagnosis> {
    let failure = evidence.failure(rule)?;
    let known_cause = failure.known_cause.as_ref()?;
    // The exchanges after the list do not explain these causes.
    let is_of_list = matches!(known_cause, KnownCause::OwnerMissing | KnownCause::LoginUnproven);
    let evidence = if is_of_list { Vec::new() } else { conversation(evidence, failure.step) };
    Some(Diagnosis { symptom: failure.symptom.clone(), evidence, ..of(known_cause, failure.step) })
}

fn of(known_cause: &KnownCause, step: CheckStep) -> Diagnosis {
    let (symptom, evidence) = (String::new(), Vec::new());
    Diagnosis {
        rule: known_cause.id(),
        step,
        symptom,
        cause: known_cause.cause(),
        remedy: known_cause.remedy(),
        evidence,
    }
}

/// No account name on Quay has a `/`, so nothing is sent then. A name without `+` may belong to a person, so it is reported only
/// if the registry refuses it.
fn robot_name(evidence: &Evidence) -> Option<Diagnosis> {
    let refused = recognised(evidence, KnownCause::RobotName.id());
    let name = evidence.username.as_deref().filter(|name| evidence.is_quay && name.contains('/'));
    refused.or_else(|| {
        Some(Diagnosis {
            symptom: format!("the user name `{}` has a `/`", shown(name?)),
            evidence: vec![Fact::new("did you mean", shown(&name?.replacen('/', "+", 1)))],
            ..of(&KnownCause::RobotName, CheckStep::Configuration)
        })
    })
}

/// An empty page for an anonymous caller, from a registry that has accounts. Quay answers anonymous callers so.
fn no_identity(evidence: &Evidence) -> Option<Diagnosis> {
    let known_cause = KnownCause::NoIdentity;
    if let Some(refused) = recognised(evidence, known_cause.id()) {
        return Some(refused);
    }
    if evidence.names != Some(0) || evidence.allow_empty {
        return None;
    }
    let page = evidence.about(ExchangePurpose::Catalog).next_back();
    let is_anonymous = |token: &TokenFacts| token.claims.as_ref().is_some_and(|claims| claims.anonymous);
    // The same condition as in a run: a registry that asks for a login, or issues tokens, has accounts.
    let has_accounts = || {
        let asked = evidence.ping().is_some_and(|ping| ping.status >= 400 || !ping.offers.is_empty());
        asked || evidence.about(ExchangePurpose::Token).next().is_some()
    };
    let without_identity = match page {
        _ if evidence.login == DiscoveryLogin::NoneForApi => !evidence.list_failed(),
        None => false,
        Some(page) if evidence.login == DiscoveryLogin::Configured => {
            page.is_authorized() && evidence.tokens().next_back().is_some_and(|(_, token)| is_anonymous(token))
        }
        Some(_) => has_accounts(),
    };
    without_identity.then(|| Diagnosis {
        symptom: "the catalog is empty for a caller without an identity".to_owned(),
        evidence: conversation(evidence, CheckStep::Page),
        ..of(&known_cause, CheckStep::Page)
    })
}

/// A configured scope that the token does not grant. If no repository is listed, this is the cause; otherwise it is a note.
fn scope_not_granted(evidence: &Evidence) -> Option<Diagnosis> {
    let configured = ScopeSet::parse(evidence.scopes.iter().map(String::as_str));
    let (scope, exchange, token) = evidence.tokens().find_map(|(exchange, token)| {
        let grants = token.claims.as_ref()?.access.as_deref()?;
        let mut asked = exchange.asked("scope").filter(|asked| configured.iter().any(|scope| scope == *asked));
        let scope = asked.find(|scope| !ScopeSet::parse([*scope]).is_granted_by(grants))?.to_owned();
        Some((scope, exchange, token))
    })?;
    let nothing = evidence.names == Some(0) && !evidence.allow_empty;
    let granted = super::facts::claims(token);
    Some(Diagnosis {
        symptom: format!(
            "`{scope}` was requested, but is not granted{}",
            if nothing { "; no repository is listed" } else { "" }
        ),
        evidence: [vec![Fact::new("request", format!("{} {}", exchange.method, exchange.url))], granted].concat(),
        ..of(&KnownCause::ScopeNotGranted { scope }, if nothing { CheckStep::Page } else { CheckStep::Scope })
    })
}

/// An empty page for an account, probably without any permission. A run does not publish an empty list.
fn nothing_listed(evidence: &Evidence) -> Option<Diagnosis> {
    let empty = evidence.names == Some(0) && evidence.login == DiscoveryLogin::Configured && !evidence.allow_empty;
    if !empty || evidence.list_failed() || no_identity(evidence).is_some() || scope_not_granted(evidence).is_some() {
        return None;
    }
    let account = evidence.username.as_deref().map_or(String::new(), |name| format!(" to `{}`", shown(name)));
    let listed = evidence.about(ExchangePurpose::Catalog).next_back();
    let asked = listed.map(|exchange| Fact::new("request", format!("{} {}", exchange.method, exchange.url)));
    let claims = evidence.tokens().next_back().map_or(Vec::new(), |(_, token)| super::facts::claims(token));
    Some(Diagnosis {
        symptom: format!("the registry lists no repository{account}"),
        evidence: asked.into_iter().chain(claims).collect(),
        ..of(&KnownCause::NothingListed, CheckStep::Page)
    })
}

/// The clocks differ, according to the header `Date` or to a new token that is not yet valid or already expired.
fn clock(evidence: &Evidence) -> Option<Diagnosis> {
    let (ahead_s, seen) = evidence.exchanges.iter().flat_map(clocks).max_by_key(|(ahead, _)| ahead.abs())?;
    if ahead_s.abs() <= LEEWAY_S {
        return None;
    }
    // If a login failed for an unknown reason, the clock is the reason.
    let unexplained = |failure: &&StepFailure| {
        let open = failure.known_cause.is_none() || failure.known_cause == Some(KnownCause::TokenLifetime);
        open && matches!(failure.step, CheckStep::Login | CheckStep::Page | CheckStep::Tags)
    };
    let step = evidence.failures.iter().find(unexplained).map_or(CheckStep::Login, |failure| failure.step);
    let known_cause = KnownCause::Clock { ahead_s };
    Some(Diagnosis { symptom: known_cause.cause(), evidence: vec![Fact::new("by", seen)], ..of(&known_cause, step) })
}

/// The differences of the clocks that one exchange shows: by how many seconds the server is ahead, and why.
fn clocks(exchange: &Exchange) -> Vec<(i64, String)> {
    let Some(reply) = exchange.answer() else { return Vec::new() };
    let mut seen = Vec::new();
    if let Some(ahead) = reply.ahead_s {
        seen.push((ahead, format!("Date of {}: {}", exchange.url, reply.header("date").unwrap_or_default())));
    }
    let now = exchange.received_at.timestamp();
    if let Some(claims) = reply.token.as_ref().and_then(|token| token.claims.as_ref()) {
        // A token may come from a cache, so a time of issue in the past shows nothing.
        let begun = [("iat", claims.iat), ("nbf", claims.nbf)].into_iter();
        let begun = begun.filter_map(|(name, time)| Some((name, time?))).filter(|(_, time)| *time > now);
        let ended = claims.exp.filter(|exp| *exp <= now).map(|exp| ("exp", exp));
        let skews = begun.chain(ended).map(|(name, time)| {
            (time.saturating_sub(now), format!("{name} of the token from {}: {time}, ours: {now}", exchange.url))
        });
        seen.extend(skews);
    }
    seen
}

/// A token whose own lifetime is shorter than the one that the token endpoint states, or a new token that the server calls
/// expired.
///
/// Not visible without waiting: a server that refuses a token before the end of its lifetime. A run then renews the token
/// once and continues. Only if the new token is refused as well, the run reports an error.
fn token_lifetime(evidence: &Evidence) -> Option<Diagnosis> {
    if clock(evidence).is_some() {
        return None;
    }
    let refused = recognised(evidence, KnownCause::TokenLifetime.id());
    refused.or_else(|| {
        evidence.tokens().find_map(|(exchange, token)| {
            let claims = token.claims.as_ref()?;
            let from = claims.iat.or(claims.nbf).unwrap_or(exchange.received_at.timestamp());
            let (stated, claimed) = (i64::try_from(token.lifetime.as_secs()).ok()?, claims.exp?.saturating_sub(from));
            (stated.saturating_sub(claimed) > LEEWAY_S).then(|| Diagnosis {
                symptom: format!(
                    "the token endpoint states a lifetime of {stated} s, but the token expires after {claimed} s"
                ),
                evidence: vec![
                    Fact::new("expires_in", token.expires_in.clone().unwrap_or_default()),
                    Fact::new("exp - iat", claimed.to_string()),
                ],
                ..of(&KnownCause::TokenLifetime, CheckStep::Login)
            })
        })
    })
}

/// A scope that the token endpoint could not read. If another scope worked, this is reported only for a configured scope, not
/// for a scope from a challenge.
fn scope_unreadable(evidence: &Evidence) -> Option<Diagnosis> {
    if let Some(failed) = recognised(evidence, "scope_unreadable") {
        return Some(failed);
    }
    let first = evidence.about(ExchangePurpose::Token).next().filter(|_| !evidence.scopes.is_empty())?;
    let reply = first.answer().filter(|reply| reply.status == 400)?;
    let tried = evidence.scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(", ");
    Some(Diagnosis {
        symptom: format!("{} {}", reply.status, reply.said),
        evidence: vec![
            Fact::new("configured", tried.clone()),
            Fact::new("sent", first.asked("scope").collect::<Vec<_>>().join(" ")),
        ],
        ..of(&KnownCause::ScopeUnreadable { tried }, CheckStep::Scope)
    })
}

/// The last exchange with the registry or its token endpoint that explains a step: the last one that failed, if any did.
fn conversation(evidence: &Evidence, step: CheckStep) -> Vec<Fact> {
    let is_relevant = |exchange: &&Exchange| match step {
        CheckStep::Ping => exchange.about == ExchangePurpose::Ping,
        CheckStep::Login | CheckStep::Scope | CheckStep::Page | CheckStep::Tags => true,
        _ => false,
    };
    let mut relevant = evidence.exchanges.iter().filter(is_relevant);
    let Some(exchange) = relevant.rfind(|exchange| exchange.status() != Some(200)).or(evidence.exchanges.last()) else {
        return Vec::new();
    };
    let mut facts = vec![Fact::new("request", format!("{} {}", exchange.method, exchange.url))];
    facts.extend(exchange.authorization().map(|credentials| Fact::new("authorization", credentials)));
    let Some(reply) = exchange.answer() else { return facts };
    facts.push(Fact::new("status", reply.status.to_string()));
    facts.extend((!reply.said.is_empty()).then(|| Fact::new("said", &reply.said)));
    facts.extend(reply.header("retry-after").map(|pause| Fact::new("retry-after", pause)));
    facts.extend(reply.offers.iter().map(|offer| Fact::new("challenge", offer.to_string())));
    if let Some((_, token)) =
        evidence.tokens().next_back().filter(|_| matches!(step, CheckStep::Login | CheckStep::Scope))
    {
        facts.extend(super::facts::claims(token));
    }
    facts
}

/// The diagnosis of a state in which the dry write failed.
pub(super) fn of_state(symptom: String) -> Diagnosis {
    let cause = "the dry write in the directory of the state failed".to_owned();
    let remedy = "let the user of stocktake write there, or set `state` to another directory".to_owned();
    Diagnosis { rule: "state", step: CheckStep::State, symptom, cause, remedy, evidence: Vec::new() }
}

/// The diagnosis of a sink whose dry write failed.
pub(super) fn of_sink(symptom: String, remedy: &str) -> Diagnosis {
    let cause = "the dry write in the sink failed".to_owned();
    let (step, remedy, evidence) = (CheckStep::Sink, remedy.to_owned(), Vec::new());
    Diagnosis { rule: "sink", step, symptom, cause, remedy, evidence }
}
