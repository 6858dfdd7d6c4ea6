//! The handle of a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use metainfo::FileIndex;
use types::PieceIndex;

use crate::control;
use crate::entry::Entry;
use crate::inner::Inner;
use crate::{Error, FilePiece, PieceState, Priority, Reader};

/// A file of a torrent.
#[derive(Clone)]
pub struct File {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    index: FileIndex,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("number", &self.index.0).field("path", &self.path()).finish()
    }
}

impl File {
    /// `index` is one of the torrent's.
    pub(crate) fn new(inner: Arc<Inner>, entry: Arc<Entry>, index: FileIndex) -> File {
        File { inner, entry, index }
    }

    /// Its number in the torrent, from 0; padding files count.
    pub fn number(&self) -> u32 {
        self.index.0
    }

    /// Its path below the torrent's output directory, as it is now. Safe on any disk, whatever the torrent says; for
    /// people there is [`File::display_path`].
    pub fn path(&self) -> PathBuf {
        self.entry.home.path_of(self.entry.plan(), self.index)
    }

    /// Calls it by another path below the torrent's output directory: components separated by `/`, whatever the system.
    /// Directories are made, and those that are empty then go. The torrent goes on meanwhile; a file that does not exist
    /// yet, or whose bytes are in the part file, gets the name when it is made. Kept over restarts; a process that is
    /// killed in between finds the file by either name.
    ///
    /// Cancel safe: the change goes on in the background.
    ///
    /// # Errors
    /// The old name stays in force. As [`Torrent::pause`](crate::Torrent::pause); `bad_path` for a path that is not safe as
    /// it is (the rules are those for paths of metainfo), or collides with another file of the torrent; `exists` where
    /// something is there; [`Error::NotReady`] where the data was never looked for; `read_only` for a torrent that was
    /// added so; what the disk says.
    pub async fn rename(&self, path: impl Into<String>) -> Result<(), Error> {
        let path = path.into().into_boxed_str();
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        self.inner.join(control::rename(inner, entry, self.index, path)).await?
    }

    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a file is no collection")]
    pub fn len(&self) -> u64 {
        self.entry.info().file(self.index).map_or(0, metainfo::File::len)
    }

    /// Whether it is downloaded.
    pub fn is_wanted(&self) -> bool {
        self.entry.state().wants.wants(self.index)
    }

    /// How many of its bytes lie in verified pieces.
    pub fn progress(&self) -> u64 {
        let range = self.entry.plan().file_range(self.index);
        let geometry = self.entry.info().geometry();
        let state = self.entry.state();
        let here = self.entry.pieces_of(self.index).filter(|piece| state.pieces.has(*piece));
        here.map(|piece| {
            let piece = geometry.piece_range(PieceIndex(piece));
            piece.end.min(range.end).saturating_sub(piece.start.max(range.start))
        })
        .sum()
    }

    /// Reads it while it is being fetched, whether it is wanted or not. See [`Reader`].
    pub fn reader(&self) -> Reader {
        Reader::new(self.inner.clone(), self.entry.clone(), self.entry.plan().file_range(self.index))
    }

    /// How much it is wanted.
    pub fn priority(&self) -> Priority {
        self.entry.state().wants.file(self.index)
    }

    /// Changes how much it is wanted. A piece that several files share is wanted as much as the file that is
    /// wanted most. Kept over restarts.
    ///
    /// Cancel safe: the change goes on in the background.
    ///
    /// # Errors
    /// As [`Torrent::set_wanted`](crate::Torrent::set_wanted).
    pub async fn set_priority(&self, priority: Priority) -> Result<(), Error> {
        if self.inner.is_closing() {
            return Err(Error::Closed);
        }
        self.entry.obstacle().map_or(Ok(()), Err)?;
        let (inner, entry) = (self.inner.clone(), self.entry.clone());
        self.inner.join(control::set_priority(inner, entry, self.index, priority)).await?
    }

    /// Its path as the torrent has it, for people. It may hold anything: for disks there is [`File::path`].
    pub fn display_path(&self) -> String {
        let parts = self.entry.info().file(self.index).map(metainfo::File::raw_path).unwrap_or_default();
        let parts: Vec<_> = parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
        parts.join("/")
    }

    /// The pieces it lies in, with the bytes of the file in each.
    pub fn pieces(&self) -> Vec<FilePiece> {
        let range = self.entry.plan().file_range(self.index);
        let geometry = self.entry.info().geometry();
        let state = self.entry.state();
        let piece = |piece: u32| {
            let bytes = geometry.piece_range(PieceIndex(piece));
            let (start, end) = (bytes.start.max(range.start), bytes.end.min(range.end));
            FilePiece {
                piece: PieceIndex(piece),
                bytes: start - range.start..end.max(start) - range.start,
                state: PieceState::of(&self.entry, &state, piece),
            }
        };
        self.entry.pieces_of(self.index).map(piece).collect()
    }

    /// Whether all of it is here.
    pub fn is_complete(&self) -> bool {
        self.progress() == self.len()
    }
}
