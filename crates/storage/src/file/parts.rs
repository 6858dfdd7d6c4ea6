//! The part file: bytes of files that are not wanted, but share a piece with files that are.
//!
//! A header of 32 bytes (magic, the torrent's name, spare) and then records, each 24 bytes of label and 16 KiB of data:
//! one block of one file. A record is named by file and block within the file, so that a file can move out of the part
//! file without touching its neighbours. A label counts only if its check fits, so a torn one is a free record. The data
//! of a new record is laid out before its label is written.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};

use types::InfoHash;

use crate::error::{Op, StorageError};
use crate::plan::FileIndex;
use crate::storage::FileState;
use crate::sys;

const MAGIC: &[u8; 8] = b"RRPARTS1";
const HEADER: u64 = 32;
const LABEL: u64 = 24;
const BLOCK: u64 = 16 * 1024;
const RECORD: u64 = LABEL + BLOCK;
const LABEL_MAGIC: u32 = 0x7061_7274;

/// An open part file.
#[derive(Debug)]
pub(crate) struct PartFile {
    path: PathBuf,
    file: File,
    /// Record numbers by file and block.
    index: BTreeMap<(u32, u64), u64>,
    free: Vec<u64>,
    records: u64,
    dirty: bool,
    new: bool,
}

fn label(file: u32, block: u64) -> [u8; LABEL as usize] {
    let mut out = [0; LABEL as usize];
    out[..4].copy_from_slice(&LABEL_MAGIC.to_be_bytes());
    out[4..8].copy_from_slice(&file.to_be_bytes());
    out[8..16].copy_from_slice(&block.to_be_bytes());
    out[16..].copy_from_slice(&check(file, block).to_be_bytes());
    out
}

/// Differs from a block of zeros and from any single torn half.
fn check(file: u32, block: u64) -> u64 {
    (block ^ 0x5bd1_e995_9e37_79b9)
        .rotate_left(23)
        .wrapping_add(u64::from(file).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn read_label(bytes: &[u8; LABEL as usize]) -> Option<(u32, u64)> {
    let file = u32::from_be_bytes(*bytes[4..].first_chunk()?);
    let block = u64::from_be_bytes(*bytes[8..].first_chunk()?);
    (*bytes == label(file, block)).then_some((file, block))
}

impl PartFile {
    /// Opens the part file at `path` if there is one.
    pub(crate) fn open(
        path: &Path,
        name: InfoHash,
        writable: bool,
    ) -> Result<Option<PartFile>, StorageError> {
        let file = match OpenOptions::new().read(true).write(writable).open(path) {
            Ok(file) => file,
            // Something in the way of its directory is told by whoever wants to write there.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(e) if writable => match StorageError::from_io(path, Op::Open, e) {
                StorageError::Permission { .. } | StorageError::ReadOnly { .. } => {
                    return PartFile::open(path, name, false);
                }
                e => return Err(e),
            },
            Err(e) => return Err(StorageError::from_io(path, Op::Open, e)),
        };
        let mut parts = PartFile::over(path, file);
        parts.load(name)?;
        Ok(Some(parts))
    }

    /// Opens the part file, or makes it.
    pub(crate) fn create(path: &Path, name: InfoHash) -> Result<PartFile, StorageError> {
        if let Some(parts) = PartFile::open(path, name, true)? {
            return Ok(parts);
        }
        let fail = |e| StorageError::from_io(path, Op::Create, e);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(fail)?;
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(fail)?;
        let mut header = [0; HEADER as usize];
        header[..8].copy_from_slice(MAGIC);
        header[8..28].copy_from_slice(name.as_bytes());
        sys::write_full(&file, 0, &mut [IoSlice::new(&header)]).map_err(fail)?;
        let mut parts = PartFile::over(path, file);
        (parts.dirty, parts.new) = (true, true);
        Ok(parts)
    }

    fn over(path: &Path, file: File) -> PartFile {
        let index = BTreeMap::new();
        PartFile { path: path.into(), file, index, free: Vec::new(), records: 0, dirty: false, new: false }
    }

    fn load(&mut self, name: InfoHash) -> Result<(), StorageError> {
        let fail = |e| StorageError::from_io(&self.path, Op::Read, e);
        let len = self.file.metadata().map_err(fail)?.len();
        let mut header = [0; HEADER as usize];
        sys::read_full(&self.file, 0, &mut [IoSliceMut::new(&mut header)]).map_err(fail)?;
        // An empty file, or one of zeros, is left behind by a crash right after its making.
        let blank = header.iter().all(|byte| *byte == 0);
        if !blank && (header[..8] != *MAGIC || header[8..28] != *name.as_bytes()) {
            let what = "not the part file of this torrent; move it away".into();
            return Err(StorageError::Damaged { path: self.path.clone(), what });
        }
        self.records = len.saturating_sub(HEADER) / RECORD;
        for record in 0..self.records {
            let mut bytes = [0; LABEL as usize];
            sys::read_full(&self.file, HEADER + record * RECORD, &mut [IoSliceMut::new(&mut bytes)])
                .map_err(fail)?;
            match read_label(&bytes) {
                Some(key) if !self.index.contains_key(&key) => {
                    self.index.insert(key, record);
                }
                _ => self.free.push(record),
            }
        }
        Ok(())
    }

    /// Its size and times of change.
    pub(crate) fn state(&self) -> FileState {
        let Ok(meta) = self.file.metadata() else { return FileState::default() };
        let changed = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let mtime = changed.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        FileState { size: meta.len(), mtime, ctime: sys::ctime(&meta), ..FileState::default() }
    }

    /// Whether it holds anything of `file`.
    #[cfg(test)]
    fn has(&self, file: FileIndex) -> bool {
        self.index.range((file.0, 0)..=(file.0, u64::MAX)).next().is_some()
    }

    /// The files it holds something of.
    pub(crate) fn files(&self) -> Vec<FileIndex> {
        let mut files: Vec<_> = self.index.keys().map(|(file, _)| FileIndex(*file)).collect();
        files.dedup();
        files
    }

    fn position(&self, file: FileIndex, offset: u64) -> Option<u64> {
        let record = self.index.get(&(file.0, offset / BLOCK))?;
        Some(HEADER + record * RECORD + LABEL + offset % BLOCK)
    }

    /// Fills `bufs` from byte `offset` of a file on. `false` where a block of it was never written.
    pub(crate) fn read(
        &self,
        file: FileIndex,
        mut offset: u64,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<bool, StorageError> {
        let fail = |e| StorageError::from_io(&self.path, Op::Read, e);
        for buf in bufs {
            let mut rest = &mut buf[..];
            while !rest.is_empty() {
                let Some(position) = self.position(file, offset) else { return Ok(false) };
                let take = rest.len().min((BLOCK - offset % BLOCK) as usize);
                let (part, left) = rest.split_at_mut(take);
                let got = sys::read_full(&self.file, position, &mut [IoSliceMut::new(part)]).map_err(fail)?;
                if got < take as u64 {
                    let (path, expected) = (self.path.clone(), position + take as u64);
                    return Err(StorageError::Truncated { path, expected, found: position + got });
                }
                offset += take as u64;
                rest = left;
            }
        }
        Ok(true)
    }

    /// Writes `bufs` to byte `offset` of a file on.
    pub(crate) fn write(
        &mut self,
        file: FileIndex,
        mut offset: u64,
        bufs: &[IoSlice<'_>],
    ) -> Result<(), StorageError> {
        self.dirty = true;
        for buf in bufs {
            let mut rest = &buf[..];
            while !rest.is_empty() {
                let (part, left) = rest.split_at(rest.len().min((BLOCK - offset % BLOCK) as usize));
                self.write_block(file, offset, part)
                    .map_err(|e| StorageError::from_io(&self.path, Op::Write, e))?;
                offset += part.len() as u64;
                rest = left;
            }
        }
        Ok(())
    }

    fn write_block(&mut self, file: FileIndex, offset: u64, part: &[u8]) -> io::Result<()> {
        if let Some(position) = self.position(file, offset) {
            return sys::write_full(&self.file, position, &mut [IoSlice::new(part)]);
        }
        let (block, within) = (offset / BLOCK, (offset % BLOCK) as usize);
        let record = self.free.last().copied().unwrap_or(self.records);
        let start = HEADER + record * RECORD;
        let mut data = vec![0; BLOCK as usize];
        data[within..within + part.len()].copy_from_slice(part);
        sys::write_full(&self.file, start + LABEL, &mut [IoSlice::new(&data)])?;
        sys::write_full(&self.file, start, &mut [IoSlice::new(&label(file.0, block))])?;
        if self.free.pop().is_none() {
            self.records += 1;
        }
        self.index.insert((file.0, block), record);
        Ok(())
    }

    /// Copies all that there is of a file of `len` bytes into `target`.
    pub(crate) fn copy_out(
        &self,
        file: FileIndex,
        len: u64,
        target: &File,
        at: &Path,
    ) -> Result<(), StorageError> {
        let mut data = vec![0; BLOCK as usize];
        for (key, record) in self.index.range((file.0, 0)..=(file.0, u64::MAX)) {
            let start = key.1.saturating_mul(BLOCK);
            let take = len.saturating_sub(start).min(BLOCK) as usize;
            let position = HEADER + record * RECORD + LABEL;
            let got = sys::read_full(&self.file, position, &mut [IoSliceMut::new(&mut data[..take])])
                .map_err(|e| StorageError::from_io(&self.path, Op::Read, e))?;
            sys::write_full(target, start, &mut [IoSlice::new(&data[..got as usize])])
                .map_err(|e| StorageError::from_io(at, Op::Write, e))?;
        }
        Ok(())
    }

    /// Forgets a file, durably: a label that came back after a power cut would bring old data with it.
    pub(crate) fn forget(&mut self, file: FileIndex) -> Result<(), StorageError> {
        let gone: Vec<_> =
            self.index.range((file.0, 0)..=(file.0, u64::MAX)).map(|(k, v)| (*k, *v)).collect();
        for (key, record) in gone {
            let zeros = [0; LABEL as usize];
            sys::write_full(&self.file, HEADER + record * RECORD, &mut [IoSlice::new(&zeros)])
                .map_err(|e| StorageError::from_io(&self.path, Op::Write, e))?;
            self.index.remove(&key);
            self.free.push(record);
        }
        self.dirty = true;
        self.sync()
    }

    /// Makes all of it durable.
    pub(crate) fn sync(&mut self) -> Result<(), StorageError> {
        if !self.dirty {
            return Ok(());
        }
        let fail = |e| StorageError::from_io(&self.path, Op::Sync, e);
        self.file.sync_data().map_err(fail)?;
        if let (true, Some(dir)) = (self.new, self.path.parent()) {
            sys::sync_dir(dir).map_err(fail)?;
        }
        (self.dirty, self.new) = (false, false);
        Ok(())
    }

    /// Deletes it if nothing is left in it. `None` when it is gone.
    pub(crate) fn remove_if_empty(self) -> Result<Option<PartFile>, StorageError> {
        if !self.index.is_empty() {
            return Ok(Some(self));
        }
        match std::fs::remove_file(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::from_io(&self.path, Op::Rename, e))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: InfoHash = InfoHash([7; 20]);

    fn read(parts: &PartFile, file: u32, offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; len];
        parts.read(FileIndex(file), offset, &mut [IoSliceMut::new(&mut out)]).unwrap().then_some(out)
    }

    #[test]
    fn it_keeps_blocks_of_several_files_and_reopens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parts");
        let mut parts = PartFile::create(&path, NAME).unwrap();
        let data: Vec<u8> = (0..40_000u32).map(|i| (i % 251) as u8).collect();
        parts.write(FileIndex(3), 10_000, &[IoSlice::new(&data[..7]), IoSlice::new(&data[7..])]).unwrap();
        parts.write(FileIndex(1), 0, &[IoSlice::new(b"one")]).unwrap();
        parts.sync().unwrap();
        drop(parts);
        let mut parts = PartFile::open(&path, NAME, true).unwrap().unwrap();
        assert_eq!(read(&parts, 3, 10_000, 40_000).as_deref(), Some(&data[..]));
        assert_eq!(read(&parts, 1, 0, 3).as_deref(), Some(&b"one"[..]));
        assert_eq!(read(&parts, 1, 16_384, 1), None);
        assert_eq!(parts.files(), [FileIndex(1), FileIndex(3)]);
        parts.forget(FileIndex(3)).unwrap();
        let before = parts.state().size;
        parts.write(FileIndex(9), 50_000, &[IoSlice::new(b"nine")]).unwrap();
        assert_eq!(parts.state().size, before, "a free record is used again");
        parts.forget(FileIndex(1)).unwrap();
        let mut parts = parts.remove_if_empty().unwrap().unwrap();
        parts.forget(FileIndex(9)).unwrap();
        assert!(parts.remove_if_empty().unwrap().is_none() && !path.exists());
    }

    #[test]
    fn a_torn_label_is_free_space_and_a_foreign_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parts");
        let mut parts = PartFile::create(&path, NAME).unwrap();
        parts.write(FileIndex(0), 0, &[IoSlice::new(b"abc")]).unwrap();
        drop(parts);
        assert!(matches!(PartFile::open(&path, InfoHash([8; 20]), true), Err(StorageError::Damaged { .. })));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER as usize + 9] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let parts = PartFile::open(&path, NAME, true).unwrap().unwrap();
        assert!(!parts.has(FileIndex(0)) && parts.free == [0]);
        for cut in [0, 5, 31, 33] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let _ = PartFile::open(&path, NAME, true);
        }
    }
}
