//! Two rules for many tasks that want the same: one at a time until something has proven good, and one run of an
//! operation that all waiters share.

pub(crate) mod prove_first;
pub(crate) mod single_flight;
