//! The exec sink within the program: configuration, commands, other sinks beside it, and kills at every step.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use fake_registry::{FakeRegistry, Script};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep, timeout};

use crate::support::check_no_process_has;
use crate::support::crash_point::Library;
use crate::support::daemon::Daemon;
use crate::support::inventory::manifests;
use crate::support::program::{Finished, Workplace};
use crate::support::site::FinishedProcess;
use crate::support::small_disk::SmallDisk;

const PATIENCE: Duration = Duration::from_mins(1);

/// Keeps each directory in `store/`; a rename is the commit point. A second one would land within the first.
const KEEP: &str = r#"set -eu
[ "$1" != --probe ] || { : > "${0%/*}/probed"; echo '{"ok":true}'; exit; }
cd "${0%/*}"
name=$STOCKTAKE_RUN_ID.g$STOCKTAKE_GENERATION
mkdir -p store
if [ ! -d "store/$name" ]; then
    rm -rf "store/.$name"
    cp -r "$STOCKTAKE_SNAPSHOT" "store/.$name"
    mv "store/.$name" "store/$name"
fi
AFTER
jq -c '{ok: true, rows: (.objects | map({key: .table, value: .rows}) | from_entries)}' "$1/manifest.json"
"#;

/// A registry, a Parquet sink beside an exec sink with these settings, and the plugin, which does more after its commit.
async fn with_plugin(settings: &str, after: &str) -> (FakeRegistry, Workplace) {
    let registry = FakeRegistry::start(Script::open(["a", "b", "c"])).await.unwrap();
    let place = Workplace::new();
    place.script("plugin", &KEEP.replace("AFTER", after));
    configure(&place, &registry, settings, "");
    (registry, place)
}

fn configure(place: &Workplace, registry: &FakeRegistry, settings: &str, lines: &str) {
    let url = registry.url();
    place.configure(&format!(
        "sinks:\n  warehouse: {{type: parquet, url: ./inventory}}\n  lake: {{type: exec, {settings}}}\n\
         registries:\n  - name: quay\n    url: {url}\n    auth: {{type: none}}\n{lines}"
    ));
}

const PLUGIN: &str = "command: [./plugin]";

/// The runs in the store.
fn kept(place: &Workplace) -> BTreeSet<String> {
    let directories = place.tree("store").into_keys().filter_map(|name| name.strip_suffix('/').map(str::to_owned));
    directories.filter(|name| !name.starts_with('.')).collect()
}

/// All runs of the Parquet sink are in the store, once each; nothing lies about and no process is left.
fn assert_whole(place: &Workplace, nights: usize) {
    let published = manifests(&place.path("inventory"), "quay");
    let names: Vec<_> = published.iter().map(|m| format!("{}.g1", m["run_id"].as_str().unwrap())).collect();
    assert_eq!(kept(place), names.iter().cloned().collect());
    assert_eq!(names.len(), nights);
    for (manifest, name) in published.iter().zip(&names) {
        let other = fs::read(place.path(&format!("store/{name}/manifest.json"))).unwrap();
        let other: serde_json::Value = serde_json::from_slice(&other).unwrap();
        let rows = |m: &serde_json::Value| -> Vec<_> {
            m["objects"].as_array().unwrap().iter().map(|o| (o["table"].clone(), o["rows"].clone())).collect()
        };
        assert_eq!(rows(manifest), rows(&other));
    }
    assert_nothing_left(place);
}

fn assert_nothing_left(place: &Workplace) {
    assert_eq!(place.tree("exec").into_keys().collect::<Vec<_>>(), [""; 0]);
    check_no_process_has(place.path("exec").to_str().unwrap());
}

#[tokio::test]
async fn run_dry_run_and_check_call_the_plugin_as_they_should() {
    let (_registry, place) = with_plugin(PLUGIN, "").await;
    place.run(&["run", "--dry-run"]).await.exits(0);
    assert!(!place.path("store").exists() && !place.path("probed").exists(), "a dry run calls no sink");
    place.run(&["check"]).await.exits(0);
    assert!(place.path("probed").exists() && !place.path("exec").exists());
    let ended = place.run(&["run"]).await.exits(0);
    assert!(ended.stderr.contains("2/2") || ended.stdout.contains("2/2"), "{}\n{}", ended.stdout, ended.stderr);
    assert_whole(&place, 1);
    place.run(&["run"]).await.exits(0);
    assert_whole(&place, 2);
}

#[tokio::test]
async fn a_plugin_sees_of_the_environment_only_what_is_named() {
    let (_registry, place) =
        with_plugin(&format!("{PLUGIN}, environment: [LOADER_KEY, LOADED_*]"), "env > seen; pwd >> seen").await;
    let secrets = [("LOADER_KEY", "k"), ("LOADED_BY", "us"), ("QUAY_PASSWORD", "hunter2"), ("NOTIFY_SOCKET", "@x")];
    place.run_with(&secrets, &["run"]).await.exits(0);
    let seen = fs::read_to_string(place.path("seen")).unwrap();
    assert!(seen.contains("LOADER_KEY=k\n") && seen.contains("LOADED_BY=us\n"), "{seen}");
    assert!(!seen.contains("hunter2") && !seen.contains("NOTIFY_SOCKET"), "{seen}");
}

#[tokio::test]
async fn a_plugin_that_fails_disturbs_no_other_sink_and_gets_the_night_later() {
    let (_registry, place) = with_plugin(PLUGIN, "").await;
    place.script(
        "plugin",
        "echo 'quota of 5 GB is used up' >&2\necho '{\"ok\":false,\"kind\":\"full\",\"error\":\"no room\"}'; exit 1",
    );
    let ended = place.run(&["run"]).await.exits(1);
    let message = "`plugin` could not load: no room: standard error: quota of 5 GB is used up (make room at the target";
    ended.says(message).says("the next run delivers it");
    assert_eq!(manifests(&place.path("inventory"), "quay").len(), 1);
    assert_nothing_left(&place);
    place.script("plugin", &KEEP.replace("AFTER", ""));
    place.run(&["run"]).await.exits(0);
    assert_whole(&place, 2);
}

#[tokio::test]
async fn a_plugin_that_hangs_is_ended_at_the_deadline_with_all_its_processes() {
    let (_registry, place) = with_plugin(&format!("{PLUGIN}, deadline: 1s"), "").await;
    place.script("plugin", "trap '' TERM\nsetsid sleep 600 &\nwhile :; do sleep 600; done");
    let begun = Instant::now();
    let ended = place.run(&["run"]).await.exits(1);
    ended.says("the delivery did not end within 1 s (find out why the target is slow, or raise `deadline` of the sink");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_nothing_left(&place);
    assert_eq!(manifests(&place.path("inventory"), "quay").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_disk_below_the_directory_is_told_and_the_night_comes_later() {
    let (_registry, place) = with_plugin(PLUGIN, "").await;
    // A page: enough for the repositories, too little for the run.
    let disk = SmallDisk::mount(&place.path("exec"), 4);
    let mut run = Command::new(env!("CARGO_BIN_EXE_stocktake"));
    run.args(["--config", "stocktake.yaml", "run"]).current_dir(place.path("."));
    let ended = FinishedProcess::of(&mut disk.enter(&run));
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.told.contains("cannot write ") && ended.told.contains(".g1/"), "{}", ended.told);
    assert!(ended.told.contains("No space left on device (os error 28) (make room at the target"), "{}", ended.told);
    assert_eq!(fs::read_dir(disk.seen(&place.path("exec"))).unwrap().count(), 0);
    drop(disk);
    place.run(&["run"]).await.exits(0);
    assert_whole(&place, 2);
}

#[tokio::test]
async fn as_process_1_the_program_runs_plugins_and_no_zombie_stays() {
    let (_registry, place) = with_plugin(PLUGIN, "").await;
    // Its parent ends at once, so process 1 becomes the parent; it is killed when the plugin has answered.
    let orphan = "(setsid sleep 600 >/dev/null 2>&1 &)\nps -e -o stat= > states";
    place.script("plugin", &KEEP.replace("AFTER", orphan));
    let root = rustix::process::geteuid().is_root();
    let user: &[_] = if root { &[] } else { &["--user", "--map-root-user"] };
    let namespace = [&["unshare"], user, &["--pid", "--fork", "--kill-child=KILL", "--mount-proc"]].concat();
    for nights in 1..=2 {
        place.start_within(&namespace, &[], &["run"]).end().await.exits(0);
        assert_whole(&place, nights);
        let states = fs::read_to_string(place.path("states")).unwrap();
        assert!(!states.contains('Z'), "{states}");
    }
}

#[tokio::test]
async fn sigterm_to_the_program_ends_the_plugin_too() {
    let (_registry, place) = with_plugin(PLUGIN, "").await;
    place.script(
        "plugin",
        "cd \"${0%/*}\"; trap 'echo rolled back > ended; exit 1' TERM; : > up\nwhile :; do sleep 0.1; done",
    );
    let running = place.start(&["run"]);
    until(|| place.path("up").exists()).await;
    running.signal("TERM").await;
    running.end().await.exits(130);
    assert_eq!(fs::read_to_string(place.path("ended")).unwrap(), "rolled back\n");
    assert_nothing_left(&place);
}

#[tokio::test]
async fn validate_looks_for_the_program_and_reads_the_settings() {
    let (registry, place) = with_plugin("command: [./missing, --fast]", "").await;
    let missing = place.path("missing").canonicalize().unwrap_or(place.path("missing"));
    place.run(&["validate"]).await.exits(78).says("stocktake.yaml:3:").says(&format!(
        "`command`: there is no {}\n    correct the path; a relative path starts beside the configuration",
        missing.display()
    ));
    for (settings, message) in [
        ("command: []", "expected a program and its arguments, found none"),
        ("environment: [A]", "`command` is missing"),
        ("command: [sh], environment: [A=b]", "\"A=b\" is not the name of a variable"),
        ("command: [sh], format: csv", "`format`"),
        ("command: [no-such-program-here]", "there is no program `no-such-program-here` in the directories of `PATH`"),
    ] {
        configure(&place, &registry, settings, "");
        place.run(&["validate"]).await.exits(78).says(message);
    }
    configure(&place, &registry, PLUGIN, "");
    place.run(&["validate"]).await.exits(0);
}

#[tokio::test]
async fn a_daemon_delivers_to_a_plugin_and_a_reload_takes_another_one() {
    let (registry, place) = with_plugin(PLUGIN, "").await;
    let every_second = "    schedule: \"* * * * * *\"\n";
    let listen = |place: &Workplace| {
        let rest = fs::read_to_string(place.path("stocktake.yaml")).unwrap();
        place.configure(&format!("listen: 127.0.0.1:0\n{rest}"));
    };
    configure(&place, &registry, PLUGIN, every_second);
    listen(&place);
    let daemon = Daemon::start(&place).await;
    until(|| !kept(&place).is_empty()).await;
    place.script("other", ": > \"${0%/*}/other-was-run\"; exit 1");
    configure(&place, &registry, "command: [./other]", every_second);
    listen(&place);
    daemon.running.signal("HUP").await;
    until(|| place.path("other-was-run").exists()).await;
    daemon.stop().await.exits(0);
    assert_nothing_left(&place);
}

async fn until(is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, so).await.expect("it comes to that");
}

fn is_killed(ended: &Finished) -> bool {
    ended.code.is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_at_any_named_step_is_mended_by_the_next_run() {
    let library = Library::build();
    let library = library.path().display().to_string();
    for point in [
        "before mkdir 1 exec/stocktake-exec-",
        "before mkdir 1 -quay/quay-",
        "half write 1 .g1/repositories.parquet",
        "half write 1 .g1/runs.parquet",
        "half write 1 .g1/manifest.json",
        // The plugin has answered, and its directory is being removed.
        "before unlink 1 manifest.json",
        "after unlink 1 manifest.json",
        // Everything is delivered; the receipts are not written down.
        "before rename 3 state/quay/state.json",
    ] {
        let (_registry, place) = with_plugin(PLUGIN, "").await;
        place.run(&["run"]).await.exits(0);
        let crash = [("LD_PRELOAD", library.as_str()), ("CRASH_AT", point)];
        let ended = place.run_with(&crash, &["run"]).await;
        assert!(is_killed(&ended), "{point}: {}", ended.stderr);
        place.run(&["run"]).await.exits(0);
        assert_whole(&place, 3);
    }
}

/// What `kill -9` does to the program while its plugin is at work, and to the plugin while the program waits.
#[tokio::test]
async fn a_kill_before_or_after_the_commit_of_the_plugin_commits_once() {
    // After its commit, the plugin kills the program, and then hangs; after its commit, it kills itself.
    for (after, code) in [
        ("if [ ! -e k ]; then : > k; kill -9 $PPID; sleep 600; fi", None),
        ("if [ ! -e k ]; then : > k; kill -9 $$; fi", Some(0)),
    ] {
        let (_registry, place) = with_plugin(PLUGIN, after).await;
        let ended = place.run(&["run"]).await;
        // A plugin that died is called again at once.
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert_eq!(kept(&place).len(), 1);
        place.run(&["run"]).await.exits(0);
        assert_whole(&place, 2);
    }
    // Before its commit.
    let (_registry, place) = with_plugin(PLUGIN, "").await;
    let hanging = KEEP.replace("mv \"store", "[ -e k ] || { : > k; sleep 600; }\n    mv \"store");
    place.script("plugin", &hanging.replace("AFTER", ""));
    let running = place.start(&["run"]);
    until(|| place.path("k").exists()).await;
    kill_process(Pid::from_raw(running.pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    assert!(is_killed(&running.end().await));
    place.run(&["run"]).await.exits(0);
    assert_whole(&place, 2);
}

#[tokio::test]
async fn thirty_kills_at_random_moments_commit_each_night_once() {
    const KILLS: u32 = 30;
    const AT_WORK: u32 = 5;
    let (_registry, place) = with_plugin(PLUGIN, "").await;
    let begun = Instant::now();
    place.run(&["run"]).await.exits(0);
    let mut whole = begun.elapsed();
    let (mut random, mut killed, mut at_work) = (fastrand::Rng::with_seed(20_261_127), 0, 0);
    for round in 0.. {
        let running = place.start(&["run"]);
        // Spread over the later part, where sinks are at work.
        sleep(whole.mul_f64(0.4 + 0.6 * random.f64())).await;
        let _ = kill_process(Pid::from_raw(running.pid.cast_signed()).unwrap(), Signal::KILL);
        if is_killed(&running.end().await) {
            killed += 1;
            at_work += u32::from(!place.tree("exec").is_empty());
            whole = whole.mul_f64(1.05);
        } else {
            whole = whole.mul_f64(0.8);
        }
        if killed >= KILLS && at_work >= AT_WORK {
            break;
        }
        assert!(round < 6 * KILLS, "most runs end before they are killed: {killed}, {at_work} with a plugin at work");
    }
    place.run(&["run"]).await.exits(0);
    let nights = manifests(&place.path("inventory"), "quay").len();
    assert_whole(&place, nights);
    assert!(nights > 2, "{nights}");
}
