//! Words for messages: which names may be repeated, and which known word was probably meant.

/// Whether this looks like a name: at most 63 ASCII letters, digits, `_`, `-` and `.`. Messages repeat nothing else,
/// because it may be a secret in the wrong place or an escape sequence.
pub fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 63 && name.chars().all(plain)
}

/// `what` with the name that it is about if [`is_plain`] allows the name, else `what` with `here`.
pub fn named(what: &str, name: &str) -> String {
    if is_plain(name) { format!("{what} `{name}`") } else { format!("{what} here") }
}

/// The known word that is most similar to `word`, if one is similar enough to suggest it.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // Longer than any known word. The comparison takes quadratic time.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    let similarity = |known: &&'k str| strsim::jaro_winkler(&word, &known.to_ascii_lowercase());
    let best = known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(&best) >= 0.8).then_some(best)
}
