//! The torrents of a shard: by number, by name, by who has something to say and by deadline.

use std::collections::{BTreeMap, BTreeSet};

use engine::{TorrentId, WaitReason};
use types::{InfoHash, InfoHashes, Rng, Time};

use crate::Added;
use crate::member::Member;
use crate::resting::Resting;

/// The torrents of a shard. One of which nothing happened yet is what it was added with, and no more.
#[derive(Debug, Default)]
pub(crate) struct Members {
    rows: BTreeMap<TorrentId, Row>,
    names: BTreeMap<InfoHash, TorrentId>,
    /// Torrents that may have work at the end of the batch.
    hot: BTreeSet<TorrentId>,
    /// Torrents whose outputs are to be drained.
    dirty: BTreeSet<TorrentId>,
    deadlines: BTreeSet<(Time, TorrentId)>,
    /// Torrents that did something since their figures were last asked for.
    news: BTreeSet<TorrentId>,
    /// Whose work is being done: who is to blame for a panic now.
    at_work: Option<TorrentId>,
}

#[derive(Debug)]
enum Row {
    Resting(Box<Resting>),
    Awake(Box<Awake>),
}

#[derive(Debug)]
struct Awake {
    member: Member,
    deadline: Time,
}

impl Row {
    fn awake(member: Member) -> Row {
        Row::Awake(Box::new(Awake { member, deadline: Time::NEVER }))
    }

    fn names(&self) -> InfoHashes {
        match self {
            Row::Resting(resting) => resting.names(),
            Row::Awake(row) => row.member.names(),
        }
    }

    fn get(&self) -> Option<&Awake> {
        match self {
            Row::Awake(row) => Some(row),
            Row::Resting(_) => None,
        }
    }

    fn get_mut(&mut self) -> Option<&mut Awake> {
        match self {
            Row::Awake(row) => Some(row),
            Row::Resting(_) => None,
        }
    }
}

impl Members {
    /// Takes a torrent in. One that is here already stays as it is.
    pub(crate) fn insert(&mut self, added: Added, now: Time, rng: Rng) {
        let id = added.id;
        if self.rows.contains_key(&id) {
            return;
        }
        let row = if Resting::may(&added) {
            Row::Resting(Box::new(Resting::new(added, now, rng)))
        } else {
            self.dirty.insert(id);
            self.hot.insert(id);
            Row::awake(Member::new(added, now, rng))
        };
        self.news.insert(id);
        self.names.extend(row.names().wire_names().map(|name| (name, id)));
        self.rows.insert(id, row);
    }

    /// A torrent that rests, with all that it takes to go on resting.
    pub(crate) fn resting(&mut self, id: TorrentId) -> Option<&mut Resting> {
        match self.rows.get_mut(&id)? {
            Row::Resting(resting) => Some(resting),
            Row::Awake(_) => None,
        }
    }

    /// A torrent as it would be if it were awake, to be looked at: what is done to it may come to nothing.
    pub(crate) fn look<R>(&mut self, id: TorrentId, look: impl FnOnce(&mut Member) -> R) -> Option<R> {
        Some(match self.rows.get_mut(&id)? {
            Row::Resting(resting) => look(&mut resting.member()),
            Row::Awake(row) => look(&mut row.member),
        })
    }

    /// The row of a torrent that something happens to.
    fn wake(&mut self, id: TorrentId) -> Option<&mut Awake> {
        let row = self.rows.get_mut(&id)?;
        if let Row::Resting(resting) = row {
            *row = Row::awake(resting.member());
            self.dirty.insert(id);
        }
        row.get_mut()
    }

    /// Whose work is being done.
    pub(crate) fn at_work(&self) -> Option<TorrentId> {
        self.at_work
    }

    /// From here on the work is this torrent's, or nobody's. Answers whose it was before.
    pub(crate) fn work_for(&mut self, whom: Option<TorrentId>) -> Option<TorrentId> {
        std::mem::replace(&mut self.at_work, whom)
    }

    pub(crate) fn contains(&self, id: TorrentId) -> bool {
        self.rows.contains_key(&id)
    }

    /// The torrent with this name, for new connections.
    pub(crate) fn find(&self, name: InfoHash) -> Option<TorrentId> {
        self.names.get(&name).copied()
    }

    /// A torrent to change; it is looked at when the pass ends, and its outputs will be drained.
    pub(crate) fn touch(&mut self, id: TorrentId) -> Option<&mut Member> {
        self.wake(id)?;
        self.hot.insert(id);
        self.dirty.insert(id);
        self.wake(id).map(|row| &mut row.member)
    }

    /// A torrent whose outputs are not affected.
    pub(crate) fn get_mut(&mut self, id: TorrentId) -> Option<&mut Member> {
        self.wake(id).map(|row| &mut row.member)
    }

    /// A torrent; none where it rests, and so has neither connections nor work.
    pub(crate) fn get(&self, id: TorrentId) -> Option<&Member> {
        self.rows.get(&id)?.get().map(|row| &row.member)
    }

    /// How many pieces have work at the end of the batch.
    pub(crate) fn touched_pieces(&self) -> usize {
        self.hot.iter().filter_map(|id| self.get(*id)).map(|member| member.blocks.touched_count()).sum()
    }

    /// Lets `together` see all torrents with work at the end of a batch, and then `each` every one of them;
    /// their outputs will be drained. What `each` leaves touched comes again with the next batch.
    pub(crate) fn finish_batch(
        &mut self,
        together: impl FnOnce(&mut [&mut Member]),
        mut each: impl FnMut(&mut Member),
    ) {
        // They are taken out for the while, as a map lends only one of its values at a time.
        let hot = std::mem::take(&mut self.hot);
        let taken = hot.iter().filter_map(|id| Some((*id, self.rows.remove(id)?)));
        let mut rows: Vec<(TorrentId, Row)> = taken.collect();
        let members = rows.iter_mut().filter_map(|(_, row)| row.get_mut()).map(|row| &mut row.member);
        let touched = members.filter(|m| m.is_touched());
        let mut touched: Vec<&mut Member> = touched.collect();
        self.dirty.extend(touched.iter().map(|member| member.id));
        together(&mut touched);
        let before = self.at_work;
        for member in touched {
            self.at_work = Some(member.id);
            each(member);
        }
        self.at_work = before;
        for (id, row) in rows {
            if row.get().is_some_and(|row| row.member.is_touched()) {
                self.hot.insert(id);
            }
            self.rows.insert(id, row);
        }
    }

    /// The next torrent to drain.
    pub(crate) fn next_dirty(&mut self) -> Option<TorrentId> {
        let id = self.dirty.pop_first()?;
        self.news.insert(id);
        Some(id)
    }

    /// The torrents that did something since the last call.
    pub(crate) fn take_news(&mut self) -> BTreeSet<TorrentId> {
        std::mem::take(&mut self.news)
    }

    /// Files the torrent under its present deadline.
    pub(crate) fn file(&mut self, id: TorrentId) {
        let Some(row) = self.rows.get_mut(&id).and_then(Row::get_mut) else { return };
        let (deadline, _) = row.member.deadline();
        if deadline == row.deadline {
            return;
        }
        self.deadlines.remove(&(row.deadline, id));
        row.deadline = deadline;
        if deadline != Time::NEVER {
            self.deadlines.insert((deadline, id));
        }
    }

    /// Lets every torrent act whose deadline has come. They are looked at when the pass ends. Whether there
    /// was any.
    pub(crate) fn on_timers(&mut self, now: Time) -> bool {
        let mut any = false;
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline.is_due(now)
        {
            self.deadlines.pop_first();
            any = true;
            if let Some(row) = self.rows.get_mut(&id).and_then(Row::get_mut) {
                row.deadline = Time::NEVER;
                self.at_work = Some(id);
                row.member.on_timer(now);
                self.at_work = None;
                self.hot.insert(id);
                self.dirty.insert(id);
            }
        }
        any
    }

    /// Makes a torrent's timer fire at once.
    #[cfg(any(test, feature = "traps"))]
    pub(crate) fn hurry(&mut self, id: TorrentId) {
        if let Some(row) = self.wake(id) {
            let before = std::mem::replace(&mut row.deadline, Time::ZERO);
            self.deadlines.remove(&(before, id));
            self.deadlines.insert((Time::ZERO, id));
        }
    }

    /// The first deadline of any torrent, and why.
    pub(crate) fn deadline(&self) -> (Time, WaitReason) {
        match self.deadlines.first() {
            Some((_, id)) => self.get(*id).map_or((Time::NEVER, WaitReason::Idle), Member::deadline),
            None => (Time::NEVER, WaitReason::Idle),
        }
    }

    /// Takes its names away: no new connection finds it.
    pub(crate) fn hide(&mut self, id: TorrentId) {
        let Some(row) = self.rows.get(&id) else { return };
        for name in row.names().wire_names() {
            if self.names.get(&name) == Some(&id) {
                self.names.remove(&name);
            }
        }
    }

    /// Forgets a torrent.
    pub(crate) fn remove(&mut self, id: TorrentId) -> Option<Member> {
        self.hide(id);
        self.dirty.remove(&id);
        self.hot.remove(&id);
        self.news.remove(&id);
        self.wake(id)?;
        match self.rows.remove(&id)? {
            Row::Awake(row) => {
                self.deadlines.remove(&(row.deadline, id));
                Some(row.member)
            }
            Row::Resting(_) => None,
        }
    }
}
