//! Expressions and their refusals, slots where clocks change, and what is decided. Ten zones over ten years are
//! compared with an oracle in `tests/program/command_line/schedule_zones.rs`.

mod decisions;
mod expressions;
mod past;
mod slots;

use super::*;

/// `2026-03-29 01:30` or `2026-03-29 01:30:05`, in UTC.
fn at(text: &str) -> DateTime<Utc> {
    let text = if text.len() == 16 { format!("{text}:00") } else { text.to_owned() };
    chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").unwrap().and_utc()
}

fn settings(expression: &str, zone: &str) -> ScheduleSettings {
    let expression = expression.parse().unwrap();
    ScheduleSettings { time_zone: zone.parse().unwrap(), ..ScheduleSettings::new(expression) }
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::new(&settings(expression, zone), "quay")
}

/// The first slots after this time, in UTC.
fn slots_after(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let next = |at: &DateTime<Utc>| schedule.next_after(*at).map(|slot| slot.at);
    let slots = std::iter::successors(next(&at(from)), next).take(count);
    slots.map(|slot| slot.format("%Y-%m-%d %H:%M:%S").to_string()).collect()
}
