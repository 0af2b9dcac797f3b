//! The whole text of one exposition, byte for byte: names, HELP, labels, order and numbers.

use stocktake_sink::{Receipt, Table, Trigger, Verdict, WrittenObject};

use super::*;
use crate::run::{JudgedRun, RunOutcome, SinkOutcome};
use crate::state::SinkHistory;

/// Registries and sinks are in an order that is not that of the alphabet.
const REGISTRIES: [&str; 2] = ["quay", "harbor"];
const SINKS: [&str; 3] = ["warehouse", "feed", "a \"quoted\" \\ name"];

fn registry(registry: &str) -> RegistryStatus {
    let delivered = SinkHistory { delivered_at: Some(after(42)), ..SinkHistory::default() };
    let failed = SinkHistory { error: Some("full".into()), ..SinkHistory::default() };
    let history = History {
        last: Some(last_run(registry)),
        last_success_at: Some(after(-86_000)),
        failures: 2,
        inventory: Some(Inventory { repositories: 1234, tags: 99_999, manifests: 1_000_000, slot: None }),
        sinks: [(SINKS[0].to_owned(), delivered), (SINKS[1].to_owned(), failed)].into(),
        ..History::default()
    };
    let token = TokenStatus::Held { expires_at: after(3900), renew_at: after(3840) };
    RegistryStatus { history, token, sinks: sinks(&SINKS), ..scheduled(registry) }
}

fn report(registry: &str) -> RunReport {
    let record = record(registry, Verdict::Suspicious);
    let object = WrittenObject { table: Table::Runs, location: String::new(), rows: 5, bytes: 12_345_678_901 };
    let receipt = Receipt { location: "there".into(), objects: vec![object], warnings: Vec::new() };
    let delivered = |sink: &str, attempts, took| SinkOutcome {
        sink: sink.into(),
        result: Ok(receipt.clone()),
        attempts,
        took: Duration::from_millis(took),
        run_id: String::new(),
        owes: Vec::new(),
    };
    RunReport {
        registry: name(registry),
        started_at: moment(),
        finished_at: after(42),
        outcome: RunOutcome::Judged(Box::new(JudgedRun::of(record))),
        sinks: SINKS.map(|sink| delivered(sink, 2, 700_500)).into(),
        redelivered: vec![delivered(SINKS[0], 1, 250)],
        trigger: Trigger::Schedule,
        history: None,
        dry_run: false,
    }
}

#[test]
fn the_exposition_is_that_of_the_golden_file() {
    let metrics = Metrics::new();
    for registry in REGISTRIES {
        let meter = metrics.registry(&name(registry), &sinks(&SINKS));
        report_all_events(&*meter);
        meter.begun(Endpoint::Tags);
        metrics.run_ended(&report(registry));
        metrics.skipped(&name(registry), SkipReason::Missed, 3);
    }
    metrics.panicked();
    let text = metrics.expose(&status(REGISTRIES.map(registry).into()));
    let version = format!("version=\"{}\",revision=\"", env!("CARGO_PKG_VERSION"));
    let revision = option_env!("STOCKTAKE_REVISION").unwrap_or("unknown");
    let text = text.replacen(&format!("{version}{revision}\""), "version=\"0.0.0\",revision=\"none\"", 1);
    if let Some(path) = std::env::var_os("WRITE_GOLDEN") {
        std::fs::write(path, &text).expect("written");
    }
    let golden = include_str!("golden.prom");
    for (number, (line, expected)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", number + 1);
    }
    assert_eq!(text, golden);
}
