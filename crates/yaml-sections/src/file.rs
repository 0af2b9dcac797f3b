//! One YAML file. Its size and depth are bounded, and syntax errors are explained without the text of the file.

use std::path::Path;
use std::sync::Arc;

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Options};

use crate::diagnostics::{Checked, Diagnostics};
use crate::node::{YamlNode, YamlValue};
use crate::problem::{ConfigProblem, Position};
use crate::section::Section;
use crate::syntax;

/// One YAML file that was read.
#[derive(Debug)]
pub struct YamlFile {
    /// Its path, as messages show it.
    pub file: Arc<Path>,
    /// The value of the whole file.
    pub root: YamlNode,
}

impl YamlFile {
    /// Reads the text of a file. A file that is not YAML, or too large, is one problem.
    ///
    /// # Errors
    /// The syntax error with its position.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigProblem> {
        let file: Arc<Path> = Arc::from(file);
        match serde_saphyr::from_str_with_options::<YamlNode>(text, options()) {
            Ok(root) => Ok(Self { file, root }),
            Err(error) => {
                let location = error.location().unwrap_or(Location::UNKNOWN);
                let explained = syntax::explain(text, location.line(), location.column(), &reason(&error));
                let position = Position { file, line: explained.line, column: explained.column };
                Err(position.problem(format!("cannot read this YAML: {}", explained.message), explained.help))
            }
        }
    }

    /// The mapping that the file is. An empty file is an empty mapping. `what` names the mapping in messages.
    ///
    /// # Errors
    /// If the file is something else than a mapping; this is reported.
    pub fn section<'a>(&'a self, what: &str, diagnostics: &'a Diagnostics) -> Checked<Section<'a>> {
        // The parser puts the root of an empty file at its end. Problems are easier to find at its beginning.
        let nothing = matches!(self.root.value, YamlValue::Null);
        let (line, column) = if nothing { (1, 1) } else { (self.root.line, self.root.column) };
        let position = Position { file: Arc::clone(&self.file), line, column };
        Section::of(&self.root, position, what, None, diagnostics)
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        // Far above any configuration. The limits stop a few lines of aliases that expand into gigabytes.
        budget: serde_saphyr::budget! { max_events: 200_000, max_nodes: 100_000, max_depth: 32, max_documents: 1 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 50_000, max_replay_stack_depth: 16 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        reject_unsupported_tags: true,
        // A snippet would print the lines around the error, and the secrets in them.
        with_snippet: false,
    }
}

/// The reason without the position, which the problem has, and without text of the file, which may be secret.
fn reason(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } => reason(error),
        Error::UnsupportedTag { .. } => "a tag (`!…`) has no meaning here".to_owned(),
        Error::InvalidScalar { .. } => "the value is not what its tag (`!!…`) says".to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => "an alias stands within what it repeats".to_owned(),
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            syntax::SECOND_DOCUMENT.to_owned()
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
