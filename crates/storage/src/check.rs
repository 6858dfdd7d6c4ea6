//! Rechecking: which pieces are there and right.

use std::sync::{Mutex, PoisonError};

use metainfo::{FileIndex, Info, Mismatch, Place};
use types::{Bitfield, PieceIndex};

use crate::error::StorageError;
use crate::lanes::{Digests, Task, hash_all, side_by_side};
use crate::progress::{Effort, Progress};
use crate::storage::{FileState, Storage};

/// What a check found out about a piece.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It is there and right.
    Good,
    /// It is there and wrong.
    Bad(Mismatch),
    /// Files it lies in are missing or too short.
    Missing,
    /// It could not be read.
    Unreadable(StorageError),
}

/// What a check found out about a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FileReport {
    /// How it is on disk.
    pub state: FileState,
    /// How many pieces reach into it; 0 for empty and padding files.
    pub pieces: u32,
    /// How many of them are good, among those that were checked.
    pub good: u32,
    /// Bytes beyond its length in the torrent. They are left alone.
    pub excess: u64,
}

impl FileReport {
    /// Whether all of it is there and right: every piece is good, or it is empty and exists.
    pub fn is_complete(&self) -> bool {
        self.good == self.pieces && (self.pieces > 0 || self.state.present)
    }
}

/// The result of a check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckReport {
    /// The pieces that are there and right.
    pub good: Bitfield,
    /// The pieces that were looked at: fewer than asked for only if the check was cancelled.
    pub checked: Bitfield,
    /// Every file, in order.
    pub files: Vec<FileReport>,
    /// How many pieces are there and wrong.
    pub bad: u32,
    /// How many pieces are missing.
    pub missing: u32,
    /// How many pieces could not be read.
    pub unreadable: u32,
    /// Why the first of them could not be.
    pub error: Option<StorageError>,
    /// A piece whose v1 and v2 hashes can't both be right: the torrent itself is bad.
    pub inconsistent: Option<PieceIndex>,
}

/// Which pieces to check, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How much of the machine to use.
    pub effort: Effort,
    /// The pieces to look at; none for all.
    pub pieces: Option<Bitfield>,
}

impl CheckOptions {
    /// Sets [`CheckOptions::effort`].
    pub const fn effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// Sets [`CheckOptions::pieces`].
    pub fn pieces(mut self, pieces: Bitfield) -> Self {
        self.pieces = Some(pieces);
        self
    }
}

/// Reads and hashes pieces, and compares them with what the torrent says. Makes, lengthens and shortens nothing. Pieces
/// in files that are missing or too short cost no reading.
///
/// It uses the threads of its own that [`Effort`] allows, and returns when they are done; `progress` may be watched and
/// cancelled from elsewhere. `each` hears of every piece, from those threads.
///
/// # Errors
/// Only what makes the whole storage unreadable. An error that concerns some pieces is in the report.
pub fn check(
    storage: &dyn Storage,
    info: &Info,
    options: &CheckOptions,
    progress: &Progress,
    each: &(dyn Fn(PieceIndex, &Verdict) + Sync),
) -> Result<CheckReport, StorageError> {
    let states = storage.probe()?;
    let geometry = info.geometry();
    let asked = |piece: &PieceIndex| options.pieces.as_ref().is_none_or(|set| set.get(piece.0));
    let pieces: Vec<PieceIndex> = geometry.piece_indexes().filter(asked).collect();
    progress.begin(pieces.iter().map(|piece| u64::from(geometry.piece_len(*piece))).sum());
    let report = Mutex::new(CheckReport {
        good: Bitfield::new(geometry.pieces()),
        checked: Bitfield::new(geometry.pieces()),
        files: Vec::new(),
        bad: 0,
        missing: 0,
        unreadable: 0,
        error: None,
        inconsistent: None,
    });
    let settle = |piece: PieceIndex, verdict: Verdict| {
        each(piece, &verdict);
        note(&mut report.lock().unwrap_or_else(PoisonError::into_inner), piece, verdict);
    };
    let (there, absent): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|p| is_there(info, &states, *p));
    for piece in absent {
        settle(piece, Verdict::Missing);
        progress.add(geometry.piece_len(piece).into(), 1);
    }
    let task = |n: usize| there.get(n).map(|piece| task_of(info, *piece));
    let lanes = side_by_side(info.version().has_v1(), info.piece_len());
    hash_all(&storage, there.len(), lanes, options.effort, progress, task, |task, digests| {
        settle(task.piece, judge(info, task.piece, digests));
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.files = file_reports(info, &states, &report.good);
    Ok(report)
}

fn task_of(info: &Info, piece: PieceIndex) -> Task {
    let expected = info.piece_hash(piece);
    let range = info.geometry().piece_range(piece);
    Task { piece, range, v1: expected.v1().is_some(), leaves: expected.v2().map(|v2| v2.data_len()) }
}

/// Whether every file that a piece lies in is long enough for it.
fn is_there(info: &Info, states: &[FileState], piece: PieceIndex) -> bool {
    info.layout().extents(info.geometry().piece_range(piece)).all(|extent| match extent.place {
        Place::File { file, offset } => {
            let state = states.get(file.as_usize()).copied().unwrap_or_default();
            state.in_part_file || state.present && state.size >= offset + extent.len
        }
        Place::Zeros => true,
    })
}

fn judge(info: &Info, piece: PieceIndex, digests: Result<Digests, StorageError>) -> Verdict {
    match digests {
        Ok(digests) => match info.piece_hash(piece).verify(digests.v1, digests.leaves.as_deref()) {
            Ok(_) => Verdict::Good,
            Err(mismatch) => Verdict::Bad(mismatch),
        },
        Err(error) if error.kind().is_data_lost() => Verdict::Missing,
        Err(error) => Verdict::Unreadable(error),
    }
}

fn note(report: &mut CheckReport, piece: PieceIndex, verdict: Verdict) {
    report.checked.insert(piece.0);
    match verdict {
        Verdict::Good => _ = report.good.insert(piece.0),
        Verdict::Missing => report.missing += 1,
        Verdict::Bad(mismatch) => {
            report.bad += 1;
            if matches!(mismatch, Mismatch::Inconsistent(_)) {
                report.inconsistent.get_or_insert(piece);
            }
        }
        Verdict::Unreadable(error) => {
            report.unreadable += 1;
            report.error.get_or_insert(error);
        }
    }
}

fn file_reports(info: &Info, states: &[FileState], good: &Bitfield) -> Vec<FileReport> {
    let report = |(file, plan): (FileIndex, &metainfo::File)| {
        let state = states.get(file.as_usize()).copied().unwrap_or_default();
        if !plan.is_stored() {
            return FileReport { state, ..FileReport::default() };
        }
        let pieces = info.layout().pieces_of_file(file, info.geometry());
        let excess = if state.present { state.size.saturating_sub(plan.len()) } else { 0 };
        let count = pieces.len() as u32;
        FileReport { state, pieces: count, good: pieces.filter(|p| good.get(*p)).count() as u32, excess }
    };
    (0..).map(FileIndex).zip(info.files()).map(report).collect()
}

#[cfg(test)]
mod tests;
