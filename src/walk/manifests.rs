//! Reads the manifests of one repository: those that its tags lead to, those that indexes list, and the configurations
//! of images. Manifests of the last snapshot are not fetched again, because the content of a digest never changes.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use stocktake_sink::{ManifestKind, RunError};

use super::memory::{MOST_PARTS, MemoryBudget, ReservedMemory};
use super::repository_contents::RepositoryContents;
use crate::clock;
use crate::registry::Child;
use crate::registry::ContentKind;
use crate::registry::Contents;
use crate::registry::Descriptor;
use crate::registry::Fault;
use crate::registry::ImageConfig;
use crate::registry::Manifest;
use crate::registry::Odd;
use crate::registry::Platform;
use crate::registry::RegistryError;
use crate::registry::RepositoryRef;
use crate::registry::Resolved;
use crate::registry::chain;
use crate::snapshot::{KnownRepository, LayerRow, ManifestRow};

/// How deep indexes of indexes are followed; no tool we know makes deeper ones.
const DEEPEST: u32 = 4;

/// Where a tag leads.
enum TagTarget {
    /// To a manifest of the last snapshot.
    Reused(Resolved),
    /// To one that was fetched.
    Fetched(Box<Manifest>, ReservedMemory),
}

/// A fetched manifest, and the platform for which an index lists it.
type FetchedManifest = (Manifest, Platform);

/// Gathers the manifests of one repository.
pub(super) struct ManifestReader<'a> {
    contents: &'a dyn Contents,
    /// Requests under way at once.
    width: usize,
    memory: &'a MemoryBudget,
    place: &'a RepositoryRef,
    known: KnownRepository,
    /// By digest.
    rows: BTreeMap<String, ManifestRow>,
    found: RepositoryContents,
}

impl<'a> ManifestReader<'a> {
    /// `found` holds the tags already.
    pub(super) fn new(
        contents: &'a dyn Contents,
        width: usize,
        memory: &'a MemoryBudget,
        place: &'a RepositoryRef,
        known: KnownRepository,
        found: RepositoryContents,
    ) -> Self {
        Self { contents, width, memory, place, known, rows: BTreeMap::new(), found }
    }

    /// Reads everything that the tags lead to, level by level.
    pub(super) async fn read(mut self) -> RepositoryContents {
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
            let message = format!("{} is nested too deep in indexes and is not read", manifest.digest);
            self.found.note(self.place, RunError::of_run("nested_too_deep", message));
        }
        self.found.manifests = self.rows.into_values().collect();
        self.found
    }

    /// Finds out where all tags lead; returns the manifests that had to be fetched, each once.
    async fn targets(&mut self) -> Vec<FetchedManifest> {
        let this = &*self;
        let asked = stream::iter(0..this.found.tags.len()).map(|at| async move { (at, this.target(at).await) });
        let mut outcomes: Vec<_> = asked.buffer_unordered(this.width).collect().await;
        outcomes.sort_unstable_by_key(|(at, _)| *at);
        let mut fetched = BTreeMap::new();
        for (_, outcome) in outcomes {
            let target = match outcome {
                Ok(TagTarget::Reused(resolved)) => {
                    self.reuse(&resolved.digest);
                    Some(resolved)
                }
                Ok(TagTarget::Fetched(manifest, memory)) => {
                    self.found.memory.merge(memory);
                    let (digest, media_type) = (manifest.digest.clone(), manifest.media_type.clone());
                    let resolved = Resolved { digest, media_type, size: Some(manifest.size) };
                    fetched.insert(manifest.digest.clone(), (*manifest, Platform::default()));
                    Some(resolved)
                }
                Err(error) => {
                    // That it cannot be read does not change where the tag leads.
                    let resolved = error.leads_to().cloned();
                    self.failed(error, "tag_gone");
                    resolved
                }
            };
            self.found.targets.push(target);
        }
        fetched.into_values().collect()
    }

    /// A tag that the last snapshot has very probably leads where it led: its digest alone is asked for.
    async fn target(&self, at: usize) -> Result<TagTarget, RegistryError> {
        let (contents, tag) = (self.contents, &self.found.tags[at]);
        let mut reference = tag.to_owned();
        if self.known.tags.get(tag).is_some_and(|known| self.is_known(&known.digest, DEEPEST)) {
            let resolved = contents.resolve(self.place, tag).await?;
            if self.is_known(&resolved.digest, DEEPEST) {
                let size = resolved.size.or_else(|| self.known_size(&resolved.digest));
                // The manifest's own, which counts more than what a header announces.
                let own = self.known.manifests.get(&resolved.digest).map(|row| row.media_type.clone());
                let media_type = own.unwrap_or(resolved.media_type);
                return Ok(TagTarget::Reused(Resolved { size, media_type, digest: resolved.digest }));
            }
            reference = resolved.digest;
        }
        let (manifest, memory) = self.fetch(&reference).await?;
        Ok(TagTarget::Fetched(Box::new(manifest), memory))
    }

    /// Fetches a manifest, if there is room for what it names. Where there is none for its annotations, they are left
    /// to the next run.
    async fn fetch(&self, reference: &str) -> Result<(Manifest, ReservedMemory), RegistryError> {
        let mut manifest = self.contents.manifest(self.place, reference).await?;
        let Some(mut memory) = self.memory.reserve_parts(manifest.layers.len() + manifest.children.len()) else {
            return Err(RegistryError::too_much(&self.place.repository, reference, MOST_PARTS));
        };
        match self.memory.reserve_texts(size(&manifest.annotations)) {
            Some(texts) => memory.merge(texts),
            None => manifest.oddities.add(Odd::NoRoom, || no_room(&mut manifest.annotations, "annotations")),
        }
        Ok((manifest, memory))
    }

    /// Fetches a configuration. Where there is no room for its labels, they are left to the next run.
    async fn config(&self, config: &Descriptor) -> Result<(ImageConfig, ReservedMemory), RegistryError> {
        let mut config = self.contents.config(self.place, config).await?;
        let memory = self.memory.reserve_texts(size(&config.labels)).unwrap_or_else(|| {
            config.oddities.add(Odd::NoRoom, || no_room(&mut config.labels, "labels"));
            ReservedMemory::default()
        });
        Ok((config, memory))
    }

    /// Whether the last snapshot has this manifest and all that it lists.
    fn is_known(&self, digest: &str, depth: u32) -> bool {
        let Some(row) = self.known.manifests.get(digest) else { return false };
        // The layers of an index are those of its entries that are no manifests.
        let is_blob = |child: &String| row.layers.iter().flatten().any(|layer| layer.digest == *child);
        let mut children = row.child_digests.iter().flatten();
        is_read(row) && depth > 0 && children.all(|child| self.is_known(child, depth - 1) || is_blob(child))
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
        self.note_oddities(&row);
        self.rows.insert(digest.to_owned(), row);
        for child in &children {
            self.reuse(child);
        }
    }

    /// The configurations of the images among these, by digest; each is fetched once.
    async fn configs(&mut self, fetched: &[FetchedManifest]) -> HashMap<String, ImageConfig> {
        let images = fetched.iter().filter(|(manifest, _)| manifest.kind == ContentKind::Image);
        let wanted: BTreeMap<&str, &Descriptor> =
            images.filter_map(|(manifest, _)| manifest.config.as_ref()).map(|c| (c.digest.as_str(), c)).collect();
        let this = &*self;
        let read = |config: &'_ Descriptor| {
            let config = config.clone();
            async move { (this.config(&config).await, config.digest) }
        };
        let read: Vec<_> = stream::iter(wanted.into_values().map(read)).buffer_unordered(this.width).collect().await;
        let mut configs = HashMap::new();
        for (outcome, digest) in read {
            match outcome {
                Ok((config, memory)) => {
                    self.found.memory.merge(memory);
                    configs.insert(digest, config);
                }
                Err(error) => self.failed(error, "config_missing"),
            }
        }
        configs
    }

    /// Makes rows of fetched manifests; returns the children that are neither there yet nor in the last snapshot, each
    /// once.
    fn enter(
        &mut self,
        fetched: Vec<FetchedManifest>,
        configs: &HashMap<String, ImageConfig>,
    ) -> Vec<(String, Platform)> {
        let mut listed = Vec::new();
        for (manifest, listed_for) in fetched {
            let config = manifest.config.as_ref().and_then(|config| configs.get(&config.digest));
            let row = row(&self.place.repository, &manifest, listed_for, config);
            self.note_oddities(&row);
            self.rows.insert(manifest.digest, row);
            let followed = manifest.children.into_iter().filter(Child::is_manifest);
            listed.extend(followed.map(|child| (child.descriptor.digest, child.platform)));
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

    async fn children(&mut self, wanted: Vec<(String, Platform)>) -> Vec<FetchedManifest> {
        let this = &*self;
        let read = |(digest, platform): (String, Platform)| async move {
            this.fetch(&digest).await.map(|(manifest, memory)| (manifest, platform, memory))
        };
        let read: Vec<_> = stream::iter(wanted.into_iter().map(read)).buffer_unordered(this.width).collect().await;
        let mut fetched = Vec::new();
        for outcome in read {
            match outcome {
                Ok((manifest, platform, memory)) => {
                    self.found.memory.merge(memory);
                    fetched.push((manifest, platform));
                }
                Err(error) => self.failed(error, "child_missing"),
            }
        }
        fetched
    }

    /// Notes what is odd about a row, on the night that it is made and on all others: it is in the snapshot, so it is
    /// in the run's errors.
    fn note_oddities(&mut self, row: &ManifestRow) {
        for note in row.notes.iter().flatten() {
            let (code, words) = note.split_once(": ").unwrap_or((note, ""));
            let message = format!("{}@{}: {words}", row.repository, row.digest);
            self.found.note(self.place, RunError::of_run(code, message));
        }
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

/// Whether a row of the last snapshot holds all that reading its manifest again would bring. An image without labels,
/// not even none, is one whose configuration was missing then; one that is no configuration stays what it is.
pub(super) fn is_read(row: &ManifestRow) -> bool {
    let has = |odd: Odd| {
        let code = |note: &String| note.split_once(": ").is_some_and(|(code, _)| code == odd.as_str());
        row.notes.iter().flatten().any(code)
    };
    let has_config = row.kind == ManifestKind::Image && row.config_digest.is_some();
    !has(Odd::NoRoom) && (!has_config || row.labels_json.is_some() || has(Odd::ConfigUnreadable))
}

/// How many bytes texts take.
fn size(texts: &BTreeMap<String, String>) -> usize {
    texts.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn no_room(texts: &mut BTreeMap<String, String>, what: &str) -> String {
    let count = std::mem::take(texts).len();
    format!("there was no room for its {count} {what} beside all that was being read; the next run reads them")
}

/// The row of a manifest. What an image's configuration says of its platform counts more than what an index says.
fn row(repository: &str, manifest: &Manifest, listed_for: Platform, config: Option<&ImageConfig>) -> ManifestRow {
    let is_index = manifest.kind == ContentKind::Index;
    let layer = |layer: &Descriptor| LayerRow {
        digest: layer.digest.clone(),
        size: layer.size,
        media_type: layer.media_type.clone(),
    };
    let blobs = manifest.children.iter().filter(|child| !child.is_manifest()).map(|child| layer(&child.descriptor));
    let blobs: Vec<_> = blobs.collect();
    let layers = manifest.has_layers().then(|| manifest.layers.iter().map(layer).collect());
    // No sum is better than a wrong one.
    let has_sizes = manifest.has_layers() && !manifest.oddities.has(Odd::SizeUnknown);
    let sizes = manifest.config.iter().chain(&manifest.layers).filter_map(|part| part.size);
    let said = config.map(|config| config.platform.clone()).unwrap_or_default();
    let mut oddities = manifest.oddities.clone();
    if let Some(config) = config {
        oddities.append(&config.oddities);
    }
    let notes = oddities.notes();
    ManifestRow {
        observed_at: clock::now(),
        repository: repository.to_owned(),
        digest: manifest.digest.clone(),
        media_type: manifest.media_type.clone(),
        artifact_type: manifest.artifact_type.clone(),
        kind: match manifest.kind {
            ContentKind::Image => ManifestKind::Image,
            ContentKind::Index => ManifestKind::Index,
            ContentKind::Artifact => ManifestKind::Artifact,
        },
        config_digest: manifest.config.as_ref().map(|config| config.digest.clone()),
        os: said.os.or(listed_for.os),
        architecture: said.architecture.or(listed_for.architecture),
        variant: said.variant.or(listed_for.variant),
        layer_count: manifest.has_layers().then(|| i32::try_from(manifest.layers.len()).unwrap_or(i32::MAX)),
        total_size_bytes: has_sizes.then(|| sizes.fold(0, i64::saturating_add)),
        created_at: config.and_then(|config| config.created),
        subject_digest: manifest.subject.clone(),
        child_digests: is_index
            .then(|| manifest.children.iter().map(|child| child.descriptor.digest.clone()).collect()),
        layers: layers.or_else(|| (!blobs.is_empty()).then_some(blobs)),
        annotations_json: (!manifest.annotations.is_empty()).then(|| object(&manifest.annotations)),
        labels_json: config.filter(|config| config.has_labels()).map(|config| object(&config.labels)),
        notes: (!notes.is_empty()).then_some(notes),
    }
}

/// A JSON object with sorted keys.
fn object(entries: &BTreeMap<String, String>) -> String {
    serde_json::to_string(entries).expect("texts are JSON")
}
