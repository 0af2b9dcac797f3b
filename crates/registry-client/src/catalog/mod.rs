//! The catalog: page after page, or in ranges at once.

pub(crate) mod doubts;
pub(crate) mod ranges;
pub(crate) mod split;
pub(crate) mod state;
pub(crate) mod unlinked;
pub(crate) mod walk;
