//! A page of the catalog without a link to a next one: it is the last, or its link is missing. `paging::page_after`
//! finds out which.

use futures::future::FutureExt;
use hyper::StatusCode;
use url::Url;

use crate::catalog::end_notes::EndNotes;
use crate::catalog::state::{CatalogWalk, ReceivedPage, take_permit};
use crate::http::call::HttpAnswer;
use crate::paging::page::ListKind;
use crate::paging::page_after::{ListSource, PageAfter};
use crate::problem::error::{RegistryError, Step};

impl CatalogWalk<'_> {
    /// Sends a page without a link to the consumer. If it is not the last, returns the page that follows.
    pub(crate) async fn unlinked(
        &mut self,
        url: &Url,
        received: ReceivedPage<'_>,
    ) -> Result<Option<(Url, HttpAnswer)>, RegistryError> {
        let listed = received.read(self.client, &mut self.loop_guard)?;
        let number = received.number;
        let step = Step::Page(number + 1);
        if self.end_detector.is_full(url, listed.entries()) {
            take_permit(self.permits).await;
        }
        let (session, asked) = (&self.session, &step);
        let list = ListSource {
            entries: ListKind::Repositories,
            repairs: self.client.repairs_links(),
            fetch: |url: Url| async move { session.next(&url, asked).await }.boxed(),
        };
        match list.beyond(&mut self.end_detector, (url, &listed)).await {
            Ok(PageAfter::Nothing(certainty)) => {
                received.deliver(listed, None, EndNotes::of(certainty, number), self.sender).await;
                Ok(None)
            }
            Ok(PageAfter::Page(page)) => {
                let (next, answer) = *page;
                let answered = answer.status == StatusCode::OK;
                let end_notes = if answered { EndNotes::link_missing(number) } else { EndNotes::default() };
                received.deliver(listed, Some(&next), end_notes, self.sender).await;
                Ok(Some((next, answer)))
            }
            Err((Some(next), error)) => {
                // The page that was received is correct, so it is sent before the error.
                received.deliver(listed, Some(&next), EndNotes::default(), self.sender).await;
                Err(error)
            }
            // No URL leads on from the page. If it were sent, the walk could be continued only from its beginning. So a
            // walk that is continued fetches this page once more.
            Err((None, error)) => Err(error),
        }
    }
}
