//! Asks what `ending` wants to know about a page without a link. Who sends the requests, and as what, is its callers' to
//! say; so is what becomes of the answer.

use futures::future::BoxFuture;
use reqwest::StatusCode;
use tracing::debug;
use url::Url;

use crate::http::call::HttpAnswer;
use crate::paging::end_detector::{Certainty, EndDetector, EndVerdict, ProbeAnswer, has_more_than, leads_nowhere};
use crate::paging::link::following;
use crate::paging::page::{ListKind, ListedNames, read};
use crate::problem::error::RegistryError;

/// What comes after a page without a link.
pub(crate) enum PageAfter {
    /// Nothing, as far as can be known.
    Nothing(Certainty),
    /// This page, or what the server has to say instead.
    Page(Box<(Url, HttpAnswer)>),
}

/// How a list is asked for.
pub(crate) struct ListSource<F> {
    pub(crate) entries: ListKind,
    /// Whether links that leave the path of their page are led back to it.
    pub(crate) repairs: bool,
    /// Sends a request.
    pub(crate) fetch: F,
}

impl<'f, F: Fn(Url) -> BoxFuture<'f, Result<HttpAnswer, RegistryError>>> ListSource<F> {
    /// Learns what comes after a page. No answer at all is an error, with what was asked for.
    pub(crate) async fn beyond(
        &self,
        ending: &mut EndDetector,
        page: (&Url, &ListedNames),
    ) -> Result<PageAfter, (Url, RegistryError)> {
        let Some(mut question) = ending.ask(page.0, page.1) else { return Ok(PageAfter::Nothing(Certainty::Sure)) };
        // What a walk that is cut off here goes on from: of all that is asked, it alone comes after the page.
        let first = question.url.clone();
        let mut tries = 0;
        loop {
            tries += 1;
            let (answer, heard) = self.asked(&question.url).await.map_err(|error| (first.clone(), error))?;
            debug!(status = answer.status.as_u16(), tries, "a full page has no link: asked whether it is the last");
            // A server may fail at a question that it does not understand, but not at one that it has answered before.
            let Some(heard) = heard.filter(|_| tries == 1 || !answer.status.is_server_error()) else {
                return Ok(PageAfter::Page(Box::new((first, answer))));
            };
            match ending.hear(&question, page, heard) {
                EndVerdict::End(certainty) => return Ok(PageAfter::Nothing(certainty)),
                EndVerdict::Here => return Ok(PageAfter::Page(Box::new((question.url, answer)))),
                EndVerdict::Ask(other) => question = other,
                EndVerdict::At(link) => {
                    let (answer, heard) = self.asked(&link).await.map_err(|error| (link.clone(), error))?;
                    let ends =
                        matches!(heard, Some(ProbeAnswer::Page(listed, None)) if !has_more_than(page.1, &listed));
                    return Ok(if ends {
                        PageAfter::Nothing(Certainty::Sure)
                    } else {
                        PageAfter::Page(Box::new((link, answer)))
                    });
                }
            }
        }
    }

    async fn asked(&self, url: &Url) -> Result<(HttpAnswer, Option<ProbeAnswer>), RegistryError> {
        let answer = (self.fetch)(url.clone()).await?;
        let heard = self.heard(&answer, url);
        Ok((answer, heard))
    }

    /// The answer, as far as it matters; none where the reader of pages is to say what is wrong with it.
    fn heard(&self, answer: &HttpAnswer, url: &Url) -> Option<ProbeAnswer> {
        match answer.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => return None,
            _ => return Some(ProbeAnswer::Nothing),
        }
        let Ok(listed) = read(self.entries, &answer.body) else { return Some(ProbeAnswer::Nothing) };
        let next = following(&answer.headers, url, self.repairs).ok()?;
        let next = next.filter(|next| listed.entries() > 0 || !leads_nowhere(next, url));
        Some(ProbeAnswer::Page(listed, next))
    }
}
