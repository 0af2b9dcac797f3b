//! Whether a list has ended where a page has no link to a next one. A link may be lost on the way (a proxy drops long headers,
//! a cache stores bodies alone), and some servers page by `last` and send none (Trow 0.10). So a full page without a link
//! is asked about: what follows its last name, or where the server has a cursor of its own, the same page once more, one name
//! shorter, so that a server whose links come through has to send one. Pure: it says what to ask, and what an answer means.

use std::collections::HashSet;

use url::Url;

use crate::paging::key::{asking_after, key_of, with_size};
use crate::paging::page::{ListedNames, MODEST};

/// QuestionKind the links of a list lead on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkKind {
    /// None was seen.
    Unseen,
    /// By `last` and the last name of the page.
    ByName,
    /// By something that the server alone understands: a name in its place may begin the list again (Quay).
    Cursor,
}

/// What the pages of one list tell about its end.
#[derive(Debug)]
pub(crate) struct EndDetector {
    links: LinkKind,
    /// The entries of the shortest page that had any, and a link.
    least: Option<usize>,
    /// The last entry, if it was kept, of the page that was last asked about: it is not asked about again.
    settled: Option<String>,
}

/// What to ask, to learn whether a page is the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndQuestion {
    pub(crate) url: Url,
    how: QuestionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuestionKind {
    /// What follows the last name.
    After,
    /// The same page.
    Again,
}

/// What came in answer.
#[derive(Debug)]
pub(crate) enum ProbeAnswer {
    /// No page.
    Nothing,
    /// A page.
    Page(ListedNames, Option<Url>),
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EndVerdict {
    /// The list has ended.
    End(Certainty),
    /// The answer is the next page.
    Here,
    /// What there is besides is found at this link.
    At(Url),
    /// Another question may tell.
    Ask(EndQuestion),
}

/// QuestionKind sure it is that a list has ended.
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

impl EndDetector {
    /// Of a list whose server is known for cursors of its own, or not.
    pub(crate) fn new(cursors: bool) -> Self {
        Self { links: if cursors { LinkKind::Cursor } else { LinkKind::Unseen }, least: None, settled: None }
    }

    /// Of the rest of a list, from this page on.
    pub(crate) fn resumed(mut self, url: &Url) -> Self {
        // What another server than one that pages by names would write there is no name, or a number (Artifactory).
        let is_name =
            |key: &str| crate::grammar::is_repository_name(key) && !key.bytes().all(|byte| byte.is_ascii_digit());
        self.links = if key_of(url).is_some_and(|key| is_name(&key)) { LinkKind::ByName } else { LinkKind::Cursor };
        self
    }

    /// Notes a page that has a link.
    pub(crate) fn linked(&mut self, listed: &ListedNames, next: &Url) {
        let entries = listed.entries();
        if entries == 0 {
            return;
        }
        self.least = Some(self.least.map_or(entries, |least| least.min(entries)));
        let by_name = listed.last().is_none_or(|last| key_of(next).is_some_and(|key| key == last));
        self.links = match self.links {
            LinkKind::Unseen | LinkKind::ByName if by_name => LinkKind::ByName,
            _ => LinkKind::Cursor,
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
    pub(crate) fn ask(&mut self, url: &Url, listed: &ListedNames) -> Option<EndQuestion> {
        let last = listed.last();
        let settled = self.settled.as_deref().is_some_and(|settled| settled == last.unwrap_or_default());
        if settled || !self.is_full(url, listed.entries()) {
            return None;
        }
        self.settled = Some(last.unwrap_or_default().to_owned());
        match last {
            Some(last) if self.links != LinkKind::Cursor => {
                Some(EndQuestion { url: asking_after(url, last), how: QuestionKind::After })
            }
            _ => Some(again(url, listed)),
        }
    }

    /// Takes the answer to a question about this page.
    pub(crate) fn hear(
        &mut self,
        question: &EndQuestion,
        (url, page): (&Url, &ListedNames),
        heard: ProbeAnswer,
    ) -> EndVerdict {
        match (question.how, heard) {
            (QuestionKind::After, ProbeAnswer::Nothing) => EndVerdict::Ask(again(url, page)),
            (QuestionKind::Again, ProbeAnswer::Nothing) => EndVerdict::End(Certainty::Unknown),
            (QuestionKind::After, ProbeAnswer::Page(listed, None)) if listed.entries() == 0 => {
                EndVerdict::End(Certainty::Sure)
            }
            (QuestionKind::After, ProbeAnswer::Page(listed, next)) => {
                if listed.entries() == 0 || has_more_than(page, &listed) {
                    self.links = LinkKind::ByName;
                    return EndVerdict::Here;
                }
                match next {
                    // The server has a cursor of its own and began again; the first page's link was lost.
                    Some(next) if self.links == LinkKind::Unseen => EndVerdict::At(next),
                    None if size_of(url).is_some_and(|asked| page.entries() > asked) => {
                        EndVerdict::End(Certainty::AllAtOnce)
                    }
                    _ => EndVerdict::Ask(again(url, page)),
                }
            }
            (QuestionKind::Again, ProbeAnswer::Page(listed, next)) => match next {
                _ if has_more_than(page, &listed) => EndVerdict::Here,
                Some(next) => EndVerdict::At(next),
                None if listed.entries() > 0 && listed.entries() < page.entries() => {
                    EndVerdict::End(Certainty::Unknown)
                }
                None => EndVerdict::End(Certainty::Repeated),
            },
        }
    }
}

/// The same page once more, one name shorter if the server keeps to sizes: if its links come through, this page has one.
fn again(url: &Url, page: &ListedNames) -> EndQuestion {
    let entries = page.entries();
    let shorter = size_of(url).is_some_and(|asked| entries <= asked) && entries > 1;
    EndQuestion { url: if shorter { with_size(url, entries - 1) } else { url.clone() }, how: QuestionKind::Again }
}

/// Whether a page lists what another does not.
pub(crate) fn has_more_than(known: &ListedNames, listed: &ListedNames) -> bool {
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
#[path = "end_detector_tests.rs"]
mod tests;
