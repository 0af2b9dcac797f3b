//! The text format of metrics, version 0.0.4: one line a series. An own encoder, as 130,000 lines of it took the
//! `prometheus` crate 150 ms and take this one 4: it copies no label before it writes it.

use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::family::Family;
use super::numbers::Histogram;

/// A value of a series.
pub(super) trait Sample {
    /// Appends it.
    fn write(self, text: &mut String);
}

impl Sample for u64 {
    fn write(self, text: &mut String) {
        // Most counters of failures stand at zero.
        match u8::try_from(self) {
            Ok(digit @ 0..10) => text.push(char::from(b'0' + digit)),
            _ => display(text, self),
        }
    }
}

impl Sample for i64 {
    fn write(self, text: &mut String) {
        display(text, self);
    }
}

impl Sample for f64 {
    fn write(self, text: &mut String) {
        display(text, self);
    }
}

impl Sample for bool {
    fn write(self, text: &mut String) {
        text.push(if self { '1' } else { '0' });
    }
}

/// In seconds.
impl Sample for Duration {
    fn write(self, text: &mut String) {
        if self.is_zero() { text.push('0') } else { self.as_secs_f64().write(text) }
    }
}

/// In seconds since 1970.
impl Sample for DateTime<Utc> {
    fn write(self, text: &mut String) {
        let millis = self.timestamp_millis();
        display(text, millis.div_euclid(1000));
        match millis.rem_euclid(1000) {
            0 => {}
            millis => display(text, format_args!(".{millis:03}")),
        }
    }
}

/// 0 for what never was.
impl Sample for Option<DateTime<Utc>> {
    fn write(self, text: &mut String) {
        match self {
            Some(time) => time.write(text),
            None => text.push('0'),
        }
    }
}

fn display(text: &mut String, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = write!(text, "{value}");
}

/// The lines of one family.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t mut String,
    family: &'static Family,
    /// Labels that all of the next lines have, written out: `registry="quay"`.
    common: String,
    /// The labels that are left.
    labels: &'static [&'static str],
}

impl<'t> Lines<'t> {
    /// Begins a family.
    pub(super) fn begin(text: &'t mut String, family: &'static Family) -> Self {
        let Family { name, kind, help, labels, .. } = family;
        display(text, format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str()));
        Self { text, family, common: String::new(), labels }
    }

    /// From here on the first label has this value, which needs no escape.
    pub(super) fn of_registry(&mut self, name: &str) {
        self.common.clear();
        display(&mut self.common, format_args!("{}=\"{name}\"", self.family.labels[0]));
        self.labels = &self.family.labels[1..];
    }

    /// A line with these values of the labels that are left.
    pub(super) fn put(&mut self, values: &[&str], sample: impl Sample) {
        self.line("", values, None, sample);
    }

    /// The lines of a histogram.
    pub(super) fn histogram(&mut self, values: &[&str], histogram: &Histogram) {
        let counts = histogram.cumulative();
        let bounds = histogram.bounds.iter().map(|(bound, _)| *bound).chain(["+Inf"]);
        for (bound, count) in bounds.zip(counts) {
            self.line("_bucket", values, Some(bound), count);
        }
        self.line("_sum", values, None, histogram.sum());
        self.line("_count", values, None, counts[counts.len() - 1]);
    }

    fn line(&mut self, suffix: &str, values: &[&str], bound: Option<&str>, sample: impl Sample) {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.family.name);
        let text = &mut *self.text;
        text.push_str(self.family.name);
        text.push_str(suffix);
        let mut separator = "{";
        if !self.common.is_empty() {
            text.push('{');
            text.push_str(&self.common);
            separator = ",";
        }
        let labels = self.labels.iter().copied().zip(values.iter().copied());
        for (label, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            text.push_str(separator);
            text.push_str(label);
            text.push_str("=\"");
            push_escaped(text, value);
            text.push('"');
            separator = ",";
        }
        if separator == "," {
            text.push('}');
        }
        text.push(' ');
        sample.write(text);
        text.push('\n');
    }
}

fn push_escaped(text: &mut String, value: &str) {
    if !value.bytes().any(|b| matches!(b, b'\\' | b'"' | b'\n')) {
        return text.push_str(value);
    }
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sample: impl Sample) -> String {
        let mut text = String::new();
        sample.write(&mut text);
        text
    }

    #[test]
    fn numbers_are_written_as_the_format_wants_them() {
        assert_eq!(written(0_u64), "0");
        assert_eq!(written(9_u64), "9");
        assert_eq!(written(10_u64), "10");
        assert_eq!(written(u64::MAX), "18446744073709551615");
        assert_eq!(written(-3_i64), "-3");
        assert_eq!(written(-0.4), "-0.4");
        assert_eq!(written(Duration::ZERO), "0");
        assert_eq!(written(Duration::from_millis(1500)), "1.5");
        assert_eq!(written(true), "1");
        let time = |millis| DateTime::from_timestamp_millis(millis);
        assert_eq!(written(time(1_763_400_000_000)), "1763400000");
        assert_eq!(written(time(1_763_400_000_050)), "1763400000.050");
        assert_eq!(written(None::<DateTime<Utc>>), "0");
    }

    #[test]
    fn odd_label_values_are_escaped() {
        let mut text = String::new();
        push_escaped(&mut text, "a\\b\"c\nd");
        assert_eq!(text, r#"a\\b\"c\nd"#);
    }
}
