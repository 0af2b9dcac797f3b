mod nights;
mod slots;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use crate::clock;
use crate::discovery::DiscoverySettings;
use crate::registry::{self, Auth};
use crate::snapshot::JudgeSettings;
use crate::walk::{WalkCounts, WalkEnd, WalkOutcome, WalkSettings};

use super::*;

fn plan(state: &Path) -> Plan {
    let url = "http://127.0.0.1:9".parse().unwrap();
    let registry = registry::RegistrySettings { auth: Auth::None, ..registry::RegistrySettings::new("quay", url) };
    let walk = WalkSettings::default();
    let (state, config_sha256) = (state.to_owned(), String::new());
    Plan {
        name: "quay".parse().unwrap(),
        registry,
        discovery: DiscoverySettings::Catalog,
        walk,
        judge: JudgeSettings::default(),
        sinks: Vec::new(),
        keep_undelivered: 7,
        state,
        config_sha256,
        meter: std::sync::Arc::new(()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_the_time_that_passed_and_not_what_the_wall_clock_says() {
    let in_the_way = tempfile::NamedTempFile::new().unwrap();
    let plan = plan(in_the_way.path());
    let run = Run::new(&plan);
    tokio::time::advance(Duration::from_hours(1)).await;
    let report = run.publish(&CancellationToken::new()).await;
    assert!(matches!(report.outcome, RunOutcome::NotBegun(_)), "{report:?}");
    assert!(report.duration() >= TimeDelta::hours(1), "{report:?}");
}

#[tokio::test]
async fn other_work_goes_on_while_a_spool_is_merged() {
    let scratch = tempfile::tempdir().unwrap();
    let mut spool = Spool::create(&scratch.path().join("walk"), &[stocktake_sink::Table::Repositories]).unwrap();
    for n in (0..100_000).rev() {
        let (repository, state) = (&*format!("app{n:06}"), crate::snapshot::RepositoryState::Complete);
        let observed_at = clock::now();
        let row = crate::snapshot::RepositoryRow {
            observed_at,
            repository,
            tag_count: None,
            state,
            error_code: None,
            monitored: false,
        };
        spool.push(&row).unwrap();
    }
    let mut counts = WalkCounts::default();
    (counts.pages, counts.listed) = (1, 100_000);
    let walked = WalkOutcome { ended: WalkEnd::Whole, counts, spool, resumable: false };
    let plan = plan(scratch.path());
    let run = Run::new(&plan);
    let turns = Rc::new(Cell::new(0));
    let id = SnapshotId::new(plan.name.clone(), run.context.started_at);
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let judged = tokio::select! {
        biased;
        judged = verdict::judge(&run.context, WalkAttempt::Done { walked: Box::new(walked), resumed: None }, id, None) => judged.unwrap(),
        () = others => unreachable!("it never ends"),
    };
    assert_eq!(judged.record.rows_repositories, 100_000);
    assert!(turns.get() > 0, "nothing else had its turn");
}
