//! The kinds of sinks of this build. This is the only file of the program that names them.

mod options;
mod secret;

use std::time::Duration;

use stocktake_sink::{ConfiguredSink, SinkKind};
use yaml_sections::Phrase::{Computed, Plain};
use yaml_sections::{Checked, DefaultKey, Field, RequiredKey, Section, alternatives};

use options::SectionOptions;
pub(crate) use secret::ReadSource;

/// Makes the list of kinds. A line has the cargo feature, which is also the `type:` of the kind, and the crate.
macro_rules! sink_kinds {
    ($($feature:literal => $sink:ident,)*) => {
        /// The kinds of this build.
        const KINDS: &[SinkKind] = &[$(#[cfg(feature = $feature)] $sink::KIND,)*];
        /// The kinds that this build does not have.
        const LEFT_OUT: &[&str] = &[$(#[cfg(not(feature = $feature))] $feature,)*];
    };
}

sink_kinds! {
    "parquet" => stocktake_sink_parquet,
    "json" => stocktake_sink_json,
    "postgres" => stocktake_sink_postgres,
    "stdout" => stocktake_sink_stdout,
}

static TYPE: RequiredKey = RequiredKey::new(
    "type",
    Computed(|| alternatives(&KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>())),
    "parquet",
    "The kind of the sink; see the tables of the kinds.",
);

static DEADLINE: DefaultKey<Duration> = DefaultKey::new(
    "deadline",
    Plain("a duration, at most 24h"),
    || ConfiguredSink::DEADLINE,
    "Longest time that one delivery may take. The next run delivers what was not delivered in time.",
);

/// Reads the settings of one sink. Its `type` says of which kind it is. `source` reads the source of a secret.
pub(crate) fn read(section: &mut Section<'_>, source: ReadSource) -> Checked<ConfiguredSink> {
    let kind = section.required(&TYPE, |field| {
        let name = field.text()?;
        if LEFT_OUT.contains(&name) {
            let help = format!("use a build with the cargo feature `{name}`");
            let message = format!("this build of stocktake is without `{name}` sinks");
            return Err(field.problem(message, Some(help)));
        }
        field.one_of(&KINDS.iter().map(|kind| (kind.name, kind)).collect::<Vec<_>>())
    });
    let kind = kind.inspect_err(|_| section.skip_rest())?;
    let deadline = section.or(&DEADLINE, Field::duration);
    let mut options = SectionOptions::new(section, source);
    let configured = (kind.configure)(&mut options);
    let (reported, secrets) = options.finish();
    match (configured, reported) {
        (Ok(sink), None) => Ok(sink.with_deadline(deadline?).with_secrets(secrets)),
        (_, Some(reported)) => Err(reported),
        (Err(refused), None) => Err(section.problem(refused.to_string(), "please report this bug of the sink")),
    }
}

/// The kinds of this build, for tests.
#[cfg(test)]
#[allow(dead_code)] // without some kinds, the tests that use this are not built
pub(crate) fn kinds() -> impl Iterator<Item = &'static SinkKind> {
    KINDS.iter()
}

#[cfg(test)]
mod tests;
