//! The tokens of the server. They are signed with a key that only this server has, so it refuses tokens of other servers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{hmac, rand::SystemRandom};
use serde::{Deserialize, Serialize};

use crate::clock;

/// The claims of a token. Times are in whole seconds, as RFC 7519 has them. The server itself checks `until_ms`, so that tests
/// can use lifetimes of a few hundred milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FakeClaims {
    iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    pub(super) access: Vec<GrantedScope>,
    until_ms: i64,
}

/// One granted scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GrantedScope {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) actions: Vec<String>,
}

impl GrantedScope {
    /// Parses `type:name:actions`. The name may contain colons.
    pub(super) fn parse(scope: &str) -> Option<Self> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions = actions.split(',').map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }

    /// Whether this grant includes all of `wanted`.
    pub(super) fn covers(&self, wanted: &Self) -> bool {
        self.kind == wanted.kind
            && self.name == wanted.name
            && wanted.actions.iter().all(|action| self.actions.contains(action))
    }
}

/// Issues tokens and verifies them.
#[derive(Debug)]
pub(super) struct Signer {
    key: hmac::Key,
    issued: AtomicU64,
    revoked_through: AtomicU64,
}

impl Signer {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.expect("the system gives random bytes");
        Self { key, issued: AtomicU64::new(0), revoked_through: AtomicU64::new(0) }
    }

    pub(super) fn issued(&self) -> u64 {
        self.issued.load(Ordering::SeqCst)
    }

    /// From now on refuses all tokens issued so far.
    pub(super) fn revoke_all(&self) {
        self.revoked_through.store(self.issued(), Ordering::SeqCst);
    }

    /// Issues a token for `sub` that is valid for `lifetime` from now on. An empty `sub` means anonymous.
    pub(super) fn issue(&self, sub: &str, aud: &str, access: Vec<GrantedScope>, lifetime: Duration) -> String {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let now = clock::now();
        let lifetime_ms = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX / 4);
        let claims = FakeClaims {
            iss: "fake".to_owned(),
            sub: sub.to_owned(),
            aud: aud.to_owned(),
            exp: now.timestamp() + (lifetime_ms + 999) / 1000,
            nbf: now.timestamp(),
            iat: now.timestamp(),
            jti: number.to_string(),
            access,
            until_ms: now.timestamp_millis() + lifetime_ms,
        };
        let claims = serde_json::to_vec(&claims).expect("claims are plain data");
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The claims of a valid token of this server for this audience. Otherwise the reason why the token is refused.
    pub(super) fn check(&self, token: &str, audience: &str) -> Result<FakeClaims, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("Token is malformed")?;
        let (_, claims) = signed.split_once('.').ok_or("Token is malformed")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "Token is malformed")?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| "Signature verification failed")?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| "Token is malformed")?;
        let claims: FakeClaims = serde_json::from_slice(&claims).map_err(|_| "Token is malformed")?;
        let now = clock::now();
        if now.timestamp_millis() >= claims.until_ms {
            return Err("Signature has expired");
        }
        if claims.nbf > now.timestamp() {
            return Err("Token is not yet valid");
        }
        if claims.aud != audience {
            return Err("Audience doesn't match");
        }
        if claims.jti.parse().is_ok_and(|number: u64| number > self.revoked_through.load(Ordering::SeqCst)) {
            Ok(claims)
        } else {
            Err("Token was revoked")
        }
    }

    /// An opaque cursor of this server. It ends with `==`, which a client must not encode twice.
    pub(super) fn cursor(&self, position: usize) -> String {
        let position = format!("{position:010}");
        let tag = hmac::sign(&self.key, position.as_bytes());
        let [a, b, c, d, ..] = tag.as_ref() else { unreachable!("a SHA-256 tag has 32 bytes") };
        STANDARD.encode(format!("{position}.{a:02x}{b:02x}{c:02x}{d:02x}"))
    }

    /// The position of a cursor of this server.
    pub(super) fn position(&self, cursor: &str) -> Option<usize> {
        let text = STANDARD.decode(cursor).ok()?;
        let position = std::str::from_utf8(&text).ok()?.split_once('.')?.0.parse().ok()?;
        (self.cursor(position) == cursor).then_some(position)
    }
}
