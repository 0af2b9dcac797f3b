//! How fast a walk goes now, and how long it will take, as pure functions of what it has done at which time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::run::WalkProgress;
use crate::words::counted;

/// The time over which the rate is measured.
const WINDOW: Duration = Duration::from_secs(8);
/// How often it is looked at. More often would only keep more numbers.
const EVERY: Duration = Duration::from_millis(500);
/// Before this, there is no rate.
const FIRST_RATE: Duration = Duration::from_secs(1);
/// Before this time, the rate is not steady enough to say how long the rest takes.
const FIRST_ESTIMATE: Duration = Duration::from_secs(5);
/// A rate is steady if it has changed by no more than this factor from the first half of the window to the second.
const STEADY: f64 = 2.0;

/// What a walk has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WalkedSoFar {
    pub(super) pages: u64,
    pub(super) listed: u64,
    pub(super) is_list_whole: bool,
    /// 0 in a walk that reads only names.
    pub(super) to_read: u64,
    pub(super) read: u64,
    pub(super) tags: u64,
}

impl From<&WalkProgress> for WalkedSoFar {
    fn from(progress: &WalkProgress) -> Self {
        Self {
            pages: progress.pages(),
            listed: progress.listed(),
            is_list_whole: progress.is_list_whole(),
            to_read: progress.to_read(),
            read: progress.read(),
            tags: progress.tags(),
        }
    }
}

impl WalkedSoFar {
    /// Whether repositories are being read, and not only listed.
    fn is_reading(self) -> bool {
        self.read > 0 || self.is_list_whole && self.to_read > 0
    }

    /// How many repositories are done of what is being done.
    fn done(self, is_reading: bool) -> u64 {
        if is_reading { self.read } else { self.listed }
    }
}

/// The last seconds of a walk.
#[derive(Clone, Debug, Default)]
pub(super) struct WalkPace {
    looks: VecDeque<(Duration, WalkedSoFar)>,
    now: (Duration, WalkedSoFar),
}

impl WalkPace {
    /// Notes what is done this long after the beginning.
    pub(super) fn note(&mut self, at: Duration, done: WalkedSoFar) {
        // A walk that could not be resumed begins again.
        if done.listed < self.now.1.listed || done.read < self.now.1.read {
            self.looks.clear();
        }
        if self.looks.back().is_none_or(|(last, _)| at.saturating_sub(*last) >= EVERY) {
            self.looks.push_back((at, done));
        }
        // The oldest that remains is as old as the window, or a little older.
        while self.looks.get(1).is_some_and(|(second, _)| at.saturating_sub(*second) >= WINDOW) {
            self.looks.pop_front();
        }
        self.now = (at, done);
    }

    /// Repositories a second in the window; `None` if it is too short to tell.
    fn rate(&self) -> Option<f64> {
        let (first, before) = self.looks.front()?;
        self.between((*first, *before), self.now).filter(|_| self.now.0.saturating_sub(*first) >= FIRST_RATE)
    }

    fn between(&self, from: (Duration, WalkedSoFar), to: (Duration, WalkedSoFar)) -> Option<f64> {
        let is_reading = self.now.1.is_reading();
        let done = to.1.done(is_reading).saturating_sub(from.1.done(is_reading));
        let seconds = to.0.checked_sub(from.0)?.as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // for the eye
        (seconds > 0.0).then(|| done as f64 / seconds)
    }

    /// How long the rest takes, if it is known how much there is and the rate is steady.
    fn left(&self) -> Option<Duration> {
        let (at, done) = self.now;
        let first = *self.looks.front()?;
        if !done.is_list_whole || done.to_read <= done.read || at.saturating_sub(first.0) < FIRST_ESTIMATE {
            return None;
        }
        let middle = *self.looks.get(self.looks.len() / 2)?;
        let (earlier, later) = (self.between(first, middle)?, self.between(middle, self.now)?);
        let is_steady = earlier > 0.0 && later > 0.0 && earlier / later <= STEADY && later / earlier <= STEADY;
        #[allow(clippy::cast_precision_loss)] // for the eye
        let rest = (done.to_read - done.read) as f64;
        is_steady.then(|| Duration::try_from_secs_f64(rest / self.rate()?).ok()).flatten()
    }

    /// `3 pages · 234/311 repositories · 1204 tags · 35 read/s · about 2 min left`
    pub(super) fn line(&self) -> String {
        let done = self.now.1;
        let mut parts = vec![counted(done.pages, "page", "pages")];
        if done.to_read > 0 {
            // While names are listed, the total grows.
            let grows = if done.is_list_whole { "" } else { "+" };
            parts.push(format!("{}/{}{grows} repositories", done.read, done.to_read));
            parts.push(counted(done.tags, "tag", "tags"));
        } else {
            parts.push(counted(done.listed, "repository", "repositories"));
        }
        let what = if done.is_reading() { "read" } else { "listed" };
        parts.extend(self.rate().map(|rate| format!("{} {what}/s", few_digits(rate))));
        parts.extend(self.left().map(|left| format!("about {} left", roughly(left))));
        parts.join(" · ")
    }
}

fn few_digits(rate: f64) -> String {
    if rate >= 10.0 || rate == 0.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}

/// In steps that do not flicker.
fn roughly(left: Duration) -> String {
    match left.as_secs() {
        0..5 => "5 s".to_owned(),
        seconds @ 5..60 => format!("{} s", seconds.div_ceil(5) * 5),
        seconds @ 60..3600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk that reads: so many read of so many, and whether the list is whole.
    fn reading(read: u64, to_read: u64, is_list_whole: bool) -> WalkedSoFar {
        WalkedSoFar { pages: 3, listed: to_read, is_list_whole, to_read, read, tags: 2 * read }
    }

    /// What is shown after looks at these seconds.
    fn shown(looks: impl IntoIterator<Item = (f64, WalkedSoFar)>) -> String {
        let mut pace = WalkPace::default();
        looks.into_iter().for_each(|(at, done)| pace.note(Duration::from_secs_f64(at), done));
        pace.line()
    }

    #[test]
    fn what_is_listed_is_counted_and_then_what_is_read_of_it() {
        let listing = |pages, listed| WalkedSoFar { pages, listed, ..WalkedSoFar::default() };
        assert_eq!(shown([(0.0, listing(0, 0))]), "0 pages · 0 repositories");
        assert_eq!(shown([(0.0, listing(0, 0)), (2.0, listing(1, 1))]), "1 page · 1 repository · 0.5 listed/s");
        assert_eq!(shown([(0.0, listing(0, 0)), (2.0, listing(9, 900))]), "9 pages · 900 repositories · 450 listed/s");
        assert_eq!(shown([(0.0, reading(234, 311, false))]), "3 pages · 234/311+ repositories · 468 tags");
        assert_eq!(shown([(0.0, reading(234, 311, true))]), "3 pages · 234/311 repositories · 468 tags");
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_not_of_the_whole_walk() {
        // A resumed walk begins with what was read before. Ten minutes fast, then slow.
        let looks = (0..1200_u32).map(|n| {
            let at = f64::from(n) / 2.0;
            let read = if n < 1180 { 100_000 + 50 * n } else { 100_000 + 50 * 1180 + (n - 1180) };
            (at, reading(u64::from(read), 1_000_000, true))
        });
        let line = shown(looks);
        assert!(line.contains(" · 2.0 read/s"), "{line}");
    }

    #[test]
    fn the_time_left_is_told_if_the_total_is_known_and_the_rate_is_steady() {
        let steady = |seconds: u64, is_list_whole| {
            shown((0..=2 * seconds).map(|n| {
                #[allow(clippy::cast_precision_loss)]
                let at = n as f64 / 2.0;
                (at, reading(5 * n, 1_000, is_list_whole))
            }))
        };
        assert!(steady(10, true).ends_with("10 read/s · about 2 min left"), "{}", steady(10, true));
        assert!(steady(95, true).ends_with("about 5 s left"), "{}", steady(95, true));
        assert!(!steady(4, true).contains("left"), "too early: {}", steady(4, true));
        assert!(!steady(10, false).contains("left"), "the total still grows: {}", steady(10, false));
        assert!(!steady(100, true).contains("left"), "all is read: {}", steady(100, true));
        let stalled = (0..=40).map(|n: u64| {
            #[allow(clippy::cast_precision_loss)]
            let at = n as f64 / 2.0;
            (at, reading(5 * n.min(30), 1_000, true))
        });
        assert!(!shown(stalled).contains("left"), "not steady");
    }

    #[test]
    fn a_walk_that_begins_again_has_a_rate_of_its_own_and_the_window_is_bounded() {
        let mut pace = WalkPace::default();
        for n in 0..10_000_u64 {
            pace.note(Duration::from_millis(100 * n), reading(n, 100_000, true));
        }
        assert!(pace.looks.len() <= 18, "{}", pace.looks.len());
        pace.note(Duration::from_secs(2_000), reading(1, 100, false));
        pace.note(Duration::from_secs(2_002), reading(21, 100, false));
        assert!(pace.line().ends_with(" · 10 read/s"), "{}", pace.line());
    }

    #[test]
    fn a_time_is_told_in_steps() {
        for (seconds, expected) in [(1, "5 s"), (41, "45 s"), (60, "1 min"), (61, "2 min"), (7_300, "2 h 1 min")] {
            assert_eq!(roughly(Duration::from_secs(seconds)), expected);
        }
    }
}
