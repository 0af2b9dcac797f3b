//! Who may come in, by password. bcrypt is slow on purpose, so that is where a stranger could wear us out: one check at a
//! time, few waiting and few of one address (`budget`), and what was checked lately is not checked again.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;

use super::budget::Budgets;
use super::error::WebError;
use super::settings::PasswordHash;

/// Requests that wait for the one check at a time, the one in progress included.
const MOST_WAITING: usize = 16;
/// Remembered logins, of good ones and of bad ones each.
const MOST_REMEMBERED: usize = 64;

/// Whether somebody may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted,
    Refused,
    /// Too many wait for their check.
    Busy,
    /// This address has sent too many wrong passwords lately, or sends too many at once.
    TooMany,
}

/// Those who may come in.
#[derive(Debug)]
pub(super) struct Guard {
    users: BTreeMap<String, PasswordHash>,
    /// Of this guard alone, so that what is remembered of a password means nothing elsewhere.
    key: hmac::Key,
    remembered: Mutex<Remembered>,
    budgets: Arc<Budgets>,
    queue: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Remembered {
    good: VecDeque<Mark>,
    bad: VecDeque<Mark>,
}

/// HMAC-SHA256 of a login.
type Mark = [u8; 32];

/// What a request says of who sends it.
struct Login {
    user: String,
    password: Vec<u8>,
}

impl Guard {
    /// At least one user.
    pub(super) fn new(users: &BTreeMap<String, PasswordHash>) -> Result<Self, WebError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| WebError::NoRandomness)?;
        Ok(Self {
            users: users.clone(),
            key,
            remembered: Mutex::default(),
            budgets: Arc::default(),
            queue: Arc::new(Semaphore::new(MOST_WAITING)),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Whether these are those whom it knows.
    pub(super) fn knows(&self, users: &BTreeMap<String, PasswordHash>) -> bool {
        self.users == *users
    }

    /// Whether the sender of a request with these headers, from this address, may come in.
    pub(super) async fn admit(&self, headers: &HeaderMap, from: IpAddr) -> Admission {
        let Some(login) = Login::of(headers) else { return Admission::Refused };
        let mark = self.mark(&login);
        if let Some(admission) = self.remembered(&mark) {
            return admission;
        }
        let Some(check) = self.budgets.begin(from) else { return Admission::TooMany };
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else { return Admission::Busy };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Admission::Busy };
        // Another request may have brought the same login while this one waited.
        if let Some(admission) = self.remembered(&mark) {
            return admission;
        }
        let Some((hash, is_user)) = self.hash_for(&login.user) else { return Admission::Refused };
        let checked = tokio::task::spawn_blocking(move || {
            // Held to the end, also where the client is gone by then.
            let _held = (place, turn);
            hash.is_of(&login.password)
        });
        let is_good = checked.await.unwrap_or(false) && is_user;
        if !is_good {
            check.failed();
        }
        self.remember(mark, is_good);
        if is_good { Admission::Admitted } else { Admission::Refused }
    }

    /// The hash to check a password against. One that is nobody's user gets somebody's, always the same, and takes as
    /// long as if it were one.
    fn hash_for(&self, user: &str) -> Option<(PasswordHash, bool)> {
        if let Some(hash) = self.users.get(user) {
            return Some((hash.clone(), true));
        }
        let mark = hmac::sign(&self.key, user.as_bytes());
        let sum: usize = mark.as_ref().iter().map(|byte| usize::from(*byte)).sum();
        let stand_in = self.users.values().nth(sum.checked_rem(self.users.len())?)?;
        Some((stand_in.clone(), false))
    }

    fn mark(&self, login: &Login) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(login.user.as_bytes());
        // No user has a colon in his name.
        context.update(b":");
        context.update(&login.password);
        let mut mark = Mark::default();
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    fn remembered(&self, mark: &Mark) -> Option<Admission> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        // Comparing marks may take what time it likes: nobody can choose theirs without the key.
        if remembered.good.contains(mark) {
            Some(Admission::Admitted)
        } else if remembered.bad.contains(mark) {
            Some(Admission::Refused)
        } else {
            None
        }
    }

    fn remember(&self, mark: Mark, is_good: bool) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let list = if is_good { &mut remembered.good } else { &mut remembered.bad };
        if list.len() >= MOST_REMEMBERED {
            list.pop_front();
        }
        list.push_back(mark);
    }
}

impl Login {
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

    fn guard() -> Guard {
        let hash = |password, cost| bcrypt::hash(password, cost).expect("a hash").parse().expect("a hash");
        Guard::new(&[("ann".to_owned(), hash("good", 4)), ("bob".to_owned(), hash("better", 5))].into())
            .expect("random")
    }

    #[tokio::test]
    async fn only_a_users_own_password_lets_in_and_a_second_time_too() {
        let guard = guard();
        for _ in 0..2 {
            for (user, password, expected) in [
                ("ann", "good", Admission::Admitted),
                ("bob", "better", Admission::Admitted),
                ("ann", "better", Admission::Refused),
                ("ann", "", Admission::Refused),
                ("", "", Admission::Refused),
                ("cid", "good", Admission::Refused),
                ("cid", "better", Admission::Refused),
                ("ANN", "good", Admission::Refused),
            ] {
                assert_eq!(guard.admit(&headers(user, password), from()).await, expected, "{user} {password}");
            }
        }
        assert_eq!((guard.remembered.lock().expect("a lock").good.len(), guard.queue.available_permits()), (2, 16));
    }

    #[tokio::test]
    async fn what_is_no_login_is_refused_without_a_check() {
        let guard = guard();
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
            assert_eq!(guard.admit(&headers, from()).await, Admission::Refused, "{headers:?}");
        }
        assert!(guard.remembered.lock().expect("a lock").bad.is_empty());
        let scheme = headers("ann", "good")[AUTHORIZATION].to_str().expect("text").replace("Basic", "bAsIc");
        assert_eq!(guard.admit(&basic(&scheme), from()).await, Admission::Admitted);
    }

    #[tokio::test]
    async fn few_wait_for_a_check_and_those_who_are_known_do_not() {
        let guard = Arc::new(guard());
        assert_eq!(guard.admit(&headers("ann", "good"), from()).await, Admission::Admitted);
        let turn = guard.turn.clone().acquire_owned().await.expect("a turn");
        let mut waiting = tokio::task::JoinSet::new();
        for nth in 0..MOST_WAITING {
            let guard = guard.clone();
            waiting.spawn(async move { guard.admit(&headers("ann", &nth.to_string()), from()).await });
        }
        while guard.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(guard.admit(&headers("ann", "one more"), from()).await, Admission::Busy);
        assert_eq!(guard.admit(&headers("ann", "good"), from()).await, Admission::Admitted);
        drop(turn);
        assert!(waiting.join_all().await.iter().all(|admission| *admission == Admission::Refused));
    }

    #[tokio::test]
    async fn a_flood_of_bad_logins_makes_no_good_one_forgotten_and_is_not_remembered_for_ever() {
        let guard = guard();
        assert_eq!(guard.admit(&headers("ann", "good"), from()).await, Admission::Admitted);
        for nth in 0..MOST_REMEMBERED + 3 {
            guard.remember(guard.mark(&Login { user: "x".to_owned(), password: nth.to_string().into() }), false);
        }
        let remembered = guard.remembered.lock().expect("a lock");
        assert_eq!((remembered.good.len(), remembered.bad.len()), (1, MOST_REMEMBERED));
    }

    #[test]
    fn nobody_is_told_from_somebody_by_the_hash_that_is_checked() {
        let guard = guard();
        let (first, is_user) = guard.hash_for("cid").expect("users");
        assert!(!is_user && guard.users.values().any(|hash| *hash == first));
        assert_eq!(guard.hash_for("cid").expect("users").0, first, "always the same");
        let costs: std::collections::BTreeSet<_> =
            (0..64).map(|nth| guard.hash_for(&format!("user-{nth}")).expect("users").0.cost()).collect();
        assert_eq!(costs.len(), 2, "strangers take as long as users do");
    }

    #[tokio::test]
    async fn an_address_with_wrong_passwords_keeps_no_other_out_and_not_who_is_known_there() {
        let guard = guard();
        let (attacker, other) = (from(), from());
        assert_eq!(guard.admit(&headers("ann", "good"), attacker).await, Admission::Admitted);
        let mut answers = Vec::new();
        for nth in 0..20 {
            answers.push(guard.admit(&headers("ann", &nth.to_string()), attacker).await);
        }
        let refused = answers.iter().filter(|answer| **answer == Admission::Refused).count();
        assert!((5..8).contains(&refused) && answers.ends_with(&[Admission::TooMany; 8]), "{answers:?}");
        assert_eq!(guard.admit(&headers("ann", "good"), attacker).await, Admission::Admitted, "remembered");
        assert_eq!(guard.admit(&headers("bob", "better"), attacker).await, Admission::TooMany);
        assert_eq!(guard.admit(&headers("bob", "better"), other).await, Admission::Admitted);
    }
}
