//! Tokens kept while they live: one fetch at a time per token, renewed ahead of their end. Knows no HTTP; where tokens
//! come from is a [`TokenSource`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::concurrency::single_flight::SingleFlight;
use crate::login::secret::Secret;
use crate::problem::error::RegistryError;
use crate::token::bearer::Token;
use crate::token::scope::ScopeSet;

/// Most tokens kept: more than are in use at a time, and a few megabytes at most. Ten thousand repositories may want one
/// each, and some tokens live for an hour.
const MOST: usize = 1024;

/// Which token: tokens are interchangeable only where all three agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenRequest {
    /// The token endpoint.
    pub realm: Url,
    /// The service, echoed as the challenge wrote it.
    pub service: Option<String>,
    /// The scopes.
    pub scopes: ScopeSet,
}

/// Where tokens come from.
#[async_trait]
pub(crate) trait TokenSource: fmt::Debug + Send + Sync {
    /// What it takes to fetch one. Of these there are only so many, and those who want a token have one already; so they
    /// are taken before the lock of a token, in every case, or those who have one could wait for one who has none.
    type Permit: Send + Sync;
    /// Waits for a permit.
    async fn permit(&self) -> Self::Permit;
    /// A new token.
    async fn fetch(&self, wanted: &TokenRequest, permit: &Self::Permit) -> Result<Token, RegistryError>;
}

/// How the tokens stand, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// None has been needed or got so far.
    None,
    /// The longest-lived one.
    Valid {
        /// How long it still lives.
        expires_in: Duration,
        /// When it was meant to be renewed, which may be past. Where nobody renews it any more, it lapses instead.
        renew_in: TimeDelta,
    },
    /// There was one, and it is dead or was refused.
    Expired,
    /// The credentials were refused; no further token will be asked for.
    Rejected,
}

/// The tokens of one registry.
#[derive(Debug)]
pub(crate) struct TokenCache<S> {
    source: S,
    entries: Mutex<HashMap<Arc<TokenRequest>, Arc<CachedToken>>>,
    /// What keepers are waiting for: none of them wakes later than at this renewal.
    soonest: Mutex<Option<Instant>>,
    /// There is a sooner one.
    sooner: Notify,
    /// How many renew tokens at the moment.
    keepers: AtomicUsize,
}

/// Which token, and how it stands.
type CacheEntry = (Arc<TokenRequest>, Arc<CachedToken>);

#[derive(Debug, Default)]
struct CachedToken {
    state: Mutex<CachedTokenState>,
    /// The fetches of this token.
    flight: SingleFlight<RegistryError>,
}

#[derive(Debug, Default)]
struct CachedTokenState {
    token: Option<Token>,
    renew_at: Option<Instant>,
    /// When that was meant to be at first, before any failure.
    due: Option<Instant>,
    /// When it was last asked for.
    used: Option<Instant>,
    /// Whether there ever was a token.
    known: bool,
}

impl CachedTokenState {
    fn is_living(&self, now: Instant) -> bool {
        self.token.as_ref().is_some_and(|token| token.remaining(now).is_some())
    }

    fn living(&self, now: Instant) -> Option<Token> {
        self.token.clone().filter(|_| self.is_living(now))
    }

    /// When to renew. What is dead is left to whoever wants it next.
    fn renewal(&self, now: Instant) -> Option<Instant> {
        self.renew_at.filter(|_| self.is_living(now))
    }

    /// Whether it has been asked for of late. What nobody uses any more is left to lapse: a token per repository is used
    /// for seconds and lives for minutes.
    fn is_in_use(&self, now: Instant) -> bool {
        let Some(token) = &self.token else { return false };
        self.used.is_some_and(|used| now.duration_since(used) < token.lifetime / 2)
    }
}

impl CachedToken {
    fn state(&self) -> MutexGuard<'_, CachedTokenState> {
        self.state.lock()
    }
}

impl<S: TokenSource> TokenCache<S> {
    /// An empty cache.
    pub(crate) fn new(source: S) -> Self {
        let (entries, soonest, keepers) = Default::default();
        Self { source, entries, soonest, sooner: Notify::new(), keepers }
    }

    /// Where the tokens come from.
    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// A living token; nobody waits for a renewal while there is one. At most one fetch per token is under way: others
    /// wait for it and share its outcome, its error included.
    pub(crate) async fn get(&self, wanted: &TokenRequest) -> Result<Token, RegistryError> {
        match self.living(wanted) {
            Some(token) => Ok(token),
            None => self.get_with(wanted, &self.source.permit().await).await,
        }
    }

    /// The same for a caller that has a permit.
    pub(crate) async fn get_with(&self, wanted: &TokenRequest, permit: &S::Permit) -> Result<Token, RegistryError> {
        let entry = self.entry(wanted);
        entry.flight.run(|| self.look(&entry), async || self.fetch(wanted, &entry, permit).await).await
    }

    /// A token, if there is a living one.
    pub(crate) fn living(&self, wanted: &TokenRequest) -> Option<Token> {
        self.look(&self.entry(wanted))
    }

    /// A living token, which is in use from here on.
    fn look(&self, entry: &CachedToken) -> Option<Token> {
        let mut state = entry.state();
        let now = Instant::now();
        state.used = Some(now);
        let token = state.living(now)?;
        // Passed over by the keepers while it was not in use.
        let overdue = state.renew_at.is_none();
        if overdue {
            state.renew_at = Some(now);
        }
        drop(state);
        if overdue {
            self.expect(now);
        }
        Some(token)
    }

    /// Forgets a token that the registry refused; not one that has taken its place meanwhile.
    pub(crate) fn refused(&self, wanted: &TokenRequest, secret: &Secret) {
        let entry = self.entry(wanted);
        let mut state = entry.state();
        if state.token.as_ref().is_some_and(|token| token.secret == *secret) {
            state.token = None;
            state.renew_at = None;
        }
    }

    /// How the tokens stand. [`TokenState::Rejected`] is the source's to know and never given here.
    pub(crate) fn state(&self) -> TokenState {
        let now = Instant::now();
        let entries = self.entries.lock();
        let is_kept = self.keepers.load(Ordering::Relaxed) > 0;
        let times = |entry: &Arc<CachedToken>| {
            let state = entry.state();
            let expires_in = state.token.as_ref()?.remaining(now)?;
            let due = state.renew_at.filter(|_| is_kept).and(state.due);
            Some((expires_in, due.unwrap_or(now + expires_in)))
        };
        match entries.values().filter_map(times).max() {
            Some((expires_in, due)) => TokenState::Valid { expires_in, renew_in: until(due, now) },
            None if entries.values().any(|entry| entry.state().known) => TokenState::Expired,
            None => TokenState::None,
        }
    }

    /// Renews the tokens in use at about 80% of their life, until stopped. It fails at nothing: a token that cannot be
    /// renewed is used until it dies, and then its user learns why. Several may run at once; each token is still
    /// renewed once.
    pub(crate) async fn keep_fresh(&self, stop: CancellationToken) {
        let _keeping = Keeping::of(&self.keepers);
        stop.run_until_cancelled(async {
            loop {
                let sooner = self.sooner.notified();
                tokio::pin!(sooner);
                sooner.as_mut().enable();
                let (due, next) = self.plan(Instant::now());
                if !due.is_empty() {
                    join_all(due.iter().map(|(wanted, entry)| self.renew(wanted, entry))).await;
                    continue;
                }
                match next {
                    None => sooner.await,
                    Some(next) => {
                        tokio::select! {
                            () = sooner => {}
                            () = sleep_until(next) => {}
                        }
                    }
                }
            }
        })
        .await;
    }

    /// The tokens to renew now, and when to look again. Those that are due and not in use are passed over for good,
    /// until somebody uses them.
    fn plan(&self, now: Instant) -> (Vec<CacheEntry>, Option<Instant>) {
        let mut soonest = self.soonest.lock();
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for (wanted, entry) in self.entries.lock().iter() {
            let mut state = entry.state();
            match state.renewal(now) {
                None => {}
                Some(at) if at > now => next = Some(next.map_or(at, |next| next.min(at))),
                Some(_) if state.is_in_use(now) => due.push((wanted.clone(), entry.clone())),
                Some(_) => state.renew_at = None,
            }
        }
        *soonest = next;
        (due, next)
    }

    /// Wakes the keepers if this renewal is sooner than what they wait for.
    fn expect(&self, renewal: Instant) {
        let mut soonest = self.soonest.lock();
        if soonest.is_none_or(|soonest| renewal < soonest) {
            *soonest = Some(renewal);
            self.sooner.notify_waiters();
        }
    }

    async fn renew(&self, wanted: &TokenRequest, entry: &CachedToken) {
        let permit = self.source.permit().await;
        let is_due = || entry.state().renewal(Instant::now()).is_some_and(|at| at <= Instant::now());
        let renew = async || self.fetch(wanted, entry, &permit).await.map(drop);
        // A failure is told to the user of the token, when the token has died.
        let _ = entry.flight.run(|| (!is_due()).then_some(()), renew).await;
    }

    /// Fetches and notes the outcome, within the entry's flight.
    async fn fetch(
        &self,
        wanted: &TokenRequest,
        entry: &CachedToken,
        permit: &S::Permit,
    ) -> Result<Token, RegistryError> {
        let outcome = self.source.fetch(wanted, permit).await;
        let mut state = entry.state();
        let now = Instant::now();
        match &outcome {
            Ok(token) => {
                // Jittered, so that walks begun together do not ask the token endpoint together.
                state.due = Some(token.received + token.lifetime.mul_f64(0.75 + 0.1 * fastrand::f64()));
                state.renew_at = state.due;
                state.token = Some(token.clone());
                state.known = true;
            }
            Err(_) => {
                // Once more before it dies, but not at every page.
                let pause = state.token.as_ref().map(|token| token.lifetime / 20);
                state.renew_at = pause.map(|pause| now + pause.max(Duration::from_millis(250)));
            }
        }
        let renewal = state.renewal(now);
        drop(state);
        if let Some(renewal) = renewal {
            self.expect(renewal);
        }
        outcome
    }

    fn entry(&self, wanted: &TokenRequest) -> Arc<CachedToken> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(wanted) {
            return entry.clone();
        }
        if entries.len() >= MOST {
            evict(&mut entries);
        }
        entries.entry(Arc::new(wanted.clone())).or_default().clone()
    }
}

/// From now to then, backwards too.
fn until(then: Instant, now: Instant) -> TimeDelta {
    let ahead = TimeDelta::from_std(then.saturating_duration_since(now)).unwrap_or(TimeDelta::MAX);
    ahead - TimeDelta::from_std(now.saturating_duration_since(then)).unwrap_or_default()
}

/// One who renews tokens.
struct Keeping<'k>(&'k AtomicUsize);

impl<'k> Keeping<'k> {
    fn of(keepers: &'k AtomicUsize) -> Self {
        keepers.fetch_add(1, Ordering::Relaxed);
        Self(keepers)
    }
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes room: what is dead goes, and of the rest the half that was used longest ago. What somebody holds stays, or two
/// would fetch it at once.
fn evict(entries: &mut HashMap<Arc<TokenRequest>, Arc<CachedToken>>) {
    let now = Instant::now();
    entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.state().is_living(now));
    let mut used: Vec<_> = entries.values().map(|entry| entry.state().used).collect();
    if used.len() > MOST / 2 {
        let median = used.len() / 2;
        let (_, median, _) = used.select_nth_unstable(median);
        let median = *median;
        entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.state().used > median);
    }
}

#[cfg(test)]
mod tests;
