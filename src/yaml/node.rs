//! YAML as a tree that remembers where everything stands, keeps duplicate keys, and is bounded in size.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Options, Spanned};

use super::problem::{Checked, Place, Problem, Report};
use super::section::Section;

/// One YAML file, read.
pub(crate) struct Source {
    pub(crate) file: Arc<Path>,
    pub(crate) root: Node,
}

/// A value and where it was written: for an alias, or an entry that came by `<<`, where it is defined, since that is
/// the text to correct.
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) value: Value,
}

/// What YAML can say; numbers are told from text as YAML 1.2 does, so `on` and `0755` are text.
pub(crate) enum Value {
    Null,
    Bool(bool),
    Whole(i128),
    Fraction(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Source {
    /// Reads the text of a file; a syntax error is one problem.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Problem> {
        let file: Arc<Path> = Arc::from(file);
        match serde_saphyr::from_str_with_options::<Node>(text, options()) {
            Ok(root) => Ok(Self { file, root }),
            Err(error) => {
                let location = error.location().unwrap_or(Location::UNKNOWN);
                let place = Place { file, line: location.line(), column: location.column() };
                let help = help(text, &place).map(str::to_owned);
                Err(place.problem(format!("cannot read this YAML: {}", reason(&error)), help))
            }
        }
    }

    /// Its keys; nothing at all is none.
    pub(crate) fn section<'a>(&'a self, what: &str, report: &'a Report) -> Checked<Section<'a>> {
        // An empty file's root stands at its end, where nobody looks.
        let nothing = matches!(self.root.value, Value::Null);
        let (line, column) = if nothing { (1, 1) } else { (self.root.line, self.root.column) };
        let place = Place { file: Arc::clone(&self.file), line, column };
        Section::of(&self.root, place, what, report)
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        // Far above any configuration; what they stop is a few lines of aliases that unfold into gigabytes.
        budget: serde_saphyr::budget! { max_events: 200_000, max_nodes: 100_000, max_depth: 32, max_documents: 1 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 50_000, max_replay_stack_depth: 16 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        reject_unsupported_tags: true,
        // A snippet would print the lines around the error, and secrets that stand there.
        with_snippet: false,
    }
}

/// What to do about an expression of cron, whose first character is one of YAML's own.
fn help(text: &str, place: &Place) -> Option<&'static str> {
    let line = text.lines().nth(usize::try_from(place.line.checked_sub(1)?).ok()?)?;
    let rest: String = line.chars().skip(usize::try_from(place.column.checked_sub(1)?).ok()?).take(2).collect();
    let is_cron = rest.starts_with('@') || rest == "*/" || rest == "* ";
    is_cron.then_some("put a value that begins with `*` or `@` in quotes")
}

/// What is wrong, without the position, which the problem has, and without text of the file, which may be secret.
fn reason(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } => reason(error),
        Error::UnsupportedTag { .. } => "a tag (`!…`) has no meaning here".to_owned(),
        Error::InvalidScalar { .. } => "the value is not what its tag (`!!…`) says".to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => "an alias stands within what it repeats".to_owned(),
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            "a second document begins".to_owned()
        }
        Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } | Error::Budget { .. } => {
            "it is too large or too deep, perhaps by its aliases".to_owned()
        }
        other => {
            let text = other.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            text.split(" at line ").next().unwrap_or_default().to_owned()
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: spanned.defined.line(), column: spanned.defined.column(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}
