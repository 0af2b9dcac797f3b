//! A kind of sink, and a sink as it is configured.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::{OptionRefused, SecretPlace, Sink, SinkError, SinkOptions};

/// A kind of sink. The program has a list of them; each crate of a sink has one as `KIND`.
#[derive(Clone, Copy, Debug)]
pub struct SinkKind {
    /// What `type:` is in the configuration; also the name of the cargo feature.
    pub name: &'static str,
    /// What such a sink does with a snapshot, in one sentence for the settings reference.
    pub summary: &'static str,
    /// Reads the settings of one sink. Touches nothing but them.
    pub configure: fn(&mut dyn SinkOptions) -> Result<ConfiguredSink, OptionRefused>,
}

type Build = dyn Fn() -> Result<Arc<dyn Sink>, SinkError> + Send + Sync;

/// Something on this machine that a sink needs and that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFault {
    /// The key that names it.
    pub key: &'static str,
    /// What the key names, as written.
    pub thing: OsString,
    /// What is wrong.
    pub problem: String,
    /// What the operator can do about it.
    pub remedy: String,
}

type Look = dyn Fn() -> Option<LocalFault> + Send + Sync;

/// A sink whose settings were read and checked. It is not open yet.
#[derive(Clone)]
pub struct ConfiguredSink {
    directory: Option<PathBuf>,
    deadline: Duration,
    secrets: Vec<Arc<dyn SecretPlace>>,
    look: Arc<Look>,
    build: Arc<Build>,
}

impl ConfiguredSink {
    /// `build` makes the sink. It holds the settings, so they are never displayed.
    pub fn new<S: Sink + 'static>(build: impl Fn() -> Result<S, SinkError> + Send + Sync + 'static) -> Self {
        let build: Arc<Build> = Arc::new(move || Ok(Arc::new(build()?)));
        Self { directory: None, deadline: Self::DEADLINE, secrets: Vec::new(), look: Arc::new(|| None), build }
    }

    /// The longest time that one call of [`Sink::publish`] may take, unless the configuration says otherwise. A night's
    /// snapshot of ten million tags takes a minute; a target that hangs must not hold the registry until the next night.
    pub const DEADLINE: Duration = Duration::from_mins(30);

    /// The same with another deadline. The program keeps it, not the sink.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The longest time that one call of [`Sink::publish`] may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The same for a sink that needs this directory for itself. Two sinks with one directory are a problem of the
    /// configuration.
    #[must_use]
    pub fn with_directory(self, directory: &Path) -> Self {
        Self { directory: Some(directory.to_owned()), ..self }
    }

    /// The directory that the sink needs for itself.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The same with the places of its secrets, so that the program can look whether they can be read. The program calls
    /// this, not a kind of sink.
    #[must_use]
    pub fn with_secrets(self, secrets: Vec<Arc<dyn SecretPlace>>) -> Self {
        Self { secrets, ..self }
    }

    /// The places of the secrets that the sink reads.
    pub fn secrets(&self) -> &[Arc<dyn SecretPlace>] {
        &self.secrets
    }

    /// The same with a look at what the sink needs on this machine, such as a program. It uses no network and runs nothing.
    #[must_use]
    pub fn with_look(self, look: impl Fn() -> Option<LocalFault> + Send + Sync + 'static) -> Self {
        Self { look: Arc::new(look), ..self }
    }

    /// What is wrong on this machine.
    pub fn look(&self) -> Option<LocalFault> {
        (self.look)()
    }

    /// Makes the sink. Opens nothing yet.
    pub fn build(&self) -> Result<Arc<dyn Sink>, SinkError> {
        (self.build)()
    }
}

impl fmt::Debug for ConfiguredSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directory, deadline, secrets, .. } = self;
        f.debug_struct("ConfiguredSink")
            .field("directory", directory)
            .field("deadline", deadline)
            .field("secrets", secrets)
            .finish_non_exhaustive()
    }
}
