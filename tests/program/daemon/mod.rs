//! The daemon: its schedule, its restarts, its surroundings and its units.

mod announcements;
mod first_process;
mod restarts;
pub(crate) mod scheduled_runs;
mod trouble;
mod units;
