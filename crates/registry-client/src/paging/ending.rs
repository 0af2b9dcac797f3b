//! Whether a list has ended where a page has no link to a next one. A link may be lost on the way (a proxy drops long headers,
//! a cache stores bodies alone), and some servers page by `last` and send none (Trow 0.10). So a full page without a link
//! is asked about: what follows its last name, or where the server has a cursor of its own, the same page once more, one name
//! shorter, so that a server whose links come through has to send one. Pure: it says what to ask, and what an answer means.

use std::collections::HashSet;

use url::Url;

use crate::paging::key::{asking_after, key_of, with_size};
use crate::paging::page::{Listed, MODEST};

/// How the links of a list lead on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    /// None was seen.
    Unseen,
    /// By `last` and the last name of the page.
    ByName,
    /// By something that the server alone understands: a name in its place may begin the list again (Quay).
    Cursor,
}

/// What the pages of one list tell about its end.
#[derive(Debug)]
pub(crate) struct Ending {
    links: Links,
    /// The entries of the shortest page that had any, and a link.
    least: Option<usize>,
    /// The last entry, if it was kept, of the page that was last asked about: it is not asked about again.
    settled: Option<String>,
}

/// What to ask, to learn whether a page is the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) url: Url,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// What follows the last name.
    After,
    /// The same page.
    Again,
}

/// What came in answer.
#[derive(Debug)]
pub(crate) enum Heard {
    /// No page.
    Nothing,
    /// A page.
    Page(Listed, Option<Url>),
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The list has ended.
    End(Certainty),
    /// The answer is the next page.
    Here,
    /// What there is besides is found at this link.
    At(Url),
    /// Another question may tell.
    Ask(Question),
}

/// How sure it is that a list has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The server says so, or the page is not full.
    Sure,
    /// The server gives all at once, whatever size and place it is asked for.
    AllAtOnce,
    /// It gave the same page again, and again without a link.
    Repeated,
    /// It gives pages of the size that is asked for, and no way to the next.
    Unknown,
}

impl Ending {
    /// Of a list whose server is known for cursors of its own, or not.
    pub(crate) fn new(cursors: bool) -> Self {
        Self { links: if cursors { Links::Cursor } else { Links::Unseen }, least: None, settled: None }
    }

    /// Of the rest of a list, from this page on.
    pub(crate) fn resumed(mut self, url: &Url) -> Self {
        // What another server than one that pages by names would write there is no name, or a number (Artifactory).
        let is_name =
            |key: &str| crate::grammar::is_repository_name(key) && !key.bytes().all(|byte| byte.is_ascii_digit());
        self.links = if key_of(url).is_some_and(|key| is_name(&key)) { Links::ByName } else { Links::Cursor };
        self
    }

    /// Notes a page that has a link.
    pub(crate) fn linked(&mut self, listed: &Listed, next: &Url) {
        let entries = listed.entries();
        if entries == 0 {
            return;
        }
        self.least = Some(self.least.map_or(entries, |least| least.min(entries)));
        let by_name = listed.last().is_none_or(|last| key_of(next).is_some_and(|key| key == last));
        self.links = match self.links {
            Links::Unseen | Links::ByName if by_name => Links::ByName,
            _ => Links::Cursor,
        };
    }

    /// Whether a page of so many entries, which was asked for like this, is as long as pages of this list are.
    pub(crate) fn is_full(&self, url: &Url, entries: usize) -> bool {
        let asked = size_of(url);
        entries > 0
            && (asked.is_some_and(|asked| entries >= asked)
                || self.least.map_or(entries == MODEST as usize, |least| entries >= least))
    }

    /// What to ask about a page without a link; nothing if it is clear that the list has ended.
    pub(crate) fn ask(&mut self, url: &Url, listed: &Listed) -> Option<Question> {
        let last = listed.last();
        let settled = self.settled.as_deref().is_some_and(|settled| settled == last.unwrap_or_default());
        if settled || !self.is_full(url, listed.entries()) {
            return None;
        }
        self.settled = Some(last.unwrap_or_default().to_owned());
        match last {
            Some(last) if self.links != Links::Cursor => {
                Some(Question { url: asking_after(url, last), how: How::After })
            }
            _ => Some(again(url, listed)),
        }
    }

    /// Takes the answer to a question about this page.
    pub(crate) fn hear(&mut self, question: &Question, (url, page): (&Url, &Listed), heard: Heard) -> Told {
        match (question.how, heard) {
            (How::After, Heard::Nothing) => Told::Ask(again(url, page)),
            (How::Again, Heard::Nothing) => Told::End(Certainty::Unknown),
            (How::After, Heard::Page(listed, None)) if listed.entries() == 0 => Told::End(Certainty::Sure),
            (How::After, Heard::Page(listed, next)) => {
                if listed.entries() == 0 || has_more_than(page, &listed) {
                    self.links = Links::ByName;
                    return Told::Here;
                }
                match next {
                    // The server has a cursor of its own and began again; the first page's link was lost.
                    Some(next) if self.links == Links::Unseen => Told::At(next),
                    None if size_of(url).is_some_and(|asked| page.entries() > asked) => Told::End(Certainty::AllAtOnce),
                    _ => Told::Ask(again(url, page)),
                }
            }
            (How::Again, Heard::Page(listed, next)) => match next {
                _ if has_more_than(page, &listed) => Told::Here,
                Some(next) => Told::At(next),
                None if listed.entries() > 0 && listed.entries() < page.entries() => Told::End(Certainty::Unknown),
                None => Told::End(Certainty::Repeated),
            },
        }
    }
}

/// The same page once more, one name shorter if the server keeps to sizes: if its links come through, this page has one.
fn again(url: &Url, page: &Listed) -> Question {
    let entries = page.entries();
    let shorter = size_of(url).is_some_and(|asked| entries <= asked) && entries > 1;
    Question { url: if shorter { with_size(url, entries - 1) } else { url.clone() }, how: How::Again }
}

/// Whether a page lists what another does not.
pub(crate) fn has_more_than(known: &Listed, listed: &Listed) -> bool {
    let names: HashSet<&str> = known.names.iter().collect();
    listed.names.iter().any(|name| !names.contains(name))
        || (listed.names.is_empty() && listed.invalid_count > 0 && listed.invalid != known.invalid)
}

/// The page size that a request names.
fn size_of(url: &Url) -> Option<usize> {
    url.query_pairs().find(|(name, _)| name == "n").and_then(|(_, size)| size.parse().ok())
}

/// Whether a link asks for what was asked for a moment ago, or for the list from its beginning. On an empty page, this is
/// how some servers say that the list has ended: Cloudflare's serverless-registry 1.1 writes an empty `last`.
pub(crate) fn leads_nowhere(next: &Url, requested: &Url) -> bool {
    let place = |url: &Url| {
        let pairs = url.query_pairs().filter(|(name, value)| name != "n" && !value.is_empty());
        let mut pairs: Vec<_> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        pairs.sort_unstable();
        pairs
    };
    let there = place(next);
    there.is_empty() || there == place(requested)
}

#[cfg(test)]
#[path = "ending_tests.rs"]
mod tests;
