//! The credentials of one registry: read when they are needed, kept if reading runs a program, and read again when the
//! registry or its token service refuses them. This module sends nothing.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::login::auth::Auth;
use crate::login::credential::{AZURE, Credential};
use crate::login::environment::Variables;
use crate::login::secret::{Secret, SecretSource};
use crate::problem::Problem;

/// 403 may mean that a credential has expired (ECR), or that one repository may not be read. For so long, programs are
/// not run again after a 403, so that they do not run for each such repository.
const FORBIDDEN_AFTER: Duration = Duration::from_mins(5);

/// How a client logs in, as far as its callers have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginKind {
    /// No login, and no tokens.
    None,
    /// Anonymous tokens.
    Anonymous,
    /// A user name and a password, for tokens first.
    Login,
    /// An identity token.
    Identity,
    /// Basic credentials on every request.
    Basic,
    /// A bearer token made elsewhere.
    Fixed,
}

impl LoginKind {
    /// Whether there is a login, so that the answer to an anonymous request does not count.
    pub(crate) fn has_login(self) -> bool {
        matches!(self, Self::Login | Self::Identity | Self::Basic)
    }

    /// Whether the client may ask for tokens.
    pub(crate) fn takes_tokens(self) -> bool {
        matches!(self, Self::Anonymous | Self::Login | Self::Identity)
    }
}

/// The credentials of one registry.
pub(crate) struct Credentials {
    auth: Auth,
    registry: Url,
    environment: Box<Variables>,
    /// Locked while credentials are read: other tasks wait, and no program runs twice at once.
    current: Mutex<Option<CurrentCredential>>,
}

/// The credential that was read last.
struct CurrentCredential {
    /// The credential as it was read.
    read: Credential,
    /// The credential in use: the same, or the identity token that the token service gave in its place.
    used: Credential,
    at: Instant,
    keep: Keep,
    /// Whether a new login has begun since; then it is read again if that is cheap.
    is_passed: bool,
}

/// How long a credential that was read is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// For one login: reading it again is cheap, and it may have changed.
    No,
    /// Until it is refused, or has this age.
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

    /// Whether reading it again after a refusal could give another one. A credential that was read during the refused
    /// request is new enough.
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

    /// With an environment other than that of the process.
    fn within(
        auth: Auth,
        registry: Url,
        environment: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        Self { auth, registry, environment: Box::new(environment), current: Mutex::default() }
    }

    /// Begins a login, and returns its kind. Only docker's credentials have to be read for it.
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

    /// The credential to log in with now; none for anonymous callers.
    pub(crate) async fn login(&self) -> Result<Option<Credential>, Problem> {
        let mut current = self.current.lock().await;
        if let Some(kept) = current.as_ref().filter(|kept| kept.is_kept(Instant::now())) {
            return Ok(Some(kept.used.clone()));
        }
        let Some((read, keep)) = self.read().await? else { return Ok(None) };
        let mut new = CurrentCredential::new(read, keep);
        // The identity token in the file stays the same when the token service replaces it. If the file has another
        // one, it is a new login.
        if let Some(known) = current.take().filter(|known| known.read == new.read) {
            new.used = known.used;
        }
        Ok(Some(current.insert(new).used.clone()))
    }

    /// The `Authorization` for the registry itself, as read for this login.
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

    /// Another credential, if there is one, after this one was refused in a request that began at `begun`. A credential
    /// that is older than the request is read again. If a program prints the same again, there is no other.
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

    /// Whether there is another `Authorization` now, after the registry itself refused this one.
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

    /// Stores the identity token that the token service gave in place of the one that it was sent.
    pub(crate) async fn replace(&self, sent: &Credential, token: Secret) {
        let mut current = self.current.lock().await;
        if let Some(known) = current.as_mut().filter(|known| known.used == *sent) {
            known.used = Credential::Identity(token);
        }
    }

    /// The fingerprint of the credential that was read last; none if none was.
    pub(crate) async fn fingerprint_sent(&self, salt: &[u8]) -> Option<[u8; 32]> {
        let read = self.current.lock().await.as_ref().map(|known| known.read.clone())?;
        Some(read.fingerprint(salt).await)
    }

    /// The fingerprint of the credential that is configured now; none for anonymous callers.
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
        SecretSource::File(_) | SecretSource::ReadableFile(_) | SecretSource::Env(_) | SecretSource::Credential(_) => {
            Keep::No
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("auth", &self.auth).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
