//! What a repository holds, as the protocol sees it: descriptors, manifests, image configurations. Types alone; reading
//! them out of a body, and fetching it, are others' business.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::media_type::is_followed;
use crate::model::oddity::{Odd, Oddities};

/// What a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// A container image: a configuration and layers.
    Image,
    /// A list of manifests, as a rule one per platform.
    Index,
    /// Anything else: a signature, a chart, an attestation.
    Artifact,
}

impl ContentKind {
    /// A word: `image`, `index` or `artifact`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Index => "index",
            Self::Artifact => "artifact",
        }
    }
}

/// A pointer to content (OCI image specification, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// `sha256:…`, checked against the grammar of digests.
    pub digest: String,
    /// In bytes, and not negative; none where it is not told, or no number of bytes.
    pub size: Option<i64>,
    /// The media type as the server wrote it, checked to be printable ASCII; empty where it wrote none.
    pub media_type: String,
}

/// What a tag points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The manifest's digest.
    pub digest: String,
    /// Its media type; empty where that is not known.
    pub media_type: String,
    /// The manifest's own size in bytes, where the server told it.
    pub size: Option<i64>,
}

/// A manifest, read and verified against its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest, verified; where the server names none, the SHA-256 of the body.
    pub digest: String,
    /// From its own `mediaType`, else from `Content-Type`, else from what it is made of.
    pub media_type: String,
    /// Its own size in bytes.
    pub size: i64,
    /// Image, index or artifact.
    pub kind: ContentKind,
    /// `artifactType`, else, of an artifact, the configuration's media type.
    pub artifact_type: Option<String>,
    /// The manifest that this one is about (`subject`).
    pub subject: Option<String>,
    /// The configuration, of an image or artifact.
    pub config: Option<Descriptor>,
    /// The layers in order; empty for an index.
    pub layers: Vec<Descriptor>,
    /// What an index lists: manifests as a rule.
    pub children: Vec<Child>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// What is odd about it.
    pub oddities: Oddities,
}

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The manifest, or the blob.
    pub descriptor: Descriptor,
    /// For which platform, where the index says so.
    pub platform: Platform,
}

impl Child {
    /// Whether it is a manifest, by its type or for want of one.
    pub fn is_manifest(&self) -> bool {
        is_followed(&self.descriptor.media_type)
    }
}

/// Where an image runs. `unknown` and empty values are read as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: Option<String>,
    /// `amd64`.
    pub architecture: Option<String>,
    /// `v8`.
    pub variant: Option<String>,
}

/// What an image's configuration says about it (OCI image specification, "Image Configuration").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Where it runs.
    pub platform: Platform,
    /// When it was made, as it says itself.
    pub created: Option<DateTime<Utc>>,
    /// `config.Labels`.
    pub labels: BTreeMap<String, String>,
    /// What is odd about it.
    pub oddities: Oddities,
}

impl Manifest {
    /// Whether its layers are known. Those of schema 1 have no sizes, and are not read.
    pub fn has_layers(&self) -> bool {
        self.kind != ContentKind::Index && !self.oddities.has(Odd::LayersUnreadable) && !self.oddities.has(Odd::Schema1)
    }
}

impl ImageConfig {
    /// Whether the labels, or that there are none, are known.
    pub fn has_labels(&self) -> bool {
        !self.oddities.has(Odd::ConfigUnreadable) && !self.oddities.has(Odd::NoRoom)
    }
}
