//! Keeps tokens until they expire: one fetch at a time for each token, and renewal before it expires. It knows no HTTP;
//! tokens come from a [`TokenSource`].

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

/// Most tokens kept: more than are in use at a time, and a few megabytes at most. Ten thousand repositories may need
/// one each, and some tokens are valid for an hour.
const MOST: usize = 1024;

/// Identifies a token. Two requests may share a token only if all three fields are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenRequest {
    /// The token endpoint.
    pub realm: Url,
    /// The service, echoed as the challenge wrote it.
    pub service: Option<String>,
    /// The scopes.
    pub scopes: ScopeSet,
}

/// A source of tokens.
#[async_trait]
pub(crate) trait TokenSource: fmt::Debug + Send + Sync {
    /// A permit to fetch a token. The number of permits is bounded, and a task that needs a token may hold one already.
    /// So permits are always taken before the lock of a token: otherwise a task with a permit could wait for a task
    /// without one.
    type Permit: Send + Sync;
    /// Waits for a permit.
    async fn permit(&self) -> Self::Permit;
    /// Fetches a new token.
    async fn fetch(&self, wanted: &TokenRequest, permit: &Self::Permit) -> Result<Token, RegistryError>;
}

/// The state of a client's tokens, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// No token has been needed, or received, so far.
    None,
    /// There is a valid token; the fields are those of the one that expires last.
    Valid {
        /// How long it is still valid.
        expires_in: Duration,
        /// When its renewal is due; negative if that time has passed. If no task renews tokens, the time when it
        /// expires.
        renew_in: TimeDelta,
    },
    /// The last token has expired or was refused.
    Expired,
    /// The credentials were refused. No further token will be requested.
    Rejected,
}

/// The tokens of one registry.
#[derive(Debug)]
pub(crate) struct TokenCache<S> {
    source: S,
    entries: Mutex<HashMap<Arc<TokenRequest>, Arc<CachedToken>>>,
    /// The time of the next renewal that renewing tasks wait for; none of them wakes later.
    soonest: Mutex<Option<Instant>>,
    /// Notified if another renewal becomes due sooner.
    sooner: Notify,
    /// Number of tasks that renew tokens.
    renewers: AtomicUsize,
}

/// A token of the cache and its state.
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
    /// When the renewal was due at first, before any failure.
    due: Option<Instant>,
    /// When the token was last used.
    used: Option<Instant>,
    /// Whether there was ever a token.
    known: bool,
}

impl CachedTokenState {
    fn is_valid(&self, now: Instant) -> bool {
        self.token.as_ref().is_some_and(|token| token.remaining(now).is_some())
    }

    fn valid(&self, now: Instant) -> Option<Token> {
        self.token.clone().filter(|_| self.is_valid(now))
    }

    /// When to renew the token. A token that has expired is fetched by the next request that needs it.
    fn renewal(&self, now: Instant) -> Option<Instant> {
        self.renew_at.filter(|_| self.is_valid(now))
    }

    /// Whether the token was used lately. A token that is not in use is not renewed: a token for one repository is used
    /// for seconds and valid for minutes.
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
        let (entries, soonest, renewers) = Default::default();
        Self { source, entries, soonest, sooner: Notify::new(), renewers }
    }

    /// The source of the tokens.
    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// A valid token; while there is one, no request waits for its renewal. At most one fetch of a token is in
    /// progress: other tasks wait for it and share its result, errors included.
    pub(crate) async fn get(&self, wanted: &TokenRequest) -> Result<Token, RegistryError> {
        match self.valid(wanted) {
            Some(token) => Ok(token),
            None => self.get_with(wanted, &self.source.permit().await).await,
        }
    }

    /// Like [`Self::get`], for a caller that has a permit.
    pub(crate) async fn get_with(&self, wanted: &TokenRequest, permit: &S::Permit) -> Result<Token, RegistryError> {
        let entry = self.entry(wanted);
        entry.flight.run(|| self.look(&entry), async || self.fetch(wanted, &entry, permit).await).await
    }

    /// The token, if it is valid.
    pub(crate) fn valid(&self, wanted: &TokenRequest) -> Option<Token> {
        self.look(&self.entry(wanted))
    }

    /// The token, if it is valid; it counts as in use from now on.
    fn look(&self, entry: &CachedToken) -> Option<Token> {
        let mut state = entry.state();
        let now = Instant::now();
        state.used = Some(now);
        let token = state.valid(now)?;
        // The renewal was skipped while the token was not in use.
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

    /// Removes a token that the registry refused, unless another has replaced it.
    pub(crate) fn refused(&self, wanted: &TokenRequest, secret: &Secret) {
        let entry = self.entry(wanted);
        let mut state = entry.state();
        if state.token.as_ref().is_some_and(|token| token.secret == *secret) {
            state.token = None;
            state.renew_at = None;
        }
    }

    /// The state of the tokens. [`TokenState::Rejected`] is never returned here: only the source knows it.
    pub(crate) fn state(&self) -> TokenState {
        let now = Instant::now();
        let entries = self.entries.lock();
        let is_kept = self.renewers.load(Ordering::Relaxed) > 0;
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

    /// Renews the tokens in use at about 80% of their lifetime, until `stop` is cancelled. Errors are ignored: a token
    /// that cannot be renewed is used until it expires, and the next request that needs it gets the error. Several
    /// tasks may run this; each token is still renewed once.
    pub(crate) async fn keep_fresh(&self, stop: CancellationToken) {
        let _renewing = RenewingTask::of(&self.renewers);
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

    /// The tokens to renew now, and when to look again. The renewal of a token that is due and not in use is skipped
    /// until the token is used again.
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

    /// Wakes the renewing tasks if this renewal is sooner than the one they wait for.
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
        // The request that needs the token after it has expired gets the error.
        let _ = entry.flight.run(|| (!is_due()).then_some(()), renew).await;
    }

    /// Fetches a token and stores the outcome. Called within the entry's [`SingleFlight`].
    async fn fetch(
        &self,
        wanted: &TokenRequest,
        entry: &CachedToken,
        permit: &S::Permit,
    ) -> Result<Token, RegistryError> {
        let outcome = self.source.fetch(wanted, permit).await;
        let mut state = entry.state();
        let now = Instant::now();
        if let Ok(token) = &outcome {
            // With jitter, so that walks that began together do not request tokens together.
            state.due = Some(token.received + token.lifetime.mul_f64(0.75 + 0.1 * fastrand::f64()));
            state.renew_at = state.due;
            state.token = Some(token.clone());
            state.known = true;
        } else {
            // Tries again before the token expires, but not for every page.
            let pause = state.token.as_ref().map(|token| token.lifetime / 20);
            state.renew_at = pause.map(|pause| now + pause.max(Duration::from_millis(250)));
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

/// The time from `now` to `then`, negative if `then` has passed.
fn until(then: Instant, now: Instant) -> TimeDelta {
    let ahead = TimeDelta::from_std(then.saturating_duration_since(now)).unwrap_or(TimeDelta::MAX);
    ahead - TimeDelta::from_std(now.saturating_duration_since(then)).unwrap_or_default()
}

/// Counts a renewing task while it exists.
struct RenewingTask<'k>(&'k AtomicUsize);

impl<'k> RenewingTask<'k> {
    fn of(renewers: &'k AtomicUsize) -> Self {
        renewers.fetch_add(1, Ordering::Relaxed);
        Self(renewers)
    }
}

impl Drop for RenewingTask<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes room: removes expired tokens, and of the rest the half that was used longest ago. Entries that a task holds
/// stay: otherwise two tasks could fetch the same token at once.
fn evict(entries: &mut HashMap<Arc<TokenRequest>, Arc<CachedToken>>) {
    let now = Instant::now();
    entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.state().is_valid(now));
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
