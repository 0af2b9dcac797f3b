//! The target of whole objects: a directory or a bucket, with what it takes to open it. It is checked without touching disk
//! or network.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use stocktake_sink::{
    AbsentOption, ConfiguredSink, OptionRefused, SecretOption, SecretPlace, SinkError, SinkOption, SinkOptions,
    SinkPlace,
};
use stocktake_store::{BucketSettings, Place, PlaceError, Store};

/// The root below which objects are published.
#[derive(Clone, Debug)]
pub struct Target {
    place: Place,
    settings: Option<BucketSettings>,
    login: Option<Arc<dyn SecretPlace>>,
}

static OPTIONS: SinkOption = SinkOption {
    key: "options",
    accepts: "a mapping of settings of the bucket, such as `aws_region`",
    absent: AbsentOption::Means("those of the usual environment"),
    meaning: "How the bucket is reached, with the keys of the library `object_store`. No secret may stand here.",
};

static CREDENTIALS: SecretOption = SecretOption {
    literal: "credentials",
    file: "credentials_file",
    env: "credentials_env",
    command: "credentials_command",
    credential: "credential",
    meaning: "File that holds the login of the bucket, as lines `KEY = VALUE` or as the JSON key of a service account.",
};

impl Target {
    /// A local directory.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Directory(path.into()), settings: None, login: None }
    }

    /// A bucket.
    pub fn bucket(place: Place, settings: BucketSettings, login: Option<Arc<dyn SecretPlace>>) -> Self {
        Self { place, settings: Some(settings), login }
    }

    /// The option `url` of a kind of sink that writes objects.
    pub const fn option(example: &'static str) -> SinkOption {
        SinkOption {
            key: "url",
            accepts: "a directory, a `file://` URL, or a bucket: `s3://bucket/prefix`, `gs://bucket/prefix` or \
                      `az://container/prefix`",
            absent: AbsentOption::Required(example),
            meaning: "Directory or bucket of the files. No other sink may have it.",
        }
    }

    /// Reads that option, and those of a bucket. A relative path starts at the directory for data.
    ///
    /// # Errors
    /// If an option cannot be used; this is reported.
    pub fn read(options: &mut dyn SinkOptions, url: &'static SinkOption) -> Result<Self, OptionRefused> {
        let place = options.parse(url, known_place);
        let entries = options.entries(&OPTIONS);
        let login = options.secret(&CREDENTIALS);
        let (place, entries, login) = (place?, entries?, login?);
        let Place::Bucket { kind, .. } = place else {
            if let Some(entry) = entries.first() {
                let message = "`options` are for buckets, and `url` is a directory".to_owned();
                return Err(options.refuse_entry(entry, message, Some("leave them out".to_owned())));
            }
            if login.is_some() {
                let message = "a directory needs no login: leave the credentials out, or name a bucket".to_owned();
                return Err(options.refuse(url, message));
            }
            let directory = place.as_directory().map(|path| options.data_path(path)).unwrap_or_default();
            return Ok(Self::directory(directory));
        };
        let mut settings = BucketSettings::new(kind);
        let mut added = Ok(());
        for entry in &entries {
            if let Err(problem) = settings.add(&entry.key, &entry.value) {
                added = Err(options.refuse_entry(entry, problem.message, problem.help));
            }
        }
        added.map(|()| Self { place, settings: Some(settings), login })
    }

    /// A sink that publishes here. No other sink may.
    #[must_use]
    pub fn claimed_by(&self, sink: ConfiguredSink) -> ConfiguredSink {
        let place = match (&self.place, &self.settings) {
            (Place::Directory(path), _) => SinkPlace::Directory(path.clone()),
            (place, settings) => {
                let server = settings.as_ref().map(BucketSettings::server).unwrap_or_default();
                SinkPlace::Remote { server, url: place.to_string() }
            }
        };
        sink.with_place(place)
    }

    /// Opens the store. The login is read now, so that a new one is used from now on.
    ///
    /// # Errors
    /// If the login cannot be read, or the settings cannot be used.
    pub async fn open(&self) -> Result<Store, SinkError> {
        let login = match &self.login {
            Some(place) => Some(place.read().await?),
            None => None,
        };
        Store::open(&self.place, self.settings.as_ref(), login.as_ref())
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

fn known_place(url: &str) -> Result<Place, String> {
    let place = Place::parse(url).map_err(|e: PlaceError| e.to_string())?;
    match &place {
        Place::Bucket { kind, .. } if !kind.is_built() => {
            let (scheme, feature) = (kind.scheme(), kind.feature());
            Err(format!(
                "this build of stocktake is without {scheme}:// buckets; use one with the cargo feature `{feature}`"
            ))
        }
        _ => Ok(place),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
