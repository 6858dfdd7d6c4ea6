//! Opening torrents below one directory.

use std::path::PathBuf;
use std::sync::Arc;

use super::{FileStorage, HandleCache};
use crate::error::StorageError;
use crate::storage::{OpenRequest, Storage, StorageFactory};

/// How space is reserved when a file is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Preallocate {
    /// Not at all: a file grows as its end is written.
    #[default]
    None,
    /// The file gets its full length at once, without taking space.
    Sparse,
    /// The space is taken at once, so that a full disk is known at the start. Filesystems that can't do it are treated as
    /// with [`Preallocate::Sparse`].
    Full,
}

/// Opens torrents as files below one directory: each file at its path in the torrent.
///
/// ```
/// use std::io::IoSlice;
/// use std::sync::Arc;
/// use riverrun_storage::{FileFactory, OpenRequest, Plan, PlanFile, StorageFactory};
/// use types::{InfoHash, InfoHashes};
///
/// let dir = tempfile::tempdir()?;
/// let plan = Plan::new(vec![PlanFile::regular("album/a", 3), PlanFile::regular("album/b", 5)], None).unwrap();
/// let request = OpenRequest::new(InfoHashes::v1(InfoHash([1; 20])), Arc::new(plan));
/// let storage = FileFactory::new(dir.path()).open(&request)?;
/// storage.write(1, &[IoSlice::new(b"bcde")])?;
/// assert_eq!(std::fs::read(dir.path().join("album/b"))?, b"de");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileFactory {
    pub(super) root: PathBuf,
    pub(super) parts_dir: Option<PathBuf>,
    pub(super) preallocate: Preallocate,
    pub(super) handles: Arc<HandleCache>,
}

impl FileFactory {
    /// Files below `root`, which is made when the first file is.
    pub fn new(root: impl Into<PathBuf>) -> FileFactory {
        let (parts_dir, preallocate) = (None, Preallocate::None);
        FileFactory { root: root.into(), parts_dir, preallocate, handles: Arc::default() }
    }

    /// Where part files go, named `.<info hash>.parts`; else into the root itself.
    pub fn parts_dir(mut self, dir: impl Into<PathBuf>) -> FileFactory {
        self.parts_dir = Some(dir.into());
        self
    }

    /// How space is reserved.
    pub fn preallocate(mut self, mode: Preallocate) -> FileFactory {
        self.preallocate = mode;
        self
    }

    /// The limit on open files, shared with other factories.
    pub fn handles(mut self, handles: Arc<HandleCache>) -> FileFactory {
        self.handles = handles;
        self
    }
}

impl StorageFactory for FileFactory {
    fn open(&self, request: &OpenRequest) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(Arc::new(FileStorage::open(self, request)?))
    }
}
