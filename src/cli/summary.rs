//! The summary of runs on the terminal.

mod details;

use comfy_table::{CellAlignment, Table, presets};

use crate::run::{JudgedRun, RunOutcome, RunReport};

/// A table with a line per registry, then errors, remedies and locations, wrapped for a terminal of this width.
pub(super) fn of(reports: &[RunReport], width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let columns: Vec<&SummaryColumn> = COLUMNS.iter().filter(|column| column.is_wanted(reports)).collect();
    table.set_header(columns.iter().map(|column| column.name));
    for (at, _) in columns.iter().enumerate().filter(|(_, column)| column.is_number) {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for report in reports {
        table.add_row(columns.iter().map(|column| column.cell(report)));
    }
    let mut text = table.to_string();
    for line in reports.iter().flat_map(|report| details::of(report, width)) {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// A column of the table.
struct SummaryColumn {
    name: &'static str,
    is_number: bool,
    /// Whether it is left out where it would hold nothing but zeros.
    may_be_left_out: bool,
    of: fn(&RunReport, &JudgedRun) -> String,
}

const COLUMNS: [SummaryColumn; 12] = [
    SummaryColumn {
        name: "registry",
        is_number: false,
        may_be_left_out: false,
        of: |_, j| j.record.id.registry.to_string(),
    },
    SummaryColumn {
        name: "verdict",
        is_number: false,
        may_be_left_out: false,
        of: |_, j| j.record.verdict.to_string(),
    },
    SummaryColumn { name: "repositories", is_number: true, may_be_left_out: false, of: |_, j| repositories(j) },
    SummaryColumn { name: "tags", is_number: true, may_be_left_out: true, of: |_, j| j.record.rows_tags.to_string() },
    SummaryColumn {
        name: "manifests",
        is_number: true,
        may_be_left_out: true,
        of: |_, j| j.record.rows_manifests.to_string(),
    },
    SummaryColumn { name: "changes", is_number: true, may_be_left_out: true, of: |_, j| changes(j) },
    SummaryColumn { name: "pages", is_number: true, may_be_left_out: false, of: |_, j| j.record.pages.to_string() },
    SummaryColumn {
        name: "requests",
        is_number: true,
        may_be_left_out: false,
        of: |_, j| j.record.requests.to_string(),
    },
    SummaryColumn {
        name: "saved",
        is_number: true,
        may_be_left_out: true,
        of: |_, j| j.record.requests_saved.to_string(),
    },
    SummaryColumn {
        name: "tokens",
        is_number: true,
        may_be_left_out: false,
        of: |_, j| j.record.token_requests.to_string(),
    },
    SummaryColumn { name: "seconds", is_number: true, may_be_left_out: false, of: |report, _| seconds(report) },
    SummaryColumn { name: "sinks", is_number: false, may_be_left_out: false, of: |report, _| sinks(report) },
];

impl SummaryColumn {
    fn is_wanted(&self, reports: &[RunReport]) -> bool {
        let cells = || reports.iter().map(|report| self.cell(report));
        !self.may_be_left_out || cells().any(|cell| cell != "0" && cell != "-")
    }

    fn cell(&self, report: &RunReport) -> String {
        let word = match &report.outcome {
            RunOutcome::Judged(judged) => return (self.of)(report, judged),
            RunOutcome::Skipped(_) => "skipped",
            RunOutcome::Suspended(_) => "not asked",
            RunOutcome::NotBegun(_) => "not begun",
            RunOutcome::Interrupted { .. } => "interrupted",
        };
        match self.name {
            "registry" => report.registry.to_string(),
            "verdict" => word.to_owned(),
            "seconds" => seconds(report),
            _ => "-".to_owned(),
        }
    }
}

fn repositories(judged: &JudgedRun) -> String {
    match judged.monitored {
        0 => judged.record.rows_repositories.to_string(),
        monitored => format!("{} ({monitored} monitored)", judged.record.rows_repositories),
    }
}

/// What came, went and moved since the night before.
fn changes(judged: &JudgedRun) -> String {
    judged.changes.map_or_else(|| "-".to_owned(), |changes| changes.to_string())
}

fn seconds(report: &RunReport) -> String {
    #[allow(clippy::cast_precision_loss)] // for the eye
    let seconds = report.duration().num_milliseconds() as f64 / 1000.0;
    format!("{seconds:.1}")
}

fn sinks(report: &RunReport) -> String {
    if report.dry_run {
        return "dry run".to_owned();
    }
    if !report.has_published() {
        // Sinks have got the record of the run, and no inventory.
        return "-".to_owned();
    }
    let good = report.sinks.iter().filter(|outcome| outcome.result.is_ok()).count();
    format!("{good}/{}", report.sinks.len())
}
