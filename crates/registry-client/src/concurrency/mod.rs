//! Two rules for tasks that want the same: one at a time until something has been proven, and one run of an operation
//! whose result all waiting tasks share.

pub(crate) mod prove_first;
pub(crate) mod single_flight;
