//! What a client logs in with: secrets and where they are read from, the files of docker and podman, client
//! certificates.

pub(crate) mod auth;
pub(crate) mod client_certificate;
pub(crate) mod command;
pub(crate) mod credential;
pub(crate) mod credentials;
pub(crate) mod docker_config;
pub(crate) mod environment;
pub(crate) mod header;
pub(crate) mod local;
pub(crate) mod pem;
pub(crate) mod protection;
pub(crate) mod secret;
pub(crate) mod secret_file;
