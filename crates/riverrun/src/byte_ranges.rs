//! Ranges of bytes as HTTP asks for them.

use std::ops::Range;

/// More parts than this are nobody's honest wish.
const MOST_PARTS: usize = 16;

/// Which bytes of a file the `Range` header of an HTTP request asks for (RFC 9110, section 14), for embedders who
/// serve [`Reader`](crate::Reader)s over HTTP with a server of their own.
///
/// ```
/// use riverrun::ByteRanges;
///
/// assert_eq!(ByteRanges::parse("bytes=-500", 4_000), ByteRanges::Parts(vec![3_500..4_000]));
/// assert_eq!(ByteRanges::parse("bytes=3900-9999", 4_000), ByteRanges::Parts(vec![3_900..4_000]));
/// assert_eq!(ByteRanges::parse("bytes=4000-", 4_000), ByteRanges::Unsatisfiable);
/// assert_eq!(ByteRanges::parse("lines=1-2", 4_000), ByteRanges::Whole);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByteRanges {
    /// The header is to be ignored: answer 200 with everything. So it is for units other than bytes, for what is
    /// no range, and for what asks for more than the file in all or for more than 16 parts.
    Whole,
    /// One part: answer 206 with `Content-Range`. Several: 206 as `multipart/byteranges`, in this order. No part is
    /// empty, and none goes beyond the file.
    Parts(Vec<Range<u64>>),
    /// Nothing that was asked for is there: answer 416 with `Content-Range: bytes */LENGTH`.
    Unsatisfiable,
}

impl ByteRanges {
    /// Reads the value of a `Range` header for a file of so many bytes.
    pub fn parse(header: &str, len: u64) -> ByteRanges {
        ByteRanges::read(header, len).unwrap_or(ByteRanges::Whole)
    }

    /// `None` where the header is to be ignored.
    fn read(header: &str, len: u64) -> Option<ByteRanges> {
        let (unit, set) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (mut parts, mut asked, mut total) = (Vec::new(), 0, 0_u64);
        // A list may have empty elements (RFC 9110, section 5.6.1).
        for spec in set.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
            asked += 1;
            if asked > MOST_PARTS {
                return None;
            }
            if let Some(part) = part(spec, len)? {
                total = total.saturating_add(part.end - part.start);
                parts.push(part);
            }
        }
        match () {
            () if asked == 0 || total > len => None,
            // The end of an empty file is there, but has no place that an answer could name.
            () if len == 0 && set.trim_start().starts_with('-') => None,
            () if parts.is_empty() => Some(ByteRanges::Unsatisfiable),
            () => Some(ByteRanges::Parts(parts)),
        }
    }
}

/// The part that one element of the list names, or nothing where the file has none of it; `None` if it is no range.
#[allow(clippy::option_option, reason = "no range, and a range of nothing, are answered differently")]
fn part(spec: &str, len: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = spec.split_once('-')?;
    let range = match (first, last) {
        ("", last) => len.saturating_sub(number(last)?)..len,
        (first, "") => number(first)?..len,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(len)
        }
    };
    Some((range.start < range.end).then_some(range))
}

/// A number of digits alone; one that is too large is as large as there is.
fn number(digits: &str) -> Option<u64> {
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::ByteRanges::{self, Parts, Unsatisfiable, Whole};

    fn one(first: u64, end: u64) -> ByteRanges {
        Parts(std::iter::once(first..end).collect())
    }

    #[test]
    fn peers_11_ranges_from_the_end_and_beyond_it_and_several_at_once() {
        let cases = [
            ("bytes=-500", one(500, 1_000)),
            ("bytes=-5000", one(0, 1_000)),
            ("bytes=900-5000", one(900, 1_000)),
            ("bytes=900-99999999999999999999999", one(900, 1_000)),
            ("bytes=0-1,-2, 5-6", Parts(vec![0..2, 998..1_000, 5..7])),
            ("bytes=5000-6000,7-7", one(7, 8)),
        ];
        for (header, ranges) in cases {
            assert_eq!(ByteRanges::parse(header, 1_000), ranges, "{header}");
        }
    }

    #[test]
    fn every_other_header_has_one_answer() {
        let cases = [
            ("bytes=0-", one(0, 1_000)),
            ("Bytes = 0-0", one(0, 1)),
            ("bytes=,0-0,,", one(0, 1)),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=5-4", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes=0-1;2-3", Whole),
            ("seconds=0-1", Whole),
            ("", Whole),
            ("bytes=0-999,0-999", Whole),
        ];
        for (header, ranges) in cases {
            assert_eq!(ByteRanges::parse(header, 1_000), ranges, "{header}");
        }
        let many = |n: usize| format!("bytes={}", vec!["1-1"; n].join(","));
        assert_eq!(ByteRanges::parse(&many(16), 1_000), Parts(vec![1..2; 16]));
        assert_eq!(ByteRanges::parse(&many(17), 1_000), Whole);
    }

    #[test]
    fn an_empty_file_has_no_bytes_but_an_end() {
        assert_eq!(ByteRanges::parse("bytes=0-", 0), Unsatisfiable);
        assert_eq!(ByteRanges::parse("bytes=-1", 0), Whole);
        assert_eq!(ByteRanges::parse("bytes=0-18446744073709551615", u64::MAX), one(0, u64::MAX));
    }
}
