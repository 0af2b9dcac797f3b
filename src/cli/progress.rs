//! Progress of each registry on one line: pages, repositories, rate, token. Only on a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::registry::TokenState;
use crate::run::Watch;

/// All progress bars.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    visible: bool,
}

impl Bars {
    pub(super) fn new() -> Self {
        let visible = io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), visible }
    }

    /// Hides all bars while `act` runs.
    pub(super) fn hidden_during<R>(&self, act: impl FnOnce() -> R) -> R {
        self.all.suspend(act)
    }

    /// Shows the progress of a registry until `work` is done.
    pub(super) async fn during<R>(&self, registry: &str, watch: Watch, work: impl Future<Output = R>) -> R {
        if !self.visible {
            return work.await;
        }
        let bar = self.all.add(ProgressBar::new_spinner().with_style(style()).with_prefix(registry.to_owned()));
        let begun = Instant::now();
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
                    bar.set_message(line(&watch, begun.elapsed()));
                    bar.tick();
                }
            }
        }
    }
}

fn style() -> ProgressStyle {
    // `wide_msg` is cut to the width of the terminal. A longer line would make the terminal scroll.
    ProgressStyle::with_template("{spinner} {prefix:.bold} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn line(watch: &Watch, since: Duration) -> String {
    let listed = watch.progress.listed();
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // for the eye
    let rate = (listed as f64 / since.as_secs_f64().max(0.001)) as u64;
    let token = match watch.client.as_ref().map(crate::registry::Client::token) {
        None | Some(TokenState::None) => "no token".to_owned(),
        Some(TokenState::Valid { expires_in, .. }) => format!("token {} s", expires_in.as_secs()),
        Some(TokenState::Expired) => "token expired".to_owned(),
        Some(TokenState::Rejected) => "credentials rejected".to_owned(),
    };
    let read = match (watch.progress.read(), watch.progress.tags()) {
        (0, _) => String::new(),
        (read, tags) => format!(" · {read} read · {tags} tags"),
    };
    format!("{} pages · {listed} repositories{read} · {rate}/s · {token}", watch.progress.pages())
}
