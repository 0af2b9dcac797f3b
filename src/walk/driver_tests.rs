use super::*;
use crate::walk::tests::{Listed, memory::MemoryRegistry};

#[tokio::test(start_paused = true)]
async fn where_no_page_has_a_cursor_the_ledger_is_not_sent_off_over_and_over() {
    let scratch = tempfile::tempdir().unwrap();
    let (settings, progress) = (WalkSettings::default(), WalkProgress::default());
    let (pages, memory) = (Listed::of(&[&["a"]]), MemoryRegistry::default());
    let concurrency = std::num::NonZeroUsize::MIN;
    let sources = WalkSources { discovery: &pages, contents: &memory, known: None, concurrency };
    let start = crate::walk::tests::fresh(scratch.path(), &settings);
    let mut driver = Driver::begin(&sources, start, &settings, &progress).ok().unwrap();
    driver.pages = ListPosition::Lost;
    tokio::time::advance(CHECKPOINT_EVERY).await;
    assert!(driver.is_checkpoint_due());
    driver.send(None);
    assert!(!driver.is_checkpoint_due());
    driver.close(WalkEnd::Stopped).await;
}
