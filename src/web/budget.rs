//! How much work with passwords one address may cause. bcrypt takes a tenth of a second and more, one after the other:
//! without a bound, one client with wrong passwords keeps all others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Wrong passwords that one address may send at once.
const MOST_WRONG: u32 = 5;
/// After that, one more each so often.
const REFILL: Duration = Duration::from_secs(10);
/// Checks of one address that wait or are in progress.
const MOST_AT_ONCE: u32 = 2;
/// Addresses that are remembered. Beyond it, those are forgotten first that have the most left.
const MOST_ADDRESSES: usize = 1024;

/// The budgets of all addresses.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    spent: Mutex<HashMap<IpAddr, Spent>>,
}

/// What an address has used of its budget.
#[derive(Clone, Copy, Debug)]
struct Spent {
    /// Wrong passwords that still count.
    wrong: u32,
    /// Since when the next one is being forgiven.
    since: Instant,
    at_once: u32,
}

/// A check in progress; dropped, it is over.
#[derive(Debug)]
pub(super) struct Check {
    budgets: Arc<Budgets>,
    address: IpAddr,
}

impl Budgets {
    /// Begins a check for an address; none if it has to wait, because of what it sent before or sends now.
    pub(super) fn begin(self: &Arc<Self>, address: IpAddr) -> Option<Check> {
        let address = owner(address);
        let now = Instant::now();
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_ADDRESSES && !all.contains_key(&address) {
            make_room(&mut all, now);
        }
        let spent = all.entry(address).or_insert(Spent { wrong: 0, since: now, at_once: 0 });
        spent.forgive(now);
        if spent.wrong >= MOST_WRONG || spent.at_once >= MOST_AT_ONCE {
            return None;
        }
        spent.at_once += 1;
        Some(Check { budgets: Arc::clone(self), address })
    }
}

impl Check {
    /// The password was wrong.
    pub(super) fn failed(&self) {
        self.change(|spent| {
            let now = Instant::now();
            spent.forgive(now);
            if spent.wrong == 0 {
                spent.since = now;
            }
            spent.wrong += 1;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Spent)) {
        let mut all = self.budgets.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgotten meanwhile: it had more left than a thousand others.
        if let Some(spent) = all.get_mut(&self.address) {
            change(spent);
        }
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.change(|spent| spent.at_once = spent.at_once.saturating_sub(1));
    }
}

impl Spent {
    fn forgive(&mut self, now: Instant) {
        while self.wrong > 0 && now.duration_since(self.since) >= REFILL {
            self.wrong -= 1;
            self.since += REFILL;
        }
    }
}

/// Whose budget an address is charged to: a network gives each of its IPv6 customers 2^64 addresses and more.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Forgets the half that has the most left, but none with a check in progress.
fn make_room(all: &mut HashMap<IpAddr, Spent>, now: Instant) {
    for spent in all.values_mut() {
        spent.forgive(now);
    }
    let mut wrong: Vec<u32> = all.values().map(|spent| spent.wrong).collect();
    wrong.sort_unstable();
    let median = wrong[wrong.len() / 2];
    all.retain(|_, spent| spent.at_once > 0 || spent.wrong > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_passwords_use_up_the_budget_of_their_address_alone_and_time_refills_it() {
        let budgets = Arc::<Budgets>::default();
        for _ in 0..MOST_WRONG {
            budgets.begin(address(1)).expect("there is some left").failed();
        }
        assert!(budgets.begin(address(1)).is_none());
        assert!(budgets.begin(address(2)).is_some(), "another address");
        tokio::time::advance(REFILL).await;
        budgets.begin(address(1)).expect("one more").failed();
        assert!(budgets.begin(address(1)).is_none());
        tokio::time::advance(REFILL * MOST_WRONG * 2).await;
        for _ in 0..MOST_WRONG {
            budgets.begin(address(1)).expect("all of it again, and no more").failed();
        }
        assert!(budgets.begin(address(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn good_passwords_cost_nothing_but_their_place() {
        let budgets = Arc::<Budgets>::default();
        let held: Vec<_> = (0..MOST_AT_ONCE).map(|_| budgets.begin(address(1)).expect("a place")).collect();
        assert!(budgets.begin(address(1)).is_none());
        drop(held);
        for _ in 0..100 {
            budgets.begin(address(1)).expect("they were good");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_of_one_ipv6_network_and_both_ways_to_write_ipv4_share_a_budget() {
        let budgets = Arc::<Budgets>::default();
        for last in 0..MOST_WRONG {
            let v6 = format!("2001:db8:1:2::{last}").parse().expect("an address");
            budgets.begin(v6).expect("there is some left").failed();
            let mapped = Ipv6Addr::from_bits(0xffff_c000_0201).into();
            budgets.begin(if last % 2 == 0 { mapped } else { address(1) }).expect("there is some left").failed();
        }
        assert!(budgets.begin("2001:db8:1:2:ffff::1".parse().expect("an address")).is_none());
        assert!(budgets.begin("2001:db8:1:3::1".parse().expect("an address")).is_some());
        assert!(budgets.begin(address(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_bounded_room_and_do_not_refill_the_worst() {
        let budgets = Arc::<Budgets>::default();
        for _ in 0..MOST_WRONG {
            budgets.begin(address(1)).expect("there is some left").failed();
        }
        for number in 0..10_000_u32 {
            let other = IpAddr::from(number.to_be_bytes().map(|byte| byte | 1));
            if let Some(check) = budgets.begin(other) {
                check.failed();
            }
        }
        assert!(budgets.spent.lock().expect("a lock").len() <= MOST_ADDRESSES);
        assert!(budgets.begin(address(1)).is_none(), "it is remembered");
    }
}
