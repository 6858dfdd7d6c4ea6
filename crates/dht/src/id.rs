//! What nodes are called, and which names an address may have.

use std::fmt;
use std::net::IpAddr;

use types::{InfoHash, Rng, Scope};

/// The name of a node, which is a place in the same space as info hashes (BEP 5, "Overview").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

impl NodeId {
    /// A name for a node whose address is not known.
    pub fn random(rng: &mut Rng) -> NodeId {
        NodeId(rng.bytes())
    }

    /// A name for the node that others see at `ip` (BEP 42, "Node ID restriction").
    pub fn of_ip(ip: IpAddr, rng: &mut Rng) -> NodeId {
        let mut id: [u8; 20] = rng.bytes();
        let bound = bound_bits(ip, id[19]);
        [id[0], id[1]] = [bound[0], bound[1]];
        id[2] = bound[2] & 0xf8 | id[2] & 0x07;
        NodeId(id)
    }

    /// Whether the node at `ip` may be called so (BEP 42). Any name will do for an address that is not routed on the
    /// Internet.
    pub fn fits(&self, ip: IpAddr) -> bool {
        let bound = bound_bits(ip, self.0[19]);
        Scope::of(ip) != Some(Scope::World)
            || self.0[..2] == bound[..2] && self.0[2] & 0xf8 == bound[2] & 0xf8
    }

    /// How far `other` is away: a number, the highest bit first (BEP 5, "Overview").
    pub(crate) fn distance(&self, other: &NodeId) -> [u8; 20] {
        std::array::from_fn(|at| self.0[at] ^ other.0[at])
    }

    /// How many bits both begin with: 0 to 160.
    pub(crate) fn common_bits(&self, other: &NodeId) -> u32 {
        let distance = self.distance(other);
        let zeros = distance.iter().take_while(|byte| **byte == 0).count();
        zeros as u32 * 8 + distance.get(zeros).map_or(0, |byte| byte.leading_zeros())
    }
}

impl From<InfoHash> for NodeId {
    /// The place where a torrent's peers are kept.
    fn from(torrent: InfoHash) -> NodeId {
        NodeId(torrent.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&InfoHash(self.0), f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the first 21 bits of a name have to be, where `last` is its last byte.
fn bound_bits(ip: IpAddr, last: u8) -> [u8; 4] {
    let seed = u64::from(last & 0x07);
    let crc = match ip.to_canonical() {
        IpAddr::V4(ip) => crc32c(&(u32::from(ip) & 0x030f_3fff | (seed as u32) << 29).to_be_bytes()),
        IpAddr::V6(ip) => {
            let high = (u128::from(ip) >> 64) as u64;
            crc32c(&(high & 0x0103_070f_1f3f_7fff | seed << 61).to_be_bytes())
        }
    };
    crc.to_be_bytes()
}

/// CRC32-C (Castagnoli), bit by bit: eight bytes at most, a few times for each datagram.
fn crc32c(bytes: &[u8]) -> u32 {
    // The polynomial of RFC 3720, bits reversed.
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    /// The table of BEP 42: an address, and a name that it may have.
    const PUBLISHED: [(&str, &str); 5] = [
        ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
        ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
        ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
        ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
        ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
    ];

    fn id(hex: &str) -> NodeId {
        hex.parse::<InfoHash>().expect("40 digits").into()
    }

    #[test]
    fn row_07_node_ids_are_those_that_bep_42_publishes() {
        for (ip, hex) in PUBLISHED {
            let (ip, id): (IpAddr, _) = (ip.parse().expect("an address"), id(hex));
            assert!(id.fits(ip), "{ip}");
            assert_eq!(bound_bits(ip, id.0[19])[..2], id.0[..2]);
            for bit in 0..21 {
                let mut wrong = id;
                wrong.0[bit / 8] ^= 0x80 >> (bit % 8);
                assert!(!wrong.fits(ip), "{ip} with bit {bit} of its name turned");
            }
            for free in [(2, 0x07), (3, 0xff), (18, 0xff), (19, 0xf8)] {
                let mut same = id;
                same.0[free.0] ^= free.1;
                assert!(same.fits(ip), "{ip}: byte {} is free", free.0);
            }
        }
        for (other, (ip, _)) in PUBLISHED.iter().zip(PUBLISHED.iter().cycle().skip(1)) {
            assert!(!id(other.1).fits(ip.parse().expect("an address")));
        }
    }

    #[test]
    fn addresses_that_are_not_routed_may_have_any_name() {
        for ip in ["127.0.0.1", "10.0.0.1", "fd00::1", "::1"] {
            assert!(id(PUBLISHED[0].1).fits(ip.parse().expect("an address")));
        }
    }

    #[test]
    fn bits_in_common_are_counted_from_the_first() {
        let zero = NodeId([0; 20]);
        assert_eq!(zero.common_bits(&zero), 160);
        let mut other = zero;
        other.0[2] = 0x10;
        assert_eq!(zero.common_bits(&other), 19);
    }

    proptest! {
        #[test]
        fn a_name_made_for_an_address_fits_it(bits in any::<u128>(), v4 in any::<bool>(), seed in any::<u64>()) {
            let ip = if v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
            let mut rng = Rng::from_number(seed);
            prop_assert!(NodeId::of_ip(ip, &mut rng).fits(ip));
        }
    }
}
