//! Words of problem messages: what was found, what may be echoed, what was probably meant.

use super::node::Value;

/// What kind of value this is. Text is never echoed: it could be a secret in the wrong place.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Whole(_) | Value::Fraction(_) => "a number".to_owned(),
        Value::Text(_) => "text".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// `what` with the name that it is about, if the name looks like one; a stray secret or escape sequence is left out.
pub(super) fn shown(what: &str, name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.len() <= 40 && !name.is_empty() && name.chars().all(plain) {
        format!("{what} `{name}`")
    } else {
        format!("{what} here")
    }
}

/// The known word that is nearest to this one, if any is near.
pub(crate) fn suggest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // Beyond any known word, and quadratic to compare.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    let near = |known: &&'k str| strsim::jaro_winkler(&word, &known.to_ascii_lowercase());
    let nearest = known.iter().copied().max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(&nearest) >= 0.8).then_some(nearest)
}
