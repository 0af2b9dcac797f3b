//! The repositories that the configuration names, ignoring case.

use std::collections::HashSet;

use super::WalkSettings;

/// The names of the monitored repositories, in lower case.
#[derive(Debug, Default)]
pub(super) struct MonitoredNames(HashSet<String>);

impl MonitoredNames {
    pub(super) fn of(settings: &WalkSettings) -> Self {
        Self(settings.monitored.iter().map(|name| name.to_lowercase()).collect())
    }

    /// Whether the repository of this name is monitored.
    pub(super) fn contains(&self, name: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&name.to_lowercase())
    }
}
