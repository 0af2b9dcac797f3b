//! The catalog, page by page: follows the links, notices when they go in circles or one is missing, and fetches one page
//! ahead. Where the first pages allow it, the rest is walked as ranges (`ranges`). It neither sorts nor deduplicates names: whoever walks the
//! registry does.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use futures::stream::{BoxStream, StreamExt, unfold};
use reqwest::StatusCode;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use url::Url;

use crate::access::authorized::Authorized;
use crate::access::session::Session;
use crate::catalog::doubts::Doubts;
use crate::catalog::ranges::{Ranges, RangesEnd};
use crate::catalog::split::probe::SplitProbe;
use crate::catalog::split::saved::SavedPlan;
use crate::catalog::state::{CatalogWalk, Fetched, ReceivedPage, check, granted};
use crate::http::call::HttpAnswer;
use crate::http::origin::same_origin;
use crate::http::said::has_code;
use crate::model::page::Cursor;
use crate::paging::end_detector::{EndDetector, leads_nowhere};
use crate::paging::key::{with_key, with_size};
use crate::paging::link::following;
use crate::paging::loop_guard::{ListBounds, LoopGuard};
use crate::paging::page::{MODEST, read_page};
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::problem::link::LinkError;
use crate::settings::Split;

/// The stream of pages. Its task asks for a page only with leave: one is given ahead, and one more each time the
/// consumer wants a page, so that exactly one page is fetched while another is looked at.
pub(crate) fn pages(client: Arc<Authorized>, bounds: ListBounds, from: Option<Cursor>) -> BoxStream<'static, Fetched> {
    let start = CatalogStream {
        client: Some((client, bounds, from)),
        tasks: JoinSet::new(),
        pages: None,
        leave: Arc::new(Semaphore::new(1)),
    };
    unfold(start, |mut reader| async { reader.next().await.map(|page| (page, reader)) }).boxed()
}

struct CatalogStream {
    client: Option<(Arc<Authorized>, ListBounds, Option<Cursor>)>,
    /// The walk, and a keeper so that no page waits for a token; aborted when dropped.
    tasks: JoinSet<()>,
    pages: Option<mpsc::Receiver<Fetched>>,
    leave: Arc<Semaphore>,
}

impl CatalogStream {
    async fn next(&mut self) -> Option<Fetched> {
        if let Some((client, bounds, from)) = self.client.take() {
            let (sender, receiver) = mpsc::channel(2);
            let keeper = client.clone();
            self.tasks.spawn(async move { keeper.tokens.keep_fresh(CancellationToken::new()).await });
            let leave = self.leave.clone();
            self.tasks.spawn(async move {
                if let Err(error) = fetch_all(&client, bounds, from, &sender, &leave).await {
                    // Nobody listens any more: nobody needs to know.
                    let _ = sender.send(Err(error)).await;
                }
            });
            self.pages = Some(receiver);
        }
        self.leave.add_permits(1);
        let page = self.pages.as_mut()?.recv().await;
        match &page {
            Some(Ok(page)) if !page.last => {}
            Some(_) => self.pages = None,
            None => {
                // A task that ended without a last page has panicked; a quiet end would pass for a whole catalog.
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
    leave: &Semaphore,
) -> Result<(), RegistryError> {
    granted(leave).await;
    let begun = Instant::now();
    let session = Session::open(client).await?;
    let small = begun.elapsed();
    let circle = LoopGuard::new(bounds);
    let ending = EndDetector::new(client.kind().is_some_and(|kind| kind.habits().pages_by_cursor));
    let walk = CatalogWalk { client, session, circle, ending, number: 0, sender, leave };
    let ended = walk.from(from, small).await;
    // It ends the walk, so there is one at most.
    ended.inspect_err(|error| client.transport.observer.page(Err(error.fault())))
}

impl CatalogWalk<'_> {
    async fn from(mut self, from: Option<Cursor>, small: Duration) -> Result<(), RegistryError> {
        let client = self.client;
        let (url, answer) = match from.as_ref().map(|cursor| (cursor, SavedPlan::read(&cursor.0))) {
            Some((_, Some(rest))) => return self.resume(rest).await,
            Some((cursor, None)) => {
                let (url, answer) = resumed_page(&mut self.session, client, &cursor.0).await?;
                self.ending = self.ending.resumed(&url);
                (url, answer)
            }
            None => first_page(&mut self.session, client).await?,
        };
        self.follow(url, answer, small).await
    }

    /// From a first page to the end, in ranges if the scout finds that good.
    async fn follow(mut self, url: Url, answer: HttpAnswer, small: Duration) -> Result<(), RegistryError> {
        let pays = !self.client.kind().is_some_and(|kind| kind.habits().walks_to_each_page);
        let wanted = match self.client.settings.split {
            Split::Auto => pays,
            Split::Always => true,
            Split::Off => false,
        };
        let can_split = wanted && self.most() > 1;
        let scout = can_split.then(|| SplitProbe::new(self.client.settings.split, small));
        match self.in_one(url, answer, scout, false).await? {
            None => Ok(()),
            Some((scout, link)) => {
                let plan = scout.plan(self.most());
                let ended = Ranges::new(&mut self, plan, link).run().await?;
                self.finish(ended).await
            }
        }
    }

    /// What an earlier split walk left; where splitting is now off, its ranges one after the other.
    async fn resume(mut self, rest: SavedPlan) -> Result<(), RegistryError> {
        let most = if self.client.settings.split == Split::Off { 1 } else { self.most() };
        let unusable = || RegistryError::new(Step::Page(1), Problem::Link(LinkError::NotAUrl));
        let (link, plan) = rest.plan(most).ok_or_else(unusable)?;
        let first = with_key(&link, plan.certain().unwrap_or_default());
        let (url, answer) = resumed_page(&mut self.session, self.client, first.as_str()).await?;
        self.ending = self.ending.resumed(&url);
        let ended = Ranges::new(&mut self, plan, link).resume(&answer).await?;
        self.finish(ended).await
    }

    /// After ranges that did not fit: in one to the end, past names that ranges may have listed before.
    async fn finish(mut self, ended: RangesEnd) -> Result<(), RegistryError> {
        let RangesEnd::From(url) = ended else { return Ok(()) };
        granted(self.leave).await;
        let answer = self.session.next(&url, &Step::Page(self.number + 1)).await?;
        self.in_one(url, answer, None, true).await.map(|_| ())
    }

    fn most(&self) -> usize {
        self.client.settings.concurrency.get()
    }

    /// Page after page by their links, to the end; or, with a scout, to where the rest had better be split.
    async fn in_one(
        &mut self,
        mut url: Url,
        mut answer: HttpAnswer,
        mut scout: Option<SplitProbe>,
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
            let watched = |error| at_step(self.client.transport.watched(Problem::Link(error)));
            let next = following(&answer.headers, &url, self.client.repairs_links()).map_err(watched)?;
            let next = next.filter(|next| !ends_with(&answer, next, &url));
            self.circle.enter(&url, number).map_err(at_step)?;
            if let Some(next) = &next {
                self.circle.leads_on(next).map_err(at_step)?;
            }
            let received = ReceivedPage { answer: &answer, number, again: again_now };
            let Some(following) = next else {
                scout = None;
                // What is asked for in the place of a link may begin with names that were listed.
                again_now = true;
                match self.unlinked(&url, received).await? {
                    None => return Ok(None),
                    Some(page) => (url, answer) = page,
                }
                continue;
            };
            let (client, session, leave) = (self.client, &self.session, self.leave);
            let hand_on = async {
                let listed = received.read(client, &mut self.circle)?;
                self.ending.linked(&listed, &following);
                if let Some(noting) = &mut scout
                    && let Err(why) = noting.note(&listed.names, listed.invalid_count, &following)
                {
                    debug!(why, "the catalog is not split");
                    scout = None;
                }
                received.hand_on(listed, Some(&following), Doubts::default(), self.sender).await;
                Ok::<_, RegistryError>(())
            };
            let fetch = async {
                granted(leave).await;
                let begun = Instant::now();
                let answer = session.next(&following, &Step::Page(number + 1)).await;
                (answer, begun.elapsed())
            };
            let fetched = if std::mem::take(&mut probe_now) {
                hand_on.await?;
                if let Some(scout) = scout.take()
                    && probe(session, &following, &scout, took).await
                {
                    return Ok(Some((scout, following.clone())));
                }
                fetch.await
            } else {
                // The next request goes out before this page is even parsed, if there is leave for it.
                let (fetched, handed_on) = join(fetch, hand_on).await;
                handed_on?;
                fetched
            };
            again_now = again;
            took = fetched.1;
            answer = fetched.0?;
            url = following;
            // The page that is here already comes first.
            probe_now = scout.as_mut().is_some_and(|scout| scout.is_worth_a_probe(took));
        }
    }
}

/// Whether a page's link is no more than a way to say that the list has ended.
fn ends_with(answer: &HttpAnswer, next: &Url, requested: &Url) -> bool {
    leads_nowhere(next, requested) && read_page(&answer.body).is_ok_and(|listed| listed.entries() == 0)
}

/// Whether the server knows where a key belongs that is no name, and answers as fast as it answers anything.
async fn probe(session: &Session<'_>, link: &Url, scout: &SplitProbe, page: Duration) -> bool {
    let Some(probe) = scout.probe() else { return false };
    let url = with_size(&with_key(link, &probe.after), 1);
    let begun = Instant::now();
    let answer = session.next(&url, &Step::Page(0)).await;
    let small = begun.elapsed();
    let listed = answer.ok().filter(|answer| answer.status == StatusCode::OK);
    let listed = listed.and_then(|answer| read_page(&answer.body).ok());
    let knows = listed.is_some_and(|listed| listed.names.iter().next() == Some(&probe.expected));
    let pays = scout.pays(page, small);
    debug!(knows, pays, page_ms = page.as_millis(), small_ms = small.as_millis(), "whether to split the catalog");
    knows && pays
}

/// The first page, asked for in the configured size, then 100, then the server's own: docker-registry answers 400 to
/// a size over its maximum. Never `n=0`, which is an empty page to some and one of a single name to others.
async fn first_page(session: &mut Session<'_>, client: &Authorized) -> Result<(Url, HttpAnswer), RegistryError> {
    let asked = client.settings.page_size.get();
    let mut sizes = [Some(asked), (asked > MODEST).then_some(MODEST)].into_iter().flatten();
    loop {
        let size = sizes.next();
        let mut url = client.api("/v2/_catalog");
        if let Some(size) = size {
            url.query_pairs_mut().append_pair("n", &size.to_string());
        }
        let answer = session.first(&url, &Step::Page(1)).await?;
        let too_large = answer.status == StatusCode::BAD_REQUEST
            && has_code(&answer.body, &["PAGINATION_NUMBER_INVALID", "UNSUPPORTED"]);
        if !too_large || size.is_none() {
            return Ok((url, answer));
        }
        debug!(size, "the registry refuses this page size");
    }
}

/// The page that an earlier walk would have fetched next. A cursor is what we once wrote down ourselves; yet nothing but
/// this registry is asked, whatever it says.
async fn resumed_page(
    session: &mut Session<'_>,
    client: &Authorized,
    cursor: &str,
) -> Result<(Url, HttpAnswer), RegistryError> {
    let url = Url::parse(cursor).ok().filter(|url| same_origin(url, &client.settings.url));
    let url = url.ok_or_else(|| RegistryError::new(Step::Page(1), Problem::Link(LinkError::OtherOrigin)))?;
    let answer = session.first(&url, &Step::Page(1)).await?;
    Ok((url, answer))
}
