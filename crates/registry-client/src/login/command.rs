//! Runs a program that prints a secret: without a shell, killed at a deadline with all processes that it started, with
//! bounds on its output. It does not know what the output means.
//!
//! The output of a program is a secret. Its error output is shown, but only words of letters, and none that the output
//! has as well: some programs print the password in their error messages.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_tree::{OURS, ProcessTree, ProgramMark, find, is_executable, pipes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

use crate::grammar::shown;
use crate::login::environment::{Environment, LONGEST};
use crate::problem::secret::CommandError;

/// Bytes kept of the error output. The rest is read and dropped, so that the program is not blocked.
const COMPLAINT: usize = 4 * 1024;
/// How long output is read after the program has ended, if a process that it started keeps the pipe open.
const GRACE: Duration = Duration::from_millis(250);
/// Longest word of the error output that is shown.
const LONGEST_WORD: usize = 32;

/// A program that prints a secret, and how long the secret is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretCommand {
    /// A name to be searched on the `PATH`, or a path.
    program: String,
    /// Passed as they are, without a shell.
    arguments: Vec<String>,
    /// How old the output may become before the program is run again. None: until the secret is refused.
    pub lifetime: Option<Duration>,
    /// How long the program may run before it is killed.
    pub timeout: Duration,
}

impl SecretCommand {
    /// How long a program may run by default.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A command whose output is valid until it is refused, with the default time limit.
    pub fn new(program: impl Into<String>, arguments: Vec<String>) -> Self {
        Self { program: program.into(), arguments, lifetime: None, timeout: Self::TIMEOUT }
    }

    /// The program's name, for messages.
    pub fn program(&self) -> &str {
        &self.program
    }
}

/// One run of a program.
pub(crate) struct CommandRun<'a> {
    pub(crate) program: &'a str,
    pub(crate) arguments: Vec<&'a str>,
    /// The text for its standard input.
    pub(crate) input: &'a str,
    pub(crate) timeout: Duration,
}

/// A program that ended by itself.
pub(crate) struct Ended {
    program: String,
    status: ExitStatus,
    /// Its output, a secret.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl<'a> CommandRun<'a> {
    /// A run of a configured command.
    pub(crate) fn of(command: &'a SecretCommand) -> Self {
        let arguments = command.arguments.iter().map(String::as_str).collect();
        Self { program: &command.program, arguments, input: "", timeout: command.timeout }
    }

    /// Runs the program to its end. If it takes too long, or the future is dropped, the program is killed with all
    /// processes that it started.
    pub(crate) async fn run(&self, environment: Environment<'_>) -> Result<Ended, CommandError> {
        let program = || self.program.to_owned();
        let path = find(self.program, environment("PATH").as_deref())
            .ok_or_else(|| CommandError::NotFound { program: program() })?;
        let broken = |source| CommandError::Start { program: program(), source };
        let tree = ProcessTree::start(&mut self.command(&path), ProgramMark::unique()).map_err(broken)?;
        // On the heap: otherwise the future of each request that may need a secret would be this large.
        Box::pin(communicate(tree, self.input, self.timeout)).await.map_or_else(
            |failure| {
                Err(match failure {
                    RunFailure::Broken(source) => broken(source),
                    RunFailure::TooLong => CommandError::TooLong { program: program() },
                    RunFailure::TimedOut => CommandError::TimedOut { program: program(), after: self.timeout },
                })
            },
            |(status, ProgramOutput { stdout, stderr })| Ok(Ended { program: program(), status, stdout, stderr }),
        )
    }

    /// Whether the program is there and may be run. It is not run.
    pub(crate) fn look(&self, environment: Environment<'_>) -> Result<(), CommandError> {
        let program = || self.program.to_owned();
        let path = find(self.program, environment("PATH").as_deref())
            .ok_or_else(|| CommandError::NotFound { program: program() })?;
        let started = std::fs::metadata(&path)
            .and_then(|_| if is_executable(&path) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) });
        started.map_err(|source| CommandError::Start { program: program(), source })
    }

    fn command(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        command.args(&self.arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        // All others are inherited: the tools of cloud providers find their own credentials by `HOME`, `AWS_PROFILE`,
        // `CLOUDSDK_CONFIG` and dozens more.
        for name in OURS {
            command.env_remove(name);
        }
        command
    }
}

impl Ended {
    /// The output, if the exit status is success.
    pub(crate) fn successful(self) -> Result<Vec<u8>, CommandError> {
        if self.status.success() { Ok(self.stdout) } else { Err(self.failed()) }
    }

    /// Its output, a secret, for any exit status.
    pub(crate) fn stdout(&self) -> &[u8] {
        &self.stdout
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status.success()
    }

    /// The failure of the program, with its error output.
    pub(crate) fn failed(self) -> CommandError {
        let (stdout, stderr) = (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        CommandError::Failed { program: self.program, status: self.status, complaint: shown_error(&stderr, &stdout) }
    }

    /// The failure of a program that prints its error on standard output instead of JSON, as docker's helpers do.
    pub(crate) fn failed_on_stdout(mut self) -> CommandError {
        if !self.stdout.contains(&b'{') {
            self.stderr.push(b'\n');
            self.stderr.append(&mut self.stdout);
        }
        self.failed()
    }
}

/// Why a program was killed, or could not be read.
enum RunFailure {
    Broken(io::Error),
    TooLong,
    TimedOut,
}

impl From<io::Error> for RunFailure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// The output of a program so far.
#[derive(Default)]
struct ProgramOutput {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Waits for the program and reads its output. The first failure ends the wait. Only the end of the program itself is
/// waited for: processes that it has left behind may keep the output open, and are ended with it.
async fn communicate(
    mut tree: ProcessTree,
    input: &str,
    deadline: Duration,
) -> Result<(ExitStatus, ProgramOutput), RunFailure> {
    let (stdin, stdout, stderr) = (tree.child.stdin.take(), tree.child.stdout.take(), tree.child.stderr.take());
    let pipes = pipes(stdout.as_ref(), stderr.as_ref());
    let mut output = ProgramOutput::default();
    let status = {
        let (out, err) = (&mut output.stdout, &mut output.stderr);
        let mut transfer = pin!(async {
            tokio::try_join!(write_input(stdin, input), read_stdout(stdout, out), read_stderr(stderr, err))
        });
        let mut pipes_are_closed = false;
        let ended = async {
            loop {
                tokio::select! {
                    status = tree.wait() => return status.map_err(RunFailure::Broken),
                    all = &mut transfer, if !pipes_are_closed => {
                        all?;
                        pipes_are_closed = true;
                    }
                }
            }
        };
        let status = timeout(deadline, ended).await.unwrap_or(Err(RunFailure::TimedOut))?;
        if !pipes_are_closed && let Ok(all) = timeout(GRACE, transfer).await {
            all?;
        }
        status
    };
    tree.sweep(pipes).await;
    Ok((status, output))
}

async fn write_input(stdin: Option<ChildStdin>, input: &str) -> Result<(), RunFailure> {
    if let Some(mut stdin) = stdin {
        // A program may answer without reading its input; the output shows.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    Ok(())
}

async fn read_stdout(stdout: Option<impl AsyncRead + Unpin>, out: &mut Vec<u8>) -> Result<(), RunFailure> {
    let Some(mut stdout) = stdout else { return Ok(()) };
    while stdout.read_buf(out).await? > 0 {
        if out.len() as u64 > LONGEST {
            return Err(RunFailure::TooLong);
        }
    }
    Ok(())
}

async fn read_stderr(stderr: Option<impl AsyncRead + Unpin>, err: &mut Vec<u8>) -> Result<(), RunFailure> {
    let Some(mut stderr) = stderr else { return Ok(()) };
    let mut bytes = Vec::with_capacity(COMPLAINT);
    loop {
        bytes.clear();
        let read = stderr.read_buf(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        let room = COMPLAINT - err.len();
        err.extend_from_slice(&bytes[..read.min(room)]);
    }
}

/// The part of a program's error output that may be shown: words of letters that are not part of `secret`; `***` for
/// others.
fn shown_error(text: &str, secret: &str) -> String {
    let secret: Vec<_> = secret.split(|c: char| c.is_whitespace() || c == '"').filter(|part| part.len() > 2).collect();
    let mut words: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        let is_shown = is_plain(word) && !secret.iter().any(|part| word.contains(part));
        match words.last() {
            Some(&"***") if !is_shown => {}
            _ => words.push(if is_shown { word } else { "***" }),
        }
    }
    shown(&words.join(" "))
}

/// Whether a word has only letters, with points and hyphens between them and other punctuation around them. Almost
/// every generated secret has a digit.
fn is_plain(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
    let is_word = !bare.is_empty() || word.len() == 1;
    is_word
        && word.len() <= LONGEST_WORD
        && bare.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '.' | '-' | '_' | '\''))
}

#[cfg(test)]
pub(crate) mod tests;
