//! What a plugin prints: bounded while it is read, and cut and escaped before a person sees it.

use tokio::io::{AsyncRead, AsyncReadExt as _};

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

impl Answer {
    pub(crate) async fn read(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        each_piece(pipe, |piece| {
            let room = STDOUT - self.bytes.len();
            self.was_cut |= piece.len() > room;
            self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        })
        .await;
    }
}

/// The end of standard error.
#[derive(Debug, Default)]
pub(crate) struct LastWords(Vec<u8>);

impl LastWords {
    pub(crate) async fn read(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        each_piece(pipe, |piece| {
            self.0.extend_from_slice(piece);
            let surplus = self.0.len().saturating_sub(STDERR);
            self.0.drain(..surplus);
        })
        .await;
    }

    /// The last lines that are not blank.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0);
        let mut lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(shown).collect();
        lines.drain(..lines.len().saturating_sub(LINES));
        lines
    }
}

/// Reads a pipe to its end. A pipe that cannot be read has ended.
async fn each_piece(pipe: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&[u8])) {
    let Some(mut pipe) = pipe else { return };
    let mut piece = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut piece).await {
        take(&piece[..read]);
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
        } else if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters that turn the direction of text or end a line.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
