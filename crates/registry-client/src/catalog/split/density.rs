//! Estimates where names are likely, by which byte follows which byte in the names listed so far.
//!
//! Halving the space of all possible names would waste most requests: of the 37 bytes that the grammar allows at a
//! place, a registry uses few (`team-0417/…`). The pairs of bytes show enough: they say that a digit follows `-`, and
//! so give the middle of `team-00053/x` and the end of all names near `team-0…` at once. The estimates are only
//! guesses. A wrong guess costs a request and never loses a name.

use crate::catalog::split::order::{Order, Orders, common};
use crate::grammar::is_repository_name;
use crate::model::names::Names;

/// The bytes of names, in byte order; `0` stands for the begin and the end of a name.
const BYTES: [u8; 41] = *b"\0-./0123456789_abcdefghijklmnopqrstuvwxyz";
/// The weight of a byte that has not been seen in a place. It is small, since names are alike, but large enough that no
/// part of the space seems empty.
const UNSEEN: f64 = 0.1;
/// One of so many names is counted.
const LEARN_EVERY: usize = 8;
/// A key is extended until it is this close to its target, as a share of the space that is cut.
const CLOSE: f64 = 1.0 / 128.0;
/// Most bytes of a key after the prefix that all names of the space share.
const KEY_LENGTH: usize = 24;

/// Counts of pairs of neighbouring bytes.
#[derive(Clone, Debug)]
pub(crate) struct Density {
    counts: Vec<[f64; BYTES.len()]>,
    totals: [f64; BYTES.len()],
    index: [u8; 256],
}

impl Default for Density {
    fn default() -> Self {
        let mut index = [0; 256];
        for (at, byte) in (0..).zip(BYTES) {
            index[usize::from(byte)] = at;
        }
        #[allow(clippy::cast_precision_loss)] // 41
        let total = UNSEEN * BYTES.len() as f64;
        Self { counts: vec![[UNSEEN; BYTES.len()]; BYTES.len()], totals: [total; BYTES.len()], index }
    }
}

impl Density {
    pub(crate) fn learn(&mut self, names: &Names) {
        for name in names.iter().step_by(LEARN_EVERY) {
            let mut last = 0;
            for byte in name.bytes().chain([0]) {
                let next = self.at(byte);
                self.counts[last][next] += 1.0;
                self.totals[last] += 1.0;
                last = next;
            }
        }
    }

    fn at(&self, byte: u8) -> usize {
        usize::from(self.index[usize::from(byte)])
    }

    /// Of the names that share the first `from` bytes of `name`, the share that comes before `name`.
    fn below(&self, order: Order, name: &[u8], from: usize) -> f64 {
        let (mut low, mut width) = (0.0, 1.0);
        let mut last = if from == 0 { 0 } else { self.at(name[from - 1]) };
        for &byte in &name[from..] {
            let next = self.at(byte);
            let row = &self.counts[last];
            let before =
                BYTES.iter().zip(row).filter(|(other, _)| order.rank(**other) < order.rank(byte) || **other == 0);
            low += width * before.map(|(_, count)| count).sum::<f64>() / self.totals[last];
            width *= row[next] / self.totals[last];
            last = next;
        }
        low
    }

    /// Estimated number of pages after the page from `first` to `last`, up to `upto` or to the end of all names.
    pub(crate) fn pages_left(&self, order: Order, (first, last): (&str, &str), upto: Option<&str>) -> f64 {
        let from = upto.map_or(0, |upto| common(first.as_bytes(), upto.as_bytes()));
        let end = upto.map_or(1.0, |upto| self.below(order, upto.as_bytes(), from));
        let reached = self.below(order, last.as_bytes(), from);
        let page = reached - self.below(order, first.as_bytes(), from);
        // The numbers are not precise enough, or the page is so dense that the rest looks endless.
        if page <= 0.0 { MOST_PAGES } else { ((end - reached) / page).clamp(0.0, MOST_PAGES) }
    }

    /// Keys that cut the space after `after`, up to `upto`, into `parts` parts with about as many names each. They
    /// follow the grammar of names and ascend. There may be fewer of them, or none.
    pub(crate) fn cuts(&self, orders: Orders, after: &str, upto: Option<&str>, parts: usize) -> Vec<String> {
        let order = orders.any();
        let from = upto.map_or(0, |upto| common(after.as_bytes(), upto.as_bytes()));
        let low = self.below(order, after.as_bytes(), from);
        let high = upto.map_or(1.0, |upto| self.below(order, upto.as_bytes(), from));
        #[allow(clippy::cast_precision_loss)] // few
        let share = |part: usize| part as f64 / parts as f64;
        let between = |key: &str| orders.before(after, key) && upto.is_none_or(|upto| orders.before(key, upto));
        let mut keys: Vec<String> = Vec::new();
        for part in 1..parts {
            let target = low + (high - low) * share(part);
            let key = self.key(order, &after[..from], target, (high - low) * CLOSE, between);
            keys.extend(key.filter(|key| keys.last().is_none_or(|last| orders.before(last, key))));
        }
        keys
    }

    /// A key that begins with `stem`, has about `target` of the names with that stem before it, and is accepted by
    /// `wanted`.
    fn key(&self, order: Order, stem: &str, target: f64, close: f64, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut bytes = BYTES;
        bytes[1..].sort_unstable_by_key(|byte| order.rank(*byte));
        let mut key = stem.to_owned();
        let (mut low, mut width) = (0.0, 1.0);
        let mut last = stem.bytes().last().map_or(0, |byte| self.at(byte));
        let mut found = None;
        for _ in 0..KEY_LENGTH {
            let mut passed = self.counts[last][0];
            let mut chosen = None;
            for byte in &bytes[1..] {
                let count = self.counts[last][self.at(*byte)];
                chosen = Some((*byte, passed, count));
                if low + width * (passed + count) / self.totals[last] > target {
                    break;
                }
                passed += count;
            }
            let (byte, passed, count) = chosen?;
            low += width * passed / self.totals[last];
            width *= count / self.totals[last];
            last = self.at(byte);
            key.push(char::from(byte));
            if byte.is_ascii_alphanumeric() && wanted(&key) && is_repository_name(&key) {
                found = Some(key.clone());
                if width <= close {
                    break;
                }
            }
        }
        found
    }
}

/// More pages than any registry has; also the result if no number can be computed.
const MOST_PAGES: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(names: &[&str]) -> Density {
        let mut density = Density::default();
        for name in names.iter().cycle().take(100 * names.len()) {
            density.learn(&[*name].into_iter().collect());
        }
        density
    }

    fn orders<const N: usize>(pairs: [(&str, &str); N]) -> Orders {
        let mut orders = Orders::ALL;
        for (before, after) in pairs {
            orders.note(before, after);
        }
        orders
    }

    #[test]
    fn shares_grow_with_the_order() {
        let density = learned(&["team-1/app", "team-2/web", "other.x"]);
        for (order, names) in [
            (Order::Byte, ["0", "a", "a-b", "a.b", "a/b", "aa", "team-1/app", "team-2", "team-2/web", "z"]),
            (Order::Path, ["0", "a", "a/b", "a-b", "a.b", "aa", "team-1/app", "team-2", "team-2/web", "z"]),
        ] {
            let shares: Vec<f64> = names.iter().map(|name| density.below(order, name.as_bytes(), 0)).collect();
            assert!(shares.is_sorted_by(|a, b| a < b), "{shares:?}");
            assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        }
    }

    #[test]
    fn cuts_lie_between_ascend_and_follow_the_grammar() {
        let density = learned(&["team-00/app", "team-12/web", "team-23/x", "team-45/y", "team-67/z", "team-89/app"]);
        for orders in [orders([("a-b", "a/b")]), orders([("a/b", "a-b")]), Orders::ALL] {
            for (after, upto) in [
                ("team-00/app", None),
                ("team-00/app", Some("team-99/x")),
                ("a", Some("a1")),
                ("a-b", Some("b")),
                ("team-12/web", Some("team-12/web0")),
                ("zzzzzz", None),
            ] {
                let keys = density.cuts(orders, after, upto, 16);
                for (at, key) in keys.iter().enumerate() {
                    assert!(is_repository_name(key), "{key}");
                    let previous = if at == 0 { after } else { &keys[at - 1] };
                    assert!(orders.before(previous, key), "{previous} {key}");
                    assert!(upto.is_none_or(|upto| orders.before(key, upto)), "{key}");
                }
            }
        }
    }

    #[test]
    fn the_middle_is_looked_for_where_names_are() {
        let density = learned(&["team-00/a", "team-12/b", "team-23/c", "team-45/d", "team-67/e", "team-89/f"]);
        let middle = density.cuts(Orders::ALL, "team-00/a", None, 2);
        assert!(middle[0].starts_with("team-"), "{middle:?}");
        let left = density.pages_left(Order::Byte, ("team-00/a", "team-10/a"), Some("team-90"));
        assert!((3.0..20.0).contains(&left), "{left}");
    }
}
