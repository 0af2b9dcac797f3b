//! Names, page by page: the guard against loops, filters, limits.

use super::*;

fn settings(max_repositories: u64, include: &[&str], exclude: &[&str]) -> WalkSettings {
    let globs = |patterns: &[&str]| patterns.iter().map(|p| NameFilter::pattern(p).unwrap()).collect::<Vec<_>>();
    let filter = NameFilter::new(&globs(include), &globs(exclude)).unwrap();
    WalkSettings { max_repositories, filter, ..WalkSettings::default() }
}

async fn walked(pages: &[&[&str]], settings: &WalkSettings) -> (WalkEnd, u64, u64) {
    let scratch = tempfile::tempdir().unwrap();
    let start = fresh(scratch.path(), settings);
    let (pages, memory) = (Listed::of(pages), MemoryRegistry::default());
    let walked = walk_of(&pages, &memory, start, settings, &CancellationToken::new()).await;
    (walked.ended, walked.counts.listed, walked.spool.finish().unwrap().rows(Table::Repositories))
}

#[tokio::test]
async fn a_page_with_no_new_name_stops_the_walk() {
    let all = settings(0, &[], &[]);
    let (ended, ..) = walked(&[&["a", "b"], &["c"], &["b", "a"], &["d"]], &all).await;
    assert!(matches!(ended, WalkEnd::Failed(WalkError::NoProgress { page: 3 })), "{ended:?}");
}

#[tokio::test]
async fn a_long_page_with_no_new_name_stops_the_walk_whatever_is_excluded() {
    let page: Vec<&'static str> = "a b c d e f g h i j k l m n o p q r s t".split(' ').collect();
    // Excluded names are not in the spool, so only the second repetition shows; the client notices equal pages anyway.
    let (ended, ..) = walked(&[&page, &page, &page, &["z"]], &settings(0, &[], &["*"])).await;
    assert!(matches!(ended, WalkEnd::Failed(WalkError::NoProgress { page: 3 })), "{ended:?}");
}

#[tokio::test]
async fn a_repeated_page_is_noticed_whatever_came_between() {
    let all = settings(0, &[], &[]);
    let (ended, ..) = walked(&[&["m"], &["a"], &["z"], &["b"], &["z", "m"], &["c"]], &all).await;
    assert!(matches!(ended, WalkEnd::Failed(WalkError::NoProgress { page: 5 })), "{ended:?}");
    let (ended, ..) = walked(&[&["m"], &["a"], &["z"], &["b"], &["a", "k"], &["c"]], &all).await;
    assert!(matches!(ended, WalkEnd::Whole), "{ended:?}");
}

#[tokio::test]
async fn monitored_repositories_that_are_listed_together_and_late_are_no_repetition() {
    for (count, memory) in [(1, 3), (40, 40)] {
        let monitored: Vec<String> = (0..count).map(|n| format!("a/{n:02}")).collect();
        let settings = WalkSettings { monitored: monitored.clone(), ..settings(0, &[], &[]) };
        let scratch = tempfile::tempdir().unwrap();
        let start = fresh(scratch.path(), &settings);
        // They are read, and have their rows, long before their page comes.
        let mut pages = vec![vec!["z".to_owned()]];
        pages.extend((0..memory).map(|n| vec![format!("y/{n:02}")]));
        pages.extend([monitored, vec!["b".to_owned()], vec!["c".to_owned()]]);
        let walked =
            walk_of(&Listed(pages), &MemoryRegistry::default(), start, &settings, &CancellationToken::new()).await;
        assert!(matches!(walked.ended, WalkEnd::Whole), "{count}: {:?}", walked.ended);
    }
}

#[tokio::test]
async fn an_empty_page_in_between_is_no_lack_of_progress() {
    let (ended, listed, rows) = walked(&[&["a"], &[], &[], &["b"]], &settings(0, &[], &[])).await;
    assert!(matches!(ended, WalkEnd::Whole), "{ended:?}");
    assert_eq!((listed, rows), (2, 2));
}

#[tokio::test]
async fn names_listed_twice_are_one_row_whatever_the_order() {
    let (ended, listed, rows) = walked(&[&["c", "a", "c"], &["b", "a"], &["a"]], &settings(0, &[], &[])).await;
    assert!(matches!(ended, WalkEnd::Whole), "{ended:?}");
    assert_eq!((listed, rows), (6, 3));
}

#[tokio::test]
async fn include_and_exclude_leave_names_out_but_count_them_as_listed() {
    let some = settings(0, &["team/*"], &["team/secret"]);
    let (ended, listed, rows) = walked(&[&["other/x", "team/a"], &["team/b", "team/secret"]], &some).await;
    assert!(matches!(ended, WalkEnd::Whole), "{ended:?}");
    assert_eq!((listed, rows), (4, 2));
}

#[tokio::test]
async fn max_repositories_limits_rows_and_says_so_only_where_more_would_come() {
    let pages: &[&[&'static str]] = &[&["a", "b"], &["c", "d"]];
    for (max, limited, expected) in [(1, true, 1), (2, true, 2), (3, true, 3), (4, false, 4), (5, false, 4)] {
        let (ended, _, rows) = walked(pages, &settings(max, &[], &[])).await;
        assert_eq!((matches!(ended, WalkEnd::Limited), rows), (limited, expected), "at most {max}: {ended:?}");
    }
}

#[tokio::test]
async fn a_stop_ends_the_walk() {
    let scratch = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let settings = settings(0, &[], &[]);
    let start = fresh(scratch.path(), &settings);
    let walked = walk_of(&Listed::of(&[&["a"]]), &MemoryRegistry::default(), start, &settings, &stop).await;
    assert!(matches!(walked.ended, WalkEnd::Stopped));
}
