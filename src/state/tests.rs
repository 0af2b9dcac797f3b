use std::collections::BTreeMap;
use std::sync::Arc;

use stocktake_sink::contract::record;
use stocktake_sink::{MemoryRows, Rows, Snapshot, Table, Verdict};

use super::*;
use crate::snapshot::Spool;

const EXTENT: Extent = Extent {
    repositories: 7,
    listed: Some(9),
    gone: 1,
    tagged: Some(6),
    tags: Some(70),
    digests: Some(69),
    manifests: Some(60),
    missing: None,
};

fn name() -> RegistryName {
    "quay".parse().unwrap()
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn keep(state: &mut RegistryState, slot: DateTime<Utc>) -> SnapshotId {
    keep_for(state, slot, &[], 7).0
}

/// Keeps a snapshot for these sinks.
fn keep_for(
    state: &mut RegistryState,
    slot: DateTime<Utc>,
    keepers: &[&str],
    most: usize,
) -> (SnapshotId, Vec<GivenUp>) {
    let id = SnapshotId::new(name(), slot);
    let unsealed = Spool::create(&state.walk_directory(), &[Table::Repositories]).unwrap().finish().unwrap();
    let sealed = unsealed.seal(record(&id, Verdict::Complete, 7), &state.sealed_directory(&id)).unwrap();
    let keepers: Vec<_> = keepers.iter().map(|name| (*name).to_owned()).collect();
    let given_up = state.keep(&sealed, EXTENT, &keepers, most).unwrap();
    (id, given_up)
}

fn entries(root: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(root.join("quay")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn receipt() -> Receipt {
    Receipt { location: "there".into(), objects: Vec::new(), warnings: Vec::new() }
}

#[test]
fn a_second_run_of_a_registry_is_told_who_has_it_and_another_registry_is_free() {
    let root = tempfile::tempdir().unwrap();
    let held = RegistryState::lock(root.path(), &name()).unwrap();
    match RegistryState::lock(root.path(), &name()) {
        Err(StateError::Locked { pid }) => assert_eq!(pid, std::process::id().to_string()),
        other => panic!("{other:?}"),
    }
    RegistryState::lock(root.path(), &"harbor".parse().unwrap()).unwrap();
    drop(held);
    RegistryState::lock(root.path(), &name()).unwrap();
}

#[test]
fn root_writes_nothing_into_the_state_of_a_user_that_systemd_made() {
    let root = tempfile::tempdir().unwrap();
    assert!(refuse_of_dynamic_user(root.path(), true).is_ok());
    if !rustix::process::geteuid().is_root() {
        return; // only root can give a directory away
    }
    for (uid, is_refused) in
        [(61184, true), (65519, true), (1000, false), (61183, false), (65520, false), (65534, false)]
    {
        std::os::unix::fs::chown(root.path(), Some(uid), None).unwrap();
        let locked = RegistryState::lock(root.path(), &name());
        assert_eq!(matches!(locked, Err(StateError::DynamicUser { .. })), is_refused, "{uid}: {locked:?}");
        assert!(refuse_of_dynamic_user(root.path(), false).is_ok(), "the user itself");
    }
}

#[test]
fn no_two_runs_share_a_slot_even_if_the_clock_goes_back() {
    let root = tempfile::tempdir().unwrap();
    let mut slots = Vec::new();
    for second in [10, 10, 3, 60] {
        slots.push(RegistryState::lock(root.path(), &name()).unwrap().take_slot(at(second)).unwrap());
    }
    assert_eq!(slots, [at(10), at(11), at(12), at(60)]);
}

#[test]
fn a_slot_that_a_clock_far_ahead_took_names_no_later_run() {
    let root = tempfile::tempdir().unwrap();
    let lock = || RegistryState::lock(root.path(), &name()).unwrap();
    let years = 10 * 365 * 24 * 3600;
    assert_eq!(lock().take_slot(at(years)).unwrap(), at(years));
    assert_eq!(lock().ahead_of(at(5)), TimeDelta::zero());
    assert_eq!(lock().take_slot(at(5)).unwrap(), at(5));
    assert_eq!(lock().take_scheduled(at(7)).unwrap(), Some(at(7)));
    assert_eq!(lock().ahead_of(at(7)), TimeDelta::seconds(1));
}

#[test]
fn a_slot_of_the_schedule_is_taken_again_until_its_run_has_ended_and_never_after() {
    let root = tempfile::tempdir().unwrap();
    let lock = || RegistryState::lock(root.path(), &name()).unwrap();
    assert_eq!(lock().take_scheduled(at(10)).unwrap(), Some(at(10)));
    assert_eq!(lock().take_scheduled(at(10)).unwrap(), Some(at(10)), "killed");
    let mut state = lock();
    state.ended(History { served: Some(at(10)), ..History::default() }).unwrap();
    drop(state);
    assert_eq!(lock().take_scheduled(at(10)).unwrap(), None);
    // A person's run that came later in the same minute; the slot's own run must not share its identity, nor go before
    // it.
    assert_eq!(lock().take_slot(at(70)).unwrap(), at(70));
    assert_eq!(lock().take_scheduled(at(69)).unwrap(), Some(at(71)));
    assert_eq!(history(root.path(), &name()).unwrap().served, Some(at(10)));
}

#[test]
fn a_slot_in_the_second_of_a_persons_run_has_a_time_of_its_own_which_it_keeps() {
    let root = tempfile::tempdir().unwrap();
    let lock = || RegistryState::lock(root.path(), &name()).unwrap();
    assert_eq!(lock().take_slot(at(10)).unwrap(), at(10));
    assert_eq!(lock().take_scheduled(at(10)).unwrap(), Some(at(11)));
    assert_eq!(lock().take_scheduled(at(10)).unwrap(), Some(at(11)), "killed");
    assert_eq!(lock().take_scheduled(at(11)).unwrap(), Some(at(12)), "another slot");
}

#[test]
fn a_last_slot_at_the_end_of_time_is_no_reason_to_panic() {
    let root = tempfile::tempdir().unwrap();
    let mut state = RegistryState::lock(root.path(), &name()).unwrap();
    state.pointer.last_slot = Some(DateTime::<Utc>::MAX_UTC);
    state.save().unwrap();
    drop(state);
    assert_eq!(RegistryState::lock(root.path(), &name()).unwrap().take_slot(at(10)).unwrap(), at(10));
}

#[test]
fn the_newest_snapshot_replaces_the_one_before_and_is_undelivered_at_first() {
    let root = tempfile::tempdir().unwrap();
    let mut state = RegistryState::lock(root.path(), &name()).unwrap();
    assert!(state.last().is_none());
    let first = keep(&mut state, at(1));
    state.received(&first, "warehouse", receipt());
    assert_eq!(state.owed("warehouse"), []);
    let second = keep(&mut state, at(2));
    assert_eq!(state.owed("warehouse"), std::slice::from_ref(&second));
    drop(state);

    let state = RegistryState::lock(root.path(), &name()).unwrap();
    assert_eq!(state.last().unwrap().unwrap().snapshot.id(), &second);
    assert_eq!(state.previous().unwrap().extent, EXTENT);
    assert_eq!(previous(root.path(), &name()).unwrap(), state.previous());
    assert_eq!(entries(root.path()), ["lock", &format!("sealed-{second}"), "state.json"]);
}

fn locked(root: &Path) -> RegistryState {
    RegistryState::lock(root, &name()).unwrap()
}

#[test]
fn snapshots_stay_until_each_sink_has_them_in_their_order() {
    let root = tempfile::tempdir().unwrap();
    let mut state = locked(root.path());
    let ids: Vec<_> = (1..=3).map(|night| keep_for(&mut state, at(night), &["lake", "pg"], 7).0).collect();
    assert_eq!((state.owed("lake"), state.owed("pg")), (ids.clone(), ids.clone()));
    state.received(&ids[0], "lake", receipt());
    state.received(&ids[1], "lake", receipt());
    state.received(&ids[0], "pg", receipt());
    state.ended(History::default()).unwrap();
    drop(state);

    let mut state = locked(root.path());
    assert_eq!((state.owed("lake"), state.owed("pg")), (vec![ids[2].clone()], ids[1..].to_vec()));
    let kept = |root: &Path| entries(root).into_iter().filter(|name| name.starts_with("sealed-")).collect::<Vec<_>>();
    assert_eq!(kept(root.path()), [&ids[1], &ids[2]].map(|id| format!("sealed-{id}")));
    assert!(state.open(&ids[1]).is_ok() && state.open(&ids[0]).is_err());
    // A sink that is new gets the newest alone.
    assert_eq!(state.owed("new"), &ids[2..]);
    state.received(&ids[1], "pg", receipt());
    state.received(&ids[2], "pg", receipt());
    state.ended(History::default()).unwrap();
    assert_eq!((state.owed("pg"), kept(root.path())), (vec![], vec![format!("sealed-{}", ids[2])]));
}

#[test]
fn beyond_the_bound_the_oldest_is_given_up_for_the_sink_that_lacks_it_alone() {
    let root = tempfile::tempdir().unwrap();
    let mut state = locked(root.path());
    let (first, _) = keep_for(&mut state, at(1), &["dead", "slow"], 2);
    let (second, none) = keep_for(&mut state, at(2), &["dead", "slow"], 2);
    assert_eq!(none, []);
    state.received(&first, "slow", receipt());
    let (third, given_up) = keep_for(&mut state, at(3), &["dead", "slow"], 2);
    assert_eq!(given_up, [GivenUp { sink: "dead".to_owned(), id: first.clone() }]);
    let lost = state.history().sinks["dead"].lost.clone().unwrap();
    assert_eq!((lost.run_id, lost.at), (first.run_id(), at(3) + TimeDelta::minutes(10)));
    assert!(!state.history().sinks.contains_key("slow"));
    drop(state);
    let mut state = locked(root.path());
    assert_eq!((state.owed("dead"), state.owed("slow")), (vec![second.clone(), third.clone()], vec![second, third]));
    // A bound that was lowered takes effect at once.
    let (fourth, given_up) = keep_for(&mut state, at(4), &["dead", "slow"], 1);
    assert_eq!((given_up.len(), state.owed("dead")), (4, vec![fourth]));
}

#[test]
fn what_is_owed_to_a_sink_that_is_no_longer_configured_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    let mut state = locked(root.path());
    for night in 1..=3 {
        keep_for(&mut state, at(night), &["old", "pg"], 7);
    }
    assert_eq!(state.forget_other_sinks(&["pg".to_owned()]), BTreeMap::from([("old".to_owned(), 2)]));
    assert_eq!((state.owed("pg").len(), state.owed("old").len()), (3, 1), "the newest is everybody's");
    assert_eq!(state.forget_other_sinks(&["pg".to_owned()]), BTreeMap::new());
}

#[test]
fn a_snapshot_that_cannot_be_read_is_given_up_unless_it_is_the_newest() {
    let root = tempfile::tempdir().unwrap();
    let mut state = locked(root.path());
    let (first, _) = keep_for(&mut state, at(1), &["pg"], 7);
    let (second, _) = keep_for(&mut state, at(2), &["pg"], 7);
    assert!(state.give_up_on(&first, "pg", at(9)) && !state.give_up_on(&first, "pg", at(9)));
    assert!(!state.give_up_on(&second, "pg", at(9)));
    assert_eq!(state.owed("pg"), [second]);
    assert_eq!(state.history().sinks["pg"].lost.as_ref().map(|lost| lost.at), Some(at(9)));
}

#[test]
fn what_a_killed_run_left_is_removed_and_the_last_snapshot_stays() {
    let root = tempfile::tempdir().unwrap();
    let mut state = RegistryState::lock(root.path(), &name()).unwrap();
    let kept = keep(&mut state, at(1));
    // Killed in mid-walk, between seal and pointer, and while the pointer was being written.
    Spool::create(&state.walk_directory(), &[Table::Repositories]).unwrap();
    fs::create_dir(state.sealed_directory(&SnapshotId::new(name(), at(2)))).unwrap();
    fs::write(root.path().join("quay").join(".stocktake-state.json"), "{").unwrap();
    drop(state);
    let state = RegistryState::lock(root.path(), &name()).unwrap();
    assert_eq!(state.last().unwrap().unwrap().snapshot.id(), &kept);
    // A walk may be resumed, unless the caller says that it must not.
    assert_eq!(entries(root.path()), ["lock", &format!("sealed-{kept}"), "state.json", "walk"]);
    state.discard_walk();
    assert_eq!(entries(root.path()), ["lock", &format!("sealed-{kept}"), "state.json"]);
}

#[test]
fn what_is_not_ours_is_left_and_keeps_no_run_from_beginning() {
    let root = tempfile::tempdir().unwrap();
    let mut state = RegistryState::lock(root.path(), &name()).unwrap();
    let first = keep(&mut state, at(1));
    let directory = root.path().join("quay");
    fs::create_dir(state.sealed_directory(&first).join("@eaDir")).unwrap();
    fs::create_dir_all(directory.join(".stocktake-0123456789abcdef-state.json/theirs")).unwrap();
    fs::create_dir_all(directory.join("sealed-theirs/theirs")).unwrap();
    fs::write(directory.join("sealed-file"), "theirs").unwrap();
    fs::create_dir_all(state.walk_directory().join("@eaDir")).unwrap();
    let second = keep(&mut state, at(2));
    drop(state);
    let state = RegistryState::lock(root.path(), &name()).unwrap();
    assert_eq!(state.last().unwrap().unwrap().snapshot.id(), &second);
    state.discard_walk();
    let sealed = [first, second].map(|id| format!("sealed-{id}"));
    let expected = [".stocktake-0123456789abcdef-state.json", "lock", "sealed-file", &sealed[0], &sealed[1]];
    assert_eq!(entries(root.path()), [&expected[..], &["sealed-theirs", "state.json", "walk"]].concat());
    assert_eq!(fs::read_dir(directory.join(&sealed[0])).unwrap().count(), 1, "what was ours in it is gone");
}

#[test]
fn the_shrink_guard_outlives_a_damaged_snapshot() {
    let root = tempfile::tempdir().unwrap();
    let mut state = RegistryState::lock(root.path(), &name()).unwrap();
    let id = keep(&mut state, at(1));
    fs::remove_file(state.sealed_directory(&id).join("sealed.json")).unwrap();
    assert!(state.last().unwrap().is_err());
    assert_eq!(state.previous().unwrap().extent, EXTENT);
}

#[test]
fn a_pointer_that_is_not_ours_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    drop(RegistryState::lock(root.path(), &name()).unwrap());
    let pointer = root.path().join("quay").join("state.json");
    fs::write(&pointer, "not json").unwrap();
    assert!(matches!(RegistryState::lock(root.path(), &name()), Err(StateError::Damaged { .. })));
    assert_eq!(fs::read_to_string(pointer).unwrap(), "not json");
}

#[test]
fn a_state_written_before_there_was_a_history_and_one_of_a_later_version_are_read() {
    let root = tempfile::tempdir().unwrap();
    drop(RegistryState::lock(root.path(), &name()).unwrap());
    let pointer = root.path().join("quay").join("state.json");
    let read = || RegistryState::lock(root.path(), &name()).unwrap();
    fs::write(&pointer, r#"{"last_slot": "2023-11-14T22:13:30Z", "last": null}"#).unwrap();
    assert_eq!(read().history(), &History::default());
    assert_eq!(read().take_slot(at(0)).unwrap(), at(11), "what it knew, it knows");
    let later = r#"{"last_slot": null, "last": null, "moon": 1,
        "history": {"failures": 2, "moon": 1, "sinks": {"warehouse": {"error": "full", "moon": 1}}}}"#;
    fs::write(&pointer, later).unwrap();
    let history = read().history().clone();
    assert_eq!((history.failures, history.sinks["warehouse"].error.as_deref()), (2, Some("full")));
}

#[test]
fn a_snapshot_without_rows_of_its_own_is_only_its_record() {
    let record = record(&SnapshotId::new(name(), at(1)), Verdict::Denied, 7);
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::default());
    let snapshot = Snapshot::new(record, BTreeMap::from([(Table::Repositories, rows)])).unwrap();
    assert_eq!(snapshot.tables().collect::<Vec<_>>(), [Table::Runs]);
}

#[test]
fn what_an_earlier_version_wrote_down_of_the_last_snapshot_is_read() {
    let root = tempfile::tempdir().unwrap();
    let mut state = RegistryState::lock(root.path(), &name()).unwrap();
    keep(&mut state, at(1));
    drop(state);
    let path = root.path().join("quay/state.json");
    let mut pointer: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    pointer["last"].as_object_mut().unwrap().remove("extent").unwrap();
    fs::write(&path, pointer.to_string()).unwrap();
    let known = Extent { repositories: 7, tags: Some(70), ..Extent::default() };
    assert_eq!(previous(root.path(), &name()).unwrap().unwrap().extent, known);
    // And one that counted only some of what is counted now.
    pointer["last"]["extent"] = serde_json::json!({"repositories": 7, "tags": 70});
    fs::write(&path, pointer.to_string()).unwrap();
    assert_eq!(previous(root.path(), &name()).unwrap().unwrap().extent, known);
}
