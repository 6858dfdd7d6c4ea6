//! Weighing claims against the disk.

use metainfo::{FileIndex, Info, Place};
use types::Bitfield;

use super::{PartialPiece, ResumeData, ResumeError};
use crate::storage::FileState;

/// What of a resume file may be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Claims {
    /// Pieces that are there and right.
    pub have: Bitfield,
    /// Pieces that were, and are to be checked before they count.
    pub doubtful: Bitfield,
    /// Blocks that may be on disk, unverified. Only those whose files are as they were.
    pub partial: Vec<PartialPiece>,
    /// The files that made pieces doubtful.
    pub changed: Vec<FileIndex>,
}

/// Whether a file is not as it was, in a way that matters.
pub(super) fn is_changed(data: &ResumeData, file: FileIndex, now: &FileState) -> bool {
    let then = data.files.get(file.as_usize()).copied().unwrap_or_default();
    let there = |state: &FileState| state.present || state.in_part_file;
    there(&then) != there(now)
        || then.in_part_file != now.in_part_file
        || now.size < then.size
        || now.mtime > then.mtime
        // A copy put back keeps its time of change, and so does who hides a change; the system's own account tells.
        || then.ctime != 0 && now.ctime != 0 && now.ctime != then.ctime
}

pub(super) fn weigh(data: &ResumeData, info: &Info, now: &[FileState]) -> Result<Claims, ResumeError> {
    let (ours, theirs) = (info.info_hashes(), data.hashes);
    // A magnet link may have known one of a hybrid's two names only.
    let same = ours.get_v1().is_some() && ours.get_v1() == theirs.get_v1()
        || ours.get_v2().is_some() && ours.get_v2() == theirs.get_v2();
    if !same {
        return Err(ResumeError::OtherTorrent { found: theirs });
    }
    let geometry = info.geometry();
    let files = info.files().len();
    if data.have.len() != geometry.pieces() || data.files.len() != files || now.len() != files {
        return Err(ResumeError::Shape {
            what: "the numbers of pieces or files are not those of the torrent",
        });
    }
    let changed: Vec<bool> =
        (0..).map(FileIndex).zip(now).map(|(file, state)| is_changed(data, file, state)).collect();
    let mut blamed = vec![false; files];
    let mut touch = |piece| {
        let mut sound = true;
        for extent in info.layout().extents(geometry.piece_range(piece)) {
            let Place::File { file, .. } = extent.place else { continue };
            if changed.get(file.as_usize()).copied().unwrap_or(true) {
                sound = false;
                blamed[file.as_usize()] = true;
            }
        }
        sound
    };
    let (mut have, mut doubtful) = (Bitfield::new(geometry.pieces()), Bitfield::new(geometry.pieces()));
    for piece in data.have.ones() {
        let set = if touch(types::PieceIndex(piece)) { &mut have } else { &mut doubtful };
        set.insert(piece);
    }
    let fits = |p: &&PartialPiece| {
        geometry.has_piece(p.piece)
            && p.blocks.len() == geometry.blocks_in(p.piece)
            && !data.have.get(p.piece.0)
    };
    let partial = data.partial.iter().filter(fits).filter(|p| touch(p.piece)).cloned().collect();
    let changed = (0..).map(FileIndex).zip(blamed).filter(|(_, b)| *b).map(|(file, _)| file).collect();
    Ok(Claims { have, doubtful, partial, changed })
}
