//! Writes log lines to standard error, above the progress bars.

use std::io::{self, IsTerminal};

use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::progress::Bars;
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

pub(super) fn install(format: LogFormat, bars: &Bars, metrics: &Metrics) {
    // An empty variable counts as not set.
    let wanted = std::env::var_os(EnvFilter::DEFAULT_ENV).filter(|v| !v.is_empty());
    let (filter, misread) = match wanted.map(|v| v.to_str().map(EnvFilter::try_new)) {
        None => (EnvFilter::new(DEFAULT_FILTER), None),
        Some(Some(Ok(filter))) => (filter, None),
        Some(Some(Err(e))) => (EnvFilter::new(DEFAULT_FILTER), Some(e.to_string())),
        Some(None) => (EnvFilter::new(DEFAULT_FILTER), Some("not UTF-8".to_owned())),
    };
    let writer = AboveBars(bars.clone());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let all = tracing_subscriber::registry().with(filter).with(metrics.log_layer());
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    match format {
        LogFormat::Text => all.with(lines.with_ansi(colours).with_target(false)).init(),
        LogFormat::Json => all.with(lines.json().flatten_event(true)).init(),
    }
    if let Some(why) = misread {
        warn!("RUST_LOG is ignored: {why}; write it as `{DEFAULT_FILTER}`");
    }
}

/// Hides the progress bars while it writes log lines.
#[derive(Clone, Debug)]
struct AboveBars(Bars);

impl io::Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.hidden_during(|| io::stderr().write(line))
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
}
