//! Manifests of every kind, and bodies that are not manifests.

use serde_json::{Value, json};

use super::*;
use crate::model::manifest::Platform;
use crate::model::media_type::{DOCKER_IMAGE, DOCKER_LIST, OCI_ARTIFACT, ORAS_ARTIFACT, announced};
use crate::model::oddity::Oddities;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn points(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": DIGEST, "size": 7})
}

fn image() -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": points(IMAGE_CONFIGS[0]), "layers": [points("layer")]})
}

/// The manifest with these members changed, or removed if null.
fn with(mut base: Value, change: Value) -> Value {
    let Value::Object(change) = change else { panic!("members") };
    for (key, value) in change {
        base[key] = value;
    }
    base
}

fn read_as(body: &Value, content_type: Option<&str>) -> Result<Manifest, Problem> {
    read(body.to_string().as_bytes(), announced(content_type).as_deref())
}

fn good(body: &Value) -> Manifest {
    read_as(body, None).unwrap_or_else(|problem| panic!("{body}: {problem:?}"))
}

/// The codes of its oddities.
fn odd(manifest: &Manifest) -> Vec<String> {
    manifest.oddities.notes().iter().map(|note| note.split(": ").next().expect("a code").to_owned()).collect()
}

#[test]
fn images_indexes_and_artifacts_are_told_apart() {
    assert_eq!(good(&image()).kind, ContentKind::Image);
    assert_eq!(good(&image()).artifact_type, None);
    assert_eq!(good(&image()).oddities, Oddities::default());
    let docker = with(image(), json!({"mediaType": DOCKER_IMAGE, "config": points(IMAGE_CONFIGS[1])}));
    assert_eq!(good(&docker).kind, ContentKind::Image);
    for (change, artifact_type) in [
        (json!({"artifactType": "application/x"}), "application/x"),
        (json!({"config": points("application/vnd.oci.empty.v1+json")}), "application/vnd.oci.empty.v1+json"),
        (
            json!({"config": points("application/vnd.cncf.helm.config.v1+json")}),
            "application/vnd.cncf.helm.config.v1+json",
        ),
    ] {
        let manifest = good(&with(image(), change));
        assert_eq!((manifest.kind, manifest.artifact_type.as_deref()), (ContentKind::Artifact, Some(artifact_type)));
    }
    for media_type in [OCI_INDEX, DOCKER_LIST] {
        let mut child = points(OCI_IMAGE);
        child["platform"] = json!({"os": "linux", "architecture": "unknown", "variant": ""});
        let index = good(&json!({"mediaType": media_type, "manifests": [child], "subject": points(OCI_IMAGE)}));
        assert_eq!((index.kind, index.media_type.as_str()), (ContentKind::Index, media_type));
        assert_eq!(index.children[0].platform, Platform { os: Some("linux".into()), ..Platform::default() });
        assert_eq!(index.subject.as_deref(), Some(DIGEST));
    }
    for media_type in [OCI_ARTIFACT, ORAS_ARTIFACT] {
        let body =
            json!({"mediaType": media_type, "artifactType": "a/b", "blobs": [points("x")], "subject": points("y")});
        let old = good(&body);
        assert_eq!((old.kind, old.layers.len(), old.config), (ContentKind::Artifact, 1, None));
        assert_eq!((old.artifact_type.as_deref(), old.subject.as_deref()), (Some("a/b"), Some(DIGEST)));
    }
}

#[test]
fn the_content_type_is_read_leniently_in_form_and_strictly_in_meaning() {
    let upper = OCI_IMAGE.to_uppercase() + " ; charset=utf-8";
    assert_eq!(read_as(&image(), Some(&upper)).expect("a manifest").oddities, Oddities::default());
    let unnamed = with(image(), json!({"mediaType": null}));
    assert_eq!(read_as(&unnamed, Some(DOCKER_IMAGE)).expect("a manifest").media_type, DOCKER_IMAGE);
    for untold in [None, Some("text/plain; charset=utf-8"), Some("application/json"), Some("")] {
        assert_eq!(read_as(&unnamed, untold).expect("a manifest").media_type, OCI_IMAGE);
    }
    for foreign in ["text/html", "application/vnd.acme+json"] {
        let problem = read_as(&unnamed, Some(foreign)).expect_err("nobody knows what it is");
        assert!(matches!(problem, Problem::UnsupportedContent(UnsupportedContent::MediaType(_))), "{foreign}");
        let own = with(image(), json!({"mediaType": "application/vnd.acme+json"}));
        assert!(
            matches!(read_as(&own, Some(foreign)), Err(Problem::UnsupportedContent(UnsupportedContent::MediaType(_)))),
            "{foreign}"
        );
    }
}

#[test]
fn a_header_that_names_the_other_type_of_the_same_kind_or_none_is_noted_and_the_body_counts() {
    let index = |own: &str| json!({"mediaType": own, "manifests": []});
    for (body, header) in [
        (image(), DOCKER_IMAGE),
        (image(), SCHEMA_1),
        (image(), "application/xml"),
        (with(image(), json!({"mediaType": DOCKER_IMAGE})), OCI_IMAGE),
        (index(OCI_INDEX), DOCKER_LIST),
        (index(DOCKER_LIST), OCI_INDEX),
        (json!({"mediaType": OCI_ARTIFACT}), ORAS_ARTIFACT),
        (json!({"schemaVersion": 1, "fsLayers": []}), DOCKER_IMAGE),
    ] {
        let manifest = read_as(&body, Some(header)).unwrap_or_else(|problem| panic!("{header} {body}: {problem:?}"));
        assert_eq!(manifest.media_type, body["mediaType"].as_str().unwrap_or(SCHEMA_1), "{header}");
        assert_eq!(odd(&manifest)[0], "media_type_differs", "{header}");
        assert!(manifest.oddities.notes()[0].contains(header), "{header}");
    }
}

#[test]
fn an_image_that_is_announced_as_an_index_is_refused_and_the_other_way_round() {
    let index = |own: &str| json!({"mediaType": own, "manifests": []});
    for (body, header) in [
        (image(), OCI_INDEX),
        (image(), DOCKER_LIST),
        (image(), OCI_ARTIFACT),
        (index(OCI_INDEX), OCI_IMAGE),
        (index(DOCKER_LIST), SCHEMA_1),
        (with(image(), json!({"mediaType": "application/vnd.acme+json"})), OCI_IMAGE),
    ] {
        let problem = read_as(&body, Some(header)).expect_err("two things at once");
        assert!(matches!(problem, Problem::Corrupt(ContentFlaw::MediaType { .. })), "{header} {body}: {problem:?}");
    }
}

#[test]
fn schema_1_is_an_image_of_which_no_more_is_known_however_it_comes() {
    let signed = json!({"schemaVersion": 1, "fsLayers": [], "signatures": []});
    let plain = json!({"schemaVersion": 1, "fsLayers": [{"blobSum": DIGEST}], "architecture": "amd64"});
    for (body, header, media_type) in [
        (&signed, Some(SIGNED_SCHEMA_1), SIGNED_SCHEMA_1),
        (&signed, Some("application/json"), SIGNED_SCHEMA_1),
        (&plain, Some("application/vnd.docker.distribution.manifest.v1+json; charset=utf-8"), SCHEMA_1),
        (&plain, None, SCHEMA_1),
    ] {
        let manifest = read_as(body, header).expect("a manifest");
        assert_eq!((manifest.kind, manifest.media_type.as_str()), (ContentKind::Image, media_type));
        assert_eq!((odd(&manifest), manifest.has_layers(), manifest.config), (vec!["schema_1".into()], false, None));
    }
    for no_image in [json!({}), json!({"fsLayers": [], "manifests": []}), with(image(), json!({"mediaType": null}))] {
        let problem = read_as(&no_image, Some(SIGNED_SCHEMA_1)).expect_err("nothing of schema 1");
        assert!(matches!(problem, Problem::Corrupt(ContentFlaw::Ambiguous)), "{no_image}");
    }
}

#[test]
fn a_body_that_could_be_two_kinds_of_manifest_or_none_is_corrupt() {
    for body in [
        with(image(), json!({"manifests": []})),
        with(image(), json!({"MANIFESTS": []})),
        with(image(), json!({"fsLayers": []})),
        json!({"mediaType": OCI_INDEX, "manifests": [], "layers": []}),
        json!({"mediaType": OCI_INDEX, "manifests": [], "config": points("x")}),
        json!({"manifests": [], "config": points("x")}),
        json!({"mediaType": OCI_IMAGE}),
        json!({}),
    ] {
        assert!(matches!(read_as(&body, None), Err(Problem::Corrupt(ContentFlaw::Ambiguous))), "{body}");
    }
    for name in ["mediaType", "config", "layers", "manifests", "schemaVersion"] {
        let body = format!(r#"{{"{name}":"a","{}":"a"}}"#, name.to_uppercase());
        assert!(matches!(read(body.as_bytes(), None), Err(Problem::Corrupt(ContentFlaw::Twice(_)))), "{body}");
    }
}

#[test]
fn a_body_that_is_no_manifest_is_corrupt_and_its_text_is_not_repeated() {
    let long = "x".repeat(10_000);
    for change in [
        json!({"layers": vec![points("layer"); MOST + 1]}),
        json!({"config": null, "layers": null, "mediaType": OCI_INDEX, "manifests": long}),
        json!({"config": null, "layers": null, "mediaType": OCI_INDEX, "manifests": vec![points("x"); MOST + 1]}),
    ] {
        let problem = read_as(&with(image(), change), None).expect_err("corrupt");
        let Problem::Corrupt(flaw) = problem else { panic!("{problem:?}") };
        assert!(flaw.to_string().len() < 200, "{flaw}");
    }
    for body in ["", "null", "[]", "<html>", "{\"schemaVersion\":2"] {
        assert!(matches!(read(body.as_bytes(), None), Err(Problem::Corrupt(ContentFlaw::Json { .. }))), "{body}");
    }
}

#[test]
fn one_odd_value_counts_as_missing_and_spoils_nothing_else() {
    let long = "x".repeat(10_000);
    let expected = good(&image());
    for (change, code) in [
        (json!({"subject": {"digest": "x", "size": 1}}), "value_unreadable"),
        (json!({"subject": "x"}), "value_unreadable"),
        (json!({"annotations": []}), "value_unreadable"),
        (json!({"annotations": {"a": 2}}), "value_unreadable"),
        (json!({"schemaVersion": 1}), "value_unreadable"),
    ] {
        let manifest = good(&with(image(), change.clone()));
        assert_eq!(odd(&manifest), [code], "{change}");
        assert_eq!(Manifest { oddities: Oddities::default(), size: expected.size, ..manifest }, expected, "{change}");
    }
    for change in [json!({"artifactType": "a\nb"}), json!({"artifactType": 7})] {
        let manifest = good(&with(image(), change));
        assert_eq!((manifest.kind, manifest.artifact_type.as_ref()), (ContentKind::Artifact, None));
        assert_eq!(odd(&manifest), ["value_unreadable"]);
    }
    for layer in [
        json!({"digest": DIGEST}),
        json!({"digest": DIGEST, "size": -1}),
        json!({"digest": DIGEST, "size": 1e30}),
        json!({"digest": DIGEST, "size": 1.5}),
        json!({"digest": DIGEST, "size": "7"}),
        json!({"digest": DIGEST, "size": null}),
    ] {
        let manifest = good(&with(image(), json!({"layers": [points("a"), layer, points("b")]})));
        assert_eq!(
            manifest.layers.iter().map(|layer| layer.size).collect::<Vec<_>>(),
            [Some(7), None, Some(7)],
            "{layer}"
        );
        assert_eq!(odd(&manifest), ["size_unknown"], "{layer}");
    }
    for layers in [json!(long), json!([{"digest": "../../etc", "size": 1}, points("a")]), json!([[]]), json!([{}])] {
        let manifest = good(&with(image(), json!({ "layers": layers })));
        assert_eq!((odd(&manifest), manifest.has_layers()), (vec!["layers_unreadable".into()], false), "{layers:.50}");
    }
    for media_type in [json!("a\u{1b}[31m"), json!(long), json!(5)] {
        let manifest =
            good(&with(image(), json!({"layers": [{"digest": DIGEST, "size": 1, "mediaType": media_type}]})));
        assert_eq!((odd(&manifest), manifest.layers[0].media_type.as_str()), (vec!["value_unreadable".into()], ""));
    }
    for config in [json!({"digest": "sha256:short", "size": 1}), json!("x")] {
        let manifest = good(&with(image(), json!({ "config": config })));
        assert_eq!((odd(&manifest).len(), manifest.kind, manifest.config), (2, ContentKind::Image, None));
    }
    let endless = image().to_string().replace("\"size\":7", "\"size\":1e999");
    assert_eq!(odd(&read(endless.as_bytes(), None).expect("a manifest")), ["size_unknown"]);
}

#[test]
fn an_index_keeps_what_leads_somewhere() {
    let odd_ones =
        [json!({"digest": "x"}), json!(7), points(OCI_IMAGE), json!({"digest": DIGEST, "platform": "linux"})];
    let index = good(&json!({"mediaType": OCI_INDEX, "manifests": odd_ones}));
    assert_eq!(index.children.len(), 2);
    assert_eq!(
        index.oddities.notes(),
        ["value_unreadable: an entry that has no digest cannot be read and counts as missing; 2 more like it"]
    );
    let cache = json!({"mediaType": OCI_INDEX, "manifests": [points("application/vnd.oci.image.layer.v1.tar+gzip"), points("")]});
    let cache = good(&cache);
    assert_eq!(cache.children.iter().map(Child::is_manifest).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn text_that_is_not_unicode_is_replaced_in_annotations_and_noted() {
    let body = image().to_string().replacen('{', r#"{"annotations":{"a":"\ud83d","b":"\u0000"},"x":1e999,"#, 1);
    let manifest = read(body.as_bytes(), None).expect("a manifest");
    assert_eq!(manifest.annotations.into_values().collect::<Vec<_>>(), ["\u{fffd}", "\u{fffd}"]);
    let latin = image().to_string().replacen('{', r#"{"annotations":{"a":"@"},"#, 1).into_bytes();
    let latin: Vec<u8> = latin.into_iter().map(|byte| if byte == b'@' { 0xe9 } else { byte }).collect();
    let manifest = read(&latin, None).expect("a manifest");
    assert_eq!((odd(&manifest), manifest.annotations["a"].as_str()), (vec!["text_replaced".into()], "\u{fffd}"));
}

#[test]
fn null_lists_are_empty() {
    let manifest = good(&with(image(), json!({"layers": null, "annotations": null, "subject": null})));
    assert!(manifest.layers.is_empty() && manifest.annotations.is_empty() && manifest.subject.is_none());
    assert_eq!(manifest.oddities, Oddities::default());
}
