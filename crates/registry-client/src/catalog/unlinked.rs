//! A page of the catalog that has no link to a next one: the last, or one whose link is missing. What is asked to tell the one
//! from the other, `beyond` and `ending` know.

use futures::future::FutureExt;
use reqwest::StatusCode;
use url::Url;

use crate::catalog::walk::{Received, Walk, granted};
use crate::http::call::Answer;
use crate::model::page::{Remark, Shortfall};
use crate::paging::beyond::{Beyond, List};
use crate::paging::ending::Certainty;
use crate::paging::page::Entries;
use crate::problem::error::RegistryError;
use crate::problem::error::Step;

impl Walk<'_> {
    /// Hands on a page that has no link to a next one. If it is not the last all the same, gives the one that follows.
    pub(crate) async fn unlinked(
        &mut self,
        url: &Url,
        received: Received<'_>,
    ) -> Result<Option<(Url, Answer)>, RegistryError> {
        let listed = received.read(self.client, &mut self.circle)?;
        let number = received.number;
        let step = Step::Page(number + 1);
        if self.ending.is_full(url, listed.entries()) {
            granted(self.leave).await;
        }
        let (session, asked) = (&self.session, &step);
        let list = List {
            entries: Entries::Repositories,
            repairs: self.client.repairs_links(),
            fetch: |url: Url| async move { session.next(&url, asked).await }.boxed(),
        };
        match list.beyond(&mut self.ending, (url, &listed)).await {
            Ok(Beyond::Nothing(certainty)) => {
                received.hand_on(listed, None, Doubts::of(certainty, number), self.sender).await;
                Ok(None)
            }
            Ok(Beyond::Page(page)) => {
                let (next, answer) = *page;
                let answered = answer.status == StatusCode::OK;
                let doubts = if answered { Doubts::link_missing(number) } else { Doubts::default() };
                received.hand_on(listed, Some(&next), doubts, self.sender).await;
                Ok(Some((next, answer)))
            }
            Err((next, error)) => {
                // What has been received is true, and comes before the error.
                received.hand_on(listed, Some(&next), Doubts::default(), self.sender).await;
                Err(error)
            }
        }
    }
}

/// What there is to say about a page without a link.
#[derive(Default)]
pub(crate) struct Doubts {
    pub(crate) shortfalls: Vec<Shortfall>,
    pub(crate) remarks: Vec<Remark>,
}

impl Doubts {
    fn of(certainty: Certainty, number: u64) -> Self {
        match certainty {
            Certainty::Sure | Certainty::AllAtOnce => Self::default(),
            Certainty::Repeated => {
                let message = format!(
                    "catalog page {number} is full and has no Link to a next one; asked for it again, the registry gave \
                     no other and no Link, so it is taken for the last"
                );
                Self { remarks: vec![Remark { code: "list_end", message }], ..Self::default() }
            }
            Certainty::Unknown => {
                let message = format!(
                    "catalog page {number} is full and has no Link to a next one, and the registry does not tell \
                     what follows its last name: let it, or the proxy before it, send `Link` headers"
                );
                Self { shortfalls: vec![Shortfall { code: "unproven", message }], ..Self::default() }
            }
        }
    }

    fn link_missing(number: u64) -> Self {
        let message = format!(
            "catalog page {number} is full and had no Link to a next one, but there was more when the registry was asked: \
             it, or a proxy before it, does not always send `Link` headers; the list was read on without"
        );
        Self { remarks: vec![Remark { code: "link_missing", message }], ..Self::default() }
    }
}
