//! Torrents of one client whose files have the same paths. As long as nobody writes, they may: it is the same data in several
//! swarms. Otherwise whoever came later gives way, so that no torrent writes over what another has verified.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use storage::FileKind;

use crate::entry::{Entry, Stage};
use crate::inner::{Inner, places};
use crate::{Error, Trouble};

/// A torrent is about to use its files: those that may have the same ones and were there before. Blocks.
pub(super) fn claim(inner: &Inner, entry: &Entry) -> Vec<Arc<Entry>> {
    // What an embedder stores elsewhere has no paths.
    if inner.settings.storage.is_some() {
        return Vec::new();
    }
    let before = inner.torrents.claim(entry.id, &places::of(entry));
    before.into_iter().filter_map(|id| inner.entry(id)).collect()
}

/// It leaves, or its files are somewhere else now. Blocks.
pub(super) fn part(inner: &Inner, entry: &Entry) {
    inner.torrents.unclaim(entry.id, &places::of(entry));
}

/// That a torrent which is to write, or not, can't be where it is.
///
/// # Errors
/// `in_use`, with the file and its owner.
pub(super) fn refuse(entry: &Entry, writes: bool, others: &[Arc<Entry>]) -> Result<(), Error> {
    let is_rival = |other: &&Arc<Entry>| is_active(other) && (writes || may_write(other));
    let mut shared =
        others.iter().filter(is_rival).filter_map(|other| Some((common(entry, other)?, other.hashes)));
    let Some((path, owner)) = shared.next() else { return Ok(()) };
    let message =
        format!("{} is a file of the torrent {owner} too; choose another directory", path.display());
    Err(Error::Disk(Trouble::new("in_use", message)))
}

/// That a torrent's files can't be deleted, since others have them too. Blocks.
///
/// # Errors
/// `in_use`, with the file and its owner.
pub(super) fn keep(inner: &Inner, entry: &Entry) -> Result<(), Error> {
    let beside = inner.torrents.beside(entry.id, &places::of(entry));
    let others = beside.into_iter().filter_map(|id| inner.entry(id)).filter(|other| is_active(other));
    let mut shared = others.filter_map(|other| Some((common(entry, &other)?, other.hashes)));
    let Some((path, owner)) = shared.next() else { return Ok(()) };
    let message = format!("{} is a file of the torrent {owner} too: the data stays", path.display());
    Err(Error::Disk(Trouble::new("in_use", message)))
}

fn is_active(entry: &Entry) -> bool {
    matches!(entry.state().stage, Stage::Checking { .. } | Stage::Running)
}

fn may_write(entry: &Entry) -> bool {
    let state = entry.state();
    !entry.settings.read_only && (state.stage != Stage::Running || state.pieces.missing() > 0)
}

/// A file that two torrents have.
fn common(one: &Entry, other: &Entry) -> Option<PathBuf> {
    let files = paths(one);
    paths(other).into_iter().find(|path| files.contains(path))
}

/// The files that a torrent writes or reads, in full.
fn paths(entry: &Entry) -> BTreeSet<PathBuf> {
    let root = entry.home.at();
    let root = root.canonicalize().unwrap_or(root);
    let (plan, selection) = (entry.plan(), entry.selection());
    let files = plan
        .iter()
        .filter(|(file, planned)| matches!(planned.kind, FileKind::Regular { .. }) && selection.wants(*file));
    files.map(|(file, _)| root.join(entry.home.path_of(plan, file))).collect()
}
