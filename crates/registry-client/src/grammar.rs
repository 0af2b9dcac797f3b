//! The grammars of the specification for names, tags and digests, and how to show text of a server. Reads bytes; looks
//! nothing up.

/// Longest repository name, in bytes (distribution reference, `RepositoryNameTotalLengthMax`).
const LONGEST: usize = 255;
/// Characters that are shown of a text of a server, after escaping.
const SHOWN: usize = 120;

/// Whether this is a repository name by the distribution reference grammar: `path-component ("/" path-component)*`,
/// `path-component = alnum (separator alnum)*`, `alnum = [a-z0-9]+`, `separator = [_.] | "__" | "-"+`, at most 255
/// bytes. Any other name could become an unexpected path, label or terminal output (CVE-2024-3727, CVE-2021-25743).
pub(crate) fn is_repository_name(name: &str) -> bool {
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
        // Each separator is between two alphanumeric runs that are not empty.
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

/// Whether this is a tag by the distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(crate) fn is_tag(text: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(word)
        && bytes.iter().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// Whether this is a digest by the image specification: `algorithm:encoded`, with as many lower-case hexadecimal digits
/// as SHA-256 and SHA-512 have. Digests of other algorithms follow the grammar too, but cannot be verified.
pub(crate) fn is_digest(text: &str) -> bool {
    let Some((algorithm, encoded)) = text.split_once(':') else { return false };
    let hex = |length| {
        encoded.len() == length && encoded.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    match algorithm {
        "sha256" => hex(64),
        "sha512" => hex(128),
        _ => {
            let component = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            text.len() <= LONGEST
                && algorithm.split(['+', '.', '_', '-']).all(component)
                && !encoded.is_empty()
                && encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'))
        }
    }
}

/// Makes a text of a server safe to print: escapes control and other invisible characters, and cuts it at 120
/// characters.
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
    fn tags_by_the_grammar_pass_and_no_others() {
        let (longest, long) = ("a".repeat(128), "a".repeat(129));
        for good in ["latest", "V1.0-RC", "_", "1", "a.b-c_d..", "v1--2", &longest] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a:b", "a b", "a\0", "ä", "../a", "a\n", "a%2fb", "a?b", &long] {
            assert!(!is_tag(bad), "{bad:?}");
        }
    }

    #[test]
    fn digests_by_the_grammar_pass_and_no_others() {
        let hex = "0123456789abcdef".repeat(4);
        for good in [format!("sha256:{hex}"), format!("sha512:{hex}{hex}"), "blake3:a-Z_0=".into(), "a+b.c:x".into()] {
            assert!(is_digest(&good), "{good}");
        }
        for bad in ["", ":", "sha256", "sha256:", "sha256:ab", "A:x", "a..b:x", "a:x/../y", "a:x y", "a:b:c", "a:?"] {
            assert!(!is_digest(bad), "{bad:?}");
        }
        assert!(!is_digest(&format!("sha256:{}", hex.to_uppercase())));
        assert!(!is_digest(&format!("sha512:{hex}")));
        assert!(!is_digest(&format!("other:{}", "a".repeat(300))));
    }

    #[test]
    fn what_a_server_chose_is_escaped_and_cut() {
        assert_eq!(shown("a\u{1b}[31m\n\u{202e}ü b"), "a\\u{1b}[31m\\u{a}\\u{202e}ü b");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 121);
    }
}
