use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Mutex;

use async_trait::async_trait;
use stocktake_sink::Verdict;
use stocktake_sink::contract::{id, record};

use super::*;

/// Fails as told, then succeeds; `None` never answers.
#[derive(Debug)]
struct Scripted(Mutex<Vec<Option<SinkErrorKind>>>);

#[async_trait]
impl Sink for Scripted {
    async fn publish(&self, _: &Snapshot) -> Result<Receipt, SinkError> {
        let next = self.0.lock().unwrap().pop();
        match next {
            None => Ok(Receipt { location: "there".into(), objects: Vec::new(), warnings: Vec::new() }),
            Some(Some(kind)) => Err(SinkError::new(kind, "write there")),
            Some(None) => pending().await,
        }
    }

    async fn probe(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn sink(name: &str, script: &[Option<SinkErrorKind>]) -> (String, Arc<dyn Sink>) {
    (name.to_owned(), Arc::new(Scripted(Mutex::new(script.to_vec()))))
}

fn snapshot_with(verdict: Verdict) -> Snapshot {
    Snapshot::new(record(&id("quay", 0), verdict, 0), BTreeMap::new()).unwrap()
}

fn snapshot() -> Snapshot {
    snapshot_with(Verdict::Complete)
}

#[tokio::test(start_paused = true)]
async fn a_failing_sink_is_asked_again_within_a_bound_and_disturbs_no_other() {
    use SinkErrorKind::{Forbidden, Full, Unavailable};
    let sinks = [
        sink("good", &[]),
        sink("recovers", &[Some(Unavailable), Some(Unavailable)]),
        sink("dead", &[Some(Unavailable); 9]),
        sink("full", &[Some(Full)]),
        sink("forbidden", &[Some(Forbidden)]),
    ];
    let outcomes = to_all(&sinks, &snapshot(), &CancellationToken::new()).await;
    let seen: Vec<_> = outcomes.iter().map(|o| (o.sink.as_str(), o.result.is_ok(), o.attempts)).collect();
    let expected =
        [("good", true, 1), ("recovers", true, 3), ("dead", false, 3), ("full", false, 1), ("forbidden", false, 1)];
    assert_eq!(seen, expected);
    assert!(outcomes[0].took.is_zero(), "a good sink does not wait for a bad one");
    assert!(outcomes[3].to_string().contains("make room"), "{}", outcomes[3]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_delivery_that_hangs_or_waits() {
    let stop = CancellationToken::new();
    let sinks = [sink("hangs", &[None]), sink("waits", &[Some(SinkErrorKind::Unavailable); 9]), sink("done", &[])];
    let cancelled = stop.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(100)).await;
        cancelled.cancel();
    });
    let outcomes = to_all(&sinks, &snapshot(), &stop).await;
    assert!(matches!(outcomes[0].result, Err(DeliveryError::Interrupted)));
    assert!(matches!(outcomes[1].result, Err(DeliveryError::Interrupted)));
    assert!(outcomes[2].result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_next_run_is_said_to_deliver_only_what_it_will() {
    use SinkErrorKind::{Full, Snapshot as Unreadable};
    let stopped = CancellationToken::new();
    stopped.cancel();
    for (verdict, kind, stop, owed) in [
        (Verdict::Complete, Full, CancellationToken::new(), true),
        (Verdict::Gaps, Full, stopped.clone(), true),
        (Verdict::Complete, Unreadable, CancellationToken::new(), false),
        // The row of such a run is kept nowhere.
        (Verdict::Partial, Full, CancellationToken::new(), false),
        (Verdict::Denied, Full, stopped, false),
    ] {
        let outcomes = to_all(&[sink("full", &[Some(kind)])], &snapshot_with(verdict), &stop).await;
        let said = outcomes[0].to_string();
        assert_eq!(said.contains("the next run delivers it"), owed, "{verdict} {said}");
    }
}
