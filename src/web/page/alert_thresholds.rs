//! The thresholds that the page shares with the alert rules. They stand in `config/monitoring/alerts.yml` alone, and are read
//! from it.

use std::sync::LazyLock;
use std::time::Duration;

const RULES: &str = include_str!("../../../config/monitoring/alerts.yml");

/// When the page shows what an alert reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AlertThresholds {
    /// An inventory is overdue after this many intervals of its schedule, …
    pub(super) overdue_intervals: u32,
    /// … and this time, …
    pub(super) overdue_slack: Duration,
    /// … and a first inventory not before this time.
    pub(super) first_inventory: Duration,
    /// Failed runs in a row, …
    pub(super) failures: u32,
    /// … and failed runs if they are at least [`Self::rare`] apart.
    pub(super) rare_failures: u32,
    /// The interval of runs that are rare.
    pub(super) rare: Duration,
    /// How far the last success may lie in the future.
    pub(super) clock_ahead: Duration,
    /// For how long a snapshot counts as given up of late.
    pub(super) lost_night: Duration,
}

pub(super) static THRESHOLDS: LazyLock<AlertThresholds> = LazyLock::new(|| {
    let seconds = |alert, before: &[&str]| Duration::from_secs(number(alert, before).into());
    AlertThresholds {
        overdue_intervals: number("StocktakeRunOverdue", &["> 0)", "> "]),
        overdue_slack: seconds("StocktakeRunOverdue", &["run_duration_seconds[5m]) + "]),
        first_inventory: seconds("StocktakeRunOverdue", &["clamp_min(", ", "]),
        failures: number("StocktakeRunFailing", &["failures[5m]) >= "]),
        rare_failures: number("StocktakeRunFailing", &["failures[5m]) >= ", "failures[5m]) >= "]),
        rare: seconds("StocktakeRunFailing", &["interval_seconds[5m]) >= "]),
        clock_ahead: seconds("StocktakeClockWasAhead", &["- time() > "]),
        lost_night: seconds("StocktakeSnapshotGivenUp", &["[5m]) < "]),
    }
});

/// The number or the product of numbers behind these texts in the expression of an alert. A test reads all of them, so that a
/// rule without the number is a bug.
fn number(alert: &str, before: &[&str]) -> u32 {
    let after = |text: &'static str, before: &str| text.split_once(before).map(|(_, after)| after);
    let rule = after(RULES, &format!("- alert: {alert}\n")).and_then(|rule| after(rule, "expr: "));
    let rule = rule.and_then(|rule| before.iter().try_fold(rule, |rule, before| after(rule, before)));
    let rule = rule.expect("the rules have the threshold");
    let end = rule.find(|c: char| !c.is_ascii_digit() && !matches!(c, ' ' | '*')).unwrap_or(rule.len());
    let factors = rule[..end].split('*').map(str::trim).filter(|factor| !factor.is_empty());
    factors.map(|factor| factor.parse::<u32>().expect("a threshold is a number")).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_from_the_rules() {
        let expected = AlertThresholds {
            overdue_intervals: 2,
            overdue_slack: Duration::from_hours(1),
            first_inventory: Duration::from_hours(24),
            failures: 2,
            rare_failures: 1,
            rare: Duration::from_hours(6),
            clock_ahead: Duration::from_hours(1),
            lost_night: Duration::from_hours(24),
        };
        assert_eq!(*THRESHOLDS, expected);
    }
}
