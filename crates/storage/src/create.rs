//! Making torrents of what is on disk.

use std::fs::{self, File};
use std::io::IoSliceMut;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use metainfo::create::{Builder, CreateError, HashPlan};
use metainfo::{Attributes, FileIndex, Metainfo, Place};
use types::PieceIndex;

use crate::error::{Op, StorageError};
use crate::file::HandleCache;
use crate::lanes::{Bytes, Task, hash_all, side_by_side};
use crate::progress::{Effort, Progress};
use crate::sys;

/// Why no torrent was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// A file or directory can't be read, or changed while it was read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The files make no torrent.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The path has no name, such as `/` or `..`.
    #[error("{}: has no name to call the torrent by; give one", .path.display())]
    Nameless {
        /// The path.
        path: PathBuf,
    },
    /// A symbolic link leads out of the directory, in a circle, or nowhere.
    #[error("{}: a symbolic link {what}; remove it or leave it out", .path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// What becomes of symbolic links.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Links {
    /// What they point to is put in their place.
    #[default]
    Follow,
    /// They stay links (BEP 47); they must point into the directory.
    Keep,
    /// They are left out, and counted.
    Skip,
}

/// Which files to take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WalkOptions {
    /// What becomes of symbolic links.
    pub links: Links,
    /// Whether files and directories whose name begins with a dot are left out, and counted.
    pub skip_hidden: bool,
}

impl WalkOptions {
    /// Sets [`WalkOptions::links`].
    pub const fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// Sets [`WalkOptions::skip_hidden`].
    pub const fn skip_hidden(mut self, skip: bool) -> Self {
        self.skip_hidden = skip;
        self
    }
}

/// A file found by [`walk`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// The components of its path below the directory, as bytes; empty for a path that is a single file.
    pub components: Vec<Vec<u8>>,
    /// Its length in bytes; 0 for a link.
    pub len: u64,
    /// Its attributes (BEP 47): whether it is executable, hidden, or a link.
    pub attributes: Attributes,
    /// What a kept link points to, as components below the directory.
    pub target: Option<Vec<Vec<u8>>>,
}

/// The files below a path.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Tree {
    /// The name of the file or directory.
    pub name: Vec<u8>,
    /// Whether the path is a single file.
    pub is_file: bool,
    /// The files, sorted by the bytes of their components.
    pub files: Vec<Found>,
    /// What was left out, because the options say so or because it is no file (a pipe, a socket, a device). Never
    /// silently: show it.
    pub skipped: Vec<PathBuf>,
}

/// Deepest directory looked into.
const MAX_DEPTH: usize = types::limits::PATH_DEPTH;

/// Finds the files below `path`, in an order that is the same on every machine.
///
/// # Errors
/// A path that can't be read, a link that can't be kept, or directories nested deeper than torrents allow.
pub fn walk(path: &Path, options: WalkOptions) -> Result<Tree, MakeError> {
    let meta = fs::metadata(path).map_err(|e| StorageError::from_io(path, Op::Stat, e))?;
    // `.` and `a/..` have no name of their own, but their full path has.
    let full = || fs::canonicalize(path).ok();
    let name = path.file_name().map(ToOwned::to_owned).or_else(|| full()?.file_name().map(ToOwned::to_owned));
    let Some(name) = name else { return Err(MakeError::Nameless { path: path.into() }) };
    let mut tree =
        Tree { name: name_bytes(&name), is_file: meta.is_file(), files: Vec::new(), skipped: Vec::new() };
    if meta.is_file() {
        tree.files.push(found(path.into(), Vec::new(), &meta));
        return Ok(tree);
    }
    if !meta.is_dir() {
        return Err(StorageError::NotAFile { path: path.into() }.into());
    }
    let mut open = vec![Dir { path: path.into(), components: Vec::new(), left: Vec::new() }];
    while let Some(dir) = open.pop() {
        let fail = |e| StorageError::from_io(&dir.path, Op::Read, e);
        for entry in fs::read_dir(&dir.path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            visit(path, &entry.path(), &dir, options, &mut tree, &mut open)?;
        }
    }
    tree.files.sort_by(|a, b| a.components.cmp(&b.components));
    tree.skipped.sort();
    Ok(tree)
}

/// A directory to look into.
struct Dir {
    path: PathBuf,
    components: Vec<Vec<u8>>,
    /// The real directories that were left by following a link, to notice circles.
    left: Vec<PathBuf>,
}

fn visit(
    root: &Path,
    path: &Path,
    parent: &Dir,
    options: WalkOptions,
    tree: &mut Tree,
    open: &mut Vec<Dir>,
) -> Result<(), MakeError> {
    let name = name_bytes(path.file_name().unwrap_or_default());
    let (mut components, mut left) = (parent.components.clone(), parent.left.clone());
    let hidden = name.starts_with(b".");
    components.push(name);
    if hidden && options.skip_hidden {
        tree.skipped.push(path.into());
        return Ok(());
    }
    let fail = |e| StorageError::from_io(path, Op::Stat, e);
    let mut meta = fs::symlink_metadata(path).map_err(fail)?;
    if meta.is_symlink() {
        match options.links {
            Links::Skip => {
                tree.skipped.push(path.into());
                return Ok(());
            }
            Links::Keep => {
                let target = Some(link_target(root, path)?);
                let attributes = Attributes { symlink: true, hidden, ..Attributes::default() };
                tree.files.push(Found { path: path.into(), components, len: 0, attributes, target });
                return Ok(());
            }
            Links::Follow => {
                meta = fs::metadata(path).map_err(|_| bad_link(path, "that leads nowhere"))?;
                if meta.is_dir() {
                    left.push(fs::canonicalize(&parent.path).map_err(fail)?);
                    let target = fs::canonicalize(path).map_err(fail)?;
                    if left.iter().any(|dir| dir.starts_with(&target)) {
                        return Err(bad_link(path, "that leads in a circle"));
                    }
                }
            }
        }
    }
    if meta.is_dir() {
        if components.len() >= MAX_DEPTH {
            let what = format!("nested deeper than the {MAX_DEPTH} directories of a torrent; move it up");
            return Err(StorageError::Damaged { path: path.into(), what }.into());
        }
        open.push(Dir { path: path.into(), components, left });
    } else if meta.is_file() {
        tree.files.push(found(path.into(), components, &meta));
    } else {
        tree.skipped.push(path.into());
    }
    Ok(())
}

fn bad_link(path: &Path, what: &'static str) -> MakeError {
    MakeError::Link { path: path.into(), what }
}

fn found(path: PathBuf, components: Vec<Vec<u8>>, meta: &fs::Metadata) -> Found {
    let hidden = components.last().is_some_and(|name| name.starts_with(b"."));
    let attributes = Attributes { executable: is_executable(meta), hidden, ..Attributes::default() };
    Found { path, components, len: meta.len(), attributes, target: None }
}

/// Where a link points, below the root.
fn link_target(root: &Path, link: &Path) -> Result<Vec<Vec<u8>>, MakeError> {
    let text = fs::read_link(link).map_err(|e| StorageError::from_io(link, Op::Read, e))?;
    let below = link.parent().and_then(|dir| dir.strip_prefix(root).ok());
    let mut at: Vec<Vec<u8>> = below.map_or(Vec::new(), |dir| dir.iter().map(name_bytes).collect());
    for part in text.components() {
        match part {
            std::path::Component::Normal(name) => at.push(name_bytes(name)),
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if at.pop().is_some() => {}
            _ => return Err(bad_link(link, "that leads out of the directory")),
        }
    }
    if at.is_empty() { Err(bad_link(link, "to the directory itself")) } else { Ok(at) }
}

#[cfg(unix)]
fn name_bytes(name: &std::ffi::OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec()
}

#[cfg(not(unix))]
fn name_bytes(name: &std::ffi::OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(unix)]
fn is_executable(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_meta: &fs::Metadata) -> bool {
    false
}

impl Tree {
    /// Bytes of all files.
    pub fn content_len(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    /// The length of each file and when it was written to last, as far as that can be seen.
    fn looks(&self) -> Vec<Option<(u64, SystemTime)>> {
        let look = |file: &Found| {
            let meta = file.path.metadata().ok().filter(|_| file.target.is_none())?;
            Some((meta.len(), meta.modified().ok()?))
        };
        self.files.iter().map(look).collect()
    }

    /// Whether the files look as before: pieces of before and after would make a torrent of what never was.
    fn unchanged(&self, before: &[Option<(u64, SystemTime)>]) -> Result<(), StorageError> {
        let mut files = self.files.iter().zip(before).zip(self.looks());
        let differs =
            |file: &Found, now: &Option<(u64, SystemTime)>| now.is_some_and(|now| now.0 != file.len);
        match files.find(|((file, before), now)| *before != now || differs(file, now)) {
            Some(((file, _), _)) => {
                let what = "was changed while it was hashed; try again".into();
                Err(StorageError::Damaged { path: file.path.clone(), what })
            }
            None => Ok(()),
        }
    }

    /// Tells a builder of every file, in this order: the numbers of [`HashPlan::source`] are those of [`Tree::files`].
    pub fn describe(&self, mut builder: Builder) -> Builder {
        for file in &self.files {
            builder = match &file.target {
                Some(target) => builder.symlink(file.components.iter(), target.iter()),
                None if self.is_file => builder.single_file(file.len, file.attributes),
                None => builder.file(file.components.iter(), file.len, file.attributes),
            };
        }
        builder
    }
}

/// Hashes the files of a tree on all cores and makes the torrent. `builder` has every setting but the files.
///
/// ```
/// use metainfo::create::Builder;
/// use riverrun_storage::{Effort, Progress, WalkOptions, make_torrent, walk};
///
/// let dir = tempfile::tempdir()?;
/// std::fs::write(dir.path().join("hello"), "hello")?;
/// let tree = walk(&dir.path().join("hello"), WalkOptions::default())?;
/// let torrent = make_torrent(&tree, Builder::new(&tree.name), Effort::default(), &Progress::new())?;
/// assert_eq!(torrent.info().files()[0].len(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A file that can't be read or changed meanwhile, settings that make no torrent, or [`MakeError::Cancelled`].
pub fn make_torrent(
    tree: &Tree,
    builder: Builder,
    effort: Effort,
    progress: &Progress,
) -> Result<Metainfo, MakeError> {
    let plan = tree.describe(builder).plan()?;
    let before = tree.looks();
    let handles = HandleCache::default();
    let pieces = plan.geometry().pieces() as usize;
    let v1 = plan.version().has_v1();
    // Padding is hashed like data (BEP 47).
    progress.begin(plan.geometry().data_len() + plan.geometry().padding_len());
    // The plan is read by all threads while digests are gathered apart, and told of them at the end.
    let source = Sources { plan: &plan, files: &tree.files, handles: &handles };
    let gathered = Mutex::new((Vec::with_capacity(pieces), None::<StorageError>));
    let task = |n: usize| {
        let piece = PieceIndex(n as u32);
        let leaves = plan.leaves(piece).map(|leaves| leaves.data_len());
        Some(Task { piece, range: plan.geometry().piece_range(piece), v1, leaves })
    };
    let lanes = side_by_side(v1, plan.geometry().nominal_piece_len());
    hash_all(&source, pieces, lanes, effort, progress, task, |task, digests| {
        let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        match digests {
            Ok(digests) => gathered.0.push((task.piece, digests)),
            Err(error) => {
                gathered.1.get_or_insert(error);
                progress.cancel();
            }
        }
    });
    let (digests, error) = gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = error {
        return Err(error.into());
    }
    if progress.is_cancelled() {
        return Err(MakeError::Cancelled);
    }
    tree.unchanged(&before)?;
    let mut plan = plan;
    for (piece, digests) in digests {
        if let Some(v1) = digests.v1 {
            plan.set_v1(piece, v1)?;
        }
        if let Some(leaves) = digests.leaves {
            plan.set_v2_leaves(piece, &leaves)?;
        }
    }
    Ok(plan.finish()?)
}

/// The files of a torrent to be, as its payload.
struct Sources<'a> {
    plan: &'a HashPlan,
    files: &'a [Found],
    handles: &'a HandleCache,
}

impl Sources<'_> {
    fn open(&self, file: FileIndex, path: &Path) -> Result<Arc<File>, StorageError> {
        if let Some(handle) = self.handles.get(0, file.0, false) {
            return Ok(handle);
        }
        let handle = Arc::new(File::open(path).map_err(|e| StorageError::from_io(path, Op::Open, e))?);
        self.handles.put(0, file.0, handle.clone(), false);
        Ok(handle)
    }
}

impl Bytes for Sources<'_> {
    fn will_read(&self, range: Range<u64>) {
        for extent in self.plan.layout().extents(range) {
            if let Place::File { file, offset } = extent.place
                && let Some(handle) = self.handles.try_get(0, file.0)
            {
                sys::will_read(&handle, offset, extent.len);
            }
        }
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), StorageError> {
        for extent in self.plan.layout().extents(offset..offset + buf.len() as u64) {
            let from = (extent.at - offset) as usize;
            let part = &mut buf[from..from + extent.len as usize];
            let Place::File { file, offset } = extent.place else {
                part.fill(0);
                continue;
            };
            // The plan numbers only files that it was told of.
            let Some(found) = self.plan.source(file).and_then(|n| self.files.get(n)) else { continue };
            let handle = self.open(file, &found.path)?;
            let got = sys::read_full(&handle, offset, &mut [IoSliceMut::new(part)])
                .map_err(|e| StorageError::from_io(&found.path, Op::Read, e))?;
            if got < extent.len {
                let what =
                    format!("became shorter than its {} bytes while it was hashed; try again", found.len);
                return Err(StorageError::Damaged { path: found.path.clone(), what });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
