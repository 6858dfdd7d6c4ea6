//! One file of a torrent.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::packed::Packed;
use crate::rare::{Nothing, Rare};

/// The number of a file in its torrent, from 0, in the order of the payload; padding files count (BEP 53).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileIndex(pub u32);

impl FileIndex {
    /// As an index into a slice.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for FileIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.0)
    }
}

impl fmt::Display for FileIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The attributes of a file (BEP 47).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Attributes {
    /// `p`: zeros between files; never stored.
    pub padding: bool,
    /// `x`: may be run as a program.
    pub executable: bool,
    /// `h`: hidden.
    pub hidden: bool,
    /// `l`: a symbolic link.
    pub symlink: bool,
}

impl Attributes {
    /// Reads the letters of `attr`; unknown ones mean nothing.
    pub fn from_bytes(attr: &[u8]) -> Attributes {
        let has = |letter| attr.contains(&letter);
        Attributes { padding: has(b'p'), executable: has(b'x'), hidden: has(b'h'), symlink: has(b'l') }
    }

    /// The letters, in alphabetical order; empty where there is none.
    pub fn to_letters(self) -> String {
        let letters = [(self.hidden, 'h'), (self.symlink, 'l'), (self.padding, 'p'), (self.executable, 'x')];
        letters.into_iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect()
    }
}

/// One file of a torrent, with the path that is safe to use on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub(crate) path: Box<str>,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Of v2 files alone.
    pub(crate) root: Option<Box<[u8; 32]>>,
    pub(crate) odd: Rare<Odd>,
    pub(crate) attributes: Attributes,
}

/// What few files have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Odd {
    /// The components of the path as the torrent has it, where that differs from [`File::path`] (the torrent's name left
    /// out).
    pub(crate) raw: Option<Packed>,
    pub(crate) symlink: Option<Box<str>>,
}

impl Nothing for Odd {
    const NOTHING: &'static Odd = &Odd { raw: None, symlink: None };
}

impl File {
    /// The safe path below the directory that downloads go to: components separated by `/`, beginning with the
    /// torrent's name. No two files of a torrent that are stored have the same one on any file system.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The components of [`File::path`]: at least one, none empty, `.` or `..`.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> + '_ {
        self.path.split('/')
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The path as the torrent has it, below the torrent's name: the bytes that no sanitising has touched. For a torrent
    /// of a single file, its name.
    pub fn raw_path(&self) -> Vec<Cow<'_, [u8]>> {
        match &self.odd.raw {
            Some(raw) => raw.iter().map(Cow::Borrowed).collect(),
            None => {
                let skip = usize::from(self.path.contains('/'));
                self.components().skip(skip).map(|c| Cow::Borrowed(c.as_bytes())).collect()
            }
        }
    }

    /// Whether the path on disk differs from the one in the torrent.
    pub fn is_renamed(&self) -> bool {
        self.odd.raw.is_some()
    }

    /// Where it begins in the payload space, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Its length, in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a length in bytes, not a container")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The bytes of the payload space that it holds.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.len
    }

    /// Its attributes (BEP 47).
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// Whether it is padding: zeros that align the next file (BEP 47), which no disk holds.
    pub fn is_padding(&self) -> bool {
        self.attributes.padding
    }

    /// Whether it exists on disk as a regular file: neither padding nor a link.
    pub fn is_stored(&self) -> bool {
        !self.attributes.padding && !self.attributes.symlink
    }

    /// The merkle root of its data (BEP 52); none in v1 torrents and for empty files.
    pub fn root(&self) -> Option<&[u8; 32]> {
        self.root.as_deref()
    }

    /// Where a symbolic link points: the safe path of a file or directory of this torrent, written like [`File::path`].
    /// None for a link whose target was unsafe, which is not to be created.
    pub fn symlink(&self) -> Option<&str> {
        self.odd.symlink.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_a_round_trip_and_unknown_letters_do_not_matter() {
        let attributes = Attributes::from_bytes(b"xqhp");
        assert!(attributes.executable && attributes.hidden && attributes.padding && !attributes.symlink);
        assert_eq!(attributes.to_letters(), "hpx");
        assert_eq!(Attributes::from_bytes(b"").to_letters(), "");
    }
}
