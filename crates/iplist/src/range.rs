//! Runs of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses from a first to a last one, both included, of one family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

/// Why two addresses, or an address and a prefix, are no range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// One is IPv4, the other IPv6.
    #[error("a range from one address family to the other")]
    Families,
    /// The last address comes before the first.
    #[error("the range ends before it begins")]
    Reversed,
    /// The prefix is longer than the address.
    #[error("the prefix length is over {max}")]
    Prefix {
        /// The longest prefix of this family, in bits.
        max: u8,
    },
}

impl IpRange {
    /// The addresses from `first` to `last`. Where both are IPv6 forms of IPv4 addresses it is a range of IPv4.
    ///
    /// # Errors
    /// [`RangeError::Families`], [`RangeError::Reversed`].
    pub fn new(first: IpAddr, last: IpAddr) -> Result<IpRange, RangeError> {
        let range = match (first.to_canonical(), last.to_canonical()) {
            (first @ IpAddr::V4(_), last @ IpAddr::V4(_)) => IpRange { first, last },
            _ => IpRange { first, last },
        };
        if range.first.is_ipv4() != range.last.is_ipv4() {
            return Err(RangeError::Families);
        }
        if range.last < range.first {
            return Err(RangeError::Reversed);
        }
        Ok(range)
    }

    /// The network that `addr` lies in, of which the first `prefix` bits are given. Other bits of `addr` don't matter.
    ///
    /// # Errors
    /// [`RangeError::Prefix`].
    pub fn network(addr: IpAddr, prefix: u8) -> Result<IpRange, RangeError> {
        let max = if addr.is_ipv4() { 32 } else { 128 };
        if prefix > max {
            return Err(RangeError::Prefix { max });
        }
        let (first, last) = match addr {
            IpAddr::V4(ip) => {
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                (Ipv4Addr::from(u32::from(ip) & !host).into(), Ipv4Addr::from(u32::from(ip) | host).into())
            }
            IpAddr::V6(ip) => {
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                (Ipv6Addr::from(u128::from(ip) & !host).into(), Ipv6Addr::from(u128::from(ip) | host).into())
            }
        };
        IpRange::new(first, last)
    }

    /// The addresses from `first` to `last` as they are; only `first` where `last` comes before it, as in damaged
    /// packed lists. Pieces of IPv6 ranges may lie among the IPv6 forms of IPv4 addresses, and stay IPv6.
    pub(crate) fn of_family<A: Copy + Ord + Into<IpAddr>>(first: A, last: A) -> IpRange {
        IpRange { first: first.into(), last: last.max(first).into() }
    }

    /// The first address.
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// The last address.
    pub const fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether `ip` lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.first.is_ipv4() && self.first <= ip && ip <= self.last
    }
}

impl From<IpAddr> for IpRange {
    /// The range of one address.
    fn from(ip: IpAddr) -> IpRange {
        let ip = ip.to_canonical();
        IpRange { first: ip, last: ip }
    }
}

impl fmt::Display for IpRange {
    /// `first-last`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_have_one_family_and_one_direction() {
        assert_eq!(IpRange::new(ip("1.2.3.4"), ip("::1")), Err(RangeError::Families));
        assert_eq!(IpRange::new(ip("::"), ip("1.2.3.4")), Err(RangeError::Families));
        assert_eq!(IpRange::new(ip("1.2.3.4"), ip("1.2.3.3")), Err(RangeError::Reversed));
        let mapped = IpRange::new(ip("::ffff:1.2.3.4"), ip("1.2.3.9")).unwrap();
        assert_eq!(mapped.to_string(), "1.2.3.4-1.2.3.9");
        assert!(mapped.contains(ip("::ffff:1.2.3.5")) && !mapped.contains(ip("::1")));
        let across = IpRange::new(ip("::"), ip("::ffff:1.2.3.9")).unwrap();
        assert!(across.contains(ip("::5")) && !across.contains(ip("1.2.3.4")));
    }

    #[test]
    fn networks_are_cut_at_their_prefix() {
        let network = |text: &str, prefix| IpRange::network(ip(text), prefix).map(|r| r.to_string());
        assert_eq!(network("1.2.3.4", 24).unwrap(), "1.2.3.0-1.2.3.255");
        assert_eq!(network("1.2.3.4", 32).unwrap(), "1.2.3.4-1.2.3.4");
        assert_eq!(network("1.2.3.4", 0).unwrap(), "0.0.0.0-255.255.255.255");
        assert_eq!(network("2001:db8::1", 32).unwrap(), "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(network("::1", 128).unwrap(), "::1-::1");
        assert_eq!(network("::ffff:1.2.3.4", 120).unwrap(), "1.2.3.0-1.2.3.255");
        assert_eq!(network("1.2.3.4", 33), Err(RangeError::Prefix { max: 32 }));
        assert_eq!(network("::", 129), Err(RangeError::Prefix { max: 128 }));
    }
}
