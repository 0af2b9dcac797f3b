//! Whether a catalog can be read in ranges, and whether that is faster: decided by its first pages and one small
//! request.

use std::time::Duration;

use url::Url;

use crate::catalog::split::density::Density;
use crate::catalog::split::order::Orders;
use crate::catalog::split::plan::SplitPlan;
use crate::model::names::Names;
use crate::paging::key::{key_of, same_but_key};
use crate::settings::Split;

/// Full pages that are read before a catalog is split. A smaller registry is read sooner than it is split.
const PAGES: usize = 3;
/// If a page takes less time than this, reading several at once gains too little.
const QUICK: Duration = Duration::from_millis(5);
/// If a page takes this many times as long as a small answer, the server's work is what it costs. docker-registry walks
/// its tree from the root up to the page, so its pages take longer and longer; several at once would only share its
/// processor.
const WORK: u32 = 2;

/// What the first pages show.
#[derive(Debug)]
pub(crate) struct SplitProbe {
    split: Split,
    /// The time of the quickest answer so far. The first answer includes connecting, so its time may be too long.
    small: Duration,
    orders: Orders,
    density: Density,
    pages: usize,
    size: usize,
    link: Option<Url>,
    last: Names,
}

/// A request with a known result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyProbe {
    /// A key that is not a name of the list.
    pub(crate) after: String,
    /// The first name after the key.
    pub(crate) expected: String,
}

impl SplitProbe {
    /// Begins with the time that a small answer took.
    pub(crate) fn new(split: Split, small: Duration) -> Self {
        let (orders, density) = (Orders::ALL, Density::default());
        Self { split, small, orders, density, pages: 0, size: 0, link: None, last: Names::default() }
    }

    /// Notes a page that is not the last one.
    ///
    /// # Errors
    /// The reason why the catalog cannot be split, for the log.
    pub(crate) fn note(&mut self, names: &Names, invalid: u64, next: &Url) -> Result<(), &'static str> {
        let mut before = self.last.len().checked_sub(1).map_or("", |last| &self.last[last]);
        for name in names.iter() {
            self.orders.note(before, name);
            before = name;
        }
        if self.orders.is_empty() {
            return Err("names are in no known order");
        }
        if key_of(next).is_none_or(|key| key != before || key.is_empty()) {
            return Err("links are not the last name of the page");
        }
        if self.link.as_ref().is_some_and(|link| !same_but_key(link, next)) {
            return Err("links differ in more than the last name");
        }
        if invalid > 0 || names.len() < 2 || (self.pages > 0 && names.len() != self.size) {
            return Err("pages are not full");
        }
        self.density.learn(names);
        self.pages += 1;
        self.size = names.len();
        self.link = Some(next.clone());
        self.last = names.clone();
        Ok(())
    }

    /// Whether a probe is worthwhile after a page that took so long and may not have been noted yet.
    pub(crate) fn is_worth_a_probe(&mut self, page: Duration) -> bool {
        self.small = self.small.min(page);
        self.pages >= PAGES && is_worth_it(self.split, page, self.small)
    }

    /// A key between two names of the last page.
    pub(crate) fn probe(&self) -> Option<KeyProbe> {
        (self.last.len() / 2..self.last.len() - 1).find_map(|at| {
            let (name, expected) = (&self.last[at], &self.last[at + 1]);
            let after = format!("{name}0");
            let between = self.orders.before(name, &after) && self.orders.before(&after, expected);
            between.then(|| KeyProbe { after, expected: expected.to_owned() })
        })
    }

    /// Whether splitting is faster, after the time of a small answer has been measured.
    pub(crate) fn pays(&self, page: Duration, small: Duration) -> bool {
        is_worth_it(self.split, page, small)
    }

    /// The plan for all names after the last page.
    pub(crate) fn plan<T>(self, most: usize) -> SplitPlan<T> {
        let page = (&self.last[0], &self.last[self.last.len() - 1]);
        SplitPlan::new(self.orders, self.density, page, most)
    }
}

fn is_worth_it(split: Split, page: Duration, small: Duration) -> bool {
    match split {
        Split::Always => true,
        Split::Off => false,
        Split::Auto => page >= QUICK && page <= small * WORK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_latency_is_worth_splitting_for() {
        for (page, small, worth) in [
            (21, 20, true),
            (39, 20, true),
            (41, 20, false),
            (6, 5, true),
            (4, 4, false),
            (1, 0, false),
            // docker-registry next door, and far away with many repositories.
            (36, 1, false),
            (200, 40, false),
        ] {
            let of = |split| is_worth_it(split, Duration::from_millis(page), Duration::from_millis(small));
            assert_eq!((of(Split::Auto), of(Split::Always), of(Split::Off)), (worth, true, false), "{page} {small}");
        }
    }

    type Pages<'a> = &'a [(&'a [&'a str], &'a str)];

    fn noted(pages: Pages<'_>) -> Result<(), &'static str> {
        let mut scout = SplitProbe::new(Split::Auto, Duration::ZERO);
        pages.iter().try_for_each(|(names, query)| {
            let next = Url::parse(&format!("http://r.example/v2/_catalog?{query}")).expect("a URL");
            scout.note(&names.iter().copied().collect(), 0, &next)
        })
    }

    #[test]
    fn ordered_pages_with_links_of_their_last_names_qualify_and_no_others() {
        let cases: [(Pages<'_>, bool); 9] = [
            (&[(&["a", "b/c"], "last=b%2Fc&n=2"), (&["c", "d"], "last=d&n=2")], true),
            (&[(&["a", "b"], "n=2&next_page=gAAA")], false),
            (&[(&["a", "b"], "last=2&n=2")], false),
            (&[(&["a", "b"], "last=b&n=2"), (&["b", "c"], "last=c&n=2")], false),
            (&[(&["b", "a"], "last=a&n=2")], false),
            (&[(&["a/b", "a-b"], "last=a-b"), (&["b-c", "b/c"], "last=b%2Fc")], false),
            (&[(&["a", "b"], "last=b&page=1"), (&["c", "d"], "last=d&page=2")], false),
            (&[(&["a", "b"], "last=b"), (&["c"], "last=c")], false),
            (&[(&[], "last=")], false),
        ];
        for (pages, qualify) in cases {
            assert_eq!(noted(pages).is_ok(), qualify, "{pages:?}");
        }
    }

    #[test]
    fn the_probe_lies_between_two_names_in_every_order() {
        let mut scout = SplitProbe::new(Split::Always, Duration::ZERO);
        let next = Url::parse("http://r.example/v2/_catalog?last=b0").expect("a URL");
        let names: Names = ["a", "a/x", "b", "b/x", "b/y", "b0"].into_iter().collect();
        scout.note(&names, 0, &next).expect("fits");
        assert_eq!(scout.probe(), Some(KeyProbe { after: "b/x0".into(), expected: "b/y".into() }));
    }
}
