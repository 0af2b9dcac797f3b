//! What repositories hold: depths, states, what the last snapshot spares us.

use std::collections::BTreeMap;

use arrow::array::Array;
use stocktake_sink::{RunRecord, Snapshot, Verdict, contract};

use super::memory::{MemoryRepository, digest};
use super::*;
use crate::registry::{Descriptor, Fault, ImageConfig};
use crate::snapshot::Sealed;

pub(super) fn settings(depth: Depth) -> WalkSettings {
    WalkSettings { depth, ..WalkSettings::default() }
}

fn record() -> RunRecord {
    contract::record(&contract::id("memory", 1), Verdict::Complete, 0)
}

/// A walk of all repositories of `memory` on pages of two, sealed.
pub(super) async fn sealed(memory: &MemoryRegistry, settings: &WalkSettings, directory: &Path) -> (WalkCounts, Sealed) {
    let names: Vec<String> = memory.repositories.keys().cloned().collect();
    let pages = Listed(names.chunks(2).map(<[String]>::to_vec).collect());
    let walked = walk_of(&pages, memory, fresh(directory, settings), settings, &CancellationToken::new()).await;
    assert!(matches!(walked.ended, WalkEnd::Whole), "{:?}", walked.ended);
    let sealed = walked.spool.finish().unwrap().seal(record(), &directory.join("sealed")).unwrap();
    (walked.counts, sealed)
}

/// The values of some text columns, row by row, `-` for null.
pub(super) fn rows(snapshot: &Snapshot, table: Table, columns: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in snapshot.batches(table) {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let cell = |name: &&str| {
                let column = batch.column_by_name(name).unwrap();
                let text = arrow::util::display::array_value_to_string(column, row).unwrap();
                if column.is_null(row) { "-".to_owned() } else { text }
            };
            rows.push(columns.iter().map(cell).collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

pub(super) fn short(rows: Vec<String>) -> Vec<String> {
    rows.into_iter()
        .map(|row| row.replace("sha256:", "").replace("00", "").trim_start_matches('0').to_owned())
        .collect()
}

fn three() -> MemoryRegistry {
    MemoryRegistry::of([
        ("a/app", MemoryRepository::default().with_image("v1", "a1").with_image("v2", "a2").with_image("latest", "a2")),
        ("b/multi", MemoryRepository::default().with_index("v1", "b", &["b1", "b2"])),
        ("c/empty", MemoryRepository::default()),
    ])
}

#[tokio::test]
async fn at_depth_repositories_no_repository_is_asked() {
    let (memory, scratch) = (three(), tempfile::tempdir().unwrap());
    let (counts, sealed) = sealed(&memory, &settings(Depth::Repositories), scratch.path()).await;
    assert_eq!(memory.asked(""), Vec::<String>::new());
    assert_eq!((counts.kept, counts.read), (3, 0));
    assert_eq!(sealed.snapshot.tables().collect::<Vec<_>>(), [Table::Repositories, Table::Runs]);
}

#[tokio::test]
async fn at_depth_tags_each_repository_is_asked_once() {
    let (memory, scratch) = (three(), tempfile::tempdir().unwrap());
    let (_, sealed) = sealed(&memory, &settings(Depth::Tags), scratch.path()).await;
    assert_eq!(memory.asked(""), ["tags a/app", "tags b/multi", "tags c/empty"]);
    let tags = rows(&sealed.snapshot, Table::Tags, &["repository", "tag", "digest"]);
    assert_eq!(tags, ["a/app latest -", "a/app v1 -", "a/app v2 -", "b/multi v1 -"]);
    let repositories = rows(&sealed.snapshot, Table::Repositories, &["repository", "tag_count", "state", "error_code"]);
    assert_eq!(repositories, ["a/app 3 complete -", "b/multi 1 complete -", "c/empty 0 complete -"]);
}

#[tokio::test]
async fn at_depth_manifests_all_that_tags_lead_to_is_there() {
    let (memory, scratch) = (three(), tempfile::tempdir().unwrap());
    let (_, sealed) = sealed(&memory, &settings(Depth::Manifests), scratch.path()).await;
    let tags = rows(&sealed.snapshot, Table::Tags, &["repository", "tag", "digest", "size_bytes"]);
    let expected: Vec<String> = [("a/app latest", "a2"), ("a/app v1", "a1"), ("a/app v2", "a2"), ("b/multi v1", "b")]
        .map(|(tag, name)| format!("{tag} {} 100", digest(name)))
        .into();
    assert_eq!(tags, expected);
    let columns = ["digest", "kind", "os", "architecture", "layer_count", "total_size_bytes", "labels_json"];
    let mut manifests = short(rows(&sealed.snapshot, Table::Manifests, &columns));
    manifests.sort();
    let image = |name: &str| format!("{name} image linux {name} 1 20 {{\"by\":\"{name}\"}}");
    assert_eq!(manifests, [image("a1"), image("a2"), "b index - - - - -".into(), image("b1"), image("b2")]);
}

#[tokio::test]
async fn an_unchanged_second_night_asks_only_where_tags_lead() {
    let (mut memory, scratch) = (three(), tempfile::tempdir().unwrap());
    let (first, before) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("1")).await;
    assert_eq!(first.saved, 0);
    let of_first = (memory.asked("get ").len() + memory.asked("config ").len()) as u64;
    // A HEAD need not tell a length; what is known does not become unknown by that.
    memory =
        MemoryRegistry { known: SnapshotLookup::open(&before).unwrap().map(Arc::new), hides_sizes: true, ..three() };
    assert!(memory.known.is_some());
    let (second, after) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("2")).await;
    assert_eq!(memory.asked("head ").len(), 4);
    assert_eq!((memory.asked("get "), memory.asked("config ")), (Vec::new(), Vec::new()));
    // Two tags lead to one image, which is one row and was fetched twice.
    assert_eq!(second.saved, of_first - 1);
    for (table, columns) in [
        (Table::Tags, &["repository", "tag", "digest", "media_type", "size_bytes"][..]),
        (Table::Manifests, &["repository", "digest", "kind", "os", "child_digests", "layers", "labels_json"]),
    ] {
        assert_eq!(rows(&before.snapshot, table, columns), rows(&after.snapshot, table, columns));
    }
}

#[tokio::test]
async fn what_is_new_or_moved_is_fetched_and_nothing_else() {
    let (memory, scratch) = (three(), tempfile::tempdir().unwrap());
    let (_, before) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("1")).await;
    let mut memory = MemoryRegistry { known: SnapshotLookup::open(&before).unwrap().map(Arc::new), ..three() };
    let app = memory.repositories.get_mut("a/app").unwrap();
    *app = app.clone().with_image("latest", "a3").with_image("v3", "a1");
    let multi = memory.repositories.get_mut("b/multi").unwrap();
    *multi = multi.clone().with_index("v1", "bb", &["b1", "b3"]);
    let (_, after) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("2")).await;
    // `v3` is new, so it is fetched by its name, though it leads to an image that is known.
    let gets = [digest("a3"), "v3".to_owned(), digest("b3"), digest("bb")];
    let expected = gets.iter().enumerate().map(|(at, what)| format!("get {} {what}", ["a/app", "b/multi"][at / 2]));
    let mut expected: Vec<_> = expected.collect();
    expected.sort();
    assert_eq!(memory.asked("get "), expected);
    let kept = short(rows(&after.snapshot, Table::Manifests, &["digest"]));
    assert_eq!(kept, ["a1", "a2", "a3", "b1", "b3", "bb"]);
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_is_a_row_that_says_so() {
    let faulty = |fault| MemoryRepository::default().with_image("v1", "f").failing("tags", fault);
    let memory = MemoryRegistry::of([
        ("a/good", MemoryRepository::default().with_image("v1", "a")),
        ("b/denied", faulty(Fault::Denied)),
        ("c/gone", faulty(Fault::Gone)),
        ("d/down", faulty(Fault::Unreachable)),
        ("e/odd", faulty(Fault::Protocol)),
        ("f/good", MemoryRepository::default().with_image("v1", "f")),
    ]);
    let scratch = tempfile::tempdir().unwrap();
    let (counts, sealed) = sealed(&memory, &settings(Depth::Tags), scratch.path()).await;
    let columns = ["repository", "tag_count", "state", "error_code"];
    assert_eq!(
        rows(&sealed.snapshot, Table::Repositories, &columns),
        [
            "a/good 1 complete -",
            "b/denied - denied denied",
            "c/gone - gone gone",
            "d/down - error unreachable",
            "e/odd - error protocol",
            "f/good 1 complete -",
        ]
    );
    assert_eq!((counts.read, counts.unreadable, counts.gone), (2, 3, 1));
    let noted: BTreeMap<_, _> = counts.errors().into_iter().map(|e| (e.repository.unwrap(), e.code)).collect();
    assert_eq!(noted.len(), 4);
}

#[tokio::test]
async fn a_tag_that_is_gone_when_it_is_fetched_stays_listed_and_the_repository_complete() {
    let mut app = MemoryRepository::default().with_image("v1", "a1").with_image("v2", "a2");
    app.manifests.remove(&digest("a2"));
    let (memory, scratch) = (MemoryRegistry::of([("a/app", app)]), tempfile::tempdir().unwrap());
    let (counts, sealed) = sealed(&memory, &settings(Depth::Manifests), scratch.path()).await;
    let tags = rows(&sealed.snapshot, Table::Tags, &["tag", "digest"]);
    assert_eq!(tags, [format!("v1 {}", digest("a1")), "v2 -".into()]);
    assert_eq!(rows(&sealed.snapshot, Table::Repositories, &["state", "tag_count"]), ["complete 2"]);
    assert_eq!(counts.errors().iter().map(|e| e.code.as_str()).collect::<Vec<_>>(), ["tag_gone"]);
}

#[tokio::test]
async fn a_missing_child_of_an_index_is_noted_and_the_rest_is_read() {
    let mut multi = MemoryRepository::default().with_index("v1", "b", &["b1", "b2"]);
    multi.manifests.remove(&digest("b2"));
    let (memory, scratch) = (MemoryRegistry::of([("b/multi", multi)]), tempfile::tempdir().unwrap());
    let (counts, sealed) = sealed(&memory, &settings(Depth::Manifests), scratch.path()).await;
    assert_eq!(short(rows(&sealed.snapshot, Table::Manifests, &["digest"])), ["b", "b1"]);
    assert_eq!(rows(&sealed.snapshot, Table::Repositories, &["state"]), ["complete"]);
    let errors = counts.errors();
    assert_eq!((errors[0].code.as_str(), errors[0].repository.as_deref()), ("child_missing", Some("b/multi")));
}

#[tokio::test]
async fn an_image_whose_configuration_was_missing_is_read_again_the_next_night() {
    let whole = MemoryRepository::default().with_image("v1", "a1");
    let mut broken = whole.clone();
    broken.configs.clear();
    let scratch = tempfile::tempdir().unwrap();
    let memory = MemoryRegistry::of([("a/app", broken)]);
    let (_, before) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("1")).await;
    assert_eq!(rows(&before.snapshot, Table::Manifests, &["kind", "os"]), ["image -"]);
    let known = SnapshotLookup::open(&before).unwrap().map(Arc::new);
    let memory = MemoryRegistry { known, ..MemoryRegistry::of([("a/app", whole)]) };
    let (_, after) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("2")).await;
    assert_eq!(rows(&after.snapshot, Table::Manifests, &["kind", "os"]), ["image linux"]);
}

#[tokio::test]
async fn an_image_that_is_for_no_platform_is_known_the_next_night() {
    // As signatures are, and the attestations that builders put beside each image.
    let attested = || {
        let mut multi = MemoryRepository::default().with_index("v1", "b", &["b1", "b2"]);
        let config = multi.configs.get_mut(&digest("c0b2")).unwrap();
        *config = ImageConfig::default();
        multi
    };
    let scratch = tempfile::tempdir().unwrap();
    let memory = MemoryRegistry::of([("b/multi", attested())]);
    let (_, before) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("1")).await;
    let known = SnapshotLookup::open(&before).unwrap().map(Arc::new);
    let memory = MemoryRegistry { known, ..MemoryRegistry::of([("b/multi", attested())]) };
    let (_, after) = sealed(&memory, &settings(Depth::Manifests), &scratch.path().join("2")).await;
    assert_eq!((memory.asked("get "), memory.asked("config ")), (Vec::new(), Vec::new()));
    assert_eq!(short(rows(&after.snapshot, Table::Manifests, &["digest", "os"])), ["b -", "b1 linux", "b2 -"]);
}

#[tokio::test]
async fn a_storage_that_nobody_reaches_is_no_server_that_is_gone() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];
    let image = || MemoryRepository::default().with_image("v1", "a").failing(&digest("c0a"), Fault::Unreachable);
    let (memory, scratch) = (MemoryRegistry::of(names.map(|name| (name, image()))), tempfile::tempdir().unwrap());
    let (counts, sealed) = sealed(&memory, &settings(Depth::Manifests), scratch.path()).await;
    assert_eq!((counts.read, counts.unreadable), (0, 20));
    assert_eq!(rows(&sealed.snapshot, Table::Tags, &["tag"]).len(), 20);
}

#[tokio::test]
async fn monitored_repositories_come_first_with_tags_whatever_the_list_says() {
    let memory = MemoryRegistry::of([
        ("a/listed", MemoryRepository::default().with_image("v1", "a")),
        ("b/monitored", MemoryRepository::default().with_image("v1", "b")),
        ("x/hidden", MemoryRepository::default().with_image("v1", "c")),
    ]);
    let monitored = ["x/hidden", "b/monitored", "y/nowhere"].map(str::to_owned).to_vec();
    let settings = WalkSettings { monitored, ..settings(Depth::Repositories) };
    let scratch = tempfile::tempdir().unwrap();
    let pages = Listed::of(&[&["a/listed", "b/monitored"]]);
    let start = fresh(scratch.path(), &settings);
    let walked = walk_of(&pages, &memory, start, &settings, &CancellationToken::new()).await;
    assert_eq!(memory.asked(""), ["tags b/monitored", "tags x/hidden", "tags y/nowhere"]);
    assert_eq!((walked.counts.kept, walked.counts.monitored), (4, 3));
    let sealed = walked.spool.finish().unwrap().seal(record(), &scratch.path().join("sealed")).unwrap();
    let columns = ["repository", "monitored", "tag_count", "state"];
    assert_eq!(
        rows(&sealed.snapshot, Table::Repositories, &columns),
        [
            "a/listed false - complete",
            "b/monitored true 1 complete",
            "x/hidden true 1 complete",
            "y/nowhere true - gone"
        ]
    );
    assert_eq!(rows(&sealed.snapshot, Table::Tags, &["repository", "tag"]), ["b/monitored v1", "x/hidden v1"]);
}

#[tokio::test]
async fn refused_credentials_end_the_walk_at_once() {
    let dead = MemoryRepository::default().failing("tags", Fault::CredentialsRejected);
    let memory =
        MemoryRegistry::of([("a", MemoryRepository::default()), ("b", dead), ("c", MemoryRepository::default())]);
    let (settings, scratch) = (settings(Depth::Tags), tempfile::tempdir().unwrap());
    let start = fresh(scratch.path(), &settings);
    let pages = Listed::of(&[&["a", "b", "c"]]);
    let walked = walk_of(&pages, &memory, start, &settings, &CancellationToken::new()).await;
    let WalkEnd::Failed(WalkError::Registry(error)) = &walked.ended else { panic!("{:?}", walked.ended) };
    assert_eq!(error.fault(), Fault::CredentialsRejected);
    assert!(!walked.resumable);
}

#[tokio::test]
async fn manifests_beyond_all_bounds_are_not_held_in_memory_and_others_are_read() {
    let layer = Descriptor { digest: digest("1a"), size: Some(1), media_type: String::new() };
    let mut large = MemoryRepository::default();
    for tag in ["v1", "v2", "v3"] {
        large = large.with_image(tag, tag);
        large.manifests.get_mut(&digest(tag)).unwrap().layers = vec![layer.clone(); 400_000];
    }
    let memory = MemoryRegistry::of([("large", large), ("small", MemoryRepository::default().with_image("v1", "a"))]);
    let scratch = tempfile::tempdir().unwrap();
    let settings = WalkSettings { depth: Depth::Manifests, ..WalkSettings::default() };
    let start = fresh(scratch.path(), &settings);
    let pages = Listed::of(&[&["large", "small"]]);
    let walked = walk_of(&pages, &memory, start, &settings, &CancellationToken::new()).await;
    assert!(matches!(walked.ended, WalkEnd::Whole), "{:?}", walked.ended);
    assert_eq!((walked.counts.read, walked.counts.unreadable), (1, 1));
    assert_eq!(walked.counts.errors().iter().map(|error| error.code.as_str()).collect::<Vec<_>>(), ["endless"]);
    assert_eq!(walked.spool.finish().unwrap().rows(Table::Manifests), 3);
}
