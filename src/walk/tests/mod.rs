//! Walks over registries in memory.

pub(super) mod memory;
mod names;
mod oddities;
mod repositories;
mod twice;
mod unfinished;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use chrono::DateTime;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::registry::{Cursor, Names, Page};
use memory::MemoryRegistry;

/// Pages as given; the last one is the last. The cursor after a page is its number.
#[derive(Debug)]
pub(super) struct Listed(Vec<Vec<String>>);

impl Listed {
    pub(super) fn of(pages: &[&[&str]]) -> Self {
        Self(pages.iter().map(|page| page.iter().map(|&name| name.to_owned()).collect()).collect())
    }
}

impl Discovery for Listed {
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        let skipped = from.map_or(0, |cursor| cursor.0.parse().expect("a cursor of ours"));
        let count = self.0.len();
        let page = move |(at, names): (usize, &Vec<String>)| {
            Ok(Page {
                number: at as u64 + 1,
                names: names.iter().map(String::as_str).collect::<Names>(),
                invalid: Vec::new(),
                invalid_count: 0,
                received_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
                last: at + 1 == count,
                cursor: (at + 1 < count).then(|| Cursor((at + 1).to_string())),
                proven_new: false,
                shortfalls: Vec::new(),
                remarks: Vec::new(),
            })
        };
        stream::iter(self.0.iter().enumerate().skip(skipped).map(page)).boxed()
    }
}

pub(super) fn fresh(directory: &Path, settings: &WalkSettings) -> WalkStart {
    let spool = Spool::create(&directory.join("walk"), &settings.tables()).unwrap();
    WalkStart::Fresh { spool, fingerprint: Some("settings".into()) }
}

/// A walk of `pages`, reading from `memory`, four repositories at once.
async fn walk_of(
    pages: &dyn Discovery,
    memory: &MemoryRegistry,
    start: WalkStart,
    settings: &WalkSettings,
    stop: &CancellationToken,
) -> WalkOutcome {
    let concurrency = NonZeroUsize::new(4).unwrap();
    let sources = WalkSources { discovery: pages, contents: memory, known: memory.known.clone(), concurrency };
    walk(&sources, start, settings, &WalkProgress::default(), stop).await
}
