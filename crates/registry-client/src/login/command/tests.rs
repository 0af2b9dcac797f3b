//! Small shell scripts, run as a user's program is.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command as Process;

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use super::*;

/// A directory of programs, to be put on the `PATH`.
pub(crate) struct Programs(TempDir);

impl Programs {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// Writes a shell script. Another process writes it: a program that is open for writing here, or in a child that
    /// was forked meanwhile, cannot be run.
    pub(crate) fn add(&self, name: &str, script: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let mut sh = Process::new("sh");
        sh.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(&path).stdin(Stdio::piped());
        let mut sh = sh.spawn().expect("a shell");
        let script = format!("#!/bin/sh\n{script}\n");
        sh.stdin.take().expect("is piped").write_all(script.as_bytes()).expect("written");
        assert!(sh.wait().expect("it ends").success());
        path
    }

    /// An environment whose `PATH` is this directory.
    pub(crate) fn environment(&self) -> impl Fn(&str) -> Option<OsString> + Send + Sync + 'static {
        let path = self.0.path().as_os_str().to_owned();
        move |name: &str| (name == "PATH").then(|| path.clone())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_mins(1);

async fn run(script: &str, input: &str, timeout: Duration) -> Result<Vec<u8>, CommandError> {
    let programs = Programs::new();
    programs.add("program", script);
    let run = CommandRun { program: "program", arguments: vec!["get", "$HOME; x"], input, timeout };
    run.run(&programs.environment()).await?.successful()
}

#[tokio::test]
async fn arguments_and_input_arrive_as_they_are() {
    let said = run("printf '%s|' \"$@\"; cat", "https://r.example:5000", LATE).await.expect("an output");
    assert_eq!(String::from_utf8_lossy(&said), "get|$HOME; x|https://r.example:5000");
}

#[tokio::test]
async fn a_program_that_does_not_listen_is_heard_all_the_same() {
    let long = "x".repeat(1 << 20);
    assert_eq!(run("echo said", &long, LATE).await.expect("an output"), b"said\n");
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_its_children() {
    let programs = Programs::new();
    let (fifo, lock) = (programs.path("alive"), programs.path("ready"));
    assert!(Process::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    // Both hold the pipe open for writing; its reader sees its end only when both are gone.
    let script = format!("exec 3> {0}\n(sleep 600) &\necho up > {1}\nsleep 600", fifo.display(), lock.display());
    programs.add("program", &script);
    // Long enough for a shell to start on a busy machine.
    let run = CommandRun { program: "program", arguments: vec![], input: "", timeout: 5 * SOON };
    let reader = tokio::net::unix::pipe::OpenOptions::new().read_write(false).open_receiver(&fifo).expect("a pipe");
    let error = run.run(&programs.environment()).await.err().expect("killed");
    assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    assert!(lock.exists(), "it was up before its deadline");
    let (mut reader, mut rest) = (reader, Vec::new());
    tokio::time::timeout(LATE, reader.read_to_end(&mut rest)).await.expect("all are gone").expect("read");
}

/// A pipe that the scripts hold open for writing: its reader sees its end when all of them are gone.
fn witness(programs: &Programs) -> (String, tokio::net::unix::pipe::Receiver) {
    let fifo = programs.path("alive");
    assert!(Process::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let reader = tokio::net::unix::pipe::OpenOptions::new().read_write(false).open_receiver(&fifo).expect("a pipe");
    (fifo.display().to_string(), reader)
}

async fn all_are_gone(mut witness: tokio::net::unix::pipe::Receiver) {
    let mut rest = Vec::new();
    tokio::time::timeout(LATE, witness.read_to_end(&mut rest)).await.expect("all are gone").expect("read");
}

#[tokio::test]
async fn a_child_that_keeps_the_output_open_does_not_fail_the_program_and_ends_with_it() {
    for left_behind in
        ["(sleep 600) &", "setsid sleep 600 &", "(setsid sh -c 'sleep 600 & sleep 600' &)", "(sleep 600 >&- 2>&-) &"]
    {
        let programs = Programs::new();
        let (fifo, witness) = witness(&programs);
        programs.add("program", &format!("exec 3> {fifo}\n{left_behind}\necho said"));
        let run = CommandRun { program: "program", arguments: vec![], input: "", timeout: LATE };
        let said = run.run(&programs.environment()).await.expect("it ended").successful().expect("by itself");
        assert_eq!(said, b"said\n", "{left_behind}");
        all_are_gone(witness).await;
    }
}

#[tokio::test]
async fn what_hangs_is_killed_wherever_it_has_gone() {
    for hangs in
        ["setsid sleep 600", "(setsid sh -c '(sleep 600 >&- 2>&- &)' &); sleep 600", "trap '' TERM HUP; sleep 600"]
    {
        let programs = Programs::new();
        let (fifo, witness) = witness(&programs);
        programs.add("program", &format!("exec 3> {fifo}\n{hangs}"));
        let run = CommandRun { program: "program", arguments: vec![], input: "", timeout: 5 * SOON };
        let error = run.run(&programs.environment()).await.err().expect("killed");
        assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
        all_are_gone(witness).await;
    }
}

#[tokio::test]
async fn an_agent_that_has_detached_itself_stays() {
    let programs = Programs::new();
    let (fifo, witness) = witness(&programs);
    let agent = "setsid sh -c 'echo $$ > agent; exec sleep 600' >/dev/null 2>&1 </dev/null &";
    let script = format!(
        "cd {}\nexec 3> {fifo}\n{agent}\nuntil test -s agent; do :; done; echo said",
        programs.path("").display()
    );
    programs.add("program", &script);
    let run = CommandRun { program: "program", arguments: vec![], input: "", timeout: LATE };
    run.run(&programs.environment()).await.expect("it ended").successful().expect("by itself");
    let agent = std::fs::read_to_string(programs.path("agent")).expect("its number");
    let agent = rustix::process::Pid::from_raw(agent.trim().parse().expect("a number")).expect("a process");
    rustix::process::kill_process(agent, rustix::process::Signal::KILL).expect("it is there");
    all_are_gone(witness).await;
}

#[tokio::test]
async fn a_program_that_closes_its_output_and_stays_is_killed_too() {
    let error = run("exec 1>&- 2>&-; sleep 600", "", SOON).await.expect_err("killed");
    assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_flood_on_standard_output_ends_the_program_at_once() {
    let flood = run("while :; do echo hunter2hunter2hunter2hunter2; done", "", LATE);
    let error = tokio::time::timeout(Duration::from_secs(20), flood).await.expect("at once").expect_err("too long");
    assert!(matches!(error, CommandError::TooLong { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_flood_on_standard_error_is_read_away() {
    let script = "i=0; while [ $i -lt 20000 ]; do echo some line of a log >&2; i=$((i+1)); done; echo said";
    assert_eq!(run(script, "", LATE).await.expect("an output"), b"said\n");
}

#[tokio::test]
async fn a_failure_tells_its_status_and_its_complaint_without_the_secret() {
    for (script, shown) in [
        ("exit 3", "`program` ended with exit status: 3"),
        ("echo 'Unable to locate credentials.' >&2; exit 1", "exit status: 1: `Unable to locate credentials.`"),
        ("echo hunter2; echo 'password hunter2 is wrong' >&2; exit 1", "exit status: 1: `password *** is wrong`"),
        // The printed secret, and a secret that was not printed.
        ("echo sesame; echo 'not sesame, Asesame!' >&2; exit 1", "exit status: 1: `not ***`"),
        ("echo '{\"Secret\":\"sesame\"}'; echo '\"sesame\"' >&2; exit 1", "exit status: 1: `***`"),
        ("echo 'u:hunter2@r dTpodW50ZXIy' >&2; exit 1", "exit status: 1: `***`"),
        ("printf 'a\\033[31mred\\033[0m\\nline' >&2; exit 1", "exit status: 1: `*** line`"),
        ("kill -9 $$", "ended with signal: 9 (SIGKILL)"),
    ] {
        let error = run(script, "", LATE).await.expect_err("a failure");
        assert!(error.to_string().ends_with(shown), "{error}");
        assert!(!format!("{error:?}").contains("hunter2") && !format!("{error:?}").contains("sesame"), "{error:?}");
    }
}

#[tokio::test]
async fn programs_are_found_on_the_path_alone() {
    let programs = Programs::new();
    programs.add("there", "echo said");
    std::fs::write(programs.path("data"), "echo no").expect("written");
    std::fs::create_dir(programs.path("directory")).expect("made");
    let environment = programs.environment();
    let of = |program| CommandRun { program, arguments: vec![], input: "", timeout: LATE };
    assert!(of("there").run(&environment).await.is_ok());
    for program in ["data", "directory", "missing", ""] {
        let error = of(program).run(&environment).await.err().expect("an error");
        assert!(matches!(error, CommandError::NotFound { .. }), "{program}: {error}");
    }
    let path = programs.path("there");
    assert!(of(path.to_str().expect("text")).run(&|_: &str| None).await.is_ok());
    let error = of("/nonexistent/program").run(&environment).await.err().expect("an error");
    assert!(matches!(error, CommandError::Start { .. }), "{error}");
    assert_eq!(find("there", Some("relative:".as_ref())), None);
}
