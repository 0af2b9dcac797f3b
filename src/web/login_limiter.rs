//! Limits the password checks of each client address. A bcrypt check takes a tenth of a second and more, and checks run one
//! after the other: without a limit, one client with wrong passwords would block all others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Wrong passwords that one address may send without waiting.
const MOST_WRONG: u32 = 5;
/// The time after which one wrong password no longer counts.
const REFILL: Duration = Duration::from_secs(10);
/// Checks of one address that may wait or be in progress.
const MOST_AT_ONCE: u32 = 2;
/// Addresses with a record. When there are more, the addresses with the fewest wrong passwords lose their record.
const MOST_ADDRESSES: usize = 1024;

/// The limits of all addresses.
#[derive(Debug, Default)]
pub(super) struct LoginLimiter {
    usage: Mutex<HashMap<IpAddr, AddressUsage>>,
}

/// What one address has used of its limits.
#[derive(Clone, Copy, Debug)]
struct AddressUsage {
    /// Wrong passwords that still count.
    wrong: u32,
    /// The time from which [`REFILL`] is measured.
    since: Instant,
    at_once: u32,
}

/// A permit for one check, which ends when the permit is dropped.
#[derive(Debug)]
pub(super) struct CheckPermit {
    limiter: Arc<LoginLimiter>,
    address: IpAddr,
}

impl LoginLimiter {
    /// A permit for a check; none if the address sent too many wrong passwords or has too many checks in progress.
    pub(super) fn permit(self: &Arc<Self>, address: IpAddr) -> Option<CheckPermit> {
        let address = counted_address(address);
        let now = Instant::now();
        let mut all = self.usage.lock();
        if all.len() >= MOST_ADDRESSES && !all.contains_key(&address) {
            remove_records(&mut all, now);
        }
        let usage = all.entry(address).or_insert(AddressUsage { wrong: 0, since: now, at_once: 0 });
        usage.refill(now);
        if usage.wrong >= MOST_WRONG || usage.at_once >= MOST_AT_ONCE {
            return None;
        }
        usage.at_once += 1;
        Some(CheckPermit { limiter: Arc::clone(self), address })
    }
}

impl CheckPermit {
    /// The password was wrong.
    pub(super) fn failed(&self) {
        self.change(|usage| {
            let now = Instant::now();
            usage.refill(now);
            if usage.wrong == 0 {
                usage.since = now;
            }
            usage.wrong += 1;
        });
    }

    fn change(&self, change: impl FnOnce(&mut AddressUsage)) {
        let mut all = self.limiter.usage.lock();
        // The address may have lost its record.
        if let Some(usage) = all.get_mut(&self.address) {
            change(usage);
        }
    }
}

impl Drop for CheckPermit {
    fn drop(&mut self) {
        self.change(|usage| usage.at_once = usage.at_once.saturating_sub(1));
    }
}

impl AddressUsage {
    fn refill(&mut self, now: Instant) {
        while self.wrong > 0 && now.duration_since(self.since) >= REFILL {
            self.wrong -= 1;
            self.since += REFILL;
        }
    }
}

/// The address that is counted. For IPv6 it is the /64 network, because one customer has 2^64 addresses.
fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Removes the half of the records with the fewest wrong passwords, except those with a check in progress.
fn remove_records(all: &mut HashMap<IpAddr, AddressUsage>, now: Instant) {
    for usage in all.values_mut() {
        usage.refill(now);
    }
    let mut wrong: Vec<u32> = all.values().map(|usage| usage.wrong).collect();
    wrong.sort_unstable();
    let median = wrong[wrong.len() / 2];
    all.retain(|_, usage| usage.at_once > 0 || usage.wrong > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_passwords_count_for_their_address_alone_and_only_for_a_time() {
        let limiter = Arc::<LoginLimiter>::default();
        for _ in 0..MOST_WRONG {
            limiter.permit(address(1)).expect("a permit").failed();
        }
        assert!(limiter.permit(address(1)).is_none());
        assert!(limiter.permit(address(2)).is_some(), "another address");
        tokio::time::advance(REFILL).await;
        limiter.permit(address(1)).expect("one more").failed();
        assert!(limiter.permit(address(1)).is_none());
        tokio::time::advance(REFILL * MOST_WRONG * 2).await;
        for _ in 0..MOST_WRONG {
            limiter.permit(address(1)).expect("all permits again").failed();
        }
        assert!(limiter.permit(address(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn right_passwords_do_not_count() {
        let limiter = Arc::<LoginLimiter>::default();
        let held: Vec<_> = (0..MOST_AT_ONCE).map(|_| limiter.permit(address(1)).expect("a permit")).collect();
        assert!(limiter.permit(address(1)).is_none());
        drop(held);
        for _ in 0..100 {
            limiter.permit(address(1)).expect("a permit");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_of_one_ipv6_network_and_both_ways_to_write_ipv4_share_their_limits() {
        let limiter = Arc::<LoginLimiter>::default();
        for last in 0..MOST_WRONG {
            let v6 = format!("2001:db8:1:2::{last}").parse().expect("an address");
            limiter.permit(v6).expect("a permit").failed();
            let mapped = Ipv6Addr::from_bits(0xffff_c000_0201).into();
            limiter.permit(if last % 2 == 0 { mapped } else { address(1) }).expect("a permit").failed();
        }
        assert!(limiter.permit("2001:db8:1:2:ffff::1".parse().expect("an address")).is_none());
        assert!(limiter.permit("2001:db8:1:3::1".parse().expect("an address")).is_some());
        assert!(limiter.permit(address(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_take_bounded_memory_and_do_not_refill_the_worst() {
        let limiter = Arc::<LoginLimiter>::default();
        for _ in 0..MOST_WRONG {
            limiter.permit(address(1)).expect("a permit").failed();
        }
        for number in 0..10_000_u32 {
            let other = IpAddr::from(number.to_be_bytes().map(|byte| byte | 1));
            if let Some(check) = limiter.permit(other) {
                check.failed();
            }
        }
        assert!(limiter.usage.lock().len() <= MOST_ADDRESSES);
        assert!(limiter.permit(address(1)).is_none(), "it has its record");
    }
}
