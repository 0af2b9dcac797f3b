//! The orders in which registries list names, and which of them the answers of a registry still allow.

use std::cmp::Ordering;

/// An order of names in which `last=` may be any key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By bytes.
    Byte,
    /// `/` before every other byte, as docker-registry walks its tree: `a`, `a/x`, `a/x-1`, `a-b/y`, `a.b/z`.
    Path,
}

impl Order {
    /// The rank of a byte of a name.
    pub(crate) fn rank(self, byte: u8) -> u8 {
        if self == Self::Path && byte == b'/' { 0 } else { byte }
    }

    pub(crate) fn compare(self, a: &str, b: &str) -> Ordering {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let at = common(a, b);
        match (a.get(at), b.get(at)) {
            (Some(a), Some(b)) => self.rank(*a).cmp(&self.rank(*b)),
            _ => a.len().cmp(&b.len()),
        }
    }
}

/// How many bytes two names have in common at their beginning.
pub(crate) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The orders that all pairs of neighbours seen so far allow. Both orders are total, so an order that holds for all
/// neighbours holds for all names of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    byte: bool,
    path: bool,
}

impl Orders {
    pub(crate) const ALL: Self = Self { byte: true, path: true };

    /// Removes the orders in which `before` does not come before `after`.
    pub(crate) fn note(&mut self, before: &str, after: &str) {
        self.byte &= Order::Byte.compare(before, after).is_lt();
        self.path &= Order::Path.compare(before, after).is_lt();
    }

    /// Whether no order is left: the list has another order, or none.
    pub(crate) fn is_empty(self) -> bool {
        !self.byte && !self.path
    }

    /// Whether `a` comes before `b` in each order that is left.
    pub(crate) fn before(self, a: &str, b: &str) -> bool {
        (!self.byte || Order::Byte.compare(a, b).is_lt()) && (!self.path || Order::Path.compare(a, b).is_lt())
    }

    /// One of the orders that are left, for estimates.
    pub(crate) fn any(self) -> Order {
        if self.byte { Order::Byte } else { Order::Path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_order_is_that_of_docker_registry() {
        let listed = ["a", "a/x", "a/x/y", "a/x-1", "a-b/y", "a.b/z", "ab"];
        assert!(listed.is_sorted_by(|a, b| Order::Path.compare(a, b).is_lt()));
        let listed = ["a", "a-b/y", "a.b/z", "a/x", "a/x-1", "a/x/y", "ab"];
        assert!(listed.is_sorted_by(|a, b| Order::Byte.compare(a, b).is_lt()));
    }

    #[test]
    fn neighbours_rule_orders_out() {
        let left = |pairs: &[(&str, &str)]| {
            let mut orders = Orders::ALL;
            for (before, after) in pairs {
                orders.note(before, after);
            }
            (orders.byte, orders.path)
        };
        assert_eq!(left(&[("a", "b"), ("b", "b/c"), ("a-b", "a-c"), ("a_b", "aa")]), (true, true));
        assert_eq!(left(&[("a", "b"), ("a-b", "a/b")]), (true, false));
        assert_eq!(left(&[("a/b", "a.b"), ("x", "y")]), (false, true));
        assert_eq!(left(&[("a/b", "a.b"), ("c-d", "c/d")]), (false, false));
        assert_eq!(left(&[("a", "a")]), (false, false));
    }
}
