//! The tags, manifests and blobs of the repositories, as bytes and digests. `repository` serves them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// An image of the OCI image specification.
pub const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// An index of the OCI image specification.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image manifest, version 2, schema 2.
pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The content of all repositories, cheap to clone. By default they are empty, and a request for their tags gets 404.
#[derive(Clone, Debug, Default)]
pub struct FakeContents {
    uniform: u32,
    own: Arc<BTreeMap<String, Holding>>,
}

impl FakeContents {
    /// Every listed repository has the tags `v0`, `v1` and so on, each with its own image. Images are generated for each
    /// request, so ten thousand repositories need no memory.
    pub fn uniform(tags: u32) -> Self {
        Self { uniform: tags, own: Arc::default() }
    }

    /// The same content with one more repository, which may be listed or not.
    #[must_use]
    pub fn with(mut self, repository: &str, fill: impl FnOnce(&mut Holding)) -> Self {
        let mut holding = Holding::default();
        fill(&mut holding);
        Arc::make_mut(&mut self.own).insert(repository.to_owned(), holding);
        self
    }

    /// The content of one repository. `listed` is true if the catalog lists the repository.
    pub(super) fn of(&self, repository: &str, listed: bool) -> Option<Held<'_>> {
        match self.own.get(repository) {
            Some(holding) => Some(Held::Own(holding)),
            None if listed && self.uniform > 0 => Some(Held::Uniform(self.uniform)),
            None => None,
        }
    }
}

/// A stored manifest.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

/// The stored content of one repository.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    tags: Vec<(String, String)>,
    manifests: BTreeMap<String, Stored>,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Holding {
    /// Tags a digest. If no manifest has the digest, the tag dangles.
    pub fn tag(&mut self, tag: &str, digest: &str) {
        self.tags.push((tag.to_owned(), digest.to_owned()));
    }

    /// Tags the digest of a descriptor.
    pub fn tag_as(&mut self, tag: &str, descriptor: &Value) {
        self.tag(tag, descriptor["digest"].as_str().unwrap_or_default());
    }

    /// Stores a blob and returns its digest.
    pub fn blob(&mut self, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    /// Stores a manifest and returns its descriptor.
    pub fn manifest(&mut self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Value {
        let stored = Stored { media_type: media_type.to_owned(), digest: String::new(), bytes: bytes.into() };
        let digest = sha256(&stored.bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": stored.bytes.len()});
        self.manifests.insert(digest.clone(), Stored { digest, ..stored });
        descriptor
    }

    /// Serves these bytes under the digest of a descriptor, although their digest is another one.
    pub fn corrupt(&mut self, descriptor: &Value, bytes: impl Into<Vec<u8>>) {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let bytes = bytes.into();
        if let Some(stored) = self.manifests.get_mut(digest) {
            stored.bytes = bytes;
        } else if let Some(blob) = self.blobs.get_mut(digest) {
            *blob = bytes;
        }
    }

    /// Deletes the manifest of a descriptor. Tags and indexes still name it.
    pub fn forget(&mut self, descriptor: &Value) {
        self.manifests.remove(descriptor["digest"].as_str().unwrap_or_default());
    }

    /// Stores an image for a platform such as `linux/arm64/v8` and returns its descriptor. Another `salt` gives another image.
    pub fn image(&mut self, platform: &str, salt: &str) -> Value {
        let platform = platform_of(platform);
        let (config, manifest) = image(&platform, salt);
        self.blobs.insert(sha256(&config), config);
        let mut descriptor = self.manifest(OCI_IMAGE, manifest);
        descriptor["platform"] = platform;
        descriptor
    }

    /// Stores an index of these descriptors.
    pub fn index(&mut self, media_type: &str, children: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
        self.manifest(media_type, index.to_string())
    }

    /// Stores an artifact that refers to a subject.
    pub fn artifact(&mut self, artifact_type: &str, subject: &Value) -> Value {
        let empty = self.blob("{}");
        let artifact = json!({
            "schemaVersion": 2, "mediaType": OCI_IMAGE, "artifactType": artifact_type,
            "config": {"mediaType": OCI_EMPTY, "digest": empty, "size": 2},
            "layers": [{"mediaType": "text/plain", "digest": self.blob("signed"), "size": 6}],
            "subject": {"mediaType": subject["mediaType"], "digest": subject["digest"], "size": subject["size"]},
            "annotations": {"org.example.by": "tests"},
        });
        self.manifest(OCI_IMAGE, artifact.to_string())
    }
}

/// The content of a repository, stored or generated for each request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held<'a> {
    Own(&'a Holding),
    Uniform(u32),
}

impl Held<'_> {
    /// All tags: stored ones in byte order, generated ones by number.
    pub(super) fn tags(self) -> Vec<String> {
        match self {
            Held::Own(holding) => {
                let mut tags: Vec<_> = holding.tags.iter().map(|(tag, _)| tag.clone()).collect();
                tags.sort_unstable();
                tags
            }
            Held::Uniform(count) => (0..count).map(|number| format!("v{number}")).collect(),
        }
    }

    /// The manifest of a tag or digest.
    pub(super) fn manifest(self, repository: &str, reference: &str) -> Option<Stored> {
        match self {
            Held::Own(holding) => {
                let tagged = holding.tags.iter().find(|(tag, _)| tag == reference);
                holding.manifests.get(tagged.map_or(reference, |(_, digest)| digest)).cloned()
            }
            Held::Uniform(count) => {
                let number = reference.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
                match number {
                    Some(number) => (number < count).then(|| made(repository, number).1),
                    None => (0..count).map(|n| made(repository, n).1).find(|stored| stored.digest == reference),
                }
            }
        }
    }

    pub(super) fn blob(self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        match self {
            Held::Own(holding) => holding.blobs.get(digest).cloned(),
            Held::Uniform(count) => {
                (0..count).map(|number| made(repository, number).0).find(|config| sha256(config) == digest)
            }
        }
    }
}

/// The configuration and the manifest of a generated image.
fn made(repository: &str, number: u32) -> (Vec<u8>, Stored) {
    let (config, bytes) = image(&platform_of("linux/amd64"), &format!("{repository}:v{number}"));
    (config, Stored { media_type: OCI_IMAGE.to_owned(), digest: sha256(&bytes), bytes })
}

/// The configuration and the manifest of an image with two layers. The layers are not stored.
fn image(platform: &Value, salt: &str) -> (Vec<u8>, Vec<u8>) {
    let mut config = json!({
        "created": "2026-01-02T03:04:05.678Z",
        "config": {"Labels": {"org.example.salt": salt}},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    for (key, value) in platform.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    let config = config.to_string().into_bytes();
    let layer = |name: &str, size: u32| json!({"mediaType": LAYER, "digest": sha256(name.as_bytes()), "size": size});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(&config), "size": config.len()},
        "layers": [layer("base", 1000), layer(salt, 234)],
    });
    (config, manifest.to_string().into_bytes())
}

fn platform_of(text: &str) -> Value {
    let keys = ["os", "architecture", "variant"];
    keys.into_iter().zip(text.split('/')).map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

/// The digest of these bytes.
pub fn sha256(bytes: &[u8]) -> String {
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(digest, "{byte:02x}").expect("writing to a string cannot fail");
    }
    digest
}
