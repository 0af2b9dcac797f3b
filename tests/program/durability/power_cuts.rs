//! A power cut loses what was not synced, which no kill can show. So the order of the program's steps is read instead:
//! bytes before their name, a name before anything that relies on it.

use std::path::Path;

use crate::support::crash_point::{CrashAt, Library};
use crate::support::site::Installation;

/// The steps of a run on a site that has one snapshot, each with its path.
async fn steps() -> Vec<(String, String)> {
    let site = Installation::in_memory(600);
    site.must_run(0).await;
    let _registry = site.serve(1).await;
    let (ended, steps) = Library::build().run(&site, CrashAt::Never);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.told);
    let split = |step: &String| step.split_once(' ').map(|(step, path)| (step.to_owned(), path.to_owned()));
    steps.iter().filter_map(split).collect()
}

fn parent(path: &str) -> &str {
    Path::new(path).parent().and_then(Path::to_str).expect("a relative path of text")
}

/// Where the first step of this kind and path after `from` is.
fn next(steps: &[(String, String)], from: usize, kind: &str, is_meant: impl Fn(&str) -> bool) -> Option<usize> {
    let found = steps[from..].iter().position(|(step, path)| step == kind && is_meant(path));
    found.map(|at| from + at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bytes_are_synced_before_their_name_and_names_before_they_are_relied_on() {
    let steps = steps().await;
    let mut names = 0;
    for (at, (step, path)) in steps.iter().enumerate().filter(|(_, (step, _))| step == "rename" || step == "link") {
        let (directory, name) = path.rsplit_once('/').expect("a name in a directory");
        // A hidden second name of an object, which is renamed next.
        if step == "link" && name.starts_with(".stocktake-") {
            continue;
        }
        names += 1;
        let are_its_bytes = |synced: &str| match name {
            // Renamed, not staged: the one segment of a walk in order.
            "repositories.arrow" => synced.ends_with("walk/repositories.0.segment"),
            // Written where it is, and renamed.
            "changes.arrow" => synced.ends_with("walk/changes.arrow"),
            // Another name of the object of this table.
            _ if name.starts_with("latest.") => {
                parent(synced).starts_with(&parent(directory).replace("/latest/", "/"))
                    && synced.contains("/.stocktake-")
            }
            _ => parent(synced) == directory && synced.contains("/.stocktake-") && synced.ends_with(name),
        };
        assert!(next(&steps[..at], 0, "fsync", are_its_bytes).is_some(), "{step} {path} before its bytes are synced");
        // Moved on before anything relies on it.
        if directory.ends_with("/walk") {
            continue;
        }
        let synced = next(&steps, at, "fsync", |synced| synced == directory);
        let synced = synced.unwrap_or_else(|| panic!("{step} {path} is never synced"));

        // What relies on it: on a table's object the manifest, on a sealed directory the pointer.
        let relying = match path.split_once("/v1/") {
            Some((sink, object))
                if ["repositories", "changes", "runs"].iter().any(|table| object.starts_with(table)) =>
            {
                next(&steps, at, "link", |path| path.starts_with(&format!("{sink}/v1/_runs")))
            }
            Some((sink, object)) if object.starts_with("_runs") || object.starts_with("latest/") => {
                next(&steps, at, "rename", |path| path.starts_with(&format!("{sink}/v1/_latest")))
            }
            _ if directory.contains("/sealed-") => next(&steps, at, "rename", |path| path.ends_with("state.json")),
            _ => continue,
        };
        assert!(relying.is_some_and(|relying| synced < relying), "{step} {path} is relied on before it is synced");
    }
    let made = next(&steps, 0, "mkdir", |path| path.contains("/sealed-")).expect("a directory for the snapshot");
    let synced = next(&steps, made, "fsync", |synced| synced == "state/quay").expect("it is synced");
    assert!(next(&steps, synced, "rename", |path| path.contains("/sealed-")).is_some(), "and then filled");
    // The slot, the spool, the two tables and their seal, the pointer, the receipts; at each sink three objects, manifest,
    // the three objects in `latest/`, pointer.
    assert_eq!(names, 7 + 2 * 8);
}
