//! What is left of a split walk, as the text of a cursor: `{"link":"https://…","ranges":[{"after":"a/b","upto":"k",…}]}`.
//! A walk in one go has a plain URL there.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::catalog::split::plan::{Saved, SplitPlan};

/// All ranges that are not listed to their ends, in the list's order, and a link that any of them can be asked by.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedPlan {
    link: String,
    ranges: Vec<Saved>,
}

impl SavedPlan {
    pub(crate) fn new<T>(link: &Url, plan: &SplitPlan<T>) -> Self {
        Self { link: link.to_string(), ranges: plan.saved() }
    }

    /// Reads a cursor; none if it is no split walk's.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|rest: &Self| !rest.ranges.is_empty())
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and lists are JSON")
    }

    /// The link, and the plan to go on with; none if the link is no URL.
    pub(crate) fn plan<T>(self, most: usize) -> Option<(Url, SplitPlan<T>)> {
        Some((Url::parse(&self.link).ok()?, SplitPlan::resumed(self.ranges, most)))
    }
}
