//! The identity of a snapshot: registry, slot, generation. A run that is repeated after a crash has the same identity.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

/// The configured name of a registry: 1 to 63 of `A-Z a-z 0-9 . _ -`, beginning with a letter or a digit.
///
/// The name becomes part of paths (`registry=NAME`), a metric label and part of the run ID, so other characters are refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryName(String);

/// Why a text is not a [`RegistryName`].
#[derive(Debug, thiserror::Error)]
#[error("a registry name is 1 to 63 letters, digits, `.`, `_` or `-` and begins with a letter or a digit")]
pub struct BadRegistryName;

impl RegistryName {
    /// The name as written in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegistryName {
    type Err = BadRegistryName;

    fn from_str(name: &str) -> Result<Self, BadRegistryName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if starts_well && name.len() <= 63 && name.bytes().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadRegistryName)
        }
    }
}

impl TryFrom<String> for RegistryName {
    type Error = BadRegistryName;

    fn try_from(name: String) -> Result<Self, BadRegistryName> {
        name.parse()
    }
}

impl From<RegistryName> for String {
    fn from(name: RegistryName) -> Self {
        name.0
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies one snapshot: the registry, its slot, and the generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SnapshotId {
    /// The registry that was walked.
    pub registry: RegistryName,
    /// The scheduled time, UTC, whole seconds.
    pub scheduled_at: DateTime<Utc>,
    /// 1 for the first run of a slot; rises only when a person forces the slot again.
    pub generation: i32,
}

impl SnapshotId {
    /// The first generation of a slot. Parts of seconds are removed from the time.
    pub fn new(registry: RegistryName, scheduled_at: DateTime<Utc>) -> Self {
        Self { registry, scheduled_at: scheduled_at.trunc_subsecs(0), generation: 1 }
    }

    /// `<registry>-<YYYYMMDD>T<HHMMSS>Z`: unique per registry and slot, safe in a file name.
    pub fn run_id(&self) -> String {
        format!("{}-{}", self.registry, self.scheduled_at.format("%Y%m%dT%H%M%SZ"))
    }

    /// The UTC date of the slot, `YYYY-MM-DD`: the `snapshot_date` partition.
    pub fn snapshot_date(&self) -> String {
        self.scheduled_at.format("%Y-%m-%d").to_string()
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.g{}", self.run_id(), self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_names_are_safe_path_segments() {
        for good in ["quay", "Q", "harbor-eu.example_1", "0x"] {
            assert!(good.parse::<RegistryName>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", ".", "..", ".hidden", "-flag", "a/b", "a b", "ä", "a\0", "a=b", long.as_str()] {
            assert!(bad.parse::<RegistryName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn run_id_is_deterministic_and_in_utc() {
        let slot = DateTime::parse_from_rfc3339("2026-11-23T03:04:05.678+01:00").expect("a time").to_utc();
        let id = SnapshotId::new("quay".parse().expect("a name"), slot);
        assert_eq!(id.run_id(), "quay-20261123T020405Z");
        assert_eq!(id.snapshot_date(), "2026-11-23");
        assert_eq!(id.to_string(), "quay-20261123T020405Z.g1");
    }
}
