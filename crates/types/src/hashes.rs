//! Info hashes: what names a torrent (BEP 3, BEP 52).

use std::fmt;
use std::str::FromStr;

/// The v1 info hash: SHA-1 of the info dictionary (BEP 3). Also the 20 bytes that stand for a v2 torrent in
/// handshakes, trackers and the DHT, where the SHA-256 is cut (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// The v2 info hash: SHA-256 of the info dictionary (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2(pub [u8; 32]);

/// A text that is not a hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseHashError {
    /// How many characters it has.
    pub len: usize,
}

impl fmt::Display for ParseHashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not an info hash: {} characters; expected 40 or 64 hexadecimal digits, or 32 of base32",
            self.len
        )
    }
}

impl std::error::Error for ParseHashError {}

impl InfoHash {
    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl InfoHashV2 {
    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 20 bytes, which stand for this hash where only 20 fit (BEP 52, "handshake").
    pub fn truncated(&self) -> InfoHash {
        let mut out = [0; 20];
        out.copy_from_slice(&self.0[..20]);
        InfoHash(out)
    }
}

/// The names of one torrent: v1, v2, or both (a hybrid).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashes {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
}

impl InfoHashes {
    /// A v1 torrent.
    pub const fn v1(hash: InfoHash) -> InfoHashes {
        InfoHashes { v1: Some(hash), v2: None }
    }

    /// A v2 torrent.
    pub const fn v2(hash: InfoHashV2) -> InfoHashes {
        InfoHashes { v1: None, v2: Some(hash) }
    }

    /// A torrent with both names.
    pub const fn hybrid(v1: InfoHash, v2: InfoHashV2) -> InfoHashes {
        InfoHashes { v1: Some(v1), v2: Some(v2) }
    }

    /// The v1 name.
    pub const fn get_v1(&self) -> Option<InfoHash> {
        self.v1
    }

    /// The v2 name.
    pub const fn get_v2(&self) -> Option<InfoHashV2> {
        self.v2
    }

    /// The 20 bytes that name this torrent first: v1 where there is one, else v2 cut to 20 bytes.
    pub fn primary(&self) -> InfoHash {
        match (self.v1, self.v2) {
            (Some(v1), _) => v1,
            (None, Some(v2)) => v2.truncated(),
            (None, None) => unreachable!("every constructor sets at least one hash"),
        }
    }

    /// Each 20-byte name this torrent is known by on the wire: one, or two for a hybrid.
    pub fn wire_names(&self) -> impl Iterator<Item = InfoHash> + use<> {
        self.v1.into_iter().chain(self.v2.map(|h| h.truncated()))
    }

    /// Whether `wire` (from a handshake, tracker or DHT) names this torrent.
    pub fn matches(&self, wire: InfoHash) -> bool {
        self.wire_names().any(|name| name == wire)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// RFC 4648 base32 without padding, either case: 32 characters are 20 bytes.
fn parse_base32(text: &str) -> Option<[u8; 20]> {
    if text.len() != 32 {
        return None;
    }
    let (mut out, mut acc, mut bits, mut at) = ([0; 20], 0u32, 0, 0);
    for c in text.bytes() {
        let value = match c.to_ascii_uppercase() {
            c @ b'A'..=b'Z' => c - b'A',
            c @ b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        acc = acc << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out[at] = (acc >> bits) as u8;
            at += 1;
        }
    }
    Some(out)
}

impl FromStr for InfoHash {
    type Err = ParseHashError;

    /// 40 hexadecimal digits, or 32 characters of base32 (BEP 9, "magnet URI format").
    fn from_str(text: &str) -> Result<InfoHash, ParseHashError> {
        parse_hex(text)
            .or_else(|| parse_base32(text))
            .map(InfoHash)
            .ok_or(ParseHashError { len: text.chars().count() })
    }
}

impl FromStr for InfoHashV2 {
    type Err = ParseHashError;

    /// 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<InfoHashV2, ParseHashError> {
        parse_hex(text).map(InfoHashV2).ok_or(ParseHashError { len: text.chars().count() })
    }
}

impl FromStr for InfoHashes {
    type Err = ParseHashError;

    /// Either form: 40 hexadecimal digits or base32 for v1, 64 hexadecimal digits for v2.
    fn from_str(text: &str) -> Result<InfoHashes, ParseHashError> {
        match text.parse() {
            Ok(v1) => Ok(InfoHashes::v1(v1)),
            Err(_) => text.parse().map(InfoHashes::v2),
        }
    }
}

macro_rules! hex_forms {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
    )*};
}
hex_forms!(InfoHash, InfoHashV2);

impl fmt::Display for InfoHashes {
    /// The v1 hash where there is one, else the v2 hash, in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v1, self.v2) {
            (Some(v1), _) => v1.fmt(f),
            (None, Some(v2)) => v2.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for InfoHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_base32_name_the_same_hash() {
        let hash = InfoHash(*b"0123456789abcdefghij");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        assert_eq!("GAYTEMZUGU3DOOBZMFRGGZDFMZTWQ2LK".parse(), Ok(hash));
        assert_eq!("gaytemzugu3doobzmfrggzdfmztwq2lk".parse(), Ok(hash));
    }

    #[test]
    fn what_is_no_hash_says_how_long_it_was() {
        assert_eq!("xyz".parse::<InfoHash>(), Err(ParseHashError { len: 3 }));
        assert_eq!("é".repeat(20).parse::<InfoHashes>(), Err(ParseHashError { len: 20 }));
        assert!("0".repeat(63).parse::<InfoHashes>().is_err());
    }

    #[test]
    fn a_hybrid_answers_to_both_names() {
        let (v1, v2) = (InfoHash([1; 20]), InfoHashV2([2; 32]));
        let both = InfoHashes::hybrid(v1, v2);
        assert_eq!(both.primary(), v1);
        assert!(both.matches(v1) && both.matches(v2.truncated()) && !both.matches(InfoHash([3; 20])));
        assert_eq!(InfoHashes::v2(v2).primary(), v2.truncated());
    }
}
