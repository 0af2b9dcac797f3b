//! What was pushed against the tables of an inventory, row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use stocktake::registry::ContentKind;
use stocktake::registry::{Descriptor, Manifest};

use super::inventory::table;
use super::push::{ExpectedRepository, Pushed};

/// The manifests that tags lead to, by digest: what was pushed and cannot be reached from a tag is left out.
pub(crate) fn reachable(held: &ExpectedRepository) -> BTreeSet<&str> {
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
pub(crate) fn expected_manifest(repository: &str, held: &ExpectedRepository, manifest: &Manifest) -> Value {
    let config = manifest.config.as_ref().and_then(|config| held.configs.get(&config.digest));
    let is_image = manifest.kind == ContentKind::Image;
    assert_eq!(config.is_some(), is_image, "{repository}@{}", manifest.digest);
    let layer =
        |layer: &Descriptor| json!({"digest": layer.digest, "size": layer.size, "media_type": layer.media_type});
    let size = manifest.config.iter().chain(&manifest.layers).map(|part| part.size).sum::<Option<i64>>();
    let is_index = manifest.kind == ContentKind::Index;
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
        "total_size_bytes": size.filter(|_| !is_index),
        "subject_digest": manifest.subject,
        "child_digests": is_index.then(|| manifest.children.iter().map(|c| &c.descriptor.digest).collect::<Vec<_>>()),
        "layers": (!is_index).then(|| manifest.layers.iter().map(layer).collect::<Vec<_>>()),
    });
    row.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    row
}

/// The row that a tag should be: bare, where the manifest that it names is lost.
pub(crate) fn expected_tag(repository: &str, held: &ExpectedRepository, tag: &str, digest: &str) -> Value {
    let mut row = json!({"repository": repository, "tag": tag});
    if let Some(manifest) = held.manifests.get(digest) {
        row["digest"] = json!(digest);
        row["media_type"] = json!(manifest.media_type);
        row["size_bytes"] = json!(manifest.size);
    }
    row
}

/// The rows of a table without the columns that no push decides.
pub(crate) fn told(root: &Path, name: &str) -> Vec<Value> {
    let mut rows = table(root, "quay", name);
    for row in &mut rows {
        let columns = row.as_object_mut().unwrap();
        columns.retain(|column, _| {
            !["run_id", "observed_at", "created_at", "annotations_json", "labels_json"].contains(&column.as_str())
        });
    }
    rows
}

/// All three tables; of each name in `others`, a repository that could not be read, the row has the state beside it.
pub(crate) fn assert_is_what_was_pushed(root: &Path, pushed: &Pushed, others: &[(&str, &str)]) {
    let (mut tags, mut manifests) = (BTreeMap::new(), BTreeMap::new());
    let mut states: BTreeMap<_, _> = others.iter().map(|(name, state)| (*name, json!([state, null]))).collect();
    for (repository, held) in pushed {
        states.insert(repository, json!(["complete", held.tags.len()]));
        for (tag, digest) in &held.tags {
            tags.insert((repository, tag), expected_tag(repository, held, tag, digest));
        }
        for digest in reachable(held) {
            manifests.insert((repository, digest), expected_manifest(repository, held, &held.manifests[digest]));
        }
    }
    assert_eq!(told(root, "tags"), tags.into_values().collect::<Vec<_>>());
    assert_eq!(told(root, "manifests"), manifests.into_values().collect::<Vec<_>>());
    let rows = told(root, "repositories");
    let told = rows.iter().map(|row| (row["repository"].as_str().unwrap(), json!([row["state"], row["tag_count"]])));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), states);
}
