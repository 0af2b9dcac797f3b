//! Writes log lines to standard error, above the progress bars.

use std::io::{self, IsTerminal};

use tracing::{Metadata, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::journal::{JournalPriority, for_stderr};
use super::progress::Bars;
use super::terminal;
use crate::metrics::Metrics;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The filter if `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "warn,stocktake=info";
/// Our crates besides the program; a filter for `stocktake` means their log lines as well.
const CRATES: [&str; 1] = ["registry_client"];

/// The filter with each directive for `stocktake` repeated for our other crates, unless it names them itself.
fn with_crates(filter: &str) -> String {
    let mut directives: Vec<String> = filter.split(',').map(str::to_owned).collect();
    for other in CRATES.into_iter().filter(|other| !filter.contains(other)) {
        let own = filter.split(',').map(str::trim).filter_map(|directive| directive.strip_prefix("stocktake"));
        directives
            .extend(own.filter(|rest| rest.is_empty() || rest.starts_with('=')).map(|rest| format!("{other}{rest}")));
    }
    directives.join(",")
}

pub(super) fn install(format: LogFormat, bars: &Bars, metrics: &Metrics) {
    // An empty variable counts as not set.
    let wanted = std::env::var_os(EnvFilter::DEFAULT_ENV).filter(|v| !v.is_empty());
    let (filter, misread) = match wanted.map(|v| v.to_str().map(|filter| EnvFilter::try_new(with_crates(filter)))) {
        None => (EnvFilter::new(with_crates(DEFAULT_FILTER)), None),
        Some(Some(Ok(filter))) => (filter, None),
        Some(Some(Err(e))) => (EnvFilter::new(with_crates(DEFAULT_FILTER)), Some(e.to_string())),
        Some(None) => (EnvFilter::new(with_crates(DEFAULT_FILTER)), Some("not UTF-8".to_owned())),
    };
    let writer = AboveBars { bars: bars.clone(), priority: JournalPriority::Info };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let all = tracing_subscriber::registry().with(filter).with(metrics.log_layer());
    let colours = io::stderr().is_terminal() && terminal::takes_colours(terminal::variable);
    match format {
        LogFormat::Text => all.with(lines.with_ansi(colours).with_target(false)).init(),
        LogFormat::Json => all.with(lines.json().flatten_event(true)).init(),
    }
    if let Some(why) = misread {
        warn!("RUST_LOG is ignored: {why}; write it as `{DEFAULT_FILTER}`");
    }
}

/// Hides the progress bars while it writes an event, which has one line or several.
#[derive(Clone, Debug)]
struct AboveBars {
    bars: Bars,
    priority: JournalPriority,
}

impl io::Write for AboveBars {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = for_stderr(self.priority, &text);
        self.bars.hidden_during(|| io::stderr().write_all(text.as_bytes())).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self {
        Self { priority: (*event.level()).into(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_for_stocktake_is_one_for_its_crates_too() {
        for (written, meant) in [
            (DEFAULT_FILTER, "warn,stocktake=info,registry_client=info"),
            ("stocktake", "stocktake,registry_client"),
            ("stocktake::run=debug,warn", "stocktake::run=debug,warn"),
            ("stocktake=trace,registry_client=off", "stocktake=trace,registry_client=off"),
            ("hyper=debug", "hyper=debug"),
        ] {
            assert_eq!(with_crates(written), meant);
        }
    }
}
