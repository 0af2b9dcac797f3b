//! Registries in every state.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{Trigger, Verdict};

use crate::snapshot::UnreadRepositories;
use crate::state::{History, Inventory, LastRun, Reason, Refusals, SinkHistory};
use crate::status::{Activity, ConfigurationStatus, RegistryStatus, ScheduleStatus, Status, TokenStatus};

/// The moment of all fixtures.
pub(super) fn now() -> DateTime<Utc> {
    "2026-11-23T09:41:12Z".parse().expect("a time")
}

pub(super) fn ago(text: &str) -> DateTime<Utc> {
    let (count, unit) = text.split_at(text.len() - 1);
    let count: i64 = count.parse().expect("a number");
    now()
        - match unit {
            "s" => TimeDelta::seconds(count),
            "m" => TimeDelta::minutes(count),
            "h" => TimeDelta::hours(count),
            _ => TimeDelta::days(count),
        }
}

pub(super) fn status(registries: Vec<RegistryStatus>) -> Status {
    Status {
        now: now(),
        started_at: ago("51h"),
        ticked_at: ago("1s"),
        is_stopping: false,
        configuration: ConfigurationStatus {
            file: "/etc/stocktake/stocktake.yaml".to_owned(),
            loaded_at: ago("130m"),
            error: None,
        },
        registries,
    }
}

/// One that is well, and runs at two in the night.
pub(super) fn well(name: &str) -> RegistryStatus {
    let run = LastRun {
        changes: None,
        run_id: format!("{name}-20261123T020000Z"),
        slot: ago("461m"),
        trigger: Trigger::Schedule,
        started_at: ago("460m"),
        finished_at: ago("452m"),
        judged_at: ago("453m"),
        verdict: Verdict::Complete,
        reason: None,
        repositories: 11_824,
        requests: 36_020,
        unread: UnreadRepositories::default(),
        show_all: None,
    };
    let history = History {
        served: Some(run.slot),
        last_success_at: Some(run.finished_at),
        inventory: Some(Inventory { repositories: 11_824, tags: 184_201, manifests: 96_118, slot: Some(ago("461m")) }),
        sinks: [("warehouse".to_owned(), sink(name)), ("feed".to_owned(), sink(name))].into(),
        last: Some(run),
        ..History::default()
    };
    RegistryStatus {
        name: name.parse().expect("a name"),
        url: format!("https://{name}.example.org"),
        first_seen_at: ago("90d"),
        schedule: Some(ScheduleStatus {
            expression: "0 2 * * *".to_owned(),
            time_zone: "Europe/Dublin".to_owned(),
            next: Some(now() + TimeDelta::minutes(979)),
            interval: Some(Duration::from_hours(24)),
        }),
        activity: Activity::Idle,
        history,
        trouble: None,
        token: TokenStatus::None,
        concurrency: 16,
        sinks: vec!["warehouse".to_owned(), "feed".to_owned()],
    }
}

fn sink(name: &str) -> SinkHistory {
    let location = Some(format!("/srv/inventory/v1/_runs/registry={name}"));
    SinkHistory { delivered_at: Some(ago("452m")), location, ..SinkHistory::default() }
}

/// One whose last run ended with this verdict.
pub(super) fn ended(name: &str, verdict: Verdict, reason: Reason, failures: u32) -> RegistryStatus {
    let mut registry = well(name);
    let last = registry.history.last.as_mut().expect("a run");
    (last.verdict, last.reason, last.repositories) = (verdict, Some(reason), 0);
    registry.history.failures = failures;
    registry
}

pub(super) fn reason(code: &str, message: &str, remedy: Option<&str>) -> Reason {
    Reason { code: code.to_owned(), message: message.to_owned(), remedy: remedy.map(str::to_owned) }
}

/// One whose credentials were refused so often.
pub(super) fn refused(name: &str, count: u32) -> RegistryStatus {
    let said =
        "fetch a token: quay.example.org answered 401 Unauthorized: Could not find robot with specified username";
    let remedy = "look at the robot account: was it deleted or disabled? then write its new token to the secret's file";
    let reason = reason("credentials_rejected", said, Some(remedy));
    let mut registry = ended(name, Verdict::Denied, reason.clone(), count);
    let (fingerprint, salt) = (String::new(), String::new());
    registry.history.refusals = Some(Refusals { count, at: ago("452m"), reason, fingerprint, salt, times: Vec::new() });
    registry
}

pub(super) fn running(name: &str) -> RegistryStatus {
    let activity = Activity::Running {
        since: ago("4m"),
        pages: 12,
        listed: 11_800,
        is_list_whole: false,
        to_read: 11_700,
        read: 3_207,
    };
    let token =
        TokenStatus::Held { expires_at: now() + TimeDelta::seconds(300), renew_at: now() + TimeDelta::seconds(221) };
    RegistryStatus { activity, token, ..well(name) }
}

pub(super) fn new(name: &str) -> RegistryStatus {
    RegistryStatus { first_seen_at: ago("20m"), history: History::default(), ..well(name) }
}

pub(super) fn lagging(name: &str) -> RegistryStatus {
    let mut registry = well(name);
    let feed = registry.history.sinks.get_mut("feed").expect("a sink");
    let error = "write /srv/inventory-json: no space left on device; make room, or give the sink another directory";
    (feed.error, feed.delivered_at) = (Some(error.to_owned()), Some(ago("2d")));
    registry
}

/// Every state that a registry can be in, with its name.
pub(super) fn all_states() -> Vec<RegistryStatus> {
    let unreachable = reason(
        "unreachable",
        "ping https://harbor-eu.example.org/v2/: connect to 10.3.0.14:443: connection refused",
        Some("is the registry up, and may this machine reach it? try again by hand"),
    );
    let mut overdue = well("overdue");
    overdue.history.last_success_at = Some(ago("4d"));
    let mut never = new("never-complete");
    never.first_seen_at = ago("12d");
    let mut dead = running("dead-token");
    dead.token = TokenStatus::Expired;
    let mut late = running("late-token");
    late.token =
        TokenStatus::Held { expires_at: now() + TimeDelta::seconds(20), renew_at: now() - TimeDelta::seconds(40) };
    let mut locked = well("locked");
    locked.trouble = Some(reason(
        "locked",
        "another run of this registry is in progress (process 4711)",
        Some("wait for it to end"),
    ));
    let mut by_hand = well("by-hand");
    by_hand.schedule = None;
    by_hand.history.last.as_mut().expect("a run").trigger = Trigger::Manual;
    let mut last_time = well("never-again");
    last_time.schedule.as_mut().expect("a schedule").next = None;
    vec![
        well("quay"),
        running("running"),
        RegistryStatus { activity: Activity::Queued, ..well("queued") },
        new("new"),
        refused("suspended", 3),
        refused("refused-once", 1),
        ended("harbor-eu", Verdict::Failed, unreachable, 2),
        ended(
            "denied",
            Verdict::Denied,
            reason(
                "permission_denied",
                "list the catalog: 403 Forbidden: insufficient_scope",
                Some("grant Read to that account"),
            ),
            1,
        ),
        ended("partial", Verdict::Partial, reason("server_error", "fetch page 17: 502 Bad Gateway", None), 1),
        ended("gaps", Verdict::Gaps, reason("gaps", "3 of 11,824 repositories could not be read", None), 0),
        ended(
            "suspicious",
            Verdict::Suspicious,
            reason("suspicious", "8 repositories, 99.9% fewer than the last inventory had", None),
            1,
        ),
        ended(
            "unsupported",
            Verdict::Unsupported,
            reason("unsupported", "there is no catalog", Some("see `discovery`")),
            5,
        ),
        lagging("lagging"),
        overdue,
        never,
        dead,
        late,
        locked,
        by_hand,
        last_time,
    ]
}

/// Three: one with bad credentials, one that runs, one that is well.
pub(super) fn three() -> Status {
    status(vec![well("quay"), running("harbor"), refused("docker-hub", 3)])
}

/// Five hundred in all states, most of them well.
pub(super) fn many() -> Status {
    let states = all_states();
    let registries = (0..500).map(|nth| {
        let name = format!("team-{:02}-registry-{nth:03}", nth * 7 % 40);
        let state = &states[if nth % 6 == 0 { nth / 6 % states.len() } else { nth % 3 % 2 }];
        let url = format!("https://{name}.registries.example.org:5000/proxied");
        RegistryStatus { name: name.parse().expect("a name"), url, ..state.clone() }
    });
    status(registries.collect())
}
