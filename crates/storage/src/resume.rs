//! Resume state: what is known of a torrent's data from one run to the next.
//!
//! One file for each torrent, `<info hash>.resume`: a fixed head (magic, version, length, SHA-256 of the rest) and a
//! bencoded dictionary. What does not pass the head is no claim at all, so a torn or rotten file costs a recheck and
//! never a wrong claim.

mod claims;
mod codec;
mod store;
mod whereabouts;

use std::net::SocketAddr;

use metainfo::FileIndex;
use types::{Bitfield, InfoHashes, PieceIndex};

pub use self::claims::Claims;
pub use self::codec::ResumeError;
pub use self::store::{LoadError, ResumeLock, ResumeStore};
pub use self::whereabouts::Whereabouts;
use crate::storage::{FileState, Selection};

/// The blocks of an unfinished piece that are on disk, in the layout of a bitfield. Nothing has verified them: the piece
/// is to be hashed when it is full, as if they had just come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartialPiece {
    /// The piece.
    pub piece: PieceIndex,
    /// A bit for each block.
    pub blocks: Bitfield,
}

/// What is known of one torrent.
///
/// Claim a piece ([`ResumeData::have`]) only when it was verified **and** its data made durable with
/// [`Storage::sync`](crate::Storage::sync); take [`ResumeData::files`] from
/// [`Storage::probe`](crate::Storage::probe) after that sync. A claim then holds across a power cut.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ResumeData {
    /// Which torrent.
    pub hashes: InfoHashes,
    /// The pieces that were verified and are durable.
    pub have: Bitfield,
    /// Blocks of unfinished pieces, by piece.
    pub partial: Vec<PartialPiece>,
    /// Every file as it was when the claim was made, in order.
    pub files: Vec<FileState>,
    /// Which files are wanted.
    pub selection: Selection,
    /// How much files are wanted, from 1 to 7, where that is not the normal priority.
    pub priorities: Vec<(FileIndex, u8)>,
    /// Payload bytes downloaded, over all time.
    pub downloaded: u64,
    /// Payload bytes uploaded, over all time.
    pub uploaded: u64,
    /// Whether nothing that was wanted was missing.
    pub completed: bool,
    /// Trackers as they are now, in tiers; empty if they are those of the metainfo.
    pub trackers: Vec<Vec<String>>,
    /// Whether the user had paused it.
    pub paused: bool,
    /// Addresses of its swarm that are worth another try, the best first. At most [`ResumeData::MAX_PEERS`] are kept.
    pub peers: Vec<SocketAddr>,
    /// Where the files are and what they are called, if not where and as they were at first.
    pub whereabouts: Whereabouts,
}

impl ResumeData {
    /// Most addresses of peers that are kept.
    pub const MAX_PEERS: usize = 200;

    /// Nothing known of a torrent with so many pieces.
    pub fn new(hashes: InfoHashes, pieces: u32) -> ResumeData {
        ResumeData {
            hashes,
            have: Bitfield::new(pieces),
            partial: Vec::new(),
            files: Vec::new(),
            selection: Selection::all(),
            priorities: Vec::new(),
            downloaded: 0,
            uploaded: 0,
            completed: false,
            trackers: Vec::new(),
            paused: false,
            peers: Vec::new(),
            whereabouts: Whereabouts::default(),
        }
    }

    /// The file's contents.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a file's contents.
    ///
    /// # Errors
    /// [`ResumeError`] says why nothing of it may be believed.
    pub fn decode(bytes: &[u8]) -> Result<ResumeData, ResumeError> {
        codec::decode(bytes)
    }

    /// Which of the claimed pieces may be believed, given how the files are now.
    ///
    /// A file that is missing, got shorter, or was changed after the claim makes its pieces doubtful; so does one that
    /// moved into or out of the part file. Files with no claim in them play no part.
    ///
    /// # Errors
    /// [`ResumeError::OtherTorrent`] or [`ResumeError::Shape`]: it is not about this torrent. Nothing may be believed.
    pub fn claims(&self, info: &metainfo::Info, now: &[FileState]) -> Result<Claims, ResumeError> {
        claims::weigh(self, info, now)
    }

    /// Whether the claim is about files in the same state as `now`, so that nothing is doubtful.
    pub fn is_current(&self, now: &[FileState]) -> bool {
        self.files.len() == now.len()
            && (0..).map(FileIndex).zip(now).all(|(f, s)| !claims::is_changed(self, f, s))
    }
}

/// A file with this body and a head that fits it: for tests that reach what lies behind the checksum.
#[doc(hidden)]
pub fn seal(body: &[u8]) -> Vec<u8> {
    codec::seal(body)
}

#[cfg(test)]
mod tests;
