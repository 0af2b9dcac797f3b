//! What sources of secrets share: the environment, and the longest secret.

use std::ffi::OsString;

/// Longest secret that is read, in bytes; robot tokens and JWTs stay far below.
pub(crate) const LONGEST: u64 = 64 * 1024;

/// The environment's variables by name. The process's own but in tests, which run at once and must not change it.
pub(crate) type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;
/// The same, borrowed.
pub(crate) type Environment<'a> = &'a (dyn Fn(&str) -> Option<OsString> + Send + Sync);
