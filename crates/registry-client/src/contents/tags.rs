//! Reads the tags of a repository, page by page, until none follows. The access is chosen in `access::repository`.

use std::collections::HashSet;

use futures::future::FutureExt;
use hyper::StatusCode;
use tracing::debug;
use url::Url;

use crate::access::send::AccessRequest;
use crate::contents::reader::RepositoryReader;
use crate::http::call::{HttpAnswer, RequestKind};
use crate::http::error_answer::{error_answer, unexpected};
use crate::http::not_found::NotFound;
use crate::model::names::Names;
use crate::model::place::RepositoryRef;
use crate::model::tags::Tags;
use crate::paging::end_detector::{Certainty, EndDetector, repeats_request};
use crate::paging::link::following;
use crate::paging::loop_guard::{ListBounds, LoopGuard};
use crate::paging::page::{INVALID_KEPT, ListKind, ListedNames, read};
use crate::paging::page_after::{ListSource, PageAfter};
use crate::paging::size_limit::{may_be_about_size, smaller_size};
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::problem::fault::Fault;
use crate::settings::Pagination;

/// Most pages and tags of one repository. Tags are held in memory, unlike names of repositories. The bound is ten times
/// what the largest repositories of public registries have.
const MOST: ListBounds = ListBounds { pages: 100_000, names: 1_000_000 };

impl RepositoryReader {
    /// All tags of a repository whose name follows the grammar.
    pub(crate) async fn read_tags(&self, place: &RepositoryRef) -> Result<Tags, RegistryError> {
        let step = Step::Tags(place.repository.clone());
        let outcome = self.list_tags(place, &step).await;
        if let Err(error) = &outcome {
            // A repository that does not exist any more is a normal answer, and not rare.
            let fault = Some(error.fault()).filter(|fault| *fault != Fault::Gone);
            self.repositories.authorized().transport.observer.page(fault.map_or(Ok(()), Err));
        }
        outcome
    }

    async fn list_tags(&self, place: &RepositoryRef, step: &Step) -> Result<Tags, RegistryError> {
        let at_step = |problem| RegistryError::new(step.clone(), problem);
        let mut listing = TagPages::default();
        // Most repositories have one page and need no guard against repetition.
        let mut loop_guard = None;
        let mut end_detector = EndDetector::new(false);
        let (mut url, mut answer) = self.first_page(place, step).await?;
        for number in 1.. {
            check(&answer, number).map_err(at_step)?;
            let reported = |error| at_step(self.repositories.authorized().transport.reported(Problem::Link(error)));
            let next = following(&answer, &url, self.repairs_tag_links()).map_err(reported)?;
            let page = read(ListKind::Tags, &answer.body).map_err(|error| at_step(error.into()))?;
            let next = next.filter(|next| page.entries() > 0 || !repeats_request(next, &url));
            let following = match next {
                Some(next) => {
                    end_detector.linked(&page, &next);
                    NextTagPage::Link(next)
                }
                None => self.unlinked(place, step, &mut end_detector, (&url, &page)).await?,
            };
            if let Some(next) = following.url() {
                let loop_guard = loop_guard.get_or_insert_with(|| LoopGuard::new(MOST));
                loop_guard.enter(&url, number).and_then(|()| loop_guard.leads_on(next)).map_err(at_step)?;
                loop_guard.read(&page).map_err(at_step)?;
            }
            listing.null = number == 1 && page.null;
            listing.invalid_count += page.invalid_count;
            let room = INVALID_KEPT - listing.invalid.len();
            listing.invalid.extend(page.invalid.into_iter().take(room).map(|tag| answer.sent.shown(tag)));
            listing.pages.push(page.names);
            self.repositories.authorized().transport.observer.page(Ok(()));
            (url, answer) = match following {
                NextTagPage::Nothing => break,
                NextTagPage::Link(next) => {
                    let answer = self
                        .repositories
                        .ask(place, &AccessRequest { url: &next, wants: RequestKind::Listing, step })
                        .await?
                        .answer;
                    (next, answer)
                }
                NextTagPage::Page(page) => *page,
            };
        }
        Ok(listing.tags())
    }

    /// Whether a link that leaves the path of the list of tags is changed to that path: only if that is configured.
    fn repairs_tag_links(&self) -> bool {
        self.repositories.authorized().settings.pagination == Pagination::Repair
    }

    /// What follows a page without a link to a next one.
    async fn unlinked(
        &self,
        place: &RepositoryRef,
        step: &Step,
        end_detector: &mut EndDetector,
        (url, page): (&Url, &ListedNames),
    ) -> Result<NextTagPage, RegistryError> {
        let size = self.tag_pages.get().map_or(0, |size| size as usize);
        if self.tag_pages.are_whole() && page.entries() != size {
            return Ok(NextTagPage::Nothing);
        }
        let list = ListSource {
            entries: ListKind::Tags,
            repairs: self.repairs_tag_links(),
            fetch: |url: Url| {
                async move {
                    Ok(self
                        .repositories
                        .ask(place, &AccessRequest { url: &url, wants: RequestKind::Listing, step })
                        .await?
                        .answer)
                }
                .boxed()
            },
        };
        match list.beyond(end_detector, (url, page)).await.map_err(|(_, error)| error)? {
            PageAfter::Nothing(Certainty::Sure | Certainty::Repeated) => Ok(NextTagPage::Nothing),
            PageAfter::Nothing(Certainty::AllAtOnce) => {
                self.tag_pages.note_whole();
                Ok(NextTagPage::Nothing)
            }
            // A list of tags must be complete.
            PageAfter::Nothing(Certainty::Unknown) => Err(RegistryError::new(step.clone(), Problem::NoWayOn)),
            PageAfter::Page(page) => Ok(NextTagPage::Page(page)),
        }
    }

    /// The first page. If it is refused, it is requested in a smaller size, then without a size. What was accepted is
    /// remembered for all repositories.
    async fn first_page(&self, place: &RepositoryRef, step: &Step) -> Result<(Url, HttpAnswer), RegistryError> {
        let mut size = self.tag_pages.get();
        let mut refused = None;
        loop {
            let mut url = self.repositories.authorized().api(&format!("/v2/{}/tags/list", place.repository));
            if let Some(size) = size {
                url.query_pairs_mut().append_pair("n", &size.to_string());
            }
            let ask = AccessRequest { url: &url, wants: RequestKind::Listing, step };
            let answer = self.repositories.ask(place, &ask).await?.answer;
            let (is_refused, tried) = (may_be_about_size(&answer), size);
            size = tried.and_then(|size| smaller_size(size, &answer));
            match refused {
                None if is_refused && tried.is_some() && self.tag_pages.is_worth_less() => {
                    debug!(size = tried, status = answer.status.as_u16(), "a page of this size is refused");
                    refused = Some((url, answer));
                }
                Some(first) if is_refused && tried.is_some() => refused = Some(first),
                Some(first) if is_refused => {
                    self.tag_pages.lowered_in_vain();
                    return Ok(first);
                }
                Some(_) if answer.status.is_success() => {
                    self.tag_pages.lowered(tried);
                    return Ok((url, answer));
                }
                _ => return Ok((url, answer)),
            }
        }
    }
}

fn check(answer: &HttpAnswer, number: u64) -> Result<(), Problem> {
    // docker-registry answers 404 for a repository without tags, though it lists it. After the first page, a 404 means
    // that the link is wrong.
    if number == 1
        && let Some(not_found) = NotFound::read(answer.status, &answer.body, answer.elsewhere.is_some())
        && (not_found == NotFound::Gone || answer.elsewhere.is_none())
    {
        return Err(not_found.problem(error_answer(answer)));
    }
    match answer.status {
        StatusCode::OK => Ok(()),
        StatusCode::METHOD_NOT_ALLOWED => Err(Problem::Unsupported(error_answer(answer))),
        _ => Err(unexpected(answer)),
    }
}

/// What follows a page.
enum NextTagPage {
    Nothing,
    /// A page that has not been fetched.
    Link(Url),
    /// A page that has been fetched.
    Page(Box<(Url, HttpAnswer)>),
}

impl NextTagPage {
    fn url(&self) -> Option<&Url> {
        match self {
            Self::Nothing => None,
            Self::Link(url) => Some(url),
            Self::Page(page) => Some(&page.0),
        }
    }
}

/// The pages of one repository.
#[derive(Default)]
struct TagPages {
    pages: Vec<Names>,
    invalid: Vec<String>,
    invalid_count: u64,
    null: bool,
}

impl TagPages {
    fn tags(mut self) -> Tags {
        let first = if self.pages.len() == 1 { self.pages.pop() } else { None };
        let names = match first {
            // Tags are usually in order. Then they are all different, which one comparison each shows.
            Some(page) if page.iter().is_sorted_by(|a, b| a < b) => page,
            Some(page) => unique(&[page]),
            None => unique(&self.pages),
        };
        Tags { names, invalid: self.invalid, invalid_count: self.invalid_count, null: self.null }
    }
}

fn unique(pages: &[Names]) -> Names {
    let mut met = HashSet::new();
    pages.iter().flat_map(Names::iter).filter(|tag| met.insert(*tag)).collect()
}
