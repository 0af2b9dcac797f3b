//! `kill -9` at every step on files around the checkpoint of a walk that is told to stop: the next run ends with the same
//! inventory, whether it can go on or not.

use std::fs;

use fake_registry::{FakeEndpoint, RepositoryNames, Script};

use crate::support::crash_point::Library;
use crate::support::program::Workplace;
use crate::support::stage::{Stage, content, script};

/// Stops a run that is preloaded with the library; it may be killed before it can be stopped, or after.
async fn stop_or_be_killed(stage: &Stage, library: &Library, answered: usize, step: usize) -> (bool, Vec<String>) {
    let stuck = stage.hang_after(FakeEndpoint::Tags, answered);
    let log = stage.place.path("tmp/steps");
    let _ = fs::remove_file(&log);
    let (path, step) = (library.path(), step.to_string());
    let environment =
        [("LD_PRELOAD", path.to_str().unwrap()), ("CRASH_LOG", log.to_str().unwrap()), ("CRASH_STEP", &step)];
    let running = stage.place.start_with(&environment, &["run"]);
    let pid = running.pid;
    let mut ended = tokio::spawn(running.end());
    let ended = tokio::select! {
        ended = &mut ended => ended,
        () = stuck.notified() => {
            // It may be on its way out already.
            let mut kill = tokio::process::Command::new("sh");
            kill.args(["-c", "kill -s TERM \"$0\" 2>/dev/null", &pid.to_string()]);
            kill.status().await.unwrap();
            ended.await
        }
    };
    stage.behave();
    let ended = ended.unwrap();
    assert!(ended.code.is_none() || ended.code == Some(130), "{ended:?}");
    let steps = fs::read_to_string(&log).unwrap_or_default();
    (ended.code.is_none(), steps.lines().map(str::to_owned).collect())
}

/// Killed at each step on files around the first checkpoint of a walk, and around the one that replaces it.
#[tokio::test]
async fn a_kill_at_any_step_around_a_checkpoint_loses_nothing() {
    let library = Library::build();
    let lines = "    depth: manifests\n    monitored_repositories: [hidden/one]\n";
    let small = || Script { repositories: RepositoryNames::generated(40, 7), ..script() };
    let mut stage = Stage::new(small(), lines).await;
    let expected = stage.undisturbed().await;
    let mut gone_on = 0;
    for earlier in [false, true] {
        for step in 1.. {
            stage.place = Workplace::with(&stage.yaml);
            if earlier {
                stage.stop_at(FakeEndpoint::Tags, 12).await;
            }
            let (killed, steps) = stop_or_be_killed(&stage, &library, 12, step).await;
            let (ended, _) = stage.run().await;
            gone_on += usize::from(ended.stderr.contains("resumes the walk"));
            ended.exits(0);
            assert_eq!(content(&stage.place), expected, "{earlier} {step} {steps:#?}");
            stage.assert_nothing_left();
            if !killed {
                assert!(steps.iter().any(|step| step.contains("rename") && step.contains("checkpoint.json")));
                assert!(step > 15, "{steps:#?}");
                break;
            }
        }
    }
    assert!(gone_on > 10, "{gone_on}");
}
