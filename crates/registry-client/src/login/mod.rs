//! What the client logs in with: secrets and where they come from, what docker and podman have stored, client certificates.

pub(crate) mod auth;
pub(crate) mod client_certificate;
pub(crate) mod command;
pub(crate) mod credential;
pub(crate) mod credentials;
pub(crate) mod docker_config;
pub(crate) mod environment;
pub(crate) mod header;
pub(crate) mod pem;
pub(crate) mod secret;
