//! What every store does.

use std::io::Write as _;

use super::{blocking, with};
use crate::Store;
use crate::testing::BucketServer;

/// More than two parts, none of them alike.
fn large() -> Vec<u8> {
    (0..20 * 1024 * 1024_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

fn keys(store: &Store, prefix: &str) -> Vec<(String, u64)> {
    store.list(prefix).unwrap().into_iter().map(|object| (object.key, object.bytes)).collect()
}

fn keeps_the_contract(store: &Store) {
    store.probe("v1").unwrap();
    assert_eq!(keys(store, ""), [], "a probe leaves nothing");
    assert_eq!((store.read("v1/a/b").unwrap(), store.size("v1/a/b").unwrap()), (None, None));
    assert_eq!(keys(store, "v1"), []);

    // Created once.
    assert!(store.create("v1/a/b.json", b"one").unwrap());
    assert!(!store.create("v1/a/b.json", b"two").unwrap());
    assert_eq!(store.read("v1/a/b.json").unwrap().unwrap(), b"one");
    store.settle("v1/a/b.json").unwrap();

    // Replaced, read in part, removed twice.
    store.replace("v1/p.json", b"first").unwrap();
    store.replace("v1/p.json", b"second").unwrap();
    assert_eq!(store.read("v1/p.json").unwrap().unwrap(), b"second");
    assert_eq!(store.read_range("v1/p.json", 1..4).unwrap(), b"eco");
    assert_eq!(store.read_range("v1/p.json", 4..99).unwrap(), b"nd");
    assert!(store.read_range("v1/none", 0..1).is_err());
    store.remove("v1/p.json").unwrap();
    store.remove("v1/p.json").unwrap();
    assert_eq!(store.size("v1/p.json").unwrap(), None);

    // Written in pieces, small and in several parts; invisible until then; replaced.
    for bytes in [b"small".to_vec(), Vec::new(), large()] {
        let mut staged = store.stage("v1/a/x=1/whole.bin").unwrap();
        let before = keys(store, "v1/a");
        for piece in bytes.chunks(100_000) {
            staged.write_all(piece).unwrap();
        }
        staged.end().unwrap();
        assert_eq!(keys(store, "v1/a"), before, "nothing shows before the commit");
        staged.commit().unwrap();
        assert_eq!(store.size("v1/a/x=1/whole.bin").unwrap(), Some(bytes.len() as u64));
        assert!(store.read("v1/a/x=1/whole.bin").unwrap().unwrap() == bytes, "{} bytes", bytes.len());
    }
    let size = large().len() as u64;
    assert_eq!(keys(store, "v1/a"), [("v1/a/b.json".to_owned(), 3), ("v1/a/x=1/whole.bin".to_owned(), size)]);
    assert_eq!(keys(store, "v1/a/x=1"), [("v1/a/x=1/whole.bin".to_owned(), size)]);
    // A prefix is whole segments.
    assert_eq!(keys(store, "v1/a/x"), []);

    // Dropped: nothing is left.
    let mut dropped = store.stage("v1/a/dropped.bin").unwrap();
    dropped.write_all(&large()).unwrap();
    drop(dropped);
    assert_eq!(store.size("v1/a/dropped.bin").unwrap(), None);

    // Copied over another one.
    store.replace("v1/latest.bin", b"old").unwrap();
    store.copy("v1/a/x=1/whole.bin", "v1/latest.bin").unwrap();
    assert_eq!(store.size("v1/latest.bin").unwrap(), Some(size));
    assert!(store.copy("v1/none", "v1/latest.bin").is_err());
    assert_eq!(store.size("v1/latest.bin").unwrap(), Some(size));
}

#[test]
fn a_directory_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::directory(&directory.path().join("inventory"));
    blocking(move || keeps_the_contract(&store));
}

#[test]
fn s3_keeps_the_contract() {
    with(BucketServer::moto(), |server| {
        keeps_the_contract(&server.store("teams/inventory"));
        assert_eq!(server.unfinished_uploads("teams"), [""; 0], "a dropped upload is given up");
        // A bucket may be whole.
        for (key, _) in keys(&server.store("teams/inventory"), "") {
            server.store("teams/inventory").remove(&key).unwrap();
        }
        keeps_the_contract(&server.store(""));
    });
}

#[test]
#[ignore = "needs Azurite: tests/buckets.sh"]
fn azure_keeps_the_contract() {
    with(BucketServer::azurite(), |server| keeps_the_contract(&server.store("teams/inventory")));
}
