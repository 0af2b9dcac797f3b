//! Rows as the walk makes them, and what is read back of them: the tables' columns without those that hold one value
//! for the whole run. Reads and writes nothing.

use chrono::{DateTime, Utc};
use stocktake_sink::ManifestKind;

/// How reading one repository ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoryState {
    /// Read to the configured depth.
    Complete,
    /// The registry denied access.
    Denied,
    /// Listed, but it did not exist when it was read.
    Gone,
    /// It could not be read.
    Error,
}

impl RepositoryState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Complete, Self::Denied, Self::Gone, Self::Error];

    /// The word in column `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Denied => "denied",
            Self::Gone => "gone",
            Self::Error => "error",
        }
    }
}

/// One row of table `repositories`.
#[derive(Clone, Copy, Debug)]
pub struct RepositoryRow<'a> {
    /// When the registry answered.
    pub observed_at: DateTime<Utc>,
    /// The full name.
    pub repository: &'a str,
    /// How many tags it has, where they were read.
    pub tag_count: Option<i64>,
    /// How reading it ended.
    pub state: RepositoryState,
    /// Why, where the state is not complete.
    pub error_code: Option<&'a str>,
    /// Whether the configuration names it.
    pub monitored: bool,
}

/// One row of table `tags`.
#[derive(Clone, Copy, Debug)]
pub struct TagRow<'a> {
    /// When the registry answered.
    pub observed_at: DateTime<Utc>,
    /// The repository's full name.
    pub repository: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The digest that it points to, if that was read and exists.
    pub digest: Option<&'a str>,
    /// The media type of that.
    pub media_type: Option<&'a str>,
    /// The size of that manifest itself in bytes, not of what it lists.
    pub size_bytes: Option<i64>,
}

/// One row of table `manifests`.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestRow {
    /// When the registry answered.
    pub observed_at: DateTime<Utc>,
    /// The repository's full name.
    pub repository: String,
    /// The manifest's digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// The kind of artifact, where it is one.
    pub artifact_type: Option<String>,
    /// Image, index or artifact.
    pub kind: ManifestKind,
    /// The configuration's digest; none for an index.
    pub config_digest: Option<String>,
    /// `linux`, from the configuration, else from the index that lists it.
    pub os: Option<String>,
    /// `amd64`.
    pub architecture: Option<String>,
    /// `v8`.
    pub variant: Option<String>,
    /// How many layers; none for an index.
    pub layer_count: Option<i32>,
    /// Configuration and layers together, in bytes; none for an index, and where one of the sizes is not known.
    pub total_size_bytes: Option<i64>,
    /// When the image was made, as its configuration says.
    pub created_at: Option<DateTime<Utc>>,
    /// The manifest that this one refers to as its subject.
    pub subject_digest: Option<String>,
    /// What an index lists, in its order; none for anything else.
    pub child_digests: Option<Vec<String>>,
    /// The layers in order; of an index the entries that are no manifests, none if there are none.
    pub layers: Option<Vec<LayerRow>>,
    /// The annotations as a JSON object with sorted keys; none where there are none.
    pub annotations_json: Option<String>,
    /// The labels of the image's configuration, likewise; `{}` where it has none, and none where it could not be read.
    pub labels_json: Option<String>,
    /// What of this row could not be read, or not as it is written, as `code: words`; none where nothing was odd.
    pub notes: Option<Vec<String>>,
}

/// An entry of the column `layers`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRow {
    /// The blob's digest.
    pub digest: String,
    /// Its size in bytes, where the manifest tells it.
    pub size: Option<i64>,
    /// Its media type.
    pub media_type: String,
}

/// What a tag pointed to when it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTag {
    /// The manifest's digest.
    pub digest: String,
    /// Its own size in bytes.
    pub size_bytes: Option<i64>,
}
