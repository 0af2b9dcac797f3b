//! A real Prometheus on loopback for one test, with our rules loaded; and `promtool`.

use std::fs;
use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStderr;
use tokio::time::{sleep, timeout};
use url::Url;

use super::client;
use crate::house::layers::root;

/// It starts in a second; a loaded machine takes longer. For scrapes and rules too, which take one second each.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at its API, which has nothing to wait on.
const GLANCE: Duration = Duration::from_millis(100);

const MISSING: &str = "these tests run a real Prometheus, and there is none: tests/run.sh unpacks Debian's package below \
                       target/ and runs them; STOCKTAKE_TEST_PROMETHEUS names another directory with prometheus and promtool";

/// `prometheus` or `promtool`: where `tests/run.sh` says or unpacks them, else those that are installed.
fn command(program: &str) -> Command {
    let target = || std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let named = std::env::var_os("STOCKTAKE_TEST_PROMETHEUS").map(PathBuf::from);
    let directory = named.or_else(|| Some(target().join("prometheus/usr/bin")).filter(|unpacked| unpacked.exists()));
    let program = directory.map_or_else(|| program.into(), |directory| directory.join(program));
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

#[track_caller]
fn found<T>(result: io::Result<T>) -> T {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("{MISSING}"),
        result => result.expect("Prometheus' programs run"),
    }
}

/// Runs `promtool`; relative paths are from the top of the repository.
pub(crate) fn promtool(arguments: &[&str]) -> Output {
    found(command("promtool").args(arguments).output())
}

/// What `promtool check metrics` has to say against a text of metrics; nothing, if all is well.
pub(crate) fn complaints(metrics: &str) -> String {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(metrics.as_bytes()).unwrap();
    file.rewind().unwrap();
    let output = found(command("promtool").args(["check", "metrics"]).stdin(file).output());
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() || !said.is_empty(), "promtool fails without a word");
    said
}

fn shipped_rules() -> String {
    fs::read_to_string(root().join("config/monitoring/alerts.yml")).unwrap()
}

/// The rules as they are shipped, except that an alert waits a second before it fires where it should wait three minutes.
fn hasty_rules() -> String {
    let rules = shipped_rules();
    let hasty = rules.lines().map(|line| match line.split_once("for: ") {
        Some((indent, wait)) if indent.trim().is_empty() => {
            let minutes: u32 = wait.strip_suffix('m').and_then(|wait| wait.parse().ok()).expect("minutes");
            format!("{indent}for: {}s\n", minutes.div_ceil(3))
        }
        _ => format!("{line}\n"),
    });
    hasty.collect()
}

/// An alert that is firing: its name and registry.
pub(crate) type Firing = (String, String);

/// A running Prometheus that scrapes and evaluates every second; killed when dropped.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Child,
    url: Url,
    patience: Duration,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes this server's `/metrics` as the job `stocktake`, with our rules in haste, and waits until
    /// it knows that the server is there.
    pub(crate) async fn watching(target: &Url) -> Self {
        Self::start(target, &hasty_rules(), PATIENCE).await
    }

    /// The same with our rules as they are, and patience for so long.
    pub(crate) async fn watching_in_earnest(target: &Url, patience: Duration) -> Self {
        Self::start(target, &shipped_rules(), patience).await
    }

    async fn start(target: &Url, rules: &str, patience: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("alerts.yml"), rules).unwrap();
        fs::write(path("prometheus.yml"), configuration(target)).unwrap();
        let mut prometheus = command("prometheus");
        prometheus.arg(argument("--config.file=", &path("prometheus.yml")));
        prometheus.arg(argument("--storage.tsdb.path=", &path("data")));
        prometheus.args(["--web.listen-address=127.0.0.1:0", "--log.format=json"]);
        let mut process = found(prometheus.stdout(Stdio::null()).stderr(Stdio::piped()).spawn());
        let log = ChildStderr::from_std(process.stderr.take().unwrap()).unwrap();
        // Built before waiting, so that the process ends whatever happens next.
        let mut prometheus = Self { process, url: target.clone(), patience, _directory: directory };
        let address = timeout(PATIENCE, address(log)).await.expect("Prometheus listens in time");
        prometheus.url = Url::parse(&format!("http://{address}/")).unwrap();
        prometheus.until("it has scraped its target", async || prometheus.value("up").await == Some(1.0)).await;
        // Until then, there was no target.
        prometheus.until_firing("StocktakeDown", "", false).await;
        prometheus
    }

    /// The first value of what an expression gives now; none if it gives nothing.
    pub(crate) async fn value(&self, expression: &str) -> Option<f64> {
        let mut url = self.url.join("api/v1/query").unwrap();
        url.query_pairs_mut().append_pair("query", expression);
        let data = self.get(url).await?;
        data["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// What is firing, in order.
    pub(crate) async fn firing(&self) -> Vec<Firing> {
        let data = self.get(self.url.join("api/v1/alerts").unwrap()).await.expect("alerts");
        let alerts = data["alerts"].as_array().unwrap().iter().filter(|alert| alert["state"] == "firing");
        let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
        let mut firing: Vec<_> = alerts.map(|alert| (label(alert, "alertname"), label(alert, "registry"))).collect();
        firing.sort();
        firing
    }

    /// Waits until this alert of this registry fires, or does not.
    pub(crate) async fn until_firing(&self, alert: &str, registry: &str, fires: bool) {
        let is = |firing: &[Firing]| firing.iter().any(|(name, of)| name == alert && of == registry);
        let what = format!("{alert} of {registry} {}", if fires { "fires" } else { "is over" });
        self.until(&what, async || is(&self.firing().await) == fires).await;
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let wait = async {
            while !holds().await {
                sleep(GLANCE).await;
            }
        };
        let in_time = timeout(self.patience, wait).await.is_ok();
        assert!(in_time, "not in time: {what}; firing: {:?}", self.firing().await);
    }

    /// The data of an answer; none while it is not ready.
    async fn get(&self, url: Url) -> Option<Value> {
        let answer = client().get(url).send().await.ok()?;
        let answer: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn argument(option: &str, path: &Path) -> String {
    format!("{option}{}", path.display())
}

/// JSON, which Prometheus reads as YAML.
fn configuration(target: &Url) -> String {
    let address = format!("{}:{}", target.host_str().unwrap(), target.port().unwrap());
    json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [{"job_name": "stocktake", "static_configs": [{"targets": [address]}]}],
    })
    .to_string()
}

/// Reads the log until it names the address that the system chose, and the rest of it aside, so that it never waits.
async fn address(log: ChildStderr) -> String {
    let mut lines = BufReader::new(log).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["msg"] == "Listening on" {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return entry["address"].as_str().unwrap().to_owned();
        }
        said = said + &line + "\n";
    }
    panic!("Prometheus ended:\n{said}")
}
