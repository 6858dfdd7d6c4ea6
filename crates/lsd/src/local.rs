//! Which addresses belong to the local network.

use std::net::IpAddr;

/// A network that an interface of this machine is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Network {
    /// Any address of the network.
    pub addr: IpAddr,
    /// Bits that its addresses have in common.
    pub prefix_len: u8,
}

impl Network {
    /// Whether `addr` is in it. A prefix of no bits, or longer than an address, is no network and holds nobody.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let prefix = u32::from(self.prefix_len);
        match (self.addr, addr) {
            (IpAddr::V4(a), IpAddr::V4(b)) if (1..=32).contains(&prefix) => {
                (u32::from(a) ^ u32::from(b)).leading_zeros() >= prefix
            }
            (IpAddr::V6(a), IpAddr::V6(b)) if (1..=128).contains(&prefix) => {
                (u128::from(a) ^ u128::from(b)).leading_zeros() >= prefix
            }
            _ => false,
        }
    }
}

/// Whether `addr` can be a neighbour's: it is of a kind that is never routed on the Internet (loopback, link-local,
/// RFC 1918, RFC 4193), or in one of `networks`. An IPv4 address inside an IPv6 one counts as what it is.
pub fn is_local(addr: IpAddr, networks: &[Network]) -> bool {
    let addr = addr.to_canonical();
    let never_routed = match addr {
        IpAddr::V4(a) => a.is_loopback() || a.is_private() || a.is_link_local(),
        IpAddr::V6(a) => a.is_loopback() || a.is_unique_local() || a.is_unicast_link_local(),
    };
    let unicast = match addr {
        IpAddr::V4(a) => !a.is_unspecified() && !a.is_multicast() && !a.is_broadcast(),
        IpAddr::V6(a) => !a.is_unspecified() && !a.is_multicast(),
    };
    never_routed || (unicast && networks.iter().any(|network| network.contains(addr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_that_are_never_routed_are_local() {
        for local in
            ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.1.1", "::1", "fe80::1", "fd00::1"]
        {
            assert!(is_local(ip(local), &[]), "{local}");
        }
        for far in
            ["192.0.2.1", "172.32.0.1", "2001:db8::1", "0.0.0.0", "::", "::ffff:192.0.2.1", "224.0.0.1"]
        {
            assert!(!is_local(ip(far), &[]), "{far}");
        }
        assert!(is_local(ip("::ffff:10.0.0.1"), &[]));
    }

    #[test]
    fn our_own_networks_are_local_whatever_their_addresses() {
        let networks = [
            Network { addr: ip("198.51.100.77"), prefix_len: 25 },
            Network { addr: ip("2001:db8:1::5"), prefix_len: 64 },
        ];
        assert!(is_local(ip("198.51.100.1"), &networks));
        assert!(!is_local(ip("198.51.100.200"), &networks));
        assert!(is_local(ip("2001:db8:1::ffff"), &networks));
        assert!(!is_local(ip("2001:db8:1:1::1"), &networks));
    }

    #[test]
    fn a_prefix_that_cannot_be_holds_nobody() {
        for prefix_len in [0, 33, 129, 255] {
            assert!(!Network { addr: ip("192.0.2.1"), prefix_len }.contains(ip("192.0.2.1")));
        }
        assert!(Network { addr: ip("192.0.2.1"), prefix_len: 32 }.contains(ip("192.0.2.1")));
    }
}
