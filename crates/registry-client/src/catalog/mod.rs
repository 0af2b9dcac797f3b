//! The catalog: read page by page, or in several ranges at once.

pub(crate) mod end_notes;
pub(crate) mod ranges;
pub(crate) mod resumed_end;
pub(crate) mod split;
pub(crate) mod state;
pub(crate) mod unlinked;
pub(crate) mod walk;
