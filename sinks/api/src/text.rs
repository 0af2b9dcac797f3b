//! Text from registries in what people read: characters that control a terminal, or that make text look like other text, are
//! escaped, and no cell is a formula.

use std::fmt::Write;

/// Whether this character could control a terminal or deceive a reader.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Characters that change the direction of text (UAX #9).
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Characters without width, unusual line ends, invisible tags.
            | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{2028}' | '\u{2029}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` with such characters written as `\u{…}` and backslashes doubled, so the text can be restored.
pub fn for_people(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if is_deceptive(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}

/// JSON text with such characters written as `\uXXXX`. They occur only inside strings, where that means the same. Line ends
/// between values are kept.
pub fn in_json(json: &str, out: &mut String) {
    for c in json.chars() {
        if c == '\n' || !is_deceptive(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

/// A text as one cell of CSV (RFC 4180). It is never a formula; an empty text is quoted, which tells it from a null.
pub fn in_csv(text: &str, line: &mut String) {
    // Spreadsheets read these as formulas (OWASP, "CSV injection"), also the full-width forms. With an apostrophe, the
    // cell is text.
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let mut cell = String::from(if is_formula { "'" } else { "" });
    for_people(text, &mut cell);
    let plain = !cell.is_empty() && !cell.starts_with(' ') && !cell.ends_with(' ');
    // In countries with a decimal comma, a semicolon separates cells.
    if plain && !is_formula && !cell.contains(['"', ',', ';']) {
        line.push_str(&cell);
    } else {
        in_quotes(&cell, line);
    }
}

/// A cell of CSV in quotes.
pub fn in_quotes(cell: &str, line: &mut String) {
    line.push('"');
    line.push_str(&cell.replace('"', "\"\""));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(escape: fn(&str, &mut String), text: &str) -> String {
        let mut out = String::new();
        escape(text, &mut out);
        out
    }

    #[test]
    fn people_see_escapes_and_plain_text_as_it_is() {
        for (text, shown) in [
            ("library/ünï-日本語", "library/ünï-日本語"),
            ("\u{1b}[31m\u{7f}\u{9b}0m", "\\u{1b}[31m\\u{7f}\\u{9b}0m"),
            ("\u{202e}gnp\u{2069}", "\\u{202e}gnp\\u{2069}"),
            ("a\tb\r\nc", "a\\u{9}b\\u{d}\\u{a}c"),
            ("\\u{9}", "\\\\u{9}"),
        ] {
            assert_eq!(escaped(for_people, text), shown);
        }
    }

    #[test]
    fn json_means_the_same_after_escaping() {
        assert_eq!(escaped(in_json, "{\"a\":\"\u{202e}\u{9b}é\"}\n"), "{\"a\":\"\\u202e\\u009bé\"}\n");
        assert_eq!(escaped(in_json, "\"\u{e0041}\""), "\"\\udb40\\udc41\"");
    }
}
