use super::*;
use std::env;

/// A directory of its own per test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("stocktake-durable-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn staged(target: &Path, bytes: &[u8]) -> Staged {
    let mut staged = Staged::create(target).unwrap();
    staged.write_all(bytes).unwrap();
    staged
}

#[test]
fn nothing_is_visible_before_commit_and_the_whole_after() {
    let scratch = Scratch::new("commit");
    let target = scratch.path("a");
    write(&target, b"old").unwrap();
    let new = staged(&target, b"new");
    assert_eq!(fs::read(&target).unwrap(), b"old");
    new.commit().unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    assert_eq!(scratch.names(), ["a"]);
}

#[test]
fn commit_new_refuses_what_exists_and_leaves_it_alone() {
    let scratch = Scratch::new("commit-new");
    let target = scratch.path("a");
    staged(&target, b"first").commit_new().unwrap();
    let refused = staged(&target, b"second").commit_new().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&target).unwrap(), b"first");
    assert_eq!(scratch.names(), ["a"]);
}

#[test]
fn drop_removes_the_hidden_file() {
    let scratch = Scratch::new("drop");
    drop(staged(&scratch.path("a"), b"half"));
    assert!(scratch.names().is_empty());
}

#[test]
fn two_writers_of_one_target_do_not_share_a_file() {
    let scratch = Scratch::new("two");
    let target = scratch.path("a");
    let (first, second) = (staged(&target, b"first"), staged(&target, b"2"));
    first.commit().unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"first");
    second.commit().unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"2");
}

#[test]
fn a_sweep_takes_leftovers_and_nothing_else() {
    let scratch = Scratch::new("sweep");
    for name in ["a", ".hidden"] {
        write(&scratch.path(name), b"").unwrap();
    }
    std::mem::forget(staged(&scratch.path("a"), b"half"));
    std::mem::forget(staged(&scratch.path("b"), b"half"));
    assert!(sweep_target(&scratch.path("a")).is_empty());
    assert_eq!(scratch.names().len(), 3, "{:?}", scratch.names());
    assert!(sweep(&scratch.0).is_empty());
    assert_eq!(scratch.names(), [".hidden", "a"]);
    assert!(sweep(&scratch.path("absent")).is_empty());
}

#[test]
fn a_sweep_leaves_what_it_cannot_remove_and_goes_on_to_the_rest() {
    let scratch = Scratch::new("sweep-foreign");
    let foreign = scratch.path(".stocktake-0123456789abcdef-a");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("kept"), "theirs").unwrap();
    std::mem::forget(staged(&scratch.path("a"), b"half"));
    std::mem::forget(staged(&scratch.path("b"), b"half"));
    for left in [sweep_target(&scratch.path("a")), sweep(&scratch.0)] {
        assert_eq!(left.len(), 1, "{left:?}");
        let told = left[0].to_string();
        assert!(told.starts_with(&format!("{} is left as it is: ", foreign.display())), "{told}");
    }
    assert_eq!(scratch.names(), [".stocktake-0123456789abcdef-a"]);
    assert_eq!(fs::read(foreign.join("kept")).unwrap(), b"theirs");
    // A file where a directory is expected.
    write(&scratch.path("file"), b"").unwrap();
    assert_eq!(sweep(&scratch.path("file")).len(), 1);
}

#[test]
fn a_staging_name_that_is_a_link_loses_the_link_and_not_what_it_leads_to() {
    let scratch = Scratch::new("sweep-link");
    write(&scratch.path("theirs"), b"precious").unwrap();
    std::os::unix::fs::symlink("theirs", scratch.path(".stocktake-0123456789abcdef-a")).unwrap();
    assert!(sweep(&scratch.0).is_empty());
    assert_eq!(scratch.names(), ["theirs"]);
    assert_eq!(fs::read(scratch.path("theirs")).unwrap(), b"precious");
}

#[test]
fn parents_are_made() {
    let scratch = Scratch::new("parents");
    write(&scratch.path("x/y/z"), b"deep").unwrap();
    assert_eq!(fs::read(scratch.path("x/y/z")).unwrap(), b"deep");
    let in_a_file = write(&scratch.path("x/y/z/file"), b"").unwrap_err();
    assert_eq!(in_a_file.kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_link_replaces_what_its_name_meant_and_leaves_no_hidden_name() {
    let scratch = Scratch::new("link");
    let path = |name: &str| scratch.path(name);
    let target = path("below/latest");
    for (name, bytes) in [("one", "1"), ("two", "2"), ("two", "2"), ("one", "1")] {
        fs::write(path(name), bytes).unwrap();
        link(&path(name), &target).unwrap();
        // A second time, both are names of one file already.
        link(&path(name), &target).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), bytes);
        let names: Vec<_> = fs::read_dir(path("below")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["latest"]);
    }
    fs::remove_file(path("one")).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "1", "the bytes stay while a name is left");
    assert!(link(&path("none"), &target).is_err());
    assert_eq!(fs::read_to_string(&target).unwrap(), "1");
}
