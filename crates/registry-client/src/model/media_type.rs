//! The media types of manifests: which of them are requested, which are read, and in which form. Pure.

/// An image of the OCI image specification.
pub(crate) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// An index of the OCI image specification.
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// What ORAS and Notation wrote in 2022 and 2023; the specification dropped it before its release.
pub(crate) const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// The predecessor of that type, which ACR still has.
pub(crate) const ORAS_ARTIFACT: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";
/// Docker's image.
pub(crate) const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's index.
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's image manifest before 2016.
pub(crate) const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// Docker's signed image manifest before 2016.
pub(crate) const SIGNED_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// The media types of configurations that make a manifest an image.
pub(crate) const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The `Accept` header: exactly the types that are read. A manifest of a type that the header lacks is converted to
/// schema 1, with another digest (Quay), or answered with 404 (docker-registry, ACR, zot), even for `*/*`. Schema 1
/// comes last, for registries that have nothing else; skopeo and crane ask for it as well.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.artifact.manifest.v1+json, \
    application/vnd.cncf.oras.artifact.manifest.v1+json, application/vnd.docker.distribution.manifest.v1+prettyjws, \
    application/vnd.docker.distribution.manifest.v1+json";

/// Types of registries and static servers that do not show the type of the manifest; then the body has to.
const UNTOLD: [&str; 4] = ["application/json", "application/octet-stream", "text/plain", "binary/octet-stream"];

/// The forms of manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Image,
    Index,
    /// `blobs` and no configuration.
    Artifact,
    /// `fsLayers` and no configuration.
    Schema1,
}

impl Shape {
    /// Whether a manifest of the other form is at least of the same kind. If a client that trusts the header would read
    /// an image, and a client that trusts the body would read a list of images, the manifest is refused
    /// (CVE-2021-41190).
    pub(crate) fn agrees_with(self, other: Self) -> bool {
        let image = |shape| matches!(shape, Self::Image | Self::Schema1);
        self == other || (image(self) && image(other))
    }
}

/// The form of a manifest of this type, in lower case. None if it is not a type of manifests.
pub(crate) fn shape(media_type: &str) -> Option<Shape> {
    match media_type {
        OCI_IMAGE | DOCKER_IMAGE => Some(Shape::Image),
        OCI_INDEX | DOCKER_LIST => Some(Shape::Index),
        OCI_ARTIFACT | ORAS_ARTIFACT => Some(Shape::Artifact),
        SCHEMA_1 | SIGNED_SCHEMA_1 => Some(Shape::Schema1),
        _ => None,
    }
}

/// The media type in `Content-Type`, without parameters and in lower case. None if it shows nothing.
pub(crate) fn announced(content_type: Option<&str>) -> Option<String> {
    let media_type = content_type?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media_type.is_empty() && !UNTOLD.contains(&media_type.as_str())).then_some(media_type)
}

/// Whether an entry of an index is a manifest: by its type, or because it has none. Other entries are blobs: `BuildKit`
/// lists the layers of a build cache so.
pub(crate) fn is_followed(media_type: &str) -> bool {
    media_type.is_empty() || shape(&media_type.to_ascii_lowercase()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_read_is_asked_for_and_nothing_else() {
        let asked: Vec<_> = ACCEPTED.split(", ").collect();
        assert!(asked.iter().all(|media_type| shape(media_type).is_some()), "{asked:?}");
        for read in
            [OCI_IMAGE, OCI_INDEX, OCI_ARTIFACT, ORAS_ARTIFACT, DOCKER_IMAGE, DOCKER_LIST, SCHEMA_1, SIGNED_SCHEMA_1]
        {
            assert!(asked.contains(&read), "{read}");
        }
        assert_eq!(asked.len(), 8);
    }

    #[test]
    fn the_content_type_is_read_leniently() {
        let odd = OCI_IMAGE.to_uppercase() + " ; charset=utf-8";
        assert_eq!(announced(Some(&odd)).as_deref(), Some(OCI_IMAGE));
        assert_eq!(announced(Some("text/html")).as_deref(), Some("text/html"));
        for untold in [None, Some("text/plain; charset=utf-8"), Some("application/json"), Some("")] {
            assert_eq!(announced(untold), None);
        }
    }

    #[test]
    fn entries_of_an_index_are_manifests_unless_their_type_says_otherwise() {
        for manifest in ["", OCI_IMAGE, SCHEMA_1, &DOCKER_LIST.to_uppercase()] {
            assert!(is_followed(manifest), "{manifest}");
        }
        for blob in ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.buildkit.cacheconfig.v0", "x"] {
            assert!(!is_followed(blob), "{blob}");
        }
    }
}
