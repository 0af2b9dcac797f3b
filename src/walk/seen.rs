//! Which names a walk has met, approximately and in little memory: a Bloom filter that grows, 2 to 3 bytes a name.
//!
//! "Probably met" must be confirmed elsewhere; "not met" is certain.

use std::hash::{BuildHasher, RandomState};

/// Names the first layer is made for; each further layer holds twice as many as the one before.
const FIRST_LAYER: usize = 16 * 1024;
const BITS_PER_NAME: usize = 10;
/// The number of bits set per name; with 10 bits a name about one in a hundred unknown names looks known.
const PROBES: u64 = 6;

#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Keyed at random, so that no server can choose names that collide.
    hasher: RandomState,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    bits: Vec<u64>,
    room: usize,
}

impl Seen {
    /// Adds a name; false if it was certainly not met before.
    pub(super) fn insert(&mut self, name: &str) -> bool {
        let hash = self.hasher.hash_one(name);
        if self.layers.iter().rev().any(|layer| layer.holds(hash)) {
            return true;
        }
        if self.layers.last().is_none_or(|layer| layer.room == 0) {
            let names = FIRST_LAYER << self.layers.len();
            self.layers.push(Layer { bits: vec![0; names * BITS_PER_NAME / 64], room: names });
        }
        if let Some(layer) = self.layers.last_mut() {
            layer.insert(hash);
        }
        false
    }
}

impl Layer {
    fn holds(&self, hash: u64) -> bool {
        self.probes(hash).all(|(word, bit)| self.bits[word] & bit != 0)
    }

    fn insert(&mut self, hash: u64) {
        for (word, bit) in self.probes(hash).collect::<Vec<_>>() {
            self.bits[word] |= bit;
        }
        self.room -= 1;
    }

    /// Double hashing (Kirsch and Mitzenmacher): the halves of one hash make all probes.
    fn probes(&self, hash: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let bits = self.bits.len() as u64 * 64;
        let (start, step) = (hash & 0xffff_ffff, (hash >> 32) | 1);
        (0..PROBES).map(move |n| {
            let bit = (start + n * step) % bits;
            #[allow(clippy::cast_possible_truncation)] // below the number of bits of a Vec
            let word = (bit / 64) as usize;
            (word, 1 << (bit % 64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_met_name_is_never_denied_and_few_unknown_ones_look_met() {
        let mut seen = Seen::default();
        let count = 200_000;
        let wrongly = (0..count).filter(|n| seen.insert(&format!("team/{n}"))).count();
        assert!(wrongly < count / 20, "{wrongly} of {count} unknown names looked met");
        assert!((0..count).all(|n| seen.insert(&format!("team/{n}"))));
    }
}
