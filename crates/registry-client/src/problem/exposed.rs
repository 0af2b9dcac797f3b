//! A secret file that other users can read or change: what is told of it, and the ways out that work.

use std::path::PathBuf;

/// What a secret file is for. The settings that help depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretFileUse {
    /// A password or a token.
    Login,
    /// The stored logins of docker and podman.
    DockerConfig,
    /// The key of a client certificate.
    ClientKey,
    /// The key of a listener.
    ListenerKey,
}

/// A secret file that other users can read or change.
#[derive(Clone, Debug)]
pub(crate) struct Exposed {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its permissions.
    pub(crate) mode: u32,
    /// The number of the user that owns it.
    pub(crate) owner: u32,
    /// What it is for.
    pub(crate) used_as: SecretFileUse,
    /// Whether this user can change its owner and its permissions.
    pub(crate) can_be_corrected: bool,
}

impl Exposed {
    /// What to do about a file that others can read.
    pub(crate) fn remedy_if_readable(&self) -> String {
        self.either(&self.chmod(), &self.with_setting())
    }

    /// What to do about a file that another user owns.
    pub(crate) fn remedy_if_foreign(&self) -> String {
        let (path, owner, setting) = (self.path.display(), self.owner, self.with_setting());
        format!(
            "`chown root {path}`; if stocktake runs as user {owner}, run this command as that user; where that is \
             impossible, mount the file read-only, or {setting}"
        )
    }

    /// What to do about a file that others can write. No setting allows that.
    pub(crate) fn remedy_if_writable(&self) -> String {
        let mounted = "mount it with a mode that group and others cannot write, such as 0440";
        let other = match self.used_as {
            SecretFileUse::Login => format!("{mounted}; or {OTHER_SOURCES}"),
            _ => mounted.to_owned(),
        };
        self.either(&self.chmod(), &other)
    }

    fn chmod(&self) -> String {
        format!("`chmod 600 {}`", self.path.display())
    }

    /// The correction if this user can make it, and what helps where nobody can.
    fn either(&self, correction: &str, elsewhere: &str) -> String {
        if self.can_be_corrected {
            format!("{correction}; where that is impossible, {elsewhere}")
        } else {
            elsewhere.to_owned()
        }
    }

    fn with_setting(&self) -> String {
        match self.used_as {
            SecretFileUse::Login => {
                format!("{OTHER_SOURCES}, or set `allow_readable: true` beside the key that names the file")
            }
            SecretFileUse::DockerConfig => "set `allow_readable: true` beside `type: docker_config`".to_owned(),
            SecretFileUse::ClientKey => "set `allow_readable: true` beside `client_key_file`".to_owned(),
            SecretFileUse::ListenerKey => "set `allow_readable: true` beside `key_file`".to_owned(),
        }
    }
}

/// The sources of a password or token without a check of modes.
const OTHER_SOURCES: &str = "use `credential: NAME` with the environment variable CREDENTIALS_DIRECTORY set to the directory of the file, \
     or an environment variable with the key that ends with `_env`";
