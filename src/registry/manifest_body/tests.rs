//! Manifests of every kind, and those that are none.

use serde_json::json;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn points(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": DIGEST, "size": 7})
}

fn image() -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": points(IMAGE_CONFIGS[0]), "layers": [points("layer")]})
}

/// The same with these members changed, or taken out where null.
fn with(mut base: Value, change: Value) -> Value {
    let Value::Object(change) = change else { panic!("members") };
    for (key, value) in change {
        base[key] = value;
    }
    base
}

fn read(body: &Value, content_type: Option<&str>) -> Result<Manifest, Problem> {
    let body = Body::read(body.to_string().as_bytes(), announced(content_type)?)?;
    body.manifest(DIGEST.to_owned(), 100)
}

fn good(body: &Value) -> Manifest {
    read(body, None).unwrap_or_else(|problem| panic!("{body}: {problem:?}"))
}

#[test]
fn images_indexes_and_artifacts_are_told_apart() {
    assert_eq!(good(&image()).kind, ManifestKind::Image);
    assert_eq!(good(&image()).artifact_type, None);
    let docker = with(image(), json!({"mediaType": DOCKER_IMAGE, "config": points(IMAGE_CONFIGS[1])}));
    assert_eq!(good(&docker).kind, ManifestKind::Image);
    for (change, artifact_type) in [
        (json!({"artifactType": "application/x"}), "application/x"),
        (json!({"config": points("application/vnd.oci.empty.v1+json")}), "application/vnd.oci.empty.v1+json"),
        (
            json!({"config": points("application/vnd.cncf.helm.config.v1+json")}),
            "application/vnd.cncf.helm.config.v1+json",
        ),
    ] {
        let manifest = good(&with(image(), change));
        assert_eq!((manifest.kind, manifest.artifact_type.as_deref()), (ManifestKind::Artifact, Some(artifact_type)));
    }
    for media_type in [OCI_INDEX, DOCKER_LIST] {
        let mut child = points(OCI_IMAGE);
        child["platform"] = json!({"os": "linux", "architecture": "unknown", "variant": ""});
        let index = good(&json!({"mediaType": media_type, "manifests": [child], "subject": points(OCI_IMAGE)}));
        assert_eq!((index.kind, index.media_type.as_str()), (ManifestKind::Index, media_type));
        assert_eq!(index.children[0].platform, Platform { os: Some("linux".into()), ..Platform::default() });
        assert_eq!(index.subject.as_deref(), Some(DIGEST));
    }
    let old = good(&json!({"mediaType": OCI_ARTIFACT, "artifactType": "a/b", "blobs": [points("x")]}));
    assert_eq!((old.kind, old.layers.len(), old.config), (ManifestKind::Artifact, 1, None));
}

#[test]
fn edge_31_the_content_type_is_lenient_in_form_and_strict_in_meaning() {
    let odd = OCI_IMAGE.to_uppercase() + " ; charset=utf-8";
    assert_eq!(read(&image(), Some(&odd)).expect("a manifest").media_type, OCI_IMAGE);
    let unnamed = with(image(), json!({"mediaType": null}));
    assert_eq!(read(&unnamed, Some(DOCKER_IMAGE)).expect("a manifest").media_type, DOCKER_IMAGE);
    for untold in [None, Some("text/plain; charset=utf-8"), Some("application/json"), Some("")] {
        assert_eq!(read(&unnamed, untold).expect("a manifest").media_type, OCI_IMAGE);
    }
    let announced = read(&image(), Some(OCI_INDEX));
    assert!(matches!(announced, Err(Problem::Corrupt(Flaw::MediaType { .. }))), "{announced:?}");
    for odd in ["text/html", "application/vnd.acme+json"] {
        assert!(matches!(read(&image(), Some(odd)), Err(Problem::Foreign(Foreign::MediaType(_)))), "{odd}");
    }
}

#[test]
fn edge_31_schema_1_is_named_however_it_comes() {
    for content_type in SCHEMA_1 {
        let signed = format!("{content_type}; charset=utf-8");
        assert!(matches!(announced(Some(&signed)), Err(Problem::Foreign(Foreign::Schema1))));
    }
    let body = json!({"schemaVersion": 1, "fsLayers": []});
    assert!(matches!(read(&body, Some("application/json")), Err(Problem::Foreign(Foreign::Schema1))));
}

#[test]
fn edge_34_what_could_be_two_things_or_nothing_is_corrupt() {
    for body in [
        with(image(), json!({"manifests": []})),
        json!({"mediaType": OCI_INDEX, "manifests": [], "layers": []}),
        json!({"mediaType": OCI_INDEX, "manifests": [], "config": points("x")}),
        json!({"manifests": [], "config": points("x")}),
        json!({"mediaType": OCI_IMAGE}),
        json!({}),
    ] {
        assert!(matches!(read(&body, None), Err(Problem::Corrupt(Flaw::Ambiguous))), "{body}");
    }
}

#[test]
fn edge_34_a_manifest_that_cannot_be_read_is_corrupt_and_not_repeated() {
    let long = "x".repeat(10_000);
    for change in [
        json!({"layers": long}),
        json!({"layers": [{"digest": DIGEST}]}),
        json!({"layers": [{"digest": "../../etc", "size": 1}]}),
        json!({"layers": [{"digest": DIGEST, "size": -1}]}),
        json!({"layers": [{"digest": DIGEST, "size": 1e30}]}),
        json!({"layers": [{"digest": DIGEST, "size": 1, "mediaType": "a\u{1b}[31m"}]}),
        json!({"layers": [{"digest": DIGEST, "size": 1, "mediaType": long}]}),
        json!({"layers": vec![points("layer"); MOST + 1]}),
        json!({"config": {"digest": "sha256:short", "size": 1}}),
        json!({"subject": {"digest": "x", "size": 1}}),
        json!({"artifactType": "a\nb"}),
        json!({"annotations": []}),
    ] {
        let problem = read(&with(image(), change), None).expect_err("corrupt");
        let Problem::Corrupt(flaw) = problem else { panic!("{problem:?}") };
        assert!(flaw.to_string().len() < 200, "{flaw}");
    }
    for body in ["", "null", "[]", "<html>", "{\"schemaVersion\":2"] {
        assert!(matches!(Body::read(body.as_bytes(), None), Err(Problem::Corrupt(Flaw::Json { .. }))), "{body}");
    }
    let twice = br#"{"mediaType":"a","mediaType":"b"}"#;
    assert!(matches!(Body::read(twice, None), Err(Problem::Corrupt(Flaw::Json { .. }))));
}

#[test]
fn null_lists_are_empty_and_annotations_are_bounded_texts() {
    let manifest = good(&with(image(), json!({"layers": null, "annotations": null, "subject": null})));
    assert!(manifest.layers.is_empty() && manifest.annotations.is_empty() && manifest.subject.is_none());
    let annotations = json!({"a": "1\u{0}", "b": 2, "c": "x".repeat(ANNOTATIONS), "d": "4"});
    let manifest = good(&with(image(), json!({ "annotations": annotations })));
    let kept: Vec<_> = manifest.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(kept, [("a", "1\u{fffd}"), ("d", "4")]);
}
