//! The rest of a catalog that is read in ranges, as the text of a cursor:
//! `{"link":"https://…","ranges":[{"after":"a/b","upto":"k",…}]}`. The cursor of a catalog that is read page by page is
//! a plain URL.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::catalog::split::plan::{Saved, SplitPlan};
use crate::http::written_url::written_url;

/// All ranges that have not been read to their ends, in the order of the list, and the URL of any page of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedPlan {
    link: String,
    ranges: Vec<Saved>,
}

impl SavedPlan {
    pub(crate) fn new<T>(link: &Url, plan: &SplitPlan<T>) -> Self {
        Self { link: link.to_string(), ranges: plan.saved() }
    }

    /// Reads a cursor. None if it is not one of ranges.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|rest: &Self| !rest.ranges.is_empty())
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and lists are JSON")
    }

    /// The link, and the plan to continue with. None if the link is not a URL.
    pub(crate) fn plan<T>(self, most: usize) -> Option<(Url, SplitPlan<T>)> {
        Some((written_url(&self.link)?, SplitPlan::resumed(self.ranges, most)))
    }
}
