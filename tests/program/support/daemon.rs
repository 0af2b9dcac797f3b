//! A running daemon, with a service manager of the test's own that hears what systemd would.

use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::client;
use super::program::{Finished, RunningProgram, Workplace};

/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// It is killed with the test.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) running: RunningProgram,
    /// Of its listener: `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    /// What the service manager hears.
    heard: mpsc::UnboundedReceiver<String>,
}

impl Daemon {
    /// Starts it with the configuration there is, which must listen on `127.0.0.1:0`, and waits until it says that it is
    /// ready.
    pub(crate) async fn start(place: &Workplace) -> Self {
        Self::start_with(place, &[]).await
    }

    /// The same, with these environment variables.
    pub(crate) async fn start_with(place: &Workplace, environment: &[(&str, &str)]) -> Self {
        Self::start_within(place, &[], environment).await
    }

    /// The same, started by this command.
    pub(crate) async fn start_within(place: &Workplace, by: &[&str], environment: &[(&str, &str)]) -> Self {
        let path = place.path("manager");
        let _ = std::fs::remove_file(&path);
        let manager = UnixDatagram::bind(&path).unwrap();
        let (hear, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut message = vec![0; 4096];
            while let Ok(length) = manager.recv(&mut message).await {
                if hear.send(String::from_utf8_lossy(&message[..length]).into_owned()).is_err() {
                    return;
                }
            }
        });
        let socket = path.to_str().unwrap();
        let environment: Vec<_> = environment.iter().copied().chain([("NOTIFY_SOCKET", socket)]).collect();
        let mut running = place.start_within(by, &environment, &["daemon"]);
        let said = running.says_times("listening on http", 1).await;
        let base = said.split("listening on ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        let mut daemon = Self { running, base, heard };
        daemon.hears("READY=1").await;
        daemon
    }

    /// Waits for the next message to the service manager that has this line; gives the whole message.
    pub(crate) async fn hears(&mut self, line: &str) -> String {
        let is_it = |message: &String| {
            message.lines().any(|found| found == line || found.strip_prefix(line).is_some_and(|v| v.starts_with('=')))
        };
        let heard = timeout(PATIENCE, async {
            loop {
                let message = self.heard.recv().await.expect("the manager listens");
                if is_it(&message) {
                    return message;
                }
            }
        });
        heard.await.unwrap_or_else(|_| panic!("the service manager is not told {line}"))
    }

    /// What the service manager has heard by now and no test has asked for.
    pub(crate) fn heard_meanwhile(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    /// Status and body of an answer.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The value of a series, written as in the exposition; none if there is no such series.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200);
        let mut values = text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        values.next().map(|value| value.parse().unwrap())
    }

    /// Asks for a series again and again until its value is as wanted.
    pub(crate) async fn until(&self, series: &str, is_wanted: impl Fn(Option<f64>) -> bool) {
        let asked = timeout(PATIENCE, async {
            while !is_wanted(self.metric(series).await) {
                // Only so that the daemon has time for anything else.
                sleep(Duration::from_millis(25)).await;
            }
        });
        let in_time = asked.await.is_ok();
        assert!(in_time, "{series} stays {:?}", self.metric(series).await);
    }

    /// Tells it to stop, and waits for its end.
    pub(crate) async fn stop(self) -> Finished {
        self.running.signal("TERM").await;
        self.running.end().await
    }

    /// Ends it as the power would.
    pub(crate) async fn kill(self) {
        self.running.signal("KILL").await;
        self.running.end().await;
    }
}
