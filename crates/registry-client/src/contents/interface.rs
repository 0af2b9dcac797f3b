//! What can be asked about one repository. The client answers over the network; tests of a walk, from memory.

use crate::model::tags::Tags;
use async_trait::async_trait;

use crate::model::manifest::{Descriptor, ImageConfig, Manifest, Resolved};
use crate::model::place::Place;
use crate::problem::error::RegistryError;

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
