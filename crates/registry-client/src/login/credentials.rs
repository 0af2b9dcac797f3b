//! What a registry's client logs in with: read when it is needed, kept where reading costs a program's run, and read once
//! more when the registry or its token service refuses it. It sends nothing.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::login::auth::Auth;
use crate::login::credential::{AZURE, Credential};
use crate::login::environment::Variables;
use crate::login::secret::{Secret, SecretSource};
use crate::problem::Problem;

/// A refusal by 403 may mean that a credential has expired (ECR) as well as that one repository is not for us. Programs
/// are not run again for each such repository.
const FORBIDDEN_AFTER: Duration = Duration::from_mins(5);

/// How a client logs in, as far as a session has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginKind {
    /// Not at all: it asks for no tokens either.
    None,
    /// Anonymous tokens.
    Anonymous,
    /// A user name and a password, for tokens first.
    Login,
    /// An identity token.
    Identity,
    /// Basic credentials on every request.
    Basic,
    /// A token made elsewhere.
    Fixed,
}

impl LoginKind {
    /// Whether an anonymous answer is not to be taken for the account's.
    pub(crate) fn has_login(self) -> bool {
        matches!(self, Self::Login | Self::Identity | Self::Basic)
    }

    /// Whether it may ask for tokens.
    pub(crate) fn takes_tokens(self) -> bool {
        matches!(self, Self::Anonymous | Self::Login | Self::Identity)
    }
}

/// The credentials of one registry.
pub(crate) struct Credentials {
    auth: Auth,
    registry: Url,
    environment: Box<Variables>,
    /// Held while they are read: whoever else wants them waits, and no program runs twice at once.
    current: Mutex<Option<CurrentCredential>>,
}

/// What was read last.
struct CurrentCredential {
    /// As it was read.
    read: Credential,
    /// What is used: the same, or the identity token that the token service gave in its place.
    used: Credential,
    at: Instant,
    keep: Keep,
    /// A new login has begun since, for which it is to be read again if that is cheap.
    is_passed: bool,
}

/// How long what was read is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// For one login: reading it again is cheap, and it may have been rotated.
    No,
    /// Until it is refused, or this old.
    For(Option<Duration>),
}

impl CurrentCredential {
    fn new(read: Credential, keep: Keep) -> Self {
        Self { used: read.clone(), read, at: Instant::now(), keep, is_passed: false }
    }

    fn is_kept(&self, now: Instant) -> bool {
        match self.keep {
            Keep::No => false,
            Keep::For(lifetime) => lifetime.is_none_or(|lifetime| now < self.at + lifetime),
        }
    }

    /// Whether reading it again after a refusal could bring anything else. What was read during the very request that was
    /// refused is as new as it gets.
    fn may_have_changed(&self, begun: Instant, status: StatusCode, now: Instant) -> bool {
        let is_old = match status {
            StatusCode::FORBIDDEN => now >= self.at + FORBIDDEN_AFTER,
            _ => self.at < begun,
        };
        is_old || self.read != self.used
    }
}

impl Credentials {
    pub(crate) fn new(auth: Auth, registry: Url) -> Self {
        Self::within(auth, registry, |name: &str| std::env::var_os(name))
    }

    /// The same in another environment than the process's.
    fn within(
        auth: Auth,
        registry: Url,
        environment: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        Self { auth, registry, environment: Box::new(environment), current: Mutex::default() }
    }

    /// Begins a login and says of what kind it is. Only for what docker has stored it has to be looked up.
    pub(crate) async fn begin(&self) -> Result<LoginKind, Problem> {
        if let Some(known) = self.current.lock().await.as_mut() {
            known.is_passed = true;
        }
        Ok(match &self.auth {
            Auth::None => LoginKind::None,
            Auth::Token(None) => LoginKind::Anonymous,
            Auth::Token(Some(login)) if login.username == AZURE => LoginKind::Identity,
            Auth::Token(Some(_)) => LoginKind::Login,
            Auth::Identity(_) => LoginKind::Identity,
            Auth::Basic(_) => LoginKind::Basic,
            Auth::Bearer(_) => LoginKind::Fixed,
            Auth::Docker(_) => match self.login().await? {
                None => LoginKind::Anonymous,
                Some(Credential::Login { .. }) => LoginKind::Login,
                Some(Credential::Identity(_)) => LoginKind::Identity,
                Some(Credential::Bearer(_)) => LoginKind::Fixed,
            },
        })
    }

    /// What to log in with now; none for anonymous callers.
    pub(crate) async fn login(&self) -> Result<Option<Credential>, Problem> {
        let mut current = self.current.lock().await;
        if let Some(kept) = current.as_ref().filter(|kept| kept.is_kept(Instant::now())) {
            return Ok(Some(kept.used.clone()));
        }
        let Some((read, keep)) = self.read().await? else { return Ok(None) };
        let mut new = CurrentCredential::new(read, keep);
        // An identity token that was replaced stands in its file as it was; another one there is a new login.
        if let Some(known) = current.take().filter(|known| known.read == new.read) {
            new.used = known.used;
        }
        Ok(Some(current.insert(new).used.clone()))
    }

    /// The `Authorization` for the registry itself, as it was read for this login.
    pub(crate) async fn authorization(&self) -> Result<HeaderValue, Problem> {
        let known = {
            let current = self.current.lock().await;
            let lasts = |known: &&CurrentCredential| match known.keep {
                Keep::No => !known.is_passed,
                Keep::For(_) => known.is_kept(Instant::now()),
            };
            current.as_ref().filter(lasts).map(|known| known.used.clone())
        };
        let credential = match known {
            Some(known) => known,
            None => self.login().await?.ok_or(Problem::BadSecret)?,
        };
        credential.header()
    }

    /// After a refusal of a credential in a request begun at `begun`: another one, if there is one by now. What is older
    /// than the request is read once more; a program that says the same again has nothing else to say.
    pub(crate) async fn renewed(
        &self,
        refused: &Credential,
        begun: Instant,
        status: StatusCode,
    ) -> Result<Option<Credential>, Problem> {
        let mut current = self.current.lock().await;
        let Some(known) = current.as_mut() else { return Ok(None) };
        if known.used != *refused {
            return Ok(Some(known.used.clone()));
        }
        if !known.may_have_changed(begun, status, Instant::now()) {
            return Ok(None);
        }
        let Some((read, keep)) = self.read().await? else { return Ok(None) };
        let is_new = read != *refused;
        *current = Some(CurrentCredential::new(read.clone(), keep));
        Ok(is_new.then_some(read))
    }

    /// The same, for what was refused by the registry itself: whether there is another `Authorization` by now.
    pub(crate) async fn is_renewed(
        &self,
        refused: &HeaderValue,
        begun: Instant,
        status: StatusCode,
    ) -> Result<bool, Problem> {
        let known = self.current.lock().await.as_ref().map(|known| known.used.clone());
        match known {
            Some(known) if known.header()? == *refused => Ok(self.renewed(&known, begun, status).await?.is_some()),
            known => Ok(known.is_some()),
        }
    }

    /// Takes the identity token that the token service gave in place of the one that it was sent.
    pub(crate) async fn replace(&self, sent: &Credential, token: Secret) {
        let mut current = self.current.lock().await;
        if let Some(known) = current.as_mut().filter(|known| known.used == *sent) {
            known.used = Credential::Identity(token);
        }
    }

    /// What tells another credential from the one that was read last; none if none was.
    pub(crate) async fn fingerprint_sent(&self, salt: &[u8]) -> Option<[u8; 32]> {
        let read = self.current.lock().await.as_ref().map(|known| known.read.clone())?;
        Some(read.fingerprint(salt).await)
    }

    /// The same of what there is now; none for anonymous callers.
    pub(crate) async fn fingerprint(&self, salt: &[u8]) -> Result<Option<[u8; 32]>, Problem> {
        match self.read().await? {
            Some((read, _)) => Ok(Some(read.fingerprint(salt).await)),
            None => Ok(None),
        }
    }

    async fn read(&self) -> Result<Option<(Credential, Keep)>, Problem> {
        let environment = &*self.environment;
        let read = match &self.auth {
            Auth::None | Auth::Token(None) => None,
            Auth::Token(Some(login)) => {
                let password = login.password.read(environment).await.map_err(Problem::Secret)?;
                Some((Credential::login(login.username.clone(), password), keep(&login.password)))
            }
            Auth::Basic(login) => {
                let password = login.password.read(environment).await.map_err(Problem::Secret)?;
                Some((Credential::Login { username: login.username.clone(), password }, keep(&login.password)))
            }
            Auth::Identity(source) => {
                let token = source.read(environment).await.map_err(Problem::Secret)?;
                Some((Credential::Identity(token), keep(source)))
            }
            Auth::Bearer(source) => {
                let token = source.read(environment).await.map_err(Problem::Secret)?;
                Some((Credential::Bearer(token), keep(source)))
            }
            Auth::Docker(config) => {
                let stored = config.find(&self.registry, environment).await.map_err(Problem::Secret)?;
                Some((stored.credential, if stored.by_helper { Keep::For(None) } else { Keep::No }))
            }
        };
        Ok(read)
    }
}

fn keep(source: &SecretSource) -> Keep {
    match source {
        SecretSource::Command(command) => Keep::For(command.lifetime),
        SecretSource::File(_) | SecretSource::Env(_) | SecretSource::Credential(_) => Keep::No,
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("auth", &self.auth).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
