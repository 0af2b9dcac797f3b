//! Bearer tokens: challenges, scopes, the token service, and the cache that renews tokens before they expire.

pub(crate) mod bearer;
pub(crate) mod cache;
pub(crate) mod challenge;
pub(crate) mod grants;
pub(crate) mod group;
pub(crate) mod login_refusal;
pub(crate) mod realm;
pub(crate) mod request;
pub(crate) mod scope;
