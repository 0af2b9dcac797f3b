//! The catalog, page by page: follows the links, notices when they go in circles, and fetches one page ahead. It
//! neither sorts nor deduplicates names: whoever walks the registry does.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join;
use futures::stream::{BoxStream, StreamExt, unfold};
use reqwest::StatusCode;
use reqwest::header::{HeaderValue, LINK};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use url::Url;

use super::client::Inner;
use super::diagnosis::{has_code, said};
use super::error::{Problem, Step};
use super::link::{LinkError, next_page, repaired};
use super::origin::same_origin;
use super::page::{Listed, read_page};
use super::session::Session;
use super::transport::Answer;
use super::{Cursor, Page, RegistryError};
use crate::clock;

/// The page size that every registry we know accepts.
const MODEST: u32 = 100;

/// How large a catalog is believed to be; beyond, something is wrong with it or us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) pages: u64,
    pub(super) names: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { pages: 1_000_000, names: 50_000_000 }
    }
}

type Fetched = Result<Page, RegistryError>;

/// The stream of pages. Its task asks for a page only with leave: one is given ahead, and one more each time the
/// consumer wants a page, so that exactly one page is fetched while another is looked at.
pub(super) fn pages(client: Arc<Inner>, from: Option<Cursor>) -> BoxStream<'static, Fetched> {
    let start =
        Reader { client: Some((client, from)), tasks: JoinSet::new(), pages: None, leave: Arc::new(Semaphore::new(1)) };
    unfold(start, |mut reader| async { reader.next().await.map(|page| (page, reader)) }).boxed()
}

struct Reader {
    client: Option<(Arc<Inner>, Option<Cursor>)>,
    /// The walk, and a keeper so that no page waits for a token; aborted when dropped.
    tasks: JoinSet<()>,
    pages: Option<mpsc::Receiver<Fetched>>,
    leave: Arc<Semaphore>,
}

impl Reader {
    async fn next(&mut self) -> Option<Fetched> {
        if let Some((client, from)) = self.client.take() {
            let (sender, receiver) = mpsc::channel(2);
            let keeper = client.clone();
            self.tasks.spawn(async move { keeper.tokens.keep_fresh(CancellationToken::new()).await });
            let leave = self.leave.clone();
            self.tasks.spawn(async move {
                if let Err(error) = fetch_all(&client, from, &sender, &leave).await {
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
    client: &Inner,
    from: Option<Cursor>,
    sender: &mpsc::Sender<Fetched>,
    leave: &Semaphore,
) -> Result<(), RegistryError> {
    granted(leave).await;
    let mut session = Session::open(client).await?;
    let (mut url, mut answer) = match from {
        Some(cursor) => resumed_page(&mut session, client, &cursor).await?,
        None => first_page(&mut session, client).await?,
    };
    let mut circle = Circle::new(client.bounds);
    for number in 1.. {
        let at_step = |problem| RegistryError::new(Step::Page(number), problem);
        check(&answer, number).map_err(at_step)?;
        let links = answer.headers.get_all(LINK).iter().map(HeaderValue::as_bytes);
        let mut next = next_page(links, &url).map_err(|error| at_step(Problem::Link(error)))?;
        if client.repairs_links() {
            next = next.map(|next| repaired(next, &url));
        }
        circle.enter(&url, number).map_err(at_step)?;
        if let Some(next) = &next {
            circle.leads_on(next).map_err(at_step)?;
        }
        client.transport.counters.pages.fetch_add(1, Ordering::Relaxed);
        let last = next.is_none();
        let cursor = next.as_ref().map(|next| Cursor(next.to_string()));
        let received_at = clock::now();
        let hand_on = async {
            let listed = read_page(&answer.body).map_err(|error| at_step(Problem::Json(error)))?;
            let names = listed.names.len() as u64 + listed.invalid_count;
            circle.read(&listed).map_err(at_step)?;
            debug!(page = number, names, last, "page received");
            let (names, invalid_count) = (listed.names, listed.invalid_count);
            let invalid = listed.invalid.into_iter().map(|name| answer.sent.shown(name)).collect();
            // Nobody listens any more: the task is about to be aborted.
            let page = Page { number, names, invalid, invalid_count, received_at, last, cursor, proven_new: false };
            let _ = sender.send(Ok(page)).await;
            Ok::<_, RegistryError>(())
        };
        let Some(following) = next else { return hand_on.await };
        // The next request goes out before this page is even parsed, if there is leave for it.
        let fetch = async {
            granted(leave).await;
            session.next(&following, &Step::Page(number + 1)).await
        };
        let (fetched, handed_on) = join(fetch, hand_on).await;
        handed_on?;
        answer = fetched?;
        url = following;
    }
    Ok(())
}

async fn granted(leave: &Semaphore) {
    leave.acquire().await.expect("never closed").forget();
}

/// The first page, asked for in the configured size, then 100, then the server's own: docker-registry answers 400 to
/// a size over its maximum. Never `n=0`, which is an empty page to some and one of a single name to others.
async fn first_page(session: &mut Session<'_>, client: &Inner) -> Result<(Url, Answer), RegistryError> {
    let asked = client.settings.page_size.get();
    let mut sizes = [Some(asked), (asked > MODEST).then_some(MODEST)].into_iter().flatten();
    loop {
        let size = sizes.next();
        let mut url = client.api("/v2/_catalog");
        if let Some(size) = size {
            url.query_pairs_mut().append_pair("n", &size.to_string());
        }
        let answer = session.first(&url).await?;
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
    client: &Inner,
    cursor: &Cursor,
) -> Result<(Url, Answer), RegistryError> {
    let url = Url::parse(&cursor.0).ok().filter(|url| same_origin(url, &client.settings.url));
    let url = url.ok_or_else(|| RegistryError::new(Step::Page(1), Problem::Link(LinkError::OtherOrigin)))?;
    let answer = session.first(&url).await?;
    Ok((url, answer))
}

fn check(answer: &Answer, number: u64) -> Result<(), Problem> {
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    let said = said(answer);
    let first = number == 1;
    let no_catalog = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        || has_code(&answer.body, &["UNSUPPORTED"]);
    // Later, the catalog is known to be there: the link leads astray.
    Err(if first && no_catalog { Problem::Unsupported(said) } else { Problem::of_status(said) })
}

/// Notices a catalog that goes in circles: a bad Quay cursor silently restarts at page 1. Hashes are kept, not texts,
/// so that memory does not grow with the registry's names; the keys are random, so nobody can aim at a collision.
pub(super) struct Circle {
    bounds: Bounds,
    hasher: RandomState,
    urls: HashSet<u64>,
    pages: HashSet<u64>,
    names: u64,
}

impl Circle {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, hasher: RandomState::new(), urls: HashSet::new(), pages: HashSet::new(), names: 0 }
    }

    pub(super) fn enter(&mut self, url: &Url, number: u64) -> Result<(), Problem> {
        self.urls.insert(self.hasher.hash_one(url.as_str()));
        if number > self.bounds.pages { Err(Problem::TooManyPages(self.bounds.pages)) } else { Ok(()) }
    }

    pub(super) fn leads_on(&self, next: &Url) -> Result<(), Problem> {
        if self.urls.contains(&self.hasher.hash_one(next.as_str())) { Err(Problem::SeenUrl) } else { Ok(()) }
    }

    pub(super) fn read(&mut self, listed: &Listed) -> Result<(), Problem> {
        let Listed { names, invalid, invalid_count } = listed;
        self.names += names.len() as u64 + invalid_count;
        if self.names > self.bounds.names {
            return Err(Problem::TooManyNames(self.bounds.names));
        }
        // Empty pages may repeat: Pulp ends with one, and a filtered page may have nothing left on it.
        let page = match (names.is_empty(), invalid.is_empty()) {
            (false, _) => self.hasher.hash_one(names),
            (true, false) => self.hasher.hash_one((invalid, invalid_count)),
            (true, true) => return Ok(()),
        };
        let again = !self.pages.insert(page);
        if again { Err(Problem::SeenPage) } else { Ok(()) }
    }
}
