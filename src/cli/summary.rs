//! What was done, per registry, for the eyes of a person.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::run::{Outcome, RunReport};

/// A table with a line per registry; below it what went wrong, what to do, and where everything is.
pub(super) fn of(reports: &[RunReport]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["registry", "verdict", "repositories", "pages", "requests", "tokens", "seconds", "sinks"]);
    for at in 2..7 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for report in reports {
        table.add_row(row(report));
    }
    let mut text = table.to_string();
    for report in reports {
        details(report, &mut text);
    }
    text
}

fn row(report: &RunReport) -> [String; 8] {
    #[allow(clippy::cast_precision_loss)] // for the eye
    let seconds = format!("{:.1}", report.duration().num_milliseconds() as f64 / 1000.0);
    let registry = report.registry.to_string();
    let none = || "-".to_owned();
    let word = match &report.outcome {
        Outcome::Judged(judged) => {
            let record = &judged.record;
            return [
                registry,
                record.verdict.to_string(),
                record.rows_repositories.to_string(),
                record.pages.to_string(),
                record.requests.to_string(),
                record.token_requests.to_string(),
                seconds,
                sinks(report),
            ];
        }
        Outcome::Skipped(_) => "skipped",
        Outcome::NotBegun(_) => "not begun",
        Outcome::Interrupted => "interrupted",
    };
    [registry, word.to_owned(), none(), none(), none(), none(), seconds, none()]
}

fn sinks(report: &RunReport) -> String {
    if report.dry_run {
        return "dry run".to_owned();
    }
    let good = report.sinks.iter().filter(|outcome| outcome.result.is_ok()).count();
    format!("{good}/{}", report.sinks.len())
}

fn details(report: &RunReport, text: &mut String) {
    let registry = &report.registry;
    if let Some(cause) = report.cause() {
        let _ = write!(text, "\n\n{registry}: {} [{}]", cause.message, cause.code);
        if let Some(remedy) = &cause.remedy {
            let _ = write!(text, "\n  what to do: {remedy}");
        }
    }
    if let Outcome::Judged(judged) = &report.outcome {
        let told = report.cause().map(|cause| cause.message.as_str());
        for error in judged.record.errors.iter().filter(|e| Some(e.message.as_str()) != told) {
            let _ = write!(text, "\n{registry}: {} [{}]", error.message, error.code);
        }
        if !judged.record.verdict.is_publishable() {
            let _ = write!(text, "\n{registry}: no inventory was published; the last good one is untouched");
        }
    }
    for outcome in &report.sinks {
        match &outcome.result {
            Err(_) => {
                let _ = write!(text, "\n{registry} → {}: not delivered: {outcome}", outcome.sink);
            }
            Ok(receipt) if receipt.objects.is_empty() => {
                let _ = write!(text, "\n{registry} → {}: {}", outcome.sink, receipt.location);
            }
            Ok(receipt) => {
                for object in &receipt.objects {
                    let (rows, bytes) = (object.rows, object.bytes);
                    let _ = write!(
                        text,
                        "\n{registry} → {}: {} ({rows} rows, {bytes} bytes)",
                        outcome.sink, object.location
                    );
                }
            }
        }
    }
}
