//! The switchboard: the only file that names concrete sinks. A sink is a feature, a variant, a line in `KINDS` or
//! `LEFT_OUT`, how it is read, and how it is built.

use std::sync::Arc;

use stocktake_sink::{Sink, SinkError};

use crate::config::{Checked, Section};

/// The settings of one sink.
#[derive(Clone, Debug)]
pub enum SinkSettings {
    /// Parquet files.
    #[cfg(feature = "parquet")]
    Parquet(stocktake_sink_parquet::Settings),
    /// JSON lines.
    #[cfg(feature = "json")]
    Json(stocktake_sink_json::Settings),
    /// Standard output.
    #[cfg(feature = "stdout")]
    Stdout(stocktake_sink_stdout::Settings),
}

type Read = fn(&mut Section<'_>) -> Checked<SinkSettings>;

/// The kinds of this build by their `type:`.
const KINDS: &[(&str, Read)] = &[
    #[cfg(feature = "parquet")]
    ("parquet", parquet),
    #[cfg(feature = "json")]
    ("json", json),
    #[cfg(feature = "stdout")]
    ("stdout", stdout),
];

/// The kinds that this build was made without; each is also the name of its cargo feature.
const LEFT_OUT: &[&str] = &[
    #[cfg(not(feature = "parquet"))]
    "parquet",
    #[cfg(not(feature = "json"))]
    "json",
    #[cfg(not(feature = "stdout"))]
    "stdout",
];

impl SinkSettings {
    /// Reads the settings of the kind that `type:` names; problems are reported to the section.
    pub(crate) fn parse(section: &mut Section<'_>) -> Checked<Self> {
        let read = section.required("type", "parquet", |field| {
            let kind = field.text()?;
            if LEFT_OUT.contains(&kind) {
                let help = format!("use a build with the cargo feature `{kind}`");
                let message = format!("this build of stocktake is without `{kind}` sinks");
                return Err(field.problem(message, Some(help)));
            }
            field.one_of(KINDS)
        });
        read.inspect_err(|_| section.skip_rest())?(section)
    }

    /// The sink itself. Opens nothing yet.
    pub fn build(&self) -> Result<Arc<dyn Sink>, SinkError> {
        match self.clone() {
            #[cfg(feature = "parquet")]
            Self::Parquet(settings) => Ok(Arc::new(stocktake_sink_parquet::ParquetSink::new(settings))),
            #[cfg(feature = "json")]
            Self::Json(settings) => Ok(Arc::new(stocktake_sink_json::JsonSink::new(settings))),
            #[cfg(feature = "stdout")]
            Self::Stdout(settings) => Ok(Arc::new(stocktake_sink_stdout::StdoutSink::new(settings))),
        }
    }
}

#[cfg(feature = "parquet")]
fn parquet(section: &mut Section<'_>) -> Checked<SinkSettings> {
    let settings = section.required("url", "./inventory", |field| field.parse(stocktake_sink_parquet::Settings::new));
    settings.map(SinkSettings::Parquet)
}

#[cfg(feature = "json")]
fn json(section: &mut Section<'_>) -> Checked<SinkSettings> {
    let settings = section.required("url", "./inventory-json", |field| field.parse(stocktake_sink_json::Settings::new));
    settings.map(SinkSettings::Json)
}

#[cfg(feature = "stdout")]
fn stdout(section: &mut Section<'_>) -> Checked<SinkSettings> {
    use stocktake_sink_stdout::{Format, Settings};
    let formats = [("table", Format::Table), ("jsonl", Format::Jsonl), ("csv", Format::Csv)];
    let format = section.or("format", Format::Table, |field| field.one_of(&formats));
    format.map(|format| SinkSettings::Stdout(Settings { format }))
}
