//! The switchboard: the only file that names concrete sinks. A sink is a feature, a variant, a line in `KINDS` or
//! `LEFT_OUT`, how it is read, and how it is built.

use std::sync::Arc;

use stocktake_sink::{Sink, SinkError};

use yaml_sections::{Checked, Section};

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

    /// The directory that it needs for itself, since sinks of whole objects name their manifests alike.
    #[allow(clippy::unnecessary_wraps)] // where every sink that is built in has one
    pub(crate) fn directory(&self) -> Option<String> {
        match *self {
            #[cfg(feature = "parquet")]
            Self::Parquet(ref settings) => Some(settings.target.to_string()),
            #[cfg(feature = "json")]
            Self::Json(ref settings) => Some(settings.target.to_string()),
            #[cfg(feature = "stdout")]
            Self::Stdout(_) => None,
        }
    }

    /// The sink itself. Opens nothing yet.
    pub fn build(&self) -> Result<Arc<dyn Sink>, SinkError> {
        match *self {
            #[cfg(feature = "parquet")]
            Self::Parquet(ref settings) => Ok(Arc::new(stocktake_sink_parquet::ParquetSink::new(settings))),
            #[cfg(feature = "json")]
            Self::Json(ref settings) => Ok(Arc::new(stocktake_sink_json::JsonSink::new(settings))),
            #[cfg(feature = "stdout")]
            Self::Stdout(ref settings) => Ok(Arc::new(stocktake_sink_stdout::StdoutSink::new(settings))),
        }
    }
}

#[cfg(feature = "parquet")]
fn parquet(section: &mut Section<'_>) -> Checked<SinkSettings> {
    let target = target(section, "./inventory")?;
    Ok(SinkSettings::Parquet(stocktake_sink_parquet::Settings { target }))
}

#[cfg(feature = "json")]
fn json(section: &mut Section<'_>) -> Checked<SinkSettings> {
    let target = target(section, "./inventory-json")?;
    Ok(SinkSettings::Json(stocktake_sink_json::Settings { target }))
}

#[cfg(feature = "stdout")]
fn stdout(section: &mut Section<'_>) -> Checked<SinkSettings> {
    use stocktake_sink_stdout::{Format, Settings};
    let formats = Format::ALL.map(|format| (format.as_str(), format));
    let format = section.or("format", Format::Table, |field| field.one_of(&formats))?;
    Ok(SinkSettings::Stdout(Settings { format }))
}

/// Where a sink of whole objects writes to.
#[cfg(feature = "objects")]
#[allow(dead_code)] // where no such sink is built in
fn target(section: &mut Section<'_>, example: &str) -> Checked<stocktake_sink_objects::Target> {
    section.required("url", example, |field| {
        let target = field.parse(stocktake_sink_objects::Target::parse)?;
        Ok(target.map(|directory| field.at_data(directory)))
    })
}

/// The kinds of this build, as problems list them.
#[cfg(test)]
#[allow(dead_code)] // where the tests that need it are left out
pub(crate) fn kinds() -> String {
    KINDS.iter().map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_a_sink_is_a_kind_that_is_built_in_or_said_to_be_left_out() {
        let mut kinds: Vec<_> = KINDS.iter().map(|(kind, _)| *kind).chain(LEFT_OUT.iter().copied()).collect();
        kinds.sort_unstable();
        let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sinks")).unwrap();
        let crates = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut crates: Vec<_> = crates.filter(|name| !["api", "objects"].contains(&name.as_str())).collect();
        crates.sort_unstable();
        assert_eq!(kinds, crates);
    }

    #[test]
    fn a_kind_that_was_left_out_is_told_from_an_unknown_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for kind in LEFT_OUT {
            let text = format!("sinks: {{w: {{type: {kind}}}}}\nregistries: [{{name: r, url: 'https://r'}}]\n");
            std::fs::write(file.path(), text).unwrap();
            let problems = crate::config::load(Some(file.path())).expect_err("a problem").to_string();
            let message = format!(
                ":1:19: `type`: this build of stocktake is without `{kind}` sinks\n    use a build with the cargo \
                 feature `{kind}`"
            );
            assert!(problems.ends_with(&message), "{problems}");
        }
    }
}
