//! The first 68 bytes of a connection (BEP 3, BEP 4).

use std::fmt;

use types::{InfoHash, PeerId};

use crate::Error;

/// The 20 bytes that every handshake begins with: a length and a name (BEP 3).
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The eight reserved bytes of a handshake (BEP 4). Bits that mean nothing here are kept as they came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reserved(pub [u8; 8]);

/// A bit of the reserved bytes: which byte, and its mask.
type Bit = (usize, u8);
const EXTENSION_PROTOCOL: Bit = (5, 0x10);
const DHT: Bit = (7, 0x01);
const FAST: Bit = (7, 0x04);
const V2: Bit = (7, 0x10);

impl Reserved {
    /// No bit set.
    pub const NONE: Reserved = Reserved([0; 8]);

    const fn get(self, (byte, mask): Bit) -> bool {
        self.0[byte] & mask != 0
    }

    const fn with(mut self, (byte, mask): Bit, on: bool) -> Reserved {
        if on {
            self.0[byte] |= mask;
        } else {
            self.0[byte] &= !mask;
        }
        self
    }

    /// Whether the extension protocol is spoken (BEP 10).
    pub const fn extension_protocol(self) -> bool {
        self.get(EXTENSION_PROTOCOL)
    }

    /// Sets or clears the bit of the extension protocol (BEP 10).
    #[must_use]
    pub const fn with_extension_protocol(self, on: bool) -> Reserved {
        self.with(EXTENSION_PROTOCOL, on)
    }

    /// Whether the fast extension is spoken (BEP 6).
    pub const fn fast(self) -> bool {
        self.get(FAST)
    }

    /// Sets or clears the bit of the fast extension (BEP 6).
    #[must_use]
    pub const fn with_fast(self, on: bool) -> Reserved {
        self.with(FAST, on)
    }

    /// Whether the peer runs a DHT node (BEP 5).
    pub const fn dht(self) -> bool {
        self.get(DHT)
    }

    /// Sets or clears the bit of the DHT (BEP 5).
    #[must_use]
    pub const fn with_dht(self, on: bool) -> Reserved {
        self.with(DHT, on)
    }

    /// Whether the peer of a hybrid torrent can go on with the v2 one (BEP 52, "upgrade path").
    pub const fn v2(self) -> bool {
        self.get(V2)
    }

    /// Sets or clears the bit of the upgrade to v2 (BEP 52).
    #[must_use]
    pub const fn with_v2(self, on: bool) -> Reserved {
        self.with(V2, on)
    }

    /// The bits set here and there: what both ends can do.
    #[must_use]
    pub const fn common(self, other: Reserved) -> Reserved {
        let (a, b) = (u64::from_be_bytes(self.0), u64::from_be_bytes(other.0));
        Reserved((a & b).to_be_bytes())
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// What each end says first (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake {
    /// Which extensions the sender speaks.
    pub reserved: Reserved,
    /// The torrent that is meant; for a v2 torrent its hash cut to 20 bytes (BEP 52).
    pub info_hash: InfoHash,
    /// Who the sender says it is.
    pub peer_id: PeerId,
}

/// What the first bytes of a connection tell so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakePrefix {
    /// Right so far; the torrent is not known yet.
    NeedMore,
    /// The first 48 bytes are here. An incoming side may answer now: some peers hold back their id until it does.
    InfoHash {
        /// Which extensions the sender speaks.
        reserved: Reserved,
        /// The torrent that is meant.
        info_hash: InfoHash,
    },
    /// All 68 bytes are here; what follows them is the first message.
    Complete(Handshake),
}

impl Handshake {
    /// Length of a handshake, in bytes.
    pub const LEN: usize = 68;
    /// How many bytes it takes to know which torrent is meant.
    pub const INFO_HASH_END: usize = 48;

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; Handshake::LEN] {
        let mut out = [0; Handshake::LEN];
        out[..20].copy_from_slice(PROTOCOL);
        out[20..28].copy_from_slice(&self.reserved.0);
        out[28..48].copy_from_slice(self.info_hash.as_bytes());
        out[48..].copy_from_slice(self.peer_id.as_bytes());
        out
    }

    /// Reads a whole handshake.
    ///
    /// # Errors
    /// [`Error::Protocol`] where it does not begin as BEP 3 says.
    pub fn decode(bytes: &[u8; Handshake::LEN]) -> Result<Handshake, Error> {
        check_protocol(bytes)?;
        Ok(Handshake {
            reserved: Reserved(array(&bytes[20..])),
            info_hash: InfoHash(array(&bytes[28..])),
            peer_id: PeerId(array(&bytes[48..])),
        })
    }

    /// Reads as much of a handshake as has come. Bytes beyond the handshake are not looked at.
    ///
    /// # Errors
    /// [`Error::Protocol`] as soon as the first wrong byte is here: that is how encrypted connections (MSE) are told
    /// from plain ones.
    pub fn decode_prefix(bytes: &[u8]) -> Result<HandshakePrefix, Error> {
        if let Some(whole) = bytes.first_chunk() {
            return Handshake::decode(whole).map(HandshakePrefix::Complete);
        }
        check_protocol(bytes)?;
        if bytes.len() < Handshake::INFO_HASH_END {
            return Ok(HandshakePrefix::NeedMore);
        }
        let (reserved, info_hash) = (Reserved(array(&bytes[20..])), InfoHash(array(&bytes[28..])));
        Ok(HandshakePrefix::InfoHash { reserved, info_hash })
    }
}

/// Compares what there is of the protocol's name.
fn check_protocol(bytes: &[u8]) -> Result<(), Error> {
    match bytes.iter().zip(PROTOCOL).position(|(got, expected)| got != expected) {
        None => Ok(()),
        Some(at) => Err(Error::Protocol { at, got: bytes[at], expected: PROTOCOL[at] }),
    }
}

/// The first `N` bytes. The callers have checked that they are there.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Handshake {
        Handshake {
            reserved: Reserved::NONE
                .with_extension_protocol(true)
                .with_fast(true)
                .with_dht(true)
                .with_v2(true),
            info_hash: InfoHash([0xaa; 20]),
            peer_id: PeerId(*b"-RR0100-abcdefghijkl"),
        }
    }

    #[test]
    fn bytes_are_those_of_bep_3() {
        let bytes = sample().encode();
        assert_eq!(&bytes[..20], b"\x13BitTorrent protocol");
        assert_eq!(bytes[20..28], [0, 0, 0, 0, 0, 0x10, 0, 0x15]);
        assert_eq!(bytes[28..48], [0xaa; 20]);
        assert_eq!(&bytes[48..], b"-RR0100-abcdefghijkl");
        assert_eq!(Handshake::decode(&bytes), Ok(sample()));
    }

    #[test]
    fn each_prefix_tells_what_it_can() {
        let bytes = sample().encode();
        for n in 0..=68 {
            let prefix = Handshake::decode_prefix(&bytes[..n]).unwrap();
            match n {
                ..48 => assert_eq!(prefix, HandshakePrefix::NeedMore),
                48..68 => assert!(
                    matches!(prefix, HandshakePrefix::InfoHash { info_hash, .. } if info_hash.0 == [0xaa; 20])
                ),
                _ => assert_eq!(prefix, HandshakePrefix::Complete(sample())),
            }
        }
        let mut longer = bytes.to_vec();
        longer.push(9);
        assert_eq!(Handshake::decode_prefix(&longer), Ok(HandshakePrefix::Complete(sample())));
    }

    #[test]
    fn another_protocol_is_known_by_its_first_wrong_byte() {
        assert_eq!(
            Handshake::decode_prefix(b"GET / HTTP"),
            Err(Error::Protocol { at: 0, got: b'G', expected: 0x13 })
        );
        for at in 0..20 {
            let mut bytes = sample().encode();
            bytes[at] ^= 0x20;
            assert_eq!(Handshake::decode_prefix(&bytes[..at]), Ok(HandshakePrefix::NeedMore));
            let error = Handshake::decode_prefix(&bytes[..=at]).unwrap_err();
            assert!(matches!(error, Error::Protocol { at: n, .. } if n == at));
            assert_eq!(Handshake::decode(&bytes), Err(error));
        }
    }

    #[test]
    fn reserved_bits_do_not_disturb_each_other() {
        let odd = Reserved([0xff; 8]).with_fast(false);
        assert!(odd.dht() && odd.v2() && odd.extension_protocol() && !odd.fast());
        assert_eq!(odd.0, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb]);
        assert_eq!(odd.common(Reserved::NONE.with_fast(true).with_dht(true)), Reserved::NONE.with_dht(true));
    }

    proptest! {
        #[test]
        fn any_handshake_survives(reserved: [u8; 8], hash: [u8; 20], id: [u8; 20]) {
            let (reserved, info_hash) = (Reserved(reserved), InfoHash(hash));
            let h = Handshake { reserved, info_hash, peer_id: PeerId(id) };
            prop_assert_eq!(Handshake::decode(&h.encode()), Ok(h));
        }

        #[test]
        fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Handshake::decode_prefix(&bytes);
        }
    }
}
