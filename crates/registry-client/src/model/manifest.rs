//! What a repository has: descriptors, manifests, image configurations. Types only; `contents` fetches and parses them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::model::media_type::is_followed;
use crate::model::oddity::{Odd, Oddities};

/// The kind of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// A container image: a configuration and layers.
    Image,
    /// A list of manifests, usually one for each platform.
    Index,
    /// Anything else: a signature, a chart, an attestation.
    Artifact,
}

impl ContentKind {
    /// `image`, `index` or `artifact`.
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
    /// In bytes, not negative. None if it is missing, or not a number of bytes.
    pub size: Option<i64>,
    /// The media type as the server wrote it, checked to be printable ASCII; empty if there is none.
    pub media_type: String,
}

/// What a tag points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The manifest's digest.
    pub digest: String,
    /// Its media type; empty if it is not known.
    pub media_type: String,
    /// The manifest's own size in bytes; none if the server did not send it.
    pub size: Option<i64>,
}

/// A manifest, verified against its digest and parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The verified digest. If neither the request nor the server names one, the SHA-256 of the body.
    pub digest: String,
    /// From its own `mediaType`, else from `Content-Type`, else from its members.
    pub media_type: String,
    /// Its own size in bytes.
    pub size: i64,
    /// Image, index or artifact.
    pub kind: ContentKind,
    /// `artifactType`; if an artifact has none, the media type of its configuration.
    pub artifact_type: Option<String>,
    /// The digest of the manifest that this one is about (`subject`).
    pub subject: Option<String>,
    /// The configuration, of an image or artifact.
    pub config: Option<Descriptor>,
    /// The layers in order; empty for an index.
    pub layers: Vec<Descriptor>,
    /// The entries of an index, usually manifests.
    pub children: Vec<Child>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// Oddities that were found while it was parsed.
    pub oddities: Oddities,
}

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The manifest or blob.
    pub descriptor: Descriptor,
    /// The platform, as far as the index names it.
    pub platform: Platform,
}

impl Child {
    /// Whether the entry is a manifest: by its media type, or because it has none.
    pub fn is_manifest(&self) -> bool {
        is_followed(&self.descriptor.media_type)
    }
}

/// The platform that an image runs on. `unknown` and empty values are read as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// E.g. `linux`.
    pub os: Option<String>,
    /// E.g. `amd64`.
    pub architecture: Option<String>,
    /// E.g. `v8`.
    pub variant: Option<String>,
}

/// The configuration of an image (OCI image specification, "Image Configuration").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The platform that the image runs on.
    pub platform: Platform,
    /// When the image was made, as the configuration says.
    pub created: Option<DateTime<Utc>>,
    /// `config.Labels`.
    pub labels: BTreeMap<String, String>,
    /// Oddities that were found while it was parsed.
    pub oddities: Oddities,
}

impl Manifest {
    /// Whether its layers are known. Layers of schema 1 have no sizes and are not read.
    pub fn has_layers(&self) -> bool {
        self.kind != ContentKind::Index && !self.oddities.has(Odd::LayersUnreadable) && !self.oddities.has(Odd::Schema1)
    }
}

impl ImageConfig {
    /// Whether its labels are known; it may have none.
    pub fn has_labels(&self) -> bool {
        !self.oddities.has(Odd::ConfigUnreadable) && !self.oddities.has(Odd::NoRoom)
    }
}
