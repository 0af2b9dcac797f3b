//! How often and how long something was tried, in words.

use std::fmt;
use std::time::Duration;

/// ` (6 tries in 10 s)`; nothing if it was tried once.
pub(crate) fn tries_in_words(tries: Option<(u32, Duration)>) -> String {
    tries.map_or_else(String::new, |(tries, over)| format!(" ({tries} tries in {})", Spell(over)))
}

/// A time in whole seconds, or in milliseconds if it is shorter than one.
pub(crate) struct Spell(pub(crate) Duration);

impl fmt::Display for Spell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", self.0.as_millis())
        } else {
            write!(f, "{} s", self.0.as_secs_f64().round())
        }
    }
}
