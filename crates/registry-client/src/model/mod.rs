//! What the client returns: pages, tags, manifests, image configurations. Plain data.

pub(crate) mod manifest;
pub(crate) mod media_type;
pub(crate) mod names;
pub(crate) mod oddity;
pub(crate) mod page;
pub(crate) mod place;
pub(crate) mod tags;
