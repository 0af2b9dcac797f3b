//! Entries of other programs in our directories, and directories that cannot be synced: they stay as they are, and
//! block nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fake_registry::{FakeEndpoint, Misbehaviour, Script};

use crate::support::fail_point::FailPoint;
use crate::support::site::{FinishedProcess, Installation, names, start};

/// Everything below a directory that is not a file, and the content of everything that is.
fn tree(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(tree(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap_or_default();
            found.push((path, text));
        }
    }
    found.sort();
    found
}

fn plant(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "precious").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn foreign_entries_in_the_state_and_at_the_sinks_block_nothing_and_stay() {
    let site = Installation::in_memory(600);
    site.must_run(0).await;
    let state = site.state();
    let date = fs::read_dir(site.path().join("inventory/v1/repositories/registry=quay")).unwrap().next().unwrap();
    let date = date.unwrap().path();
    let staged = ".stocktake-0123456789abcdef-";
    let foreign = [
        state.join(format!("{staged}state.json/theirs")),
        state.join("sealed-theirs/notes"),
        state.join("sealed-file"),
        state.join("@eaDir/index"),
        state.join("walk/@eaDir/index"),
        state.join("walk/.nfs0001"),
        date.join(format!("{staged}x/theirs")),
        date.with_file_name("@eaDir").join("index"),
        site.path().join(format!("inventory/v1/_runs/registry=quay/{staged}x/theirs")),
        site.path().join(format!("inventory/v1/_latest/{staged}registry=quay.json/theirs")),
        site.path().join(format!("inventory/v1/{staged}probe/theirs")),
    ];
    for path in &foreign {
        plant(path);
    }
    // A snapshot before the last one that a NAS has looked at.
    let sealed = site.state_entries().into_iter().find(|name| name.starts_with("sealed-quay-")).unwrap();
    plant(&state.join(&sealed).join("@eaDir/index"));
    for round in [1, 2, 3] {
        let _registry = site.serve(round).await;
        let ended = site.run();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.told);
        for path in &foreign {
            assert_eq!(fs::read_to_string(path).unwrap(), "precious", "{}", path.display());
        }
        for place in ["sealed-theirs", "sealed-file", &format!("{staged}state.json"), &format!("{staged}x")] {
            assert!(ended.told.contains(place), "nothing is said of {place}:\n{}", ended.told);
        }
        assert!(
            ended.told.contains("contains entries that stocktake did not create, and leaves alone"),
            "{}",
            ended.told
        );
        assert!(!ended.told.contains("the interrupted walk is not resumed"), "no walk was cut off: {}", ended.told);
    }
    let walk: Vec<_> = tree(&state.join("walk")).into_iter().map(|(path, _)| path).collect();
    assert_eq!(walk, [state.join("walk/.nfs0001"), state.join("walk/@eaDir/index")]);
    // Only what is not ours is left of it.
    assert_eq!(tree(&state.join(sealed)).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_entry_that_comes_while_the_walk_goes_on_is_not_moved_with_it() {
    let site = Installation::in_memory(600);
    let walk = site.state().join("walk");
    let planted = walk.clone();
    let script = Script::open(&*names(0, site.count)).with_faults(move |request, nth| {
        if request.endpoint == FakeEndpoint::Catalog && nth == 2 {
            plant(&planted.join("@eaDir/index"));
        }
        None::<Misbehaviour>
    });
    let registry = start(script).await;
    site.point_at(&registry);
    let ended = site.run();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.told);
    assert_eq!(tree(&walk), [(walk.join("@eaDir/index"), "precious".to_owned())]);
    site.must_run(1).await;
    assert_eq!(tree(&walk), [(walk.join("@eaDir/index"), "precious".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn links_in_the_state_lose_what_they_lead_to_nothing() {
    for (name, is_refused) in [("lock", true), ("state.json", false), ("walk", false), ("sealed-x", false)] {
        let site = Installation::in_memory(600);
        site.must_run(0).await;
        let theirs = site.path().join("theirs");
        let link = site.state().join(name);
        if name == "walk" || name == "sealed-x" {
            plant(&theirs.join("tags.0.segment"));
            plant(&theirs.join("checkpoint.json"));
        } else if name == "state.json" {
            fs::copy(&link, &theirs).unwrap();
        } else {
            plant(&theirs);
        }
        let _ = fs::remove_file(&link);
        symlink(&theirs, &link).unwrap();
        let before = if theirs.is_dir() { tree(&theirs) } else { vec![(theirs.clone(), text(&theirs))] };
        let _registry = site.serve(1).await;
        let ended = site.run();
        assert_eq!(ended.status.code(), Some(i32::from(is_refused)), "{name}: {}", ended.told);
        let words = "quay/lock: it is a symbolic link, which is no lock file of stocktake; remove it";
        assert_eq!(ended.told.contains(words), is_refused, "{name}: {}", ended.told);
        let after = if theirs.is_dir() { tree(&theirs) } else { vec![(theirs.clone(), text(&theirs))] };
        assert_eq!(before, after, "{name}");
        assert_eq!(link.is_symlink(), is_refused, "{name}");
        if is_refused {
            fs::remove_file(link).unwrap();
            site.must_run(2).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lock_file_with_a_second_name_keeps_its_content() {
    let site = Installation::in_memory(600);
    site.must_run(0).await;
    let (lock, theirs) = (site.state().join("lock"), site.path().join("backup"));
    plant(&theirs);
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&theirs, &lock).unwrap();
    site.must_run(1).await;
    assert_eq!(text(&theirs), "precious");
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_directory_that_cannot_be_synced_is_passed_over_and_one_that_fails_to_is_not() {
    let library = FailPoint::build();
    // EINVAL and ENOTSUP: there is no such thing on this file system. EIO: it went wrong.
    for (errno, code) in [("22", 0), ("95", 0), ("5", 1)] {
        let site = Installation::in_memory(600);
        let _registry = site.serve(0).await;
        let mut command = site.command();
        command.env("LD_PRELOAD", library.path()).env("FAIL_ONLY", "syncdir").env("FAIL_FROM", "1");
        let ended = FinishedProcess::of(command.env("FAIL_ERRNO", errno));
        assert_eq!(ended.status.code(), Some(code), "{errno}: {}", ended.told);
    }
    // A file that cannot be synced is another matter.
    let site = Installation::in_memory(600);
    let _registry = site.serve(0).await;
    let mut command = site.command();
    command.env("LD_PRELOAD", library.path()).env("FAIL_ONLY", "fsync").env("FAIL_FROM", "1");
    assert_eq!(FinishedProcess::of(command.env("FAIL_ERRNO", "22")).status.code(), Some(1));
}
