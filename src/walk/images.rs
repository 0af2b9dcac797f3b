//! The manifests of one repository: where its tags lead, what indexes list, the configurations of images. What the last
//! snapshot knows is not fetched again: a digest names its content for ever.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use stocktake_sink::{ManifestKind, RunError};
use tokio::sync::OwnedSemaphorePermit;

use super::reading::{Found, ROOM, Reader};
use crate::clock;
use crate::registry::{Descriptor, Fault, ImageConfig, Manifest, Place, Platform, RegistryError, Resolved, chain};
use crate::snapshot::{KnownRepository, LayerRow, ManifestRow};

/// How deep indexes of indexes are followed; no tool we know makes deeper ones.
const DEEPEST: u32 = 4;

/// Where a tag leads.
enum Target {
    /// To a manifest of the last snapshot.
    Known(Resolved),
    /// To one that was fetched.
    Fetched(Box<Manifest>, OwnedSemaphorePermit),
}

/// A fetched manifest, and the platform for which an index lists it.
type Fetched = (Manifest, Platform);

/// The manifests of one repository while they are gathered.
pub(super) struct Images<'a> {
    reader: &'a Reader<'a>,
    place: &'a Place,
    known: KnownRepository,
    /// By digest.
    rows: BTreeMap<String, ManifestRow>,
    found: Found,
}

impl<'a> Images<'a> {
    /// `found` has the tags.
    pub(super) fn new(reader: &'a Reader<'a>, place: &'a Place, known: KnownRepository, found: Found) -> Self {
        Self { reader, place, known, rows: BTreeMap::new(), found }
    }

    /// Reads all that the tags lead to, level by level.
    pub(super) async fn read(mut self) -> Found {
        let mut fetched = self.targets().await;
        for _ in 0..DEEPEST {
            let configs = self.configs(&fetched).await;
            let children = self.enter(fetched, &configs);
            fetched = self.children(children).await;
            if fetched.is_empty() {
                break;
            }
        }
        for (manifest, _) in fetched {
            let message = format!("{} is nested deeper in indexes than is followed", manifest.digest);
            self.found.note(self.place, RunError::of_run("nested_too_deep", message));
        }
        self.found.manifests = self.rows.into_values().collect();
        self.found
    }

    /// Finds out where all tags lead; returns the manifests that had to be fetched, each once.
    async fn targets(&mut self) -> Vec<Fetched> {
        let this = &*self;
        let asked = stream::iter(0..this.found.tags.len()).map(|at| async move { (at, this.target(at).await) });
        let mut outcomes: Vec<_> = asked.buffer_unordered(this.reader.width).collect().await;
        outcomes.sort_unstable_by_key(|(at, _)| *at);
        let mut fetched = BTreeMap::new();
        for (_, outcome) in outcomes {
            let target = match outcome {
                Ok(Target::Known(resolved)) => {
                    self.reuse(&resolved.digest);
                    Some(resolved)
                }
                Ok(Target::Fetched(manifest, room)) => {
                    self.hold(room);
                    let (digest, media_type) = (manifest.digest.clone(), manifest.media_type.clone());
                    let resolved = Resolved { digest, media_type, size: Some(manifest.size) };
                    fetched.insert(manifest.digest.clone(), (*manifest, Platform::default()));
                    Some(resolved)
                }
                Err(error) => {
                    self.failed(error, "tag_gone");
                    None
                }
            };
            self.found.targets.push(target);
        }
        fetched.into_values().collect()
    }

    /// A tag that the last snapshot has very probably leads where it led: its digest alone is asked for.
    async fn target(&self, at: usize) -> Result<Target, RegistryError> {
        let (contents, tag) = (self.reader.contents, &self.found.tags[at]);
        let mut reference = tag.to_owned();
        if self.known.tags.get(tag).is_some_and(|known| self.is_known(&known.digest, DEEPEST)) {
            let resolved = contents.resolve(self.place, tag).await?;
            if self.is_known(&resolved.digest, DEEPEST) {
                let size = resolved.size.or_else(|| self.known_size(&resolved.digest));
                return Ok(Target::Known(Resolved { size, ..resolved }));
            }
            reference = resolved.digest;
        }
        let (manifest, room) = self.fetch(&reference).await?;
        Ok(Target::Fetched(Box::new(manifest), room))
    }

    /// Fetches a manifest, if there is room for what it names.
    async fn fetch(&self, reference: &str) -> Result<(Manifest, OwnedSemaphorePermit), RegistryError> {
        let manifest = self.reader.contents.manifest(self.place, reference).await?;
        let parts = u32::try_from(1 + manifest.layers.len() + manifest.children.len()).unwrap_or(u32::MAX);
        match self.reader.room.clone().try_acquire_many_owned(parts) {
            Ok(room) => Ok((manifest, room)),
            Err(_) => Err(RegistryError::too_much(&self.place.repository, reference, ROOM)),
        }
    }

    /// Keeps room until the rows of this repository are in the spool.
    fn hold(&mut self, room: OwnedSemaphorePermit) {
        match &mut self.found.room {
            Some(held) => held.merge(room),
            none => *none = Some(room),
        }
    }

    /// Whether the last snapshot has this manifest and all that it lists. An image without labels, not even none, is one
    /// whose configuration could not be read then.
    fn is_known(&self, digest: &str, depth: u32) -> bool {
        let Some(row) = self.known.manifests.get(digest) else { return false };
        let mut children = row.child_digests.iter().flatten();
        let read = row.kind != ManifestKind::Image || row.labels_json.is_some();
        read && depth > 0 && children.all(|child| self.is_known(child, depth - 1))
    }

    /// A manifest's own size in bytes, as a tag of the last snapshot has it.
    fn known_size(&self, digest: &str) -> Option<i64> {
        self.known.tags.values().filter(|known| known.digest == digest).find_map(|known| known.size_bytes)
    }

    /// Takes a manifest and what it lists from the last snapshot.
    fn reuse(&mut self, digest: &str) {
        if self.rows.contains_key(digest) {
            return;
        }
        let Some(row) = self.known.manifests.get(digest) else { return };
        let row = ManifestRow { observed_at: clock::now(), ..row.clone() };
        self.found.saved += if row.kind == ManifestKind::Image { 2 } else { 1 };
        let children = row.child_digests.clone().unwrap_or_default();
        self.rows.insert(digest.to_owned(), row);
        for child in &children {
            self.reuse(child);
        }
    }

    /// The configurations of the images among these, by digest; each is fetched once.
    async fn configs(&mut self, fetched: &[Fetched]) -> HashMap<String, ImageConfig> {
        let images = fetched.iter().filter(|(manifest, _)| manifest.kind == ManifestKind::Image);
        let wanted: BTreeMap<&str, &Descriptor> =
            images.filter_map(|(manifest, _)| manifest.config.as_ref()).map(|c| (c.digest.as_str(), c)).collect();
        let this = &*self;
        let read = |config: &'_ Descriptor| {
            let config = config.clone();
            async move { (this.reader.contents.config(this.place, &config).await, config.digest) }
        };
        let read: Vec<_> =
            stream::iter(wanted.into_values().map(read)).buffer_unordered(this.reader.width).collect().await;
        let mut configs = HashMap::new();
        for (outcome, digest) in read {
            match outcome {
                Ok(config) => drop(configs.insert(digest, config)),
                Err(error) => self.failed(error, "config_missing"),
            }
        }
        configs
    }

    /// Makes rows of fetched manifests; returns the children that are neither there yet nor in the last snapshot, each
    /// once.
    fn enter(&mut self, fetched: Vec<Fetched>, configs: &HashMap<String, ImageConfig>) -> Vec<(String, Platform)> {
        let mut listed = Vec::new();
        for (manifest, listed_for) in fetched {
            let config = manifest.config.as_ref().and_then(|config| configs.get(&config.digest));
            let row = row(&self.place.repository, &manifest, listed_for, config);
            self.rows.insert(manifest.digest, row);
            listed.extend(manifest.children.into_iter().map(|child| (child.descriptor.digest, child.platform)));
        }
        let mut missing = BTreeMap::new();
        for (digest, platform) in listed {
            if self.is_known(&digest, DEEPEST) {
                self.reuse(&digest);
            } else if !self.rows.contains_key(&digest) {
                missing.entry(digest).or_insert(platform);
            }
        }
        missing.into_iter().collect()
    }

    async fn children(&mut self, wanted: Vec<(String, Platform)>) -> Vec<Fetched> {
        let this = &*self;
        let read = |(digest, platform): (String, Platform)| async move {
            this.fetch(&digest).await.map(|(manifest, room)| (manifest, platform, room))
        };
        let read: Vec<_> =
            stream::iter(wanted.into_iter().map(read)).buffer_unordered(this.reader.width).collect().await;
        let mut fetched = Vec::new();
        for outcome in read {
            match outcome {
                Ok((manifest, platform, room)) => {
                    self.hold(room);
                    fetched.push((manifest, platform));
                }
                Err(error) => self.failed(error, "child_missing"),
            }
        }
        fetched
    }

    /// Notes an error. That something is gone is an answer, and often a normal one: deleted after it was listed, or
    /// a platform that was never pushed. Anything else leaves the repository half known.
    fn failed(&mut self, error: RegistryError, gone: &'static str) {
        let fault = error.fault();
        let code = if fault == Fault::Gone { gone } else { fault.as_str() };
        self.found.note(self.place, RunError::of_run(code, chain(&error)));
        if fault == Fault::Gone {
            self.found.missing += 1;
        } else {
            self.found.cut_short.get_or_insert(error);
        }
    }
}

/// The row of a manifest. What an image's configuration says of its platform counts more than what an index says.
fn row(repository: &str, manifest: &Manifest, listed_for: Platform, config: Option<&ImageConfig>) -> ManifestRow {
    let is_index = manifest.kind == ManifestKind::Index;
    let of_layers = |layers: &Descriptor| LayerRow {
        digest: layers.digest.clone(),
        size: layers.size,
        media_type: layers.media_type.clone(),
    };
    let said = config.map(|config| config.platform.clone()).unwrap_or_default();
    let sizes = manifest.config.iter().chain(&manifest.layers).map(|part| part.size);
    ManifestRow {
        observed_at: clock::now(),
        repository: repository.to_owned(),
        digest: manifest.digest.clone(),
        media_type: manifest.media_type.clone(),
        artifact_type: manifest.artifact_type.clone(),
        kind: manifest.kind,
        config_digest: manifest.config.as_ref().map(|config| config.digest.clone()),
        os: said.os.or(listed_for.os),
        architecture: said.architecture.or(listed_for.architecture),
        variant: said.variant.or(listed_for.variant),
        layer_count: (!is_index).then(|| i32::try_from(manifest.layers.len()).unwrap_or(i32::MAX)),
        total_size_bytes: (!is_index).then(|| sizes.fold(0, i64::saturating_add)),
        created_at: config.and_then(|config| config.created),
        subject_digest: manifest.subject.clone(),
        child_digests: is_index
            .then(|| manifest.children.iter().map(|child| child.descriptor.digest.clone()).collect()),
        layers: (!is_index).then(|| manifest.layers.iter().map(of_layers).collect()),
        annotations_json: (!manifest.annotations.is_empty()).then(|| object(&manifest.annotations)),
        labels_json: config.map(|config| object(&config.labels)),
    }
}

/// A JSON object with sorted keys.
fn object(entries: &BTreeMap<String, String>) -> String {
    serde_json::Value::from_iter(entries.clone()).to_string()
}
