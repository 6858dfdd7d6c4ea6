//! The files of a torrent on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use metainfo::Info;
use storage::{FileFactory, OpenRequest, Plan, Storage, StorageFactory};

use crate::exit::Failure;
use crate::output;

/// The directory that holds the torrent's file or directory, where the user named `given`: that directory itself, or what
/// lies in it under the torrent's name. What can't be meant is an error that says what was found.
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
        let has_it = given.join(info.name()).symlink_metadata().is_ok();
        if content.is_some() && info.is_single_file() && !has_it {
            return Err(Failure::usage(format!(
                "{}: is a directory, and the torrent is one file of this name",
                given.display()
            )));
        }
        if !has_it && is_renamed(info, given) {
            return Err(Failure::usage(format!(
                "{}: holds the files of `{name}` under another name; rename it to `{name}`, or name the directory in which \
                 `{name}` lies",
                given.display(),
                name = output::printable(info.name())
            )));
        }
        Ok(given.to_owned())
    } else {
        Err(Failure::usage(format!(
            "{}: is neither `{}` nor a directory that holds it",
            given.display(),
            output::printable(info.name())
        )))
    }
}

/// Whether files of the torrent lie in `dir` itself, as they would in the torrent's directory.
fn is_renamed(info: &Info, dir: &Path) -> bool {
    let below = |path: &str| path.split_once('/').is_some_and(|(_, below)| dir.join(below).is_file());
    !info.is_single_file() && info.files().iter().any(|file| file.is_stored() && below(file.path()))
}

/// Says which directory stands under `root` where a file of the torrent belongs: the first, as the end of a sentence.
pub(crate) fn misplaced(info: &Info, root: &Path) -> String {
    let paths = info.files().iter().filter(|file| file.is_stored()).map(|file| root.join(file.path()));
    let found = paths.into_iter().find(|path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir()));
    found.map_or_else(String::new, |path| format!("; {} is a directory, not a file", path.display()))
}

/// Opens the torrent's files for reading; none need to be there yet, but the directory does.
pub(crate) fn open(info: &Info, given: &Path) -> Result<Arc<dyn Storage>, Failure> {
    let request = OpenRequest::new(info.info_hashes(), Arc::new(Plan::of(info)));
    FileFactory::new(root(info, given)?).open(&request).map_err(|error| Failure::storage(&error))
}
