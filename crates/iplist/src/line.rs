//! One line of a list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::range::{IpRange, RangeError};

/// Access levels from here on let an address through (eMule's `ipfilter.dat`).
const ALLOWED_LEVEL: u32 = 128;
/// Longest text of an IPv6 address.
const MAX_V6_TEXT: usize = 45;

/// Why a line could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing in it looks like addresses.
    #[error("no address, range or network")]
    NoRange,
    /// The addresses make no range.
    #[error(transparent)]
    Range(RangeError),
    /// The access level is no number.
    #[error("the access level is no number")]
    Level,
    /// The line is longer than the limit.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// What a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line<'a> {
    /// Nothing: blank, or a comment.
    Blank,
    /// A range that is not to be blocked.
    Allowed,
    /// A range to be blocked.
    Blocked {
        range: IpRange,
        /// Its name, not necessarily UTF-8.
        name: &'a [u8],
    },
}

/// Reads a line, without its line end.
pub(crate) fn parse(line: &[u8]) -> Result<Line<'_>, Reason> {
    let line = line.trim_ascii();
    if line.is_empty() || [&b"#"[..], b";", b"//"].iter().any(|mark| line.starts_with(mark)) {
        return Ok(Line::Blank);
    }
    // In this order: a DAT line has commas where no other format has them, a P2P line ends in its range.
    if let Some(result) = dat(line) {
        return result;
    }
    let (bare, note) = split_note(line);
    match any_range(bare) {
        Some(Ok(range)) => Ok(Line::Blocked { range, name: note }),
        // A name that looks like IPv6 before a range of IPv4.
        Some(Err(RangeError::Families)) => p2p(line).map_err(|_| Reason::Range(RangeError::Families)),
        Some(Err(error)) => Err(Reason::Range(error)),
        None => p2p(line),
    }
}

/// `first - last , level , name`; nothing where it is another format.
fn dat(line: &[u8]) -> Option<Result<Line<'_>, Reason>> {
    let mut fields = line.splitn(3, |&c| c == b',');
    let range = any_range(fields.next()?.trim_ascii())?;
    let level = fields.next()?.trim_ascii();
    let name = fields.next().unwrap_or_default().trim_ascii();
    let level = std::str::from_utf8(level).ok().and_then(|level| level.parse::<u32>().ok());
    Some(match (range, level) {
        (Err(error), _) => Err(Reason::Range(error)),
        (_, None) => Err(Reason::Level),
        (Ok(_), Some(ALLOWED_LEVEL..)) => Ok(Line::Allowed),
        (Ok(range), Some(_)) => Ok(Line::Blocked { range, name }),
    })
}

/// Cuts off a comment that follows an address, as CIDR lists have it: `1.2.3.0/24 ; who`.
fn split_note(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|c| matches!(c, b';' | b'#')) {
        Some(at) => (line[..at].trim_ascii(), line[at + 1..].trim_ascii()),
        None => (line, b""),
    }
}

/// `first-last`, `address/prefix` or `address`; nothing where it is none of them.
fn any_range(text: &[u8]) -> Option<Result<IpRange, RangeError>> {
    if let Some(ip) = address(text) {
        return Some(Ok(ip.into()));
    }
    if let Some((first, last)) = split_at_last(text, b'-') {
        return Some(IpRange::new(address(first)?, address(last)?));
    }
    let (addr, prefix) = split_at_last(text, b'/')?;
    let prefix: u32 = std::str::from_utf8(prefix).ok()?.parse().ok()?;
    Some(IpRange::network(address(addr)?, u8::try_from(prefix).unwrap_or(u8::MAX)))
}

/// `name:first-last`, where the name may contain anything, colons and hyphens included; also `name:address/prefix` and
/// `name:address`.
fn p2p(line: &[u8]) -> Result<Line<'_>, Reason> {
    // Any colon may be the one that ends the name, as far as an address can reach back.
    let colons = |text: &[u8]| {
        let start = text.len().saturating_sub(MAX_V6_TEXT + 8);
        let colons = text.iter().enumerate().skip(start).filter(|(_, c)| **c == b':');
        colons.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let blocked = |range, at: usize| Ok(Line::Blocked { range, name: line[..at].trim_ascii() });
    if let Some((head, last)) = split_at_last(line, b'-').and_then(|(a, b)| Some((a, address(b)?))) {
        let first = |at: usize| address(head[at + 1..].trim_ascii());
        let firsts = colons(head).into_iter().filter_map(|at| Some((at, first(at)?)));
        // The tail of an IPv6 address may look like one itself, and a name may end in what looks like the head of
        // one: the address most like the last one is meant. Of equals the longer text, which comes first.
        let best = firsts.rev().max_by_key(|(_, first)| likeness(*first, last));
        let (at, first) = best.ok_or(Reason::NoRange)?;
        return IpRange::new(first, last).map_err(Reason::Range).and_then(|range| blocked(range, at));
    }
    let network = |at: usize| any_range(line[at + 1..].trim_ascii());
    let mut networks = colons(line).into_iter().filter_map(|at| Some((at, network(at)?)));
    let (at, range) = networks.next().ok_or(Reason::NoRange)?;
    range.map_err(Reason::Range).and_then(|range| blocked(range, at))
}

/// How many leading bits two addresses share; none across families.
fn likeness(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => 1 + (u32::from(a) ^ u32::from(b)).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => 1 + (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => 0,
    }
}

fn split_at_last(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|c| *c == mark)?;
    Some((text[..at].trim_ascii(), text[at + 1..].trim_ascii()))
}

/// An address. The numbers of IPv4 are decimal, with leading zeros or without.
fn address(text: &[u8]) -> Option<IpAddr> {
    if text.len() > MAX_V6_TEXT {
        return None;
    }
    if text.contains(&b':') {
        return std::str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    }
    let mut octets = [0u8; 4];
    let mut parts = text.split(|&c| c == b'.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| (1..=3).contains(&part.len()))?;
        let value =
            part.iter().try_fold(0u16, |n, c| c.is_ascii_digit().then(|| n * 10 + u16::from(c - b'0')));
        *octet = value?.try_into().ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(line: &str) -> (String, String) {
        match parse(line.as_bytes()) {
            Ok(Line::Blocked { range, name }) => {
                (range.to_string(), String::from_utf8_lossy(name).into_owned())
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_format_is_read() {
        for (line, range, name) in [
            ("Some name:1.2.3.4-1.2.3.5", "1.2.3.4-1.2.3.5", "Some name"),
            ("a: b-c:1.2.3.4 - 1.2.3.5\r", "1.2.3.4-1.2.3.5", "a: b-c"),
            (":1.2.3.4-1.2.3.5", "1.2.3.4-1.2.3.5", ""),
            ("net:1.2.3.0/24", "1.2.3.0-1.2.3.255", "net"),
            ("six:2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff", "six"),
            ("six: 12:2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff", "six: 12"),
            ("six:1:db8::/32", "1:db8::-1:db8:ffff:ffff:ffff:ffff:ffff:ffff", "six"),
            ("abc::1.2.3.4-1.2.3.5", "1.2.3.4-1.2.3.5", "abc:"),
            ("Evil #1; a:1.2.3.4-1.2.3.5", "1.2.3.4-1.2.3.5", "Evil #1; a"),
            ("net:1.2.3.4", "1.2.3.4-1.2.3.4", "net"),
            ("six:::1-::ff", "::1-::ff", "six"),
            ("six:2001:db8::/32", "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "six"),
            ("001.002.003.000 - 001.002.003.255 , 000 , some, name", "1.2.3.0-1.2.3.255", "some, name"),
            ("1.2.3.4-1.2.3.5,127,x", "1.2.3.4-1.2.3.5", "x"),
            ("1.2.3.4-1.2.3.5,100", "1.2.3.4-1.2.3.5", ""),
            ("  10.0.0.0/8 ", "10.0.0.0-10.255.255.255", ""),
            ("10.0.0.0/8 ; SBL 1", "10.0.0.0-10.255.255.255", "SBL 1"),
            ("10.0.0.1", "10.0.0.1-10.0.0.1", ""),
            ("010.000.000.009", "10.0.0.9-10.0.0.9", ""),
            ("10.0.0.1-10.0.0.3 # three", "10.0.0.1-10.0.0.3", "three"),
            ("2001:db8::/126", "2001:db8::-2001:db8::3", ""),
            ("2001:db8::7", "2001:db8::7-2001:db8::7", ""),
            ("2001:db8::7-2001:db8::9", "2001:db8::7-2001:db8::9", ""),
            ("::ffff:1.2.3.4", "1.2.3.4-1.2.3.4", ""),
        ] {
            assert_eq!(blocked(line), (range.to_owned(), name.to_owned()), "{line}");
        }
    }

    #[test]
    fn comments_and_allowed_ranges_block_nothing() {
        for line in ["", "   ", "# 1.2.3.4", "; 1.2.3.4", "// 1.2.3.4", "\t#"] {
            assert_eq!(parse(line.as_bytes()), Ok(Line::Blank), "{line}");
        }
        assert_eq!(parse(b"1.2.3.4 - 1.2.3.5 , 128 , friend"), Ok(Line::Allowed));
        assert_eq!(parse(b"1.2.3.4 - 1.2.3.5 , 4000000000 , friend"), Ok(Line::Allowed));
    }

    #[test]
    fn bad_lines_say_why() {
        let range = |e| Err(Reason::Range(e));
        for (line, expected) in [
            ("nonsense", Err(Reason::NoRange)),
            ("name:1.2.3.4-1.2.3.256", Err(Reason::NoRange)),
            ("1.2.3", Err(Reason::NoRange)),
            ("1.2.3.4.5", Err(Reason::NoRange)),
            ("1.2.3.0004", Err(Reason::NoRange)),
            ("1..3.4", Err(Reason::NoRange)),
            ("name:1.2.3.5-1.2.3.4", range(RangeError::Reversed)),
            ("six:2001:db8::5-2001:db8::1", range(RangeError::Reversed)),
            ("six:2001:db8::5-1.2.3.4", range(RangeError::Families)),
            ("six:2001:db8::/129", range(RangeError::Prefix { max: 128 })),
            ("1.2.3.4/33", range(RangeError::Prefix { max: 32 })),
            ("1.2.3.4/999999", range(RangeError::Prefix { max: 32 })),
            ("2001::/129", range(RangeError::Prefix { max: 128 })),
            ("1.2.3.4-2001::1", range(RangeError::Families)),
            ("1.2.3.4-1.2.3.5,high,x", Err(Reason::Level)),
            ("1.2.3.4-1.2.3.5,-1,x", Err(Reason::Level)),
            ("1.2.3.5-1.2.3.4,0,x", range(RangeError::Reversed)),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }
}
