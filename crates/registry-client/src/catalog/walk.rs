//! The catalog, page by page: follows the links, notices if they repeat or one is missing, and fetches one page ahead.
//! If the first pages allow it, the rest is read in ranges (`catalog::ranges`). Names are neither sorted nor
//! deduplicated.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use futures::stream::{BoxStream, StreamExt, unfold};
use hyper::StatusCode;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use url::Url;

use crate::access::authorized::Authorized;
use crate::access::session::Session;
use crate::catalog::end_notes::EndNotes;
use crate::catalog::ranges::{Ranges, RangesEnd};
use crate::catalog::split::probe::SplitProbe;
use crate::catalog::split::saved::SavedPlan;
use crate::catalog::state::{CatalogWalk, Fetched, ReceivedPage, check, take_permit};
use crate::http::call::HttpAnswer;
use crate::http::origin::same_origin;
use crate::http::written_url::written_url;
use crate::model::page::Cursor;
use crate::paging::end_detector::{EndDetector, repeats_request};
use crate::paging::key::{with_key, with_size};
use crate::paging::link::following;
use crate::paging::loop_guard::{ListBounds, LoopGuard};
use crate::paging::page::read_page;
use crate::paging::size_limit::{may_be_about_size, smaller_size};
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::problem::link::LinkError;
use crate::settings::Split;

/// The stream of pages. Its task fetches a page only with a permit. There is one permit at the start, and another each
/// time the consumer asks for a page, so that exactly one page is fetched while the consumer uses another.
pub(crate) fn pages(client: Arc<Authorized>, bounds: ListBounds, from: Option<Cursor>) -> BoxStream<'static, Fetched> {
    let start = CatalogStream {
        client: Some((client, bounds, from)),
        tasks: JoinSet::new(),
        pages: None,
        permits: Arc::new(Semaphore::new(1)),
    };
    unfold(start, |mut reader| async { reader.next().await.map(|page| (page, reader)) }).boxed()
}

struct CatalogStream {
    client: Option<(Arc<Authorized>, ListBounds, Option<Cursor>)>,
    /// The task of the walk, and a task that renews tokens so that no page waits for one. Both are aborted when this is
    /// dropped.
    tasks: JoinSet<()>,
    pages: Option<mpsc::Receiver<Fetched>>,
    permits: Arc<Semaphore>,
}

impl CatalogStream {
    async fn next(&mut self) -> Option<Fetched> {
        if let Some((client, bounds, from)) = self.client.take() {
            let (sender, receiver) = mpsc::channel(2);
            let renewer = client.clone();
            self.tasks.spawn(async move { renewer.tokens.keep_fresh(CancellationToken::new()).await });
            let permits = self.permits.clone();
            self.tasks.spawn(async move {
                if let Err(error) = fetch_all(&client, bounds, from, &sender, &permits).await {
                    // If the consumer has dropped the stream, the error is of no use.
                    let _ = sender.send(Err(error)).await;
                }
            });
            self.pages = Some(receiver);
        }
        self.permits.add_permits(1);
        let page = self.pages.as_mut()?.recv().await;
        match &page {
            Some(Ok(page)) if !page.last => {}
            Some(_) => self.pages = None,
            None => {
                // A task that ended without a last page has panicked. If the stream just ended, the catalog would seem
                // complete.
                if let Some(Err(error)) = self.tasks.join_next().await
                    && error.is_panic()
                {
                    resume_unwind(error.into_panic());
                }
            }
        }
        page
    }
}

async fn fetch_all(
    client: &Authorized,
    bounds: ListBounds,
    from: Option<Cursor>,
    sender: &mpsc::Sender<Fetched>,
    permits: &Semaphore,
) -> Result<(), RegistryError> {
    take_permit(permits).await;
    let begun = Instant::now();
    let session = Session::open(client).await?;
    let small = begun.elapsed();
    let loop_guard = LoopGuard::new(bounds);
    let end_detector = EndDetector::new(client.kind().is_some_and(|kind| kind.habits().pages_by_cursor));
    let walk = CatalogWalk { client, session, loop_guard, end_detector, number: 0, sender, permits };
    let ended = walk.from(from, small).await;
    // An error ends the walk, so this is called once at most.
    ended.inspect_err(|error| client.transport.observer.page(Err(error.fault())))
}

impl CatalogWalk<'_> {
    async fn from(mut self, from: Option<Cursor>, small: Duration) -> Result<(), RegistryError> {
        let client = self.client;
        let (url, answer) = match from.as_ref().map(|cursor| (cursor, SavedPlan::read(&cursor.0))) {
            Some((_, Some(rest))) => return self.resume(rest).await,
            Some((cursor, None)) => {
                let (url, answer) = resumed_page(&mut self.session, client, &cursor.0).await?;
                self.end_detector = self.end_detector.resumed(&url);
                if self.is_certain_end(&url, &answer).await? {
                    return self.in_one(url, answer, None, true).await.map(|_| ());
                }
                (url, answer)
            }
            None => first_page(&mut self.session, client).await?,
        };
        self.follow(url, answer, small).await
    }

    /// Reads from a first page to the end, in ranges if the probe allows it.
    async fn follow(mut self, url: Url, answer: HttpAnswer, small: Duration) -> Result<(), RegistryError> {
        let pays = !self.client.kind().is_some_and(|kind| kind.habits().walks_to_each_page);
        let wanted = match self.client.settings.split {
            Split::Auto => pays,
            Split::Always => true,
            Split::Off => false,
        };
        let can_split = wanted && self.most() > 1;
        let split_probe = can_split.then(|| SplitProbe::new(self.client.settings.split, small));
        match self.in_one(url, answer, split_probe, false).await? {
            None => Ok(()),
            Some((split_probe, link)) => {
                let plan = split_probe.plan(self.most());
                let ended = Ranges::new(&mut self, plan, link).run().await?;
                self.finish(ended).await
            }
        }
    }

    /// Reads the ranges that an earlier walk left; one after the other if splitting is now off.
    async fn resume(mut self, rest: SavedPlan) -> Result<(), RegistryError> {
        let most = if self.client.settings.split == Split::Off { 1 } else { self.most() };
        let unusable = || RegistryError::new(Step::Page(1), Problem::Link(LinkError::NotAUrl));
        let (link, plan) = rest.plan(most).ok_or_else(unusable)?;
        let first = with_key(&link, plan.certain().unwrap_or_default());
        let (url, answer) = resumed_page(&mut self.session, self.client, first.as_str()).await?;
        self.end_detector = self.end_detector.resumed(&url);
        let ended = Ranges::new(&mut self, plan, link).resume(&answer).await?;
        self.finish(ended).await
    }

    /// After ranges that did not fit: reads page by page to the end. Pages may repeat names that ranges have listed.
    async fn finish(mut self, ended: RangesEnd) -> Result<(), RegistryError> {
        let RangesEnd::From(url) = ended else { return Ok(()) };
        take_permit(self.permits).await;
        let answer = self.session.next(&url, &Step::Page(self.number + 1)).await?;
        self.in_one(url, answer, None, true).await.map(|_| ())
    }

    fn most(&self) -> usize {
        self.client.settings.concurrency.get()
    }

    /// Reads page after page by their links, to the end. With a probe, stops where the rest can be read in ranges.
    async fn in_one(
        &mut self,
        mut url: Url,
        mut answer: HttpAnswer,
        mut split_probe: Option<SplitProbe>,
        again: bool,
    ) -> Result<Option<(SplitProbe, Url)>, RegistryError> {
        let mut took = Duration::ZERO;
        let mut probe_now = false;
        let mut again_now = again;
        loop {
            self.number += 1;
            let number = self.number;
            let at_step = |problem| RegistryError::new(Step::Page(number), problem);
            check(&answer, number).map_err(at_step)?;
            let reported = |error| at_step(self.client.transport.reported(Problem::Link(error)));
            let next = following(&answer, &url, self.client.repairs_links()).map_err(reported)?;
            let next = next.filter(|next| !ends_with(&answer, next, &url));
            self.loop_guard.enter(&url, number).map_err(at_step)?;
            if let Some(next) = &next {
                self.loop_guard.leads_on(next).map_err(at_step)?;
            }
            let received = ReceivedPage { answer: &answer, number, again: again_now };
            let Some(following) = next else {
                split_probe = None;
                // The page that is requested instead of a link may begin with names that were listed.
                again_now = true;
                match self.unlinked(&url, received).await? {
                    None => return Ok(None),
                    Some(page) => (url, answer) = page,
                }
                continue;
            };
            let (client, session, permits) = (self.client, &self.session, self.permits);
            let deliver = async {
                let listed = received.read(client, &mut self.loop_guard)?;
                self.end_detector.linked(&listed, &following);
                if let Some(noting) = &mut split_probe
                    && let Err(why) = noting.note(&listed.names, listed.invalid_count, &following)
                {
                    debug!(why, "the catalog is not split");
                    split_probe = None;
                }
                received.deliver(listed, Some(&following), EndNotes::default(), self.sender).await;
                Ok::<_, RegistryError>(())
            };
            let fetch = async {
                take_permit(permits).await;
                let begun = Instant::now();
                let answer = session.next(&following, &Step::Page(number + 1)).await;
                (answer, begun.elapsed())
            };
            let fetched = if std::mem::take(&mut probe_now) {
                deliver.await?;
                if let Some(split_probe) = split_probe.take()
                    && probe(session, &following, &split_probe, took).await
                {
                    return Ok(Some((split_probe, following.clone())));
                }
                fetch.await
            } else {
                // If there is a permit, the next request is sent before this page is parsed.
                let (fetched, delivered) = join(fetch, deliver).await;
                delivered?;
                fetched
            };
            again_now = again;
            took = fetched.1;
            answer = fetched.0?;
            url = following;
            // The page that has arrived is sent to the consumer first.
            probe_now = split_probe.as_mut().is_some_and(|split_probe| split_probe.is_worth_a_probe(took));
        }
    }
}

/// Whether the link of a page only says that the list has ended.
fn ends_with(answer: &HttpAnswer, next: &Url, requested: &Url) -> bool {
    repeats_request(next, requested) && read_page(&answer.body).is_ok_and(|listed| listed.entries() == 0)
}

/// Whether the server finds the place of a key that is not a name, and whether that takes as long as a page.
async fn probe(session: &Session<'_>, link: &Url, split_probe: &SplitProbe, page: Duration) -> bool {
    let Some(probe) = split_probe.probe() else { return false };
    let url = with_size(&with_key(link, &probe.after), 1);
    let begun = Instant::now();
    let answer = session.next(&url, &Step::Page(0)).await;
    let small = begun.elapsed();
    let listed = answer.ok().filter(|answer| answer.status == StatusCode::OK);
    let listed = listed.and_then(|answer| read_page(&answer.body).ok());
    let knows = listed.is_some_and(|listed| listed.names.iter().next() == Some(&probe.expected));
    let pays = split_probe.pays(page, small);
    debug!(knows, pays, page_ms = page.as_millis(), small_ms = small.as_millis(), "whether to split the catalog");
    knows && pays
}

/// The first page: requested in the configured size, then in a smaller one, then without a size. If it is refused in
/// every size, the first answer is returned.
async fn first_page(session: &mut Session<'_>, client: &Authorized) -> Result<(Url, HttpAnswer), RegistryError> {
    let mut size = Some(client.settings.page_size.get());
    let mut refused = None;
    loop {
        let mut url = client.api("/v2/_catalog");
        if let Some(size) = size {
            url.query_pairs_mut().append_pair("n", &size.to_string());
        }
        let answer = session.first(&url, &Step::Page(1)).await?;
        if !may_be_about_size(&answer) {
            return Ok((url, answer));
        }
        debug!(size, status = answer.status.as_u16(), "a page of this size is refused");
        let smaller = size.map(|size| smaller_size(size, &answer));
        let first = refused.unwrap_or((url, answer));
        match smaller {
            Some(smaller) => (size, refused) = (smaller, Some(first)),
            None => return Ok(first),
        }
    }
}

/// The page that an earlier walk would have fetched next. The client itself wrote the cursor, but a cursor for another
/// origin is still refused.
async fn resumed_page(
    session: &mut Session<'_>,
    client: &Authorized,
    cursor: &str,
) -> Result<(Url, HttpAnswer), RegistryError> {
    let url = written_url(cursor).filter(|url| same_origin(url, &client.settings.url));
    let url = url.ok_or_else(|| RegistryError::new(Step::Page(1), Problem::Link(LinkError::OtherOrigin)))?;
    let answer = session.first(&url, &Step::Page(1)).await?;
    Ok((url, answer))
}
