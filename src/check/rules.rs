//! The diagnosis table: each rule looks at the evidence and fires on its fault, and on no other. Pure.
//!
//! Most causes are recognised by the client itself, which reads what a server said; a run's errors give the same
//! remedies. The rest is seen only by whoever looks at the whole conversation: clocks, lifetimes, an empty page for
//! nobody, a scope that was refused on the way.

use crate::registry::examine::Exchange;
use crate::registry::examine::ExchangePurpose;
use crate::registry::examine::TokenFacts;
use crate::registry::{KnownCause, ScopeSet, shown};

use super::evidence::{Evidence, Failure, Login};
use super::report::{Diagnosis, Fact, Step};

/// A clock is off, and a lifetime wrong, beyond this many seconds; servers themselves allow 30 to 60.
const LEEWAY_S: i64 = 20;

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its stable name.
    pub id: &'static str,
    look: fn(&Evidence) -> Option<Diagnosis>,
}

macro_rules! recognised {
    ($id:literal) => {
        Rule { id: $id, look: |evidence| recognised(evidence, $id) }
    };
}

/// All rules.
pub const RULES: [Rule; 28] = [
    Rule { id: "robot_name", look: robot_name },
    recognised!("unknown_host"),
    recognised!("unreachable"),
    recognised!("unknown_issuer"),
    recognised!("certificate_expired"),
    recognised!("certificate_unfit"),
    recognised!("no_tls"),
    recognised!("no_registry"),
    recognised!("realm_elsewhere"),
    recognised!("basic_on_api"),
    recognised!("credentials_refused"),
    recognised!("token_refused"),
    recognised!("login_wanted"),
    recognised!("wrong_service"),
    Rule { id: "no_identity", look: no_identity },
    Rule { id: "scope_not_granted", look: scope_not_granted },
    Rule { id: "nothing_listed", look: nothing_listed },
    Rule { id: "clock", look: clock },
    Rule { id: "token_lifetime", look: token_lifetime },
    Rule { id: "scope_unreadable", look: scope_unreadable },
    recognised!("missing_permission"),
    recognised!("catalog_scope"),
    recognised!("harbor_role"),
    recognised!("no_catalog"),
    recognised!("api_login"),
    recognised!("login_unproven"),
    recognised!("owner_missing"),
    recognised!("rate_limited"),
];

/// What every rule says, in the order of the table.
pub fn diagnose(evidence: &Evidence) -> Vec<Diagnosis> {
    RULES.iter().filter_map(|rule| (rule.look)(evidence)).collect()
}

/// What to say of a failure that no rule knows.
pub(super) fn unknown(evidence: &Evidence, failure: &Failure) -> Diagnosis {
    Diagnosis {
        rule: failure.code,
        step: failure.step,
        symptom: failure.symptom.clone(),
        cause: "not one of the known ones: see the symptom".to_owned(),
        remedy: failure.remedy.clone(),
        evidence: conversation(evidence, failure.step),
    }
}

fn recognised(evidence: &Evidence, rule: &'static str) -> Option<Diagnosis> {
    let failure = evidence.failure(rule)?;
    let finding = failure.finding.as_ref()?;
    // What follows the list says nothing of these.
    let is_of_list = matches!(finding, KnownCause::OwnerMissing | KnownCause::LoginUnproven);
    let evidence = if is_of_list { Vec::new() } else { conversation(evidence, failure.step) };
    Some(Diagnosis { symptom: failure.symptom.clone(), evidence, ..of(finding, failure.step) })
}

fn of(finding: &KnownCause, step: Step) -> Diagnosis {
    let (symptom, evidence) = (String::new(), Vec::new());
    Diagnosis { rule: finding.id(), step, symptom, cause: finding.cause(), remedy: finding.remedy(), evidence }
}

/// A `/` stands in no account's name of Quay: nothing is sent. A name without `+` may be a person's, and is only told of
/// once it has been refused.
fn robot_name(evidence: &Evidence) -> Option<Diagnosis> {
    let refused = recognised(evidence, KnownCause::RobotName.id());
    let name = evidence.username.as_deref().filter(|name| evidence.is_quay && name.contains('/'));
    refused.or_else(|| {
        Some(Diagnosis {
            symptom: format!("the user name `{}` has a `/`", shown(name?)),
            evidence: vec![Fact::new("did you mean", shown(&name?.replacen('/', "+", 1)))],
            ..of(&KnownCause::RobotName, Step::Configuration)
        })
    })
}

/// An empty page for nobody, where the registry does know accounts: Quay answers so to anonymous callers.
fn no_identity(evidence: &Evidence) -> Option<Diagnosis> {
    let finding = KnownCause::NoIdentity;
    if let Some(refused) = recognised(evidence, finding.id()) {
        return Some(refused);
    }
    if evidence.names != Some(0) || evidence.allow_empty {
        return None;
    }
    let page = evidence.about(ExchangePurpose::Catalog).next_back();
    let is_nobody = |token: &TokenFacts| token.claims.as_ref().is_some_and(|claims| claims.anonymous);
    // As a run judges it: a registry that asks for a login, or gives tokens, has accounts.
    let has_accounts = || {
        let asked = evidence.ping().is_some_and(|ping| ping.status >= 400 || !ping.offers.is_empty());
        asked || evidence.about(ExchangePurpose::Token).next().is_some()
    };
    let nobody = match page {
        _ if evidence.login == Login::NoneForApi => !evidence.list_failed(),
        None => false,
        Some(page) if evidence.login == Login::Configured => {
            page.is_authorized() && evidence.tokens().next_back().is_some_and(|(_, token)| is_nobody(token))
        }
        Some(_) => has_accounts(),
    };
    nobody.then(|| Diagnosis {
        symptom: "the catalog is empty for a caller without an identity".to_owned(),
        evidence: conversation(evidence, Step::Page),
        ..of(&finding, Step::Page)
    })
}

/// A configured scope that the token service answered with a token that does not have it. Where nothing is listed, that
/// is why; else it is worth knowing.
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
            "`{scope}` was asked for, and is not granted{}",
            if nothing { "; no repository is listed" } else { "" }
        ),
        evidence: [vec![Fact::new("request", format!("{} {}", exchange.method, exchange.url))], granted].concat(),
        ..of(&KnownCause::ScopeNotGranted { scope }, if nothing { Step::Page } else { Step::Scope })
    })
}

/// An empty page for an account: what one without any permission sees. A run does not publish that.
fn nothing_listed(evidence: &Evidence) -> Option<Diagnosis> {
    let empty = evidence.names == Some(0) && evidence.login == Login::Configured && !evidence.allow_empty;
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
        ..of(&KnownCause::NothingListed, Step::Page)
    })
}

/// By `Date`, or by a token that is from the future or dead on arrival.
fn clock(evidence: &Evidence) -> Option<Diagnosis> {
    let (ahead_s, seen) = evidence.exchanges.iter().flat_map(clocks).max_by_key(|(ahead, _)| ahead.abs())?;
    if ahead_s.abs() <= LEEWAY_S {
        return None;
    }
    // Where a login failed for no known reason, this is the reason.
    let unexplained = |failure: &&Failure| {
        let open = failure.finding.is_none() || failure.finding == Some(KnownCause::TokenLifetime);
        open && matches!(failure.step, Step::Login | Step::Page | Step::Tags)
    };
    let step = evidence.failures.iter().find(unexplained).map_or(Step::Login, |failure| failure.step);
    let finding = KnownCause::Clock { ahead_s };
    Some(Diagnosis { symptom: finding.cause(), evidence: vec![Fact::new("by", seen)], ..of(&finding, step) })
}

/// What one exchange says of the server's clock.
fn clocks(exchange: &Exchange) -> Vec<(i64, String)> {
    let Some(reply) = exchange.answer() else { return Vec::new() };
    let mut seen = Vec::new();
    if let Some(ahead) = reply.ahead_s {
        seen.push((ahead, format!("Date of {}: {}", exchange.url, reply.header("date").unwrap_or_default())));
    }
    let now = exchange.received_at.timestamp();
    if let Some(claims) = reply.token.as_ref().and_then(|token| token.claims.as_ref()) {
        // A token may come out of a cache: that it was made long ago says nothing.
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

/// A token that says less of its life than its server does, or that is said to have expired when it had just come.
///
/// What cannot be seen without waiting: a server that forgets a token which by all it says is alive. A run notices
/// that, renews the token once and goes on; only if the new one is refused as well, the run's error says so.
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
                symptom: format!("the token endpoint states {stated} s, the token itself {claimed} s"),
                evidence: vec![
                    Fact::new("expires_in", token.expires_in.clone().unwrap_or_default()),
                    Fact::new("exp - iat", claimed.to_string()),
                ],
                ..of(&KnownCause::TokenLifetime, Step::Login)
            })
        })
    })
}

/// A scope that the token endpoint could not read. Where it is the configured one, and another did, that is still worth
/// knowing; what a challenge named and nobody wrote is not.
fn scope_unreadable(evidence: &Evidence) -> Option<Diagnosis> {
    let rule = "scope_unreadable";
    if let Some(failed) = recognised(evidence, rule) {
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
        ..of(&KnownCause::ScopeUnreadable { tried }, Step::Scope)
    })
}

/// The last words of a registry or its token endpoint that bear on a step.
fn conversation(evidence: &Evidence, step: Step) -> Vec<Fact> {
    let bears = |exchange: &&Exchange| match step {
        Step::Ping => exchange.about == ExchangePurpose::Ping,
        Step::Login | Step::Scope | Step::Page | Step::Tags => true,
        _ => false,
    };
    let mut about = evidence.exchanges.iter().filter(bears);
    let Some(exchange) = about.rfind(|exchange| exchange.status() != Some(200)).or(evidence.exchanges.last()) else {
        return Vec::new();
    };
    let mut facts = vec![Fact::new("request", format!("{} {}", exchange.method, exchange.url))];
    facts.extend(exchange.authorization().map(|credentials| Fact::new("authorization", credentials)));
    let Some(reply) = exchange.answer() else { return facts };
    facts.push(Fact::new("status", reply.status.to_string()));
    facts.extend((!reply.said.is_empty()).then(|| Fact::new("said", &reply.said)));
    facts.extend(reply.header("retry-after").map(|pause| Fact::new("retry-after", pause)));
    facts.extend(reply.offers.iter().map(|offer| Fact::new("challenge", offer.to_string())));
    if let Some((_, token)) = evidence.tokens().next_back().filter(|_| matches!(step, Step::Login | Step::Scope)) {
        facts.extend(super::facts::claims(token));
    }
    facts
}

/// What to say of a sink that cannot be written to.
pub(super) fn of_sink(symptom: String, remedy: &str) -> Diagnosis {
    let cause = "the sink could not be written to".to_owned();
    let (step, remedy, evidence) = (Step::Sink, remedy.to_owned(), Vec::new());
    Diagnosis { rule: "sink", step, symptom, cause, remedy, evidence }
}
