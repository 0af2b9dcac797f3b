//! What can be asked about one repository. The client answers over the network; tests of a walk, from memory.

use async_trait::async_trait;

use crate::model::manifest::{Descriptor, ImageConfig, Manifest, Resolved};
use crate::model::place::RepositoryRef;
use crate::model::tags::Tags;
use crate::problem::error::RegistryError;

/// Reads repositories.
#[async_trait]
pub trait Contents: std::fmt::Debug + Send + Sync {
    /// All tags, from all pages.
    async fn tags(&self, place: &RepositoryRef) -> Result<Tags, RegistryError>;

    /// What a tag points to, without the manifest itself (HEAD).
    async fn resolve(&self, place: &RepositoryRef, tag: &str) -> Result<Resolved, RegistryError>;

    /// The manifest of a tag or digest, verified.
    async fn manifest(&self, place: &RepositoryRef, reference: &str) -> Result<Manifest, RegistryError>;

    /// An image's configuration, verified.
    async fn config(&self, place: &RepositoryRef, config: &Descriptor) -> Result<ImageConfig, RegistryError>;
}
