//! What there is to say about a page without a link.

use crate::model::page::ListNote;
use crate::paging::end_detector::Certainty;

/// What there is to say about a page without a link.
#[derive(Default)]
pub(crate) struct Doubts {
    pub(crate) shortfalls: Vec<ListNote>,
    pub(crate) remarks: Vec<ListNote>,
}

impl Doubts {
    pub(crate) fn of(certainty: Certainty, number: u64) -> Self {
        match certainty {
            Certainty::Sure | Certainty::AllAtOnce => Self::default(),
            Certainty::Repeated => {
                let message = format!(
                    "catalog page {number} is full and has no Link to a next one; asked for it again, the registry gave \
                     no other and no Link, so it is taken for the last"
                );
                Self { remarks: vec![ListNote { code: "list_end", message }], ..Self::default() }
            }
            Certainty::Unknown => {
                let message = format!(
                    "catalog page {number} is full and has no Link to a next one, and the registry does not tell \
                     what follows its last name: let it, or the proxy before it, send `Link` headers"
                );
                Self { shortfalls: vec![ListNote { code: "unproven", message }], ..Self::default() }
            }
        }
    }

    pub(crate) fn link_missing(number: u64) -> Self {
        let message = format!(
            "catalog page {number} is full and had no Link to a next one, but there was more when the registry was asked: \
             it, or a proxy before it, does not always send `Link` headers; the list was read on without"
        );
        Self { remarks: vec![ListNote { code: "link_missing", message }], ..Self::default() }
    }
}
