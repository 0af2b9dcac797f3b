//! Decides whether a list in numbered pages was read completely. Pure.
//!
//! A server cuts each page out of the list as it is at that moment. If an entry of an earlier page is deleted while the
//! list is read, all following entries move up, and the first entry of the next page is never shown. Three signs show
//! this: the total changes from page to page; fewer entries were seen than the total says; or an entry was created
//! after the first page was answered, which may hide a deletion from the totals. Then the list is read again, until a
//! reading has none of these signs, or has the same entries as the one before. The entries of all readings are listed.
//! After [`MOST_READINGS`] the walk goes on, and reports that entries may be missing.
//!
//! Without a total, two readings with the same entries are needed, unless the list is a single page. One case stays
//! unseen: an entry is deleted and another created between the same two pages, and the server sends neither its time
//! nor the time of creation.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, Utc};
use url::Url;

use super::listing::{ListAnswer, PageRequest};
use crate::registry::api::Api;
use crate::registry::api::NextPage;

/// How often a list is read at most that changes while it is read.
const MOST_READINGS: u32 = 4;

/// How many empty pages in a row are skipped if the total says that there are more entries.
const MOST_EMPTY: u32 = 2;

/// The readings of one list.
#[derive(Debug, Default)]
pub(super) struct ListReadings {
    /// Keyed at random, so that no server can choose entries that collide.
    hashers: (RandomState, RandomState),
    /// How many readings were finished.
    before: u32,
    /// The entries of the previous reading.
    last: Option<Entries>,
    now: ListReading,
}

/// Which entries a reading had: how many, and a sum of their hashes in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entries {
    count: u64,
    digest: u64,
}

#[derive(Debug, Default)]
struct ListReading {
    pages: u64,
    /// Entries, those that came twice counted twice.
    shown: u64,
    /// Empty pages since the last one with something on it.
    empty: u32,
    /// Eight bytes an entry.
    met: HashSet<u64>,
    entries: Entries,
    total: Total,
    begun_at: Option<DateTime<Utc>>,
    /// Whether an entry was created after the first page was answered.
    has_grown: bool,
}

/// The total number of entries by the pages of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Total {
    #[default]
    Untold,
    Told(u64),
    /// The pages named different totals.
    Moved,
}

/// How a reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadingEnd {
    /// Every entry that existed throughout was seen.
    Whole,
    /// The list must be read again from its first page.
    Again,
    /// Entries may be missing, for this reason.
    Short(String),
}

impl ListReadings {
    /// The number of this reading, from 1.
    pub(super) fn number(&self) -> u32 {
        self.before + 1
    }

    /// Takes a page of it, which was answered at this time by the server's clock.
    pub(super) fn take(&mut self, found: &ListAnswer, date: Option<DateTime<Utc>>) {
        let now = &mut self.now;
        now.pages += 1;
        if now.pages == 1 {
            now.begun_at = date;
        }
        now.shown += found.entries.len() as u64;
        now.empty = if found.entries.is_empty() { now.empty + 1 } else { 0 };
        for entry in &found.entries {
            if now.met.insert(self.hashers.0.hash_one(entry)) {
                now.entries.count += 1;
                now.entries.digest = now.entries.digest.wrapping_add(self.hashers.1.hash_one(entry));
            }
        }
        now.total = match (now.total, found.total) {
            (told, None) => told,
            (Total::Untold, Some(total)) => Total::Told(total),
            (Total::Told(before), Some(total)) if before == total => Total::Told(total),
            _ => Total::Moved,
        };
        // A second of `Date` is what it takes to be sure: whatever was created in it may be older than the answer.
        let grown = now.begun_at.zip(found.newest).is_some_and(|(begun, newest)| newest >= begun);
        now.has_grown |= grown && now.pages > 1;
    }

    /// The page after the one that was taken last. A short page is no proof of the end, since a server may cap pages
    /// lower than we ask, and an empty one is none where the total says that there is more.
    pub(super) fn next(&self, ask: &PageRequest, found: &ListAnswer) -> Option<Url> {
        let is_more = found.total.map(|total| total > self.now.shown);
        let goes_on = match found.next {
            NextPage::At(ref url) => return Some(url.clone()),
            NextPage::None => is_more.unwrap_or_default(),
            NextPage::Unsaid => is_more.unwrap_or(!found.entries.is_empty()),
        };
        (goes_on && self.now.empty <= MOST_EMPTY)
            .then(|| Api::with_query(&ask.url, "page", &(ask.number + 1).to_string()))
    }

    /// After the last page of a reading.
    pub(super) fn end(&mut self) -> ReadingEnd {
        let now = std::mem::take(&mut self.now);
        let last = self.last.replace(now.entries);
        if now.is_sound() {
            return ReadingEnd::Whole;
        }
        if last == Some(now.entries) {
            match now.total {
                Total::Told(total) if total > now.shown => {
                    return ReadingEnd::Short(format!(
                        "the API counts {total} entries and shows {}, however often it is asked",
                        now.shown
                    ));
                }
                Total::Told(_) | Total::Untold => return ReadingEnd::Whole,
                Total::Moved => {}
            }
        }
        self.before += 1;
        if self.before < MOST_READINGS {
            return ReadingEnd::Again;
        }
        ReadingEnd::Short(format!(
            "the list changed each of the {MOST_READINGS} times that it was read: what was there throughout may be missing"
        ))
    }
}

impl ListReading {
    /// Whether no entry can have moved during the reading.
    fn is_sound(&self) -> bool {
        self.pages <= 1 || (self.total == Total::Told(self.entries.count) && !self.has_grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: impl IntoIterator<Item = u32>, total: Option<u64>) -> ListAnswer {
        ListAnswer {
            entries: entries.into_iter().map(|entry| entry.to_string()).collect(),
            total,
            ..ListAnswer::default()
        }
    }

    fn take(readings: &mut ListReadings, pages: &[ListAnswer]) -> ReadingEnd {
        for page in pages {
            readings.take(page, None);
        }
        readings.end()
    }

    /// What follows the second page, after a first with `before` entries.
    fn next(total: Option<u64>, before: u32, entries: u32) -> Option<String> {
        let url = Url::parse("https://a/x?page=2&q=%2F").expect("a URL");
        let ask = PageRequest { number: 2, ..PageRequest::first(url, "") };
        let mut readings = ListReadings::default();
        readings.take(&page(0..before, total), None);
        let second = page(1000..1000 + entries, total);
        readings.take(&second, None);
        readings.next(&ask, &second).map(String::from)
    }

    #[test]
    fn a_short_page_is_not_the_last_unless_the_total_says_so() {
        let third = Some("https://a/x?q=%2F&page=3".to_owned());
        assert_eq!(next(None, 100, 30), third);
        assert_eq!(next(None, 100, 0), None);
        assert_eq!(next(Some(130), 100, 30), None);
        assert_eq!(next(Some(200), 100, 100), None);
        assert_eq!(next(Some(201), 100, 100), third);
        // A server that gives 50 a page, whatever is asked.
        assert_eq!(next(Some(130), 50, 50), third);
        // An early empty page is not the end where the total says otherwise.
        assert_eq!(next(Some(130), 50, 0), third);
    }

    #[test]
    fn empty_pages_are_passed_over_two_in_a_row_and_no_more() {
        let ask = PageRequest::first(Url::parse("https://a/x?page=1").expect("a URL"), "");
        let mut readings = ListReadings::default();
        let goes_on: Vec<_> = (0..4)
            .map(|_| {
                let empty = page([], Some(u64::MAX));
                readings.take(&empty, None);
                readings.next(&ask, &empty).is_some()
            })
            .collect();
        assert_eq!(goes_on, [true, true, false, false]);
    }

    #[test]
    fn a_total_counts_before_a_link_that_is_missing() {
        let ask = PageRequest::first(Url::parse("https://a/x?page=1").expect("a URL"), "");
        let mut readings = ListReadings::default();
        let found = ListAnswer { next: NextPage::None, ..page(0..100, Some(101)) };
        readings.take(&found, None);
        assert!(readings.next(&ask, &found).is_some());
    }

    #[test]
    fn one_reading_is_enough_where_totals_stay_and_are_met() {
        assert_eq!(take(&mut ListReadings::default(), &[page(0..3, Some(5)), page(3..5, Some(5))]), ReadingEnd::Whole);
        assert_eq!(take(&mut ListReadings::default(), &[page(0..3, None)]), ReadingEnd::Whole);
        assert_eq!(take(&mut ListReadings::default(), &[page([], None)]), ReadingEnd::Whole);
    }

    #[test]
    fn a_total_that_changes_has_the_list_read_again() {
        let mut readings = ListReadings::default();
        // 0 is deleted after the first page: 3 moves to a page that has been read.
        assert_eq!(take(&mut readings, &[page(0..3, Some(6)), page(4..6, Some(5))]), ReadingEnd::Again);
        assert_eq!(readings.number(), 2);
        assert_eq!(take(&mut readings, &[page(1..4, Some(5)), page(4..6, Some(5))]), ReadingEnd::Whole);
    }

    #[test]
    fn fewer_entries_than_the_total_have_the_list_read_again() {
        // Deleted and created between pages: the total stays, and one of 6 came twice.
        let mut readings = ListReadings::default();
        assert_eq!(take(&mut readings, &[page(0..3, Some(6)), page([2, 4, 5], Some(6))]), ReadingEnd::Again);
    }

    #[test]
    fn an_entry_created_meanwhile_has_the_list_read_again() {
        let at = |second: i64| DateTime::from_timestamp(1_700_000_000 + second, 0);
        let reading = |readings: &mut ListReadings, begun, newest| {
            readings.take(&ListAnswer { newest: at(-900), ..page(0..3, Some(6)) }, at(begun));
            readings.take(&ListAnswer { newest: at(newest), ..page(4..7, Some(6)) }, at(begun + 1));
            readings.end()
        };
        assert_eq!(reading(&mut ListReadings::default(), 0, -1), ReadingEnd::Whole);
        let mut readings = ListReadings::default();
        assert_eq!(reading(&mut readings, 0, 0), ReadingEnd::Again);
        assert_eq!(reading(&mut readings, 2, 0), ReadingEnd::Whole);
    }

    #[test]
    fn without_a_total_two_readings_have_to_agree() {
        let mut readings = ListReadings::default();
        assert_eq!(take(&mut readings, &[page(0..3, None), page(4..6, None)]), ReadingEnd::Again);
        assert_eq!(take(&mut readings, &[page(1..4, None), page(4..6, None)]), ReadingEnd::Again);
        assert_eq!(take(&mut readings, &[page(1..4, None), page([5, 4], None)]), ReadingEnd::Whole);
    }

    #[test]
    fn a_list_that_never_rests_is_read_four_times() {
        let mut readings = ListReadings::default();
        let ends: Vec<_> = (0..4).map(|n| take(&mut readings, &[page(0..3, None), page([10 + n], None)])).collect();
        assert_eq!(ends[..3], [ReadingEnd::Again, ReadingEnd::Again, ReadingEnd::Again]);
        let ReadingEnd::Short(why) = &ends[3] else { panic!("{ends:?}") };
        assert!(why.contains("4 times"), "{why}");
    }

    #[test]
    fn a_total_that_is_never_met_is_told() {
        let mut readings = ListReadings::default();
        let pages = || [page(0..3, Some(9)), page([], Some(9))];
        assert_eq!(take(&mut readings, &pages()), ReadingEnd::Again);
        let ReadingEnd::Short(why) = take(&mut readings, &pages()) else { panic!("whole") };
        assert!(why.contains("counts 9 entries and shows 3"), "{why}");
    }
}
