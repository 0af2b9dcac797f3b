//! Fills docker-registry's storage directly: pushing thousands of repositories would take minutes.

use std::fs;
use std::path::Path;

/// Makes docker-registry list these names. Its catalog walks the tree and takes every directory that has a `_layers`
/// (measured on 2.8.2: `_manifests` alone is not listed); they hold no tags.
pub(crate) fn repositories<'a>(storage: &Path, names: impl IntoIterator<Item = &'a str>) {
    let root = storage.join("docker/registry/v2/repositories");
    fs::create_dir_all(&root).expect("a temporary directory takes directories");
    for name in names {
        fs::create_dir_all(root.join(name).join("_layers")).expect("a temporary directory takes directories");
    }
}
