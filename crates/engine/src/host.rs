//! Who stands behind an address, and how many places he may hold when places are scarce.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use types::is_nowhere;

/// A party of the swarm, as far as addresses tell them apart: an IPv4 address, or the /64 of an IPv6 one, of which
/// one customer has every address. Peers that have no address and are named from `100::/64` (RFC 6666) are a host each,
/// by whole address and port: nothing is known of who stands behind them.
///
/// Many honest clients may share one behind a NAT. So nothing is refused for sharing while there are places; only
/// where there are none, hosts with many connections make room for hosts with fewer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Host {
    network: IpAddr,
    /// Of those that have no address, otherwise 0.
    port: u16,
}

impl Host {
    /// Connections that no host loses to another.
    pub const KEEPS: usize = 4;

    /// The host of an address. IPv4 mapped into IPv6 is IPv4.
    pub fn of(addr: SocketAddr) -> Host {
        match addr.ip().to_canonical() {
            IpAddr::V6(v6) if is_nowhere(v6) => Host { network: IpAddr::V6(v6), port: addr.port() },
            IpAddr::V6(v6) => {
                let network = v6.to_bits() & !u128::from(u64::MAX);
                Host { network: IpAddr::V6(Ipv6Addr::from_bits(network)), port: 0 }
            }
            v4 => Host { network: v4, port: 0 },
        }
    }

    /// Whether two hosts are of one network, as far as addresses tell: the /16 of IPv4, the /32 of IPv6. In the order of
    /// hosts those of one network follow each other.
    pub fn is_near(self, other: Host) -> bool {
        match (self.network, other.network) {
            (IpAddr::V4(a), IpAddr::V4(b)) => a.to_bits() >> 16 == b.to_bits() >> 16,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() >> 96 == b.to_bits() >> 96,
            _ => false,
        }
    }

    /// Whether a host with `held` connections gives one up for a newcomer of a host with `has`, where each may
    /// keep `keeps`. What was given up is never taken back by the same rule.
    pub fn yields(held: usize, has: usize, keeps: usize) -> bool {
        held > keeps && held > has + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_wider_than_hosts() {
        let near = |a: &str, b: &str| {
            let host = |ip: &str| Host::of(SocketAddr::new(ip.parse().unwrap(), 1));
            host(a).is_near(host(b))
        };
        assert!(near("10.1.0.1", "10.1.255.255") && !near("10.1.0.1", "10.2.0.1"));
        assert!(near("2001:db8:1::1", "2001:db8:ffff::1") && !near("2001:db8::1", "2001:db9::1"));
        assert!(!near("::1", "0.0.0.1"));
    }

    #[test]
    fn an_ipv6_customer_is_one_host_and_an_ipv4_address_is_one_however_it_is_written() {
        let of = |addr: &str, port| Host::of(SocketAddr::new(addr.parse().unwrap(), port));
        let host = |addr: &str| of(addr, 1);
        assert_eq!(host("2001:db8:1:2::1"), host("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(host("2001:db8:1:2::1"), host("2001:db8:1:3::1"));
        assert_eq!(host("::ffff:10.0.0.1"), host("10.0.0.1"));
        assert_ne!(host("10.0.0.1"), host("10.0.0.2"));
        for addr in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "::1"] {
            assert_eq!(of(addr, 1), of(addr, 2));
        }
        // Those that have no address are one each.
        assert_eq!(of("100::1", 1), of("100::1", 1));
        assert_ne!(of("100::1", 1), of("100::1", 2));
        assert_ne!(of("100::1", 1), of("100::2", 1));
        assert_eq!(of("100:0:0:1::1", 1), of("100:0:0:1::2", 2));
    }

    #[test]
    fn the_crowded_yield_until_all_have_alike_and_never_below_what_each_keeps() {
        for keeps in [1, Host::KEEPS] {
            let (mut crowd, mut other) = (50, 0);
            while Host::yields(crowd, other, keeps) {
                (crowd, other) = (crowd - 1, other + 1);
            }
            assert_eq!((crowd, other), (25, 25));
            assert!(!Host::yields(other, crowd, keeps), "or they would take turns for ever");
            assert!(!Host::yields(keeps, 0, keeps));
        }
    }
}
