//! Reads `GET /v2/_catalog` page by page. Some links count entries or pages instead of naming the last name. Then a
//! deletion during the walk hides a name, as in an API's numbered pages (see `numbered`), and there is no total that
//! would show it. Such a catalog is read until two readings agree.

use std::collections::HashSet;

use futures::stream::{BoxStream, StreamExt, try_unfold};
use url::Url;

use super::Discovery;
use super::listing::ListAnswer;
use super::numbered::{ListReadings, ReadingEnd};
use super::seen_texts::SeenTexts;
use crate::registry::{Client, Cursor, ListNote, Page, RegistryError};

/// Parameters of a link that say how large a page is.
const SIZES: [&str; 5] = ["n", "limit", "page_size", "per_page", "size"];

/// The catalog of a registry.
#[derive(Clone, Debug)]
pub struct CatalogDiscovery(pub Client);

impl Discovery for CatalogDiscovery {
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        let (client, pages) = (&self.0, self.0.catalog(from));
        let walk = CatalogReading { client, pages, number: 0, by_number: None, is_over: false };
        try_unfold(walk, |mut walk| async { Ok(walk.step().await?.map(|page| (page, walk))) }).boxed()
    }
}

struct CatalogReading<'a> {
    client: &'a Client,
    pages: BoxStream<'a, Result<Page, RegistryError>>,
    number: u64,
    /// The readings, if a link has shown that pages are numbered.
    by_number: Option<Box<ByNumber>>,
    is_over: bool,
}

#[derive(Default)]
struct ByNumber {
    readings: ListReadings,
    met: SeenTexts,
}

impl CatalogReading<'_> {
    async fn step(&mut self) -> Result<Option<Page>, RegistryError> {
        if self.is_over {
            return Ok(None);
        }
        let Some(page) = self.pages.next().await.transpose()? else { return Ok(None) };
        let is_numbered = || page.cursor.as_ref().is_some_and(|cursor| is_numbered(cursor, &page));
        if self.by_number.is_none() && is_numbered() {
            self.by_number = Some(Box::default());
        }
        self.number = self.number.max(page.number.saturating_sub(1)) + 1;
        let number = self.number;
        let Some(by_number) = &mut self.by_number else {
            self.is_over = page.last;
            return Ok(Some(page));
        };
        let entries = page.names.iter().map(str::to_owned).collect();
        by_number.readings.take(&ListAnswer { entries, ..ListAnswer::default() }, None);
        let is_again = by_number.readings.number() > 1;
        // A number is no cursor for another walk: it may mean another place then.
        let mut page = Page { number, cursor: None, ..page };
        let fresh = page.names.iter().filter(|name| by_number.met.is_new(name)).collect();
        if is_again {
            page = Page { names: fresh, invalid: Vec::new(), invalid_count: 0, proven_new: true, ..page };
        }
        if page.last {
            match by_number.readings.end() {
                ReadingEnd::Whole => self.is_over = true,
                ReadingEnd::Again => self.pages = self.client.catalog(None),
                ReadingEnd::Short(why) => {
                    self.is_over = true;
                    page.shortfalls.push(ListNote { code: "shifting", message: format!("catalog: {why}") });
                }
            }
            page.last = self.is_over;
        }
        Ok(Some(page))
    }
}

/// Whether the link after a page counts what came before it. A key is the page's last name, or a text that only the
/// server can read.
fn is_numbered(cursor: &Cursor, page: &Page) -> bool {
    let Ok(link) = Url::parse(&cursor.0) else { return false };
    let is_number = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let places = link.query_pairs().filter(|(name, _)| !SIZES.contains(&name.as_ref()));
    let places: HashSet<_> = places.map(|(_, value)| value.into_owned()).collect();
    places.iter().any(|value| is_number(value)) && !page.names.iter().last().is_some_and(|name| places.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Names;

    #[test]
    fn a_number_in_the_link_is_no_key_unless_it_is_the_last_name() {
        let page = |names: &[&str]| Page {
            number: 1,
            names: names.iter().copied().collect::<Names>(),
            invalid: Vec::new(),
            invalid_count: 0,
            received_at: chrono::DateTime::UNIX_EPOCH,
            last: false,
            cursor: None,
            proven_new: false,
            shortfalls: Vec::new(),
            remarks: Vec::new(),
        };
        for (link, names, numbered) in [
            ("https://r/v2/_catalog?n=100&last=team%2Fapp", &["team/app"][..], false),
            ("https://r/v2/_catalog?last=b&n=100&orderby=", &["b"], false),
            ("https://r/v2/_catalog?n=100&last=100", &["a", "b"], true),
            ("https://r/v2/_catalog?n=100&last=100", &["99", "100"], false),
            ("https://r/v2/_catalog?n=100&page=2", &["a"], true),
            ("https://r/v2/_catalog?offset=0200&limit=100", &["a"], true),
            ("https://r/v2/_catalog?n=100&next_page=gAAAAABm-_x%3D%3D", &["a"], false),
            ("https://r/v2/_catalog?n=100", &["a"], false),
            ("{\"ranges\":[1]}", &["a"], false),
        ] {
            assert_eq!(is_numbered(&Cursor(link.to_owned()), &page(names)), numbered, "{link}");
        }
    }
}
