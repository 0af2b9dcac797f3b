//! Kinds of IP addresses: on the public internet, or with a meaning only in this network or on this machine. Pure:
//! resolves no names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Who can reach an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AddressKind {
    /// Any host on the internet.
    #[default]
    Public,
    /// This machine only: loopback, and the unspecified address, which Linux connects to itself.
    Loopback,
    /// A company's or a provider's network: RFC 1918, shared (RFC 6598), benchmarking, unique-local and site-local.
    Private,
    /// The machines on one network segment.
    LinkLocal,
    /// A cloud's service that hands out credentials to the machine that asks.
    Metadata,
    /// No server: multicast, broadcast, documentation, and addresses that are not assigned.
    Reserved,
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Metadata services of IPv4, by their providers' documentation.
const METADATA_4: [Ipv4Addr; 8] = [
    // AWS, Google, Azure, Oracle, DigitalOcean, Hetzner, OpenStack and most others.
    Ipv4Addr::new(169, 254, 169, 254),
    // Time and DNS of AWS beside it.
    Ipv4Addr::new(169, 254, 169, 253),
    // Credentials of AWS's containers: ECS, and EKS Pod Identity.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Tencent Cloud.
    Ipv4Addr::new(169, 254, 0, 23),
    // Alibaba Cloud, in shared address space.
    Ipv4Addr::new(100, 100, 100, 200),
    // Oracle Cloud Classic.
    Ipv4Addr::new(192, 0, 0, 192),
    // Azure's host agent: a public address that means the machine's own host.
    Ipv4Addr::new(168, 63, 129, 16),
];
/// Metadata services of IPv6: AWS (and EKS Pod Identity), Google, Oracle.
const METADATA_6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

impl AddressKind {
    /// The kind of this address. An IPv6 address that embeds an IPv4 address has the kind of that one.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_4(address),
            IpAddr::V6(address) => embedded_v4(address).map_or_else(|| Self::of_6(address), Self::of_4),
        }
    }

    /// By IANA's registry of special-purpose addresses for IPv4.
    fn of_4(address: Ipv4Addr) -> Self {
        if METADATA_4.contains(&address) {
            return Self::Metadata;
        }
        match address.octets() {
            [0 | 127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => Self::Private,
            [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] | [224..=255, ..] => {
                Self::Reserved
            }
            _ => Self::Public,
        }
    }

    /// By IANA's registry of special-purpose addresses for IPv6, of which only `2000::/3` is assigned to the internet.
    fn of_6(address: Ipv6Addr) -> Self {
        if METADATA_6.contains(&address) {
            return Self::Metadata;
        }
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Self::Loopback,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            // NAT64 with a network's own prefix (RFC 8215) embeds the address at a place that only that network knows.
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Self::Private,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Self::Reserved,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Reserved,
        }
    }
}

/// The IPv4 address that an IPv6 address embeds: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC
/// 4380).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        [0x2001, 0, .., high, low] => Some(join(!high, !low)),
        _ => None,
    }
}

/// A range of addresses: `10.2.0.0/16`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    base: IpAddr,
    bits: u8,
}

impl AddressRange {
    /// Whether the address is in the range. An IPv6 address that maps an IPv4 address counts as that one.
    pub fn contains(&self, address: IpAddr) -> bool {
        let whole = |address| match address {
            IpAddr::V4(address) => (32, u128::from(u32::from(address))),
            IpAddr::V6(address) => (128, u128::from(address)),
        };
        let ((length, base), (found, address)) = (whole(self.base), whole(address.to_canonical()));
        let rest = length - u32::from(self.bits);
        found == length && (rest == 128 || base >> rest == address >> rest)
    }
}

/// The text is neither an address nor a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a range of addresses")]
pub struct NotAnAddressRange;

impl FromStr for AddressRange {
    type Err = NotAnAddressRange;

    fn from_str(text: &str) -> Result<Self, NotAnAddressRange> {
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| NotAnAddressRange)?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| NotAnAddressRange)?;
        if bits > most { Err(NotAnAddressRange) } else { Ok(Self { base, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(address: &str) -> AddressKind {
        AddressKind::of(address.parse().expect("an address"))
    }

    #[test]
    fn every_special_address_is_known() {
        for (wanted, addresses) in [
            (
                AddressKind::Loopback,
                &["127.0.0.1", "127.0.0.2", "127.255.255.255", "0.0.0.0", "0.1.2.3", "::1", "::"][..],
            ),
            (
                AddressKind::Private,
                &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.0.1"],
            ),
            (AddressKind::Private, &["198.18.0.1", "fc00::1", "fd12:3456::1", "fec0::1", "64:ff9b:1::1"]),
            (AddressKind::LinkLocal, &["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1"]),
            (AddressKind::Metadata, &["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16"]),
            (AddressKind::Metadata, &["fd00:ec2::254", "fd20:ce::254", "192.0.0.192"]),
            (
                AddressKind::Reserved,
                &["224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1"],
            ),
            (AddressKind::Reserved, &["ff02::1", "2001:db8::1", "100::1", "4000::1", "3fff::1", "5f00::1"]),
            (
                AddressKind::Public,
                &["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "11.0.0.1", "223.1.1.1"],
            ),
            (AddressKind::Public, &["2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "169.253.1.1"]),
        ] {
            for address in addresses {
                assert_eq!(kind(address), wanted, "{address}");
            }
        }
    }

    #[test]
    fn an_address_within_an_address_is_what_counts() {
        for (inner, outer) in [
            ("127.0.0.1", ["::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::1"]),
            ("10.0.0.1", ["::10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:1:2:3:4:f5ff:fffe"]),
            ("169.254.169.254", ["::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::a9fe:a9fe"]),
            ("8.8.8.8", ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:0:1:2:3:4:f7f7:f7f7"]),
        ] {
            for address in outer {
                assert_eq!(kind(address), kind(inner), "{address} is {inner}");
            }
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            (
                "10.2.0.0/16",
                &["10.2.0.0", "10.2.255.255", "::ffff:10.2.3.4"][..],
                &["10.3.0.0", "10.1.255.255", "fd00::1"][..],
            ),
            ("10.2.3.4", &["10.2.3.4"], &["10.2.3.5"]),
            ("10.2.3.4/30", &["10.2.3.5", "10.2.3.7"], &["10.2.3.8", "10.2.3.3"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["::1"]),
            ("fd00::/8", &["fd12::1"], &["fc00::1", "10.0.0.1"]),
            ("::/0", &["::1", "fd00::1"], &["10.0.0.1"]),
        ] {
            let read: AddressRange = network.parse().expect("a network");
            assert!(inside.iter().all(|address| read.contains(address.parse().expect("an address"))), "{network}");
            assert!(!outside.iter().any(|address| read.contains(address.parse().expect("an address"))), "{network}");
        }
        for odd in ["", "a", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "fd00::/129", "10.0.0/8", "/8", "1.2.3.4/8/8"] {
            assert_eq!(odd.parse::<AddressRange>(), Err(NotAnAddressRange), "{odd}");
        }
    }
}
