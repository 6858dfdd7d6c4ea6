//! Canonical peer priority (BEP 40): an order of connections that both ends agree on and nobody can choose.

use std::net::{IpAddr, SocketAddr};

/// The priority of the connection between two peers; the higher, the sooner it is worth having. The order of the two
/// does not matter.
///
/// IPv6 forms of IPv4 addresses count as IPv4. BEP 40 says nothing of an IPv4 peer and an IPv6 one; here the IPv4
/// address then takes its IPv6 form.
///
/// ```
/// let ours = "123.213.32.10:6881".parse().unwrap();
/// let theirs = "98.76.54.32:6881".parse().unwrap();
/// assert_eq!(riverrun_wire::priority::peer_priority(ours, theirs), 0xec2d_7224);
/// ```
pub fn peer_priority(a: SocketAddr, b: SocketAddr) -> u32 {
    match (a.ip().to_canonical(), b.ip().to_canonical()) {
        (x, y) if x == y => sorted_crc(a.port().to_be_bytes(), b.port().to_be_bytes()),
        (IpAddr::V4(x), IpAddr::V4(y)) => masked_crc(x.octets(), y.octets(), 2),
        (x, y) => masked_crc(v6_octets(x), v6_octets(y), 6),
    }
}

fn v6_octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The mask keeps the first bytes whole, at least `whole` of them and one more than the two have in common; of the
/// rest it keeps every other bit.
fn masked_crc<const N: usize>(mut a: [u8; N], mut b: [u8; N], whole: usize) -> u32 {
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    for at in whole.max(common + 1)..N {
        a[at] &= 0x55;
        b[at] &= 0x55;
    }
    sorted_crc(a, b)
}

fn sorted_crc<const N: usize>(a: [u8; N], b: [u8; N]) -> u32 {
    crc32c(crc32c(0, &a.min(b)), &a.max(b))
}

/// CRC32-C (Castagnoli), continued from the checksum of what came before.
fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!before, |crc, &byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}

const TABLE: [u32; 256] = {
    // The polynomial of RFC 3720, bits reversed.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut crc, mut bit) = (n as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn priority(a: &str, b: &str) -> u32 {
        peer_priority(a.parse().unwrap(), b.parse().unwrap())
    }

    #[test]
    fn checksum_has_its_published_values() {
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        // RFC 3720, appendix B.4: 32 bytes of zeros, of ones, and counting up.
        assert_eq!(crc32c(0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(0, &[0xff; 32]), 0x62a8_ab43);
        let up: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(0, &up), 0x46dd_794e);
        assert_eq!(crc32c(crc32c(0, &up[..5]), &up[5..]), 0x46dd_794e);
    }

    #[test]
    fn examples_of_bep_40() {
        assert_eq!(priority("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(priority("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
    }

    #[test]
    fn masks_widen_with_what_is_common() {
        // Bits under the mask change nothing; the bits beside it do.
        assert_eq!(priority("1.2.0.0:1", "9.9.0.0:1"), priority("1.2.170.170:1", "9.9.0.170:1"));
        assert_ne!(priority("1.2.0.0:1", "9.9.0.0:1"), priority("1.2.1.0:1", "9.9.0.0:1"));
        // The same /16: the third byte counts whole.
        assert_ne!(priority("1.2.0.0:1", "1.2.9.0:1"), priority("1.2.2.0:1", "1.2.9.0:1"));
        // IPv6: the bits beyond /48 count by half, in the same /48 the next byte counts whole.
        let far = "[2001:db9::1]:1";
        assert_eq!(priority("[2001:db8::1]:1", far), priority("[2001:db8:0:aa00::1]:1", far));
        let near = "[2001:db8:0:ff00::1]:1";
        assert_ne!(priority("[2001:db8::1]:1", near), priority("[2001:db8:0:aa00::1]:1", near));
        assert_eq!(priority("[2001:db8::1]:1", near), priority("[2001:db8:0:aa::1]:1", near));
    }

    #[test]
    fn equal_addresses_compare_ports() {
        assert_eq!(priority("1.2.3.4:258", "1.2.3.4:772"), crc32c(0, &[1, 2, 3, 4]));
        assert_eq!(priority("[::ffff:1.2.3.4]:772", "1.2.3.4:258"), crc32c(0, &[1, 2, 3, 4]));
    }

    proptest! {
        #[test]
        fn both_ends_agree(a: SocketAddr, b: SocketAddr) {
            prop_assert_eq!(peer_priority(a, b), peer_priority(b, a));
        }
    }
}
