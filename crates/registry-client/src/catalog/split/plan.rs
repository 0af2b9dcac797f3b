//! Decides which range of names is requested next, and which names of an answer belong to which range. Pure: knows no
//! HTTP and no clock.

use serde::{Deserialize, Serialize};

use crate::catalog::split::density::Density;
use crate::catalog::split::order::Orders;
use crate::model::names::Names;

/// The cost of a cut in half requests, if the new range turns out to be empty. If it is longer than a page, the cost is
/// half of that: the last page of a range is half full on average.
const CUT: usize = 2;
/// The budget for cuts before any has paid off, for each of the first 16 connections.
const ADVANCE: usize = 2 * CUT;
/// One further cut is allowed for so many pages received. This bounds what reading in ranges costs more than reading
/// page by page.
const PAGES_PER_CUT: usize = 6;
/// A range is cut only into parts that are likely to be longer than this, in pages.
const SHORTEST: f64 = 1.5;

/// A page as the plan sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangePage<T> {
    pub(crate) names: Names,
    /// The `last` of its link; none on the last page.
    pub(crate) next: Option<String>,
    /// What else the page has.
    pub(crate) rest: T,
}

/// Why a list cannot be read in ranges. Names listed so far are correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitMisfit {
    #[error("its names are in no known order, or it began again at its first page")]
    Order,
    #[error("its links are not the last name of the page")]
    Link,
    #[error("two ranges do not meet in the same name")]
    Seam,
    #[error("it refuses a `last` that is not a name of its list")]
    Refused,
}

/// The first name of the first answer of a range, even if it belongs to the next range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum First {
    /// The range has had no answer yet.
    Unknown,
    Name(String),
    /// No name: the list ends before this range.
    End,
}

/// A range as it is saved in a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The `last` of the next request: the range continues after it.
    pub(crate) after: String,
    /// The key at which the next range began; none for the last range.
    pub(crate) upto: Option<String>,
    pub(crate) first: First,
    /// Whether the range has reached the end of the list.
    pub(crate) ended: bool,
}

#[derive(Debug)]
enum RangeState<T> {
    Ready,
    Asked,
    /// Answered. Whether all names belong to this range is not known before the next range has been answered.
    Held(RangePage<T>),
    /// The range has reached the end of the list. It is kept so that the range before it can end there.
    Ended,
}

#[derive(Debug)]
struct Range<T> {
    id: u64,
    saved: Saved,
    state: RangeState<T>,
    /// Estimated number of pages that remain. None until a full page has been received, and again after a cut:
    /// otherwise an empty part would be halved for ever.
    left: Option<f64>,
    /// Whether the range is longer than a page.
    long: bool,
}

/// A request to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeRequest {
    /// The ID of the range, for [`SplitPlan::answered`].
    pub(crate) id: u64,
    /// The `last` to ask for.
    pub(crate) after: String,
}

/// The unread rest of a list, as ranges in its order. Names between two ranges have been listed.
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
    /// A plan for all names after `first..=last`, a full page, with at most `most` requests at a time.
    pub(crate) fn new(orders: Orders, density: Density, (first, last): (&str, &str), most: usize) -> Self {
        // One page is too little for an estimate. At first there is enough work for all connections.
        #[allow(clippy::cast_precision_loss)] // the number of connections
        let left = density.pages_left(orders.any(), (first, last), None).max(SHORTEST * 2.0 * most as f64);
        let whole = Saved { after: last.to_owned(), upto: None, first: First::Unknown, ended: false };
        let mut plan = Self::resumed(vec![whole], most);
        plan.ranges[0].left = Some(left);
        Self { orders, density, ..plan }
    }

    /// A plan for the ranges that an earlier walk left.
    pub(crate) fn resumed(saved: Vec<Saved>, most: usize) -> Self {
        let state = |ended| if ended { RangeState::Ended } else { RangeState::Ready };
        let ranges =
            (0..).zip(saved).map(|(id, saved)| Range { id, state: state(saved.ended), saved, left: None, long: true });
        let ranges: Vec<_> = ranges.collect();
        let ids = ranges.len() as u64;
        Self { orders: Orders::ALL, density: Density::default(), ranges, ids, most, pages: 0, spent: 0 }
    }

    /// The next request, if another one is useful now.
    pub(crate) fn ask(&mut self) -> Option<RangeRequest> {
        self.cut_for_the_idle();
        let range = self.ranges.iter_mut().find(|range| matches!(range.state, RangeState::Ready))?;
        range.state = RangeState::Asked;
        Some(RangeRequest { id: range.id, after: range.saved.after.clone() })
    }

    /// Stores an answer. [`SplitPlan::take`] returns the names that belong to the list.
    pub(crate) fn answered(&mut self, id: u64, range_page: RangePage<T>) -> Result<(), SplitMisfit> {
        let Some(range) = self.ranges.iter_mut().find(|range| range.id == id) else { return Err(SplitMisfit::Seam) };
        let mut before = range.saved.after.as_str();
        for name in range_page.names.iter() {
            self.orders.note(before, name);
            before = name;
        }
        if self.orders.is_empty() {
            return Err(SplitMisfit::Order);
        }
        if range_page.next.as_ref().is_some_and(|next| range_page.names.is_empty() || next != before) {
            return Err(SplitMisfit::Link);
        }
        self.density.learn(&range_page.names);
        self.pages += 1;
        if range.saved.first == First::Unknown {
            let first = range_page.names.iter().next();
            range.saved.first = first.map_or(First::End, |name| First::Name(name.to_owned()));
        }
        range.state = RangeState::Held(range_page);
        Ok(())
    }

    /// A page of the list, without the names that another range lists. None until further answers have arrived.
    pub(crate) fn take(&mut self) -> Result<Option<RangePage<T>>, SplitMisfit> {
        for at in 0..self.ranges.len() {
            let RangeState::Held(range_page) = &self.ranges[at].state else { continue };
            let Some(share) = self.share(at, range_page)? else { continue };
            let RangeState::Held(mut range_page) = std::mem::replace(&mut self.ranges[at].state, RangeState::Ready)
            else {
                continue;
            };
            match share {
                Share::Before(len) => {
                    range_page.names.truncate(len);
                    self.met(at);
                }
                Share::Whole => self.advance(at, &range_page),
            }
            return Ok(Some(range_page));
        }
        Ok(None)
    }

    /// How much of a held page belongs to its range, if that is known.
    ///
    /// The first name of the next range decides, and not an order: the list is complete if each range ends with the
    /// very name that follows the key at which the next range began. So no name is lost even if the list only seemed to
    /// have a known order.
    fn share(&self, at: usize, range_page: &RangePage<T>) -> Result<Option<Share>, SplitMisfit> {
        let last = range_page.names.len().checked_sub(1).map(|last| &range_page.names[last]);
        let Some(following) = self.ranges.get(at + 1) else { return Ok(Some(Share::Whole)) };
        match &following.saved.first {
            First::Unknown => {
                let upto = self.ranges[at].saved.upto.as_deref();
                let within = upto.zip(last).is_some_and(|(upto, last)| upto == last || self.orders.before(last, upto));
                Ok((within && range_page.next.is_some()).then_some(Share::Whole))
            }
            First::Name(first) => {
                if let Some(last) = last
                    && !self.orders.before(last, first)
                {
                    if let Some(met) = range_page.names.iter().position(|name| name == first) {
                        return Ok(Some(Share::Before(met)));
                    }
                    if self.orders.before(first, last) {
                        return Err(SplitMisfit::Seam);
                    }
                }
                if range_page.next.is_none() { Err(SplitMisfit::Seam) } else { Ok(Some(Share::Whole)) }
            }
            First::End => Ok(Some(Share::Whole)),
        }
    }

    /// All of the page belonged to its range: the range continues after it.
    fn advance(&mut self, at: usize, range_page: &RangePage<T>) {
        let range = &mut self.ranges[at];
        let Some(last) = &range_page.next else {
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
            let seen = (&range_page.names[0], last.as_str());
            range.left = Some(self.density.pages_left(self.orders.any(), seen, upto));
        }
    }

    /// A range has reached the first name of the next one: they become one range.
    fn met(&mut self, at: usize) {
        let range = self.ranges.remove(at);
        self.ranges[at].saved.first = range.saved.first;
        if at == 0 && matches!(self.ranges[0].state, RangeState::Ended) {
            self.ranges.clear();
        }
    }

    /// Cuts ranges, the longest first, until there is a request for each idle connection.
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
            // If most connections are idle, the estimate may be wrong; one cut tests it.
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

    /// Most requests at a time.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Whether the whole list has been taken.
    pub(crate) fn is_done(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The key up to which the list is complete: reading page by page can continue after it.
    pub(crate) fn certain(&self) -> Option<&str> {
        self.ranges.first().map(|range| range.saved.after.as_str())
    }

    /// The ranges that are left, for a cursor.
    pub(crate) fn saved(&self) -> Vec<Saved> {
        let ended = |range: &Range<T>| matches!(range.state, RangeState::Ended);
        self.ranges.iter().map(|range| Saved { ended: ended(range), ..range.saved.clone() }).collect()
    }
}

/// How much of a page belongs to its range.
enum Share {
    Whole,
    /// The names before this index. The name at it is the first of the next range.
    Before(usize),
}
