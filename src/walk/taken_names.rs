//! Which repositories a walk has taken, exactly: each is read once and counted once, however often it is listed.
//!
//! While names are sorted, by bytes or in docker-registry's tree order, comparing with the latest name is enough. From
//! the first unsorted name on, keyed hashes of all names are kept: 10 to 20 bytes a name. Two of a million names have
//! the same hash once in 37 million walks.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::snapshot::{Spool, SpoolError};

#[derive(Debug)]
pub(super) struct TakenNames {
    /// The latest name.
    latest: Option<String>,
    /// Whether all names so far came in the order of bytes, and in that of paths.
    by_byte: bool,
    by_path: bool,
    /// While names come in order: hashes of those that have no row yet.
    pending: HashSet<u64>,
    /// Hashes of all names, from the first on that was out of order.
    met: Option<HashSet<u64>>,
    /// Keyed at random, so that no server can choose names that collide.
    hasher: RandomState,
}

impl Default for TakenNames {
    fn default() -> Self {
        let (latest, pending, met, hasher) = (None, HashSet::new(), None, RandomState::new());
        Self { latest, by_byte: true, by_path: true, pending, met, hasher }
    }
}

impl TakenNames {
    /// What an interrupted walk had taken: the repositories with rows, and those that it had not read yet.
    pub(super) fn resumed<'a>(
        spool: &mut Spool,
        pending: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, SpoolError> {
        let mut taken = Self::default();
        pending.into_iter().for_each(|name| taken.wait(name));
        taken.remember_all(spool)?;
        Ok(taken)
    }

    /// Takes a name; false if it was taken before.
    pub(super) fn take(&mut self, name: &str, spool: &mut Spool) -> Result<bool, SpoolError> {
        if self.met.is_none() {
            if let Some(latest) = self.latest.as_deref() {
                if latest == name {
                    return Ok(false);
                }
                self.by_byte &= latest < name;
                self.by_path &= by_path(latest, name).is_lt();
            }
            if self.by_byte || self.by_path {
                let latest = self.latest.get_or_insert_default();
                latest.clear();
                latest.push_str(name);
                return Ok(true);
            }
            self.remember_all(spool)?;
        }
        let hash = self.hasher.hash_one(name);
        Ok(self.met.get_or_insert_default().insert(hash))
    }

    /// Notes that a name that was taken has no row yet.
    pub(super) fn wait(&mut self, name: &str) {
        if self.met.is_none() {
            self.pending.insert(self.hasher.hash_one(name));
        }
    }

    /// Notes that it has one now.
    pub(super) fn written(&mut self, name: &str) {
        if !self.pending.is_empty() {
            self.pending.remove(&self.hasher.hash_one(name));
        }
    }

    fn remember_all(&mut self, spool: &mut Spool) -> Result<(), SpoolError> {
        let mut met = std::mem::take(&mut self.pending);
        spool.visit(|name| {
            met.insert(self.hasher.hash_one(name));
        })?;
        self.met = Some(met);
        Ok(())
    }
}

/// `/` before every other byte.
fn by_path(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

#[cfg(test)]
mod tests {
    use stocktake_sink::Table;

    use super::*;

    fn spool(directory: &tempfile::TempDir) -> Spool {
        Spool::create(&directory.path().join("walk"), &[Table::Repositories]).expect("a spool")
    }

    #[test]
    fn names_in_order_are_new_without_anything_kept_of_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spool = spool(&directory);
        for names in [&["a", "a-b", "a.b/z", "a/x", "ab"][..], &["a", "a/x", "a-b", "a.b/z", "ab"][..]] {
            let mut taken = TakenNames::default();
            for name in names {
                assert!(taken.take(name, &mut spool).expect("taken"), "{name}");
                assert!(!taken.take(name, &mut spool).expect("taken"), "{name} again");
            }
            assert!(taken.met.is_none());
        }
    }

    #[test]
    fn a_name_is_taken_once_wherever_it_comes_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spool = spool(&directory);
        let mut taken = TakenNames::default();
        for name in ["a", "b", "c"] {
            assert!(taken.take(name, &mut spool).expect("taken"));
            taken.wait(name);
        }
        for (name, new) in [("b", false), ("z", true), ("a", false), ("d", true), ("z", false), ("c", false)] {
            assert_eq!(taken.take(name, &mut spool).expect("taken"), new, "{name}");
        }
    }
}
