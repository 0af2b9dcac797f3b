//! A walk that continues from a cursor and gets an empty page: the list may have ended there, or the server does not
//! know the cursor. Some servers answer an unknown cursor with an empty page.

use hyper::StatusCode;
use tracing::debug;
use url::Url;

use crate::catalog::state::CatalogWalk;
use crate::grammar::is_repository_name;
use crate::http::call::HttpAnswer;
use crate::paging::key::{key_of, with_key};
use crate::paging::link::following;
use crate::paging::page::read_page;
use crate::problem::error::{RegistryError, Step};

impl CatalogWalk<'_> {
    /// Whether the first page after a cursor, which is this answer, is the end of the list for certain. If the cursor
    /// is a name, the registry is asked what follows a key before that name: it must answer with a page that ends with
    /// the name. Then it finds its place by names, and nothing follows the name.
    pub(crate) async fn is_certain_end(&self, url: &Url, answer: &HttpAnswer) -> Result<bool, RegistryError> {
        if answer.status != StatusCode::OK || !read_page(&answer.body).is_ok_and(|listed| listed.entries() == 0) {
            return Ok(false);
        }
        let Some(name) = key_of(url) else { return Ok(false) };
        let Some(before) = key_before(&name) else { return Ok(false) };
        let url = with_key(url, before);
        let answer = self.session.next(&url, &Step::Page(1)).await?;
        if answer.status != StatusCode::OK {
            return Ok(false);
        }
        let ends = read_page(&answer.body).is_ok_and(|listed| listed.last() == Some(name.as_str()));
        // Pulp writes a link after a full last page.
        let next = following(&answer, &url, self.client.repairs_links());
        let is_last = next.is_ok_and(|next| next.is_none_or(|next| key_of(&next).is_some_and(|key| key == name)));
        debug!(ends, is_last, "an empty page follows the cursor: asked whether the list ends there");
        Ok(ends && is_last)
    }
}

/// A key that comes before a name in every order of names: the longest name that the name begins with.
fn key_before(name: &str) -> Option<&str> {
    (1..name.len()).rev().map(|end| name.get(..end)).find_map(|key| key.filter(|key| is_repository_name(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_before_a_name_is_a_name() {
        for (name, key) in [
            ("team/app-000039", Some("team/app-00003")),
            ("team/app-1", Some("team/app")),
            ("a__b", Some("a")),
            ("a/b", Some("a")),
            ("ab", Some("a")),
            ("a", None),
            ("", None),
            ("17", Some("1")),
        ] {
            assert_eq!(key_before(name), key, "{name}");
        }
    }
}
