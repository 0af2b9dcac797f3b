//! `stocktake check`: the steps of each registry as lines of text, or as one JSON object.

mod text;

use std::collections::BTreeMap;
use std::path::Path;
use stocktake_sink::SinkPlace;

use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};
use serde_json::json;

use super::exit::Exit;
use super::output::say;
use super::run::no_plan;
use super::terminal;
use crate::check::{self, CheckReport, Severity};
use crate::config::Config;
use crate::plans::plans;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Registries by their configured names [default: all]
    #[arg(value_name = "REGISTRY")]
    registries: Vec<String>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t)]
    format: CheckFormat,
    /// Show every request and answer, with secrets cut
    #[arg(long)]
    trace: bool,
}

/// The form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// Lines of text.
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
    let reports: Vec<CheckReport> = checks.collect().await;
    match arguments.format {
        CheckFormat::Json => {
            let mut json = check::to_json(&reports, arguments.trace);
            json["paths"] = json!(paths(config).into_iter().collect::<BTreeMap<_, _>>());
            say(&format!("{json:#}"));
        }
        CheckFormat::Text => {
            for (what, path) in paths(config) {
                say(&format!("{what}: {path}"));
            }
            let (look, width) = (text::Look::of_stdout(), terminal::width_of(std::io::stdout()));
            for report in &reports {
                say(&text::of(report, arguments.trace, look, width));
            }
        }
    }
    exit(&reports)
}

/// The absolute paths of the configuration. In the files, they are relative to the main file or to the directory for data.
fn paths(config: &Config) -> Vec<(String, String)> {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let own = [("configuration", whole(&config.file)), ("state", whole(&config.state))];
    let own = own.map(|(what, path)| (what.to_owned(), path));
    let sinks = config.sinks.iter().filter_map(|(name, sink)| {
        let place = match sink.place()? {
            SinkPlace::Directory(path) => whole(path),
            SinkPlace::Remote { url, .. } => url.clone(),
        };
        Some((format!("sink {name}"), place))
    });
    own.into_iter().chain(sinks).collect()
}

/// The worst result of all registries decides.
fn exit(reports: &[CheckReport]) -> Exit {
    match reports.iter().map(CheckReport::severity).max().unwrap_or(Severity::Good) {
        Severity::Good => Exit::Good,
        Severity::Failed => Exit::Failed,
        Severity::Authentication => Exit::Authentication,
        Severity::Configuration => Exit::Configuration,
    }
}
