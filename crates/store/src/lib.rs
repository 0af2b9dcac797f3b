//! Whole objects below one root: in a directory, or in a bucket of S3, Google Cloud Storage or Azure Blob Storage.
//!
//! A [`Place`] is where the root is, as users write it. [`Store::open`] opens it with [`BucketSettings`] and a login.
//! Objects have keys, relative to the root, with `/` between segments. An object becomes visible whole or not at all.
//!
//! Every method blocks. For a bucket, call it on a thread that may block and that belongs to a tokio runtime, such as that
//! of `spawn_blocking`. Errors name the full location, the cause and the remedy, and never a secret.
//!
//! Which objects belong together, and in which order they become visible, is not known here.
#![deny(missing_docs)]

#[cfg(feature = "bucket")]
mod bucket;
mod directory;
mod kept;
#[cfg(feature = "bucket")]
mod login;
#[cfg(feature = "bucket")]
mod open;
mod place;
#[cfg(feature = "bucket")]
mod problem;
mod settings;
mod staged;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
#[cfg(feature = "bucket")]
mod upload;

pub use kept::{Lock, StoredObject};
pub use place::{BucketKind, Place, PlaceError};
pub use settings::{BucketSettings, SettingProblem};
pub use staged::StagedObject;
pub use store::Store;
