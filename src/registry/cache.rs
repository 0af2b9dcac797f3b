//! Tokens kept while they live: one fetch at a time per token, renewed ahead of their end. Knows no HTTP; where tokens
//! come from is a [`TokenSource`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::token::Token;
use super::{RegistryError, ScopeSet, Secret};

/// Which token: tokens are interchangeable only where all three agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The token endpoint.
    pub realm: Url,
    /// The service, echoed as the challenge wrote it.
    pub service: Option<String>,
    /// The scopes.
    pub scopes: ScopeSet,
}

/// Where tokens come from.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// A new token.
    async fn fetch(&self, wanted: &Wanted) -> Result<Token, RegistryError>;
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
    },
    /// There was one, and it is dead or was refused.
    Expired,
    /// The credentials were refused; no further token will be asked for.
    Rejected,
}

/// The tokens of one registry.
#[derive(Debug)]
pub struct TokenCache<S> {
    source: S,
    entries: Mutex<HashMap<Wanted, Arc<Entry>>>,
    /// A token came or came into use: the next renewal may be nearer than was thought.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Entry {
    state: Mutex<State>,
    /// Held by whoever fetches this token.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    renew_at: Option<Instant>,
    /// Asked for since it was last renewed.
    used: bool,
    /// Whether there ever was a token.
    known: bool,
    /// Fetches finished so far, and the error if the last one failed: whoever waited for it shares its outcome.
    finished: u64,
    failed: Option<RegistryError>,
}

impl State {
    fn living(&self, now: Instant) -> Option<Token> {
        self.token.clone().filter(|token| token.remaining(now).is_some())
    }

    /// When to renew: what nobody uses is left to lapse, and what is dead is left to whoever wants it next.
    fn renewal(&self, now: Instant) -> Option<Instant> {
        self.renew_at.filter(|_| self.used && self.living(now).is_some())
    }
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: TokenSource> TokenCache<S> {
    /// An empty cache.
    pub fn new(source: S) -> Self {
        Self { source, entries: Mutex::default(), changed: Notify::new() }
    }

    /// Where the tokens come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// A living token; nobody waits for a renewal while there is one. At most one fetch per token is under way: others
    /// wait for it and share its outcome, its error included.
    pub async fn get(&self, wanted: &Wanted) -> Result<Token, RegistryError> {
        let entry = self.entry(wanted);
        let finished = {
            let mut state = entry.state();
            if !std::mem::replace(&mut state.used, true) {
                self.changed.notify_waiters();
            }
            if let Some(token) = state.living(Instant::now()) {
                return Ok(token);
            }
            state.finished
        };
        let _flight = entry.flight.lock().await;
        let outcome = {
            let state = entry.state();
            let fetched_meanwhile = state.finished != finished;
            state.living(Instant::now()).map(Ok).or_else(|| fetched_meanwhile.then(|| state.failed.clone())?.map(Err))
        };
        match outcome {
            Some(outcome) => outcome,
            None => self.fetch(wanted, &entry).await,
        }
    }

    /// Forgets a token that the registry refused; not one that has taken its place meanwhile.
    pub fn refused(&self, wanted: &Wanted, secret: &Secret) {
        let entry = self.entry(wanted);
        let mut state = entry.state();
        if state.token.as_ref().is_some_and(|token| token.secret == *secret) {
            state.token = None;
            state.renew_at = None;
        }
    }

    /// How the tokens stand. [`TokenState::Rejected`] is the source's to know and never given here.
    pub fn state(&self) -> TokenState {
        let now = Instant::now();
        let entries = self.all();
        let longest = entries.iter().filter_map(|(_, entry)| entry.state().living(now)?.remaining(now)).max();
        match longest {
            Some(expires_in) => TokenState::Valid { expires_in },
            None if entries.iter().any(|(_, entry)| entry.state().known) => TokenState::Expired,
            None => TokenState::None,
        }
    }

    /// Renews the tokens in use at about 80% of their life, until stopped. It fails at nothing: a token that cannot be
    /// renewed is used until it dies, and then its user learns why. Several may run at once; each token is still
    /// renewed once.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let now = Instant::now();
                let all = self.all();
                let next = all.iter().filter_map(|(_, entry)| entry.state().renewal(now)).min();
                match next {
                    None => changed.await,
                    Some(next) => {
                        tokio::select! {
                            () = changed => continue,
                            () = sleep_until(next) => {}
                        }
                        join_all(all.iter().map(|(wanted, entry)| self.renew(wanted, entry))).await;
                    }
                }
            }
        })
        .await;
    }

    async fn renew(&self, wanted: &Wanted, entry: &Entry) {
        let _flight = entry.flight.lock().await;
        let now = Instant::now();
        if entry.state().renewal(now).is_none_or(|at| at > now) {
            return;
        }
        if self.fetch(wanted, entry).await.is_ok() {
            entry.state().used = false;
        }
    }

    /// Fetches and notes the outcome; the caller holds the entry's flight.
    async fn fetch(&self, wanted: &Wanted, entry: &Entry) -> Result<Token, RegistryError> {
        let outcome = self.source.fetch(wanted).await;
        let mut state = entry.state();
        state.finished += 1;
        let now = Instant::now();
        match &outcome {
            Ok(token) => {
                // Jittered, so that walks begun together do not ask the token endpoint together.
                state.renew_at = Some(token.received + token.lifetime.mul_f64(0.75 + 0.1 * fastrand::f64()));
                state.token = Some(token.clone());
                state.known = true;
                state.failed = None;
            }
            Err(error) => {
                // Once more before it dies, but not at every page.
                let pause = state.token.as_ref().map(|token| token.lifetime / 20);
                state.renew_at = pause.map(|pause| now + pause.max(Duration::from_millis(250)));
                state.failed = Some(error.clone());
            }
        }
        drop(state);
        self.changed.notify_waiters();
        outcome
    }

    fn entry(&self, wanted: &Wanted) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.get(wanted) {
            Some(entry) => entry.clone(),
            None => entries.entry(wanted.clone()).or_default().clone(),
        }
    }

    fn all(&self) -> Vec<(Wanted, Arc<Entry>)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(wanted, entry)| (wanted.clone(), entry.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
