//! The state of one walk of a catalog, and its pages as they arrive.

use hyper::StatusCode;
use tokio::sync::{Semaphore, mpsc};
use tracing::debug;
use url::Url;

use crate::access::authorized::Authorized;
use crate::access::session::Session;
use crate::catalog::end_notes::EndNotes;
use crate::clock;
use crate::http::call::HttpAnswer;
use crate::http::error_answer::{error_answer, has_code, unexpected};
use crate::model::page::{Cursor, Page};
use crate::paging::end_detector::EndDetector;
use crate::paging::loop_guard::LoopGuard;
use crate::paging::page::{ListedNames, read_page};
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};

pub(crate) type Fetched = Result<Page, RegistryError>;

/// A received page.
#[derive(Clone, Copy)]
pub(crate) struct ReceivedPage<'p> {
    pub(crate) answer: &'p HttpAnswer,
    pub(crate) number: u64,
    /// Whether the page may list names that were listed before.
    pub(crate) again: bool,
}

impl ReceivedPage<'_> {
    pub(crate) fn read(self, client: &Authorized, loop_guard: &mut LoopGuard) -> Result<ListedNames, RegistryError> {
        let at_step = |problem| RegistryError::new(Step::Page(self.number), problem);
        let listed = read_page(&self.answer.body).map_err(|error| at_step(error.into()))?;
        loop_guard.read(&listed).map_err(at_step)?;
        client.transport.page_received();
        Ok(listed)
    }

    pub(crate) async fn deliver(
        self,
        listed: ListedNames,
        next: Option<&Url>,
        end_notes: EndNotes,
        sender: &mpsc::Sender<Fetched>,
    ) {
        let Self { answer, number, again } = self;
        let received_at = clock::now();
        let ListedNames { names, invalid, invalid_count, .. } = listed;
        let last = next.is_none();
        debug!(page = number, names = names.len() as u64 + invalid_count, last, "page received");
        let invalid = invalid.into_iter().map(|name| answer.sent.shown(name)).collect();
        let cursor = next.map(|next| Cursor(next.to_string()));
        let (proven_new, EndNotes { shortfalls, remarks }) = (again, end_notes);
        let page =
            Page { number, names, invalid, invalid_count, received_at, last, cursor, proven_new, shortfalls, remarks };
        // The consumer has dropped the stream; this task is about to be aborted.
        let _ = sender.send(Ok(page)).await;
    }
}

pub(crate) fn check(answer: &HttpAnswer, number: u64) -> Result<(), Problem> {
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    let first = number == 1;
    let no_catalog = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        || has_code(&answer.body, &["UNSUPPORTED"]);
    // After the first page, the catalog is known to exist: then the link is wrong.
    let is_own = answer.elsewhere.is_none();
    Err(if first && no_catalog && is_own { Problem::Unsupported(error_answer(answer)) } else { unexpected(answer) })
}

pub(crate) async fn take_permit(permits: &Semaphore) {
    permits.acquire().await.expect("never closed").forget();
}

/// The state of one walk.
pub(crate) struct CatalogWalk<'a> {
    pub(crate) client: &'a Authorized,
    pub(crate) session: Session<'a>,
    pub(crate) loop_guard: LoopGuard,
    pub(crate) end_detector: EndDetector,
    /// Number of pages sent to the consumer.
    pub(crate) number: u64,
    pub(crate) sender: &'a mpsc::Sender<Fetched>,
    pub(crate) permits: &'a Semaphore,
}
