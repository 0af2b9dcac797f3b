//! The repositories that the configuration names, ignoring case.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The names of the monitored repositories, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MonitoredNames(BTreeSet<String>);

impl MonitoredNames {
    /// Whether no repository is monitored.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the repository of this name is monitored.
    pub fn contains(&self, name: &str) -> bool {
        !self.is_empty() && self.0.contains(&name.to_lowercase())
    }
}

impl<S: AsRef<str>> FromIterator<S> for MonitoredNames {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(|name| name.as_ref().to_lowercase()).collect())
    }
}
