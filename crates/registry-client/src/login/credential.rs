//! A credential to log in with.

use std::num::NonZeroU32;

use hyper::header::HeaderValue;
use ring::pbkdf2;

use crate::login::header::{basic, header};
use crate::login::secret::Secret;
use crate::problem::Problem;
use crate::problem::secret::SecretError;

/// A credential to log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A user name and a password, for the token service, or for the registry as Basic credentials.
    Login { username: String, password: Secret },
    /// An identity token, for the token service only, by the `refresh_token` grant of `OAuth2`.
    Identity(Secret),
    /// A bearer token, for the registry as it is.
    Bearer(Secret),
}

impl Credential {
    /// A user name and a password; an identity token if the user name says so.
    pub(crate) fn login(username: String, password: Secret) -> Self {
        if username == AZURE { Self::Identity(password) } else { Self::Login { username, password } }
    }

    /// A fingerprint that differs from that of another credential and cannot be turned back into it, by PBKDF2, since
    /// it is kept on disk. It takes tenths of a second, on a blocking thread.
    pub(crate) async fn fingerprint(&self, salt: &[u8]) -> [u8; 32] {
        // A user name cannot have a NUL, so two different logins never give the same text.
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

/// The iterations that OWASP's Password Storage Cheat Sheet recommends for HMAC-SHA-256.
pub(crate) const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("is not zero");
