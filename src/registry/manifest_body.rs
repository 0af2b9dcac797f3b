//! A manifest out of its JSON: of which kind it is and what it names, within bounds. Fetches and verifies nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use stocktake_sink::ManifestKind;

use super::content::{Flaw, Foreign};
use super::error::Problem;
use super::grammar::{is_digest, shown};
use super::manifest::{Child, Descriptor, Manifest, Platform};

/// Most layers, and most manifests of an index: forty times what runtimes take.
const MOST: usize = 5000;
/// Most bytes of annotations or labels that are kept.
const ANNOTATIONS: usize = 32 << 10;
/// Longest text that names a platform or a media type.
const WORD: usize = 255;

const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const SCHEMA_1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
/// The configurations that make a manifest an image.
const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// What registries and static servers write that do not tell the type: the body then has to.
const UNTOLD: [&str; 4] = ["application/json", "application/octet-stream", "text/plain", "binary/octet-stream"];

/// A manifest's media type as `Content-Type` announces it, without parameters and in lower case; none where it does not.
pub(super) fn announced(content_type: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = content_type else { return Ok(None) };
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type.is_empty() || UNTOLD.contains(&media_type.as_str()) {
        return Ok(None);
    }
    if SCHEMA_1.contains(&media_type.as_str()) {
        return Err(Problem::Foreign(Foreign::Schema1));
    }
    if shape(&media_type).is_none() {
        return Err(Problem::Foreign(Foreign::MediaType(shown(&media_type))));
    }
    Ok(Some(media_type))
}

/// How manifests are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Image,
    Index,
    /// The retired artifact manifest: `blobs` and no configuration.
    Artifact,
}

fn shape(media_type: &str) -> Option<Shape> {
    match media_type {
        OCI_IMAGE | DOCKER_IMAGE => Some(Shape::Image),
        OCI_INDEX | DOCKER_LIST => Some(Shape::Index),
        OCI_ARTIFACT => Some(Shape::Artifact),
        _ => None,
    }
}

/// A manifest as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<Value>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    blobs: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    subject: Option<RawDescriptor>,
    annotations: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: Option<String>,
    digest: String,
    size: i64,
    platform: Option<RawPlatform>,
}

/// Where something runs, in an index or a configuration; whatever is not a text counts as missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPlatform {
    os: Value,
    architecture: Value,
    variant: Value,
}

impl RawPlatform {
    pub(super) fn read(&self) -> Platform {
        let word = |value: &Value| {
            let word = value.as_str().filter(|word| !word.is_empty() && *word != "unknown" && word.len() <= WORD)?;
            Some(storable(word))
        };
        Platform { os: word(&self.os), architecture: word(&self.architecture), variant: word(&self.variant) }
    }
}

/// A manifest that is of one kind without a doubt.
#[derive(Debug)]
pub(super) struct Body {
    raw: Raw,
    media_type: String,
    shape: Shape,
}

impl Body {
    /// Reads a body that was announced with this media type, and finds out what it is.
    pub(super) fn read(body: &[u8], announced: Option<String>) -> Result<Self, Problem> {
        let raw: Raw = serde_json::from_slice(body).map_err(|error| Problem::Corrupt(Flaw::from(&error)))?;
        let itself = raw.media_type.as_deref().map(str::to_ascii_lowercase).filter(|own| !own.is_empty());
        let schema_1 = itself.as_deref().is_some_and(|itself| SCHEMA_1.contains(&itself));
        if schema_1 || raw.schema_version.as_ref().is_some_and(|version| *version == 1) {
            return Err(Problem::Foreign(Foreign::Schema1));
        }
        let media_type = match (itself, announced) {
            (Some(itself), Some(announced)) if itself != announced => {
                return Err(Problem::Corrupt(Flaw::MediaType { announced, itself: shown(&itself) }));
            }
            (Some(itself), _) => itself,
            (None, Some(announced)) => announced,
            (None, None) => if raw.manifests.is_some() { OCI_INDEX } else { OCI_IMAGE }.to_owned(),
        };
        let Some(shape) = shape(&media_type) else {
            return Err(Problem::Foreign(Foreign::MediaType(shown(&media_type))));
        };
        let like_image = raw.config.is_some() || raw.layers.is_some();
        let ambiguous = match shape {
            Shape::Image => raw.manifests.is_some() || raw.config.is_none(),
            Shape::Index => like_image,
            Shape::Artifact => like_image || raw.manifests.is_some(),
        };
        if ambiguous {
            return Err(Problem::Corrupt(Flaw::Ambiguous));
        }
        Ok(Self { raw, media_type, shape })
    }

    /// The manifest, its digest having been verified.
    pub(super) fn manifest(self, digest: String, size: usize) -> Result<Manifest, Problem> {
        let Self { raw, media_type, shape } = self;
        self::manifest(raw, media_type, shape, digest, size).map_err(Problem::Corrupt)
    }
}

fn manifest(raw: Raw, media_type: String, shape: Shape, digest: String, size: usize) -> Result<Manifest, Flaw> {
    let config = raw.config.map(descriptor).transpose()?;
    let artifact_type = raw.artifact_type.filter(|text| !text.is_empty()).map(|text| word(text, "artifactType"));
    let mut artifact_type = artifact_type.transpose()?;
    let foreign_config = config.as_ref().map(|config| config.media_type.as_str()).filter(|media_type| {
        !media_type.is_empty() && !IMAGE_CONFIGS.iter().any(|image| image.eq_ignore_ascii_case(media_type))
    });
    let kind = match shape {
        Shape::Index => ManifestKind::Index,
        Shape::Image if artifact_type.is_none() && foreign_config.is_none() => ManifestKind::Image,
        Shape::Image | Shape::Artifact => ManifestKind::Artifact,
    };
    if artifact_type.is_none() {
        artifact_type = foreign_config.map(str::to_owned);
    }
    let layers = bounded(raw.layers.or(raw.blobs), "layers")?;
    let children = bounded(raw.manifests, "manifests")?;
    let child = |raw: RawDescriptor| {
        let platform = raw.platform.as_ref().map(RawPlatform::read).unwrap_or_default();
        descriptor(raw).map(|descriptor| Child { descriptor, platform })
    };
    Ok(Manifest {
        digest,
        media_type,
        size: i64::try_from(size).map_err(|_| Flaw::Field("its size"))?,
        kind,
        artifact_type,
        subject: raw.subject.map(descriptor).transpose()?.map(|subject| subject.digest),
        config,
        layers: layers.into_iter().map(descriptor).collect::<Result<_, _>>()?,
        children: children.into_iter().map(child).collect::<Result<_, _>>()?,
        annotations: texts(raw.annotations.unwrap_or_default()),
    })
}

fn bounded(list: Option<Vec<RawDescriptor>>, what: &'static str) -> Result<Vec<RawDescriptor>, Flaw> {
    let list = list.unwrap_or_default();
    if list.len() > MOST { Err(Flaw::TooMany { what, most: MOST }) } else { Ok(list) }
}

fn descriptor(raw: RawDescriptor) -> Result<Descriptor, Flaw> {
    if !is_digest(&raw.digest) {
        return Err(Flaw::Field("a digest in it"));
    }
    if raw.size < 0 {
        return Err(Flaw::Field("a size in it"));
    }
    let media_type = word(raw.media_type.unwrap_or_default(), "a media type in it")?;
    Ok(Descriptor { digest: raw.digest, size: raw.size, media_type })
}

/// A short word of printable ASCII.
fn word(text: String, field: &'static str) -> Result<String, Flaw> {
    let sound = text.len() <= WORD && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if sound { Ok(text) } else { Err(Flaw::Field(field)) }
}

/// Annotations and labels: the texts among them, as many as there is room for.
pub(super) fn texts(raw: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let mut room = ANNOTATIONS;
    let mut kept = BTreeMap::new();
    for (key, value) in raw {
        let Value::String(value) = value else { continue };
        if let Some(rest) = room.checked_sub(key.len() + value.len()) {
            room = rest;
            kept.insert(storable(&key), storable(&value));
        }
    }
    kept
}

/// A text that databases take: `PostgreSQL` refuses NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
