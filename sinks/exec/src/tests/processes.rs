//! No process of a plugin outlives it, whatever it does and however it ends.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::{OpenOptions, Receiver};
use tokio::time::{sleep, timeout};

use super::*;

const LATE: Duration = Duration::from_mins(1);

/// A pipe that scripts hold open for writing as descriptor 3: its reader sees its end when all of them are gone.
fn witness(place: &PluginBench) -> (String, Receiver) {
    let fifo = place.path("alive");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = OpenOptions::new().read_write(false).open_receiver(&fifo).unwrap();
    (format!("exec 3> {}", fifo.display()), reader)
}

async fn all_are_gone(mut witness: Receiver) {
    let mut rest = Vec::new();
    timeout(LATE, witness.read_to_end(&mut rest)).await.expect("all are gone").unwrap();
}

/// Waits until the plugin has made this file.
async fn until_there(path: &Path) {
    let there = async {
        while !path.exists() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LATE, there).await.expect("the plugin is up");
}

#[tokio::test]
async fn what_a_good_plugin_leaves_running_is_ended_and_does_not_hold_the_answer_up() {
    for left_behind in [
        "(sleep 600) &",
        "setsid sleep 600 &",
        "(setsid sh -c 'sleep 600 & sleep 600' &)",
        "setsid sleep 600 </dev/null >/dev/null 2>&1 &",
        "(trap '' TERM HUP; sleep 600) &",
        // Without the mark, and in a group of its own, it cannot be found; the answer comes all the same.
        "env -i setsid sleep 3 &",
    ] {
        let place = PluginBench::new();
        let (hold, witness) = witness(&place);
        let published = place.publish(&format!("{hold}\n{left_behind}\n{ANSWER}")).await;
        published.unwrap_or_else(|e| panic!("{left_behind}: {}", told(&e)));
        all_are_gone(witness).await;
    }
}

#[tokio::test]
async fn a_dropped_publish_ends_all_processes_and_removes_the_directory() {
    for hangs in [
        "sleep 600",
        "trap '' TERM HUP INT; while :; do sleep 600; done",
        "setsid sleep 600 & sleep 600",
        "(setsid sh -c 'trap \"\" TERM; (sleep 600 >&- 2>&- &)' &); sleep 600",
    ] {
        let place = PluginBench::new();
        let (hold, witness) = witness(&place);
        let up = place.path("up");
        let sink = place.sink(&format!("{hold}\n: > {}\n{hangs}", up.display()));
        let snapshot = snapshot();
        tokio::select! {
            published = sink.publish(&snapshot) => panic!("{hangs}: {published:?}"),
            () = until_there(&up) => {}
        }
        all_are_gone(witness).await;
        // The next publish waits until the first one has cleaned up.
        let published = place.sink(ANSWER).publish(&snapshot).await;
        published.unwrap_or_else(|e| panic!("{hangs}: {}", told(&e)));
        assert!(place.entries().is_empty(), "{hangs}: {:?}", place.entries());
    }
}

/// It may print meanwhile: the other end of its pipes stays open. The shell itself prints that `sleep` was ended.
#[tokio::test]
async fn a_plugin_has_time_to_end_by_itself_after_sigterm() {
    let place = PluginBench::new();
    let (up, rolled_back) = (place.path("up"), place.path("rolled-back"));
    let script = format!(
        "trap 'yes | head -n 100000 >&2; : > {}; exit 1' TERM\n: > {}\nwhile :; do sleep 0.05; done",
        rolled_back.display(),
        up.display()
    );
    let (sink, snapshot) = (place.sink(&script), snapshot());
    tokio::select! {
        published = sink.publish(&snapshot) => panic!("{published:?}"),
        () = until_there(&up) => {}
    }
    until_there(&rolled_back).await;
}

#[tokio::test]
async fn what_a_killed_process_left_running_is_ended_by_the_next_publish() {
    let place = PluginBench::new();
    let (hold, witness) = witness(&place);
    let (up, ended) = (place.path("up"), place.path("ended"));
    // The new one starts after the end of the earlier one.
    let plugin = place.script(&format!("[ -e {} ] || exit 9\n{ANSWER}", ended.display()));
    let sink = ExecSink::new(place.settings(&plugin));
    let snapshot = snapshot();
    // As after `kill -9`: the plugin runs, its directory lies there, and no process holds the lock.
    let name = format!("stocktake-exec-{}", sink.plugin.key(snapshot.id()));
    let directory = place.path("exec").join(name);
    std::fs::create_dir_all(directory.join("earlier.g1")).unwrap();
    let mut orphan = Command::new("sh");
    let traps = format!("trap ': > {}; exit' TERM; : > {}", ended.display(), up.display());
    orphan.args(["-c", &format!("{hold}; {traps}; while :; do sleep 0.05; done")]);
    let mut orphan = orphan.env("STOCKTAKE_PROGRAM", directory.canonicalize().unwrap()).spawn().unwrap();
    until_there(&up).await;
    sink.publish(&snapshot).await.unwrap();
    all_are_gone(witness).await;
    orphan.wait().unwrap();
    assert!(place.entries().is_empty());
}

#[tokio::test]
async fn publishing_leaves_no_child_behind() {
    let place = PluginBench::new();
    place.publish(ANSWER).await.unwrap();
    let ours = std::process::id().to_string();
    // Other tests of this process have children of their own; none of them is a zombie for long.
    let zombies = || {
        let listed = Command::new("ps").args(["-o", "stat=", "--ppid", &ours]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().filter(|state| state.starts_with('Z')).count()
    };
    let none_left = async {
        while zombies() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LATE, none_left).await.expect("no zombie stays");
}
