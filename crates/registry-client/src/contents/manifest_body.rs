//! Reads a manifest out of its JSON, within bounds: its kind, and what it refers to. Its kind must be clear; other
//! oddities are noted. Fetches nothing.

use crate::contents::lenient::{JsonText, Picked, RawJson, document};
use crate::contents::parts::ManifestParts;
use crate::grammar::shown;
use crate::model::manifest::{Child, ContentKind, Descriptor, Manifest};
use crate::model::media_type::{
    IMAGE_CONFIGS, OCI_IMAGE, OCI_INDEX, SCHEMA_1, SIGNED_SCHEMA_1, Shape, is_followed, shape,
};
use crate::model::oddity::Odd;
use crate::problem::Problem;
use crate::problem::content::{ContentFlaw, UnsupportedContent};

/// Most layers of an image, and most manifests of an index: forty times as many as runtimes accept.
const MOST: usize = 5000;

/// The members that are read. The first seven show the kind of the manifest.
const NAMES: [&str; 11] = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "blobs",
    "manifests",
    "fsLayers",
    "signatures",
    "artifactType",
    "subject",
    "annotations",
];
const DECIDING: usize = 7;

/// Reads a body with this announced media type. The caller sets the digest, which is computed from bytes.
pub(crate) fn read(body: &[u8], announced: Option<&str>) -> Result<Manifest, Problem> {
    let (document, mended) = document(body);
    let picked = Picked::read(&document, &NAMES).map_err(Problem::Corrupt)?;
    // If a member comes twice, Go uses the last, other readers the first: they would see two manifests.
    if let Some((name, _)) = NAMES.iter().zip(picked.twice).take(DECIDING).find(|(_, twice)| *twice) {
        return Err(Problem::Corrupt(ContentFlaw::Twice(name)));
    }
    let mut parts = ManifestParts::new(mended);
    let (media_type, shape) = kind_of(&picked.values, announced, &mut parts)?;
    let size = i64::try_from(body.len()).map_err(|_| Problem::Corrupt(ContentFlaw::Field("its size")))?;
    manifest(picked.values, media_type, shape, size, parts).map_err(Problem::Corrupt)
}

/// The kind of a manifest: by its own `mediaType`, by the header, by its members. The body decides, since its digest is
/// verified. A header that names another kind of thing is still an error (CVE-2021-41190).
fn kind_of(
    [version, own, config, layers, _, manifests, fs_layers, signatures, ..]: &[Option<RawJson<'_>>; NAMES.len()],
    announced: Option<&str>,
    parts: &mut ManifestParts,
) -> Result<(String, Shape), Problem> {
    let is_version_1 = version.is_some_and(|version| version.get().parse() == Ok(1.0));
    let own = parts.word(*own, "`mediaType`").map(|own| own.to_ascii_lowercase());
    let unsupported = |media_type: &str| Problem::UnsupportedContent(UnsupportedContent::MediaType(shown(media_type)));
    let differs = |announced: &str, itself: &str| {
        Problem::Corrupt(ContentFlaw::MediaType { announced: shown(announced), itself: shown(itself) })
    };
    let chosen = match (own, announced) {
        (Some(own), None) => own,
        (Some(own), Some(announced)) if own == announced => own,
        (Some(own), Some(announced)) => {
            match (shape(&own), shape(announced)) {
                (Some(own_shape), Some(other)) if own_shape.agrees_with(other) => {}
                // No client reads it as a manifest of that type; the body says what it is.
                (Some(_), None) => {}
                (None, None) => return Err(unsupported(&own)),
                _ => return Err(differs(announced, &own)),
            }
            parts.odd.add(Odd::MediaTypeDiffers, || format!("the registry announces it as `{}`", shown(announced)));
            own
        }
        (None, Some(announced)) if is_version_1 && shape(announced) == Some(Shape::Image) => {
            parts.odd.add(Odd::MediaTypeDiffers, || format!("the registry announces it as `{}`", shown(announced)));
            if signatures.is_some() { SIGNED_SCHEMA_1 } else { SCHEMA_1 }.to_owned()
        }
        (None, Some(announced)) => announced.to_owned(),
        (None, None) if is_version_1 => if signatures.is_some() { SIGNED_SCHEMA_1 } else { SCHEMA_1 }.to_owned(),
        (None, None) => if manifests.is_some() { OCI_INDEX } else { OCI_IMAGE }.to_owned(),
    };
    let Some(shape) = shape(&chosen) else { return Err(unsupported(&chosen)) };
    let like_image = config.is_some() || layers.is_some();
    let like_schema_1 = fs_layers.is_some();
    let ambiguous = match shape {
        Shape::Image => manifests.is_some() || config.is_none() || like_schema_1,
        Shape::Index => like_image || like_schema_1,
        Shape::Artifact => like_image || like_schema_1 || manifests.is_some(),
        Shape::Schema1 => like_image || manifests.is_some() || !(like_schema_1 || is_version_1),
    };
    if ambiguous {
        return Err(Problem::Corrupt(ContentFlaw::Ambiguous));
    }
    match shape {
        Shape::Schema1 => {
            let words = "it is of the retired schema 1: of its content only the digest is read; push it again with a current client";
            parts.odd.add(Odd::Schema1, || words.to_owned());
        }
        _ if is_version_1 => parts.unreadable("`schemaVersion`, which is 1,"),
        _ => {}
    }
    Ok((chosen, shape))
}

fn manifest(
    values: [Option<RawJson<'_>>; NAMES.len()],
    media_type: String,
    shape: Shape,
    size: i64,
    mut parts: ManifestParts,
) -> Result<Manifest, ContentFlaw> {
    let [_, _, config, layers, blobs, manifests, _, _, artifact_type, subject, annotations] = values;
    let config = config.and_then(|config| {
        let read = parts.descriptor(config, "the configuration", true);
        if read.is_none() {
            parts.unreadable("the configuration's descriptor");
            parts.odd.add(Odd::SizeUnknown, || "the size of the configuration is not known".to_owned());
        }
        read
    });
    let names_itself = artifact_type.is_some_and(|raw| JsonText::of(raw).is_none_or(|text| !text.text.is_empty()));
    let artifact_type = parts.word(artifact_type, "`artifactType`");
    let foreign_config = config.as_ref().map(|config| config.media_type.clone()).filter(|media_type| {
        !media_type.is_empty() && !IMAGE_CONFIGS.iter().any(|image| image.eq_ignore_ascii_case(media_type))
    });
    let kind = match shape {
        Shape::Index => ContentKind::Index,
        Shape::Image if !names_itself && foreign_config.is_none() => ContentKind::Image,
        Shape::Schema1 => ContentKind::Image,
        Shape::Image | Shape::Artifact => ContentKind::Artifact,
    };
    let subject = subject.and_then(|subject| {
        let read = parts.descriptor(subject, "the subject", false);
        if read.is_none() {
            parts.unreadable("the subject's descriptor");
        }
        read.map(|subject| subject.digest)
    });
    Ok(Manifest {
        digest: String::new(),
        media_type,
        size,
        kind,
        artifact_type: artifact_type.or(foreign_config),
        subject,
        layers: read_layers(if shape == Shape::Artifact { blobs } else { layers }, &mut parts)?,
        children: read_children(manifests, &mut parts)?,
        annotations: parts.texts(annotations, "annotations"),
        config,
        oddities: parts.odd,
    })
}

/// The layers. None at all if one has no digest, since a list without it would be wrong.
fn read_layers(value: Option<RawJson<'_>>, parts: &mut ManifestParts) -> Result<Vec<Descriptor>, ContentFlaw> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let listed = bounded(value, "layers")?;
    let layers = listed.and_then(|listed| listed.into_iter().map(|raw| parts.descriptor(raw, "layer", true)).collect());
    Ok(layers.unwrap_or_else(|| {
        parts.odd.add(Odd::LayersUnreadable, || "its layers are no list of descriptors with digests".to_owned());
        Vec::new()
    }))
}

/// The entries of an index. An entry without a digest is left out.
fn read_children(value: Option<RawJson<'_>>, parts: &mut ManifestParts) -> Result<Vec<Child>, ContentFlaw> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let listed = bounded(value, "manifests")?.ok_or(ContentFlaw::Field("its list of manifests"))?;
    let mut children = Vec::with_capacity(listed.len());
    for raw in listed {
        match parts.descriptor(raw, "an entry", false) {
            Some(descriptor) => {
                let platform = parts.platform_of(raw);
                if !is_followed(&descriptor.media_type) && descriptor.size.is_none() {
                    parts
                        .odd
                        .add(Odd::SizeUnknown, || format!("the size of the entry {} is not known", descriptor.digest));
                }
                children.push(Child { descriptor, platform });
            }
            None => parts.unreadable("an entry that has no digest"),
        }
    }
    Ok(children)
}

/// The elements of a list. None if the value is not a list.
fn bounded<'a>(value: RawJson<'a>, what: &'static str) -> Result<Option<Vec<RawJson<'a>>>, ContentFlaw> {
    let Some(elements) = value.elements() else { return Ok(None) };
    let listed: Vec<_> = elements.take(MOST + 1).collect();
    if listed.len() > MOST { Err(ContentFlaw::TooMany { what, most: MOST }) } else { Ok(Some(listed)) }
}

#[cfg(test)]
mod tests;
