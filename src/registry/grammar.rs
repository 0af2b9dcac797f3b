//! The specification's grammar for repository names, and how to show what breaks it. Reads bytes; looks nothing up.

/// Longest repository name, in bytes (distribution reference, `RepositoryNameTotalLengthMax`).
const LONGEST: usize = 255;
/// Characters kept of a text that a server chose, once escaped.
const SHOWN: usize = 120;

/// Whether this is a repository name by the distribution reference grammar:
/// `path-component ("/" path-component)*`, `path-component = alnum (separator alnum)*`, `alnum = [a-z0-9]+`,
/// `separator = [_.] | "__" | "-"+`, at most 255 bytes. A name that is not could become a path, a label or terminal
/// output that nobody foresaw (CVE-2024-3727, CVE-2021-25743).
pub fn is_repository_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > LONGEST {
        return false;
    }
    let mut at = 0;
    loop {
        let start = at;
        while at < bytes.len() && (bytes[at].is_ascii_lowercase() || bytes[at].is_ascii_digit()) {
            at += 1;
        }
        // Each separator stands between two alphanumeric runs, none of them empty.
        if at == start {
            return false;
        }
        let Some(&separator) = bytes.get(at) else { return true };
        at += match separator {
            b'/' | b'.' => 1,
            b'_' => 1 + usize::from(bytes.get(at + 1) == Some(&b'_')),
            b'-' => bytes[at..].iter().take_while(|&&b| b == b'-').count(),
            _ => return false,
        };
    }
}

/// A text that a server chose, safe to print: control and other invisible characters escaped, cut at 120 characters.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN {
            out.push('…');
            break;
        }
        if c == ' ' || c.is_ascii_graphic() || (c.is_alphanumeric() && !c.is_ascii()) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_grammar_pass() {
        let longest = "a".repeat(255);
        for good in
            ["a", "a/b", "a/b/c/d/e/f", "a.b", "a_b", "a__b", "a-b", "a---b", "0/9", "x86_64-w64", longest.as_str()]
        {
            assert!(is_repository_name(good), "{good}");
        }
    }

    #[test]
    fn names_against_the_grammar_do_not() {
        let long = "a".repeat(256);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a..b",
            "a.-b",
            "a___b",
            "_a",
            "a_",
            "-a",
            "a-",
            ".a",
            "a.",
            "..",
            "a/../b",
            "a b",
            "a\n",
            "a\0",
            "ä",
            "a:b",
            "a@b",
            "a\u{1b}[31m",
            "a_.b",
            "a-_b",
            long.as_str(),
        ] {
            assert!(!is_repository_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_a_server_chose_is_escaped_and_cut() {
        assert_eq!(shown("a\u{1b}[31m\n\u{202e}ü b"), "a\\u{1b}[31m\\u{a}\\u{202e}ü b");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 121);
    }
}
