//! What can be asked about one repository. The client answers over the network; tests of a walk, from memory.

use async_trait::async_trait;

use super::manifest::{Descriptor, ImageConfig, Manifest, Resolved};
use super::{Names, Place, RegistryError};

/// All tags of a repository.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    /// Those that follow the specification's grammar, in the server's order, each once.
    pub names: Names,
    /// The first of those that do not, escaped and cut.
    pub invalid: Vec<String>,
    /// How many do not.
    pub invalid_count: u64,
    /// Whether the server wrote `null` instead of a list: what docker-registry says of a repository without tags, and
    /// others where their database does not answer.
    pub null: bool,
}

/// Reads repositories.
#[async_trait]
pub trait Contents: std::fmt::Debug + Send + Sync {
    /// All tags, from all pages.
    async fn tags(&self, place: &Place) -> Result<Tags, RegistryError>;

    /// What a tag points to, without the manifest itself (HEAD).
    async fn resolve(&self, place: &Place, tag: &str) -> Result<Resolved, RegistryError>;

    /// The manifest of a tag or digest, verified.
    async fn manifest(&self, place: &Place, reference: &str) -> Result<Manifest, RegistryError>;

    /// An image's configuration, verified.
    async fn config(&self, place: &Place, config: &Descriptor) -> Result<ImageConfig, RegistryError>;
}
