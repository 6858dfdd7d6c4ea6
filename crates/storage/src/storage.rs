//! The seam between a torrent and the place its bytes are in.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use types::InfoHashes;

use crate::error::StorageError;
use crate::plan::{FileIndex, Plan};
use crate::progress::Progress;

/// What a storage can do beyond reading and writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`Storage::try_read_resident`] may answer from memory.
    pub resident_reads: bool,
    /// [`Storage::resident_span`] may give a file that the kernel can send from.
    pub sendfile: bool,
    /// [`Storage::sync`] makes data survive a power cut. Without it pieces are durable only as far as the backend goes.
    pub durable: bool,
    /// [`Storage::write`] is possible at all.
    pub writable: bool,
}

/// Groups storages that share a device, so that a slow one holds up only its own work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DeviceId(pub u64);

/// What is known of one file on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct FileState {
    /// Whether a regular file is there. Padding files and links are never there.
    pub present: bool,
    /// Its size, in bytes; 0 where it is absent.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970; 0 where it is absent or the backend keeps no times.
    pub mtime: i64,
    /// When its contents or its other properties were last changed, by the system's own account, which nobody can set
    /// back; in nanoseconds since 1970. 0 where it is absent, or the backend keeps no such times.
    pub ctime: i64,
    /// Whether its bytes are kept in the part file for now, because it is not wanted and does not exist.
    pub in_part_file: bool,
}

/// Which files are wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// None: all of them.
    wanted: Option<Box<[bool]>>,
}

impl Selection {
    /// Every file.
    pub fn all() -> Selection {
        Selection::default()
    }

    /// The files for which `wanted` holds, by their number. Files beyond its end are wanted.
    pub fn of(wanted: impl IntoIterator<Item = bool>) -> Selection {
        let wanted: Box<[bool]> = wanted.into_iter().collect();
        if wanted.iter().all(|w| *w) { Selection::all() } else { Selection { wanted: Some(wanted) } }
    }

    /// Whether `file` is wanted.
    pub fn wants(&self, file: FileIndex) -> bool {
        self.wanted.as_ref().and_then(|w| w.get(file.as_usize()).copied()).unwrap_or(true)
    }

    /// Whether every file is wanted.
    pub fn is_all(&self) -> bool {
        self.wanted.is_none()
    }
}

/// How a file of one torrent becomes one of another too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adoption {
    /// It gets a second name (a hard link), or is copied where that can't be. Only for files that are the same for certain.
    Link,
    /// It is copied.
    Copy,
}

/// A run of payload bytes that lies in one open file.
#[derive(Clone, Debug)]
pub struct FileSpan {
    /// The file, open for reading. Holding it keeps it open beyond the storage's own limit on open files.
    pub file: Arc<File>,
    /// Where the run begins in the file, in bytes.
    pub offset: u64,
    /// How many bytes of the payload follow from there in this file; at least 1. The file may end before, if it was
    /// truncated since.
    pub len: u64,
}

/// The bytes of one torrent. **Unstable** until more back ends stand behind it.
///
/// One object per torrent, shared by threads. Offsets count in the torrent's payload space: every file of the info
/// dictionary in order, padding and the gaps of v2 torrents included ([`Plan::extents`]).
///
/// # What may run at the same time
/// [`read`](Storage::read), [`write`](Storage::write), [`sync`](Storage::sync),
/// [`try_read_resident`](Storage::try_read_resident), [`resident_span`](Storage::resident_span),
/// [`probe`](Storage::probe) and the getters may run at any time, from any thread, and don't wait for each other longer than a file takes to open. Two
/// calls that touch the same bytes, one of them a write, leave the bytes (and a read's result) as either order or a mix
/// of both would: whoever needs an order waits for the first call to return, as [`DiskPool`](crate::DiskPool) does.
///
/// [`prepare`](Storage::prepare), [`set_wanted`](Storage::set_wanted), [`rename_file`](Storage::rename_file),
/// [`gather`](Storage::gather) and [`delete`](Storage::delete) are fences: every earlier call has its effect
/// before them and every later one after them. An implementation ensures that with a lock of its own.
/// [`move_to`](Storage::move_to) is one too, but reads go on while it copies.
///
/// # What every call promises
/// - It may block for as long as its device does, except [`try_read_resident`](Storage::try_read_resident),
///   [`resident_span`](Storage::resident_span), [`capabilities`](Storage::capabilities), [`plan`](Storage::plan) and
///   [`device`](Storage::device).
/// - It does not panic on any input, and a range outside the payload is [`StorageError::OutOfRange`].
/// - It never follows a path out of its root, and never touches a file that is not in the torrent's list.
/// - After an error the storage stays usable; the next call tries afresh.
pub trait Storage: Send + Sync + fmt::Debug {
    /// The files it stores.
    fn plan(&self) -> &Arc<Plan>;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The device its work goes to. Another one after [`move_to`](Storage::move_to), perhaps.
    fn device(&self) -> DeviceId {
        DeviceId::default()
    }

    /// Whether writes hinder each other. A [`DiskPool`](crate::DiskPool) then does one at a time, and joins those that come
    /// meanwhile. Files are so: the system lets one writer into a file, and others wait for it at the cost of a core.
    /// Default no, as for a store far away.
    fn writes_alone(&self) -> bool {
        false
    }

    /// Says that `range` will be read soon, so that a store may begin to fetch it: opens nothing, returns at
    /// once, and has no effect that a read could see. Default nothing.
    fn will_read(&self, _range: Range<u64>) {}

    /// Fills all of `bufs`, one after the other, from byte `offset` on: all or an error, and then the contents of the
    /// buffers are arbitrary. Bytes of padding and gaps are zeros. Reading what was never written gives zeros,
    /// [`StorageError::Truncated`] or [`StorageError::NotFound`], and creates nothing. Empty buffers are fine.
    ///
    /// # Errors
    /// Names the file that is missing, too short, or can't be read.
    fn read(&self, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> Result<(), StorageError>;

    /// Writes all of `bufs`, one after the other, to byte `offset` on: all, or an error and then any part of them may
    /// have been written. Later reads see the data. Bytes of padding and gaps are dropped. Files and directories are made
    /// as needed; nothing outside the range is changed, and no file grows beyond its length in the torrent.
    ///
    /// # Errors
    /// Names the file and the reason. Asking the swarm for more is pointless then until a write succeeds: nothing says
    /// that the next block fares better, and the same blocks would be fetched for ever.
    fn write(&self, offset: u64, bufs: &[IoSlice<'_>]) -> Result<(), StorageError>;

    /// Makes everything in `ranges` durable whose write returned before this call began, the existence of its files
    /// included. Every file is synced once, however many ranges touch it.
    ///
    /// # Errors
    /// The system may have dropped the data and forgotten that it did, so a second call that succeeds proves nothing:
    /// after an error hash the pieces of the ranges again before they count as durable.
    fn sync(&self, ranges: &[Range<u64>]) -> Result<(), StorageError>;

    /// Reads like [`read`](Storage::read) without waiting for a device. `Some(n)`: the first `n` bytes were filled, at
    /// least 1 of those asked for. `None`: it would wait (or has no such shortcut): use [`read`](Storage::read).
    ///
    /// # Errors
    /// As [`read`](Storage::read).
    fn try_read_resident(
        &self,
        offset: u64,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<Option<usize>, StorageError> {
        let _ = (offset, bufs);
        Ok(None)
    }

    /// The file that bytes from `offset` on lie in, for a kernel that sends straight from files, where that would wait
    /// for no device: of `len` bytes so many as one file has, at least 1, and all of them in memory a moment ago. Memory
    /// may have been taken from them since, and the file may have been cut short; the first costs time, the second shows
    /// when it is sent. `None` where it would wait, or there is no such file: padding, part file, or a backend without
    /// files.
    ///
    /// # Errors
    /// As [`read`](Storage::read).
    fn resident_span(&self, offset: u64, len: u64) -> Result<Option<FileSpan>, StorageError> {
        let _ = (offset, len);
        Ok(None)
    }

    /// The state of every file, in order: what resume data compares its claims with. Creates nothing.
    ///
    /// # Errors
    /// Only what makes the whole storage unreadable. A file that can't be looked at counts as absent.
    fn probe(&self) -> Result<Vec<FileState>, StorageError>;

    /// Takes the files as they are now, those that somebody cut short or removed included: before this call a storage may
    /// refuse to write into them. A fence, called where everything is about to be checked.
    ///
    /// # Errors
    /// Only what makes the whole storage unusable.
    fn accept_changes(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Makes what a download needs besides payload: empty files, links, reserved space, permissions. A fence. Called
    /// before the first write of a session and safe to call again; storages that are only read never see it.
    ///
    /// # Errors
    /// As [`write`](Storage::write).
    fn prepare(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Changes which files are wanted. A fence. Bytes of a file that is not wanted and does not exist yet are kept apart
    /// (they belong to pieces that reach into it) and read back from there; when the file is wanted after all, they move
    /// into it. The storage starts with the selection of its [`OpenRequest`]. Nothing is lost on the way, also when the
    /// process dies in it.
    ///
    /// # Errors
    /// As [`write`](Storage::write); then the old selection stays in force.
    fn set_wanted(&self, selection: &Selection) -> Result<(), StorageError> {
        let _ = selection;
        Ok(())
    }

    /// The path of a file below the root, as it is called now, written like [`PlanFile::path`](crate::PlanFile::path).
    /// Empty where there is no such file.
    fn file_path(&self, file: FileIndex) -> Box<str> {
        self.plan().file(file).map_or(Box::default(), |file| file.path.clone())
    }

    /// Calls a file by another path below the root, written like [`PlanFile::path`](crate::PlanFile::path), whether it
    /// exists by now or not. A fence. It is durable when this returns, as far as there is a file.
    ///
    /// # Errors
    /// The old name stays in force. [`StorageError::BadPath`] for one that is not safe or collides with another file of the
    /// torrent, [`StorageError::Exists`] where something is there, [`StorageError::Unsupported`] where files have no names.
    fn rename_file(&self, file: FileIndex, path: &str) -> Result<(), StorageError> {
        let _ = (file, path);
        Err(StorageError::Unsupported { what: "rename files" })
    }

    /// Whether [`move_to`](Storage::move_to) would find `to` free. Changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Exists`] names what is in the way; [`StorageError::Unsupported`] where data can't be moved.
    fn check_move(&self, to: &Path) -> Result<(), StorageError> {
        let _ = to;
        Err(StorageError::Unsupported { what: "move its data" })
    }

    /// Moves everything below another root, which is made if it is missing: by renaming, or, to another filesystem, by
    /// copying, with the copies durable before they count. Reads go on meanwhile, from the old place; writes wait.
    /// Afterwards the new place holds, and what was copied is still at the old one until [`gather`](Storage::gather) of
    /// it: whoever keeps a record of where the data is writes that down in between.
    ///
    /// Before this call note that data may be below `to`: after a crash in it, open the storage at the old root and
    /// gather what is at `to`.
    ///
    /// # Errors
    /// The old place holds, and what had gone to the new one is back, or brought back by [`gather`](Storage::gather)
    /// of it. As [`check_move`](Storage::check_move), or [`StorageError::Cancelled`] through `progress`.
    fn move_to(&self, to: &Path, progress: &Progress) -> Result<(), StorageError> {
        let _ = progress;
        self.check_move(to)
    }

    /// Brings together what a move left in two places. A fence. A file that is below `from` and not here is moved here; one
    /// that is in both places with the same bytes was copied, and goes from there; so do unfinished copies. One with
    /// other bytes is somebody else's and stays. Only for a `from` that a move went to or came from.
    ///
    /// # Errors
    /// The first thing that can't be brought or removed; the rest is done all the same.
    fn gather(&self, from: &Path) -> Result<(), StorageError> {
        let _ = from;
        Ok(())
    }

    /// Brings a file here that is at `path` below another root, `from`, with as many bytes; here there is none yet. A fence.
    /// What is in it counts as little as in any file that is found: it is to be checked. Whoever says
    /// [`Adoption::Link`] must never write into a file with another name, or the owner of that loses by it.
    ///
    /// # Errors
    /// Nothing is here then. [`StorageError::Exists`] where something was before, [`StorageError::Truncated`] for a file of
    /// another length, [`StorageError::Cancelled`] through `progress`, [`StorageError::Unsupported`] where there are no
    /// files.
    fn adopt(
        &self,
        file: FileIndex,
        from: &Path,
        path: &str,
        how: Adoption,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        let _ = (file, from, path, how, progress);
        Err(StorageError::Unsupported { what: "take over files" })
    }

    /// Removes everything it has stored, also what was kept apart, and the directories that are empty then. A fence.
    /// Nothing outside its list of files is touched, and no link is followed. Called when the torrent leaves for good and
    /// nothing of it is under way.
    ///
    /// # Errors
    /// The first thing that can't be removed; the others are removed all the same.
    /// [`StorageError::Unsupported`] where it can't be done at all.
    fn delete(&self) -> Result<(), StorageError> {
        Err(StorageError::Unsupported { what: "delete data" })
    }
}

/// What a factory needs to know to open one torrent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenRequest {
    /// The torrent's names, for whatever is stored under them.
    pub hashes: InfoHashes,
    /// Its files.
    pub plan: Arc<Plan>,
    /// Which of them are wanted.
    pub selection: Selection,
    /// Files that were renamed, with their paths. One that is not safe, or is the path of two files, counts as not there.
    pub names: BTreeMap<FileIndex, Box<str>>,
    /// A file that was about to be renamed when the process died, and the path it was to get: it is called so if there is
    /// a file of that name and none of the old.
    pub renaming: Option<(FileIndex, Box<str>)>,
}

impl OpenRequest {
    /// Everything wanted.
    pub fn new(hashes: InfoHashes, plan: Arc<Plan>) -> OpenRequest {
        let (selection, names, renaming) = (Selection::all(), BTreeMap::new(), None);
        OpenRequest { hashes, plan, selection, names, renaming }
    }

    /// With files that were renamed, and one that perhaps was.
    pub fn names(
        mut self,
        names: BTreeMap<FileIndex, Box<str>>,
        renaming: Option<(FileIndex, Box<str>)>,
    ) -> OpenRequest {
        (self.names, self.renaming) = (names, renaming);
        self
    }

    /// With a selection.
    pub fn selection(mut self, selection: Selection) -> OpenRequest {
        self.selection = selection;
        self
    }
}

/// Opens the storages of a client's torrents. **Unstable**, as [`Storage`] is.
pub trait StorageFactory: Send + Sync {
    /// Opens the storage of one torrent. Creates nothing and may be called for data that is not there yet.
    ///
    /// # Errors
    /// The root can't be used at all, or a moving of part data that was interrupted can't be finished.
    fn open(&self, request: &OpenRequest) -> Result<Arc<dyn Storage>, StorageError>;
}

/// The whole length of some buffers, and the check that they fit the payload.
pub(crate) fn checked_len(
    plan: &Plan,
    offset: u64,
    lens: impl Iterator<Item = usize>,
) -> Result<u64, StorageError> {
    let mut end = offset;
    for len in lens {
        end = end.saturating_add(len as u64);
    }
    let total = plan.total_len();
    if end > total {
        return Err(StorageError::OutOfRange { offset, end, total });
    }
    Ok(end - offset)
}
