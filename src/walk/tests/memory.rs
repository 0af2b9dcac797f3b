//! Repositories in memory, and a record of what was asked about them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::registry::Child;
use crate::registry::ContentKind;
use crate::registry::Descriptor;
use crate::registry::Fault;
use crate::registry::ImageConfig;
use crate::registry::Manifest;
use crate::registry::Oddities;
use crate::registry::Platform;
use crate::registry::RegistryError;
use crate::registry::RepositoryRef;
use crate::registry::Resolved;
use crate::registry::Step;
use crate::registry::Tags;

/// A registry's repositories.
#[derive(Debug, Default)]
pub(in crate::walk) struct MemoryRegistry {
    pub(super) repositories: BTreeMap<String, MemoryRepository>,
    pub(super) known: Option<Arc<SnapshotLookup>>,
    /// Whether it tells where a tag leads without the manifest's size.
    pub(super) hides_sizes: bool,
    pub(super) asked: Mutex<Vec<String>>,
    /// Cancelled when so many questions have been asked; then nothing is answered any more.
    pub(super) stop_after: Option<(usize, CancellationToken)>,
    /// How long every answer takes.
    pub(super) latency: Duration,
}

/// One repository; what is not there is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryRepository {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) manifests: HashMap<String, Manifest>,
    pub(super) configs: HashMap<String, ImageConfig>,
    /// What fails instead, by what is asked: `tags`, a tag, a digest.
    pub(super) faults: HashMap<String, Fault>,
}

pub(super) fn digest(name: &str) -> String {
    format!("sha256:{name:0>64}")
}

fn descriptor(name: &str) -> Descriptor {
    Descriptor { digest: digest(name), size: Some(10), media_type: "application/x".into() }
}

/// As an index lists a manifest.
fn listed(name: &str) -> Descriptor {
    Descriptor { media_type: String::new(), ..descriptor(name) }
}

fn manifest(name: &str, kind: ContentKind) -> Manifest {
    Manifest {
        digest: digest(name),
        media_type: format!("application/{}", kind.as_str()),
        size: 100,
        kind,
        artifact_type: None,
        subject: None,
        config: None,
        layers: Vec::new(),
        children: Vec::new(),
        annotations: BTreeMap::new(),
        oddities: Oddities::default(),
    }
}

impl MemoryRepository {
    /// An image with a configuration and a layer, and this tag.
    pub(super) fn with_image(mut self, tag: &str, name: &str) -> Self {
        self.tags.insert(tag.into(), digest(name));
        self.image(name)
    }

    fn image(mut self, name: &str) -> Self {
        let config = descriptor(&format!("c0{name}"));
        let platform = Platform { os: Some("linux".into()), architecture: Some(name.to_owned()), variant: None };
        let labels = BTreeMap::from([("by".to_owned(), name.to_owned())]);
        let created = DateTime::from_timestamp(1_600_000_000, 0);
        self.configs
            .insert(config.digest.clone(), ImageConfig { platform, created, labels, oddities: Oddities::default() });
        let layers = vec![descriptor(&format!("1a{name}"))];
        let image = Manifest { config: Some(config), layers, ..manifest(name, ContentKind::Image) };
        self.manifests.insert(image.digest.clone(), image);
        self
    }

    /// An index of images, which are made as well, and this tag.
    pub(super) fn with_index(mut self, tag: &str, name: &str, children: &[&str]) -> Self {
        self.tags.insert(tag.into(), digest(name));
        let child = |name: &&str| Child { descriptor: listed(name), platform: Platform::default() };
        let index = Manifest { children: children.iter().map(child).collect(), ..manifest(name, ContentKind::Index) };
        self.manifests.insert(index.digest.clone(), index);
        children.iter().fold(self, |repository, name| repository.image(name))
    }

    pub(super) fn failing(mut self, what: &str, fault: Fault) -> Self {
        self.faults.insert(what.to_owned(), fault);
        self
    }
}

impl MemoryRegistry {
    pub(super) fn of(repositories: impl IntoIterator<Item = (&'static str, MemoryRepository)>) -> Self {
        let repositories = repositories.into_iter().map(|(name, repository)| (name.to_owned(), repository)).collect();
        Self { repositories, ..Self::default() }
    }

    /// The questions so far, sorted; those that begin with `prefix`.
    pub(super) fn asked(&self, prefix: &str) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.retain(|question| question.starts_with(prefix));
        asked.sort();
        asked
    }

    async fn ask(&self, question: String) {
        let count = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(question);
            asked.len()
        };
        if let Some((after, stop)) = &self.stop_after
            && count > *after
        {
            stop.cancel();
            std::future::pending::<()>().await;
        }
        if self.latency.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(self.latency).await;
        }
    }

    fn repository(&self, place: &RepositoryRef, what: &str) -> Result<&MemoryRepository, RegistryError> {
        let repository = self.repositories.get(&*place.repository).ok_or_else(|| gone(what))?;
        match repository.faults.get(what) {
            Some(fault) => Err(RegistryError::of_fault(*fault, Step::Tags(what.into()))),
            None => Ok(repository),
        }
    }
}

fn gone(what: &str) -> RegistryError {
    RegistryError::of_fault(Fault::Gone, Step::Manifest(what.into()))
}

#[async_trait]
impl Contents for MemoryRegistry {
    async fn tags(&self, place: &RepositoryRef) -> Result<Tags, RegistryError> {
        self.ask(format!("tags {}", place.repository)).await;
        let repository = self.repository(place, "tags")?;
        Ok(Tags { names: repository.tags.keys().map(String::as_str).collect(), ..Tags::default() })
    }

    async fn resolve(&self, place: &RepositoryRef, tag: &str) -> Result<Resolved, RegistryError> {
        self.ask(format!("head {}:{tag}", place.repository)).await;
        let repository = self.repository(place, tag)?;
        let digest = repository.tags.get(tag).ok_or_else(|| gone(tag))?;
        let manifest = repository.manifests.get(digest).ok_or_else(|| gone(tag))?;
        let size = (!self.hides_sizes).then_some(manifest.size);
        Ok(Resolved { digest: digest.clone(), media_type: manifest.media_type.clone(), size })
    }

    async fn manifest(&self, place: &RepositoryRef, reference: &str) -> Result<Manifest, RegistryError> {
        self.ask(format!("get {} {reference}", place.repository)).await;
        let repository = self.repository(place, reference)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        repository.manifests.get(digest).cloned().ok_or_else(|| gone(reference))
    }

    async fn config(&self, place: &RepositoryRef, config: &Descriptor) -> Result<ImageConfig, RegistryError> {
        self.ask(format!("config {} {}", place.repository, config.digest)).await;
        self.repository(place, &config.digest)?.configs.get(&config.digest).cloned().ok_or_else(|| gone(&config.digest))
    }
}
