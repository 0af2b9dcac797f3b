//! Commands, their arguments and what they print.

mod check;
mod commands;
mod demo;
mod journal;
mod paths;
mod proxies;
mod schedule;
mod schedule_zones;
mod snapshots;
mod terminal;
mod validate;
