//! What is odd in a repository: read as far as it can be, said on each night, and not fetched again.

use super::memory::{MemoryRepository, digest};
use super::repositories::{rows, sealed, settings, short};
use super::*;

use super::super::manifests::is_read;
use super::super::memory::MemoryBudget;
use super::super::reading::ContentsReader;
use crate::registry::Child;
use crate::registry::Descriptor;
use crate::registry::ImageConfig;
use crate::registry::Odd;
use crate::registry::Platform;
use crate::registry::RepositoryRef;
use crate::snapshot::{ManifestRow, Sealed};

/// A walk of the same repositories on the next night.
async fn next_night(memory: MemoryRegistry, before: &Sealed, directory: &Path) -> (MemoryRegistry, WalkCounts, Sealed) {
    let memory = MemoryRegistry { known: SnapshotLookup::open(before).unwrap().map(Arc::new), ..memory };
    let (counts, sealed) = sealed(&memory, &settings(Depth::Manifests), directory).await;
    (memory, counts, sealed)
}

fn one(repository: &MemoryRepository) -> MemoryRegistry {
    MemoryRegistry::of([("a/app", repository.clone())])
}

fn codes(counts: &WalkCounts) -> Vec<(String, i64)> {
    counts.errors().into_iter().map(|error| (error.code, error.count)).collect()
}

const NOTES: [&str; 3] = ["digest", "labels_json", "notes"];

#[tokio::test]
async fn entries_of_an_index_that_are_no_manifests_are_its_layers_and_nobody_asks_for_them() {
    let mut cache = MemoryRepository::default().with_index("cache", "b", &["b1"]);
    let layer = |name: &str, size| Child {
        descriptor: Descriptor {
            digest: digest(name),
            size,
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
        },
        platform: Platform::default(),
    };
    let index = cache.manifests.get_mut(&digest("b")).unwrap();
    index.children.extend([layer("1a", Some(7)), layer("2a", None)]);
    let (memory, scratch) = (one(&cache), tempfile::tempdir().unwrap());
    let (counts, before) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("1")).await;
    assert_eq!(memory.asked("get "), ["get a/app cache".to_owned(), format!("get a/app {}", digest("b1"))]);
    assert_eq!(codes(&counts), []);
    let columns = ["kind", "child_digests", "layers", "layer_count", "total_size_bytes"];
    let index = &rows(&before.snapshot, Table::Manifests, &columns)[0];
    for there in [digest("b1"), digest("1a"), digest("2a"), "size: 7".into()] {
        assert!(index.contains(&there), "{there}: {index}");
    }
    let (memory, counts, after) = next_night(one(&cache), &before, &scratch.path().join("2")).await;
    assert_eq!((memory.asked("head ").len(), memory.asked("get "), memory.asked("config ")), (1, vec![], vec![]));
    assert_eq!(codes(&counts), []);
    let columns = ["digest", "child_digests", "layers"];
    let of = |sealed: &Sealed| rows(&sealed.snapshot, Table::Manifests, &columns);
    assert_eq!(of(&before), of(&after));
}

#[tokio::test]
async fn what_is_odd_is_in_the_row_and_in_the_errors_of_each_night_and_the_repository_is_complete() {
    let mut app = MemoryRepository::default().with_image("v1", "a1").with_image("v2", "a2");
    app.manifests.get_mut(&digest("a1")).unwrap().oddities.add(Odd::MediaTypeDiffers, || "one thing".into());
    for name in ["c0a1", "c0a2"] {
        app.configs.get_mut(&digest(name)).unwrap().oddities.add(Odd::TextReplaced, || "another".into());
    }
    let scratch = tempfile::tempdir().unwrap();
    let (first, before) = sealed(&one(&app), &settings(Depth::Manifests), &scratch.path().join("1")).await;
    let noted = rows(&before.snapshot, Table::Manifests, &["notes"]);
    assert_eq!(noted, ["[media_type_differs: one thing, text_replaced: another]", "[text_replaced: another]"]);
    let (memory, second, after) = next_night(one(&app), &before, &scratch.path().join("2")).await;
    assert_eq!((memory.asked("get "), memory.asked("config ")), (vec![], vec![]));
    assert_eq!(noted, rows(&after.snapshot, Table::Manifests, &["notes"]));
    for counts in [&first, &second] {
        assert_eq!(codes(counts), [("media_type_differs".into(), 1), ("text_replaced".into(), 2)]);
        let message = &counts.errors()[1].message;
        assert_eq!(*message, format!("a/app@{}: another", digest("a1")));
        assert_eq!((counts.read, counts.unreadable), (1, 0));
    }
    assert_eq!(rows(&after.snapshot, Table::Repositories, &["state"]), ["complete"]);
}

#[tokio::test]
async fn a_configuration_that_is_none_is_not_fetched_again() {
    let mut app = MemoryRepository::default().with_image("v1", "a1");
    let unreadable = app.configs.get_mut(&digest("c0a1")).unwrap();
    *unreadable = ImageConfig::default();
    unreadable.oddities.add(Odd::ConfigUnreadable, || "rubbish".into());
    let scratch = tempfile::tempdir().unwrap();
    let (_, before) = sealed(&one(&app), &settings(Depth::Manifests), &scratch.path().join("1")).await;
    let expected = ["a1 - [config_unreadable: rubbish]"];
    assert_eq!(short(rows(&before.snapshot, Table::Manifests, &NOTES)), expected);
    let (memory, _, after) = next_night(one(&app), &before, &scratch.path().join("2")).await;
    assert_eq!((memory.asked("get "), memory.asked("config ")), (vec![], vec![]));
    assert_eq!(short(rows(&after.snapshot, Table::Manifests, &NOTES)), expected);
}

#[tokio::test]
async fn an_image_without_a_configuration_is_not_fetched_again() {
    // As one of schema 1.
    let mut old = MemoryRepository::default().with_image("v1", "a1");
    let image = old.manifests.get_mut(&digest("a1")).unwrap();
    image.config = None;
    image.oddities.add(Odd::Schema1, || "old".into());
    let scratch = tempfile::tempdir().unwrap();
    let (_, before) = sealed(&one(&old), &settings(Depth::Manifests), &scratch.path().join("1")).await;
    let columns = ["digest", "kind", "layer_count", "total_size_bytes", "layers", "notes"];
    let of = |sealed: &Sealed| short(rows(&sealed.snapshot, Table::Manifests, &columns));
    assert_eq!(of(&before), ["a1 image - - - [schema_1: old]"]);
    let (memory, counts, after) = next_night(one(&old), &before, &scratch.path().join("2")).await;
    assert_eq!((memory.asked("get "), memory.asked("config ")), (vec![], vec![]));
    assert_eq!((of(&before), codes(&counts)), (of(&after), vec![("schema_1".into(), 1)]));
}

#[tokio::test]
async fn a_sum_with_a_size_that_is_not_known_is_none() {
    let mut app = MemoryRepository::default().with_image("v1", "a1");
    let image = app.manifests.get_mut(&digest("a1")).unwrap();
    image.layers.push(Descriptor { size: None, ..image.layers[0].clone() });
    image.oddities.add(Odd::SizeUnknown, || "one".into());
    let scratch = tempfile::tempdir().unwrap();
    let (_, sealed) = sealed(&one(&app), &settings(Depth::Manifests), scratch.path()).await;
    assert_eq!(rows(&sealed.snapshot, Table::Manifests, &["layer_count", "total_size_bytes"]), ["2 -"]);
}

#[tokio::test]
async fn where_a_known_tag_leads_the_manifests_own_media_type_counts() {
    let app = MemoryRepository::default().with_image("v1", "a1");
    let scratch = tempfile::tempdir().unwrap();
    let (_, before) = sealed(&one(&app), &settings(Depth::Manifests), &scratch.path().join("1")).await;
    let mut announced = app.clone();
    announced.manifests.get_mut(&digest("a1")).unwrap().media_type = "application/other".into();
    let (memory, _, after) = next_night(one(&announced), &before, &scratch.path().join("2")).await;
    assert_eq!(memory.asked("head ").len(), 1);
    let of = |sealed: &Sealed| rows(&sealed.snapshot, Table::Tags, &["media_type"]);
    assert_eq!(of(&before), of(&after));
}

#[tokio::test]
async fn labels_for_which_there_is_no_room_are_said_to_be_missing_and_read_the_next_night() {
    let texts = |length| BTreeMap::from([("sbom".to_owned(), "x".repeat(length))]);
    let mut app = MemoryRepository::default().with_image("v1", "a1").with_image("v2", "a2");
    app.configs.get_mut(&digest("c0a1")).unwrap().labels = texts(1000);
    app.manifests.get_mut(&digest("a1")).unwrap().annotations = texts(10_000);
    app.configs.get_mut(&digest("c0a2")).unwrap().labels = texts(10_000);
    let memory = one(&app);
    let budget = MemoryBudget::of(100, 2000);
    let reader =
        ContentsReader { contents: &memory, known: None, depth: Depth::Manifests, width: 2, memory: budget.clone() };
    let found = reader.read(RepositoryRef::alone("a/app"), false).await.found.unwrap();
    assert!(found.cut_short.is_none());
    let [one, two] = &found.manifests[..] else { panic!("{:?}", found.manifests) };
    let notes = |row: &ManifestRow| row.notes.clone().unwrap().join(" ");
    assert!(notes(one).contains("no_room: there was no room for its 1 annotations"), "{}", notes(one));
    assert!(notes(two).contains("no_room: there was no room for its 1 labels"), "{}", notes(two));
    assert_eq!(
        (one.annotations_json.is_some(), one.labels_json.is_some(), two.labels_json.is_some()),
        (false, true, false)
    );
    assert_eq!((one.os.as_deref(), two.os.as_deref()), (Some("linux"), Some("linux")));
    assert!(!is_read(one) && !is_read(two));
    assert!(is_read(&ManifestRow { notes: None, ..one.clone() }));
    drop(found);
    assert_eq!(budget.free_text_bytes(), 2000);
}
