//! A bearer token: reads the answer of a token endpoint, and how long the token is valid. Pure; caches nothing and
//! sends nothing.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::login::secret::Secret;
use crate::problem::token::NoToken;

/// The lifetime if neither the answer nor the token has one (distribution's token specification: 60 seconds).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);
/// Longest lifetime that is used. A token that expires earlier is renewed after its first 401.
const LONGEST: Duration = Duration::from_hours(24);
/// A token that is younger than this has not expired.
const EARLIEST_EXPIRY: Duration = Duration::from_secs(1);

/// A token and its lifetime, which counts from when the client received it: the server's clock and ours may be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The value after `Authorization: Bearer`.
    pub secret: Secret,
    /// When it was received.
    pub received: Instant,
    /// How long it is valid from then on.
    pub lifetime: Duration,
}

impl Token {
    /// When it expires.
    pub(crate) fn expires(&self) -> Instant {
        self.received + self.lifetime
    }

    /// Whether it has expired.
    pub(crate) fn has_expired(&self) -> bool {
        self.remaining(Instant::now()).is_none()
    }

    /// Whether it may have expired before it was sent, although its lifetime says otherwise: it existed already when
    /// its request came, or when the request was admitted, and had some age. A token that was fetched for a request and
    /// refused at once has not expired.
    pub(crate) fn may_have_expired(&self, came: Instant, admitted: Instant, sent: Instant) -> bool {
        self.received < came || (self.received < admitted && self.received + EARLIEST_EXPIRY <= sent)
    }

    /// How long it is still valid at `now`; `None` if it has expired.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.expires().checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

/// Reads a token endpoint's answer. `unix_now` (seconds) serves only a JWT that has an `exp` and no `iat`.
pub(crate) fn read_answer(body: &[u8], received: Instant, unix_now: i64) -> Result<Token, NoToken> {
    // `issued_at` is ignored on purpose: Pulp writes microseconds, Docker Hub nanoseconds, Quay nothing, and a wrong
    // clock must not change the lifetime.
    let is_html = || body.trim_ascii_start().starts_with(b"<");
    let answer: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| if is_html() { NoToken::Html } else { NoToken::NotJson })?;
    let text = |field| answer.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text("token").or_else(|| text("access_token")).ok_or(NoToken::Missing)?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(NoToken::BadCharacters);
    }
    let (lifetime, _) = lifetime(answer.get("expires_in"), Claims::read(text).as_ref(), unix_now);
    Ok(Token { secret: Secret::new(text), received, lifetime })
}

/// Where the lifetime of a token was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeSource {
    /// `expires_in` of the answer.
    Stated,
    /// `exp` of the token itself, counted from its `iat`, or from our clock if it has none.
    Claimed,
    /// Neither has one: the specification's 60 seconds.
    Assumed,
}

/// The lifetime of a token, and where it was read: `expires_in` of the answer, else the token, else the specification.
pub(crate) fn lifetime(stated: Option<&Value>, claims: Option<&Claims>, unix_now: i64) -> (Duration, LifetimeSource) {
    let stated = stated.and_then(seconds_of).map(|lifetime| (lifetime, LifetimeSource::Stated));
    let claimed = || Some((claims?.lifetime(unix_now)?, LifetimeSource::Claimed));
    let (lifetime, source) = stated.or_else(claimed).unwrap_or((DEFAULT_LIFETIME, LifetimeSource::Assumed));
    (lifetime.min(LONGEST), source)
}

/// The identity token that an answer gives in place of the one that was sent; none if it gives none.
pub(crate) fn refresh_token(body: &[u8]) -> Option<Secret> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer["refresh_token"].as_str().filter(|token| !token.is_empty()).map(Secret::new)
}

/// `expires_in` as a positive number of seconds, from a number or a text. Zero and negative numbers are ignored:
/// otherwise a token would be fetched for every page.
fn seconds_of(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    duration(seconds)
}

fn duration(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST))
}

/// The claims of a JWT, unverified: used for lifetimes and messages, never for trust.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Claims {
    #[serde(default)]
    exp: Value,
    #[serde(default)]
    iat: Value,
    #[serde(default)]
    nbf: Value,
    /// The service that the token is for: a text or a list of texts.
    #[serde(default)]
    aud: Value,
    /// The account of the token; empty if the caller is anonymous.
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    access: Value,
}

impl Claims {
    /// The claims, if the token is a JWT.
    pub(crate) fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// `iat`, `nbf` and `exp`, in seconds since 1970; none if missing.
    pub(crate) fn times(&self) -> [Option<i64>; 3] {
        #[allow(clippy::cast_possible_truncation)] // a float saturates, and its fraction does not matter
        [&self.iat, &self.nbf, &self.exp].map(|time| time.as_i64().or_else(|| time.as_f64().map(|time| time as i64)))
    }

    /// `sub`, if it is a text.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.sub.as_str()
    }

    /// The grants, as `type:name:actions`; none if the token does not list them.
    pub(crate) fn grants(&self) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let grant = |grant: &Value| {
            let actions: Vec<_> = grant["actions"].as_array().into_iter().flatten().map(text).collect();
            format!("{}:{}:{}", text(&grant["type"]), text(&grant["name"]), actions.join(","))
        };
        Some(self.access.as_array()?.iter().map(grant).collect())
    }

    /// `exp - iat`, which does not depend on our clock; without `iat`, the time until `exp`.
    fn lifetime(&self, unix_now: i64) -> Option<Duration> {
        #[allow(clippy::cast_precision_loss)] // seconds since 1970 fit an f64 exactly
        let from = self.iat.as_f64().unwrap_or(unix_now as f64);
        duration(self.exp.as_f64()? - from)
    }

    /// The audiences; empty if there are none.
    pub(crate) fn audiences(&self) -> Vec<&str> {
        match &self.aud {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the token is anonymous (Quay writes `(anonymous)`).
    pub(crate) fn is_anonymous(&self) -> bool {
        self.sub.as_str().is_some_and(|sub| sub.is_empty() || sub == "(anonymous)")
    }

    /// The repositories that the token mentions, and whether they may be pulled; `None` if it does not list its grants.
    pub(crate) fn pulls(&self) -> Option<HashMap<String, bool>> {
        let mut pulls = HashMap::new();
        for grant in self.access.as_array()? {
            let name = grant["name"].as_str().filter(|_| grant["type"] == "repository");
            let actions = grant["actions"].as_array().map_or(&[][..], Vec::as_slice);
            let pull = actions.iter().any(|action| action == "pull" || action == "*");
            if let Some(name) = name {
                *pulls.entry(name.to_owned()).or_default() |= pull;
            }
        }
        Some(pulls)
    }

    /// Whether the token lists its grants and grants no action at all.
    pub(crate) fn grants_nothing(&self) -> bool {
        let idle = |grant: &Value| grant["actions"].as_array().is_none_or(Vec::is_empty);
        self.access.as_array().is_some_and(|grants| grants.iter().all(idle))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn jwt(claims: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn lifetime(answer: &Value) -> u64 {
        let token = read_answer(answer.to_string().as_bytes(), Instant::now(), NOW).expect("a token");
        token.lifetime.as_secs()
    }

    #[tokio::test]
    async fn token_or_access_token_and_neither_is_an_error() {
        let read = |body: &str| read_answer(body.as_bytes(), Instant::now(), NOW).map(|t| t.secret.expose().to_owned());
        assert_eq!(read(r#"{"token":"a"}"#), Ok("a".into()));
        assert_eq!(read(r#"{"access_token":"b"}"#), Ok("b".into()));
        assert_eq!(read(r#"{"token":"a","access_token":"b"}"#), Ok("a".into()));
        assert_eq!(read(r#"{"token":"","access_token":"b"}"#), Ok("b".into()));
        assert_eq!(read(r#"{"token":null,"access_token":"b"}"#), Ok("b".into()));
        for body in ["{}", r#"{"token":""}"#, r#"{"token":7}"#] {
            assert_eq!(read(body), Err(NoToken::Missing), "{body}");
        }
        assert_eq!(read(" <!doctype html><p>"), Err(NoToken::Html));
        for body in ["", "[]", "null", r#"{"token":"a""#] {
            assert_eq!(read(body), Err(NoToken::NotJson), "{body}");
        }
        assert_eq!(read(r#"{"token":"a\nb"}"#), Err(NoToken::BadCharacters));
    }

    #[tokio::test]
    async fn every_odd_expires_in_gives_a_sane_lifetime() {
        assert_eq!(lifetime(&json!({"token": "t", "expires_in": 300})), 300);
        assert_eq!(lifetime(&json!({"token": "t", "expires_in": "300"})), 300);
        assert_eq!(lifetime(&json!({"token": "t", "expires_in": 299.9})), 299);
        for odd in [json!(null), json!(0), json!(-5), json!("soon"), json!(""), json!([1]), json!("NaN"), json!({})] {
            assert_eq!(lifetime(&json!({"token": "t", "expires_in": odd})), 60, "{odd}");
        }
        for huge in [json!(1e300), json!(u64::MAX), json!("inf"), json!("99999999999999999999")] {
            assert_eq!(lifetime(&json!({"token": "t", "expires_in": huge})), 86_400, "{huge}");
        }
        assert_eq!(lifetime(&json!({"token": "t"})), 60);
    }

    #[tokio::test]
    async fn without_expires_in_the_jwt_tells() {
        assert_eq!(lifetime(&json!({"token": jwt(&json!({"exp": NOW + 3600}))})), 3600);
        assert_eq!(lifetime(&json!({"token": jwt(&json!({"exp": NOW + 3600, "iat": NOW}))})), 3600);
        assert_eq!(lifetime(&json!({"token": jwt(&json!({"exp": NOW - 1}))})), 60);
        assert_eq!(lifetime(&json!({"token": jwt(&json!({"exp": "x"}))})), 60);
        assert_eq!(lifetime(&json!({"token": "a.%%%.c"})), 60);
        let both = json!({"token": jwt(&json!({"exp": NOW + 3600})), "expires_in": 300});
        assert_eq!(lifetime(&both), 300);
    }

    #[tokio::test]
    async fn neither_issued_at_nor_a_skewed_clock_changes_the_lifetime() {
        for odd in [json!("2001-01-01T00:00:00Z"), json!("2099-01-01T00:00:00.123456789Z"), json!("x"), json!(5)] {
            assert_eq!(lifetime(&json!({"token": "t", "expires_in": 300, "issued_at": odd})), 300, "{odd}");
        }
        let skewed = jwt(&json!({"iat": NOW - 86_400, "exp": NOW - 86_400 + 3600}));
        assert_eq!(lifetime(&json!({ "token": skewed })), 3600);
    }

    #[test]
    fn claims_are_read_for_messages() {
        let claims = |value| Claims::read(&jwt(&value)).expect("claims");
        assert_eq!(claims(json!({"aud": "a"})).audiences(), ["a"]);
        assert_eq!(claims(json!({"aud": ["a", "b"]})).audiences(), ["a", "b"]);
        assert!(claims(json!({"sub": "(anonymous)"})).is_anonymous());
        assert!(!claims(json!({"sub": "org+robot"})).is_anonymous());
        assert!(claims(json!({"access": [{"type": "registry", "actions": []}]})).grants_nothing());
        assert!(!claims(json!({"access": [{"type": "registry", "actions": ["*"]}]})).grants_nothing());
        assert!(Claims::read("opaque").is_none());
    }
}
