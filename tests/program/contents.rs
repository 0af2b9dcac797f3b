//! Tags and manifests, from the real docker-registry to Parquet, and what a second night spares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use stocktake::registry::{Descriptor, Manifest};
use stocktake_sink::ManifestKind;

use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::inventory::{last_run, table};
use crate::support::program::{LOGIN, Workplace, one_registry};
use crate::support::push::{self, Held, Pushed};

fn place(registry: &DockerRegistry, lines: &str) -> Workplace {
    let place = Workplace::with(&one_registry(&registry.url(), &format!("{LOGIN}{lines}")));
    place.secret("password", registry.password());
    let yaml = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    place.configure(&yaml.replace("acme+inventory", registry.username()));
    place
}

/// The manifests that tags lead to, by digest: what was pushed and cannot be reached is nobody's business.
fn reachable(held: &Held) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = held.tags.values().map(String::as_str).collect();
    while let Some(digest) = next.pop() {
        if let Some(manifest) = held.manifests.get(digest)
            && found.insert(digest)
        {
            next.extend(manifest.children.iter().map(|child| child.descriptor.digest.as_str()));
        }
    }
    found
}

/// The row that a manifest should be, without times.
fn expected(repository: &str, held: &Held, manifest: &Manifest) -> Value {
    let config = manifest.config.as_ref().and_then(|config| held.configs.get(&config.digest));
    let is_image = manifest.kind == ManifestKind::Image;
    assert_eq!(config.is_some(), is_image, "{repository}@{}", manifest.digest);
    let layer =
        |layer: &Descriptor| json!({"digest": layer.digest, "size": layer.size, "media_type": layer.media_type});
    let size = manifest.config.iter().chain(&manifest.layers).map(|part| part.size).sum::<i64>();
    let is_index = manifest.kind == ManifestKind::Index;
    let mut row = json!({
        "repository": repository,
        "digest": manifest.digest,
        "media_type": manifest.media_type,
        "artifact_type": manifest.artifact_type,
        "kind": manifest.kind.as_str(),
        "config_digest": manifest.config.as_ref().map(|config| &config.digest),
        "os": config.and_then(|config| config.platform.os.as_deref()),
        "architecture": config.and_then(|config| config.platform.architecture.as_deref()),
        "variant": config.and_then(|config| config.platform.variant.as_deref()),
        "layer_count": (!is_index).then_some(manifest.layers.len()),
        "total_size_bytes": (!is_index).then_some(size),
        "subject_digest": manifest.subject,
        "child_digests": is_index.then(|| manifest.children.iter().map(|c| &c.descriptor.digest).collect::<Vec<_>>()),
        "layers": (!is_index).then(|| manifest.layers.iter().map(layer).collect::<Vec<_>>()),
    });
    row.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    row
}

/// The rows of a table without the columns that no push decides.
fn told(root: &Path, name: &str) -> Vec<Value> {
    let mut rows = table(root, "quay", name);
    for row in &mut rows {
        let columns = row.as_object_mut().unwrap();
        columns.retain(|column, _| {
            !["run_id", "observed_at", "created_at", "annotations_json", "labels_json"].contains(&column.as_str())
        });
    }
    rows
}

fn assert_is_what_was_pushed(root: &Path, pushed: &Pushed) {
    let (mut tags, mut manifests, mut counts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (repository, held) in pushed {
        counts.insert(repository.as_str(), held.tags.len());
        for (tag, digest) in &held.tags {
            let mut row = json!({"repository": repository, "tag": tag});
            if let Some(manifest) = held.manifests.get(digest) {
                row["digest"] = json!(digest);
                row["media_type"] = json!(manifest.media_type);
                row["size_bytes"] = json!(manifest.size);
            }
            tags.insert((repository, tag), row);
        }
        for digest in reachable(held) {
            manifests.insert((repository, digest), expected(repository, held, &held.manifests[digest]));
        }
    }
    assert_eq!(told(root, "tags"), tags.into_values().collect::<Vec<_>>());
    assert_eq!(told(root, "manifests"), manifests.into_values().collect::<Vec<_>>());
    for row in told(root, "repositories") {
        let repository = row["repository"].as_str().unwrap();
        assert_eq!(json!([row["state"], row["tag_count"]]), json!(["complete", counts[repository]]), "{row}");
    }
}

#[tokio::test]
async fn all_that_was_pushed_is_there_and_a_second_night_asks_only_where_tags_lead() {
    for mode in [Mode::Open, Mode::Token { lifetime: Duration::from_secs(2) }] {
        let registry = DockerRegistry::start(mode, []).await;
        let pushed = push::everything(&registry).await;
        let place = place(&registry, "    depth: manifests\n");
        place.run(&["run"]).await.exits(0).says("complete");
        let root = place.path("inventory");
        assert_is_what_was_pushed(&root, &pushed);
        let first = last_run(&root, "quay");
        assert_eq!((first.error_codes.len(), first.requests_saved), (2, 0), "{first:?}");

        place.run(&["run"]).await.exits(0).says("complete").says("saved");
        assert_is_what_was_pushed(&root, &pushed);
        let second = last_run(&root, "quay");
        let manifests = pushed.values().map(|held| reachable(held).len()).sum::<usize>();
        assert!(second.requests_saved > i64::try_from(manifests).unwrap(), "{manifests}: {second:?}");
        assert!(second.requests < first.requests, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn at_depth_tags_the_tags_are_there_and_no_manifest_is_asked_for() {
    let registry = DockerRegistry::start(Mode::Htpasswd, []).await;
    let pushed = push::everything(&registry).await;
    let place = place(&registry, "    depth: tags\n");
    place.run(&["run"]).await.exits(0).says("complete");
    let root = place.path("inventory");
    let expected: Vec<Value> = pushed
        .iter()
        .flat_map(|(repository, held)| held.tags.keys().map(move |tag| json!({"repository": repository, "tag": tag})))
        .collect();
    assert_eq!(told(&root, "tags"), expected);
    // The ping, a page of names, and a page of tags for each.
    assert_eq!(last_run(&root, "quay").requests, 2 + i64::try_from(pushed.len()).unwrap());
}
