//! Files with a hook around what is done with them.

use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use metainfo::FileIndex;
use riverrun::ClientBuilder;
use riverrun::storage::{
    Capabilities, FileFactory, FileState, OpenRequest, Plan, Progress, Selection, Storage, StorageError,
    StorageFactory,
};

/// What a hook is told: before or after which call.
type Hook = Box<dyn Fn(&'static str) -> Result<(), StorageError> + Send + Sync>;

/// Files, with a hook around preparing, renaming and moving, and before deleting.
struct Hooked {
    files: Arc<dyn Storage>,
    hook: Arc<Hook>,
}

impl std::fmt::Debug for Hooked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

impl Storage for Hooked {
    fn plan(&self) -> &Arc<Plan> {
        self.files.plan()
    }
    fn capabilities(&self) -> Capabilities {
        self.files.capabilities()
    }
    fn read(&self, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> Result<(), StorageError> {
        self.files.read(offset, bufs)
    }
    fn write(&self, offset: u64, bufs: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.files.write(offset, bufs)
    }
    fn sync(&self, ranges: &[Range<u64>]) -> Result<(), StorageError> {
        self.files.sync(ranges)
    }
    fn probe(&self) -> Result<Vec<FileState>, StorageError> {
        self.files.probe()
    }
    fn prepare(&self) -> Result<(), StorageError> {
        (self.hook)("prepare")?;
        self.files.prepare()?;
        (self.hook)("prepared")
    }
    fn set_wanted(&self, selection: &Selection) -> Result<(), StorageError> {
        self.files.set_wanted(selection)
    }
    fn file_path(&self, file: FileIndex) -> Box<str> {
        self.files.file_path(file)
    }
    fn rename_file(&self, file: FileIndex, path: &str) -> Result<(), StorageError> {
        (self.hook)("rename")?;
        self.files.rename_file(file, path)?;
        (self.hook)("renamed")
    }
    fn check_move(&self, to: &Path) -> Result<(), StorageError> {
        self.files.check_move(to)
    }
    fn move_to(&self, to: &Path, progress: &Progress) -> Result<(), StorageError> {
        (self.hook)("move")?;
        self.files.move_to(to, progress)?;
        (self.hook)("moved")
    }
    fn gather(&self, from: &Path) -> Result<(), StorageError> {
        self.files.gather(from)
    }
    fn delete(&self) -> Result<(), StorageError> {
        (self.hook)("delete")?;
        self.files.delete()
    }
}

struct HookedFactory(FileFactory, Arc<Hook>);

impl StorageFactory for HookedFactory {
    fn open(&self, request: &OpenRequest) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(Arc::new(Hooked { files: self.0.open(request)?, hook: self.1.clone() }))
    }
}

/// A client whose files ask a hook.
pub(crate) fn hooked(
    settings: ClientBuilder,
    hook: impl Fn(&'static str) -> Result<(), StorageError> + Send + Sync + 'static,
) -> ClientBuilder {
    let hook: Arc<Hook> = Arc::new(Box::new(hook));
    settings.storage(move |root: &Path| -> Arc<dyn StorageFactory> {
        Arc::new(HookedFactory(FileFactory::new(root), hook.clone()))
    })
}
