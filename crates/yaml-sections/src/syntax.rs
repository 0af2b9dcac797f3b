//! Explains why a file is not YAML. The parser knows at which character it gave up; the mistake is often before it: a tab,
//! a line that is indented like no other, a space that is missing after a colon. No message repeats a value.

use crate::words::is_plain;

/// What a person has to correct, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The line, from 1.
    pub(crate) line: u64,
    /// The column in characters, from 1.
    pub(crate) column: u64,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The text of a file, and the place where the parser gave up. Lines and columns count from 0 here.
struct StoppedText<'t> {
    lines: Vec<&'t str>,
    at: usize,
    column: usize,
}

/// The explanation of a syntax error: of `text`, where the parser gave up at this line and column (from 1) for this reason.
pub(crate) fn explain(text: &str, line: u64, column: u64, reason: &str) -> Explanation {
    let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let lines = StoppedText { lines: text.lines().collect(), at: index(line), column: index(column) };
    let rules: [fn(&StoppedText<'_>, &str) -> Option<Explanation>; 14] = [
        tab_in_indentation,
        odd_space,
        placeholder,
        missing_space_after_dash,
        missing_space_after_colon,
        equals_sign,
        colon_in_value,
        indentation,
        needs_quotes,
        never_closed,
        closed_too_late,
        second_document,
        within_quotes,
        tag,
    ];
    rules.iter().find_map(|rule| rule(&lines, reason)).unwrap_or_else(|| Explanation {
        line,
        column,
        message: reason.to_owned(),
        help: None,
    })
}

impl<'t> StoppedText<'t> {
    fn current(&self) -> Option<&'t str> {
        self.lines.get(self.at).copied()
    }

    /// The last line before `at` that has a key or a value.
    fn before(&self, at: usize) -> Option<usize> {
        (0..at.min(self.lines.len())).rev().find(|&at| has_content(self.lines[at]))
    }

    /// The lines in which the mistake may be: the parser stops up to two lines after it, or one before it.
    fn nearby(&self) -> impl Iterator<Item = (usize, &'t str)> + '_ {
        let (from, to) = (self.at.saturating_sub(2), (self.at + 2).min(self.lines.len()));
        (from..to).map(|at| (at, self.lines[at]))
    }

    fn at(line: usize, column: usize, message: impl Into<String>, help: impl Into<String>) -> Explanation {
        let (line, column) = (line as u64 + 1, column as u64 + 1);
        Explanation { line, column, message: message.into(), help: Some(help.into()) }
    }
}

fn has_content(line: &str) -> bool {
    let text = line.trim_start();
    !text.is_empty() && !text.starts_with('#')
}

/// The number of spaces before the first other character.
fn indent(line: &str) -> usize {
    line.chars().take_while(|c| *c == ' ').count()
}

/// The column of the first key of a line, after its dashes: 4 in `  - name: r`.
fn key_column(line: &str) -> usize {
    let mut column = indent(line);
    while line.chars().skip(column).take(2).eq(['-', ' ']) {
        column += 2 + indent(&line.chars().skip(column + 2).collect::<String>());
    }
    column
}

fn tab_in_indentation(lines: &StoppedText<'_>, _: &str) -> Option<Explanation> {
    let tab = |line: &str| line.chars().take_while(|c| c.is_whitespace()).position(|c| c == '\t');
    let (line, column) = lines.nearby().find_map(|(at, line)| Some((at, tab(line).filter(|_| has_content(line))?)))?;
    let message = "a tab stands in the indentation, where YAML has only spaces";
    Some(StoppedText::at(line, column, message, "replace the tab with spaces"))
}

/// A space that looks like one and is none, as word processors and web pages have.
fn odd_space(lines: &StoppedText<'_>, _: &str) -> Option<Explanation> {
    let odd = |c: char| (c.is_whitespace() && !c.is_ascii()) || matches!(c, '\u{200b}' | '\u{feff}');
    let found = lines.nearby().find_map(|(at, line)| Some((at, line.chars().position(odd)?)));
    let (line, column) = found?;
    let code = u32::from(lines.lines[line].chars().nth(column)?);
    let message = format!("a character that only looks like a space stands here (U+{code:04X})");
    Some(StoppedText::at(line, column, message, "replace it with a plain space"))
}

/// `{ a: ${NAME} }` and `{{ … }}` are mappings to YAML.
fn placeholder(lines: &StoppedText<'_>, _: &str) -> Option<Explanation> {
    let line = lines.current()?;
    let up_to = lines.column.saturating_add(2);
    let column = |mark: &str| line.find(mark).map(|at| line[..at].chars().count()).filter(|column| *column <= up_to);
    if let Some(column) = column("${") {
        return Some(StoppedText::at(lines.at, column, crate::words::NO_VARIABLES, crate::words::NAME_THE_VARIABLE));
    }
    let column = column("{{")?;
    Some(StoppedText::at(lines.at, column, "a placeholder `{{ … }}` was not replaced", "write the value itself"))
}

fn missing_space_after_dash(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    if !is_about_colons(reason) && !is_about_indentation(reason) {
        return None;
    }
    let is_glued = |line: &str| {
        let text = line.trim_start();
        let rest = text.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        rest.is_some_and(|rest| rest.contains(": "))
    };
    let (at, line) = lines.nearby().find(|(at, line)| *at <= lines.at && is_glued(line))?;
    Some(StoppedText::at(at, indent(line), "a space is missing after `-`", "for example `- name: quay`"))
}

fn missing_space_after_colon(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let line = lines.current().filter(|_| is_about_colons(reason) || is_about_indentation(reason))?;
    let column = key_column(line);
    let text: String = line.chars().skip(column).collect();
    let (key, rest) = text.split_once(':')?;
    let is_glued = is_plain(key) && rest.starts_with(|c: char| !c.is_whitespace()) && !text.contains(": ");
    let help = format!("write `{key}: …`");
    is_glued.then(|| {
        StoppedText::at(lines.at, column + key.chars().count(), format!("a space is missing after `{key}:`"), help)
    })
}

fn is_about_colons(reason: &str) -> bool {
    reason.contains("mapping values are not allowed") || reason.contains("expected ':'")
}

fn is_about_indentation(reason: &str) -> bool {
    reason.contains("expected '-' indicator") || reason.contains("expected key") || reason.contains("block end")
}

/// `name = r`, as in INI and TOML.
fn equals_sign(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let line = lines.current().filter(|_| is_about_colons(reason))?;
    let column = key_column(line);
    let text: String = line.chars().skip(column).collect();
    let key = text.split('=').next().map(str::trim_end).filter(|key| is_plain(key) && text.contains('='))?;
    let is_key = !text.contains(": ");
    is_key.then(|| {
        let message = format!("`{key}` is followed by `=`, where YAML has `: `");
        StoppedText::at(lines.at, column + key.chars().count(), message, format!("write `{key}: …`"))
    })
}

/// `name: a: b`.
fn colon_in_value(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let line = lines.current().filter(|_| is_about_colons(reason))?;
    let before: String = line.chars().take(lines.column).collect();
    let (key, _) = before.split_once(": ")?;
    let start = key.chars().count() + 2;
    Some(StoppedText::at(lines.at, start, "a value that has `: ` in it needs quotes", "put the whole value in quotes"))
}

/// A line that is indented as no line is that it could belong to.
fn indentation(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    if !is_about_colons(reason) && !is_about_indentation(reason) {
        return None;
    }
    let line = lines.current().filter(|line| has_content(line))?;
    let (own, previous) = (indent(line), lines.before(lines.at)?);
    let key = key_column(lines.lines[previous]);
    // The line before is the odd one, if this line goes on with the one before that.
    if let Some(earlier) = lines.before(previous).map(|at| key_column(lines.lines[at]))
        && earlier == own
        && key < own
    {
        let message = "this line is indented less than the lines around it";
        return Some(StoppedText::at(previous, indent(lines.lines[previous]), message, spaces(own)));
    }
    if own > key {
        let message = "this line is indented deeper than the line before it, which has a value already";
        return Some(StoppedText::at(lines.at, own, message, spaces(key)));
    }
    // The indentations that are possible here: those of the lines that the line before belongs to.
    let (mut possible, mut at) = (vec![key], previous);
    loop {
        let line = lines.lines[at];
        possible.extend([key_column(line), indent(line)]);
        let least = possible.iter().min().copied().unwrap_or(0);
        match (0..at).rev().find(|&at| has_content(lines.lines[at]) && indent(lines.lines[at]) < least) {
            Some(before) if least > 0 => at = before,
            _ => break,
        }
    }
    if possible.contains(&own) {
        return None;
    }
    // An entry of a list stands below the other entries.
    if line.trim_start().starts_with("- ") {
        let is_entry = |at: &usize| lines.lines[*at].trim_start().starts_with("- ");
        let other = (0..lines.at).rev().find(is_entry).map(|at| indent(lines.lines[at]))?;
        return Some(StoppedText::at(lines.at, own, "this `-` is not below the others of its list", spaces(other)));
    }
    let nearest = possible.iter().min_by_key(|column| column.abs_diff(own)).copied()?;
    Some(StoppedText::at(lines.at, own, "this line is indented like none of the lines before it", spaces(nearest)))
}

fn spaces(count: usize) -> String {
    match count {
        0 => "begin it at the left edge".to_owned(),
        1 => "indent it by 1 space".to_owned(),
        _ => format!("indent it by {count} spaces"),
    }
}

/// A value that begins with a character that has a meaning in YAML.
fn needs_quotes(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    if !["anchor", "unexpected character", "cannot start any token"].iter().any(|word| reason.contains(word)) {
        return None;
    }
    let first = lines.current()?.chars().nth(lines.column)?;
    let mark = ['*', '@', '&', '%', '`', '!'].into_iter().find(|mark| *mark == first)?;
    let or_alias = if reason.contains("unknown anchor") { ", or define the anchor if an alias is meant" } else { "" };
    let message = if mark == '`' {
        "a value that begins with a backquote needs quotes".to_owned()
    } else {
        format!("a value that begins with `{mark}` needs quotes")
    };
    Some(StoppedText::at(lines.at, lines.column, message, format!("put the whole value in quotes{or_alias}")))
}

fn never_closed(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let line = lines.current()?;
    let opening = ["unclosed quote", "unclosed bracket"].iter().any(|start| reason.starts_with(start));
    let mark = line.chars().nth(lines.column).filter(|_| opening)?;
    let (what, closing) = match mark {
        '[' => ("bracket", ']'),
        '{' => ("bracket", '}'),
        '"' | '\'' => ("quote", mark),
        _ => return None,
    };
    let message = format!("the {what} `{mark}` that begins here has no end");
    Some(StoppedText::at(lines.at, lines.column, message, format!("add the `{closing}` that ends it")))
}

/// A bracket that was opened in an earlier line and not closed there, so that the next line is read as part of it.
fn closed_too_late(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let closing = if reason.contains("',' or '}'") {
        '}'
    } else if reason.contains("',' or ']'") {
        ']'
    } else {
        return None;
    };
    let (line, column, mark) = open_brackets(lines).pop()?;
    if line == lines.at {
        let message = format!("a `,` is missing before this place, or the `{closing}` that ends `{mark}`");
        return Some(StoppedText::at(line, lines.column, message, "separate the entries with `, `"));
    }
    let message = format!("the bracket `{mark}` that begins here has no end");
    Some(StoppedText::at(line, column, message, format!("add the `{closing}` that ends it")))
}

/// The brackets that are open where the parser gave up: line, column and character of each.
fn open_brackets(lines: &StoppedText<'_>) -> Vec<(usize, usize, char)> {
    let mut open = Vec::new();
    let mut quote = None;
    for (at, line) in lines.lines.iter().enumerate().take(lines.at.saturating_add(1)) {
        let end = if at == lines.at { lines.column } else { usize::MAX };
        let mut before = ' ';
        for (column, c) in line.chars().enumerate().take(end) {
            if let Some(mark) = quote {
                quote = (c != mark).then_some(mark);
                before = c;
                continue;
            }
            match c {
                '"' | '\'' if " [{,".contains(before) => quote = Some(c),
                '#' if before == ' ' => break,
                '[' | '{' if !open.is_empty() || " -".contains(before) => open.push((at, column, c)),
                ']' | '}' => drop(open.pop()),
                _ => {}
            }
            before = c;
        }
    }
    open
}

fn second_document(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let at = (0..lines.lines.len()).rev().find(|at| *at <= lines.at && lines.lines[*at].starts_with("---"))?;
    let help = "a file is one document: remove this line, or move what follows to a file of its own";
    (reason == SECOND_DOCUMENT).then(|| StoppedText::at(at, 0, SECOND_DOCUMENT, help))
}

/// A quote or a backslash within quotes.
fn within_quotes(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let help = if reason.contains("unknown escape") {
        "a backslash within `\"` is written twice; within `'` it stands for itself"
    } else if reason.contains("trailing content after single-quoted") {
        "a `'` within `'` is written twice: `'it''s'`"
    } else if reason.contains("trailing content after double-quoted") {
        "a `\"` within `\"` is written `\\\"`"
    } else {
        return None;
    };
    Some(StoppedText::at(lines.at, lines.column, reason, help))
}

fn tag(lines: &StoppedText<'_>, reason: &str) -> Option<Explanation> {
    let help = "put a value that begins with `!` in quotes";
    reason.starts_with("a tag (").then(|| StoppedText::at(lines.at, lines.column, reason, help))
}

/// The reason for a file with several documents.
pub(crate) const SECOND_DOCUMENT: &str = "a second document begins here";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_never_points_outside_of_the_file() {
        let reasons = ["mapping values are not allowed", "did not find expected ',' or '}'", "unclosed quote", ""];
        for text in ["", "\n", "a", "\t", "a: [\n", "- -\n  -a: b\n", "ä: 'ö\n  ü", "\u{a0}a: b: c"] {
            let most = text.lines().count() as u64 + 2;
            for line in 0..=most {
                for column in 0..12 {
                    for reason in reasons {
                        let explained = explain(text, line, column, reason);
                        let is_same = (explained.line, explained.column) == (line, column);
                        assert!(is_same || explained.line < most, "{text:?} {line}:{column}: {explained:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn brackets_in_quotes_and_comments_do_not_count() {
        let explained = explain("a: '{'\nb: [x, '}' # ]\nc: 1\n", 3, 3, "did not find expected ',' or ']'");
        assert_eq!((explained.line, explained.column), (2, 4), "{explained:?}");
    }

    #[test]
    fn no_explanation_repeats_a_value() {
        for text in ["a: s3cr3t: b\n", "a:s3cr3t/x\n", "a: {b: s3cr3t\nc: d\n", "a: 's3cr3t\n", "a: b\n    s3cr3t: x\n"]
        {
            for column in 1..14 {
                let explained = explain(text, 1, column, "mapping values are not allowed in this context");
                let help = explained.help.unwrap_or_default();
                assert!(!explained.message.contains("s3cr3t") && !help.contains("s3cr3t"), "{text}");
            }
        }
    }
}
