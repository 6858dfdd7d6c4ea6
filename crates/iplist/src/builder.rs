//! From lines and ranges to a list.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::entry::{Entry, NO_NAME, Names};
use crate::limits::{Error, Limits};
use crate::line::{self, Line, Reason};
use crate::list::IpList;
use crate::range::IpRange;
use crate::report::Report;

/// Collects ranges, then makes an [`IpList`] of them.
#[derive(Clone, Debug)]
pub struct Builder {
    limits: Limits,
    keep_names: bool,
    v4: Vec<Entry<u32>>,
    v6: Vec<Entry<u128>>,
    names: Names,
    ids: BTreeMap<String, u32>,
}

impl Builder {
    /// Longest name kept, in bytes; a longer one is cut.
    pub const MAX_NAME: usize = 255;

    /// An empty list, that keeps no names.
    pub fn new(limits: Limits) -> Builder {
        // The packed form counts ranges in 32 bits.
        let ranges = limits.ranges.min(u32::MAX as usize);
        Builder {
            limits: Limits { ranges, ..limits },
            keep_names: false,
            v4: Vec::new(),
            v6: Vec::new(),
            names: Names::default(),
            ids: BTreeMap::new(),
        }
    }

    /// Keeps the names of ranges from here on. Ranges of different names are not merged, so the list grows.
    #[must_use]
    pub fn keep_names(mut self) -> Builder {
        self.keep_names = true;
        self
    }

    /// Adds a range; `name` counts only where names are kept.
    ///
    /// # Errors
    /// [`Error::TooManyRanges`].
    pub fn add(&mut self, range: IpRange, name: Option<&str>) -> Result<(), Error> {
        if self.v4.len() + self.v6.len() >= self.limits.ranges {
            return Err(Error::TooManyRanges { limit: self.limits.ranges });
        }
        let name = name.filter(|name| self.keep_names && !name.is_empty());
        let name = name.and_then(|name| self.name_id(name)).unwrap_or(NO_NAME);
        match (range.first(), range.last()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                self.v4.push(Entry { first: first.into(), last: last.into(), name });
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                self.v6.push(Entry { first: first.into(), last: last.into(), name });
            }
            _ => unreachable!("a range has one family"),
        }
        Ok(())
    }

    /// Adds the lines of a list. Each may be of another format; bad ones are left out and counted.
    ///
    /// # Errors
    /// [`Error::TooManyRanges`]; the ranges before it stay.
    pub fn add_text(&mut self, text: &[u8]) -> Result<Report, Error> {
        let mut report = Report::default();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.is_empty() {
            return Ok(report);
        }
        for line in text.split(|&c| c == b'\n') {
            report.lines += 1;
            let limit = self.limits.line_len;
            let parsed = if line.len() > limit { Err(Reason::TooLong { limit }) } else { line::parse(line) };
            match parsed {
                Ok(Line::Blank) => {}
                Ok(Line::Allowed) => report.allowed += 1,
                Ok(Line::Blocked { range, name }) => {
                    let name = self.keep_names.then(|| String::from_utf8_lossy(name));
                    self.add(range, name.as_deref())?;
                    report.ranges += 1;
                }
                Err(reason) => report.add_bad(reason, line),
            }
        }
        Ok(report)
    }

    /// Adds the lines of a list that may be compressed with gzip: its first two bytes tell.
    ///
    /// # Errors
    /// As [`Builder::add_text`]; [`Error::Gzip`] and [`Error::TooLong`], after which nothing was added.
    #[cfg(feature = "gzip")]
    pub fn add_file(&mut self, bytes: &[u8]) -> Result<Report, Error> {
        if bytes.starts_with(crate::gzip::MAGIC) {
            self.add_text(&crate::gzip::gunzip(bytes, self.limits.text_len)?)
        } else {
            self.add_text(bytes)
        }
    }

    /// The list of what was added. Where ranges overlap, the one that begins first keeps its name for all of itself.
    pub fn build(self) -> IpList {
        IpList::new(merge(self.v4, |n| n.checked_add(1)), merge(self.v6, |n| n.checked_add(1)), self.names)
    }

    fn name_id(&mut self, name: &str) -> Option<u32> {
        let fits = (0..=name.len().min(Builder::MAX_NAME)).rev().find(|at| name.is_char_boundary(*at));
        let name = &name[..fits.unwrap_or(0)];
        if let Some(&id) = self.ids.get(name) {
            return Some(id);
        }
        let id = self.names.push(name, self.limits.name_bytes)?;
        self.ids.insert(name.to_owned(), id);
        Some(id)
    }
}

impl IpList {
    /// A list made of text with the default [`Limits`] and without names. [`Builder`] can do more.
    ///
    /// # Errors
    /// [`Error::TooManyRanges`].
    pub fn parse(text: &[u8]) -> Result<(IpList, Report), Error> {
        let mut builder = Builder::new(Limits::default());
        let report = builder.add_text(text)?;
        Ok((builder.build(), report))
    }
}

/// Sorts entries and takes away overlap; neighbours of the same name become one.
fn merge<T: Copy + Ord>(mut entries: Vec<Entry<T>>, next: fn(T) -> Option<T>) -> Vec<Entry<T>> {
    // Stable: of two that begin together the longer one, and then the one added first, comes first.
    entries.sort_by(|a, b| a.first.cmp(&b.first).then(b.last.cmp(&a.last)));
    let mut out: Vec<Entry<T>> = Vec::with_capacity(entries.len());
    for mut entry in entries {
        if let Some(before) = out.last_mut() {
            if entry.last <= before.last {
                continue;
            }
            // `before` ends below another address, so there is a next one.
            let Some(after) = next(before.last) else { continue };
            entry.first = entry.first.max(after);
            if entry.first == after && entry.name == before.name {
                before.last = entry.last;
                continue;
            }
        }
        out.push(entry);
    }
    out.shrink_to_fit();
    out
}
