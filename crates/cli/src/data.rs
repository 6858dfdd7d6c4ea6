//! The files of a torrent on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use metainfo::Info;
use storage::{FileFactory, OpenRequest, Plan, Storage, StorageFactory};

use crate::exit::Failure;
use crate::output;

/// The directory that holds the torrent's file or directory, where the user named `given`: that directory itself, or what
/// lies in it under the torrent's name.
pub(crate) fn root(info: &Info, given: &Path) -> Result<PathBuf, Failure> {
    let meta = given.metadata().map_err(|error| Failure::io(given.display(), &error))?;
    let is_named = |path: &Path| path.file_name().is_some_and(|name| name == info.name());
    // `.` and `..` have no name of their own, but the directories that they are have one.
    let full = given.canonicalize().ok();
    let content = [Some(given), full.as_deref()].into_iter().flatten().find(|path| is_named(path));
    let is_of_its_kind = meta.is_file() == info.is_single_file() && !given.join(info.name()).exists();
    if let Some(content) = content.filter(|_| is_of_its_kind) {
        let parent = content.parent().filter(|parent| !parent.as_os_str().is_empty());
        return Ok(parent.unwrap_or(Path::new(".")).to_owned());
    }
    if meta.is_dir() {
        Ok(given.to_owned())
    } else {
        Err(Failure::usage(format!(
            "{}: is neither `{}` nor a directory that holds it",
            given.display(),
            output::printable(info.name())
        )))
    }
}

/// Opens the torrent's files for reading; none need to be there yet, but the directory does.
pub(crate) fn open(info: &Info, given: &Path) -> Result<Arc<dyn Storage>, Failure> {
    let request = OpenRequest::new(info.info_hashes(), Arc::new(Plan::of(info)));
    FileFactory::new(root(info, given)?).open(&request).map_err(|error| Failure::storage(&error))
}
