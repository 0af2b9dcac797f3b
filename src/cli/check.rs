//! `stocktake check`: the steps of each registry as lines for people, or as one JSON object.

mod text;

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};
use serde_json::json;

use super::run::no_plan;
use super::{Exit, say};
use crate::check::{self, Report, Severity};
use crate::config::Config;
use crate::plans::plans;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Registries by their configured names [default: all]
    #[arg(value_name = "REGISTRY")]
    registries: Vec<String>,
    /// How the report looks
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Show every request and answer, with secrets cut
    #[arg(long)]
    trace: bool,
}

/// How the report looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

pub(super) async fn check(config: &Config, arguments: &CheckArguments) -> Exit {
    let plans = match plans(config, &arguments.registries) {
        Ok(plans) => plans,
        Err(e) => return no_plan(&e),
    };
    let checks = stream::iter(&plans).map(check::check).buffered(config.concurrency.get());
    let reports: Vec<Report> = checks.collect().await;
    match arguments.format {
        Format::Json => {
            let mut json = check::to_json(&reports, arguments.trace);
            json["paths"] = json!(paths(config).into_iter().collect::<BTreeMap<_, _>>());
            say(&format!("{json:#}"));
        }
        Format::Text => {
            for (what, path) in paths(config) {
                say(&format!("{what}: {path}"));
            }
            let look = text::Look::of_stdout();
            for report in &reports {
                say(&text::of(report, arguments.trace, look));
            }
        }
    }
    exit(&reports)
}

/// What the configuration's own paths come to: they are relative to its file, or to systemd's state directory.
fn paths(config: &Config) -> Vec<(String, String)> {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let own = [("configuration", whole(&config.file)), ("state", whole(&config.state))];
    let own = own.map(|(what, path)| (what.to_owned(), path));
    let sinks = config.sinks.iter().filter_map(|(name, sink)| Some((format!("sink {name}"), whole(sink.directory()?))));
    own.into_iter().chain(sinks).collect()
}

/// Of several registries the worst decides.
fn exit(reports: &[Report]) -> Exit {
    match reports.iter().map(Report::severity).max().unwrap_or(Severity::Good) {
        Severity::Good => Exit::Good,
        Severity::Failed => Exit::Failed,
        Severity::Authentication => Exit::Authentication,
        Severity::Configuration => Exit::Configuration,
    }
}
