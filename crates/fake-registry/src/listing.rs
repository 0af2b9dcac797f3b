//! The catalog of one server. Its JSON is rendered once, so a page costs one search and one copy.

use std::sync::Arc;

use super::names::NameList;

use super::repositories::{CatalogOrder, RepositoryNames, path_order};

/// All names in the order of the catalog, both as text and as JSON.
#[derive(Debug)]
pub(super) struct RenderedCatalog {
    order: CatalogOrder,
    names: Arc<NameList>,
    /// `"a","b",` and so on.
    json: String,
    /// For each name, where its entry and the comma after it end in `json`.
    ends: Vec<usize>,
    /// Positions sorted by name, for orders in which a binary search for `last=` is impossible. Otherwise empty.
    by_name: Vec<u32>,
}

impl RenderedCatalog {
    pub(super) fn new(repositories: &RepositoryNames, order: CatalogOrder) -> Self {
        let names = repositories.ordered(order);
        let mut json = String::new();
        let mut ends = Vec::with_capacity(names.len());
        for name in names.iter() {
            push_json(&mut json, name);
            ends.push(json.len());
        }
        let mut by_name = Vec::new();
        if matches!(order, CatalogOrder::Given | CatalogOrder::Shuffled(_)) {
            by_name.extend(0..u32::try_from(names.len()).expect("fewer than 4 billion names"));
            by_name.sort_unstable_by_key(|&at| &names[at as usize]);
        }
        Self { order, names, json, ends, by_name }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, at: usize) -> &str {
        &self.names[at]
    }

    /// Whether the catalog lists the name.
    pub(super) fn contains(&self, name: &str) -> bool {
        let after = self.after(name);
        after > 0 && self.name(after - 1) == name
    }

    /// The position at which the page after `last` begins.
    pub(super) fn after(&self, last: &str) -> usize {
        match self.order {
            CatalogOrder::Bytewise => first(self.len(), |at| self.name(at) > last),
            CatalogOrder::Path => first(self.len(), |at| path_order(self.name(at), last).is_gt()),
            CatalogOrder::Given | CatalogOrder::Shuffled(_) => {
                let found = self.by_name.binary_search_by_key(&last, |&at| self.name(at as usize));
                found.map_or(0, |at| self.by_name[at] as usize + 1)
            }
        }
    }

    /// The JSON of the catalog for the names from `start` to before `end`.
    pub(super) fn page(&self, start: usize, end: usize) -> Vec<u8> {
        let offset = |at: usize| if at == 0 { 0 } else { self.ends[at - 1] };
        let entries = self.json[offset(start)..offset(end)].trim_end_matches(',');
        let mut body = Vec::with_capacity(entries.len() + 32);
        body.extend_from_slice(b"{\"repositories\":[");
        body.extend_from_slice(entries.as_bytes());
        body.extend_from_slice(b"]}\n");
        body
    }
}

/// Appends `"name",`. A script may contain invalid names, so names are escaped. Valid names take a fast path.
fn push_json(json: &mut String, name: &str) {
    if name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
        json.push('"');
        json.push_str(name);
        json.push_str("\",");
    } else {
        json.push_str(&serde_json::Value::from(name).to_string());
        json.push(',');
    }
}

/// The first index below `len` for which `beyond` is true, or `len`. If `beyond` is true for an index, it is true for all later
/// ones.
fn first(len: usize, beyond: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if beyond(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
