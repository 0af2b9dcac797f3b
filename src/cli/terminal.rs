//! What a terminal can show: colours, and how wide it is; and text that is wrapped for it.

use std::fs::File;
use std::os::fd::AsFd;

use terminal_size::{Width, terminal_size_of};
use unicode_width::UnicodeWidthStr;

/// Text is not wrapped into less room than this.
const NARROW: usize = 24;

/// The value of an environment variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the terminal only takes plain lines.
pub(super) fn is_dumb(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("TERM").is_none_or(|term| term == "dumb")
}

/// Whether a terminal may be sent colours and the like.
pub(super) fn takes_colours(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none() && !is_dumb(variable)
}

/// The columns of a terminal; `None` for anything else.
pub(super) fn width_of(stream: impl AsFd) -> Option<usize> {
    terminal_size_of(stream).map(|(Width(columns), _)| usize::from(columns))
}

/// The columns of standard error, if it is a terminal.
pub(super) fn width_of_stderr() -> Option<usize> {
    width_of(std::io::stderr())
}

/// The identity of the file that standard error is: device and inode.
pub(super) fn identity_of_stderr() -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let file = File::from(std::io::stderr().as_fd().try_clone_to_owned().ok()?);
    file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// `start` and `text`, wrapped at this width; the lines after the first are indented to where `text` begins. What stands in
/// backticks is copied by people, and stays on one line if a line is wide enough. Without a width, nothing is wrapped.
pub(super) fn wrapped(start: &str, text: &str, width: Option<usize>) -> String {
    let indent = start.width();
    let Some(room) = width.and_then(|width| width.checked_sub(indent)).filter(|room| *room >= NARROW) else {
        return format!("{start}{text}");
    };
    let mut lines: Vec<String> = vec![String::new()];
    for word in words(text, room) {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    format!("{start}{}", lines.join(&format!("\n{}", " ".repeat(indent))))
}

/// The words of a text. A part in backticks is one word, unless it is wider than `room`.
fn words(text: &str, room: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut from, mut is_quoted) = (0, false);
    for (at, c) in text.char_indices() {
        if c == '`' {
            let rest = &text[at + 1..];
            is_quoted = !is_quoted && rest.find('`').is_some_and(|end| rest[..end].width() + 2 <= room);
        } else if c == ' ' && !is_quoted {
            words.push(&text[from..at]);
            from = at + 1;
        }
    }
    words.push(&text[from..]);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_the_first_are_indented_and_what_is_copied_stays_whole() {
        let text = "grant this account Read; accept it with `stocktake run quay --accept-shrink` once";
        for (width, expected) in [
            (None, format!("  remedy  {text}")),
            (Some(30), format!("  remedy  {text}")),
            (
                Some(46),
                "  remedy  grant this account Read; accept it\n          with\n          \
                 `stocktake run quay --accept-shrink`\n          once"
                    .to_owned(),
            ),
            (
                Some(40),
                "  remedy  grant this account Read;\n          accept it with `stocktake run\n          quay \
                 --accept-shrink` once"
                    .to_owned(),
            ),
        ] {
            assert_eq!(wrapped("  remedy  ", text, width), expected, "{width:?}");
        }
        let url = "https://registry.example.org/a/very/long/path";
        assert_eq!(wrapped("", &format!("see {url} now"), Some(30)), format!("see\n{url}\nnow"));
    }

    #[test]
    fn colours_are_for_terminals_that_take_them() {
        for (variables, expected) in [
            (&[("TERM", "xterm")][..], true),
            (&[("TERM", "dumb")], false),
            (&[], false),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        ] {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(takes_colours(variable), expected, "{variables:?}");
        }
    }
}
