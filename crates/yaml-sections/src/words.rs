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

/// What a placeholder for an environment variable means here.
pub(crate) const NO_VARIABLES: &str = "environment variables are not replaced in this file";
pub(crate) const NAME_THE_VARIABLE: &str =
    "write the value itself; only keys that end with `_env` take a variable, and of it the name alone";

/// Why a text is no value but a placeholder that another program was to replace, and what to write instead.
///
/// Placeholders are `${NAME}` anywhere, `$NAME` and `~/` at the beginning, and `{{ … }}` of templates. Names of
/// variables have upper-case letters here: Quay has accounts such as `$oauthtoken`.
pub(crate) fn placeholder(text: &str) -> Option<(&'static str, &'static str)> {
    let of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let braced = text.split("${").skip(1).any(|rest| {
        let (name, rest) =
            rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()));
        !name.is_empty() && rest.starts_with(['}', ':', '-', '?', '+'])
    });
    let plain = text.strip_prefix('$').is_some_and(|rest| {
        let (name, rest) = rest.split_at(rest.find(|c| !of_name(c)).unwrap_or(rest.len()));
        name.len() > 1 && (rest.is_empty() || rest.starts_with('/'))
    });
    if braced || plain {
        return Some((NO_VARIABLES, NAME_THE_VARIABLE));
    }
    // `{{a,b},c}` is a pattern.
    let in_template = |rest: &str| rest.split_once("}}").is_some_and(|(inner, _)| !inner.contains(['{', '}', ',']));
    if text.split("{{").skip(1).any(in_template) {
        return Some(("a placeholder `{{ … }}` was not replaced", "write the value itself"));
    }
    let home = "`~` is not replaced with the home directory";
    text.starts_with("~/").then_some((home, "write the whole path, for example `/home/me/inventory`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_values_that_have_the_same_characters() {
        for text in
            ["${A}", "https://${HOST}/x", "${A:-b}", "$HOME/x", "$QUAY_URL", "~/x", "{{ ns }}/app", "a{{.Values.b}}"]
        {
            assert!(placeholder(text).is_some(), "{text}");
        }
        for text in [
            "$oauthtoken",
            "$app",
            "robot$ci",
            "robot$CI+x",
            "a$B",
            "{{a,b},{c,d}}/**",
            "{a,{b,c}}",
            "~x",
            "$",
            "${}",
            "a/~/b",
        ] {
            assert_eq!(placeholder(text), None, "{text}");
        }
    }
}
