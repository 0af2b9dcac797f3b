//! Progress of each registry on one line: pages, repositories, rate, time left, token. Only on a terminal; on one that
//! takes nothing but plain lines, a line now and then.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::output::tell;
use super::pace::WalkPace;
use super::terminal;
use crate::registry::TokenState;
use crate::run::Watch;

/// How often a terminal that keeps every line gets one.
const PLAIN_EVERY: Duration = Duration::from_secs(15);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BarStyle {
    /// Not at all.
    Hidden,
    /// By a new line now and then.
    Lines,
    /// By lines that change in place.
    InPlace {
        /// Whether names may be bold.
        has_colours: bool,
    },
}

impl BarStyle {
    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        match (is_terminal, terminal::is_dumb(&variable)) {
            (false, _) => Self::Hidden,
            (true, true) => Self::Lines,
            (true, false) => Self::InPlace { has_colours: terminal::takes_colours(variable) },
        }
    }
}

/// All progress bars.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    style: BarStyle,
}

impl Bars {
    pub(super) fn new() -> Self {
        let style = BarStyle::of(io::stderr().is_terminal(), terminal::variable);
        let is_in_place = matches!(style, BarStyle::InPlace { .. });
        let target = if is_in_place { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), style }
    }

    /// Hides all bars while `act` runs.
    pub(super) fn hidden_during<R>(&self, act: impl FnOnce() -> R) -> R {
        self.all.suspend(act)
    }

    /// Shows the progress of a registry until `work` is done.
    pub(super) async fn during<R>(&self, registry: &str, watch: Watch, work: impl Future<Output = R>) -> R {
        let style = match self.style {
            BarStyle::Hidden => return work.await,
            BarStyle::Lines => ProgressStyle::default_spinner(),
            BarStyle::InPlace { has_colours } => template(has_colours),
        };
        let bar = self.all.add(ProgressBar::new_spinner().with_style(style).with_prefix(registry.to_owned()));
        let begun = Instant::now();
        let (mut pace, mut next_line) = (WalkPace::default(), PLAIN_EVERY);
        let mut ticks = interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => {
                    bar.finish_and_clear();
                    return done;
                }
                _ = ticks.tick() => {
                    let since = begun.elapsed();
                    pace.note(since, watch.progress.as_ref().into());
                    bar.set_message(line(&pace, &watch));
                    bar.tick();
                    if self.style == BarStyle::Lines && since >= next_line {
                        tell(&format!("{registry}: {}", line(&pace, &watch)));
                        next_line = since + PLAIN_EVERY;
                    }
                }
            }
        }
    }
}

fn template(has_colours: bool) -> ProgressStyle {
    // `wide_msg` is cut to the width of the terminal. A longer line would make the terminal scroll.
    let template = if has_colours { "{spinner} {prefix:.bold} {wide_msg}" } else { "{spinner} {prefix} {wide_msg}" };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn line(pace: &WalkPace, watch: &Watch) -> String {
    let token = match watch.client.as_ref().map(crate::registry::Client::token) {
        None | Some(TokenState::None) => "no token".to_owned(),
        Some(TokenState::Valid { expires_in, .. }) => format!("token {} s", expires_in.as_secs()),
        Some(TokenState::Expired) => "token expired".to_owned(),
        Some(TokenState::Rejected) => "credentials rejected".to_owned(),
    };
    format!("{} · {token}", pace.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_shown_as_the_terminal_can() {
        for (is_terminal, variables, expected) in [
            (false, &[("TERM", "xterm")][..], BarStyle::Hidden),
            (false, &[("TERM", "dumb")], BarStyle::Hidden),
            (true, &[("TERM", "dumb")], BarStyle::Lines),
            (true, &[], BarStyle::Lines),
            (true, &[("TERM", "xterm")], BarStyle::InPlace { has_colours: true }),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")], BarStyle::InPlace { has_colours: false }),
        ] {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(BarStyle::of(is_terminal, variable), expected, "{variables:?}");
        }
    }
}
