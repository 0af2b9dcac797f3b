//! Nights on which a sink was away: it gets all of them, in order.

use stocktake_sink::{Receipt, Sink, SinkError, SinkErrorKind, Snapshot};

use super::slots::{Moody, SlotPlace, at};
use super::*;

fn run_id(second: i64) -> String {
    SnapshotId::new("quay".parse().unwrap(), at(second)).run_id()
}

fn ids(seconds: &[i64]) -> Vec<String> {
    seconds.iter().map(|second| run_id(*second)).collect()
}

fn owed(report: &RunReport, sink: &str) -> Vec<String> {
    report.history.as_ref().unwrap().sinks[sink].owed.clone()
}

#[tokio::test]
async fn a_sink_that_was_away_gets_every_night_in_order() {
    let place = SlotPlace::new().await;
    let good = Arc::new(Moody::default());
    let mut plan = place.plan();
    plan.sinks.push(("lake".into(), Arc::clone(&good) as _));
    let run = async |second| Run::scheduled(&plan, at(second)).publish(&CancellationToken::new()).await;
    run(10).await;
    *place.sink.fails.lock().await = true;
    for (night, nights) in [(20, &[20][..]), (30, &[20, 30]), (40, &[20, 30, 40])] {
        let report = run(night).await;
        assert_eq!(owed(&report, "warehouse"), ids(nights));
        assert_eq!(report.sinks.iter().map(|o| o.result.is_ok()).collect::<Vec<_>>(), [false, true]);
        assert_eq!(report.sinks[0].run_id, run_id(20), "the oldest is asked for");
        let said = report.sinks[0].to_string();
        let all =
            format!("the next run delivers {} nights, the oldest first: {}", nights.len(), ids(nights).join(", "));
        assert!(nights.len() == 1 && said.contains("the next run delivers it") || said.contains(&all), "{said}");
        assert_eq!(report.severity(), RunSeverity::Failed);
    }
    *place.sink.fails.lock().await = false;
    let report = run(50).await;
    assert_eq!((report.severity(), owed(&report, "warehouse")), (RunSeverity::Good, vec![]));
    assert_eq!(report.redelivered.iter().map(|o| o.run_id.clone()).collect::<Vec<_>>(), ids(&[20, 30, 40]));
    assert_eq!(*place.sink.took.lock().await, ids(&[10, 20, 30, 40, 50]));
    assert_eq!(*good.took.lock().await, ids(&[10, 20, 30, 40, 50]), "the other one was not disturbed");
    let sealed = fs_names(&place.plan().state.join("quay"));
    assert_eq!(sealed, [format!("sealed-{}.g1", run_id(50))]);
}

fn fs_names(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("sealed-")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_sink_that_comes_back_during_the_walk_gets_what_it_lacks_before_the_new_night() {
    let place = SlotPlace::new().await;
    *place.sink.fails.lock().await = true;
    place.scheduled(10).await;
    // It fails once more at the beginning of the run, and then no more.
    let mut plan = place.plan();
    let recovering = Arc::new(Recovering { refusals: std::sync::Mutex::new(1), inner: Arc::clone(&place.sink) });
    *place.sink.fails.lock().await = false;
    plan.sinks = vec![("warehouse".into(), recovering as _)];
    let report = Run::scheduled(&plan, at(20)).publish(&CancellationToken::new()).await;
    assert_eq!(report.severity(), RunSeverity::Good, "{report:?}");
    assert_eq!(*place.sink.took.lock().await, ids(&[10, 20]));
    let outcomes: Vec<_> = report.redelivered.iter().map(|o| (o.run_id.clone(), o.result.is_ok())).collect();
    assert_eq!(outcomes, [(run_id(10), false), (run_id(10), true)]);
}

/// Fails so many times, then is as the other.
#[derive(Debug)]
struct Recovering {
    refusals: std::sync::Mutex<u32>,
    inner: Arc<Moody>,
}

#[async_trait::async_trait]
impl Sink for Recovering {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        let refuses = {
            let mut left = self.refusals.lock().unwrap();
            let refuses = *left > 0;
            *left = left.saturating_sub(1);
            refuses
        };
        if refuses {
            return Err(SinkError::new(SinkErrorKind::Full, "write"));
        }
        self.inner.publish(snapshot).await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_night_is_given_up_and_the_others_are_delivered() {
    let place = SlotPlace::new().await;
    let mut plan = place.plan();
    plan.keep_undelivered = 2;
    *place.sink.fails.lock().await = true;
    let run = async |second| Run::scheduled(&plan, at(second)).publish(&CancellationToken::new()).await;
    for night in [10, 20] {
        assert_eq!(run(night).await.history.unwrap().sinks["warehouse"].lost, None);
    }
    let report = run(30).await;
    let lost = report.history.as_ref().unwrap().sinks["warehouse"].lost.clone().unwrap();
    assert_eq!((lost.run_id, owed(&report, "warehouse")), (run_id(10), ids(&[20, 30])));
    *place.sink.fails.lock().await = false;
    let report = run(40).await;
    assert_eq!(*place.sink.took.lock().await, ids(&[20, 30, 40]));
    assert!(report.history.unwrap().sinks["warehouse"].lost.is_some(), "what is lost stays lost");
}

#[tokio::test]
async fn a_damaged_snapshot_holds_up_no_later_one() {
    let place = SlotPlace::new().await;
    *place.sink.fails.lock().await = true;
    for night in [10, 20, 30] {
        place.scheduled(night).await;
    }
    let damaged = place.plan().state.join(format!("quay/sealed-{}.g1/repositories.arrow", run_id(20)));
    std::fs::write(&damaged, "no table").unwrap();
    *place.sink.fails.lock().await = false;
    let report = place.scheduled(40).await;
    assert_eq!(*place.sink.took.lock().await, ids(&[10, 30, 40]));
    let sink = &report.history.as_ref().unwrap().sinks["warehouse"];
    assert_eq!((sink.lost.as_ref().map(|lost| lost.run_id.clone()), sink.owed.len()), (Some(run_id(20)), 0));
    assert_eq!(report.severity(), RunSeverity::Good, "{report:?}");
}
