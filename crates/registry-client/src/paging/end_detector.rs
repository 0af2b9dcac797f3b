//! Finds out whether a list has ended at a page without a link to a next one. The link may have been lost (a proxy
//! drops long headers, a cache stores bodies only), and some servers page by `last` and send no link (Trow 0.10). So
//! after a full page without a link, the client asks what follows its last name. If the server uses cursors of its own,
//! the client asks for the same page again, one name shorter: a server whose links arrive has to send one then. Pure:
//! decides what to ask and what an answer means.

use std::collections::HashSet;

use url::Url;

use crate::paging::key::{asking_after, key_of, with_size};
use crate::paging::page::{ListedNames, MODEST};

/// How the links of a list lead to the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkKind {
    /// No link has been seen.
    Unseen,
    /// By `last` with the last name of the page.
    ByName,
    /// By a cursor that only the server understands. If a name is sent in its place, the list may begin again (Quay).
    Cursor,
}

/// What the pages of one list show about its end.
#[derive(Debug)]
pub(crate) struct EndDetector {
    links: LinkKind,
    /// The number of entries of the shortest page that had entries and a link.
    least: Option<usize>,
    /// The last entry of the page that was last asked about, if it was kept. The same page is not asked about again.
    settled: Option<String>,
}

/// A request that shows whether a page is the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndQuestion {
    pub(crate) url: Url,
    how: QuestionKind,
}

impl EndQuestion {
    /// Whether it asks for what follows the page, and not for the page again.
    pub(crate) fn is_about_the_rest(&self) -> bool {
        self.how == QuestionKind::After
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuestionKind {
    /// Asks what follows the last name.
    After,
    /// Asks for the same page.
    Again,
}

/// The answer to a question.
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
    /// The next page is at this link.
    At(Url),
    /// Another question may show it.
    Ask(EndQuestion),
}

/// How certain it is that a list has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The server says so, or the page is not full.
    Sure,
    /// The server returns the whole list for any size and any `last`.
    AllAtOnce,
    /// The server returned the same page again, again without a link.
    Repeated,
    /// The server returns pages of the requested size, and no way to the next.
    Unknown,
}

impl EndDetector {
    /// For a list; `cursors` says whether the server is known to use cursors of its own.
    pub(crate) fn new(cursors: bool) -> Self {
        Self { links: if cursors { LinkKind::Cursor } else { LinkKind::Unseen }, least: None, settled: None }
    }

    /// For the rest of a list, from this page on.
    pub(crate) fn resumed(mut self, url: &Url) -> Self {
        // A server that does not page by names writes something that is not a name, or a number (Artifactory).
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

    /// Whether a page with so many entries, requested with this URL, is as long as pages of this list are.
    pub(crate) fn is_full(&self, url: &Url, entries: usize) -> bool {
        let asked = size_of(url);
        entries > 0
            && (asked.is_some_and(|asked| entries >= asked)
                || self.least.map_or(entries == MODEST as usize, |least| entries >= least))
    }

    /// The question about a page without a link. None if the list has clearly ended.
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

    /// Interprets the answer to a question about this page.
    pub(crate) fn interpret(
        &mut self,
        question: &EndQuestion,
        (url, page): (&Url, &ListedNames),
        probe_answer: ProbeAnswer,
    ) -> EndVerdict {
        match (question.how, probe_answer) {
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
                    // The server uses cursors of its own and began again; the link of the first page was lost.
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

/// Asks for the same page, one name shorter if the server respects sizes: if its links arrive, this page has one.
fn again(url: &Url, page: &ListedNames) -> EndQuestion {
    let entries = page.entries();
    let shorter = size_of(url).is_some_and(|asked| entries <= asked) && entries > 1;
    EndQuestion { url: if shorter { with_size(url, entries - 1) } else { url.clone() }, how: QuestionKind::Again }
}

/// Whether a page has names that another page does not have.
pub(crate) fn has_more_than(known: &ListedNames, listed: &ListedNames) -> bool {
    let names: HashSet<&str> = known.names.iter().collect();
    listed.names.iter().any(|name| !names.contains(name))
        || (listed.names.is_empty() && listed.invalid_count > 0 && listed.invalid != known.invalid)
}

/// The page size of a request.
fn size_of(url: &Url) -> Option<usize> {
    url.query_pairs().find(|(name, _)| name == "n").and_then(|(_, size)| size.parse().ok())
}

/// Whether a link asks for the page that was just requested, or for the beginning of the list. On an empty page, some
/// servers say so that the list has ended: Cloudflare's serverless-registry 1.1 writes an empty `last`.
pub(crate) fn repeats_request(next: &Url, requested: &Url) -> bool {
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
