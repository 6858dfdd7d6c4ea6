//! What changes about a torrent.

use std::collections::BTreeMap;

use engine::Demand;
use metainfo::{FileIndex, Info};
use types::{Bitfield, PieceIndex};

use super::demands::Demands;
use super::kept::Kept;
use super::pieces::Pieces;
use super::place::Place;
use super::seeding::Seeding;
use super::totals::Totals;
use super::turn::Turn;
use super::unverified::Unverified;
use super::wants::Wants;
use crate::{Priority, TorrentState, Trouble};

/// How far a torrent has come.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Stage {
    /// Its metainfo is being fetched: it lives on its shard without content.
    Metadata,
    /// Its metainfo has come, and nothing else is wanted.
    Described,
    /// Existing data is being looked for and hashed.
    Checking { checked: u64, total: u64 },
    /// It lives on its shard.
    Running,
    /// It is broken, and is not on its shard.
    Failed(Box<Trouble>),
    /// It is gone.
    Removed,
}

/// What holds a torrent up.
#[derive(Debug, Default)]
pub(crate) struct Obstacles {
    /// What the disk refuses at present.
    pub(crate) disk: Option<Box<Trouble>>,
    /// Files of which verified data is gone, and what became of each.
    pub(crate) lost: BTreeMap<FileIndex, Trouble>,
    /// Somebody looks for these files.
    looking: bool,
}

impl Obstacles {
    /// A disk that refuses to work, or else a file that is gone.
    pub(crate) fn first(&self) -> Option<&Trouble> {
        self.disk.as_deref().or_else(|| self.lost.values().next())
    }

    /// A file is gone. None where that was known; else whether nobody looks for files that are gone yet: who
    /// asks does.
    pub(crate) fn lose(&mut self, file: FileIndex, trouble: Trouble) -> Option<bool> {
        let is_new = self.lost.insert(file, trouble).is_none();
        is_new.then(|| !std::mem::replace(&mut self.looking, true))
    }

    /// Whether nobody has to look for files any more: because it is `over` with the torrent, or all are back.
    pub(crate) fn looked_for(&mut self, over: bool) -> bool {
        self.looking = !over && !self.lost.is_empty();
        !self.looking
    }

    /// The pieces of files that are gone: nothing can be written there.
    fn lost_pieces(&self, info: &Info) -> impl Iterator<Item = u32> {
        self.lost.keys().flat_map(|file| info.layout().pieces_of_file(*file, info.geometry()))
    }

    fn is_lost(&self, info: &Info, piece: PieceIndex) -> bool {
        self.lost.keys().any(|file| info.layout().pieces_of_file(*file, info.geometry()).contains(&piece.0))
    }
}

/// What changes about a torrent: each part keeps its own rules.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) stage: Stage,
    pub(crate) paused: bool,
    pub(crate) turn: Turn,
    pub(crate) place: Place,
    pub(crate) obstacles: Obstacles,
    pub(crate) pieces: Pieces,
    pub(crate) wants: Wants,
    pub(crate) demands: Demands,
    pub(crate) unverified: Unverified,
    pub(crate) kept: Kept,
    pub(crate) totals: Totals,
    pub(crate) seeding: Seeding,
    /// The trackers, tier by tier.
    pub(crate) tiers: Vec<Vec<String>>,
    /// Trackers to be asked besides; not saved.
    pub(crate) beside: Vec<String>,
    /// What it is called in place of its name.
    pub(crate) display_name: Option<String>,
    /// What users were told last.
    shown: Option<TorrentState>,
}

impl State {
    /// A torrent of which nothing is known to be here.
    pub(super) fn new(stage: Stage, info: &Info, wants: Wants, seeding: Seeding) -> State {
        State {
            stage,
            paused: false,
            turn: Turn::default(),
            place: Place::default(),
            obstacles: Obstacles::default(),
            pieces: Pieces::new(info.geometry().clone(), wants.pieces(info)),
            wants,
            demands: Demands::default(),
            unverified: Unverified::default(),
            kept: Kept::new(info.geometry().pieces()),
            totals: Totals::default(),
            seeding,
            tiers: Vec::new(),
            beside: Vec::new(),
            display_name: None,
            shown: None,
        }
    }

    /// Its metainfo has come, and with it its pieces.
    pub(super) fn learn(&mut self, stage: Stage, info: &Info, wanted_files: Vec<bool>) {
        self.wants.set_files(wanted_files);
        self.pieces = Pieces::new(info.geometry().clone(), self.wants.pieces(info));
        self.kept = Kept::new(info.geometry().pieces());
        self.stage = stage;
    }

    /// The state as users see it.
    pub(crate) fn public(&self) -> TorrentState {
        match &self.stage {
            Stage::Metadata | Stage::Described if self.paused => TorrentState::Paused,
            Stage::Described => TorrentState::Paused,
            Stage::Checking { checked, total } => TorrentState::Checking { checked: *checked, total: *total },
            Stage::Failed(trouble) => TorrentState::Failed((**trouble).clone()),
            Stage::Removed => TorrentState::Removed,
            Stage::Running if self.paused => TorrentState::Paused,
            Stage::Running | Stage::Metadata if self.turn.waits() => TorrentState::Queued,
            Stage::Metadata => TorrentState::FetchingMetadata { bytes: 0, total: 0, peers: 0 },
            Stage::Running => match self.obstacles.first() {
                Some(trouble) => TorrentState::Stalled(trouble.clone()),
                None if self.pieces.missing() == 0 => TorrentState::Seeding,
                None => TorrentState::Downloading,
            },
        }
    }

    /// The state as users see it, where that is news to them.
    pub(super) fn show(&mut self) -> Option<TorrentState> {
        let now = self.public();
        let news = self.shown.as_ref().is_none_or(|shown| !shown.is_like(&now));
        self.shown = Some(now.clone());
        news.then_some(now)
    }

    /// Whether it rests: its user says so, or it waits for its turn.
    pub(crate) fn rests(&self) -> bool {
        self.paused || self.turn.waits()
    }

    /// Whether it takes part in its swarm.
    pub(crate) fn takes_part(&self) -> bool {
        self.place.on_shard && !self.rests()
    }

    /// Whether it has all that will ever come, and serves it: all that is wanted, or where nothing may be written what is
    /// there. Where nothing is wanted it only waits for readers. In share mode it fetches for no other end.
    pub(crate) fn seeds(&self, read_only: bool) -> bool {
        let complete = self.pieces.missing() == 0 && self.pieces.wanted().count() > 0;
        let gives = read_only || complete || self.place.share_mode;
        self.takes_part() && gives && self.stage == Stage::Running
    }

    /// Changes what is wanted.
    pub(crate) fn want(&mut self, info: &Info, change: impl FnOnce(&mut Wants)) {
        change(&mut self.wants);
        self.pieces.want(self.wants.pieces(info));
        self.kept.change();
    }

    /// A file is gone, as [`Obstacles::lose`] has it. None as well while everything is checked: a check takes the
    /// files as they are, and what it does not find is fetched anew.
    pub(crate) fn lose(&mut self, file: FileIndex, trouble: Trouble) -> Option<bool> {
        match self.stage {
            Stage::Checking { .. } => None,
            _ => self.obstacles.lose(file, trouble),
        }
    }

    /// Whether a reader waits for a piece.
    pub(crate) fn is_demanded(&self, piece: PieceIndex) -> bool {
        !self.pieces.has(piece.0) && self.demands.contains(piece)
    }

    /// The pieces that the shard is to fetch: the wanted ones, but none of a file that is gone, and none at
    /// all where nothing may be written.
    pub(crate) fn to_be_fetched(&self, info: &Info, read_only: bool) -> Bitfield {
        let mut wanted = if read_only { self.pieces.have() } else { self.pieces.wanted() }.clone();
        self.obstacles.lost_pieces(info).for_each(|piece| _ = wanted.remove(piece));
        wanted
    }

    /// How much the pieces that are fetched are wanted; none where all are wanted as much.
    pub(crate) fn graded(&self, info: &Info, read_only: bool) -> Vec<(PieceIndex, Priority)> {
        if read_only || self.wants.is_plain() {
            return Vec::new();
        }
        let wanted = self.pieces.wanted().ones().map(PieceIndex);
        let wanted = wanted.filter(|piece| !self.obstacles.is_lost(info, *piece));
        wanted.map(|piece| (piece, self.wants.piece(info, piece.0))).collect()
    }

    /// A demand without what may not be fetched: nothing of a file that is gone, and nothing where nothing
    /// may be written.
    pub(crate) fn reachable(&self, info: &Info, read_only: bool, demand: &Demand) -> Demand {
        let open = |piece: PieceIndex| !read_only && !self.obstacles.is_lost(info, piece);
        let pieces = demand.pieces.iter().copied().filter(|(piece, _)| open(*piece)).collect();
        Demand { reader: demand.reader, pieces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_looks_for_all_files_that_are_gone() {
        let (mut obstacles, why) = (Obstacles::default(), || Trouble::new("file_missing", "it is gone"));
        assert_eq!(obstacles.lose(FileIndex(1), why()), Some(true));
        assert_eq!(obstacles.lose(FileIndex(1), why()), None, "that is known");
        assert_eq!(obstacles.lose(FileIndex(2), why()), Some(false), "somebody looks already");
        // A recheck gives them up, and one is gone again before anybody saw that.
        obstacles.lost.clear();
        assert_eq!(obstacles.lose(FileIndex(1), why()), Some(false));
        assert!(!obstacles.looked_for(false));
        obstacles.lost.clear();
        assert!(obstacles.looked_for(false));
        assert_eq!(obstacles.lose(FileIndex(1), why()), Some(true));
        assert!(obstacles.looked_for(true));
    }
}
