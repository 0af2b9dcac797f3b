//! Images that registries hold and current tools do not push: each has its row with what could be read, the run's errors say
//! what could not, the night is `complete`, and the next one asks for no manifest of them again.

use std::fs;
use std::path::PathBuf;

use fake_registry::{
    DOCKER_IMAGE, DOCKER_LIST, FakeContents, FakeEndpoint, FakeRegistry, Holding, OCI_IMAGE, OCI_INDEX, Script, sha256,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::inventory::{RunRow, last_run, manifests, table};
use crate::support::program::{Workplace, one_registry};
use crate::support::python;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

fn blob(held: &mut Holding, media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": held.blob(bytes), "size": bytes.len()})
}

/// An image with this configuration, and these members of its manifest.
fn image(held: &mut Holding, tag: &str, config: &[u8], rest: &Value) -> String {
    let mut body = json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "layers": []});
    body["config"] = blob(held, CONFIG, config);
    for (key, value) in rest.as_object().unwrap() {
        body[key] = value.clone();
    }
    stored(held, tag, OCI_IMAGE, body.to_string())
}

/// A manifest of these bytes, announced as this type.
fn stored(held: &mut Holding, tag: &str, announced: &str, body: impl Into<Vec<u8>>) -> String {
    let descriptor = held.manifest(announced, body);
    held.tag_as(tag, &descriptor);
    descriptor["digest"].as_str().unwrap().to_owned()
}

/// A repository `a` of this content beside an image of `b`.
async fn registry(fill: impl FnOnce(&mut Holding)) -> (FakeRegistry, Workplace) {
    let contents = FakeContents::uniform(1).with("a", fill);
    let server = FakeRegistry::start(Script { contents, ..Script::open(["a", "b"]) }).await.unwrap();
    let place = Workplace::with(&one_registry(&server.url(), "    auth: {type: none}\n    depth: manifests\n"));
    (server, place)
}

fn rows(place: &Workplace, name: &str) -> Vec<Value> {
    let mut rows = table(&place.path("inventory"), "quay", name);
    rows.retain(|row| row["repository"] == "a");
    rows
}

fn run_row(place: &Workplace) -> RunRow {
    last_run(&place.path("inventory"), "quay")
}

/// Two nights, both complete; the second one asks where the tags lead and for nothing else. What the nights publish is the
/// same; the codes of its errors.
async fn two_nights(server: &FakeRegistry, place: &Workplace) -> Vec<String> {
    place.run(&["run"]).await.exits(0).says("complete");
    let published = || {
        ["tags", "manifests"].map(|name| {
            let mut rows = rows(place, name);
            for row in &mut rows {
                let columns = row.as_object_mut().unwrap();
                columns.retain(|column, _| !["run_id", "observed_at"].contains(&column.as_str()));
            }
            rows
        })
    };
    let codes = || {
        let mut codes = run_row(place).error_codes;
        codes.sort();
        codes
    };
    let (first, of_first, asked) = (published(), codes(), server.requests().len());
    place.run(&["run"]).await.exits(0).says("complete");
    assert_eq!(first, published());
    assert_eq!(of_first, codes());
    for request in &server.requests()[asked..] {
        let is_body =
            matches!(request.endpoint, FakeEndpoint::Manifest | FakeEndpoint::Blob) && request.method != "HEAD";
        assert!(!is_body, "{} {}", request.method, request.target);
    }
    of_first
}

#[tokio::test]
async fn one_odd_value_costs_no_digest_no_platform_and_no_night() {
    let head =
        r#"{"os":"linux","architecture":"amd64","created":"2024-05-06T07:08:09Z","config":{"Labels":{"team":"a""#;
    let mut digests = Vec::new();
    let (server, place) = registry(|held| {
        for (tag, tail) in [
            ("surrogate-in-label", &br#","note":"cut \ud83d"}}}"#[..]),
            ("latin1-in-label", b",\"by\":\"J\xfcrgen\"}}}"),
            ("surrogate-in-history", br#"}},"history":[{"created_by":"COPY caf\udce9.txt /"}]}"#),
            ("latin1-in-history", b"}},\"history\":[{\"created_by\":\"COPY caf\xe9.txt /\"}]}"),
            ("number", br#"}},"x":1e999}"#),
        ] {
            digests.push(image(held, tag, &[head.as_bytes(), tail].concat(), &json!({})));
        }
        let config = format!("{head}}}}}}}").into_bytes();
        let sizeless = json!({"layers": [{"mediaType": LAYER, "digest": sha256(b"x")}]});
        digests.push(image(held, "layer-without-size", &config, &sizeless));
        let c = blob(held, CONFIG, &config);
        let body = json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": c, "layers": [], "x": 1}).to_string();
        digests.push(stored(held, "header-differs", DOCKER_IMAGE, body));
    })
    .await;
    assert_eq!(two_nights(&server, &place).await, ["media_type_differs", "size_unknown", "text_replaced"]);
    let rows_of = rows(&place, "manifests");
    assert_eq!(rows_of.len(), digests.len());
    for row in &rows_of {
        assert_eq!(
            (&row["os"], &row["architecture"], &row["media_type"]),
            (&json!("linux"), &json!("amd64"), &json!(OCI_IMAGE))
        );
        assert!(row["labels_json"].as_str().unwrap().contains(r#""team":"a""#), "{row}");
        assert_eq!(row["created_at"], "2024-05-06T07:08:09Z");
    }
    let by = |digest: &String| rows_of.iter().find(|row| row["digest"] == **digest).unwrap();
    assert!(by(&digests[0])["labels_json"].as_str().unwrap().contains("cut \u{fffd}"));
    assert!(by(&digests[1])["labels_json"].as_str().unwrap().contains("J\u{fffd}rgen"));
    for unused in &digests[2..5] {
        assert!(by(unused)["notes"].is_null(), "{}", by(unused));
    }
    assert!(by(&digests[5])["layers"][0]["size"].is_null() && by(&digests[5])["total_size_bytes"].is_null());
    let tags = rows(&place, "tags");
    assert!(tags.iter().all(|tag| digests.iter().any(|digest| tag["digest"] == **digest)), "{tags:?}");
    assert!(tags.iter().all(|tag| tag["media_type"] == OCI_IMAGE), "{tags:?}");
}

#[tokio::test]
async fn schema_1_has_a_row_with_its_digest_and_media_type() {
    let body = json!({"schemaVersion": 1, "name": "a", "tag": "old", "fsLayers": [], "signatures": []}).to_string();
    let (server, place) = registry(|held| {
        stored(held, "old", SCHEMA_1, body.clone());
    })
    .await;
    assert_eq!(two_nights(&server, &place).await, ["schema_1"]);
    let row = &rows(&place, "manifests")[0];
    assert_eq!((&row["kind"], &row["media_type"]), (&json!("image"), &json!(SCHEMA_1)));
    assert_eq!(row["digest"], sha256(body.as_bytes()));
    let tag = &rows(&place, "tags")[0];
    assert_eq!((&tag["digest"], &tag["media_type"]), (&row["digest"], &row["media_type"]));
}

#[tokio::test]
async fn an_index_and_a_list_of_one_shape_are_the_same_and_an_image_is_none() {
    let (mut kept, mut refused) = (String::new(), String::new());
    let (server, place) = registry(|held| {
        let child = held.image("linux/amd64", "x");
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string();
        kept = stored(held, "8.0", DOCKER_LIST, index.clone());
    })
    .await;
    assert_eq!(two_nights(&server, &place).await, ["media_type_differs"]);
    assert_eq!(rows(&place, "tags")[0]["digest"], *kept);
    assert_eq!(rows(&place, "tags")[0]["media_type"], OCI_INDEX);

    let (_server, place) = registry(|held| {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).to_string();
        refused = stored(held, "8.0", OCI_IMAGE, index);
    })
    .await;
    place.run(&["run"]).await.exits(3).says("gaps");
    assert_eq!(run_row(&place).error_codes, ["gaps", "corrupt"]);
    // It has no row; where the tag leads is known all the same.
    assert_eq!(rows(&place, "tags")[0]["digest"], *refused);
    assert_eq!(rows(&place, "manifests"), Vec::<Value>::new());
}

#[tokio::test]
async fn an_oci_artifact_is_no_tag_that_leads_nowhere() {
    let body = json!({"mediaType": ARTIFACT, "artifactType": "vuln-scan", "blobs": [],
        "subject": {"mediaType": OCI_IMAGE, "digest": sha256(b"image"), "size": 10}});
    let (server, place) = registry(|held| {
        stored(held, "sbom", ARTIFACT, body.to_string());
    })
    .await;
    assert_eq!(two_nights(&server, &place).await, Vec::<String>::new());
    let row = &rows(&place, "manifests")[0];
    assert_eq!((&row["kind"], &row["artifact_type"]), (&json!("artifact"), &json!("vuln-scan")));
    assert_eq!(row["subject_digest"], sha256(b"image"));
    assert_eq!(rows(&place, "tags")[0]["digest"], row["digest"]);
}

#[tokio::test]
async fn layers_and_configurations_in_a_build_cache_are_not_asked_for_as_manifests() {
    let mut entries = Vec::new();
    let (server, place) = registry(|held| {
        entries = (0..6_u8).map(|n| blob(held, LAYER, &[n])).collect();
        entries.push(blob(held, "application/vnd.buildkit.cacheconfig.v0", b"{}"));
        entries.push(held.image("linux/amd64", "x"));
        let index = held.index(OCI_INDEX, &entries);
        held.tag_as("buildcache", &index);
    })
    .await;
    assert_eq!(two_nights(&server, &place).await, Vec::<String>::new());
    let blobs: Vec<_> = entries[..7].iter().map(|entry| entry["digest"].as_str().unwrap()).collect();
    for request in server.requests_to(FakeEndpoint::Manifest) {
        assert!(!blobs.iter().any(|blob| request.target.contains(blob)), "{}", request.target);
    }
    let rows = rows(&place, "manifests");
    let index = rows.iter().find(|row| row["kind"] == "index").unwrap();
    assert_eq!((rows.len(), index["child_digests"].as_array().unwrap().len()), (2, 8));
    let layers: Vec<_> =
        index["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap()).collect();
    assert_eq!(layers, blobs);
}

#[tokio::test]
async fn labels_and_annotations_of_build_tools_are_whole() {
    let labels = |entries: usize, length: usize| -> Value {
        (0..entries).map(|n| (format!("io.buildpacks.{n}"), json!("y".repeat(length)))).collect()
    };
    let config = |labels: &Value| json!({"os": "linux", "config": {"Labels": labels}}).to_string().into_bytes();
    let (one, many, sbom) = (labels(1, 200_000), labels(1000, 50), labels(2, 1_000_000));
    let (server, place) = registry(|held| {
        image(held, "one", &config(&one), &json!({}));
        image(held, "many", &config(&many), &json!({"annotations": sbom}));
    })
    .await;
    assert_eq!(two_nights(&server, &place).await, Vec::<String>::new());
    let read = |column: &str| -> Vec<Value> {
        let rows = rows(&place, "manifests");
        rows.iter().filter_map(|row| row[column].as_str()).map(|text| serde_json::from_str(text).unwrap()).collect()
    };
    let kept = read("labels_json");
    assert!(kept.len() == 2 && kept.contains(&one) && kept.contains(&many));
    assert_eq!(read("annotations_json"), [sbom]);
}

#[tokio::test]
async fn every_time_that_is_published_is_one_that_readers_take() {
    let times = [
        ("0001-01-01T00:00:00Z", None),
        ("0002-01-01T00:00:00Z", None),
        ("1582-10-10T00:00:00Z", None),
        ("1899-12-31T23:59:59Z", None),
        ("1900-01-01T00:00:00Z", Some("1900-01-01T00:00:00")),
        ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00")),
        ("2200-12-31T23:59:59.999999Z", Some("2200-12-31T23:59:59.999999")),
        ("2201-01-01T00:00:00Z", None),
        ("2262-04-12T00:00:00Z", None),
        ("9999-12-31T23:59:59.999999999Z", None),
    ];
    let (server, place) = registry(|held| {
        for (at, (time, _)) in times.iter().enumerate() {
            let config = json!({"os": "linux", "architecture": time, "created": time}).to_string();
            image(held, &format!("v{at}"), config.as_bytes(), &json!({}));
        }
    })
    .await;
    // The year 1 is how Go writes that there is no time.
    assert_eq!(two_nights(&server, &place).await, ["created_unusable"]);
    let manifest = manifests(&place.path("inventory"), "quay").pop().unwrap();
    let mut objects = manifest["objects"].as_array().unwrap().iter();
    let key = objects.find(|object| object["table"] == "manifests").unwrap()["key"].as_str().unwrap();
    let object: PathBuf = place.path("inventory").join(key);
    let script = place.path("times.py");
    fs::write(&script, TIMES).unwrap();
    let output = Command::new(python()).arg(&script).arg(&object).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (reader, seen) in seen.as_object().unwrap() {
        for (time, expected) in &times {
            assert_eq!(seen[time], json!(expected), "{reader} {time}");
        }
    }
    assert!(seen["duckdb"].is_object() && seen["pyarrow"].is_object());
}

/// `created_at` by the text from which it was read, as each reader gives it; pandas where it is installed. A cast to
/// nanoseconds stands for what pandas before 2.0 does, and for Spark the bound of 1900.
const TIMES: &str = r#"
import json, sys
import duckdb, pyarrow, pyarrow.compute, pyarrow.parquet

path, readers = sys.argv[1], {}
query = "select architecture, created_at at time zone 'UTC' from read_parquet('%s', hive_partitioning = false)" % path
readers["duckdb"] = {key: time and time.isoformat() for key, time in duckdb.sql(query).fetchall()}
table = pyarrow.parquet.ParquetFile(path).read()
rows = table.select(["architecture", "created_at"]).to_pylist()
readers["pyarrow"] = {row["architecture"]: row["created_at"] and row["created_at"].replace(tzinfo=None).isoformat() for row in rows}
nanoseconds = table.column("created_at").cast(pyarrow.timestamp("ns", "UTC"))
assert nanoseconds.null_count == table.column("created_at").null_count
try:
    import pandas
    frame = table.select(["architecture", "created_at"]).to_pandas()
    times = [None if pandas.isna(time) else time.tz_localize(None).isoformat() for time in frame["created_at"]]
    readers["pandas"] = dict(zip(frame["architecture"], times))
except ImportError:
    pass
json.dump(readers, sys.stdout)
"#;
