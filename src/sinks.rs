//! The kinds of sinks of this build. This is the only file of the program that names them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stocktake_sink::{AbsentOption, ConfiguredSink, OptionRefused, SinkKind, SinkOption, SinkOptions};
use yaml_sections::Phrase::{Computed, Plain};
use yaml_sections::{
    AbsentKey, Checked, DefaultKey, Field, KeyDescription, Reported, RequiredKey, Section, alternatives,
    parse_duration, path_from,
};

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

/// Reads the settings of one sink. Its `type` says of which kind it is.
pub(crate) fn read(section: &mut Section<'_>) -> Checked<ConfiguredSink> {
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
    let mut options = SectionOptions { section, reported: None };
    let configured = (kind.configure)(&mut options);
    match (configured, options.reported) {
        (Ok(sink), None) => Ok(sink.with_deadline(deadline?)),
        (_, Some(reported)) => Err(reported),
        (Err(refused), None) => Err(section.problem(refused.to_string(), "please report this bug of the sink")),
    }
}

/// The options of a sink in a section of YAML.
struct SectionOptions<'s, 'a> {
    section: &'s mut Section<'a>,
    /// The latest problem.
    reported: Option<Reported>,
}

impl<'a> SectionOptions<'_, 'a> {
    /// The value of an option as `read` converts it, or its default as `default` converts it.
    fn value<T>(
        &mut self,
        option: &SinkOption,
        accepts: String,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
        default: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, OptionRefused> {
        let value = match (self.section.take(describe(option, accepts)), option.absent) {
            (Some(field), _) => read(&field),
            (None, AbsentOption::Required(example)) => Err(self.section.missing(option.key, example)),
            (None, AbsentOption::Default(written)) => default(written).ok_or_else(|| {
                let message = format!("the default of `{}` cannot be read", option.key);
                self.section.problem(message, "please report this bug of the sink")
            }),
        };
        value.map_err(|reported| self.refused(reported))
    }

    fn refused(&mut self, reported: Reported) -> OptionRefused {
        self.reported = Some(reported);
        OptionRefused::reported()
    }
}

impl SinkOptions for SectionOptions<'_, '_> {
    fn text(&mut self, option: &'static SinkOption) -> Result<String, OptionRefused> {
        let read = |field: &Field<'_>| field.text().map(str::to_owned);
        self.value(option, option.accepts.to_owned(), read, |written| Some(written.to_owned()))
    }

    fn word(&mut self, option: &'static SinkOption, words: &[&'static str]) -> Result<usize, OptionRefused> {
        let indexed: Vec<_> = words.iter().enumerate().map(|(at, word)| (*word, at)).collect();
        let default = |written: &str| words.iter().position(|word| *word == written);
        self.value(option, alternatives(words), |field| field.one_of(&indexed), default)
    }

    fn duration(&mut self, option: &'static SinkOption) -> Result<Duration, OptionRefused> {
        self.value(option, option.accepts.to_owned(), Field::duration, parse_duration)
    }

    fn data_path(&self, path: &Path) -> PathBuf {
        path_from(&self.section.bases().data, path)
    }

    fn refuse(&mut self, option: &'static SinkOption, message: String) -> OptionRefused {
        let reported = match self.section.take(describe(option, option.accepts.to_owned())) {
            Some(field) => {
                let help = match option.absent {
                    AbsentOption::Required(example) => Some(format!("for example `{example}`")),
                    AbsentOption::Default(_) => None,
                };
                field.problem(message, help)
            }
            None => self.section.problem(format!("`{}`: {message}", option.key), "set it to another value"),
        };
        self.refused(reported)
    }
}

fn describe(option: &SinkOption, accepts: String) -> KeyDescription {
    let absent = match option.absent {
        AbsentOption::Required(_) => AbsentKey::Required,
        AbsentOption::Default(written) => AbsentKey::Default(written.to_owned()),
    };
    KeyDescription { name: option.key, accepts, absent, meaning: option.meaning }
}

/// The kinds of this build, for tests.
#[cfg(test)]
#[allow(dead_code)] // without some kinds, the tests that use this are not built
pub(crate) fn kinds() -> impl Iterator<Item = &'static SinkKind> {
    KINDS.iter()
}

#[cfg(test)]
mod tests;
