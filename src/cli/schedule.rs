//! `stocktake schedule`: when the registries run next, as a table for people or as one JSON object.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::exit::Exit;
use super::output::say;
use super::run::no_plan;
use crate::clock;
use crate::config::{Config, RegistryConfig};
use crate::plans::chosen;
use crate::schedule::{Schedule, Slot};

/// Times that are shown for each registry.
const TIMES: usize = 5;

#[derive(Debug, Args)]
pub(super) struct ScheduleArguments {
    /// Registries by their configured names [default: all]
    #[arg(value_name = "REGISTRY")]
    registries: Vec<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: ScheduleFormat,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ScheduleFormat {
    /// A table.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

pub(super) fn schedule(config: &Config, arguments: &ScheduleArguments) -> Exit {
    let registries = match chosen(config, &arguments.registries) {
        Ok(registries) => registries,
        Err(e) => return no_plan(&e),
    };
    let now = clock::now();
    match arguments.format {
        ScheduleFormat::Json => {
            let registries: Vec<_> = registries.iter().map(|registry| as_json(registry, now)).collect();
            say(&format!("{:#}", json!({ "registries": registries })));
        }
        ScheduleFormat::Text => say(&as_text(&registries, now)),
    }
    Exit::Good
}

/// The next slots.
fn next(schedule: &Schedule, now: DateTime<Utc>) -> Vec<Slot> {
    // A slot that is delayed by jitter has not started yet.
    let passed = now - schedule.jitter();
    std::iter::successors(schedule.next_after(passed), |slot| schedule.next_after(slot.at)).take(TIMES).collect()
}

fn as_json(registry: &RegistryConfig, now: DateTime<Utc>) -> Value {
    let name = registry.name.as_str();
    let Some(schedule) = &registry.schedule else { return json!({ "name": name, "schedule": null, "next": [] }) };
    let slot = |slot: &Slot| {
        json!({
            "slot": slot.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "starts_at": slot.starts_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "local": schedule.local(slot.starts_at).to_rfc3339_opts(SecondsFormat::Secs, false),
        })
    };
    json!({
        "name": name,
        "schedule": schedule.expression(),
        "time_zone": schedule.time_zone(),
        "jitter_seconds": schedule.jitter().as_secs(),
        "next": next(schedule, now).iter().map(slot).collect::<Vec<_>>(),
    })
}

fn as_text(registries: &[&RegistryConfig], now: DateTime<Utc>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["registry", "schedule", "time zone", "jitter", "local", "utc"]);
    for registry in registries {
        let name = registry.name.as_str();
        let Some(schedule) = &registry.schedule else {
            table.add_row([name, "none: when asked", "", "", "", ""]);
            continue;
        };
        let jitter = format!("{} s", schedule.jitter().as_secs());
        let mut first = [name, schedule.expression(), schedule.time_zone(), &jitter];
        let slots = next(schedule, now);
        if slots.is_empty() {
            table.add_row(first.into_iter().chain(["never again", ""]));
        }
        for slot in slots {
            let local = schedule.local(slot.starts_at).format("%a %Y-%m-%d %H:%M:%S %:z").to_string();
            let utc = slot.starts_at.format("%Y-%m-%d %H:%M:%S").to_string();
            table.add_row(first.into_iter().chain([local.as_str(), utc.as_str()]));
            first = [""; 4];
        }
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
