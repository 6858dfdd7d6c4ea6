//! What a client knows of one torrent outside of its shard.
//!
//! What never changes is in [`Entry`]; what does is in [`State`], whose parts keep their own rules.

mod content;
mod data;
mod demands;
mod home;
mod kept;
mod pieces;
mod place;
mod seeding;
mod state;
mod totals;
mod turn;
mod unverified;
mod wants;

use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::{Priority, ReaderId, TorrentId};
use metainfo::{FileIndex, Info, Metainfo};
use shard::Command;
use storage::{Plan, Selection};
use tokio::sync::{Notify, broadcast};
use types::{Announceable, Bitfield, InfoHashes, PieceIndex, Privacy};

use crate::agenda::{Agenda, Chore};
use crate::runtime::ShardHandle;
use crate::{Error, Event, EventKind, Reach, SeedGoal, Trouble};

pub(crate) use content::{Content, Waiting};
pub(crate) use data::Data;
pub(crate) use home::Home;
use seeding::Seeding;
pub(crate) use state::{Stage, State};
pub(crate) use turn::Turn;
pub(crate) use unverified::Taken;
use wants::Wants;

/// What is not saved waits so long at most.
const SAVE: Duration = Duration::from_secs(15);

/// One torrent of a client. Everything that changes is in its [`State`].
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: TorrentId,
    /// The shard it lives on.
    pub(crate) shard: usize,
    pub(crate) hashes: InfoHashes,
    pub(crate) settings: Settings,
    pub(crate) content: Content,
    pub(crate) data: Data,
    pub(crate) home: Home,
    state: Mutex<State>,
    changed: Notify,
    agenda: Arc<Agenda>,
    events: broadcast::Sender<Event>,
}

/// How a torrent was added.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Nothing but its metainfo was wanted when it was added.
    pub(crate) metadata_only: bool,
    /// Its files are never written.
    pub(crate) read_only: bool,
    /// It was added with trackers. A private torrent has its tracker and nothing else, so that what is added without any
    /// is public.
    pub(crate) tracked: bool,
}

/// What a new entry begins with.
pub(crate) struct NewEntry {
    pub(crate) id: TorrentId,
    pub(crate) shard: usize,
    /// Of a magnet link: its hashes. The metainfo is one of nothing then.
    pub(crate) magnet: Option<InfoHashes>,
    pub(crate) metainfo: Metainfo,
    pub(crate) settings: Settings,
    pub(crate) home: Home,
    pub(crate) paused: bool,
    pub(crate) wanted_files: Vec<bool>,
    pub(crate) tiers: Vec<Vec<String>>,
    pub(crate) beside: Vec<String>,
    pub(crate) goal: Option<SeedGoal>,
    pub(crate) agenda: Arc<Agenda>,
    pub(crate) events: broadcast::Sender<Event>,
}

impl Entry {
    pub(crate) fn new(new: NewEntry) -> Entry {
        let hashes = new.magnet.unwrap_or_else(|| new.metainfo.info_hashes());
        let content = Content::new(new.metainfo, new.magnet.is_some());
        let stage = match new.magnet {
            Some(_) => Stage::Metadata,
            None if new.settings.metadata_only => Stage::Described,
            None => Stage::Checking { checked: 0, total: 0 },
        };
        let wants = Wants::new(new.wanted_files);
        let mut state = State::new(stage, content.info(), wants, Seeding::new(new.goal));
        (state.paused, state.tiers, state.beside) = (new.paused, new.tiers, new.beside);
        Entry {
            id: new.id,
            shard: new.shard,
            hashes,
            settings: new.settings,
            content,
            data: Data::default(),
            home: new.home,
            state: Mutex::new(state),
            changed: Notify::new(),
            agenda: new.agenda,
            events: new.events,
        }
    }

    /// Names, files, hashes. Of a magnet link whose metainfo has not come a torrent of nothing.
    pub(crate) fn info(&self) -> &Arc<Info> {
        self.content.info()
    }

    /// Where its bytes lie.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        self.content.plan()
    }

    /// Its metainfo, where it is known.
    pub(crate) fn metainfo(&self) -> Option<&Metainfo> {
        self.content.metainfo()
    }

    /// What is known of its being private (BEP 27): who may be told of it.
    pub(crate) fn reach(&self) -> Reach {
        match self.metainfo() {
            None if self.settings.tracked => Reach::Unknown,
            Some(_) if self.info().is_private() => Reach::Private,
            _ => Reach::Public,
        }
    }

    /// What lets it be announced to everybody; none where it is private or may turn out to be.
    pub(crate) fn announceable(&self) -> Option<Announceable> {
        let privacy = match self.reach() {
            Reach::Public => Privacy::Public,
            Reach::Unknown => Privacy::Unknown,
            Reach::Private => Privacy::Private,
        };
        Announceable::new(self.hashes, privacy)
    }

    /// The metainfo of a magnet link has come. False where it had come before, or the torrent is gone.
    pub(crate) fn learn(&self, metainfo: Metainfo, wanted_files: Vec<bool>) -> bool {
        self.change(|state| {
            let learned = state.stage == Stage::Metadata && self.content.learn(metainfo);
            if learned {
                let checking = Stage::Checking { checked: 0, total: 0 };
                let stage = if self.settings.metadata_only { Stage::Described } else { checking };
                state.learn(stage, self.info(), wanted_files);
            }
            learned
        })
    }

    /// The state, to be read. Never held across an await or a call out, but to tell of a change.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything can panic, so a poisoned lock guards sound data.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Changes the state, and says so to everyone who waits or listens.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        let news = state.show();
        let unsaved = state.place.on_shard && state.kept.is_behind();
        // Under the lock: who sees the state and listens from then on hears what comes after it.
        if let Some(now) = news {
            self.tell(EventKind::State(now));
        }
        drop(state);
        if unsaved {
            self.agenda.within(self.id, Chore::Save, SAVE);
        }
        self.changed.notify_waiters();
        result
    }

    /// Tells listeners.
    pub(crate) fn tell(&self, kind: EventKind) {
        // Fails only where nobody listens.
        let _ = self.events.send(Event { torrent: Some(self.hashes), kind });
    }

    /// Waits until `done` holds of the state and returns what it gives. Cancel safe.
    pub(crate) async fn wait<R>(&self, mut done: impl FnMut(&State) -> Option<R>) -> R {
        let mut changed = pin!(self.changed.notified());
        loop {
            // Before the look: a change after it is heard.
            changed.as_mut().enable();
            if let Some(result) = done(&self.state()) {
                return result;
            }
            changed.as_mut().await;
            changed.set(self.changed.notified());
        }
    }

    /// Waits until it is removed. Cancel safe.
    pub(crate) async fn removed(&self) {
        self.wait(|state| (state.stage == Stage::Removed).then_some(())).await;
    }

    /// A piece was verified and stored. Returns the files that are complete by it.
    pub(crate) fn completed(&self, piece: PieceIndex) -> Vec<FileIndex> {
        let new = self.change(|state| {
            let new = state.pieces.insert(piece);
            state.unverified.passed(piece);
            if new {
                state.kept.stored();
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
            stored && self.pieces_of(*file).all(|p| state.pieces.has(p))
        };
        touched.filter(whole).collect()
    }

    /// A piece does not count until it is completed again.
    pub(crate) fn doubt(&self, piece: PieceIndex) {
        self.change(|state| {
            state.pieces.remove(piece);
            state.kept.doubt(piece);
        });
    }

    /// Replaces the set of verified pieces, after a check. Tells of those that were here and are not.
    pub(crate) fn set_have(&self, have: Bitfield, durable: Bitfield) {
        let gone: Vec<u32> = self.change(|state| {
            let gone = state.pieces.have().ones().filter(|piece| !have.get(*piece)).collect();
            state.unverified.begin_anew(&have);
            state.pieces.set_have(have);
            state.kept.set_durable(durable);
            gone
        });
        gone.into_iter().for_each(|piece| self.tell(EventKind::PieceFailed { piece: PieceIndex(piece) }));
    }

    /// The pieces that hold bytes of a file.
    pub(crate) fn pieces_of(&self, file: FileIndex) -> Range<u32> {
        self.info().layout().pieces_of_file(file, self.info().geometry())
    }

    /// The selection in the storage's form.
    pub(crate) fn selection(&self) -> Selection {
        self.state().wants.selection()
    }

    /// Its data failed it: it says so and rests. False for one that was removed meanwhile, which stays so.
    pub(crate) fn fail(&self, trouble: Trouble) -> bool {
        let failed = self.change(|state| {
            let failed = state.stage != Stage::Removed;
            if failed {
                state.stage = Stage::Failed(Box::new(trouble.clone()));
            }
            failed
        });
        if failed {
            self.tell(EventKind::Failed(trouble));
        }
        failed
    }

    /// What a user is told of a panic in its code.
    pub(crate) fn panic_trouble(&self, message: &str) -> Trouble {
        let sentence = format!("{}: the engine failed: {message}; please report this", self.info().name());
        Trouble::new("internal", sentence)
    }

    /// What keeps this torrent from being used, if something does.
    pub(crate) fn obstacle(&self) -> Option<Error> {
        match &self.state().stage {
            Stage::Failed(trouble) => Some(Error::Failed((**trouble).clone())),
            Stage::Removed => Some(Error::Removed),
            _ => None,
        }
    }

    /// The pieces that its shard is to fetch. `state` is its own.
    pub(crate) fn to_be_fetched(&self, state: &State) -> Bitfield {
        state.to_be_fetched(self.info(), self.settings.read_only)
    }

    /// The priorities that are not the normal one, of pieces that are fetched. `state` is its own.
    pub(crate) fn graded(&self, state: &State) -> Vec<(PieceIndex, Priority)> {
        state.graded(self.info(), self.settings.read_only)
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
        let Some(demand) = state.demands.set(reader, pieces) else { return };
        // Under the lock: the torrent may be on its way to the shard or from it.
        if state.place.on_shard {
            let demand = state.reachable(self.info(), self.settings.read_only, &demand);
            shard.command(Command::Torrent(self.id, engine::Command::Demand(demand)));
        }
    }

    /// One reader more or less reads what is not verified yet.
    pub(crate) fn watch(&self, shard: &ShardHandle, on: bool) {
        let mut state = self.state();
        let unverified = &mut state.unverified;
        let is_news = if on { unverified.watch() } else { unverified.unwatch() };
        // Under the lock: the torrent may be on its way to the shard.
        if is_news && state.place.on_shard {
            shard.command(Command::Watch(self.id, on));
        }
    }

    /// Tells a shard that has the torrent anew what is wanted how much, and what readers wait for. `state` is
    /// its own.
    pub(crate) fn demand_again(&self, shard: &ShardHandle, state: &State) {
        let graded = self.graded(state);
        if !graded.is_empty() {
            shard.command(Command::Torrent(self.id, engine::Command::Prioritize(graded.into())));
        }
        for demand in state.demands.iter() {
            let demand = state.reachable(self.info(), self.settings.read_only, demand);
            shard.command(Command::Torrent(self.id, engine::Command::Demand(demand)));
        }
    }
}
