//! Walks the lists of an API: first shows that the login is valid, then reads each list, as often as `numbered`
//! requires, and reports owners that do not exist.

use std::collections::VecDeque;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, try_unfold};

use super::Discovery;
use super::listing::{ApiListing, ListAnswer, PageRequest};
use super::numbered::{ListReadings, ReadingEnd};
use super::seen_texts::SeenTexts;
use crate::registry::api::{Api, ApiAnswer, ApiSession, NextPage};
use crate::registry::{Cursor, Fault, ListNote, Page, RegistryError};

/// How many of the configured lists a probe reads.
const MOST_PROBED: usize = 100;

/// A discovery over an API.
#[derive(Debug)]
pub(super) struct ApiDiscovery {
    api: Api,
    listing: Box<dyn ApiListing>,
}

impl ApiDiscovery {
    pub(super) fn new(api: Api, listing: Box<dyn ApiListing>) -> Self {
        Self { api, listing }
    }

    fn walk(&self, queue: impl IntoIterator<Item = PageRequest>) -> ApiWalk<'_> {
        let queue = queue.into_iter().map(|ask| self.reading(ask)).collect();
        ApiWalk {
            source: self,
            session: None,
            queue,
            number: 0,
            requests: 0,
            met: SeenTexts::default(),
            begun: SeenTexts::default(),
            shortfalls: Vec::new(),
            absent: None,
            is_over: false,
            was_read: false,
        }
    }

    /// A list of which nothing was read yet. Lists with keys need no second reading: a key stays valid when entries
    /// before it are deleted.
    fn reading(&self, first: PageRequest) -> QueuedList {
        let readings = (!self.listing.keeps_place()).then(|| Box::new((first.clone(), ListReadings::default())));
        QueuedList { ask: first, readings }
    }
}

impl Discovery for ApiDiscovery {
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        let queue = from.and_then(|cursor| resumed(&self.api, cursor));
        let walk = self.walk(queue.unwrap_or_else(|| self.listing.begin(&self.api)));
        try_unfold(walk, |mut walk| async { Ok(walk.step().await?.map(|page| (page, walk))) }).boxed()
    }

    /// The first page of each configured list, so that owners that do not exist are reported.
    fn probe(&self) -> BoxFuture<'_, Option<Result<Page, RegistryError>>> {
        Box::pin(async { Some(self.walk([]).probe().await) })
    }
}

/// A list that is being read: the next page; and if pages are numbered, the first page and the readings so far.
#[derive(Debug)]
struct QueuedList {
    ask: PageRequest,
    readings: Option<Box<(PageRequest, ListReadings)>>,
}

/// The state of a walk.
struct ApiWalk<'a> {
    source: &'a ApiDiscovery,
    session: Option<ApiSession<'a>>,
    /// The lists still to be read, the next one first.
    queue: VecDeque<QueuedList>,
    /// Pages returned so far.
    number: u64,
    /// Pages requested so far.
    requests: u64,
    /// The names that were returned. Lists overlap, numbered pages shift, and a list may be read again; but a walk
    /// takes a page without a new name for a server that repeats itself.
    met: SeenTexts,
    /// The lists that the API named, each read once.
    begun: SeenTexts,
    /// Reasons why the list may be incomplete, to be returned with the next page.
    shortfalls: Vec<ListNote>,
    /// The error of the first owner that does not exist.
    absent: Option<RegistryError>,
    /// Whether at least one list exists.
    was_read: bool,
    /// Whether the last page was returned.
    is_over: bool,
}

impl<'a> ApiWalk<'a> {
    async fn step(&mut self) -> Result<Option<Page>, RegistryError> {
        if self.is_over {
            return Ok(None);
        }
        while let Some(QueuedList { ask, mut readings }) = self.queue.pop_front() {
            let reading = readings.as_ref().map_or(1, |readings| readings.1.number());
            let Some((found, answer)) = self.ask(&ask, reading).await? else { continue };
            let next = match &mut readings {
                Some(readings) => {
                    readings.1.take(&found, answer.date);
                    readings.1.next(&ask, &found)
                }
                None => match &found.next {
                    NextPage::At(url) => Some(url.clone()),
                    NextPage::None | NextPage::Unsaid => None,
                },
            };
            let is_empty = next.is_none() && ask.before == 0 && found.entries.is_empty();
            if is_empty && ask.is_configured && self.is_absent(&ask).await? {
                continue;
            }
            self.was_read = true;
            let more = match (next, readings) {
                (Some(url), readings) => Some(QueuedList { ask: ask.next(url, found.entries.len()), readings }),
                (None, readings) => self.ended(&ask, readings),
            };
            // The lists that a page names come before its next page, so that few of them wait.
            let lists = found.lists.into_iter().filter(|list| self.begun.is_new(list.url.as_str()));
            let lists: Vec<_> = lists.map(|list| self.source.reading(list)).collect();
            for reading in lists.into_iter().chain(more).rev() {
                self.queue.push_front(reading);
            }
            return self.page(&found.names).await.map(Some);
        }
        // No list is left that exists.
        match self.absent.take() {
            Some(error) if !self.was_read => Err(error),
            _ => self.page(&[]).await.map(Some),
        }
    }

    /// Requests a page. `None` if its owner does not exist, which is noted.
    async fn ask(&mut self, ask: &PageRequest, reading: u32) -> Result<Option<(ListAnswer, ApiAnswer)>, RegistryError> {
        let ApiDiscovery { api, listing } = self.source;
        let what = ask.what();
        self.requests += 1;
        let session = self.session().await?;
        let answer = match session.get(&ask.url, &what, reading).await {
            Ok(answer) => answer,
            Err(error) if self.is_absent_by(ask, &error).await? => return Ok(None),
            Err(error) => return Err(error),
        };
        let session = self.session().await?;
        let found = listing.read(api, ask, &answer).map_err(|error| session.unreadable(&what, &answer, &error))?;
        if !found.entries.is_empty() {
            session.is_new(&answer, &what, (&ask.list, reading))?;
        }
        Ok(Some((found, answer)))
    }

    /// The session; when it is opened, its login is shown to be valid first.
    async fn session(&mut self) -> Result<&mut ApiSession<'a>, RegistryError> {
        if self.session.is_none() {
            self.session = Some(self.source.api.open().await?);
            self.prove().await?;
        }
        Ok(self.session.as_mut().expect("it was opened"))
    }

    async fn prove(&mut self) -> Result<(), RegistryError> {
        let proofs = self.source.listing.proofs(&self.source.api);
        if let Some(session) = &mut self.session
            && let Some(shortfall) = session.prove(&proofs).await?
            && !self.shortfalls.contains(&shortfall)
        {
            self.shortfalls.push(shortfall);
        }
        Ok(())
    }

    /// Whether a list is empty because its owner does not exist.
    async fn is_absent(&mut self, ask: &PageRequest) -> Result<bool, RegistryError> {
        let ApiDiscovery { api, listing } = self.source;
        let (owners, hides) = (listing.owners(api, ask), listing.hides_owners());
        let absence = self.session().await?.absence(&owners, hides, &ask.list).await?;
        Ok(absence.is_some_and(|absence| {
            self.note_absent(&absence.error, None);
            true
        }))
    }

    /// Whether a list was refused because its owner does not exist. The response of a proxy does not count.
    async fn is_absent_by(&mut self, ask: &PageRequest, error: &RegistryError) -> Result<bool, RegistryError> {
        let ApiDiscovery { api, listing } = self.source;
        let hides = listing.hides_owners();
        if ask.number > 1 || !(error.fault() == Fault::Unsupported || hides && error.fault() == Fault::Denied) {
            return Ok(false);
        }
        let owners = listing.owners(api, ask);
        let absence = self.session().await?.absence(&owners, hides, &ask.list).await?;
        Ok(absence.filter(|absence| absence.is_certain).is_some_and(|absence| {
            self.note_absent(&absence.error, Some(error));
            true
        }))
    }

    fn note_absent(&mut self, absence: &RegistryError, refused: Option<&RegistryError>) {
        self.absent.get_or_insert_with(|| refused.unwrap_or(absence).clone());
        self.shortfalls.push(ListNote { code: "missing", message: absence.to_string() });
    }

    /// After the last page of a reading: the list, if it must be read again.
    fn ended(&mut self, ask: &PageRequest, readings: Option<Box<(PageRequest, ListReadings)>>) -> Option<QueuedList> {
        let mut readings = readings?;
        match readings.1.end() {
            ReadingEnd::Whole => None,
            ReadingEnd::Again => Some(QueuedList { ask: readings.0.clone(), readings: Some(readings) }),
            ReadingEnd::Short(why) => {
                let message = format!("{}: {why}", ask.list);
                self.shortfalls.push(ListNote { code: "shifting", message });
                None
            }
        }
    }

    /// A page of the names that were not returned before, with the noted reasons.
    async fn page(&mut self, names: &[String]) -> Result<Page, RegistryError> {
        let last = self.queue.is_empty();
        // A login that was withdrawn in mid-walk has listed less since; one request alone had no time for that.
        if last && self.requests > 1 {
            self.prove().await?;
        }
        self.number += 1;
        self.is_over = last;
        let keeps_place = self.source.listing.keeps_place() && !last;
        let cursor = keeps_place.then(|| cursor(&self.queue)).flatten();
        let (number, mut met) = (self.number, std::mem::take(&mut self.met));
        let names = names.iter().map(String::as_str).filter(|name| met.is_new(name));
        let page = self.session().await?.page(number, names, cursor, last);
        self.met = met;
        page.map(|page| Page { shortfalls: std::mem::take(&mut self.shortfalls), ..page })
    }

    async fn probe(mut self) -> Result<Page, RegistryError> {
        let ApiDiscovery { api, listing } = self.source;
        let mut names = Vec::new();
        for ask in listing.begin(api).into_iter().take(MOST_PROBED) {
            let Some((found, _)) = self.ask(&ask, 1).await? else { continue };
            let is_empty = found.entries.is_empty() && !matches!(found.next, NextPage::At(_));
            if is_empty && ask.is_configured && self.is_absent(&ask).await? {
                continue;
            }
            self.was_read = true;
            names.extend(found.names);
            if let Some(list) = found.lists.first().filter(|_| names.is_empty())
                && let Some((found, _)) = self.ask(list, 1).await?
            {
                names.extend(found.names);
            }
        }
        match self.absent.take() {
            Some(error) if !self.was_read => Err(error),
            _ => self.page(&names).await,
        }
    }
}

fn cursor(queue: &VecDeque<QueuedList>) -> Option<Cursor> {
    let asks: Vec<_> = queue.iter().map(|reading| &reading.ask).collect();
    serde_json::to_string(&asks).ok().map(Cursor)
}

/// The pages that a cursor still asks for; `None` if it is not a cursor of this API, and the walk starts with the first
/// page.
fn resumed(api: &Api, cursor: &Cursor) -> Option<Vec<PageRequest>> {
    let asks: Vec<PageRequest> = serde_json::from_str(&cursor.0).ok()?;
    asks.iter().all(|ask| api.holds(&ask.url)).then_some(asks)
}
