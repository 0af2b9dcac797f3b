//! HTTP Basic authentication with bcrypt hashes. bcrypt is slow on purpose, so checks are limited: one at a time, few waiting,
//! few of one address (`login_limiter`). Recent results are cached.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use parking_lot::Mutex;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;

use super::error::WebError;
use super::login_limiter::LoginLimiter;
use super::settings::PasswordHash;

/// Requests that may wait for their check, the check in progress included.
const MOST_WAITING: usize = 16;
/// Accepted logins in the cache, and likewise rejected ones.
const MOST_CACHED: usize = 64;

/// The outcome of authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthOutcome {
    Accepted,
    Rejected,
    /// Too many requests wait for their check.
    Busy,
    /// The address sent too many wrong passwords, or has too many checks in progress.
    TooMany,
}

/// The users and the cache of recent logins.
#[derive(Debug)]
pub(super) struct BasicAuth {
    users: BTreeMap<String, PasswordHash>,
    /// The key of the cache: random, so that an entry says nothing about the password without it.
    key: hmac::Key,
    cache: Mutex<LoginCache>,
    limiter: Arc<LoginLimiter>,
    queue: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct LoginCache {
    good: VecDeque<LoginMac>,
    bad: VecDeque<LoginMac>,
}

/// The HMAC-SHA256 of a login.
type LoginMac = [u8; 32];

/// The user and the password of a request.
struct BasicCredentials {
    user: String,
    password: Vec<u8>,
}

impl BasicAuth {
    /// `users` has at least one user.
    pub(super) fn new(users: &BTreeMap<String, PasswordHash>) -> Result<Self, WebError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| WebError::NoRandomness)?;
        Ok(Self {
            users: users.clone(),
            key,
            cache: Mutex::default(),
            limiter: Arc::default(),
            queue: Arc::new(Semaphore::new(MOST_WAITING)),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Whether the users and their hashes are the same.
    pub(super) fn has_users(&self, users: &BTreeMap<String, PasswordHash>) -> bool {
        self.users == *users
    }

    /// Checks the login in the headers of a request from this address.
    pub(super) async fn check(&self, headers: &HeaderMap, from: IpAddr) -> AuthOutcome {
        let Some(login) = BasicCredentials::of(headers) else { return AuthOutcome::Rejected };
        let mac = self.mac(&login);
        if let Some(outcome) = self.cached(&mac) {
            return outcome;
        }
        let Some(check) = self.limiter.permit(from) else { return AuthOutcome::TooMany };
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else { return AuthOutcome::Busy };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return AuthOutcome::Busy };
        // Another request may have had the same login checked in the meantime.
        if let Some(outcome) = self.cached(&mac) {
            return outcome;
        }
        let Some((hash, is_user)) = self.hash_for(&login.user) else { return AuthOutcome::Rejected };
        let checked = tokio::task::spawn_blocking(move || {
            // Held until the check ends, even if the client disconnects.
            let _held = (place, turn);
            hash.is_of(&login.password)
        });
        let is_good = checked.await.unwrap_or(false) && is_user;
        if !is_good {
            check.failed();
        }
        self.cache(mac, is_good);
        if is_good { AuthOutcome::Accepted } else { AuthOutcome::Rejected }
    }

    /// The hash to check a password against. An unknown user gets the hash of a known user, always the same one, so that the
    /// response time does not tell whether the user exists.
    fn hash_for(&self, user: &str) -> Option<(PasswordHash, bool)> {
        if let Some(hash) = self.users.get(user) {
            return Some((hash.clone(), true));
        }
        let mac = hmac::sign(&self.key, user.as_bytes());
        let sum: usize = mac.as_ref().iter().map(|byte| usize::from(*byte)).sum();
        let stand_in = self.users.values().nth(sum.checked_rem(self.users.len())?)?;
        Some((stand_in.clone(), false))
    }

    fn mac(&self, login: &BasicCredentials) -> LoginMac {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(login.user.as_bytes());
        // The name of a user has no colon.
        context.update(b":");
        context.update(&login.password);
        let mut mac = LoginMac::default();
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }

    fn cached(&self, mac: &LoginMac) -> Option<AuthOutcome> {
        let cache = self.cache.lock();
        // The comparison need not take constant time: without the key, a client cannot choose the MAC.
        if cache.good.contains(mac) {
            Some(AuthOutcome::Accepted)
        } else if cache.bad.contains(mac) {
            Some(AuthOutcome::Rejected)
        } else {
            None
        }
    }

    fn cache(&self, mac: LoginMac, is_good: bool) {
        let mut cache = self.cache.lock();
        let list = if is_good { &mut cache.good } else { &mut cache.bad };
        if list.len() >= MOST_CACHED {
            list.pop_front();
        }
        list.push_back(mac);
    }
}

impl BasicCredentials {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
        Some(Self { user, password: decoded[colon + 1..].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// An address that has sent nothing yet.
    fn from() -> IpAddr {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        IpAddr::from((0xc000_0200 + NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes())
    }

    fn headers(user: &str, password: &str) -> HeaderMap {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))])
    }

    fn auth() -> BasicAuth {
        let hash = |password, cost| bcrypt::hash(password, cost).expect("a hash").parse().expect("a hash");
        BasicAuth::new(&[("ann".to_owned(), hash("good", 4)), ("bob".to_owned(), hash("better", 5))].into())
            .expect("random")
    }

    #[tokio::test]
    async fn only_the_password_of_a_user_is_accepted_also_the_second_time() {
        let auth = auth();
        for _ in 0..2 {
            for (user, password, expected) in [
                ("ann", "good", AuthOutcome::Accepted),
                ("bob", "better", AuthOutcome::Accepted),
                ("ann", "better", AuthOutcome::Rejected),
                ("ann", "", AuthOutcome::Rejected),
                ("", "", AuthOutcome::Rejected),
                ("cid", "good", AuthOutcome::Rejected),
                ("cid", "better", AuthOutcome::Rejected),
                ("ANN", "good", AuthOutcome::Rejected),
            ] {
                assert_eq!(auth.check(&headers(user, password), from()).await, expected, "{user} {password}");
            }
        }
        assert_eq!((auth.cache.lock().good.len(), auth.queue.available_permits()), (2, 16));
    }

    #[tokio::test]
    async fn a_header_without_a_login_is_rejected_without_a_check() {
        let auth = auth();
        let good = headers("ann", "good");
        let twice = good.iter().chain(good.iter()).map(|(name, value)| (name.clone(), value.clone()));
        let mut doubled = HeaderMap::new();
        for (name, value) in twice {
            doubled.append(name, value);
        }
        let basic = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))]);
        for headers in
            [HeaderMap::new(), doubled, basic("Basic"), basic("Basic !"), basic("Bearer YTpi"), basic("Basic YWI=")]
        {
            assert_eq!(auth.check(&headers, from()).await, AuthOutcome::Rejected, "{headers:?}");
        }
        assert!(auth.cache.lock().bad.is_empty());
        let scheme = headers("ann", "good")[AUTHORIZATION].to_str().expect("text").replace("Basic", "bAsIc");
        assert_eq!(auth.check(&basic(&scheme), from()).await, AuthOutcome::Accepted);
    }

    #[tokio::test]
    async fn few_wait_for_a_check_and_cached_logins_do_not() {
        let auth = Arc::new(auth());
        assert_eq!(auth.check(&headers("ann", "good"), from()).await, AuthOutcome::Accepted);
        let turn = auth.turn.clone().acquire_owned().await.expect("a turn");
        let mut waiting = tokio::task::JoinSet::new();
        for nth in 0..MOST_WAITING {
            let auth = auth.clone();
            waiting.spawn(async move { auth.check(&headers("ann", &nth.to_string()), from()).await });
        }
        while auth.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(auth.check(&headers("ann", "one more"), from()).await, AuthOutcome::Busy);
        assert_eq!(auth.check(&headers("ann", "good"), from()).await, AuthOutcome::Accepted);
        drop(turn);
        assert!(waiting.join_all().await.iter().all(|outcome| *outcome == AuthOutcome::Rejected));
    }

    #[tokio::test]
    async fn many_rejected_logins_remove_no_accepted_one_from_the_cache_and_are_bounded() {
        let auth = auth();
        assert_eq!(auth.check(&headers("ann", "good"), from()).await, AuthOutcome::Accepted);
        for nth in 0..MOST_CACHED + 3 {
            auth.cache(auth.mac(&BasicCredentials { user: "x".to_owned(), password: nth.to_string().into() }), false);
        }
        let cache = auth.cache.lock();
        assert_eq!((cache.good.len(), cache.bad.len()), (1, MOST_CACHED));
    }

    #[test]
    fn unknown_users_cannot_be_told_from_known_ones_by_the_time_of_a_check() {
        let auth = auth();
        let (first, is_user) = auth.hash_for("cid").expect("users");
        assert!(!is_user && auth.users.values().any(|hash| *hash == first));
        assert_eq!(auth.hash_for("cid").expect("users").0, first, "always the same");
        let costs: std::collections::BTreeSet<_> =
            (0..64).map(|nth| auth.hash_for(&format!("user-{nth}")).expect("users").0.cost()).collect();
        assert_eq!(costs.len(), 2, "unknown users take as long as known ones");
    }

    #[tokio::test]
    async fn an_address_with_wrong_passwords_blocks_neither_others_nor_cached_logins() {
        let auth = auth();
        let (attacker, other) = (from(), from());
        assert_eq!(auth.check(&headers("ann", "good"), attacker).await, AuthOutcome::Accepted);
        let mut answers = Vec::new();
        for nth in 0..20 {
            answers.push(auth.check(&headers("ann", &nth.to_string()), attacker).await);
        }
        let refused = answers.iter().filter(|answer| **answer == AuthOutcome::Rejected).count();
        assert!((5..8).contains(&refused) && answers.ends_with(&[AuthOutcome::TooMany; 8]), "{answers:?}");
        assert_eq!(auth.check(&headers("ann", "good"), attacker).await, AuthOutcome::Accepted, "cached");
        assert_eq!(auth.check(&headers("bob", "better"), attacker).await, AuthOutcome::TooMany);
        assert_eq!(auth.check(&headers("bob", "better"), other).await, AuthOutcome::Accepted);
    }
}
