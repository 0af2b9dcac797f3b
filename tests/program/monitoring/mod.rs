//! Metrics, alert rules, dashboard and runbooks.

mod alive;
mod exports;
pub(crate) mod files;
mod rules;
mod runbooks;
mod textfiles;
