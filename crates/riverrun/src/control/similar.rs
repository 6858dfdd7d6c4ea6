//! Files that torrents of this client have already, for one that is added (BEP 38).
//!
//! Only a torrent that names the other, or is in a collection with it, lends; only verified files are lent. A private one
//! (BEP 27) lends nothing: the other would show its own swarm, and whoever made it, what the private one holds. A file that is
//! the same by its hashes gets a second name on the disk, and a copy where that can't be; one that only looks the same is
//! copied. In both cases the torrent's own check decides what of it counts. What a torrent says of itself is a stranger's
//! word: the storage never writes into a file with another name, so that no lender loses by it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use metainfo::{FileIndex, Hints, Info};
use storage::{Adoption, FileState, Progress, Storage};
use types::{Bitfield, PieceIndex};

use crate::entry::{Entry, Stage};
use crate::inner::Inner;

/// A torrent that may have some of the files.
pub(super) struct Lender {
    info: Arc<Info>,
    have: Bitfield,
    /// The directory that its files are below.
    root: PathBuf,
    storage: Arc<dyn Storage>,
    entry: Arc<Entry>,
}

/// A file that is here, and how it may come to be there too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loan {
    theirs: FileIndex,
    ours: FileIndex,
    how: Adoption,
}

/// Notes what a torrent says of others, so that it is found when one of them is added. Until it is forgotten.
pub(super) fn register(inner: &Inner, entry: &Entry) {
    let hints = hints(entry);
    if inner.settings.link_similar && !hints.is_empty() {
        inner.torrents.set_hints(entry.id, hints);
    }
}

/// The torrents that may have files of this one, or share some with it.
pub(super) fn lenders(inner: &Inner, entry: &Entry) -> Vec<Lender> {
    if !inner.settings.link_similar {
        return Vec::new();
    }
    let hints = hints(entry);
    let mut related = inner.torrents.related(entry.hashes, &hints);
    related.extend(hints.similar.iter().filter_map(|name| Some(inner.session().find(*name)?.0)));
    related.remove(&entry.id);
    related.into_iter().filter_map(|id| lender(inner.entry(id)?)).collect()
}

fn hints(entry: &Entry) -> Hints {
    entry.metainfo().map(|metainfo| metainfo.hints()).unwrap_or_default()
}

fn lender(entry: Arc<Entry>) -> Option<Lender> {
    let have = {
        let state = entry.state();
        if state.stage != Stage::Running || state.pieces.have().count() == 0 {
            return None;
        }
        state.pieces.have().clone()
    };
    let storage = entry.data.storage()?.clone();
    Some(Lender { info: entry.info().clone(), have, root: entry.home.at(), storage, entry })
}

/// Brings what lenders have of the missing files to their places. Whether anything came. What can't be brought is fetched
/// from peers. Blocks.
pub(super) fn borrow(
    entry: &Arc<Entry>,
    storage: &dyn Storage,
    states: &[FileState],
    lenders: &[Lender],
    progress: &Progress,
) -> bool {
    let selection = entry.selection();
    let absent = |state: &FileState| !state.present && !state.in_part_file;
    let files = (0..).map(FileIndex).zip(states);
    let missing = files.filter(|(file, state)| absent(state) && selection.wants(*file));
    let mut missing: BTreeSet<FileIndex> = missing.map(|(file, _)| file).collect();
    let before = missing.len();
    let mut wanted = Wanted::new();
    for file in &missing {
        likenesses(entry.info(), *file).for_each(|like| wanted.entry(like).or_default().push_back(*file));
    }
    let public = || lenders.iter().filter(|lender| !lender.info.is_private());
    // Of nobody a file is taken that is only like it, where another has the same.
    for (proven, lender) in [true, false].into_iter().flat_map(|proven| public().map(move |l| (proven, l))) {
        let lent = missing.len();
        for loan in loans(entry.info(), &missing, &mut wanted, lender, proven) {
            if missing.contains(&loan.ours) && take(entry, storage, lender, loan, progress) {
                missing.remove(&loan.ours);
            }
        }
        if missing.len() < lent {
            // A second name counts as a change of a file: the lender's is to be saved as it is now, or it would be checked.
            lender.entry.change(|state| state.kept.change());
        }
    }
    missing.len() < before
}

/// The files of this torrent have gone, and with them names that files of others had: that counts as a change of those.
pub(super) fn parted(inner: &Inner, entry: &Entry) {
    lenders(inner, entry).iter().for_each(|lender| lender.entry.change(|state| state.kept.change()));
}

/// Takes one file over, if that can be done.
fn take(entry: &Entry, storage: &dyn Storage, lender: &Lender, loan: Loan, progress: &Progress) -> bool {
    if progress.is_cancelled() {
        return false;
    }
    let path = lender.storage.file_path(loan.theirs);
    let taken = storage.adopt(loan.ours, &lender.root, &path, loan.how, progress);
    let (torrent, from) = (entry.hashes, lender.entry.hashes);
    match &taken {
        Ok(()) => tracing::info!(%torrent, %from, file = &*path, how = ?loan.how, "a file was here already"),
        Err(error) => tracing::info!(%torrent, %from, file = &*path, %error, "a file can't be taken over"),
    }
    taken.is_ok()
}

/// What can be said of a file without looking at it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Likeness<'i> {
    /// The merkle root of its bytes, and how many they are (BEP 52).
    Root(&'i [u8; 32], u64),
    /// Its length, that of pieces, and the hashes of its pieces, which hold nothing of another file (BEP 3).
    Pieces(u64, u32, &'i [u8]),
    /// Its length and its name.
    Name(u64, &'i str),
}

impl Likeness<'_> {
    /// Whether files that are alike so are the same for certain.
    fn is_proof(&self) -> bool {
        !matches!(self, Likeness::Name(..))
    }
}

/// What is said of a file, the proofs first.
fn likenesses(info: &Info, file: FileIndex) -> impl Iterator<Item = Likeness<'_>> {
    let found = info.file(file).filter(|file| file.is_stored() && file.len() > 0);
    let root = found.and_then(|f| Some(Likeness::Root(f.root()?, f.len())));
    let pieces =
        found.and_then(|f| Some(Likeness::Pieces(f.len(), info.piece_len(), own_hashes(info, file)?)));
    // A name says nothing where hashes can.
    let name = found.filter(|f| f.root().is_none()).map(|f| Likeness::Name(f.len(), f.name()));
    root.into_iter().chain(pieces).chain(name)
}

/// The v1 hashes of a file whose pieces begin with it and hold nothing of another.
fn own_hashes(info: &Info, file: FileIndex) -> Option<&[u8]> {
    let pieces = info.layout().pieces_of_file(file, info.geometry());
    let begins = info.file(file)?.offset() == u64::from(pieces.start) * u64::from(info.piece_len());
    let others = |piece: u32| {
        let mut files = info.layout().files_of_piece(PieceIndex(piece), info.geometry());
        files.any(|other| other != file && info.file(other).is_some_and(|f| f.is_stored() && f.len() > 0))
    };
    let alone = !others(pieces.start) && !others(pieces.end.checked_sub(1)?);
    (begins && alone).then(|| info.v1_pieces()?.get(pieces.start as usize * 20..pieces.end as usize * 20))?
}

/// Missing files by what they are like.
type Wanted<'i> = BTreeMap<Likeness<'i>, VecDeque<FileIndex>>;

/// Which of our missing files a lender has whole: the same for certain, or like it. Each is asked for once. What is only
/// like them is lent to one: a thousand files of one name and length would else be a thousand copies, of one of them at best.
fn loans<'i>(
    ours: &Info,
    missing: &BTreeSet<FileIndex>,
    wanted: &mut Wanted<'i>,
    lender: &'i Lender,
    proven: bool,
) -> Vec<Loan> {
    let most = if proven { usize::MAX } else { 1 };
    let theirs = &lender.info;
    let executable = |info: &Info, file| info.file(file).map(|file| file.attributes().executable);
    let mut loans = Vec::new();
    for file in (0..theirs.files().len() as u32).map(FileIndex) {
        let mut pieces = theirs.layout().pieces_of_file(file, theirs.geometry());
        if !pieces.all(|piece| lender.have.get(piece)) {
            continue;
        }
        for like in likenesses(theirs, file).filter(|like| like.is_proof() == proven) {
            let Some(alike) = wanted.get_mut(&like) else { continue };
            let asked = std::iter::from_fn(|| alike.pop_front()).filter(|own| missing.contains(own));
            loans.extend(asked.take(most).map(|own| {
                // One file has one mode.
                let linkable = proven && executable(ours, own) == executable(theirs, file);
                Loan { theirs: file, ours: own, how: if linkable { Adoption::Link } else { Adoption::Copy } }
            }));
        }
    }
    loans
}
