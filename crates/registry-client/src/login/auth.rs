//! How a client logs in.

use crate::login::docker_config::DockerConfig;
use crate::login::secret::SecretSource;

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The token flow of the challenge; without a login, with anonymous tokens.
    Token(Option<PasswordLogin>),
    /// Basic credentials on every request.
    Basic(PasswordLogin),
    /// A bearer token made elsewhere, sent as it is.
    Bearer(SecretSource),
    /// An identity token, which the token service accepts in place of a user name and a password (Azure's refresh
    /// token, docker's `identitytoken`).
    Identity(SecretSource),
    /// The credentials that docker or podman have stored, of any of these kinds.
    Docker(DockerConfig),
    /// No credentials and no tokens are sent.
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
