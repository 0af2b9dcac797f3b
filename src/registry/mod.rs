//! The registry protocol: challenge, token, catalog pages. Knows no Arrow, no sink and no configuration file.

mod names;
mod secret;
mod settings;

pub use names::Names;
pub use secret::{Secret, SecretError, SecretSource};
pub use settings::{Auth, Login, Settings};
