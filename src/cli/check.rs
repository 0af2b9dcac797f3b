//! `stocktake check`: the steps of each registry as lines for people, or as one JSON object.

mod text;

use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};

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
        Format::Json => say(&format!("{:#}", check::to_json(&reports, arguments.trace))),
        Format::Text => {
            let look = text::Look::of_stdout();
            for report in &reports {
                say(&text::of(report, arguments.trace, look));
            }
        }
    }
    exit(&reports)
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
