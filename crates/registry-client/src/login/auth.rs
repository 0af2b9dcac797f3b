//! How a client logs in.

use crate::login::docker_config::DockerConfig;
use crate::login::secret::SecretSource;

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The token flow; without a login, anonymous tokens.
    Token(Option<PasswordLogin>),
    /// Basic credentials on every request.
    Basic(PasswordLogin),
    /// A token that somebody else made, sent as it is.
    Bearer(SecretSource),
    /// A token that the token service takes in place of a user name and a password (Azure's refresh token, docker's
    /// `identitytoken`).
    Identity(SecretSource),
    /// What docker or podman have stored, of whichever of these kinds it is.
    Docker(DockerConfig),
    /// Nothing is ever sent.
    None,
}

/// A user name and where its password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordLogin {
    /// The user name, e.g. `my-org+robot`.
    pub username: String,
    /// Where the password is read from.
    pub password: SecretSource,
}
