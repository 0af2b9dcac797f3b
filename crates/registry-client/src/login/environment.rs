//! What the sources of secrets share: the environment, and the bound on a secret.

use std::ffi::OsString;

/// Longest secret that is read, in bytes; robot tokens and JWTs are much shorter.
pub(crate) const LONGEST: u64 = 64 * 1024;

/// Returns a variable of the environment by its name. In tests, a function of the test is used, since tests run in
/// parallel and must not change the environment of the process.
pub(crate) type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;
/// A borrowed [`Variables`].
pub(crate) type Environment<'a> = &'a (dyn Fn(&str) -> Option<OsString> + Send + Sync);
