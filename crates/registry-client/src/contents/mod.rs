//! What a repository holds: tags, manifests and image configurations.

pub(crate) mod contents_trait;
pub(crate) mod digest;
pub(crate) mod head_use;
pub(crate) mod headers;
pub(crate) mod heads;
pub(crate) mod image_config;
pub(crate) mod lenient;
pub(crate) mod manifest_body;
pub(crate) mod page_size;
pub(crate) mod parts;
pub(crate) mod reader;
pub(crate) mod reading;
pub(crate) mod signed;
pub(crate) mod tags;
