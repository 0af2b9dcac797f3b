//! Walks that are cut off and taken up again.

use std::time::Duration;

use super::memory::MemoryRepository;
use super::*;
use crate::clock;
use crate::registry::{Fault, Step};

const HOUR: Duration = Duration::from_hours(1);

fn settings() -> WalkSettings {
    WalkSettings { depth: Depth::Tags, ..WalkSettings::default() }
}

/// 40 repositories on pages of four: all of them are entered long before all are read.
fn content() -> (MemoryRegistry, Listed) {
    repositories(40, 4)
}

fn repositories(count: usize, page: usize) -> (MemoryRegistry, Listed) {
    let names: Vec<String> = (0..count).map(|n| format!("team/{n:04}")).collect();
    let repositories =
        names.iter().map(|name| (name.clone(), MemoryRepository::default().with_image("v1", "a"))).collect();
    (
        MemoryRegistry { repositories, ..MemoryRegistry::default() },
        Listed(names.chunks(page).map(<[String]>::to_vec).collect()),
    )
}

/// Stops after so many questions.
async fn cut_off(
    directory: &Path,
    (mut memory, pages): (MemoryRegistry, Listed),
    after: usize,
) -> (MemoryRegistry, WalkOutcome) {
    let stop = CancellationToken::new();
    memory.stop_after = Some((after, stop.clone()));
    let walked = walk_of(&pages, &memory, fresh(directory, &settings()), &settings(), &stop).await;
    (memory, walked)
}

fn find(directory: &Path, fingerprint: &str, within: Duration) -> Option<Unfinished> {
    Unfinished::find(&directory.join("walk"), fingerprint, within, clock::now()).ok()
}

#[tokio::test]
async fn a_walk_goes_on_where_it_was_stopped_and_asks_nothing_twice_but_what_was_under_way() {
    for after in [0, 1, 5, 17, 39] {
        let scratch = tempfile::tempdir().unwrap();
        let (first, walked) = cut_off(scratch.path(), content(), after).await;
        assert!(matches!(walked.ended, WalkEnd::Stopped) && walked.resumable, "after {after}: {:?}", walked.ended);
        drop(walked);
        let unfinished = find(scratch.path(), "settings", HOUR).expect("a checkpoint");
        let (memory, pages) = content();
        let start = WalkStart::Unfinished(Box::new(unfinished));
        let walked = walk_of(&pages, &memory, start, &settings(), &CancellationToken::new()).await;
        assert!(matches!(walked.ended, WalkEnd::Whole), "after {after}: {:?}", walked.ended);
        assert_eq!((walked.counts.pages, walked.counts.listed, walked.counts.kept), (10, 40, 40), "after {after}");
        let again = memory.asked("tags ").into_iter().filter(|question| first.asked("tags ").contains(question));
        // Four are read at once.
        assert!(again.count() <= 4, "after {after}");
        let unsealed = walked.spool.finish().unwrap();
        assert_eq!((unsealed.rows(Table::Repositories), unsealed.rows(Table::Tags)), (40, 40), "after {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_is_killed_goes_on_from_its_last_checkpoint() {
    for seconds in [11, 15, 19] {
        let scratch = tempfile::tempdir().unwrap();
        // Ten rounds of two seconds: the checkpoint after ten seconds has about half of them.
        let slow = |(memory, pages)| (MemoryRegistry { latency: Duration::from_secs(2), ..memory }, pages);
        let (memory, pages) = slow(content());
        let (settings, stop) = (settings(), CancellationToken::new());
        let walk = walk_of(&pages, &memory, fresh(scratch.path(), &settings), &settings, &stop);
        // Dropped, it does nothing more, and leaves what a kill leaves.
        let killed = tokio::time::timeout(Duration::from_secs(seconds), walk).await;
        assert!(killed.is_err(), "{seconds} s");
        let unfinished = find(scratch.path(), "settings", HOUR).expect("a checkpoint");
        let (again, pages) = content();
        let walked = walk_of(&pages, &again, WalkStart::Unfinished(Box::new(unfinished)), &settings, &stop).await;
        assert!(matches!(walked.ended, WalkEnd::Whole), "{seconds} s: {:?}", walked.ended);
        assert_eq!((walked.counts.pages, walked.counts.kept, walked.counts.read), (10, 40, 40), "{seconds} s");
        assert!((16..=24).contains(&again.asked("tags ").len()), "{seconds} s: {:?}", again.asked("tags "));
        let unsealed = walked.spool.finish().unwrap();
        assert_eq!((unsealed.rows(Table::Repositories), unsealed.rows(Table::Tags)), (40, 40), "{seconds} s");
    }
}

#[tokio::test]
async fn other_settings_or_too_much_time_begin_anew() {
    let scratch = tempfile::tempdir().unwrap();
    drop(cut_off(scratch.path(), content(), 5).await);
    assert!(find(scratch.path(), "other settings", HOUR).is_none());
    assert!(find(scratch.path(), "settings", Duration::ZERO).is_none());
    let directory = scratch.path().join("walk");
    let later = clock::now() + chrono::TimeDelta::minutes(61);
    assert!(matches!(Unfinished::find(&directory, "settings", HOUR, later), Err(NotResumed::TooOld)));
    let earlier = clock::now() - chrono::TimeDelta::minutes(1);
    assert!(matches!(Unfinished::find(&directory, "settings", HOUR, earlier), Err(NotResumed::Ahead)));
    assert!(find(scratch.path(), "settings", HOUR).is_some());
}

#[tokio::test]
async fn server_errors_end_a_walk_only_where_there_is_nothing_else_for_long() {
    for (failing, ends) in [(40, false), (80, true)] {
        let scratch = tempfile::tempdir().unwrap();
        let (mut memory, pages) = repositories(100, 10);
        for (_, repository) in memory.repositories.iter_mut().skip(8).take(failing) {
            *repository = repository.clone().failing("tags", Fault::ServerError);
        }
        let start = fresh(scratch.path(), &settings());
        let walked = walk_of(&pages, &memory, start, &settings(), &CancellationToken::new()).await;
        assert_eq!(matches!(walked.ended, WalkEnd::Failed(_)), ends, "{failing}: {:?}", walked.ended);
        assert_eq!((walked.resumable, walked.counts.unreadable), (ends, if ends { 0 } else { 40 }), "{failing}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_ends_the_walk_and_those_without_an_answer_are_asked_again() {
    let scratch = tempfile::tempdir().unwrap();
    // More than are read while the disk is slow.
    let (mut memory, pages) = repositories(400, 40);
    for (_, repository) in memory.repositories.iter_mut().skip(8) {
        *repository = repository.clone().failing("tags", Fault::Unreachable);
    }
    let walked =
        walk_of(&pages, &memory, fresh(scratch.path(), &settings()), &settings(), &CancellationToken::new()).await;
    let WalkEnd::Failed(WalkError::Registry(error)) = &walked.ended else { panic!("{:?}", walked.ended) };
    assert_eq!(error.fault(), Fault::Unreachable);
    assert!(walked.resumable && memory.asked("tags ").len() < 400, "{:?}", memory.asked("tags "));
    drop(walked);
    let (memory, pages) = repositories(400, 40);
    let start = WalkStart::Unfinished(Box::new(find(scratch.path(), "settings", HOUR).expect("a checkpoint")));
    let walked = walk_of(&pages, &memory, start, &settings(), &CancellationToken::new()).await;
    assert!(matches!(walked.ended, WalkEnd::Whole), "{:?}", walked.ended);
    assert_eq!((walked.counts.read, walked.counts.unreadable), (400, 0));
}

/// Goes on from a cursor with what is not the rest of the list.
#[derive(Debug)]
struct Astray(Listed, Option<Fault>);

impl Discovery for Astray {
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        match (from, self.1) {
            (Some(_), Some(fault)) => {
                let error = RegistryError::of_fault(fault, Step::Page(1));
                stream::iter([Err(error)]).boxed()
            }
            // As Quay: from page 1 again.
            _ => self.0.pages(None),
        }
    }
}

#[tokio::test]
async fn a_cursor_that_no_longer_works_is_told_from_a_walk_that_fails() {
    for (fault, stale) in [(None, true), (Some(Fault::Protocol), true), (Some(Fault::Unreachable), false)] {
        let scratch = tempfile::tempdir().unwrap();
        // More names than may wait: the last pages are not entered yet.
        drop(cut_off(scratch.path(), repositories(4000, 100), 17).await);
        let (memory, pages) = repositories(4000, 100);
        let start = WalkStart::Unfinished(Box::new(find(scratch.path(), "settings", HOUR).expect("a checkpoint")));
        let walked = walk_of(&Astray(pages, fault), &memory, start, &settings(), &CancellationToken::new()).await;
        match walked.ended {
            WalkEnd::Stale(_) => assert!(stale, "{fault:?}"),
            WalkEnd::Failed(_) => assert!(!stale && walked.resumable, "{fault:?}"),
            other => panic!("{fault:?}: {other:?}"),
        }
    }
}
