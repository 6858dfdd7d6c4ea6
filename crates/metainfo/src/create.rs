//! Making torrents, as a pure job: describe the files, hash what the plan asks for, and finish.
//!
//! The [`Builder`] takes names, lengths and options. [`Builder::plan`] fixes the order of the files and cuts them into
//! pieces; the caller reads and hashes, on as many threads and in whatever order it likes, and shows the digests to the
//! [`HashPlan`], which makes the [`Metainfo`](crate::Metainfo). The same input always gives the same bytes.
//!
//! ```
//! use riverrun_metainfo::{Attributes, create::Builder};
//!
//! let mut plan = Builder::new("hello.txt").single_file(5, Attributes::default()).plan()?;
//! for piece in plan.geometry().clone().piece_indexes() {
//!     // Here the caller reads `plan.extents(piece)` from disk.
//!     plan.set_v1(piece, hash::sha1(b"hello"))?;
//! }
//! let torrent = plan.finish()?;
//! assert_eq!(torrent.info().name(), "hello.txt");
//! assert!(torrent.to_bytes().starts_with(b"d4:infod6:lengthi5e"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod encode;
mod plan;

pub use builder::{Builder, FileOrder};
pub use plan::{HashPlan, Leaves};

use types::{BLOCK_LEN, GeometryError, PieceIndex, limits};

/// Why a torrent can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There are no files, or all are empty.
    #[error("there is nothing to share: no file has any bytes")]
    NoContent,
    /// A single file and a list of files were both given.
    #[error("a torrent has either a single file or files with paths, not both")]
    SingleAndMany,
    /// A component of a path (or the name) that no reader would take.
    #[error("{path}: `{component}` cannot be part of a path in a torrent")]
    Component {
        /// The whole path.
        path: String,
        /// The component.
        component: String,
    },
    /// A path that is not UTF-8, which v2 asks for.
    #[error("{0}: v2 torrents need paths in UTF-8")]
    NotUtf8(String),
    /// A path with no or too many components.
    #[error("{path}: a path has 1 to {limit} components")]
    Depth {
        /// The path.
        path: String,
        /// Most components.
        limit: usize,
    },
    /// Two files of the same path, or a file where another has a directory.
    #[error("{0}: this path is there twice, or as both a file and a directory")]
    Duplicate(String),
    /// A piece length that [`check_piece_len`] refuses.
    #[error("a piece length of {0} bytes is not possible: it is a power of two from 16 KiB to 512 MiB")]
    PieceLen(u64),
    /// The content can't be cut this way.
    #[error("{0}; choose longer pieces")]
    Geometry(GeometryError),
    /// More bytes than any torrent may have.
    #[error("the content is over the limit of {limit} bytes", limit = limits::FILE_LEN)]
    TooLong,
    /// A digest for a piece that is not there, or of a version that is not made, or with the wrong number of leaves.
    #[error("piece {0}: no such digest was asked for")]
    UnexpectedDigest(PieceIndex),
    /// The plan was finished before each digest was given.
    #[error("{0} digests are still missing")]
    Missing(u64),
    /// The finished torrent is one that readers refuse; most likely it is too large.
    #[error("the finished torrent would be refused by readers ({0}); choose longer pieces or fewer files")]
    Unreadable(crate::Error),
}

/// Whether a new torrent may have pieces of `len` bytes, in any version of the format: a power of two from 16 KiB to
/// [`limits::PIECE_LEN`]. Readers take other lengths in a v1 torrent (BEP 3 names none), but many programs do not.
///
/// # Errors
/// [`CreateError::PieceLen`].
pub const fn check_piece_len(len: u64) -> Result<(), CreateError> {
    if len.is_power_of_two() && len >= BLOCK_LEN as u64 && len <= limits::PIECE_LEN as u64 {
        return Ok(());
    }
    Err(CreateError::PieceLen(len))
}

/// The piece length for `content` bytes: the smallest power of two from 16 KiB to 16 MiB that makes at most 2048 pieces.
/// For contents so long that this would make more pieces than readers take, it goes on to 512 MiB.
///
/// ```
/// use riverrun_metainfo::create::auto_piece_len;
/// assert_eq!(auto_piece_len(1), 16 << 10);
/// assert_eq!(auto_piece_len(1 << 30), 512 << 10);
/// assert_eq!(auto_piece_len(1 << 40), 16 << 20);
/// ```
pub fn auto_piece_len(content: u64) -> u32 {
    let mut len = 16 << 10;
    while len < limits::PIECE_LEN {
        let pieces = content.div_ceil(len.into());
        let enough = if len < 16 << 20 { 2_048 } else { u64::from(limits::PIECES) / 2 };
        if pieces <= enough {
            break;
        }
        len *= 2;
    }
    len
}
