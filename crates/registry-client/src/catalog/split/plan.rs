//! Which range of names is asked for next, and what of an answer belongs to whom. Pure: knows no HTTP and no clock.

use serde::{Deserialize, Serialize};

use crate::catalog::split::density::Density;
use crate::catalog::split::order::Orders;
use crate::model::names::Names;

/// What a cut costs, in half requests: one that brings nothing. If the new range turns out to be longer than a page, it is
/// half of that: where it ends, its last page is half full on average.
const CUT: usize = 2;
/// What may be spent on cuts before any has paid off, for each connection of the first 16.
const ADVANCE: usize = 2 * CUT;
/// And on one more for so many pages received: what a split walk may cost beyond a walk in one go.
const PAGES_PER_CUT: usize = 6;
/// A range is cut only into parts that are likely to be longer than this, in pages.
const SHORTEST: f64 = 1.5;

/// A page as a plan sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangePage<T> {
    pub(crate) names: Names,
    /// The `last` of its link; none on the last page.
    pub(crate) next: Option<String>,
    /// What else is on it.
    pub(crate) rest: T,
}

/// Why a list cannot be walked in ranges. What was listed so far is true all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitMisfit {
    #[error("its names are in no order we know, or it began again from its first page")]
    Order,
    #[error("its links are not the last name of the page")]
    Link,
    #[error("two ranges do not meet in the same name")]
    Seam,
    #[error("it refuses a `last` that is no name of its list")]
    Refused,
}

/// What a range listed first, whether or not that is its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum First {
    /// It has not answered yet.
    Unknown,
    Name(String),
    /// Nothing: the list ends before it.
    End,
}

/// A range as it is written into a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The key to ask for next, exclusive.
    pub(crate) after: String,
    /// Where the next range began; none: the last one.
    pub(crate) upto: Option<String>,
    pub(crate) first: First,
    /// Whether it has come to the end of the list.
    pub(crate) ended: bool,
}

#[derive(Debug)]
enum RangeState<T> {
    Ready,
    Asked,
    /// Answered, but whether all of it is the range's own is not known before the next range has answered.
    Held(RangePage<T>),
    /// At the end of the list; kept for the range before it to end there.
    Ended,
}

#[derive(Debug)]
struct Range<T> {
    id: u64,
    saved: Saved,
    state: RangeState<T>,
    /// Pages believed to remain. None until a full page has been received, and again when it was cut: an empty space
    /// would else be halved for ever.
    left: Option<f64>,
    /// Whether it is longer than a page.
    long: bool,
}

/// A request to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeRequest {
    /// The range's, for the answer.
    pub(crate) id: u64,
    /// The `last` to ask for.
    pub(crate) after: String,
}

/// The unfinished rest of a list, as ranges in its order; what lies between two of them has been listed.
#[derive(Debug)]
pub(crate) struct SplitPlan<T> {
    orders: Orders,
    density: Density,
    ranges: Vec<Range<T>>,
    ids: u64,
    most: usize,
    pages: usize,
    spent: usize,
}

impl<T> SplitPlan<T> {
    /// A plan for all that comes after `first..=last`, a full page, with at most so many requests at a time.
    pub(crate) fn new(orders: Orders, density: Density, (first, last): (&str, &str), most: usize) -> Self {
        // One page tells little: at first, there is work for everyone.
        #[allow(clippy::cast_precision_loss)] // the number of connections
        let left = density.pages_left(orders.any(), (first, last), None).max(SHORTEST * 2.0 * most as f64);
        let whole = Saved { after: last.to_owned(), upto: None, first: First::Unknown, ended: false };
        let mut plan = Self::resumed(vec![whole], most);
        plan.ranges[0].left = Some(left);
        Self { orders, density, ..plan }
    }

    /// A plan for what an earlier one left.
    pub(crate) fn resumed(saved: Vec<Saved>, most: usize) -> Self {
        let state = |ended| if ended { RangeState::Ended } else { RangeState::Ready };
        let ranges =
            (0..).zip(saved).map(|(id, saved)| Range { id, state: state(saved.ended), saved, left: None, long: true });
        let ranges: Vec<_> = ranges.collect();
        let ids = ranges.len() as u64;
        Self { orders: Orders::ALL, density: Density::default(), ranges, ids, most, pages: 0, spent: 0 }
    }

    /// The next request, if one more is of use now.
    pub(crate) fn ask(&mut self) -> Option<RangeRequest> {
        self.cut_for_the_idle();
        let range = self.ranges.iter_mut().find(|range| matches!(range.state, RangeState::Ready))?;
        range.state = RangeState::Asked;
        Some(RangeRequest { id: range.id, after: range.saved.after.clone() })
    }

    /// Takes an answer in. [`SplitPlan::take`] says what of it belongs to the list.
    pub(crate) fn answered(&mut self, id: u64, sheet: RangePage<T>) -> Result<(), SplitMisfit> {
        let Some(range) = self.ranges.iter_mut().find(|range| range.id == id) else { return Err(SplitMisfit::Seam) };
        let mut before = range.saved.after.as_str();
        for name in sheet.names.iter() {
            self.orders.note(before, name);
            before = name;
        }
        if self.orders.is_empty() {
            return Err(SplitMisfit::Order);
        }
        if sheet.next.as_ref().is_some_and(|next| sheet.names.is_empty() || next != before) {
            return Err(SplitMisfit::Link);
        }
        self.density.learn(&sheet.names);
        self.pages += 1;
        if range.saved.first == First::Unknown {
            let first = sheet.names.iter().next();
            range.saved.first = first.map_or(First::End, |name| First::Name(name.to_owned()));
        }
        range.state = RangeState::Held(sheet);
        Ok(())
    }

    /// A page of the list, without the names that another range lists; none until further answers are there.
    pub(crate) fn take(&mut self) -> Result<Option<RangePage<T>>, SplitMisfit> {
        for at in 0..self.ranges.len() {
            let RangeState::Held(sheet) = &self.ranges[at].state else { continue };
            let Some(share) = self.share(at, sheet)? else { continue };
            let RangeState::Held(mut sheet) = std::mem::replace(&mut self.ranges[at].state, RangeState::Ready) else {
                continue;
            };
            match share {
                Share::Before(len) => {
                    sheet.names.truncate(len);
                    self.met(at);
                }
                Share::Whole => self.advance(at, &sheet),
            }
            return Ok(Some(sheet));
        }
        Ok(None)
    }

    /// What of a held page is its range's own, if that can be told.
    ///
    /// The next range's first name decides, not an order: a list is whole if each range ends with the very name that
    /// follows the key at which the next one began. So nothing is lost even in an order that only looked like one of ours.
    fn share(&self, at: usize, sheet: &RangePage<T>) -> Result<Option<Share>, SplitMisfit> {
        let last = sheet.names.len().checked_sub(1).map(|last| &sheet.names[last]);
        let Some(following) = self.ranges.get(at + 1) else { return Ok(Some(Share::Whole)) };
        match &following.saved.first {
            First::Unknown => {
                let upto = self.ranges[at].saved.upto.as_deref();
                let within = upto.zip(last).is_some_and(|(upto, last)| upto == last || self.orders.before(last, upto));
                Ok((within && sheet.next.is_some()).then_some(Share::Whole))
            }
            First::Name(first) => {
                if let Some(last) = last
                    && !self.orders.before(last, first)
                {
                    if let Some(met) = sheet.names.iter().position(|name| name == first) {
                        return Ok(Some(Share::Before(met)));
                    }
                    if self.orders.before(first, last) {
                        return Err(SplitMisfit::Seam);
                    }
                }
                if sheet.next.is_none() { Err(SplitMisfit::Seam) } else { Ok(Some(Share::Whole)) }
            }
            First::End => Ok(Some(Share::Whole)),
        }
    }

    /// All of a page was its range's own.
    fn advance(&mut self, at: usize, sheet: &RangePage<T>) {
        let range = &mut self.ranges[at];
        let Some(last) = &sheet.next else {
            range.state = RangeState::Ended;
            range.left = None;
            if at + 1 < self.ranges.len() {
                self.met(at);
            } else if at == 0 {
                self.ranges.clear();
            }
            return;
        };
        range.saved.after.clone_from(last);
        if !std::mem::replace(&mut range.long, true) {
            self.spent -= CUT / 2;
        }
        if range.saved.upto.as_ref() == Some(last) {
            self.met(at);
        } else {
            let upto = range.saved.upto.as_deref();
            let seen = (&sheet.names[0], last.as_str());
            range.left = Some(self.density.pages_left(self.orders.any(), seen, upto));
        }
    }

    /// A range has come to where the next one began: they are one now.
    fn met(&mut self, at: usize) {
        let range = self.ranges.remove(at);
        self.ranges[at].saved.first = range.saved.first;
        if at == 0 && matches!(self.ranges[0].state, RangeState::Ended) {
            self.ranges.clear();
        }
    }

    /// Cuts ranges until there is a request for everyone who is idle, longest ranges first.
    fn cut_for_the_idle(&mut self) {
        loop {
            let busy =
                self.ranges.iter().filter(|range| matches!(range.state, RangeState::Ready | RangeState::Asked)).count();
            let budget = ADVANCE * self.most.min(16) + CUT * self.pages / PAGES_PER_CUT;
            let idle = self.most.saturating_sub(busy).min(budget.saturating_sub(self.spent) / CUT);
            let left = |range: &Range<T>| range.left.unwrap_or_default();
            let longest =
                (0..self.ranges.len()).max_by(|a, b| left(&self.ranges[*a]).total_cmp(&left(&self.ranges[*b])));
            let Some(longest) = longest.filter(|_| idle > 0) else { return };
            let total: f64 = self.ranges.iter().map(left).sum();
            let pages = left(&self.ranges[longest]);
            #[allow(clippy::cast_precision_loss)] // the number of connections
            let fair = (idle as f64 * pages / total).ceil();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most `idle`, and never negative
            let cuts = fair.min(pages / SHORTEST - 1.0).max(0.0) as usize;
            // Where most have nothing to do, what is believed may be wrong and is put to the test.
            let cuts = cuts.max(usize::from(idle > busy));
            if cuts == 0 || self.ranges[longest].left.is_none() {
                return;
            }
            self.cut(longest, cuts);
        }
    }

    fn cut(&mut self, at: usize, cuts: usize) {
        let range = &mut self.ranges[at];
        range.left = None;
        let saved = &mut range.saved;
        let keys = self.density.cuts(self.orders, &saved.after, saved.upto.as_deref(), cuts + 1);
        let Some(first) = keys.first() else { return };
        let end = saved.upto.replace(first.clone());
        self.spent += CUT * keys.len();
        let ends = keys.iter().skip(1).cloned().map(Some).chain([end]);
        let parts = keys.iter().zip(ends).zip(self.ids..).map(|((after, upto), id)| Range {
            id,
            saved: Saved { after: after.clone(), upto, first: First::Unknown, ended: false },
            state: RangeState::Ready,
            left: None,
            long: false,
        });
        let parts: Vec<_> = parts.collect();
        self.ids += parts.len() as u64;
        let after = at + 1;
        self.ranges.splice(after..after, parts);
    }

    /// The most requests at a time.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Whether all of the list has been taken.
    pub(crate) fn is_done(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The key up to which the list is whole: where a walk in one go can take over.
    pub(crate) fn certain(&self) -> Option<&str> {
        self.ranges.first().map(|range| range.saved.after.as_str())
    }

    /// What is left to do.
    pub(crate) fn saved(&self) -> Vec<Saved> {
        let ended = |range: &Range<T>| matches!(range.state, RangeState::Ended);
        self.ranges.iter().map(|range| Saved { ended: ended(range), ..range.saved.clone() }).collect()
    }
}

/// How much of a page belongs to its range.
enum Share {
    Whole,
    /// The names before this one; with it, the next range began.
    Before(usize),
}
