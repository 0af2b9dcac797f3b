//! What the summary says of one run below the table: why it is not complete, what to do, and where the inventory is.

use std::collections::BTreeSet;

use stocktake_sink::RunError;

use crate::cli::terminal::wrapped;
use crate::run::{JudgedRun, RunOutcome, RunReport, SinkOutcome, kept, show_all};
use crate::words::counted;

/// So many errors of a kind are shown; the others are counted.
const SHOWN: usize = 10;

/// The lines, the first of which may be empty.
pub(super) fn of(report: &RunReport, width: Option<usize>) -> Vec<String> {
    let mut lines = DetailLines { registry: report.registry.to_string(), width, written: Vec::new() };
    if let Some(cause) = report.cause() {
        lines.written.push(String::new());
        lines.say(&format!("{} [{}]", cause.message, cause.code));
        cause.remedy.iter().for_each(|remedy| lines.below("what to do: ", remedy));
    }
    if let Some(next) = report.next_for_credentials() {
        lines.below("what happens next: ", &next);
    }
    if let RunOutcome::Judged(judged) = &report.outcome {
        unread(report, judged, &mut lines);
        errors(report, judged, &mut lines);
        if !judged.record.verdict.is_publishable() && !report.dry_run {
            lines.say(&format!("no inventory was published; {}", kept(judged.last_good)));
        }
        if judged.resumable {
            lines.say("run it again soon, and it continues where this walk was interrupted");
        }
    }
    report.sinks.iter().for_each(|outcome| sink(report, outcome, &mut lines));
    lines.written
}

/// The lines of a registry, so far.
struct DetailLines {
    registry: String,
    width: Option<usize>,
    written: Vec<String>,
}

impl DetailLines {
    fn say(&mut self, text: &str) {
        self.written.push(wrapped(&format!("{}: ", self.registry), text, self.width));
    }

    fn below(&mut self, what: &str, text: &str) {
        self.written.push(wrapped(&format!("  {what}"), text, self.width));
    }
}

/// The first repositories that could not be read and why, what to do, and how to see all of them.
fn unread(report: &RunReport, judged: &JudgedRun, lines: &mut DetailLines) {
    let unread = &judged.unread;
    for repository in &unread.first {
        lines.below("- ", &repository.told());
    }
    if unread.more() > 0 {
        match show_all(&report.sinks) {
            Some(command) => {
                lines.below("- ", &format!("and {} more; all of them:", unread.more()));
                // To be copied: not wrapped.
                lines.written.push(format!("    {command}"));
            }
            None if report.has_published() => lines.below(
                "- ",
                &format!("and {} more: the rows of `repositories` whose `state` is `denied` or `error`", unread.more()),
            ),
            None => lines.below("- ", &format!("and {} more", unread.more())),
        }
    }
    unread.remedies().iter().for_each(|remedy| lines.below("what to do: ", remedy));
}

/// The other errors and notes: those of the run, and those of repositories that could be read.
fn errors(report: &RunReport, judged: &JudgedRun, lines: &mut DetailLines) {
    let told = report.cause().map(|cause| cause.message.as_str());
    let codes: BTreeSet<_> = judged.unread.causes.values().map(|cause| cause.code.as_str()).collect();
    let names: BTreeSet<_> = judged.unread.first.iter().map(|one| one.repository.as_str()).collect();
    let is_unread = |error: &RunError| {
        let name = error.repository.as_deref();
        name.is_some_and(|name| names.contains(name) || codes.contains(error.code.as_str()))
    };
    let others = judged.record.errors.iter().filter(|e| Some(e.message.as_str()) != told && !is_unread(e));
    let (of_run, of_repositories): (Vec<_>, Vec<_>) = others.partition(|error| error.repository.is_none());
    for kind in [of_run, of_repositories] {
        for error in kind.iter().take(SHOWN) {
            lines.say(&format!("{} [{}]", error.message, error.code));
        }
        if let more @ 1.. = kind.len().saturating_sub(SHOWN) {
            lines.say(&format!("and {more} more in `errors` of table `runs`"));
        }
    }
}

fn sink(report: &RunReport, outcome: &SinkOutcome, lines: &mut DetailLines) {
    let record = if report.has_published() { "" } else { "record of this run: " };
    let to = format!("{} → {}: {record}", report.registry, outcome.sink);
    match &outcome.result {
        Err(_) => lines.written.push(wrapped(&to, &format!("not delivered: {outcome}"), lines.width)),
        Ok(receipt) if receipt.objects.is_empty() => lines.written.push(format!("{to}{}", receipt.location)),
        Ok(receipt) => {
            for object in &receipt.objects {
                let (rows, bytes) = (counted(object.rows, "row", "rows"), counted(object.bytes, "byte", "bytes"));
                lines.written.push(format!("{to}{} ({rows}, {bytes})", object.location));
            }
        }
    }
}
