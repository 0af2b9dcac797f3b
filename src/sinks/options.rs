//! The options of one sink in a section of YAML: what every kind of sink reads its settings from.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stocktake_sink::{AbsentOption, OptionEntry, OptionRefused, SecretOption, SecretPlace, SinkOption, SinkOptions};
use yaml_sections::{
    AbsentKey, Checked, Field, KeyDescription, Position, Reported, Section, alternatives, parse_duration, path_from,
};

use super::secret::{self, ReadSource};

/// The options of a sink in a section of YAML.
pub(super) struct SectionOptions<'s, 'a> {
    section: &'s mut Section<'a>,
    source: ReadSource,
    /// The latest problem.
    reported: Option<Reported>,
    secrets: Vec<Arc<dyn SecretPlace>>,
    /// The positions of the entries that were read last.
    entries: Vec<Position>,
}

impl<'s, 'a> SectionOptions<'s, 'a> {
    pub(super) fn new(section: &'s mut Section<'a>, source: ReadSource) -> Self {
        Self { section, source, reported: None, secrets: Vec::new(), entries: Vec::new() }
    }

    /// The latest problem, and the places of all secrets.
    pub(super) fn finish(self) -> (Option<Reported>, Vec<Arc<dyn SecretPlace>>) {
        (self.reported, self.secrets)
    }
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
            (None, AbsentOption::Default(written)) => default(written).ok_or_else(|| self.no_default(option)),
            (None, AbsentOption::Means(_)) => Err(self.no_default(option)),
        };
        value.map_err(|reported| self.refused(reported))
    }

    fn no_default(&self, option: &SinkOption) -> Reported {
        let message = format!("the default of `{}` cannot be read", option.key);
        self.section.problem(message, "please report this bug of the sink")
    }

    /// The value of an option as `read` converts it, if the key is there.
    fn optional<T>(
        &mut self,
        option: &SinkOption,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Result<Option<T>, OptionRefused> {
        let field = self.section.take(describe(option, option.accepts.to_owned()));
        field.map(|field| read(&field)).transpose().map_err(|reported| self.refused(reported))
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

    fn optional_text(&mut self, option: &'static SinkOption) -> Result<Option<String>, OptionRefused> {
        self.optional(option, |field| field.text().map(str::to_owned))
    }

    fn texts(&mut self, option: &'static SinkOption) -> Result<Vec<String>, OptionRefused> {
        let read = |field: &Field<'_>| {
            field.each(|text| {
                let written = text.verbatim_text()?;
                // One of them may be a program, which is looked for later.
                text.mention(written);
                Ok(written.to_owned())
            })
        };
        if let AbsentOption::Means(_) = option.absent {
            return Ok(self.optional(option, read)?.unwrap_or_default());
        }
        self.value(option, option.accepts.to_owned(), read, |written| {
            Some(if written.is_empty() { Vec::new() } else { vec![written.to_owned()] })
        })
    }

    fn number(&mut self, option: &'static SinkOption, range: RangeInclusive<u64>) -> Result<u64, OptionRefused> {
        let default = |written: &str| written.parse().ok();
        self.value(option, option.accepts.to_owned(), |field| field.whole(range), default)
    }

    fn entries(&mut self, option: &'static SinkOption) -> Result<Vec<OptionEntry>, OptionRefused> {
        let read = self.optional(option, Field::named)?.unwrap_or_default();
        self.entries = read.iter().map(|(position, ..)| position.clone()).collect();
        let entries: Vec<_> = read
            .iter()
            .enumerate()
            .map(|(at, (_, key, field))| Ok(OptionEntry { key: (*key).to_owned(), value: field.scalar()?, at }))
            .collect();
        entries.into_iter().collect::<Checked<_>>().map_err(|reported| self.refused(reported))
    }

    fn secret(&mut self, option: &'static SecretOption) -> Result<Option<Arc<dyn SecretPlace>>, OptionRefused> {
        match secret::read(self.section, option, self.source) {
            Ok(place) => {
                self.secrets.extend(place.clone());
                Ok(place)
            }
            Err(reported) => Err(self.refused(reported)),
        }
    }

    fn optional_file(&mut self, option: &'static SinkOption) -> Result<Option<PathBuf>, OptionRefused> {
        self.optional(option, Field::path)
    }

    fn program(&self, written: &str) -> String {
        let from_base = || path_from(&self.section.bases().inputs, Path::new(written)).to_string_lossy().into_owned();
        if written.contains('/') { from_base() } else { written.to_owned() }
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
                    AbsentOption::Default(_) | AbsentOption::Means(_) => None,
                };
                field.problem(message, help)
            }
            None => self.section.problem(format!("`{}`: {message}", option.key), "set it to another value"),
        };
        self.refused(reported)
    }

    fn refuse_entry(&mut self, entry: &OptionEntry, message: String, help: Option<String>) -> OptionRefused {
        let reported = match self.entries.get(entry.at) {
            Some(position) => self.section.problem_at(position, message, help.as_deref()),
            None => self.section.problem(message, help.unwrap_or_default()),
        };
        self.refused(reported)
    }
}

fn describe(option: &SinkOption, accepts: String) -> KeyDescription {
    let absent = match option.absent {
        AbsentOption::Required(_) => AbsentKey::Required,
        AbsentOption::Default(written) => AbsentKey::Default(written.to_owned()),
        AbsentOption::Means(words) => AbsentKey::Means(words.to_owned()),
    };
    KeyDescription { name: option.key, accepts, absent, meaning: option.meaning }
}
