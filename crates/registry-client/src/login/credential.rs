//! Something to log in with.

use std::num::NonZeroU32;

use reqwest::header::HeaderValue;
use ring::pbkdf2;

use crate::login::header::{basic, header};
use crate::login::secret::Secret;
use crate::problem::Problem;
use crate::problem::secret::SecretError;

/// Something to log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// For the token service, or for the registry as Basic credentials.
    Login { username: String, password: Secret },
    /// For the token service alone, by the `refresh_token` grant of `OAuth2`.
    Identity(Secret),
    /// For the registry as it is.
    Bearer(Secret),
}

impl Credential {
    /// A user name and a password, or what some user names say that the password is.
    pub(crate) fn login(username: String, password: Secret) -> Self {
        if username == AZURE { Self::Identity(password) } else { Self::Login { username, password } }
    }

    /// What tells it from another one and cannot be turned back into it: PBKDF2, as it is kept on disk. It takes tenths
    /// of a second, on a thread aside.
    pub(crate) async fn fingerprint(&self, salt: &[u8]) -> [u8; 32] {
        // The user name cannot hold a NUL, so that two logins never run together.
        let text = match self {
            Self::Login { username, password } => format!("login\0{username}\0{}", password.expose()),
            Self::Identity(token) => format!("identity\0{}", token.expose()),
            Self::Bearer(token) => format!("bearer\0{}", token.expose()),
        };
        let salt = salt.to_owned();
        let derive = move || {
            let mut fingerprint = [0; 32];
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, text.as_bytes(), &mut fingerprint);
            fingerprint
        };
        tokio::task::spawn_blocking(derive).await.expect("deriving a key does not panic")
    }

    /// The `Authorization` for the registry itself.
    pub(crate) fn header(&self) -> Result<HeaderValue, Problem> {
        match self {
            Self::Login { username, password } => basic(username, password),
            Self::Bearer(token) => header("Bearer", token.expose()),
            Self::Identity(_) => Err(Problem::Secret(SecretError::IdentityAlone)),
        }
    }
}

/// Azure's user name for a password that is an identity token.
pub(crate) const AZURE: &str = "00000000-0000-0000-0000-000000000000";

/// What OWASP's Password Storage Cheat Sheet asks for with HMAC-SHA-256.
pub(crate) const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("is not zero");
