//! The gauges that follow from a [`Status`]. They are the same after a restart, because the status is.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};
use stocktake_sink::{ChangeOp, Verdict};

use super::families::{
    CHANGES, CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP, CONFIG_LAST_RELOAD_SUCCESSFUL, CREDENTIALS_REJECTED,
    CREDENTIALS_SUSPENDED, HTTP_CONCURRENCY_LIMIT, INVENTORY_MANIFESTS, INVENTORY_REPOSITORIES, INVENTORY_TAGS,
    LAST_RUN_DURATION, LAST_RUN_PHASE_DURATION, LAST_RUN_STATUS, LAST_RUN_TIMESTAMP, LAST_SUCCESS_TIMESTAMP,
    REGISTRY_FIRST_SEEN_TIMESTAMP, RUN_CONSECUTIVE_FAILURES, RUN_IN_PROGRESS, SCHEDULE_INTERVAL,
    SCHEDULE_NEXT_RUN_TIMESTAMP, SCHEDULER_LAST_TICK_TIMESTAMP, SINK_GIVEN_UP_TIMESTAMP, SINK_LAST_COMMIT_SUCCESSFUL,
    SINK_LAST_COMMIT_TIMESTAMP, SINK_UNDELIVERED_SNAPSHOTS, TOKEN_EXPIRY_TIMESTAMP, TOKEN_REFRESH_DUE_TIMESTAMP,
};
use super::family::Family;
use super::label_values::{CHANGE_OPS, OUTCOMES, PHASES};
use crate::snapshot::ChangeCounts;
use crate::state::{LastRun, SinkHistory};
use crate::status::{Activity, RegistryStatus, Status, TokenStatus};

/// Collects the gauges of one moment.
#[derive(Debug)]
pub(super) struct StatusCollector<'s> {
    /// The daemon; none for runs without a daemon.
    pub(super) status: Option<&'s Status>,
    /// In the order of the configuration.
    pub(super) registries: Vec<CollectedRegistry<'s>>,
}

/// One registry and the names of its sinks.
#[derive(Debug)]
pub(super) struct CollectedRegistry<'s> {
    pub(super) status: &'s RegistryStatus,
    pub(super) sinks: Vec<String>,
}

/// Which values a gauge has.
enum Values {
    /// Of the daemon.
    Daemon(fn(&Status) -> f64),
    /// One value of each registry, or none.
    Registry(fn(&RegistryStatus) -> Option<f64>),
    /// One value of each registry for each value of a further label.
    Labelled(&'static [&'static str], fn(&RegistryStatus, &str) -> f64),
    /// The same, or none of all.
    LabelledIfAny(&'static [&'static str], fn(&RegistryStatus, &str) -> Option<f64>),
    /// One value of each registry for each of its sinks; none: nothing is known of the sink.
    Sink(fn(Option<&SinkHistory>) -> f64),
}

/// Where each gauge has its values from.
static GAUGES: &[(Family, Values)] = &[
    (CONFIG_LAST_RELOAD_SUCCESSFUL, Values::Daemon(|status| flag(status.configuration.error.is_none()))),
    (CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP, Values::Daemon(|status| unix_time(status.configuration.loaded_at))),
    (SCHEDULER_LAST_TICK_TIMESTAMP, Values::Daemon(|status| unix_time(status.ticked_at))),
    (SCHEDULE_INTERVAL, Values::Registry(|it| it.schedule.as_ref()?.interval.map(|interval| interval.as_secs_f64()))),
    (SCHEDULE_NEXT_RUN_TIMESTAMP, Values::Registry(|it| it.schedule.as_ref()?.next.map(unix_time))),
    (REGISTRY_FIRST_SEEN_TIMESTAMP, Values::Registry(|it| Some(unix_time(it.first_seen_at)))),
    (RUN_CONSECUTIVE_FAILURES, Values::Registry(|it| Some(f64::from(it.history.failures)))),
    (RUN_IN_PROGRESS, Values::Registry(|it| Some(flag(matches!(it.activity, Activity::Running { .. }))))),
    (
        LAST_RUN_STATUS,
        Values::Labelled(&OUTCOMES, |it, status| flag(last(it).is_some_and(|run| outcome(run.verdict) == status))),
    ),
    (LAST_RUN_TIMESTAMP, Values::Registry(|it| Some(unix_time_or_0(last(it).map(|run| run.finished_at))))),
    (LAST_SUCCESS_TIMESTAMP, Values::Registry(|it| Some(unix_time_or_0(it.history.last_success_at)))),
    (LAST_RUN_DURATION, Values::Registry(|it| Some(took(it, |run| run.finished_at - run.started_at)))),
    (LAST_RUN_PHASE_DURATION, Values::Labelled(&PHASES, phase_duration)),
    (
        INVENTORY_REPOSITORIES,
        Values::Registry(|it| it.history.inventory.map(|inventory| count(inventory.repositories))),
    ),
    (INVENTORY_TAGS, Values::Registry(|it| it.history.inventory.map(|inventory| count(inventory.tags)))),
    (INVENTORY_MANIFESTS, Values::Registry(|it| it.history.inventory.map(|inventory| count(inventory.manifests)))),
    (CHANGES, Values::LabelledIfAny(&CHANGE_OPS, |it, op| Some(count(changes(last(it)?.changes?, op))))),
    (
        TOKEN_EXPIRY_TIMESTAMP,
        Values::Registry(|it| Some(unix_time_or_0(held_token(it).map(|(expires_at, _)| expires_at)))),
    ),
    (
        TOKEN_REFRESH_DUE_TIMESTAMP,
        Values::Registry(|it| Some(unix_time_or_0(held_token(it).map(|(_, renew_at)| renew_at)))),
    ),
    (CREDENTIALS_REJECTED, Values::Registry(|it| Some(flag(it.are_credentials_rejected())))),
    (CREDENTIALS_SUSPENDED, Values::Registry(|it| Some(flag(it.is_suspended())))),
    (HTTP_CONCURRENCY_LIMIT, Values::Registry(|it| Some(count(it.concurrency as u64)))),
    (SINK_LAST_COMMIT_SUCCESSFUL, Values::Sink(|sink| flag(sink.is_none_or(|sink| sink.error.is_none())))),
    (SINK_UNDELIVERED_SNAPSHOTS, Values::Sink(|sink| count(sink.map_or(0, |sink| sink.owed.len() as u64)))),
    (
        SINK_GIVEN_UP_TIMESTAMP,
        Values::Sink(|sink| unix_time_or_0(sink.and_then(|sink| sink.lost.as_ref()).map(|lost| lost.at))),
    ),
    (SINK_LAST_COMMIT_TIMESTAMP, Values::Sink(|sink| unix_time_or_0(sink.and_then(|sink| sink.delivered_at)))),
];

static DESCRIPTIONS: LazyLock<Vec<Desc>> = LazyLock::new(|| {
    let labels = |family: &Family| family.labels.iter().map(|label| (*label).to_owned()).collect();
    let describe = |family: &Family| Desc::new(family.name.into(), family.help.into(), labels(family), HashMap::new());
    GAUGES.iter().map(|(family, _)| describe(family).expect("the table has valid names")).collect()
});

impl Collector for StatusCollector<'_> {
    fn desc(&self) -> Vec<&Desc> {
        DESCRIPTIONS.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        GAUGES.iter().map(|(family, values)| self.family(family, values)).collect()
    }
}

impl StatusCollector<'_> {
    fn family(&self, family: &Family, values: &Values) -> MetricFamily {
        let mut metrics = Vec::new();
        match values {
            Values::Daemon(value) => metrics.extend(self.status.map(|status| metric(family, &[], value(status)))),
            Values::Registry(value) => {
                let metric = |it: &RegistryStatus| Some(metric(family, &[it.name.as_str()], value(it)?));
                metrics.extend(self.registries.iter().filter_map(|it| metric(it.status)));
            }
            Values::Labelled(labels, value) => {
                for CollectedRegistry { status, .. } in &self.registries {
                    let metric = |label| metric(family, &[status.name.as_str(), label], value(status, label));
                    metrics.extend(labels.iter().map(|label| metric(*label)));
                }
            }
            Values::LabelledIfAny(labels, value) => {
                for CollectedRegistry { status, .. } in &self.registries {
                    let metric = |label| Some(metric(family, &[status.name.as_str(), label], value(status, label)?));
                    metrics.extend(labels.iter().filter_map(|label| metric(*label)));
                }
            }
            Values::Sink(value) => {
                for CollectedRegistry { status, sinks } in &self.registries {
                    let metric = |sink: &String| {
                        metric(family, &[status.name.as_str(), sink], value(status.history.sinks.get(sink)))
                    };
                    metrics.extend(sinks.iter().map(metric));
                }
            }
        }
        let mut collected = MetricFamily::default();
        collected.set_name(family.name.to_owned());
        collected.set_help(family.help.to_owned());
        collected.set_field_type(MetricType::GAUGE);
        collected.set_metric(metrics);
        collected
    }
}

fn metric(family: &Family, label_values: &[&str], value: f64) -> Metric {
    let pair = |(label, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*label).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(family.labels.iter().zip(label_values).map(pair).collect());
    metric.set_gauge(gauge);
    metric
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

/// Exact up to 2^53.
#[allow(clippy::cast_precision_loss)]
fn count(count: u64) -> f64 {
    count as f64
}

/// Seconds since 1970 with three decimals.
#[allow(clippy::cast_precision_loss)] // 2^53 ms are in the year 287396
fn unix_time(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

fn unix_time_or_0(time: Option<DateTime<Utc>>) -> f64 {
    time.map(unix_time).unwrap_or_default()
}

fn last(registry: &RegistryStatus) -> Option<&LastRun> {
    registry.history.last.as_ref()
}

/// Seconds of a part of the last run; 0 if there was no run.
fn took(registry: &RegistryStatus, part: fn(&LastRun) -> TimeDelta) -> f64 {
    last(registry).and_then(|run| part(run).to_std().ok()).unwrap_or_default().as_secs_f64()
}

/// How many changes there are of one of [`CHANGE_OPS`].
fn changes(changes: ChangeCounts, op: &str) -> u64 {
    ChangeOp::ALL.into_iter().find(|known| known.as_str() == op).map_or(0, |op| changes.of(op))
}

/// Seconds of one of [`PHASES`].
fn phase_duration(registry: &RegistryStatus, phase: &str) -> f64 {
    match phase {
        "walk" => took(registry, |run| run.judged_at - run.started_at),
        _ => took(registry, |run| run.finished_at - run.judged_at),
    }
}

/// The value of [`OUTCOMES`] for a verdict. Sinks have metrics of their own.
fn outcome(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "success",
        Verdict::Gaps | Verdict::Partial => "partial",
        Verdict::Denied | Verdict::Unsupported | Verdict::Suspicious | Verdict::Failed => "failed",
    }
}

/// When the held token expires and when it should be renewed.
fn held_token(registry: &RegistryStatus) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    match registry.token {
        TokenStatus::Held { expires_at, renew_at } => Some((expires_at, renew_at)),
        TokenStatus::None | TokenStatus::Expired => None,
    }
}
