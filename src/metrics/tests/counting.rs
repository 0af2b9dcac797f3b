//! Counters: what they count, when they are kept, and how they behave under concurrent changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use stocktake_sink::{Receipt, SinkError, SinkErrorKind, Table, Trigger, Verdict, WrittenObject};
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::run::{Cause, DeliveryError, JudgedRun, RunOutcome, SinkOutcome};

fn known(names: &[&str]) -> (Metrics, Arc<dyn Observer>) {
    let metrics = Metrics::new();
    let meter = metrics.registry(&name("quay"), &sinks(names));
    (metrics, meter)
}

fn read(metrics: &Metrics) -> Parsed {
    parse(&metrics.expose(&status(vec![scheduled("quay")])))
}

fn cause(code: &'static str) -> Cause {
    Cause { code, message: "scripted".into(), remedy: None, is_authentication: false }
}

fn report(outcome: RunOutcome, sinks: Vec<SinkOutcome>) -> RunReport {
    RunReport {
        registry: name("quay"),
        started_at: moment(),
        finished_at: after(42),
        outcome,
        sinks,
        redelivered: Vec::new(),
        trigger: Trigger::Schedule,
        history: None,
        dry_run: false,
    }
}

fn judged(verdict: Verdict, cause: Option<Cause>) -> RunOutcome {
    let record = record("quay", verdict);
    RunOutcome::Judged(Box::new(JudgedRun { cause, ..JudgedRun::of(record) }))
}

fn delivered(sink: &str, attempts: u32, result: Result<Receipt, DeliveryError>) -> SinkOutcome {
    SinkOutcome {
        sink: sink.into(),
        result,
        attempts,
        took: Duration::from_millis(500),
        run_id: String::new(),
        owes: Vec::new(),
    }
}

fn receipt() -> Receipt {
    let object = |rows, bytes| WrittenObject { table: Table::Runs, location: String::new(), rows, bytes };
    Receipt { location: "there".into(), objects: vec![object(5, 100), object(1, 10)], warnings: Vec::new() }
}

#[test]
fn requests_are_counted_by_endpoint_and_outcome() {
    let (metrics, meter) = known(&[]);
    report_all_events(&*meter);
    let parsed = read(&metrics);
    let of = |name: &str, rest: &str| parsed.value(&format!("stocktake_{name}{{registry=\"quay\"{rest}}}"));
    for endpoint in Endpoint::ALL.map(Endpoint::as_str) {
        for code in ["2xx", "3xx", "401", "403", "404", "429", "4xx", "5xx"] {
            assert_eq!(of("http_requests_total", &format!(",endpoint=\"{endpoint}\",code=\"{code}\"")), 1.0);
        }
        for loss in Loss::ALL.map(Loss::as_str) {
            assert_eq!(of("http_request_failures_total", &format!(",endpoint=\"{endpoint}\",reason=\"{loss}\"")), 1.0);
        }
        let at = format!(",endpoint=\"{endpoint}\"");
        assert_eq!(of("http_retries_total", &at), 1.0);
        assert_eq!(of("http_response_bytes_total", &at), 1200.0);
        assert_eq!(of("http_request_duration_seconds_count", &at), 8.0, "of answers alone");
        assert_eq!(of("http_request_duration_seconds_sum", &at), 2.0);
        assert_eq!(of("http_request_duration_seconds_bucket", &format!("{at},le=\"0.05\"")), 0.0);
        assert_eq!(of("http_request_duration_seconds_bucket", &format!("{at},le=\"0.25\"")), 8.0);
    }
    assert_eq!(of("http_rate_limited_total", ""), 7.0);
    assert_eq!(of("http_rate_limit_wait_seconds_total", ""), 1.5);
    assert_eq!(of("http_requests_in_flight", ""), 0.0);
    assert_eq!(of("pages_total", ""), Fault::ALL.len() as f64 + 1.0);
    assert_eq!(of("page_failures_total", ",reason=\"unreachable\""), 1.0);
    assert_eq!(of("token_requests_total", ""), Fault::ALL.len() as f64);
    assert_eq!(of("token_request_failures_total", ",reason=\"credentials_rejected\""), 1.0);
    for rule in SafetyRule::ALL.map(SafetyRule::as_str) {
        assert_eq!(of("security_rejections_total", &format!(",reason=\"{rule}\"")), 1.0);
    }
    meter.begun(Endpoint::Tags);
    assert_eq!(read(&metrics).value("stocktake_http_requests_in_flight{registry=\"quay\"}"), 1.0);
}

#[test]
fn the_failures_of_all_reasons_add_up() {
    let (metrics, meter) = known(&[]);
    report_all_events(&*meter);
    let parsed = read(&metrics);
    for failures in ["stocktake_page_failures_total", "stocktake_token_request_failures_total"] {
        let reasons = parsed.series.iter().filter(|(series, _)| series.starts_with(failures));
        assert_eq!(reasons.map(|(_, value)| value).sum::<f64>(), Fault::ALL.len() as f64, "{failures}");
    }
}

#[test]
fn only_the_registry_itself_sets_the_clock_skew() {
    let (metrics, meter) = known(&[]);
    let skew = || read(&metrics).value("stocktake_clock_skew_seconds{registry=\"quay\"}");
    let cases = [
        (Endpoint::Catalog, Some(1.0), 1.0),
        (Endpoint::Blob, Some(100.0), 1.0),
        (Endpoint::Token, Some(100.0), 1.0),
        (Endpoint::Tags, None, 1.0),
        (Endpoint::Tags, Some(-4.0), -4.0),
    ];
    for (endpoint, clock_skew, expected) in cases {
        meter.begun(endpoint);
        meter.ended(&EndedRequest { clock_skew, ..exchange(endpoint, Ok(200)) });
        assert_eq!(skew(), expected, "{endpoint:?} {clock_skew:?}");
    }
}

#[test]
fn failed_token_requests_in_a_row_are_counted_without_denied_scopes() {
    let (metrics, meter) = known(&[]);
    let in_vain = || read(&metrics).value("stocktake_token_consecutive_failures{registry=\"quay\"}");
    for (outcome, expected) in [
        (Err(Fault::Unreachable), 1.0),
        (Err(Fault::Denied), 1.0),
        (Err(Fault::ServerError), 2.0),
        (Ok(()), 0.0),
        (Err(Fault::Denied), 0.0),
    ] {
        meter.token(outcome);
        assert_eq!(in_vain(), expected, "{outcome:?}");
    }
}

#[test]
fn redelivered_snapshots_are_counted_for_every_outcome_of_the_run() {
    let (metrics, _meter) = known(&["lake"]);
    let redelivered = || vec![delivered("lake", 1, Ok(receipt()))];
    let suspended = report(RunOutcome::Suspended(cause("credentials_rejected")), Vec::new());
    metrics.run_ended(&RunReport { redelivered: redelivered(), ..suspended });
    let published = report(judged(Verdict::Complete, None), vec![delivered("lake", 1, Ok(receipt()))]);
    metrics.run_ended(&RunReport { redelivered: redelivered(), ..published });
    let parsed = read(&metrics);
    assert_eq!(parsed.value("stocktake_sink_commits_total{registry=\"quay\",sink=\"lake\"}"), 3.0);
}

#[test]
fn runs_are_counted_with_their_reason_and_their_sinks() {
    let (metrics, _meter) = known(&["lake", "copy"]);
    let failed = |kind| Err(DeliveryError::Sink(SinkError::new(kind, "scripted")));
    let sinks = vec![
        delivered("lake", 2, Ok(receipt())),
        delivered("copy", 3, failed(SinkErrorKind::Full)),
        delivered("unknown", 1, Ok(receipt())),
    ];
    metrics.run_ended(&report(judged(Verdict::Complete, None), sinks));
    metrics.run_ended(&report(judged(Verdict::Gaps, Some(cause("gaps"))), Vec::new()));
    metrics
        .run_ended(&RunReport { trigger: Trigger::Manual, ..report(RunOutcome::NotBegun(cause("state")), Vec::new()) });
    metrics.run_ended(&report(
        RunOutcome::Interrupted { resumable: true },
        vec![delivered("lake", 0, Err(DeliveryError::Interrupted))],
    ));
    metrics.run_ended(&report(judged(Verdict::Suspicious, None), Vec::new()));
    metrics.run_ended(&report(judged(Verdict::Denied, Some(cause("credentials_rejected"))), Vec::new()));
    metrics.run_ended(&RunReport { dry_run: true, ..report(judged(Verdict::Failed, None), Vec::new()) });
    metrics.run_ended(&RunReport { registry: name("stranger"), ..report(judged(Verdict::Failed, None), Vec::new()) });
    metrics.run_ended(&report(RunOutcome::Skipped(cause("served")), Vec::new()));
    let parsed = read(&metrics);
    let of = |name: &str, rest: &str| parsed.value(&format!("stocktake_{name}{{registry=\"quay\",{rest}}}"));
    assert_eq!(of("runs_total", "trigger=\"schedule\""), 5.0);
    assert_eq!(of("runs_total", "trigger=\"manual\""), 1.0);
    let failures: Vec<_> = parsed.with("").into_iter().filter(|s| s.starts_with("stocktake_run_failures")).collect();
    assert_eq!(failures.iter().map(|series| parsed.value(series)).sum::<f64>(), 4.0);
    for reason in ["state", "interrupted", "suspicious", "credentials_rejected"] {
        assert_eq!(of("run_failures_total", &format!("reason=\"{reason}\"")), 1.0, "{reason}");
    }
    assert_eq!(of("sink_commits_total", "sink=\"lake\""), 2.0);
    assert_eq!(of("sink_commits_total", "sink=\"copy\""), 3.0);
    assert_eq!(of("sink_commit_failures_total", "sink=\"lake\",reason=\"unavailable\""), 1.0);
    assert_eq!(of("sink_commit_failures_total", "sink=\"copy\",reason=\"unavailable\""), 2.0);
    assert_eq!(of("sink_commit_failures_total", "sink=\"copy\",reason=\"full\""), 1.0);
    assert_eq!(of("sink_rows_written_total", "sink=\"lake\""), 6.0);
    assert_eq!(of("sink_bytes_written_total", "sink=\"lake\""), 110.0);
    assert_eq!(parsed.value("stocktake_sink_commit_duration_seconds_count{sink=\"copy\"}"), 1.0);
    assert!(parsed.with("sink=\"unknown\"").is_empty() && parsed.with("stranger").is_empty());
}

#[test]
fn each_skipped_slot_is_counted_once() {
    let (metrics, _meter) = known(&[]);
    metrics.skipped(&name("quay"), SkipReason::Missed, 3);
    metrics.skipped(&name("quay"), SkipReason::Overlap, 1);
    metrics.skipped(&name("stranger"), SkipReason::Overlap, 1);
    metrics.run_ended(&report(RunOutcome::Skipped(cause("locked")), Vec::new()));
    metrics.run_ended(&report(RunOutcome::Suspended(cause("credentials_rejected")), Vec::new()));
    let by_hand = RunReport { trigger: Trigger::Manual, ..report(RunOutcome::Skipped(cause("locked")), Vec::new()) };
    metrics.run_ended(&by_hand);
    let parsed = read(&metrics);
    for (reason, count) in [("missed", 3.0), ("overlap", 2.0), ("suspended", 1.0)] {
        let series = format!("stocktake_schedule_skipped_total{{registry=\"quay\",reason=\"{reason}\"}}");
        assert_eq!(parsed.value(&series), count, "{reason}");
    }
    assert_eq!(parsed.value("stocktake_runs_total{registry=\"quay\",trigger=\"schedule\"}"), 0.0);
}

#[test]
fn a_reload_keeps_counters_and_removes_those_of_removed_sinks() {
    let (metrics, meter) = known(&["lake", "copy"]);
    report_all_events(&*meter);
    metrics.run_ended(&report(judged(Verdict::Complete, None), vec![delivered("lake", 1, Ok(receipt()))]));
    let before = read(&metrics);
    let again = metrics.registry(&name("quay"), &sinks(&["new", "lake"]));
    let after = read(&metrics);
    assert!(after.with("sink=\"copy\"").is_empty());
    assert_eq!(after.value("stocktake_sink_commits_total{registry=\"quay\",sink=\"new\"}"), 0.0);
    let kept = before.series.iter().filter(|(series, _)| !series.contains("sink=\"copy\""));
    kept.for_each(|(series, value)| assert_eq!(after.value(series), *value, "{series}"));
    // Both meters count the same series.
    meter.page(Ok(()));
    again.page(Ok(()));
    let pages = "stocktake_pages_total{registry=\"quay\"}";
    assert_eq!(read(&metrics).value(pages), before.value(pages) + 2.0);
}

#[test]
fn a_removed_registry_has_no_series_even_if_its_last_run_still_counts() {
    let (metrics, meter) = known(&["lake"]);
    metrics.registry(&name("other"), &sinks(&["copy"]));
    let status = status(vec![fresh("quay"), fresh("other")]);
    metrics.forget(&name("quay"));
    report_all_events(&*meter);
    metrics.run_ended(&report(judged(Verdict::Complete, None), vec![delivered("lake", 1, Ok(receipt()))]));
    metrics.skipped(&name("quay"), SkipReason::Overlap, 1);
    let parsed = parse(&metrics.expose(&status));
    assert!(parsed.with("quay").is_empty() && parsed.with("lake").is_empty());
    assert!(!parsed.with("other").is_empty() && !parsed.with("copy").is_empty());
    metrics.registry(&name("quay"), &[]);
    let parsed = parse(&metrics.expose(&status));
    assert_eq!(
        parsed.value("stocktake_pages_total{registry=\"quay\"}"),
        0.0,
        "a registry that is added again begins at 0"
    );
}

#[test]
fn registries_share_the_histogram_of_a_sink() {
    let (metrics, _meter) = known(&["lake"]);
    metrics.registry(&name("other"), &sinks(&["lake"]));
    for registry in ["quay", "other"] {
        let sinks = vec![delivered("lake", 1, Ok(receipt()))];
        metrics.run_ended(&RunReport { registry: name(registry), ..report(judged(Verdict::Complete, None), sinks) });
    }
    let parsed = parse(&metrics.expose(&status(vec![fresh("quay"), fresh("other")])));
    assert_eq!(parsed.value("stocktake_sink_commit_duration_seconds_count{sink=\"lake\"}"), 2.0);
    assert_eq!(parsed.value("stocktake_sink_commits_total{registry=\"other\",sink=\"lake\"}"), 1.0);
}

#[test]
fn odd_names_of_sinks_are_escaped() {
    let odd = "a\"b\\c\nd,e=\"f\"}";
    let (metrics, _meter) = known(&[odd]);
    let parsed = read(&metrics);
    assert_eq!(parsed.value(r#"stocktake_sink_commits_total{registry="quay",sink="a\"b\\c\nd,e=\"f\"}"}"#), 0.0);
}

#[test]
fn log_messages_are_counted_by_level() {
    let (metrics, _meter) = known(&[]);
    let lines = tracing_subscriber::registry().with(metrics.log_layer());
    tracing::subscriber::with_default(lines, || {
        tracing::error!("one");
        (0..2).for_each(|_| tracing::warn!("two"));
        (0..3).for_each(|_| tracing::info!("three"));
        (0..4).for_each(|_| tracing::debug!("four"));
        (0..5).for_each(|_| tracing::trace!("five"));
    });
    let parsed = read(&metrics);
    for (level, count) in [("error", 1.0), ("warn", 2.0), ("info", 3.0), ("debug", 4.0), ("trace", 5.0)] {
        assert_eq!(parsed.value(&format!("stocktake_log_messages_total{{level=\"{level}\"}}")), count, "{level}");
    }
}

#[test]
fn counters_never_decrease_under_concurrent_changes() {
    const EACH: usize = 500;
    let (metrics, meter) = known(&["lake"]);
    // The skew of the clock is not a counter: it has its value before the first exposition.
    meter.begun(Endpoint::Catalog);
    meter.ended(&exchange(Endpoint::Catalog, Ok(200)));
    let done = AtomicBool::new(false);
    let observed = thread::scope(|scope| {
        let counting: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        meter.begun(Endpoint::Tags);
                        meter.page(Ok(()));
                        meter.ended(&exchange(Endpoint::Tags, Ok(200)));
                        metrics.registry(&name("quay"), &sinks(&["lake"]));
                    }
                })
            })
            .collect();
        let reading = scope.spawn(|| {
            let mut all = vec![read(&metrics)];
            while !done.load(Ordering::Relaxed) {
                all.push(read(&metrics));
            }
            all.push(read(&metrics));
            all
        });
        for thread in counting {
            thread.join().expect("counts");
        }
        done.store(true, Ordering::Relaxed);
        reading.join().expect("reads")
    });
    for (earlier, later) in observed.iter().zip(&observed[1..]) {
        for (series, value) in earlier.series.iter().filter(|(series, _)| !series.contains("in_flight")) {
            assert!(later.value(series) >= *value, "{series}");
        }
        let at = "registry=\"quay\",endpoint=\"tags\"";
        let count = later.value(&format!("stocktake_http_request_duration_seconds_count{{{at}}}"));
        let all = later.value(&format!("stocktake_http_request_duration_seconds_bucket{{{at},le=\"+Inf\"}}"));
        assert_eq!(count, all, "a histogram agrees with itself at every moment");
    }
    let last = observed.last().expect("read");
    let total = 4.0 * EACH as f64;
    assert_eq!(last.value("stocktake_pages_total{registry=\"quay\"}"), total);
    assert_eq!(last.value("stocktake_http_requests_in_flight{registry=\"quay\"}"), 0.0);
    let series = "stocktake_http_requests_total{registry=\"quay\",endpoint=\"tags\",code=\"2xx\"}";
    assert_eq!(last.value(series), total);
}
