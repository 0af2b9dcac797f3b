//! Runs of a schedule's slots: each is served once, whichever process is killed, and refused credentials are not sent a
//! fourth time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use stocktake_sink::{Receipt, Sink, SinkError, SinkErrorKind, Snapshot, Trigger};
use tokio::sync::Mutex;

use super::*;
use crate::registry::PasswordLogin;
use crate::registry::SecretSource;
use fake_registry::{FakeEndpoint, FakeRegistry, PASSWORD, RepositoryNames, Script, USERNAME};

/// A sink that fails or hangs if it is told to, and counts what it took.
#[derive(Debug, Default)]
pub(super) struct Moody {
    pub(super) fails: Mutex<bool>,
    /// What it cancels when it is next asked, and then it hangs.
    stops: Mutex<Option<CancellationToken>>,
    pub(super) took: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Sink for Moody {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        let stop = self.stops.lock().await.take();
        if let Some(stop) = stop {
            stop.cancel();
            std::future::pending::<()>().await;
        }
        if *self.fails.lock().await {
            return Err(SinkError::new(SinkErrorKind::Full, "write"));
        }
        self.took.lock().await.push(snapshot.id().run_id());
        Ok(Receipt { location: "there".into(), objects: Vec::new(), warnings: Vec::new() })
    }

    async fn probe(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

pub(super) struct SlotPlace {
    pub(super) directory: tempfile::TempDir,
    registry: FakeRegistry,
    pub(super) sink: Arc<Moody>,
}

impl SlotPlace {
    pub(super) async fn new() -> Self {
        let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(150, 1))).await.unwrap();
        let place = Self { directory: tempfile::tempdir().unwrap(), registry, sink: Arc::default() };
        place.secret(PASSWORD);
        place
    }

    fn secret(&self, password: &str) {
        let path = self.directory.path().join("password");
        fs::write(&path, password).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(super) fn plan(&self) -> Plan {
        let mut plan = plan(&self.directory.path().join("state"));
        let password = SecretSource::File(self.directory.path().join("password"));
        plan.registry.url = self.registry.url();
        plan.registry.auth = Auth::Token(Some(PasswordLogin { username: USERNAME.into(), password }));
        plan.sinks = vec![("warehouse".into(), Arc::clone(&self.sink) as _)];
        plan
    }

    pub(super) async fn scheduled(&self, second: i64) -> RunReport {
        Run::scheduled(&self.plan(), at(second)).publish(&CancellationToken::new()).await
    }

    async fn by_hand(&self) -> RunReport {
        Run::new(&self.plan()).publish(&CancellationToken::new()).await
    }

    fn logins(&self) -> u64 {
        self.registry.count(FakeEndpoint::Token)
    }
}

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn refusals(report: &RunReport) -> Option<u32> {
    report.history.as_ref().unwrap().refusals.as_ref().map(|refusals| refusals.count)
}

#[tokio::test]
async fn credentials_refused_three_times_are_not_sent_again_until_they_change() {
    let place = SlotPlace::new().await;
    place.secret("wrong");
    for night in 1..=3 {
        let report = place.scheduled(i64::from(night)).await;
        assert_eq!(report.severity(), RunSeverity::Authentication);
        assert_eq!(refusals(&report), Some(night));
        assert_eq!(place.logins(), u64::from(night), "each run sends them once");
    }
    let report = place.scheduled(4).await;
    assert!(matches!(report.outcome, RunOutcome::Suspended(_)), "{report:?}");
    assert_eq!(report.severity(), RunSeverity::Authentication);
    let cause = report.cause().unwrap();
    assert!(cause.message.contains("refused 3 times in a row"), "{cause:?}");
    assert_eq!(place.logins(), 3, "nothing was sent");

    place.secret(PASSWORD);
    let report = place.scheduled(5).await;
    assert_eq!((report.severity(), refusals(&report)), (RunSeverity::Good, None), "{report:?}");
}

#[tokio::test]
async fn a_person_may_send_refused_credentials_and_closes_the_breaker_if_they_are_taken() {
    let place = SlotPlace::new().await;
    place.secret("wrong");
    for night in 1..=3 {
        place.scheduled(night).await;
    }
    assert_eq!(refusals(&place.by_hand().await), Some(4));
    // As if the account had been unlocked: the same secret is right now.
    let path = place.directory.path().join("state/quay/state.json");
    place.secret(PASSWORD);
    assert_eq!(refusals(&place.by_hand().await), None);
    let pointer = fs::read_to_string(path).unwrap();
    assert!(!pointer.contains("fingerprint"), "{pointer}");
}

#[tokio::test]
async fn another_wrong_secret_begins_to_count_anew_and_the_state_holds_neither() {
    let place = SlotPlace::new().await;
    place.secret("first-wrong-one");
    for night in 1..=3 {
        place.scheduled(night).await;
    }
    place.secret("second-wrong-one");
    assert_eq!(refusals(&place.scheduled(4).await), Some(1));
    let pointer = fs::read_to_string(place.directory.path().join("state/quay/state.json")).unwrap();
    assert!(pointer.contains("\"fingerprint\"") && !pointer.contains("wrong-one"), "{pointer}");
}

#[tokio::test]
async fn a_slot_is_served_once() {
    let place = SlotPlace::new().await;
    let report = place.scheduled(10).await;
    let history = report.history.unwrap();
    assert_eq!(history.served, Some(at(10)));
    let last = history.last.unwrap();
    assert_eq!((last.run_id.as_str(), last.trigger), ("quay-20231114T221330Z", Trigger::Schedule));
    assert_eq!(history.inventory.unwrap().repositories, 150);
    assert_eq!(history.last_success_at, Some(last.finished_at));
    let report = place.scheduled(10).await;
    assert!(matches!(report.outcome, RunOutcome::Skipped(_)), "{report:?}");
    assert_eq!(*place.sink.took.lock().await, ["quay-20231114T221330Z"]);
}

#[tokio::test]
async fn a_run_killed_after_it_sealed_is_the_same_run_when_its_slot_is_taken_again() {
    let place = SlotPlace::new().await;
    *place.sink.fails.lock().await = true;
    let report = place.scheduled(10).await;
    let history = report.history.unwrap();
    assert!(history.sinks["warehouse"].error.as_ref().unwrap().contains("make room"), "{history:?}");
    assert_eq!((history.last_success_at, history.failures), (None, 0));
    // As it would stand if it had been killed before it could write down how it ended.
    let path = place.directory.path().join("state/quay/state.json");
    let mut pointer: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    pointer.as_object_mut().unwrap().remove("history");
    fs::write(&path, pointer.to_string()).unwrap();
    *place.sink.fails.lock().await = false;

    let asked = place.registry.requests().len();
    let report = place.scheduled(10).await;
    assert_eq!(report.severity(), RunSeverity::Good, "{report:?}");
    assert_eq!(*place.sink.took.lock().await, ["quay-20231114T221330Z"]);
    assert_eq!(place.registry.requests().len(), asked, "there was nothing left to walk");
    assert_eq!(report.history.unwrap().served, Some(at(10)));
}

#[tokio::test]
async fn failures_are_counted_until_one_run_is_published() {
    let place = SlotPlace::new().await;
    place.secret("wrong");
    assert_eq!(place.scheduled(1).await.history.unwrap().failures, 1);
    assert_eq!(place.scheduled(2).await.history.unwrap().failures, 2);
    place.secret(PASSWORD);
    assert_eq!(place.scheduled(3).await.history.unwrap().failures, 0);
}

#[tokio::test]
async fn a_run_stopped_while_its_sinks_are_served_is_finished_when_its_slot_is_taken_again() {
    let place = SlotPlace::new().await;
    let stop = CancellationToken::new();
    *place.sink.stops.lock().await = Some(stop.clone());
    let report = Run::scheduled(&place.plan(), at(10)).publish(&stop).await;
    assert_eq!(report.severity(), RunSeverity::Interrupted, "{report:?}");
    assert_eq!(report.history.unwrap().served, None, "its sinks have not all heard of it");

    let asked = place.registry.requests().len();
    let report = place.scheduled(10).await;
    assert_eq!(report.severity(), RunSeverity::Good, "{report:?}");
    assert_eq!(*place.sink.took.lock().await, ["quay-20231114T221330Z"]);
    assert_eq!(place.registry.requests().len(), asked, "it is not walked again");
    let history = report.history.unwrap();
    assert_eq!((history.served, history.sinks["warehouse"].error.as_ref()), (Some(at(10)), None));
}

#[tokio::test]
async fn refusals_are_forgotten_where_no_secret_is_configured_any_more() {
    let place = SlotPlace::new().await;
    place.secret("wrong");
    assert_eq!(refusals(&place.scheduled(1).await), Some(1));
    let mut plan = place.plan();
    plan.registry.auth = Auth::None;
    let report = Run::scheduled(&plan, at(2)).publish(&CancellationToken::new()).await;
    assert_eq!(refusals(&report), None, "a secret that is not there cannot be corrected");
}

#[tokio::test]
async fn what_a_sink_did_with_the_snapshot_before_is_told_beside_what_it_does_with_this_one() {
    let place = SlotPlace::new().await;
    *place.sink.fails.lock().await = true;
    assert_eq!(place.scheduled(10).await.severity(), RunSeverity::Failed);
    *place.sink.fails.lock().await = false;
    let report = place.scheduled(20).await;
    assert!(matches!(&report.redelivered[..], [SinkOutcome { result: Ok(_), .. }]), "{report:?}");
    assert_eq!((report.sinks.len(), report.severity()), (1, RunSeverity::Good));
    assert_eq!(*place.sink.took.lock().await, ["quay-20231114T221330Z", "quay-20231114T221340Z"]);
}

/// A sink that keeps what the state was when it was asked, as a run that is killed then would leave it.
#[derive(Debug)]
struct StateWitness {
    state: PathBuf,
    saw: Mutex<Vec<(String, Vec<u8>)>>,
}

#[async_trait::async_trait]
impl Sink for StateWitness {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        let seen = (snapshot.id().run_id(), fs::read(&self.state).unwrap());
        self.saw.lock().await.push(seen);
        Ok(Receipt { location: "there".into(), objects: Vec::new(), warnings: Vec::new() })
    }

    async fn probe(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_run_killed_after_its_failure_was_told_is_not_run_again_under_the_same_name() {
    let place = SlotPlace::new().await;
    let state = place.directory.path().join("state/quay/state.json");
    let witness = Arc::new(StateWitness { state: state.clone(), saw: Mutex::default() });
    let mut plan = place.plan();
    plan.sinks = vec![("feed".into(), Arc::clone(&witness) as _)];
    place.secret("wrong");
    let report = Run::scheduled(&plan, at(10)).publish(&CancellationToken::new()).await;
    assert_eq!(report.severity(), RunSeverity::Authentication);
    let (run_id, killed) = witness.saw.lock().await.pop().unwrap();
    fs::write(&state, killed).unwrap();

    place.secret(PASSWORD);
    // The slot, once more, and then the next one.
    Run::scheduled(&plan, at(10)).publish(&CancellationToken::new()).await;
    let report = Run::scheduled(&plan, at(70)).publish(&CancellationToken::new()).await;
    assert_eq!(report.severity(), RunSeverity::Good, "{report:?}");
    let saw = witness.saw.lock().await;
    assert!(saw.iter().all(|(again, _)| *again != run_id), "two contents of {run_id}");
}

#[tokio::test]
async fn a_slot_whose_second_a_persons_run_has_taken_is_run_once_under_another_name() {
    let place = SlotPlace::new().await;
    let name = &place.plan().name;
    let state = place.plan().state;
    let lock = || RegistryState::lock(&state, name).unwrap();
    // A person's run in that very second, that failed or was killed.
    lock().take_slot(at(10)).unwrap();
    let report = place.scheduled(10).await;
    let history = report.history.unwrap();
    assert_eq!(history.last.unwrap().run_id, "quay-20231114T221331Z");
    assert_eq!(history.served, Some(at(10)), "the slot is told from the run's name");
    let report = place.scheduled(10).await;
    assert!(matches!(report.outcome, RunOutcome::Skipped(_)), "{report:?}");
    assert_eq!(*place.sink.took.lock().await, ["quay-20231114T221331Z"]);
}

/// As a `password_command` does that prints another secret each time.
#[tokio::test]
async fn secrets_that_change_all_the_time_are_sent_four_times_an_hour_at_most() {
    let place = SlotPlace::new().await;
    for night in 1..=8 {
        place.secret(&format!("wrong-{night}"));
        let report = place.scheduled(night).await;
        assert_eq!(matches!(report.outcome, RunOutcome::Suspended(_)), night > 4, "{report:?}");
    }
    assert_eq!(place.logins(), 4, "a service locks the account at the fifth");
    // An hour later; or the clock was wrong then.
    let path = place.directory.path().join("state/quay/state.json");
    for minutes in [-61, 61] {
        let mut pointer: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let times = pointer["history"]["refusals"]["times"].as_array_mut().unwrap();
        times[0] = serde_json::to_value(clock::now() + TimeDelta::minutes(minutes)).unwrap();
        fs::write(&path, pointer.to_string()).unwrap();
        let before = place.logins();
        place.secret(&format!("wrong-after-{minutes}"));
        place.scheduled(100 + minutes).await;
        assert_eq!(place.logins(), before + 1);
    }
    place.secret(PASSWORD);
    assert_eq!(refusals(&place.by_hand().await), None, "a person may");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_command_that_hangs_while_the_schedule_is_held_back() {
    let place = SlotPlace::new().await;
    place.secret("wrong");
    for night in 1..=3 {
        place.scheduled(night).await;
    }
    let mut plan = place.plan();
    let began = place.directory.path().join("began");
    let script = format!("touch {}; exec sleep 600", began.display());
    let mut command = crate::registry::SecretCommand::new("sh", vec!["-c".into(), script]);
    command.timeout = Duration::from_mins(10);
    plan.registry.auth =
        Auth::Token(Some(PasswordLogin { username: USERNAME.into(), password: SecretSource::Command(command) }));
    let stop = CancellationToken::new();
    let stopped = async {
        while !began.exists() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (report, ()) = tokio::join!(Run::scheduled(&plan, at(4)).publish(&stop), stopped);
    assert!(matches!(report.outcome, RunOutcome::Interrupted { .. }), "{report:?}");
}
