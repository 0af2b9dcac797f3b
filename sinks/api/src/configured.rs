//! A kind of sink, and a sink as it is configured.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{OptionRefused, PublishedFiles, SecretPlace, Sink, SinkError, SinkOptions};

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

/// A place that a sink needs for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkPlace {
    /// A local directory.
    Directory(PathBuf),
    /// A prefix on a server.
    Remote {
        /// Which server, for comparison only.
        server: String,
        /// Bucket and prefix, as a URL.
        url: String,
    },
}

type Build = dyn Fn() -> Result<Arc<dyn Sink>, SinkError> + Send + Sync;
type OpenPublished = dyn Fn() -> PublishedOpening + Send + Sync;

/// The target of published objects, being opened.
pub type PublishedOpening = Pin<Box<dyn Future<Output = Result<Arc<dyn PublishedFiles>, SinkError>> + Send>>;

/// A sink whose settings were read and checked. It is not open yet.
#[derive(Clone)]
pub struct ConfiguredSink {
    place: Option<SinkPlace>,
    deadline: Duration,
    secrets: Vec<Arc<dyn SecretPlace>>,
    build: Arc<Build>,
    published: Option<Arc<OpenPublished>>,
}

impl ConfiguredSink {
    /// `build` makes the sink. It holds the settings, so they are never displayed.
    pub fn new<S: Sink + 'static>(build: impl Fn() -> Result<S, SinkError> + Send + Sync + 'static) -> Self {
        let build: Arc<Build> = Arc::new(move || Ok(Arc::new(build()?)));
        Self { place: None, deadline: Self::DEADLINE, secrets: Vec::new(), build, published: None }
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
        self.with_place(SinkPlace::Directory(directory.to_owned()))
    }

    /// The same for a sink that needs this place for itself.
    #[must_use]
    pub fn with_place(self, place: SinkPlace) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The place that the sink needs for itself.
    pub fn place(&self) -> Option<&SinkPlace> {
        self.place.as_ref()
    }

    /// The directory that the sink needs for itself, if it is a directory.
    pub fn directory(&self) -> Option<&Path> {
        match self.place.as_ref()? {
            SinkPlace::Directory(path) => Some(path),
            SinkPlace::Remote { .. } => None,
        }
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

    /// The same for a sink whose published objects can be read back; `open` opens its target.
    #[must_use]
    pub fn with_published(self, open: impl Fn() -> PublishedOpening + Send + Sync + 'static) -> Self {
        Self { published: Some(Arc::new(open)), ..self }
    }

    /// Whether what the sink has published can be read back.
    pub fn has_published(&self) -> bool {
        self.published.is_some()
    }

    /// Opens what the sink has published; `None` for a sink that keeps no objects.
    pub fn published(&self) -> Option<PublishedOpening> {
        self.published.as_ref().map(|open| open())
    }

    /// Makes the sink. Opens nothing yet.
    pub fn build(&self) -> Result<Arc<dyn Sink>, SinkError> {
        (self.build)()
    }
}

impl fmt::Debug for ConfiguredSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, deadline, secrets, .. } = self;
        f.debug_struct("ConfiguredSink")
            .field("place", place)
            .field("deadline", deadline)
            .field("secrets", secrets)
            .finish_non_exhaustive()
    }
}
