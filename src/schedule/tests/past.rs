//! What is remembered, and how it is written down.

use super::*;

#[test]
fn a_run_that_is_begun_again_is_counted() {
    let mut past = SlotHistory::new(at("2026-06-01 00:00"));
    let (first, second) = (at("2026-06-01 02:00"), at("2026-06-02 02:00"));
    let taken = |slot, ended, attempts| Some(TakenSlot { slot, ended, attempts });
    past.begin(first);
    past.begin(first);
    assert_eq!(past.last, taken(first, false, 2));
    past.end(first);
    assert_eq!(past.last, taken(first, true, 2));
    past.begin(second);
    assert_eq!(past.last, taken(second, false, 1));
    // The end of an earlier run, which was not waited for.
    past.end(first);
    assert_eq!(past.last, taken(second, false, 1));
    let passed = at("2026-06-05 02:00");
    past.end(passed);
    assert_eq!(past.last, taken(passed, true, 0));
}

#[test]
fn the_past_is_json() {
    let mut past = SlotHistory::new(at("2026-06-01 00:00"));
    past.begin(at("2026-06-01 02:00"));
    let text = serde_json::to_string(&past).unwrap();
    let expected =
        r#"{"first_seen":"2026-06-01T00:00:00Z","last":{"slot":"2026-06-01T02:00:00Z","ended":false,"attempts":1}}"#;
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<SlotHistory>(&text).unwrap(), past);
}
