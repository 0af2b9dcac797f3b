//! Reads a catalog in ranges: requests what the plan asks for, several pages at once, and returns the pages that the
//! plan confirms. The plan itself, `catalog::split`, knows no HTTP.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use futures::stream::{FuturesUnordered, StreamExt};
use tracing::{debug, info};
use url::Url;

use crate::catalog::split::plan::{RangePage, RangeRequest, SplitMisfit, SplitPlan};
use crate::catalog::split::saved::SavedPlan;
use crate::catalog::state::{CatalogWalk, check, take_permit};
use crate::clock;
use crate::http::call::HttpAnswer;
use crate::model::page::{Cursor, Page};
use crate::paging::end_detector::repeats_request;
use crate::paging::key::{key_of, same_but_key, with_key};
use crate::paging::link::following;
use crate::paging::page::read_page;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};

/// What a page of a range has besides its names.
#[derive(Debug)]
pub(crate) struct RangePageRest {
    invalid: Vec<String>,
    invalid_at: Vec<u32>,
    received_at: DateTime<Utc>,
}

/// How reading in ranges ended.
pub(crate) enum RangesEnd {
    /// The list has been read to its end.
    Whole,
    /// The list cannot be read in ranges. It is complete up to this page, from which it is read page by page.
    From(Url),
}

/// Why the plan does not use an answer.
enum RejectedPage {
    Misfit(SplitMisfit),
    Error(RegistryError),
}

/// The state of a catalog that is read in ranges.
pub(crate) struct Ranges<'w, 'a> {
    walk: &'w mut CatalogWalk<'a>,
    plan: SplitPlan<RangePageRest>,
    /// The URL of any page of the list; its `last` is replaced.
    link: Url,
    /// Pages that the plan has confirmed and that have not been sent to the consumer.
    ready: VecDeque<Page>,
    asked: u64,
}

impl<'w, 'a> Ranges<'w, 'a> {
    pub(crate) fn new(walk: &'w mut CatalogWalk<'a>, plan: SplitPlan<RangePageRest>, link: Url) -> Self {
        let asked = walk.number;
        Self { walk, plan, link, ready: VecDeque::new(), asked }
    }

    /// Uses the answer to the first request of a walk that continues from a cursor, then reads the rest.
    pub(crate) async fn resume(mut self, answer: &HttpAnswer) -> Result<RangesEnd, RegistryError> {
        self.asked += 1;
        if let Some(ask) = self.plan.ask()
            && let Err(rejected) = self.take_in(&ask, self.asked, answer)
        {
            return self.end_early(rejected).await;
        }
        self.run().await
    }

    /// Reads until the list ends or turns out not to fit. No request is sent while the confirmed pages and the requests
    /// in flight together are twice as many as may be in flight.
    pub(crate) async fn run(mut self) -> Result<RangesEnd, RegistryError> {
        let (session, permits) = (self.walk.session.clone(), self.walk.permits);
        let mut under_way = FuturesUnordered::new();
        loop {
            let most = self.plan.most();
            while under_way.len() < most
                && under_way.len() + self.ready.len() < 2 * most
                && let Some(ask) = self.plan.ask()
            {
                self.asked += 1;
                let (url, number, session) = (with_key(&self.link, &ask.after), self.asked, &session);
                under_way.push(async move { (ask, number, session.next(&url, &Step::Page(number)).await) });
            }
            tokio::select! {
                biased;
                Some((ask, number, answer)) = under_way.next() => {
                    let answer = match answer {
                        Ok(answer) => answer,
                        Err(error) => return self.end_early(RejectedPage::Error(error)).await,
                    };
                    if let Err(rejected) = self.take_in(&ask, number, &answer) {
                        return self.end_early(rejected).await;
                    }
                }
                () = take_permit(permits), if !self.ready.is_empty() => self.deliver().await,
                else => break,
            }
        }
        // No request is in flight and the plan has none to send. If the plan is not complete, ending here would lose
        // names.
        if self.plan.is_done() {
            Ok(RangesEnd::Whole)
        } else {
            self.end_early(RejectedPage::Misfit(SplitMisfit::Seam)).await
        }
    }

    async fn deliver(&mut self) {
        let Some(mut page) = self.ready.pop_front() else { return };
        self.walk.number += 1;
        page.number = self.walk.number;
        debug!(page = page.number, names = page.names.len(), last = page.last, "page of a range");
        // The consumer has dropped the stream; this task is about to be aborted.
        let _ = self.walk.sender.send(Ok(page)).await;
    }

    /// Ends before the list is complete. Pages that the plan has confirmed are correct and are sent first.
    async fn end_early(mut self, rejected: RejectedPage) -> Result<RangesEnd, RegistryError> {
        while !self.ready.is_empty() {
            take_permit(self.walk.permits).await;
            self.deliver().await;
        }
        let misfit = match rejected {
            RejectedPage::Error(error) => return Err(error),
            RejectedPage::Misfit(misfit) => misfit,
        };
        let registry = &self.walk.client.settings.name;
        info!(%registry, %misfit, "{registry}: the rest of the catalog is read page by page and not in ranges: {misfit}");
        Ok(self.plan.certain().map_or(RangesEnd::Whole, |key| RangesEnd::From(with_key(&self.link, key))))
    }

    fn take_in(&mut self, ask: &RangeRequest, number: u64, answer: &HttpAnswer) -> Result<(), RejectedPage> {
        let range_page = self.range_page(ask, number, answer)?;
        self.plan.answered(ask.id, range_page).map_err(RejectedPage::Misfit)?;
        while let Some(range_page) = self.plan.take().map_err(RejectedPage::Misfit)? {
            let last = self.plan.is_done();
            let upto = range_page.names.len();
            let RangePageRest { mut invalid, invalid_at, received_at } = range_page.rest;
            // Two ranges may both count the invalid names right before the name at which the next range began.
            let own = invalid_at.iter().filter(|at| **at as usize <= upto).count();
            invalid.truncate(own);
            if upto == 0 && own == 0 && !last {
                continue;
            }
            let cursor = (!last).then(|| Cursor(SavedPlan::new(&self.link, &self.plan).text()));
            let (names, invalid_count) = (range_page.names, own as u64);
            self.ready.push_back(Page {
                number: 0,
                names,
                invalid,
                invalid_count,
                received_at,
                last,
                cursor,
                proven_new: true,
                shortfalls: Vec::new(),
                remarks: Vec::new(),
            });
        }
        Ok(())
    }

    fn range_page(
        &mut self,
        ask: &RangeRequest,
        number: u64,
        answer: &HttpAnswer,
    ) -> Result<RangePage<RangePageRest>, RejectedPage> {
        let at_step = |problem| RejectedPage::Error(RegistryError::new(Step::Page(number), problem));
        if matches!(answer.status.as_u16(), 400 | 404) {
            debug!(range = ask.id, status = answer.status.as_u16(), "a range is refused");
            return Err(RejectedPage::Misfit(SplitMisfit::Refused));
        }
        check(answer, number).map_err(at_step)?;
        let url = with_key(&self.link, &ask.after);
        let transport = &self.walk.client.transport;
        let next = following(answer, &url, self.walk.client.repairs_links())
            .map_err(|error| at_step(transport.reported(Problem::Link(error))))?;
        let listed = read_page(&answer.body).map_err(|error| at_step(error.into()))?;
        let entries = listed.entries();
        let next = match next.filter(|link| entries > 0 || !repeats_request(link, &url)) {
            Some(link) if !same_but_key(&link, &self.link) => return Err(RejectedPage::Misfit(SplitMisfit::Link)),
            Some(link) => {
                self.walk.end_detector.linked(&listed, &link);
                Some(key_of(&link).ok_or(RejectedPage::Misfit(SplitMisfit::Link))?)
            }
            // Without the link, the range continues after the last name of the page, as a link would. If the list has
            // ended, the answer is empty.
            None if self.walk.end_detector.is_full(&url, entries) => {
                debug!(range = ask.id, "a full page has no link: the range continues after its last name");
                Some(listed.last().ok_or(RejectedPage::Misfit(SplitMisfit::Link))?.to_owned())
            }
            None => None,
        };
        // Names are in order, so a range cannot repeat itself; only its length is checked.
        self.walk.loop_guard.count(&listed, number).map_err(at_step)?;
        self.walk.client.transport.page_received();
        let invalid = listed.invalid.into_iter().map(|name| answer.sent.shown(name)).collect();
        let rest = RangePageRest { invalid, invalid_at: listed.invalid_at, received_at: clock::now() };
        Ok(RangePage { names: listed.names, next, rest })
    }
}
