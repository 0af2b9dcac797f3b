//! What a plugin prints: bounded while it is read, and cut and escaped before a person sees it.

use std::io::{self, PipeWriter, Read as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use stocktake_sink::text::is_deceptive;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Bytes of standard output that are kept. What follows is read and dropped, so that the plugin is not blocked.
const STDOUT: usize = 64 * 1024;
/// Bytes of standard error that are kept: the last ones.
const STDERR: usize = 8 * 1024;
/// Lines of standard error that are shown: the last ones.
const LINES: usize = 20;
/// Characters of a line that are shown.
const LINE: usize = 500;

/// The beginning of standard output.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// Whether there was more.
    pub(crate) was_cut: bool,
}

impl Keep for Answer {
    fn keep(&mut self, piece: &[u8]) {
        let room = STDOUT - self.bytes.len();
        self.was_cut |= piece.len() > room;
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

/// The end of standard error.
#[derive(Debug, Default)]
pub(crate) struct LastWords(Vec<u8>);

impl Keep for LastWords {
    fn keep(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
        let surplus = self.0.len().saturating_sub(STDERR);
        self.0.drain(..surplus);
    }
}

impl LastWords {
    /// The last lines that are not blank.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0);
        let mut lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(shown).collect();
        lines.drain(..lines.len().saturating_sub(LINES));
        lines
    }
}

/// Keeps a bounded part of what a pipe brings.
pub(crate) trait Keep: Default + Send + 'static {
    fn keep(&mut self, piece: &[u8]);
}

/// A pipe that a thread of its own reads to its end, whatever becomes of the publish: a plugin that rolls back must not meet
/// a closed pipe. The thread ends when no process holds the pipe.
#[derive(Debug)]
pub(crate) struct Captured<K> {
    kept: Arc<Mutex<K>>,
    ended: oneshot::Receiver<()>,
}

impl<K: Keep> Captured<K> {
    /// What is printed from now on, and the end of the pipe for the plugin.
    pub(crate) fn begin() -> io::Result<(Self, PipeWriter)> {
        let (mut reader, writer) = io::pipe()?;
        let kept = Arc::new(Mutex::new(K::default()));
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&kept);
        thread::Builder::new().name("plugin output".to_owned()).spawn(move || {
            let mut piece = vec![0; 8 * 1024];
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                shared.lock().keep(&piece[..read]);
            }
            // An error: the publish has ended and waits no longer.
            let _ = end.send(());
        })?;
        Ok((Self { kept, ended }, writer))
    }

    /// What was printed, up to the end of the pipe, or for as long as `patience` lasts.
    pub(crate) async fn finish(mut self, patience: Duration) -> K {
        let _ = timeout(patience, &mut self.ended).await;
        std::mem::take(&mut *self.kept.lock())
    }
}

/// A text of the plugin as one line for a terminal or a log.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == LINE {
            return shown + "…";
        }
        if c == '\t' {
            shown.push(' ');
        } else if is_deceptive(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
