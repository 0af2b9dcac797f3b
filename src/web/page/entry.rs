//! A registry on the page, with the words, signs and links that several parts of the page use.

use super::attention::{AttentionItem, AttentionLevel};
use super::words::relative;
use crate::status::{RegistryStatus, Status};

/// With more registries, the page has a list of their names.
pub(super) const MANY: usize = 30;

/// A registry and what needs attention in it.
pub(super) struct PageEntry<'s> {
    pub(super) registry: &'s RegistryStatus,
    pub(super) items: Vec<AttentionItem>,
}

impl PageEntry<'_> {
    /// The worst level of the items.
    pub(super) fn level(&self) -> Option<AttentionLevel> {
        self.items.iter().map(|item| item.level).max()
    }
}

/// The CSS class of a level.
pub(super) fn colour(worst: Option<AttentionLevel>) -> &'static str {
    match worst {
        None => "good",
        Some(AttentionLevel::Warning) => "warn",
        Some(AttentionLevel::Critical) => "bad",
    }
}

/// A sign next to text with the same meaning.
pub(super) fn sign(worst: Option<AttentionLevel>) -> &'static str {
    match worst {
        None => "✓",
        Some(AttentionLevel::Warning) => "▲",
        Some(AttentionLevel::Critical) => "✕",
    }
}

/// The target of links to a registry.
pub(super) fn anchor(registry: &RegistryStatus) -> String {
    format!("registry-{}", registry.name)
}

/// When the next run starts, in words.
pub(super) fn due(registry: &RegistryStatus, status: &Status) -> Option<String> {
    let next = registry.schedule.as_ref()?.next?;
    Some(relative(status.now, next))
}
