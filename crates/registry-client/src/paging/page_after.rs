//! Sends the requests with which [`EndDetector`] finds out whether a page without a link is the last. The caller
//! supplies the function that sends a request, and decides what to do with the result.

use futures::future::BoxFuture;
use hyper::StatusCode;
use tracing::debug;
use url::Url;

use crate::http::call::HttpAnswer;
use crate::paging::end_detector::{Certainty, EndDetector, EndVerdict, ProbeAnswer, has_more_than, repeats_request};
use crate::paging::link::following;
use crate::paging::page::{ListKind, ListedNames, read};
use crate::problem::error::RegistryError;

/// What follows a page without a link.
pub(crate) enum PageAfter {
    /// Nothing, with this certainty.
    Nothing(Certainty),
    /// This page, or an error answer in its place.
    Page(Box<(Url, HttpAnswer)>),
}

/// How a list is requested.
pub(crate) struct ListSource<F> {
    pub(crate) entries: ListKind,
    /// Whether a link that leaves the path of its page is changed to that path.
    pub(crate) repairs: bool,
    /// Sends a request.
    pub(crate) fetch: F,
}

impl<'f, F: Fn(Url) -> BoxFuture<'f, Result<HttpAnswer, RegistryError>>> ListSource<F> {
    /// Finds out what follows a page. If there is no answer, the error comes with the URL from which a walk can continue
    /// after the page; none if it has to fetch the page again.
    pub(crate) async fn beyond(
        &self,
        end_detector: &mut EndDetector,
        page: (&Url, &ListedNames),
    ) -> Result<PageAfter, (Option<Url>, RegistryError)> {
        let Some(mut question) = end_detector.ask(page.0, page.1) else {
            return Ok(PageAfter::Nothing(Certainty::Sure));
        };
        let first = question.url.clone();
        let mut tries = 0;
        loop {
            tries += 1;
            // Of all questions, only the first may ask for what follows the page. The others ask for the page again.
            let goes_on = (tries == 1 && question.is_about_the_rest()).then(|| first.clone());
            let (answer, probe_answer) = self.ask(&question.url).await.map_err(|error| (goes_on, error))?;
            debug!(status = answer.status.as_u16(), tries, "a full page has no link: asked whether it is the last");
            // A server may fail to answer a question that it does not support, but not the second one, which is a
            // request that it has answered before.
            let Some(probe_answer) = probe_answer.filter(|_| tries == 1 || !answer.status.is_server_error()) else {
                return Ok(PageAfter::Page(Box::new((first, answer))));
            };
            match end_detector.interpret(&question, page, probe_answer) {
                EndVerdict::End(certainty) => return Ok(PageAfter::Nothing(certainty)),
                EndVerdict::Here => return Ok(PageAfter::Page(Box::new((question.url, answer)))),
                EndVerdict::Ask(other) => question = other,
                EndVerdict::At(link) => {
                    let (answer, probe_answer) = self.ask(&link).await.map_err(|error| (Some(link.clone()), error))?;
                    let ends = matches!(probe_answer, Some(ProbeAnswer::Page(listed, None)) if !has_more_than(page.1, &listed));
                    return Ok(if ends {
                        PageAfter::Nothing(Certainty::Sure)
                    } else {
                        PageAfter::Page(Box::new((link, answer)))
                    });
                }
            }
        }
    }

    async fn ask(&self, url: &Url) -> Result<(HttpAnswer, Option<ProbeAnswer>), RegistryError> {
        let answer = (self.fetch)(url.clone()).await?;
        let probe_answer = self.read_answer(&answer, url);
        Ok((answer, probe_answer))
    }

    /// Reads the answer. None if the reader of pages has to report what is wrong with it.
    fn read_answer(&self, answer: &HttpAnswer, url: &Url) -> Option<ProbeAnswer> {
        match answer.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => return None,
            _ => return Some(ProbeAnswer::Nothing),
        }
        let Ok(listed) = read(self.entries, &answer.body) else { return Some(ProbeAnswer::Nothing) };
        let next = following(answer, url, self.repairs).ok()?;
        let next = next.filter(|next| listed.entries() > 0 || !repeats_request(next, url));
        Some(ProbeAnswer::Page(listed, next))
    }
}
