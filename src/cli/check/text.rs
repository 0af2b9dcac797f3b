//! A report as text: a line for each step, then the diagnoses, then every exchange if `--trace` is given.

use std::fmt::Write;
use std::io::IsTerminal;

use crate::check::{CheckReport, Diagnosis, Fact, StepOutcome, StepReport};
use crate::cli::terminal::{self, wrapped};
use crate::registry::examine::Exchange;
use crate::words::counted;

/// Whether the output may have colours and signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    colours: bool,
    signs: bool,
}

impl Look {
    /// Signs and colours are used on terminals: signs if the locale is UTF-8, colours unless `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        Self::new(std::io::stdout().is_terminal(), terminal::variable)
    }

    fn new(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&variable).unwrap_or_default();
        let utf8 = ["utf-8", "utf8"].iter().any(|name| locale.to_ascii_lowercase().contains(name));
        Self { colours: is_terminal && terminal::takes_colours(&variable), signs: is_terminal && utf8 }
    }

    /// The columns that a word takes.
    fn columns(self) -> usize {
        if self.signs { 1 } else { 7 }
    }

    fn word(self, outcome: StepOutcome) -> String {
        let (sign, colour) = match outcome {
            StepOutcome::Ok => ("✓", 32),
            StepOutcome::Note => ("!", 33),
            StepOutcome::Failed => ("✗", 31),
            StepOutcome::Skipped => ("-", 2),
        };
        let word = if self.signs { sign.to_owned() } else { format!("{:<7}", outcome.as_str()) };
        if self.colours { format!("\x1b[{colour}m{word}\x1b[0m") } else { word }
    }
}

/// The whole report, wrapped for a terminal of this width; without a newline at its end.
pub(super) fn of(report: &CheckReport, trace: bool, look: Look, columns: Option<usize>) -> String {
    let mut text = format!("{}  {}", report.registry, report.url);
    let width = report.steps.iter().map(|step| name(step).len()).max().unwrap_or_default();
    for step in &report.steps {
        let took = if trace && step.outcome != StepOutcome::Skipped {
            format!("{:>6} ms  ", step.took.as_millis())
        } else if trace {
            " ".repeat(11)
        } else {
            String::new()
        };
        // Colours take no columns.
        let start = format!("  {}  {:<width$}  {took}", " ".repeat(look.columns()), name(step));
        let line = wrapped(&start, &line(step), columns);
        let line = line.replacen(&" ".repeat(2 + look.columns()), &format!("  {}", look.word(step.outcome)), 1);
        text.push('\n');
        text.push_str(line.trim_end());
    }
    for found in report.diagnoses() {
        diagnosis(found, columns, &mut text);
    }
    if trace {
        for one in &report.exchanges {
            exchange(one, &mut text);
        }
    }
    text.push('\n');
    text
}

fn name(step: &StepReport) -> String {
    let word = step.step.as_str();
    step.subject.as_ref().map_or(word.to_owned(), |subject| format!("{word} {subject}"))
}

fn line(step: &StepReport) -> String {
    match &step.evidence[..] {
        [why] if step.outcome == StepOutcome::Skipped => why.seen.clone(),
        [] => step.diagnoses.first().map_or_else(String::new, |found| found.symptom.clone()),
        facts => facts.iter().map(pair).collect::<Vec<_>>().join("; "),
    }
}

fn pair(fact: &Fact) -> String {
    format!("{} {}", fact.what, fact.seen)
}

fn diagnosis(found: &Diagnosis, columns: Option<usize>, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\n\n  {} at {}", found.rule, found.step.as_str());
    for (what, words) in [("symptom", &found.symptom), ("cause", &found.cause), ("remedy", &found.remedy)] {
        let _ = write!(text, "\n{}", wrapped(&format!("    {what:<8}  "), words, columns));
    }
    for (at, fact) in found.evidence.iter().enumerate() {
        let start = format!("    {:<8}  ", if at == 0 { "evidence" } else { "" });
        let _ = write!(text, "\n{}", wrapped(&start, &format!("{}: {}", fact.what, fact.seen), columns));
    }
}

fn exchange(one: &Exchange, text: &mut String) {
    let _ = write!(text, "\n\n  {}  {} {}", one.about.as_str(), one.method, one.url);
    for (what, pairs) in [("?", &one.query), (">", &one.headers), ("=", &one.form)] {
        for (name, value) in pairs {
            let _ = write!(text, "\n    {what} {name}: {value}");
        }
    }
    let took = one.took.as_millis();
    let reply = match &one.reply {
        Err(why) => {
            let _ = write!(text, "\n    no answer after {took} ms: {why}");
            return;
        }
        Ok(reply) => reply,
    };
    let bytes = counted(reply.bytes, "byte", "bytes");
    let _ = write!(text, "\n    {} after {took} ms, {bytes}", reply.status);
    for (name, value) in &reply.headers {
        let _ = write!(text, "\n    < {name}: {value}");
    }
    for offer in &reply.offers {
        let _ = write!(text, "\n    < www-authenticate: {offer}");
    }
    if let Some(link) = &reply.link {
        let _ = write!(text, "\n    < link: {link}");
    }
    if !reply.said.is_empty() {
        let _ = write!(text, "\n    said: {}", reply.said);
    }
    for fact in crate::check::trace(one) {
        let _ = write!(text, "\n    {}: {}", fact.what, fact.seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(terminal: bool, variables: &[(&str, &str)]) -> Look {
        Look::new(terminal, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn signs_and_colours_are_for_terminals_that_can() {
        let able = [("LANG", "en_GB.UTF-8"), ("TERM", "xterm")];
        assert_eq!(look(true, &able), Look { colours: true, signs: true });
        assert_eq!(look(false, &able), Look::default());
        assert_eq!(look(true, &[("LANG", "C"), ("TERM", "xterm")]), Look { colours: true, signs: false });
        assert!(!look(true, &[("NO_COLOR", "1"), ("LC_ALL", "C.utf8"), ("TERM", "xterm")]).colours);
        assert_eq!(look(true, &[("LC_ALL", "C.utf8"), ("TERM", "dumb")]), Look { colours: false, signs: true });
        assert_eq!(Look::default().word(StepOutcome::Failed), "failed ");
    }
}
