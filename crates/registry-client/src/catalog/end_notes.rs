//! Notes about a page of the catalog without a link to a next page.

use crate::model::page::ListNote;
use crate::paging::end_detector::Certainty;

/// Notes about a page of the catalog without a link to a next page.
#[derive(Default)]
pub(crate) struct EndNotes {
    pub(crate) shortfalls: Vec<ListNote>,
    pub(crate) remarks: Vec<ListNote>,
}

impl EndNotes {
    pub(crate) fn of(certainty: Certainty, number: u64) -> Self {
        match certainty {
            Certainty::Sure | Certainty::AllAtOnce => Self::default(),
            Certainty::Repeated => {
                let message = format!(
                    "catalog page {number} is full and has no Link to a next page; a second request for it returned the \
                     same page and no Link, so it counts as the last"
                );
                Self { remarks: vec![ListNote { code: "list_end", message }], ..Self::default() }
            }
            Certainty::Unknown => {
                let message = format!(
                    "catalog page {number} is full and has no Link to a next page, and the registry does not show \
                     what follows its last name: make it, or the proxy in front of it, send `Link` headers"
                );
                Self { shortfalls: vec![ListNote { code: "unproven", message }], ..Self::default() }
            }
        }
    }

    pub(crate) fn link_missing(number: u64) -> Self {
        let message = format!(
            "catalog page {number} is full and had no Link to a next page, but a request for more names returned some: \
             the registry, or a proxy in front of it, does not always send `Link` headers; the list was read without them"
        );
        Self { remarks: vec![ListNote { code: "link_missing", message }], ..Self::default() }
    }
}
