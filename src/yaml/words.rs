//! Words of problem messages: what was found, what may be echoed, what was probably meant.

use super::node::Value;

/// What kind of value this is. Text is never echoed: it could be a secret in the wrong place.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Whole(_) | Value::Fraction(_) => "a number".to_owned(),
        Value::Text(_) => "text".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// Whether this looks like a name. What does not is never echoed: it may be a stray secret or an escape sequence.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 63 && name.chars().all(plain)
}

/// `what` with the name that it is about, if that is plain.
pub(crate) fn shown(what: &str, name: &str) -> String {
    if is_plain(name) { format!("{what} `{name}`") } else { format!("{what} here") }
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
