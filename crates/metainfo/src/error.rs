//! Why a torrent was refused, and what was odd about one that was not.

use std::fmt;

/// Why a torrent was refused: what is wrong, under which key, at which byte.
///
/// ```
/// use riverrun_metainfo::{Limits, Metainfo};
/// let error = Metainfo::from_bytes(b"d4:infod4:name1:aee", &Limits::default()).unwrap_err();
/// assert_eq!(error.to_string(), "info.piece length: this key is missing, at byte 7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {kind}, at byte {offset}")]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The path of keys, such as `info.files[3].path`; `torrent` for the whole.
    pub key: String,
    /// Where the value, or the container that lacks it, begins in the input.
    pub offset: usize,
}

/// What is wrong with a torrent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not bencode, or exceed the decoder's limits.
    #[error("not valid bencode: {0}")]
    Bencode(bencode::ErrorKind),
    /// An info dictionary that came from a peer is not the one that was asked for.
    #[error("the bytes do not have the info hash that was asked for")]
    WrongHash,
    /// A required key is not there.
    #[error("this key is missing")]
    Missing,
    /// A value of another kind than the key asks for.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What the key asks for.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A string, list or dictionary with nothing in it.
    #[error("must not be empty")]
    Empty,
    /// A number outside its range.
    #[error("{value} is outside {min} to {max}")]
    OutOfRange {
        /// The number, as written.
        value: String,
        /// Smallest number allowed.
        min: u64,
        /// Largest number allowed.
        max: u64,
    },
    /// A length of bytes that must be another.
    #[error("has {got} bytes where {expected} are needed")]
    Len {
        /// Bytes that came.
        got: u64,
        /// Bytes that are needed.
        expected: u64,
    },
    /// More of something than the limits allow.
    #[error("{got} {what} are over the limit of {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are, or the first number that is too large.
        got: u64,
        /// How many may be.
        limit: u64,
    },
    /// `piece length` of a v2 torrent is not a power of two from 16 KiB (BEP 52).
    #[error("{0} is not a power of two of at least 16384, as v2 torrents need")]
    PieceLenV2(u64),
    /// `meta version` is one that we do not know.
    #[error("meta version {0} is not known; versions 1 and 2 are")]
    MetaVersion(i64),
    /// There are no bytes to download.
    #[error("the torrent has no content: all its files are empty or padding")]
    NoContent,
    /// Keys of a v2 file tree are not in ascending order, so the order of its files is unclear.
    #[error("the entries of a file tree must be in ascending order without duplicates")]
    TreeOrder,
    /// A file tree entry is both file and directory, or neither.
    #[error("an entry of a file tree must be either a file or a directory with entries")]
    TreeEntry,
    /// A padding file in a v2 file tree, which has none.
    #[error("a v2 file tree has no padding files")]
    TreePadding,
    /// A merkle root of zeros.
    #[error("a merkle root of zeros belongs to no data")]
    ZeroRoot,
    /// A piece layer that is of no file, does not fit its file, or does not hash to its file's root.
    #[error("{0}")]
    Layer(#[from] crate::LayerError),
    /// The v1 and v2 halves of a hybrid torrent describe different contents.
    #[error("the v1 and v2 parts of this hybrid torrent disagree: {0}")]
    Hybrid(&'static str),
}

/// Something odd that was accepted: which key, where, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What was odd.
    pub kind: WarningKind,
    /// The path of keys.
    pub key: String,
    /// Where the value begins in the input.
    pub offset: usize,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, at byte {}", self.key, self.kind, self.offset)
    }
}

/// What was odd about an accepted torrent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// The bencode is not canonical.
    #[error("{0}")]
    Bencode(bencode::WarningKind),
    /// An optional value of the wrong kind or form was ignored.
    #[error("ignored, as it is not {0}")]
    Ignored(&'static str),
    /// A list was longer than its limit and its end dropped.
    #[error("only the first {0} are kept")]
    Truncated(usize),
    /// A name could not be used on disk as it is.
    #[error("the name is not safe, or not unique, on disk and became {0:?}")]
    Renamed(String),
    /// A symbolic link pointed out of the torrent, at nothing, or in a circle; it is not created.
    #[error(
        "the target of this symbolic link is not a file or directory of the torrent; the link is left out"
    )]
    Symlink,
    /// `private` is not 0 or 1; the torrent is taken to be private.
    #[error("expected 0 or 1; taken as private")]
    Private,
    /// Keys of one version in a torrent that is of another.
    #[error("ignored, as the torrent is not of the version this key belongs to")]
    OtherVersion,
}

/// The odd things accepted: the first [`Warnings::KEPT`] in full and a count of all, so that hostile input cannot make
/// it grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings(Option<Box<Found>>);

/// What is kept of them where there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    first: Vec<Warning>,
    total: usize,
}

impl Warnings {
    /// How many warnings are kept in full.
    pub const KEPT: usize = 64;
    pub(crate) const NONE: Warnings = Warnings(None);

    /// How many there were, the ones not kept included.
    pub fn total(&self) -> usize {
        self.0.as_ref().map_or(0, |found| found.total)
    }

    /// The first ones, in the order they were met.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Warning> + '_ {
        self.0.as_ref().map_or(&[][..], |found| &found.first).iter()
    }

    /// Whether nothing was odd.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Counts one more; `make` runs only if it is kept.
    pub(crate) fn push(&mut self, make: impl FnOnce() -> Warning) {
        let found = self.0.get_or_insert_default();
        found.total += 1;
        if found.first.len() < Self::KEPT {
            found.first.push(make());
        }
    }

    /// Takes over what the decoder accepted.
    pub(crate) fn push_bencode(&mut self, found: &bencode::Warnings) {
        for warning in found.iter() {
            self.push(|| Warning {
                kind: WarningKind::Bencode(warning.kind),
                key: "torrent".into(),
                offset: warning.offset,
            });
        }
        // The decoder keeps the first ones, so that where it counts more there are some here.
        if let Some(all) = &mut self.0 {
            all.total += found.total() - found.iter().len();
        }
    }
}

impl From<bencode::Error> for Error {
    fn from(error: bencode::Error) -> Error {
        Error { kind: ErrorKind::Bencode(error.kind), key: "torrent".into(), offset: error.offset }
    }
}
