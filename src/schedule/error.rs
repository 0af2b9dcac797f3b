//! Why an expression or a time zone is refused.

/// An invalid expression or time zone. Of the text that was written it repeats numbers only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    message: String,
    help: String,
}

impl ScheduleError {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// What to write instead, with an example.
    pub fn help(&self) -> &str {
        &self.help
    }
}
