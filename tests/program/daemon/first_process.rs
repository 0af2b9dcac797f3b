//! The program as process 1, as it is in a container: it waits for what others have left behind, and passes signals on.

use std::fs;
use std::time::Duration;

use fake_registry::{FakeRegistry, Script};
use tokio::time::{sleep, timeout};

use crate::support::daemon::Daemon;
use crate::support::program::{RunningProgram, Workplace, one_registry};

const PATIENCE: Duration = Duration::from_mins(1);

/// A process namespace of its own, whose process 1 the program becomes.
fn namespace() -> Vec<&'static str> {
    let root = rustix::process::geteuid().is_root();
    let user: &[_] = if root { &[] } else { &["--user", "--map-root-user"] };
    [&["unshare"], user, &["--pid", "--fork", "--kill-child=KILL", "--mount-proc"]].concat()
}

/// A registry whose password is printed by a program that leaves an agent behind. The agent ends when somebody writes
/// to the pipe `end`. The program goes on as `then` says.
async fn with_agent(lines: &str, then: &str) -> (FakeRegistry, Workplace) {
    let registry = FakeRegistry::start(Script::distribution_like(["a"])).await.unwrap();
    let auth = "    auth: {username: acme+inventory, password_command: ./print, command_timeout: 1m}\n";
    let place = Workplace::with(&one_registry(&registry.url(), &format!("{auth}{lines}")));
    let pipes = [place.path("end"), place.path("go"), place.path("detached")];
    assert!(std::process::Command::new("mkfifo").args(&pipes).status().unwrap().success());
    // Before it has left the process group, it would be ended with the program.
    let agent = "echo > \"$1/detached\"; read _ < \"$1/end\"";
    let directory = place.path(".").display().to_string();
    let start = format!("(setsid sh -c '{agent}' agent {directory} </dev/null >/dev/null 2>&1 &)");
    place.script("print", &format!("{start}\nread _ < {directory}/detached\n{then}\ncat password"));
    (registry, place)
}

/// The children of a process that are there, ended ones included.
fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let seen = timeout(PATIENCE, async {
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    seen.await.unwrap_or_else(|_| panic!("{what}"))
}

/// Process 1 of the namespace.
async fn first(running: &RunningProgram) -> u32 {
    let unshare = running.pid;
    until("unshare starts a child", || children(unshare).first().copied()).await
}

/// Waits until process 1 has the agent as its second child, lets the agent end, and waits until nothing is left of it.
async fn assert_reaped(place: &Workplace, first: u32) {
    let two = || Some(children(first)).filter(|all| all.len() == 2);
    until("the agent becomes a child of process 1", two).await;
    fs::write(place.path("end"), "\n").unwrap();
    let one = || Some(children(first)).filter(|all| all.len() == 1);
    until("process 1 waits for the agent", one).await;
}

fn send(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn a_daemon_as_process_1_reaps_orphans_and_stops_at_sigterm() {
    let (_registry, place) = with_agent("    schedule: 0 0 1 1 *\n    run_on_start: always\n", ":").await;
    let rest = fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    place.configure(&format!("listen: 127.0.0.1:0\n{rest}"));
    let daemon = Daemon::start_within(&place, &namespace(), &[]).await;
    daemon.until("stocktake_last_run_timestamp_seconds{registry=\"quay\"}", |value| value > Some(0.0)).await;
    let first = first(&daemon.running).await;
    assert_reaped(&place, first).await;
    send(first, rustix::process::Signal::HUP);
    let mut running = daemon.running;
    running.says_times("the configuration", 1).await;
    send(first, rustix::process::Signal::TERM);
    running.end().await.exits(0);
}

#[tokio::test]
async fn a_run_as_process_1_reaps_orphans_and_gives_the_exit_code_of_the_run() {
    let (_registry, place) = with_agent("", "read _ < go").await;
    let running = place.start_within(&namespace(), &[], &["run"]);
    assert_reaped(&place, first(&running).await).await;
    fs::write(place.path("go"), "\n").unwrap();
    running.end().await.exits(0);
    let ended = place.start_within(&namespace(), &[], &["run", "nobody"]).end().await;
    ended.exits(2);
    place.start_within(&namespace(), &[], &["--help"]).end().await.exits(0);
}
