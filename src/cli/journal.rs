//! Priorities for systemd's journal: where standard error is the journal, each line begins with its priority as
//! sd-daemon(3) says, so that `journalctl -p err` finds errors. Anywhere else, lines have no prefix.

use std::borrow::Cow;
use std::sync::OnceLock;

use tracing::Level;

use super::terminal;

/// A priority of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JournalPriority {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

impl From<Level> for JournalPriority {
    fn from(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO => Self::Info,
            Level::DEBUG | Level::TRACE => Self::Debug,
        }
    }
}

/// Whether standard error is the journal: systemd names the journal's socket in `JOURNAL_STREAM`, and a program that was
/// started with another standard error inherits the variable as well.
pub(super) fn is_stderr() -> bool {
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| is_journal(terminal::variable("JOURNAL_STREAM").as_deref(), terminal::identity_of_stderr()))
}

fn is_journal(named: Option<&str>, stderr: Option<(u64, u64)>) -> bool {
    let named = named.and_then(|named| named.split_once(':'));
    let named = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named.is_some() && named == stderr
}

/// The text, with its priority before every line if standard error is the journal.
pub(super) fn for_stderr(priority: JournalPriority, text: &str) -> Cow<'_, str> {
    if is_stderr() { prefixed(priority, text).into() } else { text.into() }
}

/// The journal takes each line as an entry of its own.
fn prefixed(priority: JournalPriority, text: &str) -> String {
    let prefix = format!("<{}>", priority as u8);
    text.split_inclusive('\n').flat_map(|line| [prefix.as_str(), line]).collect()
}

/// Gives what a panic says the priority of an error.
pub(super) fn take_panics() {
    if is_stderr() {
        std::panic::set_hook(Box::new(|panic| {
            let trace = std::backtrace::Backtrace::capture();
            super::output::complain(&format!("{panic}\n{trace}"));
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_priority() {
        assert_eq!(prefixed(JournalPriority::Error, "one\ntwo\n"), "<3>one\n<3>two\n");
        assert_eq!(prefixed(JournalPriority::Warning, "{\"level\":\"WARN\"}\n"), "<4>{\"level\":\"WARN\"}\n");
        assert_eq!(prefixed(JournalPriority::Info, ""), "");
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        assert_eq!(levels.map(|level| JournalPriority::from(level) as u8), [3, 4, 6, 7, 7]);
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let stderr = Some((8, 1234));
        for (named, expected) in [
            (Some("8:1234"), true),
            (Some("8:1235"), false),
            (Some("9:1234"), false),
            (Some("8"), false),
            (Some(":"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(is_journal(named, stderr), expected, "{named:?}");
            assert!(!is_journal(named, None));
        }
    }
}
