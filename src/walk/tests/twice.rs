//! Names listed more than once: each repository is read, counted and noted once.

use std::time::Duration;

use super::memory::MemoryRepository;
use super::*;
use crate::clock;

fn settings(depth: Depth, max_repositories: u64) -> WalkSettings {
    WalkSettings { max_repositories, depth, ..WalkSettings::default() }
}

fn memory(names: &[&str]) -> MemoryRegistry {
    let repository = || MemoryRepository::default().with_image("v1", "a").with_image("v2", "b");
    let repositories = names.iter().map(|name| ((*name).to_owned(), repository())).collect();
    MemoryRegistry { repositories, ..MemoryRegistry::default() }
}

/// Pages whose source sees to it itself that they end; so the walk does not look for progress.
#[derive(Debug)]
struct Proven(Listed);

impl Discovery for Proven {
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        let pages = self.0.pages(from);
        pages.map(|page| page.map(|page| Page { proven_new: true, ..page })).boxed()
    }
}

const SHIFTING: &[&[&str]] = &[&["a/a", "a/b", "a/b"], &["a/b", "a/c"], &["z", "a/a", "b"], &["b"]];

#[tokio::test]
async fn a_name_listed_twice_is_read_once_at_any_depth_and_by_any_source() {
    for depth in [Depth::Repositories, Depth::Tags, Depth::Manifests] {
        for proven in [false, true] {
            let scratch = tempfile::tempdir().unwrap();
            let (memory, settings) = (memory(&["a/a", "a/b", "a/c", "b", "z"]), settings(depth, 0));
            let pages = Listed::of(SHIFTING);
            let source: Box<dyn Discovery> = if proven { Box::new(Proven(pages)) } else { Box::new(pages) };
            let start = fresh(scratch.path(), &settings);
            let walked = walk_of(&*source, &memory, start, &settings, &CancellationToken::new()).await;
            assert!(matches!(walked.ended, WalkEnd::Whole), "{depth:?}: {:?}", walked.ended);
            let reads = depth > Depth::Repositories;
            let read: &[&str] = if reads { &["tags a/a", "tags a/b", "tags a/c", "tags b", "tags z"] } else { &[] };
            assert_eq!(memory.asked("tags "), read, "{depth:?} {proven}");
            assert_eq!(walked.counts.read, read.len() as u64);
            let unsealed = walked.spool.finish().unwrap();
            assert_eq!(unsealed.rows(Table::Repositories), 5);
            assert_eq!(unsealed.rows(Table::Tags), 2 * read.len() as u64);
        }
    }
}

#[tokio::test]
async fn max_repositories_counts_a_name_once() {
    for depth in [Depth::Repositories, Depth::Tags] {
        for (max, limited, expected) in [(1, true, 1), (2, true, 2), (3, true, 3), (4, true, 4), (6, false, 5)] {
            let scratch = tempfile::tempdir().unwrap();
            let (memory, settings) = (memory(&["a/a", "a/b", "a/c", "b", "z"]), settings(depth, max));
            let start = fresh(scratch.path(), &settings);
            let walked = walk_of(&Listed::of(SHIFTING), &memory, start, &settings, &CancellationToken::new()).await;
            assert_eq!(
                matches!(walked.ended, WalkEnd::Limited),
                limited,
                "{depth:?}, at most {max}: {:?}",
                walked.ended
            );
            assert_eq!(walked.spool.finish().unwrap().rows(Table::Repositories), expected, "{depth:?}, at most {max}");
        }
    }
    // What comes after the limit is nothing new.
    let scratch = tempfile::tempdir().unwrap();
    let (memory, settings) = (memory(&["a", "b"]), settings(Depth::Tags, 2));
    let pages = Listed::of(&[&["a", "b", "a"]]);
    let walked = walk_of(&pages, &memory, fresh(scratch.path(), &settings), &settings, &CancellationToken::new()).await;
    assert!(matches!(walked.ended, WalkEnd::Whole), "{:?}", walked.ended);
}

#[tokio::test]
async fn a_walk_that_goes_on_reads_nothing_that_was_read_or_waits_to_be() {
    let names: Vec<String> = (0..60).map(|n| format!("team/{n:02}")).collect();
    // Each page begins with the last two names of the one before.
    let pages = || Proven(Listed((0..29).map(|page| names[2 * page..2 * page + 4].to_vec()).collect()));
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    for after in [1, 5, 17, 39] {
        let scratch = tempfile::tempdir().unwrap();
        let (stop, settings) = (CancellationToken::new(), settings(Depth::Tags, 0));
        let mut first = memory(&all);
        first.stop_after = Some((after, stop.clone()));
        let walked = walk_of(&pages(), &first, fresh(scratch.path(), &settings), &settings, &stop).await;
        assert!(matches!(walked.ended, WalkEnd::Stopped) && walked.resumable, "after {after}: {:?}", walked.ended);
        drop(walked);
        let within = Duration::from_hours(1);
        let unfinished = Unfinished::find(&scratch.path().join("walk"), "settings", within, clock::now()).unwrap();
        let second = memory(&all);
        let start = WalkStart::Unfinished(Box::new(unfinished));
        let walked = walk_of(&pages(), &second, start, &settings, &CancellationToken::new()).await;
        assert!(matches!(walked.ended, WalkEnd::Whole), "after {after}: {:?}", walked.ended);
        assert_eq!((walked.counts.kept, walked.counts.read), (60, 60), "after {after}");
        let again = second.asked("tags ").into_iter().filter(|question| first.asked("tags ").contains(question));
        assert!(again.count() <= 4, "after {after}: but those that were under way");
        let mut asked = second.asked("tags ");
        asked.dedup();
        assert_eq!(asked.len(), second.asked("tags ").len(), "after {after}");
        let unsealed = walked.spool.finish().unwrap();
        assert_eq!((unsealed.rows(Table::Repositories), unsealed.rows(Table::Tags)), (60, 120), "after {after}");
    }
}
