//! What can be read of one repository. The client reads over the network; tests of a walk read from memory.

use async_trait::async_trait;

use crate::model::manifest::{Descriptor, ImageConfig, Manifest, Resolved};
use crate::model::place::RepositoryRef;
use crate::model::tags::Tags;
use crate::problem::error::RegistryError;

/// Reads what repositories hold. [`Client`](crate::Client) implements this trait.
///
/// Every method fails with [`Fault::Protocol`](crate::Fault::Protocol), and sends nothing, if a name, tag or digest
/// breaks its grammar; with [`Fault::Gone`](crate::Fault::Gone) if the repository or the manifest does not exist any
/// more; with [`Fault::Denied`](crate::Fault::Denied) if the login may not read it; and with any error of the network,
/// of the login or of the server.
#[async_trait]
pub trait Contents: std::fmt::Debug + Send + Sync {
    /// All tags of a repository, from all pages, each once, in the server's order.
    async fn tags(&self, place: &RepositoryRef) -> Result<Tags, RegistryError>;

    /// The digest that a tag points to, without the manifest: by HEAD, or by GET where HEAD is not reliable.
    async fn resolve(&self, place: &RepositoryRef, tag: &str) -> Result<Resolved, RegistryError>;

    /// The manifest of a tag or digest. Its bytes are verified against the digest before they are parsed; otherwise the
    /// error is [`Fault::Corrupt`](crate::Fault::Corrupt).
    async fn manifest(&self, place: &RepositoryRef, reference: &str) -> Result<Manifest, RegistryError>;

    /// The configuration of an image, by the descriptor in its manifest. Its bytes are verified against the digest
    /// before they are parsed; otherwise the error is [`Fault::Corrupt`](crate::Fault::Corrupt).
    async fn config(&self, place: &RepositoryRef, config: &Descriptor) -> Result<ImageConfig, RegistryError>;
}
