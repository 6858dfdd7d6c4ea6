//! `ut_pex`: whom the sender is connected to (BEP 11).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bencode::{Node, Options, Value};

use super::Error;

const WHAT: &str = "ut_pex";

/// What the sender knows of a peer (BEP 11). Bits not known here are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PexFlags(pub u8);

impl PexFlags {
    /// Nothing is known.
    pub const NONE: PexFlags = PexFlags(0);
    /// Prefers encryption.
    pub const ENCRYPTION: PexFlags = PexFlags(0x01);
    /// A seed, or a partial seed (BEP 21).
    pub const UPLOAD_ONLY: PexFlags = PexFlags(0x02);
    /// Speaks uTP (BEP 29).
    pub const UTP: PexFlags = PexFlags(0x04);
    /// Understands `ut_holepunch` (BEP 55).
    pub const HOLEPUNCH: PexFlags = PexFlags(0x08);
    /// The sender connected to it: it can be reached.
    pub const REACHABLE: PexFlags = PexFlags(0x10);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: PexFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: PexFlags) -> PexFlags {
        PexFlags(self.0 | other.0)
    }
}

impl fmt::Debug for PexFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// A peer that the sender has connected to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PexPeer {
    /// Where it listens. Not checked: any address can stand here.
    pub addr: SocketAddr,
    /// What is known of it.
    pub flags: PexFlags,
}

/// A message of `ut_pex`: what changed since the one before (BEP 11).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pex {
    /// Peers connected to since then: IPv4 first, then IPv6.
    pub added: Vec<PexPeer>,
    /// Peers no longer connected to: IPv4 first, then IPv6.
    pub dropped: Vec<SocketAddr>,
    /// How many entries were left out by [`Pex::decode`] because a list was longer than [`Pex::MAX_READ`].
    pub cut: usize,
}

impl Pex {
    /// Most entries, added or dropped, that a message after the first may have (BEP 11).
    pub const MAX_SENT: usize = 50;
    /// Most entries read of each list; the first message of a peer may be longer than the rest (BEP 11).
    pub const MAX_READ: usize = 200;
    /// Longest message read, in bytes.
    pub const MAX_LEN: usize = 64 << 10;

    /// Reads the payload of a message. Lists that are too long are cut, a partial entry at the end of a list is left
    /// out, and flags that are missing are [`PexFlags::NONE`]. Addresses come as they are: duplicates, port 0 and
    /// addresses of no use are for the peer book to sort out.
    ///
    /// # Errors
    /// It is no dictionary, or too large.
    pub fn decode(payload: &[u8]) -> Result<Pex, Error> {
        let options = Options::lenient().max_len(Pex::MAX_LEN).max_tokens(256).max_depth(8);
        let document = super::dict(WHAT, payload, &options)?;
        let root = document.root();
        let bytes = |key: &[u8]| root.get(key).and_then(|n: Node<'_, '_>| n.as_bytes()).unwrap_or_default();
        let mut out = Pex::default();
        let (v4, v6) = (bytes(b"added"), bytes(b"added6"));
        add(&mut out, v4.as_chunks().0, bytes(b"added.f"), compact_v4);
        add(&mut out, v6.as_chunks().0, bytes(b"added6.f"), compact_v6);
        drop_all(&mut out, bytes(b"dropped").as_chunks().0, compact_v4);
        drop_all(&mut out, bytes(b"dropped6").as_chunks().0, compact_v6);
        Ok(out)
    }

    /// The payload of the message. IPv6 forms of IPv4 addresses are written as IPv4.
    pub fn encode(&self) -> Vec<u8> {
        let mut lists: [Vec<u8>; 6] = Default::default();
        let [added, flags, dropped, added6, flags6, dropped6] = &mut lists;
        for peer in &self.added {
            let v4 = push_compact(added, added6, peer.addr);
            if v4 { &mut *flags } else { &mut *flags6 }.push(peer.flags.0);
        }
        for &addr in &self.dropped {
            push_compact(dropped, dropped6, addr);
        }
        let keys = ["added", "added.f", "dropped", "added6", "added6.f", "dropped6"];
        let mut dict = Value::dict();
        for (at, (key, list)) in keys.into_iter().zip(lists).enumerate() {
            // One of the lists must be there (BEP 11): those of IPv4 always are.
            if at < 3 || !list.is_empty() {
                dict.insert(key, list);
            }
        }
        dict.encode()
    }
}

fn add<const N: usize>(out: &mut Pex, list: &[[u8; N]], flags: &[u8], read: fn(&[u8; N]) -> SocketAddr) {
    let flags = flags.iter().copied().chain(std::iter::repeat(0));
    let peers = list.iter().zip(flags).take(Pex::MAX_READ);
    out.added.extend(peers.map(|(addr, flags)| PexPeer { addr: read(addr), flags: PexFlags(flags) }));
    out.cut += list.len().saturating_sub(Pex::MAX_READ);
}

fn drop_all<const N: usize>(out: &mut Pex, list: &[[u8; N]], read: fn(&[u8; N]) -> SocketAddr) {
    out.dropped.extend(list.iter().take(Pex::MAX_READ).map(read));
    out.cut += list.len().saturating_sub(Pex::MAX_READ);
}

/// Six bytes: address, port (BEP 23).
pub(super) fn compact_v4(&[a, b, c, d, p, q]: &[u8; 6]) -> SocketAddr {
    (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p, q])).into()
}

/// Eighteen bytes: address, port (BEP 7).
pub(super) fn compact_v6(bytes: &[u8; 18]) -> SocketAddr {
    let mut ip = [0; 16];
    ip.copy_from_slice(&bytes[..16]);
    (Ipv6Addr::from(ip), u16::from_be_bytes([bytes[16], bytes[17]])).into()
}

/// Writes an address to the list of its family; returns whether that is IPv4.
fn push_compact(v4: &mut Vec<u8>, v6: &mut Vec<u8>, addr: SocketAddr) -> bool {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => v4.extend(ip.octets().into_iter().chain(addr.port().to_be_bytes())),
        IpAddr::V6(ip) => v6.extend(ip.octets().into_iter().chain(addr.port().to_be_bytes())),
    }
    addr.ip().to_canonical().is_ipv4()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_those_of_bep_11() {
        let v4 = PexPeer { addr: "1.2.3.4:6881".parse().unwrap(), flags: PexFlags::UTP };
        let v6 = PexPeer { addr: "[2001::1]:1".parse().unwrap(), flags: PexFlags(0x92) };
        let pex = Pex { added: vec![v4, v6], dropped: vec!["5.6.7.8:9".parse().unwrap()], cut: 0 };
        let mut bytes = b"d5:added6:\x01\x02\x03\x04\x1a\xe17:added.f1:\x04".to_vec();
        bytes.extend(b"6:added618:\x20\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x018:added6.f1:\x92");
        bytes.extend(b"7:dropped6:\x05\x06\x07\x08\0\x09e");
        assert_eq!(pex.encode(), bytes);
        assert_eq!(Pex::decode(&bytes), Ok(pex));
        assert!(PexFlags(0x92).contains(PexFlags::UPLOAD_ONLY.with(PexFlags::REACHABLE)));
        assert_eq!(Pex::default().encode(), b"d5:added0:7:added.f0:7:dropped0:e");
    }

    #[test]
    fn odd_lists_are_read_as_far_as_they_go() {
        let pex =
            Pex::decode(b"d5:added13:\x01\x02\x03\x04\x1a\xe1\x01\x02\x03\x05\0\0x7:added.f1:\x04e").unwrap();
        assert_eq!(pex.added.len(), 2);
        assert_eq!((pex.added[0].flags, pex.added[1].flags), (PexFlags::UTP, PexFlags::NONE));
        assert_eq!(Pex::decode(b"d5:addedi1e7:droppedlee"), Ok(Pex::default()));
        assert!(Pex::decode(b"4:spam").is_err());
    }

    #[test]
    fn long_lists_are_cut() {
        let list = |n: usize| Value::Bytes(vec![1; n]);
        let mut dict = Value::dict();
        dict.insert("added", list(6 * 300));
        dict.insert("dropped6", list(18 * 201));
        let pex = Pex::decode(&dict.encode()).unwrap();
        assert_eq!((pex.added.len(), pex.dropped.len(), pex.cut), (200, 200, 101));
        dict.insert("added", list(70_000));
        assert!(matches!(Pex::decode(&dict.encode()), Err(Error::Bencode { .. })));
    }

    proptest! {
        #[test]
        fn messages_survive(
            v4 in proptest::collection::vec(any::<([u8; 4], u16, u8)>(), 0..60),
            v6 in proptest::collection::vec(any::<([u8; 16], u16, u8)>(), 0..60),
        ) {
            let v4 = v4.into_iter().map(|(ip, port, flags)| (IpAddr::from(ip), port, flags));
            let v6 = v6.into_iter().map(|(ip, port, flags)| (IpAddr::from(ip), port, flags));
            let v6 = v6.filter(|(ip, ..)| ip.to_canonical().is_ipv6());
            let added: Vec<PexPeer> = v4
                .chain(v6)
                .map(|(ip, port, flags)| PexPeer { addr: (ip, port).into(), flags: PexFlags(flags) })
                .collect();
            let dropped = added.iter().map(|peer| peer.addr).collect();
            let pex = Pex { added, dropped, cut: 0 };
            prop_assert_eq!(Pex::decode(&pex.encode()).unwrap(), pex);
        }
    }
}
