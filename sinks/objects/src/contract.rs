//! The contract suite's view of a target, a directory or a bucket, for the tests of a format.
//!
//! It reads as any other program would: manifests first, then the objects that they name, checking size and hash.

mod bucket;
mod directory;
mod found;

pub use bucket::Bucket;
pub use directory::Directory;
