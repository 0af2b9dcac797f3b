//! What a manifest is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a manifest is: the word in column `kind` of table `manifests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManifestKind {
    /// A container image: a configuration and layers.
    Image,
    /// A list of manifests, as a rule one per platform.
    Index,
    /// Anything else: a signature, a chart, an attestation.
    Artifact,
}

impl ManifestKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Image, Self::Index, Self::Artifact];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Index => "index",
            Self::Artifact => "artifact",
        }
    }
}

impl fmt::Display for ManifestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
