//! The files of a torrent as a storage sees them.

use std::ops::Range;
use std::path::PathBuf;

pub use metainfo::{Extent, FileIndex, Place};
use metainfo::{FileLayout, Info};

/// What a file of a torrent is to a storage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A file with bytes of its own.
    Regular {
        /// Whether it may be run as a program (BEP 47).
        executable: bool,
    },
    /// Zeros that align the next file (BEP 47); never stored.
    Padding,
    /// A symbolic link (BEP 47) to this path of the torrent, written like [`PlanFile::path`]; `None` where the target
    /// was unsafe, and then nothing is made.
    Symlink(Option<Box<str>>),
}

/// One file of a torrent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanFile {
    /// The safe path below the download directory: components separated by `/`, none empty, `.` or `..`.
    pub path: Box<str>,
    /// Its length in bytes.
    pub len: u64,
    /// What it is.
    pub kind: FileKind,
}

impl PlanFile {
    /// An ordinary file.
    pub fn regular(path: &str, len: u64) -> PlanFile {
        PlanFile { path: path.into(), len, kind: FileKind::Regular { executable: false } }
    }

    /// A padding file.
    pub fn padding(len: u64) -> PlanFile {
        PlanFile { path: format!(".pad/{len}").into(), len, kind: FileKind::Padding }
    }

    /// Whether it exists on disk as a regular file.
    pub fn is_stored(&self) -> bool {
        matches!(self.kind, FileKind::Regular { .. })
    }

    /// The path in the system's form, below the download directory.
    pub fn relative(&self) -> PathBuf {
        self.path.split('/').collect()
    }
}

/// The files of a torrent and where their bytes lie in its payload space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    files: Vec<PlanFile>,
    layout: FileLayout,
}

impl Plan {
    /// Files one after the other. With `align`, each file that is not empty begins at a multiple of it, as in v2 torrents
    /// (BEP 52).
    ///
    /// Returns `None` where the payload is longer than a `u64` counts, or a path is not made of safe components.
    pub fn new(files: Vec<PlanFile>, align: Option<u32>) -> Option<Plan> {
        let safe =
            |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
        let stored = |file: &&PlanFile| file.kind != FileKind::Padding;
        if !files.iter().filter(stored).all(|file| file.path.split('/').all(safe)) {
            return None;
        }
        let spans = files.iter().map(|file| (file.len, !file.is_stored()));
        let layout = FileLayout::new(spans, align)?;
        Some(Plan { files, layout })
    }

    /// The files of an info dictionary.
    pub fn of(info: &Info) -> Plan {
        let files = info.files().iter().map(|file| {
            let attributes = file.attributes();
            let kind = if attributes.padding {
                FileKind::Padding
            } else if attributes.symlink {
                FileKind::Symlink(file.symlink().map(Into::into))
            } else {
                FileKind::Regular { executable: attributes.executable }
            };
            PlanFile { path: file.path().into(), len: file.len(), kind }
        });
        Plan { files: files.collect(), layout: info.layout().clone() }
    }

    /// Every file, in order.
    pub fn files(&self) -> &[PlanFile] {
        &self.files
    }

    /// Every file with its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (FileIndex, &PlanFile)> {
        (0..).map(FileIndex).zip(&self.files)
    }

    /// One file.
    pub fn file(&self, file: FileIndex) -> Option<&PlanFile> {
        self.files.get(file.as_usize())
    }

    /// Length of the payload space, in bytes.
    pub fn total_len(&self) -> u64 {
        self.layout.total_len()
    }

    /// The payload bytes of `file`.
    pub fn file_range(&self, file: FileIndex) -> Range<u64> {
        self.layout.file_range(file)
    }

    /// The places of a run of payload bytes, in order and without holes.
    pub fn extents(&self, range: Range<u64>) -> impl Iterator<Item = Extent> + '_ {
        self.layout.extents(range)
    }
}
