//! The datagrams of BEP 14.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use types::InfoHash;

/// The port that both groups meet at (BEP 14, "Protocol").
pub const PORT: u16 = 6771;
/// Longest datagram that is written, in bytes (BEP 14, "ihash").
pub const DATAGRAM_LEN: usize = 1_400;
/// Longest datagram that is read, in bytes: more than fits through any common link in one piece.
pub const READ_LEN: usize = 8_192;
/// Most torrents taken from one datagram.
pub const TORRENTS: usize = 128;
/// Longest cookie that is kept or written, in bytes.
pub const COOKIE_LEN: usize = 32;

/// A multicast group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Group {
    /// `239.192.152.143`.
    V4,
    /// `ff15::efc0:988f`.
    V6,
}

impl Group {
    /// Both.
    pub const ALL: [Group; 2] = [Group::V4, Group::V6];

    /// Its address, without the port.
    pub const fn ip(self) -> IpAddr {
        match self {
            Group::V4 => IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)),
            Group::V6 => IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)),
        }
    }

    /// Its address.
    pub const fn addr(self) -> SocketAddr {
        SocketAddr::new(self.ip(), PORT)
    }
}

/// A datagram that announces nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// It is too long.
    #[error("a datagram of {len} bytes; at most {READ_LEN} are read")]
    Long {
        /// Its length.
        len: usize,
    },
    /// Its first line is not `BT-SEARCH * HTTP/1.x`.
    #[error("the first line is not `BT-SEARCH * HTTP/1.1`")]
    Method,
    /// No empty line ends its headers.
    #[error("no empty line ends the headers")]
    Unfinished,
    /// It has no `Port`, or one that is no port.
    #[error("the header `Port` at byte {at} is missing or not a number from 1 to 65535")]
    Port {
        /// Where the value begins; 0 where there is none.
        at: usize,
    },
    /// It has no `Infohash` of 40 hexadecimal digits.
    #[error("no header `Infohash` with 40 hexadecimal digits")]
    NoTorrent,
}

/// What one datagram says: that whoever sent it takes part in these torrents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announce {
    /// Where it listens for peers; never 0.
    pub port: u16,
    /// The torrents: each once, none of zeros, at most [`TORRENTS`] when read. A v2 info hash is cut to 20 bytes.
    pub torrents: Vec<InfoHash>,
    /// What lets the sender know its own datagrams again: printable ASCII without blanks, at most [`COOKIE_LEN`] bytes.
    /// One that is otherwise is dropped.
    pub cookie: Option<String>,
}

impl Announce {
    /// Reads a datagram. Headers that are not known, and info hashes that are none, are passed over.
    ///
    /// # Errors
    /// [`ParseError`], for what announces nothing.
    pub fn decode(bytes: &[u8]) -> Result<Announce, ParseError> {
        if bytes.len() > READ_LEN {
            return Err(ParseError::Long { len: bytes.len() });
        }
        let mut lines = Lines { bytes, at: 0 };
        let (_, first) = lines.next().ok_or(ParseError::Method)?;
        if !is_search(first) {
            return Err(ParseError::Method);
        }
        let mut out = Reading::default();
        loop {
            let (at, line) = lines.next().ok_or(ParseError::Unfinished)?;
            if line.is_empty() {
                return out.close();
            }
            out.header(at, line)?;
        }
    }

    /// The datagram for a group. It is longer than [`DATAGRAM_LEN`] where `torrents` are too many: see
    /// [`fitting`](Announce::fitting).
    pub fn encode(&self, group: Group) -> Vec<u8> {
        use fmt::Write;
        let mut out = String::with_capacity(DATAGRAM_LEN);
        // Writing into a string cannot fail.
        let _ = write!(out, "BT-SEARCH * HTTP/1.1\r\nHost: {}\r\nPort: {}\r\n", group.addr(), self.port);
        for torrent in &self.torrents {
            let _ = write!(out, "Infohash: {torrent}\r\n");
        }
        if let Some(cookie) = self.cookie.as_deref().filter(|cookie| is_cookie(cookie.as_bytes())) {
            let _ = write!(out, "cookie: {cookie}\r\n");
        }
        out.push_str("\r\n\r\n");
        out.into_bytes()
    }

    /// How many torrents fit into a datagram of either group, with the longest port and the given cookie.
    pub fn fitting(cookie: &str) -> usize {
        const TORRENT: usize = "Infohash: \r\n".len() + 40;
        let empty = Announce { port: u16::MAX, torrents: Vec::new(), cookie: Some(cookie.to_owned()) };
        let longest = Group::ALL.map(|group| empty.encode(group).len());
        (DATAGRAM_LEN - longest[0].max(longest[1])) / TORRENT
    }
}

/// Lines with the place where each begins, ended by LF or CRLF; what follows the last line end is no line.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let (at, rest) = (self.at, self.bytes.get(self.at..)?);
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        self.at += end + 1;
        let line = &rest[..end];
        Some((at, line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

fn is_search(line: &[u8]) -> bool {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let method = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"BT-SEARCH"));
    let target = words.next() == Some(b"*");
    let version = words.next().is_some_and(|word| word.to_ascii_uppercase().starts_with(b"HTTP/1."));
    method && target && version && words.next().is_none()
}

fn is_cookie(value: &[u8]) -> bool {
    (1..=COOKIE_LEN).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

/// A datagram half read.
#[derive(Default)]
struct Reading {
    port: Option<u16>,
    torrents: Vec<InfoHash>,
    cookie: Option<String>,
}

impl Reading {
    fn header(&mut self, line_at: usize, line: &[u8]) -> Result<(), ParseError> {
        // What has no colon is no header; it is passed over like one that is not known.
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return Ok(()) };
        let (name, value) = (line[..colon].trim_ascii(), &line[colon + 1..]);
        let at = line_at + colon + 1 + (value.len() - value.trim_ascii_start().len());
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"port") {
            let port = parse_port(value).ok_or(ParseError::Port { at })?;
            // Two ports are one too many: nobody knows which is meant.
            if self.port.is_some_and(|before| before != port) {
                return Err(ParseError::Port { at });
            }
            self.port = Some(port);
        } else if name.eq_ignore_ascii_case(b"infohash") {
            self.torrent(value);
        } else if name.eq_ignore_ascii_case(b"cookie") && is_cookie(value) {
            self.cookie = std::str::from_utf8(value).ok().map(str::to_owned);
        }
        Ok(())
    }

    fn torrent(&mut self, value: &[u8]) {
        let text = std::str::from_utf8(value).ok().filter(|text| text.len() == 40);
        let Some(torrent) = text.and_then(|text| text.parse::<InfoHash>().ok()) else { return };
        let new = torrent != InfoHash([0; 20]) && !self.torrents.contains(&torrent);
        if new && self.torrents.len() < TORRENTS {
            self.torrents.push(torrent);
        }
    }

    fn close(self) -> Result<Announce, ParseError> {
        let port = self.port.ok_or(ParseError::Port { at: 0 })?;
        if self.torrents.is_empty() {
            return Err(ParseError::NoTorrent);
        }
        Ok(Announce { port, torrents: self.torrents, cookie: self.cookie })
    }
}

fn parse_port(value: &[u8]) -> Option<u16> {
    // `parse` alone would take a sign.
    let digits = (1..=5).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let port = digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()?;
    (port != 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789ABCDEF01234567";

    fn message(headers: &str) -> Vec<u8> {
        format!("BT-SEARCH * HTTP/1.1\r\n{headers}\r\n").into_bytes()
    }

    fn hash(n: u8) -> InfoHash {
        InfoHash([n; 20])
    }

    #[test]
    fn an_announce_is_written_as_the_bep_says() {
        let announce = Announce { port: 6881, torrents: vec![hash(0xab)], cookie: Some("c0ffee".into()) };
        let text = String::from_utf8(announce.encode(Group::V4)).expect("ASCII");
        assert_eq!(
            text,
            format!(
                "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: {}\r\n\
                 cookie: c0ffee\r\n\r\n\r\n",
                "ab".repeat(20)
            )
        );
        let v6 = String::from_utf8(announce.encode(Group::V6)).expect("ASCII");
        assert!(v6.contains("\r\nHost: [ff15::efc0:988f]:6771\r\n"), "{v6}");
    }

    #[test]
    fn what_is_written_is_read_and_a_full_datagram_fits() {
        let cookie = "0123abcd";
        let torrents: Vec<_> = (1..=Announce::fitting(cookie) as u8).map(hash).collect();
        assert!(torrents.len() >= 20, "{}", torrents.len());
        let announce = Announce { port: 65_535, torrents, cookie: Some(cookie.into()) };
        for group in Group::ALL {
            let datagram = announce.encode(group);
            assert!(datagram.len() <= DATAGRAM_LEN);
            assert_eq!(Announce::decode(&datagram), Ok(announce.clone()));
        }
    }

    #[test]
    fn other_clients_ways_of_writing_are_read() {
        let text = format!("host:239.192.152.143:6771\nPORT:  51413 \ninfohash: {HASH}\nX-Later: yes\n\n");
        let announce =
            Announce::decode(format!("bt-search * HTTP/1.0\n{text}").as_bytes()).expect("it reads");
        assert_eq!((announce.port, announce.torrents.len(), announce.cookie), (51_413, 1, None));
        assert_eq!(announce.torrents[0].to_string(), HASH.to_lowercase());
    }

    #[test]
    fn what_announces_nothing_says_why() {
        let good = format!("Port: 1\r\nInfohash: {HASH}\r\n");
        for (bytes, error) in [
            (vec![b'\n'; READ_LEN + 1], ParseError::Long { len: READ_LEN + 1 }),
            (Vec::new(), ParseError::Method),
            (b"M-SEARCH * HTTP/1.1\r\n\r\n".to_vec(), ParseError::Method),
            (b"BT-SEARCH / HTTP/1.1\r\n\r\n".to_vec(), ParseError::Method),
            (b"BT-SEARCH * HTTP/2\r\n\r\n".to_vec(), ParseError::Method),
            (b"BT-SEARCH * HTTP/1.1 x\r\n\r\n".to_vec(), ParseError::Method),
            (format!("BT-SEARCH * HTTP/1.1\r\n{good}").into_bytes(), ParseError::Unfinished),
            (message(&format!("Infohash: {HASH}\r\n")), ParseError::Port { at: 0 }),
            (message("Port: 0\r\n"), ParseError::Port { at: 28 }),
            (message("Port: +1\r\n"), ParseError::Port { at: 28 }),
            (message("Port: 65536\r\n"), ParseError::Port { at: 28 }),
            (message("Port: 1\r\nPort: 2\r\n"), ParseError::Port { at: 37 }),
            (message("Port: 1\r\n"), ParseError::NoTorrent),
            (message("Port: 1\r\nInfohash: 00\r\n"), ParseError::NoTorrent),
            (message(&format!("Port: 1\r\nInfohash: {}\r\n", "0".repeat(40))), ParseError::NoTorrent),
            // Base32 is for magnet links.
            (message(&format!("Port: 1\r\nInfohash: {}\r\n", "A".repeat(32))), ParseError::NoTorrent),
        ] {
            assert_eq!(Announce::decode(&bytes), Err(error), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn torrents_count_once_and_only_so_many_are_taken() {
        let lines: String = (0..=255u8).map(|n| format!("Infohash: {}\r\n", hash(n % 200))).collect();
        // One datagram of that many is too long to be read; the headers are what is counted here.
        let half: String = lines.split_inclusive('\n').take(150).collect();
        assert!(half.len() < READ_LEN);
        let announce = Announce::decode(&message(&format!("Port: 9\r\n{half}"))).expect("it reads");
        assert_eq!(announce.torrents.len(), TORRENTS);
        let twice = format!("Port: 9\r\nInfohash: {HASH}\r\nInfohash: {}\r\n", HASH.to_lowercase());
        assert_eq!(Announce::decode(&message(&twice)).expect("it reads").torrents.len(), 1);
    }

    #[test]
    fn a_cookie_that_is_none_is_dropped() {
        let long = "x".repeat(COOKIE_LEN + 1);
        for cookie in ["", "two words", "\u{e9}", long.as_str()] {
            let text = format!("Port: 9\r\nInfohash: {HASH}\r\ncookie: {cookie}\r\n");
            assert_eq!(Announce::decode(&message(&text)).expect("it reads").cookie, None, "{cookie}");
        }
    }
}
