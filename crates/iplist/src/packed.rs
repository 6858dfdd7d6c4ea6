//! The packed form: sorted records of fixed size, searched where they lie.
//!
//! All numbers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `RRIPLIST` |
//! | 4 | version: 1 |
//! | 4 | number of IPv4 records, n4 |
//! | 4 | number of IPv6 records, n6 |
//! | 4 | number of names, n |
//! | 4 | length of the names, t |
//! | 4 | zero |
//! | 12 * n4 | first, last address (4 each), number of the name or ff ff ff ff |
//! | 36 * n6 | first, last address (16 each), number of the name or ff ff ff ff |
//! | 4 * n | where each name ends |
//! | t | the names, UTF-8, one after the other |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::blocklist::{Blocklist, Match, Stats};
use crate::entry::{Entry, NO_NAME, Names};
use crate::range::IpRange;

const MAGIC: &[u8; 8] = b"RRIPLIST";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 32;
const V4_LEN: usize = 12;
const V6_LEN: usize = 36;

/// Why bytes are no packed list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackedError {
    /// They begin otherwise.
    #[error("not a packed IP list")]
    Magic,
    /// They come from a later version of this crate.
    #[error("packed IP list of version {0}, this program reads version {VERSION}: pack it again")]
    Version(u32),
    /// There are more or fewer bytes than the header says.
    #[error("packed IP list of {len} bytes where its header says {expected}: damaged or cut off")]
    Len {
        /// Bytes that are there.
        len: usize,
        /// Bytes that the header asks for.
        expected: u64,
    },
    /// A record is out of order, overlaps the one before it, or ends before it begins.
    #[error("packed IP list: record {record} of {family} is out of order")]
    Order {
        /// Which family.
        family: &'static str,
        /// Which record, from 0.
        record: usize,
    },
    /// A name that a record or the table asks for is not there, or is no UTF-8.
    #[error("packed IP list: name {0} is damaged")]
    Name(u32),
}

/// A packed list, borrowed from its bytes.
///
/// Making one looks at the header only and takes no memory, so it can be made anew for each search of a mapped file.
/// Bytes that were damaged within give wrong answers, but never a panic; [`Packed::check`] reads them all.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    v4: &'a [[u8; V4_LEN]],
    v6: &'a [[u8; V6_LEN]],
    ends: &'a [[u8; 4]],
    text: &'a [u8],
}

impl<'a> Packed<'a> {
    /// The list in `bytes`, which must be all of it and no more.
    ///
    /// # Errors
    /// [`PackedError::Magic`], [`PackedError::Version`], [`PackedError::Len`].
    pub fn new(bytes: &'a [u8]) -> Result<Packed<'a>, PackedError> {
        let (header, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(PackedError::Magic)?;
        let (words, _) = header.as_chunks::<4>();
        if header[..8] != *MAGIC {
            return Err(PackedError::Magic);
        }
        let word = |n: usize| u32::from_le_bytes(words[n]);
        if word(2) != VERSION || word(7) != 0 {
            return Err(PackedError::Version(word(2)));
        }
        let lens = [(word(3), V4_LEN), (word(4), V6_LEN), (word(5), 4), (word(6), 1)];
        // Four products of 32 and 6 bits: no overflow.
        let lens = lens.map(|(count, size)| u64::from(count) * size as u64);
        let expected = lens.iter().sum::<u64>() + HEADER_LEN as u64;
        if bytes.len() as u64 != expected {
            return Err(PackedError::Len { len: bytes.len(), expected });
        }
        // Their sum is the length of a slice, so each fits usize and lies inside.
        let (v4, body) = body.split_at(lens[0] as usize);
        let (v6, body) = body.split_at(lens[1] as usize);
        let (ends, text) = body.split_at(lens[2] as usize);
        Ok(Packed { v4: v4.as_chunks().0, v6: v6.as_chunks().0, ends: ends.as_chunks().0, text })
    }

    /// Reads everything and says whether it is as [`IpList::pack`](crate::IpList::pack) writes it.
    ///
    /// # Errors
    /// The first damage found.
    pub fn check(&self) -> Result<(), PackedError> {
        check_order("IPv4", self.v4.iter().map(v4_entry))?;
        check_order("IPv6", self.v6.iter().map(v6_entry))?;
        let used = self.v4.iter().map(|r| v4_entry(r).name).chain(self.v6.iter().map(|r| v6_entry(r).name));
        let table = 0..self.ends.len() as u32;
        for id in table.chain(used.filter(|id| *id != NO_NAME)) {
            self.name(id).ok_or(PackedError::Name(id))?;
        }
        Ok(())
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether nothing is blocked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The blocked range that `ip` lies in; what is found lives as long as the bytes.
    pub fn find(&self, ip: IpAddr) -> Option<Match<'a>> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => search(self.v4, u32::from(ip), v4_entry).map(|e| self.found_v4(e)),
            IpAddr::V6(ip) => search(self.v6, u128::from(ip), v6_entry).map(|e| self.found_v6(e)),
        }
    }

    /// Every range in order, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = Match<'a>> + use<'a> {
        let list = *self;
        let v4 = list.v4.iter().map(move |r| list.found_v4(v4_entry(r)));
        v4.chain(list.v6.iter().map(move |r| list.found_v6(v6_entry(r))))
    }

    /// How much is covered. This reads every record.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { names: self.ends.len(), ..Stats::default() };
        self.v4.iter().map(v4_entry).for_each(|e| stats.add_v4(e.first, e.last));
        self.v6.iter().map(v6_entry).for_each(|e| stats.add_v6(e.first, e.last));
        stats
    }

    fn found_v4(&self, entry: Entry<u32>) -> Match<'a> {
        Match {
            range: IpRange::of_family(Ipv4Addr::from(entry.first), entry.last.into()),
            name: self.name(entry.name),
        }
    }

    fn found_v6(&self, entry: Entry<u128>) -> Match<'a> {
        Match {
            range: IpRange::of_family(Ipv6Addr::from(entry.first), entry.last.into()),
            name: self.name(entry.name),
        }
    }

    fn name(&self, id: u32) -> Option<&'a str> {
        let end_of = |id: usize| self.ends.get(id).map(|end| u32::from_le_bytes(*end) as usize);
        let id = id as usize;
        let end = end_of(id)?;
        let start = id.checked_sub(1).map_or(Some(0), end_of)?;
        std::str::from_utf8(self.text.get(start..end)?).ok()
    }
}

impl Blocklist for Packed<'_> {
    fn lookup(&self, ip: IpAddr) -> Option<Match<'_>> {
        self.find(ip)
    }
}

fn check_order<T: Copy + Ord>(
    family: &'static str,
    entries: impl Iterator<Item = Entry<T>>,
) -> Result<(), PackedError> {
    let mut before = None;
    for (record, entry) in entries.enumerate() {
        if entry.last < entry.first || before.is_some_and(|before| entry.first <= before) {
            return Err(PackedError::Order { family, record });
        }
        before = Some(entry.last);
    }
    Ok(())
}

fn v4_entry(&[a, b, c, d, e, f, g, h, i, j, k, l]: &[u8; V4_LEN]) -> Entry<u32> {
    Entry {
        first: u32::from_le_bytes([a, b, c, d]),
        last: u32::from_le_bytes([e, f, g, h]),
        name: u32::from_le_bytes([i, j, k, l]),
    }
}

fn v6_entry(record: &[u8; V6_LEN]) -> Entry<u128> {
    let half = |at: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&record[at..at + 16]);
        u128::from_le_bytes(bytes)
    };
    let name = u32::from_le_bytes([record[32], record[33], record[34], record[35]]);
    Entry { first: half(0), last: half(16), name }
}

fn search<R, T: Copy + Ord>(records: &[R], ip: T, read: fn(&R) -> Entry<T>) -> Option<Entry<T>> {
    let after = records.partition_point(|record| read(record).first <= ip);
    // In damaged bytes the record found may begin after `ip`.
    records[..after].last().map(read).filter(|e| e.first <= ip && ip <= e.last)
}

/// Writes the packed form. The entries are sorted and without overlap.
pub(crate) fn pack(v4: &[Entry<u32>], v6: &[Entry<u128>], names: &Names) -> Vec<u8> {
    let (ends, text) = (names.ends(), names.text());
    let len = HEADER_LEN + v4.len() * V4_LEN + v6.len() * V6_LEN + ends.len() * 4 + text.len();
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(MAGIC);
    // A builder counts ranges and names, and the bytes of the names, in 32 bits.
    let counts = [v4.len(), v6.len(), ends.len(), text.len()].map(|n| n as u32);
    for word in [VERSION].into_iter().chain(counts).chain([0]) {
        out.extend_from_slice(&word.to_le_bytes());
    }
    for entry in v4 {
        for number in [entry.first, entry.last, entry.name] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    for entry in v6 {
        out.extend_from_slice(&entry.first.to_le_bytes());
        out.extend_from_slice(&entry.last.to_le_bytes());
        out.extend_from_slice(&entry.name.to_le_bytes());
    }
    ends.iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
    out.extend_from_slice(text.as_bytes());
    out
}
