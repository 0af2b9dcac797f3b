//! Whether a page lists a name that was not listed before. Takes little memory; an answer of "yes" is certain.
//!
//! While names ascend, comparing with the greatest name so far is enough. From the first page without a greater name on
//! (the registry lists by age, or repeats a page), a growing Bloom filter is used, which is filled from the spool: 2 to
//! 3 bytes a name.

use std::hash::{BuildHasher, RandomState};

use fastbloom::BloomFilter;

use crate::registry::Names;
use crate::snapshot::{MonitoredNames, Spool, SpoolError};

/// Names the first layer is made for; each further layer holds twice as many as the one before.
const FIRST_LAYER: usize = 16 * 1024;
const BITS_PER_NAME: usize = 10;
/// The number of bits set per name; with 10 bits a name about one in a hundred unknown names looks known to a full
/// layer, of which ten million names fill ten.
const PROBES: u32 = 6;

#[derive(Debug, Default)]
pub(super) struct SeenNames {
    greatest: String,
    filter: Option<GrowingBloomFilter>,
}

impl SeenNames {
    /// What an interrupted walk had listed: the repositories with rows, and those that it had not read yet.
    pub(super) fn resumed<'a>(
        spool: &mut Spool,
        pending: impl IntoIterator<Item = &'a str>,
        monitored: &MonitoredNames,
    ) -> Result<Self, SpoolError> {
        let mut filter = GrowingBloomFilter::of(spool, monitored)?;
        for name in pending.into_iter().filter(|name| !monitored.contains(name)) {
            filter.insert(name);
        }
        Ok(Self { greatest: String::new(), filter: Some(filter) })
    }

    /// Notes a page's names; false if all of them look met. An empty page is no lack of progress. Rows of `monitored`
    /// repositories do not count as listed.
    pub(super) fn note(
        &mut self,
        names: &Names,
        spool: &mut Spool,
        monitored: &MonitoredNames,
    ) -> Result<bool, SpoolError> {
        if self.filter.is_none() {
            let greatest = names.iter().max().unwrap_or_default();
            if greatest > self.greatest.as_str() || names.is_empty() {
                if !names.is_empty() {
                    greatest.clone_into(&mut self.greatest);
                }
                return Ok(true);
            }
        }
        let filter = match &mut self.filter {
            Some(filter) => filter,
            none => none.insert(GrowingBloomFilter::of(spool, monitored)?),
        };
        let mut progressed = names.is_empty();
        for name in names.iter() {
            progressed |= !filter.insert(name);
        }
        Ok(progressed)
    }
}

#[derive(Debug, Default)]
struct GrowingBloomFilter {
    /// Keyed at random, so that no server can choose names that collide.
    hasher: RandomState,
    layers: Vec<FilterLayer>,
}

#[derive(Debug)]
struct FilterLayer {
    /// Takes the hashes of our own hasher; its own one is not used.
    bits: BloomFilter,
    /// Names that still fit.
    room: usize,
}

impl GrowingBloomFilter {
    /// A filter that holds the repositories of the spool but for monitored ones, which have rows whether they were
    /// listed or not.
    fn of(spool: &mut Spool, monitored: &MonitoredNames) -> Result<Self, SpoolError> {
        let mut filter = Self::default();
        spool.visit(|name| {
            if !monitored.contains(name) {
                filter.insert(name);
            }
        })?;
        Ok(filter)
    }

    /// Adds a name; false if it was certainly not met before.
    fn insert(&mut self, name: &str) -> bool {
        let hash = self.hasher.hash_one(name);
        if self.layers.iter().rev().any(|layer| layer.bits.contains_hash(hash)) {
            return true;
        }
        if self.layers.last().is_none_or(|layer| layer.room == 0) {
            let names = FIRST_LAYER << self.layers.len();
            let bits = BloomFilter::with_num_bits(names * BITS_PER_NAME).hashes(PROBES);
            self.layers.push(FilterLayer { bits, room: names });
        }
        if let Some(layer) = self.layers.last_mut() {
            layer.bits.insert_hash(hash);
            layer.room -= 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_met_name_is_never_denied_and_few_unknown_ones_look_met() {
        let mut filter = GrowingBloomFilter::default();
        let count = 100_000;
        let wrongly = (0..count).filter(|n| filter.insert(&format!("team/{n}"))).count();
        assert!(wrongly < count / 20, "{wrongly} of {count} unknown names looked met");
        assert!((0..count).all(|n| filter.insert(&format!("team/{n}"))));
    }
}
