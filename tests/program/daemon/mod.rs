//! The daemon: its schedule, its restarts, its surroundings and its units.

mod first_process;
mod restarts;
pub(crate) mod scheduled_runs;
mod trouble;
mod units;
