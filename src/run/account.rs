//! How a run ended, in words that the log and the summary share.

use chrono::{DateTime, Utc};
use stocktake_sink::{Table, Verdict};

use super::{JudgedRun, RunOutcome, RunReport, SinkOutcome};
use crate::registry::Fault;
use crate::snapshot::{UnreadRepositories, UnreadRepository};

/// The states of rows of `repositories` that make gaps.
const UNREAD: &str = "state IN ('denied', 'error')";

/// What a verdict means, in a few words.
pub(super) const fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "complete",
        Verdict::Gaps => "published with gaps",
        Verdict::Partial => "nothing published, because the list of repositories was cut short",
        Verdict::Denied => "nothing published, because access was refused",
        Verdict::Unsupported => "nothing published, because the registry has no catalog",
        Verdict::Suspicious => "nothing published, because the inventory looks wrong",
        Verdict::Failed => "run failed",
    }
}

/// Which repositories could not be read, and why: `tags of acme/a: access denied [denied]; …; and 37 more`.
pub(super) fn unread(unread: &UnreadRepositories) -> String {
    let mut told: Vec<_> = unread.first.iter().map(UnreadRepository::told).collect();
    if unread.more() > 0 {
        told.push(format!("and {} more", unread.more()));
    }
    told.join("; ")
}

/// The command that shows all repositories that could not be read, by the files that a run has written.
pub fn show_all(sinks: &[SinkOutcome]) -> Option<String> {
    let objects = sinks.iter().filter_map(|outcome| outcome.result.as_ref().ok()).flat_map(|receipt| &receipt.objects);
    objects.filter(|object| object.table == Table::Repositories).find_map(|object| of_file(&object.location))
}

fn of_file(location: &str) -> Option<String> {
    let path = std::path::absolute(location).ok()?.display().to_string();
    if path.ends_with(".parquet") {
        let path = path.replace('\'', "''");
        let query = format!("FROM '{path}' SELECT repository, state, error_code WHERE {UNREAD}");
        return Some(format!("duckdb -c {}", in_double_quotes(&query)));
    }
    path.ends_with(".jsonl.zst").then(|| {
        let filter = r#"select(.state == "denied" or .state == "error") | [.repository, .state, .error_code]"#;
        format!("zstdcat {} | jq -c '{filter}'", in_double_quotes(&path))
    })
}

/// As one argument for a shell.
fn in_double_quotes(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    format!("\"{quoted}\"")
}

/// What became of the inventory when a run published nothing: `the last good one, of 2026-11-26, is untouched`.
pub fn kept(last_good: Option<DateTime<Utc>>) -> String {
    last_good.map_or_else(
        || "there is none yet".to_owned(),
        |at| format!("the last good one, of {}, is untouched", at.format("%Y-%m-%d")),
    )
}

impl RunReport {
    /// What happens to credentials that were refused: whether scheduled runs send them again.
    pub fn next_for_credentials(&self) -> Option<String> {
        let refusals = self.history.as_ref()?.refusals.as_ref()?;
        let code = self.cause()?.code;
        (code == Fault::CredentialsRejected.as_str()).then(|| refusals.next())
    }

    /// Everything about the run that a person should know, in one line.
    pub(super) fn account(&self, judged: &JudgedRun) -> String {
        let verdict = judged.record.verdict;
        let mut text = format!("{}: {}", self.registry, headline(verdict));
        if let Some(cause) = &judged.cause {
            text = format!("{text}: {}", cause.message);
        }
        if verdict.is_publishable() && judged.unread.count() > 0 {
            text = format!("{text}: {}", unread(&judged.unread));
        }
        let remedies = judged.cause.iter().filter_map(|cause| cause.remedy.clone());
        let of_unread = judged.unread.remedies().into_iter().filter(|_| verdict.is_publishable());
        let remedies: Vec<_> = of_unread.chain(remedies).collect();
        if !remedies.is_empty() {
            text = format!("{text}; what to do: {}", remedies.join("; "));
        }
        if let Some(next) = self.next_for_credentials() {
            text = format!("{text}; {next}");
        }
        if let Some(command) = show_all(&self.sinks).filter(|_| judged.unread.more() > 0) {
            text = format!("{text}; all of them: {command}");
        }
        text
    }

    /// Whether the run published an inventory.
    pub fn has_published(&self) -> bool {
        matches!(&self.outcome, RunOutcome::Judged(judged) if judged.record.verdict.is_publishable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_shows_all_takes_any_path() {
        assert_eq!(
            of_file("/inv/it's $HOME/r.parquet").expect("a command"),
            "duckdb -c \"FROM '/inv/it''s \\$HOME/r.parquet' SELECT repository, state, error_code WHERE \
             state IN ('denied', 'error')\""
        );
        let json = of_file("/inv/r.jsonl.zst").expect("a command");
        assert!(json.starts_with("zstdcat \"/inv/r.jsonl.zst\" | jq -c 'select("), "{json}");
        assert_eq!(of_file("standard output"), None);
    }

    #[test]
    fn the_last_good_inventory_is_named_only_if_there_is_one() {
        assert_eq!(kept(None), "there is none yet");
        let at = DateTime::UNIX_EPOCH;
        assert_eq!(kept(Some(at)), "the last good one, of 1970-01-01, is untouched");
    }
}
