//! What a client knows of one torrent outside of its shard.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use engine::{Demand, Figures, Priority, ReaderId, TorrentId};
use metainfo::{FileIndex, Info, Metainfo};
use shard::Command;
use storage::{Plan, Progress, ResumeLock, Selection, Storage};
use tokio::sync::{broadcast, watch};
use types::{Bitfield, InfoHashes, PieceIndex, Time};

use crate::agenda::{Agenda, Chore};
use crate::control::{Lost, Waiting};
use crate::runtime::ShardHandle;
use crate::{Event, EventKind, SeedGoal, TorrentState, Trouble};

/// What is not saved waits so long at most.
const SAVE: Duration = Duration::from_secs(15);

/// One torrent of a client. Everything that changes is in its [`State`].
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: TorrentId,
    /// The shard it lives on.
    pub(crate) shard: usize,
    pub(crate) hashes: InfoHashes,
    /// What it was added with: of a magnet link a torrent of nothing, under the link's name.
    first: Known,
    /// What a magnet link turned out to be.
    learned: OnceLock<Known>,
    /// It was added as a magnet link or a bare hash.
    magnet: bool,
    /// Nothing but its metainfo is wanted.
    pub(crate) metadata_only: bool,
    pub(crate) output: PathBuf,
    /// Its files are never written.
    pub(crate) read_only: bool,
    pub(crate) upload: bool,
    /// Set once, by the task that brings the torrent up.
    pub(crate) storage: OnceLock<Arc<dyn Storage>>,
    /// Held while the state is being saved.
    pub(crate) saving: tokio::sync::Mutex<()>,
    /// Held while its data is brought up or checked.
    pub(crate) busy: tokio::sync::Mutex<()>,
    /// Its saved state is ours alone while this is here.
    pub(crate) lock: Mutex<Option<ResumeLock>>,
    /// What waits for the metainfo of a magnet link.
    waiting: Mutex<Option<Waiting>>,
    /// The check that is under way.
    check: Mutex<Option<Arc<Progress>>>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    agenda: Arc<Agenda>,
    events: broadcast::Sender<Event>,
}

/// A torrent's metainfo, and what follows from it.
#[derive(Debug)]
struct Known {
    metainfo: Metainfo,
    info: Arc<Info>,
    plan: Arc<Plan>,
}

impl Known {
    fn new(metainfo: Metainfo) -> Known {
        let info = Arc::new(metainfo.info().clone());
        Known { plan: Arc::new(Plan::of(&info)), info, metainfo }
    }
}

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
    Failed(Trouble),
    /// It is gone.
    Removed,
}

/// What changes about a torrent.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) stage: Stage,
    pub(crate) paused: bool,
    /// What the disk refuses at present.
    pub(crate) disk_trouble: Option<Trouble>,
    /// Whether its shard knows it.
    pub(crate) on_shard: bool,
    /// Its shard must leave its data alone, since it is being checked.
    pub(crate) held: bool,
    /// Files of which verified data is gone.
    pub(crate) lost: Lost,
    /// Pieces that are verified and stored.
    pub(crate) have: Bitfield,
    /// How much wanted files are wanted, where that is not the normal priority.
    pub(crate) grades: BTreeMap<u32, Priority>,
    /// How much pieces are wanted for themselves.
    own: BTreeMap<u32, Priority>,
    /// What readers wait for.
    demands: BTreeMap<ReaderId, Demand>,
    /// Readers there were.
    readers: u64,
    /// Of those, the ones that resume data may claim.
    pub(crate) durable: Bitfield,
    /// Files that are wanted; the others only for the bytes they share with wanted pieces.
    pub(crate) wanted_files: Vec<bool>,
    /// Pieces that are wanted.
    pub(crate) wanted: Bitfield,
    /// Length of the wanted pieces.
    pub(crate) bytes_wanted: u64,
    /// Wanted pieces that are missing.
    pub(crate) missing: u32,
    /// Their length.
    pub(crate) left: u64,
    /// What its shard told last.
    pub(crate) live: Figures,
    /// Pieces were stored that no sync has covered.
    pub(crate) unsynced: bool,
    /// Resume data on disk is older than this state.
    pub(crate) unsaved: bool,
    /// It is as old as this state, but for the totals.
    pub(crate) moved: bool,
    pub(crate) tiers: Vec<Vec<String>>,
    /// Payload bytes of earlier runs.
    pub(crate) uploaded_before: u64,
    pub(crate) downloaded_before: u64,
    pub(crate) goal: Option<SeedGoal>,
    pub(crate) goal_reached: bool,
    /// Since when it seeds.
    pub(crate) seeding_since: Option<Time>,
    shown: Option<TorrentState>,
}

/// What a new entry begins with.
pub(crate) struct NewEntry {
    pub(crate) id: TorrentId,
    pub(crate) shard: usize,
    /// Of a magnet link: its hashes. The metainfo is one of nothing then.
    pub(crate) magnet: Option<InfoHashes>,
    pub(crate) metadata_only: bool,
    pub(crate) metainfo: Metainfo,
    pub(crate) output: PathBuf,
    pub(crate) read_only: bool,
    pub(crate) upload: bool,
    pub(crate) paused: bool,
    pub(crate) wanted_files: Vec<bool>,
    pub(crate) tiers: Vec<Vec<String>>,
    pub(crate) goal: Option<SeedGoal>,
    pub(crate) agenda: Arc<Agenda>,
}

impl Entry {
    /// Lets another process have the saved state.
    pub(crate) fn release(&self) {
        *self.lock.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }

    pub(crate) fn new(new: NewEntry, events: broadcast::Sender<Event>) -> Entry {
        let hashes = new.magnet.unwrap_or_else(|| new.metainfo.info_hashes());
        let first = Known::new(new.metainfo);
        let info = first.info.clone();
        let pieces = info.geometry().pieces();
        let wanted = wanted_pieces(&info, &new.wanted_files);
        let missing = wanted.count();
        let bytes_wanted = bytes_of(&info, &wanted);
        let state = State {
            stage: if new.magnet.is_some() {
                Stage::Metadata
            } else {
                Stage::Checking { checked: 0, total: 0 }
            },
            paused: new.paused,
            disk_trouble: None,
            on_shard: false,
            held: false,
            lost: Lost::new(),
            have: Bitfield::new(pieces),
            durable: Bitfield::new(pieces),
            grades: BTreeMap::new(),
            own: BTreeMap::new(),
            demands: BTreeMap::new(),
            readers: 0,
            wanted_files: new.wanted_files,
            wanted,
            bytes_wanted,
            missing,
            left: bytes_wanted,
            live: Figures::default(),
            unsynced: false,
            unsaved: false,
            moved: false,
            tiers: new.tiers,
            uploaded_before: 0,
            downloaded_before: 0,
            goal: new.goal,
            goal_reached: false,
            seeding_since: None,
            shown: None,
        };
        Entry {
            id: new.id,
            shard: new.shard,
            hashes,
            first,
            learned: OnceLock::new(),
            magnet: new.magnet.is_some(),
            metadata_only: new.metadata_only,
            output: new.output,
            read_only: new.read_only,
            upload: new.upload,
            storage: OnceLock::new(),
            saving: tokio::sync::Mutex::new(()),
            busy: tokio::sync::Mutex::new(()),
            lock: Mutex::new(None),
            waiting: Mutex::new(None),
            check: Mutex::new(None),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            agenda: new.agenda,
            events,
        }
    }

    fn content(&self) -> &Known {
        self.learned.get().unwrap_or(&self.first)
    }

    /// Names, files, hashes. Of a magnet link whose metainfo has not come a torrent of nothing.
    pub(crate) fn info(&self) -> &Arc<Info> {
        &self.content().info
    }

    /// Where its bytes lie.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.content().plan
    }

    /// Its metainfo, where it is known.
    pub(crate) fn metainfo(&self) -> Option<&Metainfo> {
        (!self.magnet || self.learned.get().is_some()).then_some(&self.content().metainfo)
    }

    /// The metainfo of a magnet link has come. False where it had come before, or the torrent is gone.
    pub(crate) fn learn(&self, metainfo: Metainfo, wanted_files: Vec<bool>) -> bool {
        self.change(|state| {
            if !self.magnet
                || state.stage != Stage::Metadata
                || self.learned.set(Known::new(metainfo)).is_err()
            {
                return false;
            }
            let info = self.info();
            let pieces = info.geometry().pieces();
            (state.have, state.durable) = (Bitfield::new(pieces), Bitfield::new(pieces));
            state.want(info, wanted_files);
            state.unsaved = false;
            state.stage =
                if self.metadata_only { Stage::Described } else { Stage::Checking { checked: 0, total: 0 } };
            true
        })
    }

    /// The state, to be read. Never held across an await or a call out.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything can panic, so a poisoned lock guards sound data.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Changes the state, and says so to everyone who waits or listens.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        let now = state.public();
        let news = state.shown.as_ref().is_none_or(|shown| !shown.is_like(&now));
        state.shown = Some(now.clone());
        let unsaved = state.on_shard && (state.unsynced || state.unsaved);
        drop(state);
        if unsaved {
            self.agenda.within(self.id, Chore::Save, SAVE);
        }
        if news {
            self.tell(EventKind::State(now));
        }
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
        result
    }

    /// Tells listeners.
    pub(crate) fn tell(&self, kind: EventKind) {
        // Fails only where nobody listens.
        let _ = self.events.send(Event { torrent: Some(self.hashes), kind });
    }

    /// Waits until `done` holds of the state and returns what it gives. Cancel safe.
    pub(crate) async fn wait<R>(&self, mut done: impl FnMut(&State) -> Option<R>) -> R {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(result) = done(&self.state()) {
                return result;
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// A piece was verified and stored. Returns the files that are complete by it.
    pub(crate) fn completed(&self, piece: PieceIndex) -> Vec<FileIndex> {
        let len = u64::from(self.info().geometry().piece_data_len(piece));
        let new = self.change(|state| {
            let new = state.have.insert(piece.0);
            if new {
                let wanted = state.wanted.get(piece.0);
                state.missing -= u32::from(wanted);
                state.left -= if wanted { len } else { 0 };
                (state.unsynced, state.unsaved) = (true, true);
            }
            new
        });
        if !new {
            return Vec::new();
        }
        let state = self.state();
        let touched = self.info().layout().files_of_piece(piece, self.info().geometry());
        let whole = |file: &FileIndex| {
            let stored = self.info().file(*file).is_some_and(metainfo::File::is_stored);
            stored && self.pieces_of(*file).all(|p| state.have.get(p))
        };
        touched.filter(whole).collect()
    }

    /// A piece does not count until it is completed again.
    pub(crate) fn doubt(&self, piece: PieceIndex) {
        let len = u64::from(self.info().geometry().piece_data_len(piece));
        self.change(|state| {
            if state.have.remove(piece.0) && state.wanted.get(piece.0) {
                state.missing += 1;
                state.left += len;
            }
            state.durable.remove(piece.0);
            state.unsaved = true;
        });
    }

    /// Replaces the set of verified pieces, after a check.
    pub(crate) fn set_have(&self, have: Bitfield, durable: Bitfield) {
        self.change(|state| {
            (state.have, state.durable) = (have, durable);
            state.count(self.info());
            state.unsaved = true;
        });
    }

    /// What waits for the metainfo of a magnet link.
    pub(crate) fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes the check that is under way.
    pub(crate) fn set_check(&self, check: Option<Arc<Progress>>) {
        *self.check.lock().unwrap_or_else(|e| e.into_inner()) = check;
    }

    /// Ends the check that is under way.
    pub(crate) fn cancel_check(&self) {
        if let Some(check) = &*self.check.lock().unwrap_or_else(|e| e.into_inner()) {
            check.cancel();
        }
    }

    /// The pieces that the shard is to fetch: the wanted ones, but none of a file that is gone, and none at all where
    /// nothing may be written.
    pub(crate) fn to_be_fetched(&self) -> Bitfield {
        let state = self.state();
        let mut wanted = if self.read_only { state.have.clone() } else { state.wanted.clone() };
        for piece in state.lost.keys().flat_map(|file| self.pieces_of(*file)) {
            wanted.remove(piece);
        }
        wanted
    }

    /// The pieces that hold bytes of a file.
    pub(crate) fn pieces_of(&self, file: FileIndex) -> Range<u32> {
        self.info().layout().pieces_of_file(file, self.info().geometry())
    }

    /// The selection in the storage's form.
    pub(crate) fn selection(&self) -> Selection {
        Selection::of(self.state().wanted_files.iter().copied())
    }

    /// Its data failed it. One that was removed meanwhile stays so.
    pub(crate) fn fail(&self, trouble: Trouble) {
        let failed = self.change(|state| {
            let failed = state.stage != Stage::Removed;
            if failed {
                state.stage = Stage::Failed(trouble.clone());
            }
            failed
        });
        if failed {
            self.tell(EventKind::Failed(trouble));
        }
    }

    /// Waits until it is removed. Cancel safe.
    pub(crate) async fn removed(&self) {
        self.wait(|state| (state.stage == Stage::Removed).then_some(())).await;
    }

    /// How much a piece is wanted. `state` is its own.
    pub(crate) fn priority(&self, state: &State, piece: u32) -> Priority {
        let own = state.own.get(&piece).copied().unwrap_or(Priority::NONE);
        if !state.wanted.get(piece) {
            return own;
        }
        let files = self.info().layout().files_of_piece(PieceIndex(piece), self.info().geometry());
        let files = files.filter(|file| state.wanted_files.get(file.as_usize()).copied().unwrap_or(false));
        let grade = |file: FileIndex| state.grades.get(&file.0).copied().unwrap_or_default();
        files.map(grade).max().unwrap_or(Priority::NONE).max(own)
    }

    /// The priorities that are not the normal one, of pieces that are fetched. `state` is its own.
    pub(crate) fn graded(&self, state: &State) -> Vec<(PieceIndex, Priority)> {
        if self.read_only || state.grades.is_empty() && state.own.is_empty() {
            return Vec::new();
        }
        let lost = |piece: u32| state.lost.keys().any(|file| self.pieces_of(*file).contains(&piece));
        let wanted = state.wanted.ones().filter(|piece| !lost(*piece));
        wanted.map(|piece| (PieceIndex(piece), self.priority(state, piece))).collect()
    }

    /// Changes how much pieces are wanted for themselves.
    pub(crate) fn set_own(&self, pieces: Range<u32>, priority: Priority) {
        self.change(|state| {
            for piece in pieces {
                if priority.is_wanted() {
                    state.own.insert(piece, priority);
                } else {
                    state.own.remove(&piece);
                }
            }
            let files = state.wanted_files.clone();
            state.want(self.info(), files);
        });
    }

    /// A number for a new reader.
    pub(crate) fn new_reader(&self) -> ReaderId {
        let mut state = self.state();
        state.readers += 1;
        ReaderId(state.readers)
    }

    /// What a reader waits for from now on, told to the torrent's shard.
    pub(crate) fn demand(
        &self,
        shard: &ShardHandle,
        reader: ReaderId,
        pieces: impl FnOnce(&State) -> Vec<(PieceIndex, Duration)>,
    ) {
        let mut state = self.state();
        let pieces = pieces(&state);
        if pieces.is_empty() {
            if state.demands.remove(&reader).is_none() {
                return;
            }
        } else {
            state.demands.insert(reader, Demand { reader, pieces: pieces.clone() });
        }
        // Under the lock: the torrent may be on its way to the shard or from it.
        if state.on_shard {
            let demand = self.reachable(&state, &Demand { reader, pieces });
            shard.command(Command::Torrent(self.id, engine::Command::Demand(demand)));
        }
    }

    /// Tells a shard that has the torrent anew what is wanted how much, and what readers wait for. `state` is its own.
    pub(crate) fn demand_again(&self, shard: &ShardHandle, state: &State) {
        let graded = self.graded(state);
        if !graded.is_empty() {
            shard.command(Command::Torrent(self.id, engine::Command::Prioritize(graded.into())));
        }
        for demand in state.demands.values() {
            let demand = self.reachable(state, demand);
            shard.command(Command::Torrent(self.id, engine::Command::Demand(demand)));
        }
    }

    /// A demand without what may not be fetched: nothing of a file that is gone, and nothing where nothing may be written.
    fn reachable(&self, state: &State, demand: &Demand) -> Demand {
        let open = |piece: u32| {
            !self.read_only && !state.lost.keys().any(|file| self.pieces_of(*file).contains(&piece))
        };
        let pieces = demand.pieces.iter().copied().filter(|(piece, _)| open(piece.0)).collect();
        Demand { reader: demand.reader, pieces }
    }

    /// What keeps this torrent from being used, if something does.
    pub(crate) fn obstacle(&self) -> Option<crate::Error> {
        match &self.state().stage {
            Stage::Failed(trouble) => Some(crate::Error::Failed(trouble.clone())),
            Stage::Removed => Some(crate::Error::Removed),
            _ => None,
        }
    }
}

impl State {
    /// What holds it up: a disk that refuses to work, or else a file that is gone.
    pub(crate) fn stalled(&self) -> Option<&Trouble> {
        self.disk_trouble.as_ref().or_else(|| self.lost.values().next())
    }

    /// The state as users see it.
    pub(crate) fn public(&self) -> TorrentState {
        match &self.stage {
            Stage::Metadata | Stage::Described if self.paused => TorrentState::Paused,
            Stage::Described => TorrentState::Paused,
            Stage::Metadata => TorrentState::FetchingMetadata { bytes: 0, total: 0, peers: 0 },
            Stage::Checking { checked, total } => TorrentState::Checking { checked: *checked, total: *total },
            Stage::Failed(trouble) => TorrentState::Failed(trouble.clone()),
            Stage::Removed => TorrentState::Removed,
            Stage::Running if self.paused => TorrentState::Paused,
            Stage::Running => match self.stalled() {
                Some(trouble) => TorrentState::Stalled(trouble.clone()),
                None if self.missing == 0 => TorrentState::Seeding,
                None => TorrentState::Downloading,
            },
        }
    }

    /// Changes which files are wanted.
    pub(crate) fn want(&mut self, info: &Info, wanted_files: Vec<bool>) {
        self.wanted = wanted_pieces(info, &wanted_files);
        self.own.keys().for_each(|piece| _ = self.wanted.insert(*piece));
        self.wanted_files = wanted_files;
        self.count(info);
        self.unsaved = true;
    }

    /// Whether a reader waits for a piece.
    pub(crate) fn is_demanded(&self, piece: PieceIndex) -> bool {
        let missing = !self.have.get(piece.0);
        missing && self.demands.values().any(|demand| demand.pieces.iter().any(|(p, _)| *p == piece))
    }

    /// Counts anew what is wanted and missing.
    fn count(&mut self, info: &Info) {
        self.bytes_wanted = bytes_of(info, &self.wanted);
        let missing: Bitfield =
            (0..self.wanted.len()).map(|p| self.wanted.get(p) && !self.have.get(p)).collect();
        (self.missing, self.left) = (missing.count(), bytes_of(info, &missing));
    }
}

/// The pieces that wanted files lie in.
fn wanted_pieces(info: &Info, files: &[bool]) -> Bitfield {
    let pieces = info.geometry().pieces();
    if files.iter().all(|wanted| *wanted) {
        return Bitfield::full(pieces);
    }
    let mut out = Bitfield::new(pieces);
    let wanted = (0..).map(FileIndex).zip(files).filter(|(_, wanted)| **wanted);
    for (file, _) in wanted {
        info.layout().pieces_of_file(file, info.geometry()).for_each(|p| _ = out.insert(p));
    }
    out
}

/// Length of these pieces, in bytes.
pub(crate) fn bytes_of(info: &Info, pieces: &Bitfield) -> u64 {
    let geometry = info.geometry();
    if pieces.is_full() {
        return geometry.data_len();
    }
    pieces.ones().map(|piece| u64::from(geometry.piece_data_len(PieceIndex(piece)))).sum()
}
