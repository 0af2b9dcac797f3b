//! What the end of a plugin means: its exit status, its answer, and the rows that it has loaded.

use std::collections::BTreeMap;

use serde::Deserialize;
use stocktake_sink::{SinkError, SinkErrorKind};
use stocktake_sink_objects::SnapshotManifest;

use crate::output::{Answer, shown};
use crate::running::Ended;

/// The last line of standard output. Fields that are not known are ignored, so that the protocol can grow.
#[derive(Debug, Deserialize)]
struct AnswerLine {
    ok: bool,
    rows: Option<BTreeMap<String, u64>>,
    error: Option<String>,
    kind: Option<String>,
    location: Option<String>,
}

/// A plugin that has loaded everything.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) location: String,
    pub(crate) warnings: Vec<String>,
}

/// Whether the snapshot of this manifest was loaded. `plugin` is its name in messages.
pub(crate) fn of_load(plugin: &str, ended: &Ended, manifest: &SnapshotManifest) -> Result<Answered, SinkError> {
    let warnings = ended.stderr.lines();
    let answer = good_answer(plugin, ended)?;
    let rows = answer.rows.unwrap_or_default();
    if let Some(difference) = difference(&rows, manifest) {
        let message = format!(
            "`{plugin}` {difference}; it must count what it has loaded, so find out which rows it left out or added"
        );
        return Err(with_last_words(SinkError::new(SinkErrorKind::Invalid, message), ended));
    }
    let location = answer.location.map_or_else(|| plugin.to_owned(), |location| shown(&location));
    Ok(Answered { location, warnings })
}

/// Whether the plugin says that loading could work.
pub(crate) fn of_probe(plugin: &str, ended: &Ended) -> Result<(), SinkError> {
    good_answer(&format!("{plugin} --probe"), ended).map(drop)
}

/// The answer, if it and the exit status say that all is well.
fn good_answer(plugin: &str, ended: &Ended) -> Result<AnswerLine, SinkError> {
    let answer = read(&ended.stdout);
    let failed = |kind, message: String| Err(with_last_words(SinkError::new(kind, message), ended));
    match answer {
        Ok(AnswerLine { ok: false, error, kind, .. }) => {
            let error = error.as_deref().map_or("it says no more".to_owned(), shown);
            failed(kind_of(kind.as_deref()), format!("`{plugin}` could not load: {error}"))
        }
        // It may have been killed for want of memory, or may have lost its connection: loading again does no harm.
        Ok(_) if !ended.status.success() => {
            failed(SinkErrorKind::Unavailable, format!("`{plugin}` answered `ok`, but ended with {}", ended.status))
        }
        Err(_) if !ended.status.success() => {
            failed(SinkErrorKind::Unavailable, format!("`{plugin}` ended with {}", ended.status))
        }
        Err(why) => failed(SinkErrorKind::Invalid, format!("`{plugin}` ended well, but {why}")),
        Ok(answer) => Ok(answer),
    }
}

fn read(answer: &Answer) -> Result<AnswerLine, String> {
    const WANTED: &str = r#"its last line on standard output must be {"ok":true,"rows":{…}}"#;
    if answer.was_cut {
        return Err(format!(
            "printed more than 64 KiB on standard output; {WANTED}, and logs belong on standard error"
        ));
    }
    let text = String::from_utf8_lossy(&answer.bytes);
    let Some(line) = text.lines().rev().map(str::trim).find(|line| !line.is_empty()) else {
        return Err(format!("printed no answer; {WANTED}"));
    };
    serde_json::from_str(line).map_err(|e| format!("its answer cannot be read ({e}): {}; {WANTED}", shown(line)))
}

/// The word of the protocol. An unknown one is an error that trying again does not mend.
fn kind_of(word: Option<&str>) -> SinkErrorKind {
    match word {
        Some("unavailable") => SinkErrorKind::Unavailable,
        Some("full") => SinkErrorKind::Full,
        Some("forbidden") => SinkErrorKind::Forbidden,
        _ => SinkErrorKind::Invalid,
    }
}

/// How the loaded rows differ from the snapshot, for the first table that does.
fn difference(rows: &BTreeMap<String, u64>, manifest: &SnapshotManifest) -> Option<String> {
    let missing = manifest.objects.iter().find_map(|object| match rows.get(object.table.as_str()) {
        Some(found) if *found == object.rows => None,
        Some(found) => {
            let table = object.table;
            Some(format!("has loaded {found} rows of `{table}`, but the snapshot has {}", object.rows))
        }
        None => Some(format!("does not say how many rows of `{}` it has loaded", object.table)),
    });
    let is_known = |name: &str| manifest.objects.iter().any(|object| object.table.as_str() == name);
    missing.or_else(|| {
        let unknown = rows.keys().find(|name| !is_known(name))?;
        Some(format!("has loaded a table `{}`, which the snapshot does not have", shown(unknown)))
    })
}

/// The error with the end of standard error, where plugins say what went wrong.
fn with_last_words(error: SinkError, ended: &Ended) -> SinkError {
    let lines = ended.stderr.lines();
    if lines.is_empty() { error } else { error.with_source(format!("standard error: {}", lines.join(" | "))) }
}
