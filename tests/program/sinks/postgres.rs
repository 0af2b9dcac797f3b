//! The Postgres sink through the program: settings, `check`, `run`, a reload of the daemon, and `kill -9` at each step.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;

use fake_registry::{FakeRegistry, RepositoryNames, Script};
use stocktake_sink_postgres::contract::{ProxyStop, TestProxy, TestServer};
use tokio::time::{Instant, sleep};

use crate::daemon::scheduled_runs::{EVERY_SECOND, NEVER};
use crate::support::daemon::Daemon;
use crate::support::program::{LOGIN, Workplace};
use crate::support::site::RunningChild;

/// Enough rows that a `COPY` is sent in several parts.
const COUNT: usize = 3_000;

async fn registry() -> FakeRegistry {
    FakeRegistry::start(Script::quay_like(RepositoryNames::generated(COUNT, 1))).await.unwrap()
}

fn yaml(registry: &FakeRegistry, sink: &str) -> String {
    let url = registry.url();
    format!(
        "listen: 127.0.0.1:0\nsinks:\n  warehouse: {{type: postgres, {sink}}}\nregistries:\n  - name: quay\n    url: {url}\n{LOGIN}"
    )
}

/// A server that asks for a password over its socket, the name of a database, and the settings of a sink.
fn with_password() -> (TestServer, String, String) {
    let server = TestServer::start_on("", |directory| {
        std::fs::write(directory.join("data/pg_hba.conf"), "local all postgres trust\nlocal all all scram-sha-256\n")
            .unwrap();
    });
    let database = server.database();
    server.sql(
        &database,
        &format!("create role loader login password 'hunter2'; grant create on database {database} to loader"),
    );
    let sink = format!("url: '{}', password_file: pgpass, keep: 30", server.url("loader", &database));
    (server, database, sink)
}

#[tokio::test]
async fn check_a_dry_run_and_a_run_use_the_real_server() {
    let (registry, (server, database, sink)) = (registry().await, with_password());
    let place = Workplace::with(&yaml(&registry, &sink));
    place.secret("pgpass", "hunter3\n");
    let ended = place.run(&["check"]).await;
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("password authentication failed for user \"loader\""), "{said}");
    assert!(!said.contains("hunter"), "{said}");
    place.secret("pgpass", "hunter2\n");
    place.run(&["check"]).await.exits(0);
    place.run(&["run", "--dry-run"]).await.exits(0);
    assert_eq!(server.sql(&database, "select count(*) from pg_namespace where nspname = 'stocktake'"), "0");
    let ended = place.run(&["run"]).await.exits(0);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains(&format!("{database}/stocktake.repositories ({COUNT} rows")), "{said}");
    assert!(!said.contains("hunter"), "{said}");
    assert_eq!(server.sql(&database, "select count(*) from stocktake.latest_repositories"), COUNT.to_string());
}

#[tokio::test]
async fn a_reload_of_the_daemon_takes_another_sink() {
    let (registry, (server, database, sink)) = (registry().await, with_password());
    let parquet = yaml(&registry, &sink).replace(&format!("type: postgres, {sink}"), "type: parquet, url: ./inventory");
    let place = Workplace::with(&(parquet + NEVER));
    place.secret("pgpass", "hunter2");
    let mut daemon = Daemon::start(&place).await;
    place.configure(&(yaml(&registry, &sink) + EVERY_SECOND));
    daemon.running.signal("HUP").await;
    daemon.hears("READY=1").await;
    daemon.running.says_times(&format!("is complete: {COUNT} repositories"), 1).await;
    daemon.stop().await;
    let whole = format!(
        "select count(*) > 0 and bool_and(rows = {COUNT}) from (select run_id, count(*) as rows from \
                         stocktake.repositories group by 1) runs"
    );
    assert_eq!(server.sql(&database, &whole), "t");
}

#[tokio::test]
async fn settings_that_cannot_be_are_all_refused_and_no_password_is_shown() {
    let registry = registry().await;
    for (sink, parts) in [
        ("url: 'postgres://me:hunter2@db/i', keep: 3", &["contains a password", "password_file"][..]),
        ("url: 'postgres://me@db/i', password: hunter2, keep: 3", &["do not write a secret into the configuration"]),
        ("url: 'postgres://me@db/i?sslmode=disable'", &["parameter of TLS", "`keep`"]),
        ("url: 'postgres://me@db/i', keep: 0, schema: 'a;b'", &["keep", "is no name of a schema"]),
        ("url: 'postgres://me@db/i', keep: 3, sslmode: prefer", &["encrypts only if the server wants to"]),
        ("url: 'postgres://me@db/i', keep: 3, sslmode: require, ca_file: ca.pem", &["no certificate is verified"]),
        ("url: 'postgres://me@%2Frun/i', keep: 3, sslmode: verify-full", &["a socket has no TLS"]),
        ("url: 'postgres://me@db/i', keep: 3, client_cert_file: c.pem", &["needs `client_key_file`"]),
    ] {
        let place = Workplace::with(&yaml(&registry, sink));
        let ended = place.run(&["validate"]).await.exits(78);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// An installation that publishes through a proxy.
struct KilledSite {
    server: Arc<TestServer>,
    database: String,
    proxy: TestProxy,
    place: Workplace,
    _registry: FakeRegistry,
}

impl KilledSite {
    async fn new() -> Self {
        let (registry, server) = (registry().await, Arc::new(TestServer::start()));
        let database = server.database();
        let proxy = TestProxy::start(server.directory()).await;
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port());
        let place = Workplace::with(&yaml(&registry, &format!("url: '{url}', keep: 1000")));
        let site = Self { server, database, proxy, place, _registry: registry };
        site.must_run().await;
        site
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
        command.args(["--config", "stocktake.yaml", "run"]).current_dir(self.place.path("."));
        command.env("NO_PROXY", "127.0.0.1").env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    async fn must_run(&self) {
        self.place.run(&["run"]).await.exits(0);
    }

    /// The runs that are there: each is whole, and its rows are there once.
    fn runs(&self) -> BTreeSet<String> {
        let rows = self.server.sql(
            &self.database,
            "select c.run_id, (select count(*) from stocktake.repositories r where r.run_id = c.run_id), \
             (select count(*) from stocktake.runs r where r.run_id = c.run_id) from stocktake.commits c",
        );
        let whole = format!("|{COUNT}|1");
        let runs: BTreeSet<_> =
            rows.lines().map(|line| line.strip_suffix(&whole).unwrap_or_else(|| panic!("{line}")).to_owned()).collect();
        let orphans =
            "select count(*) from stocktake.repositories where run_id not in (select run_id from stocktake.commits)";
        assert_eq!(self.server.sql(&self.database, orphans), "0");
        runs
    }
}

#[tokio::test]
async fn a_kill_at_each_step_of_publishing_loses_nothing_and_repeats_nothing() {
    let site = KilledSite::new().await;
    let mut runs = site.runs();
    for step in [
        "begin",
        "insert into",
        "delete from \"stocktake\".\"tags\"",
        "copy",
        "(rows)",
        "(end of rows)",
        "update",
        "commit",
    ] {
        for stop in [ProxyStop::Hold, ProxyStop::HoldAfter] {
            site.proxy.stop_at(move |_, text| text.starts_with(step).then_some(stop));
            let running = RunningChild::start(site.command());
            site.proxy.stopped().await;
            assert!(running.kill(), "{step}");
            let is_committed = (step, stop) == ("commit", ProxyStop::HoldAfter);
            assert_eq!(site.runs().len(), runs.len() + usize::from(is_committed), "{step} {stop:?}");
            site.proxy.go_on();
            // Delivers the night of the kill, and its own.
            site.must_run().await;
            let now = site.runs();
            assert!(now.is_superset(&runs) && now.len() == runs.len() + 2, "{step} {stop:?}: {now:?}");
            runs = now;
        }
    }
}

#[tokio::test]
async fn kills_at_random_moments_leave_whole_runs_alone() {
    const KILLS: usize = 25;
    let site = KilledSite::new().await;
    let begun = Instant::now();
    site.must_run().await;
    let whole_run = begun.elapsed();
    let mut random = fastrand::Rng::with_seed(20_261_127);
    let mut before = site.runs();
    let mut killed = 0;
    for _ in 0..KILLS {
        let running = RunningChild::start(site.command());
        sleep(whole_run.mul_f64(random.f64())).await;
        killed += usize::from(running.kill());
        let now = site.runs();
        assert!(now.is_superset(&before), "{before:?} {now:?}");
        before = now;
    }
    assert!(killed * 2 > KILLS, "most runs end before they are killed: {killed}");
    site.must_run().await;
    assert!(site.runs().len() > before.len());
}
