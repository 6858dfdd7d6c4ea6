//! The torrents of a shard: by number, by name, by who has something to say and by deadline.

use std::collections::{BTreeMap, BTreeSet};

use engine::{TorrentId, WaitReason};
use types::{InfoHash, Time};

use crate::member::Member;

/// The torrents of a shard. One that is at rest costs nothing but its row.
#[derive(Debug, Default)]
pub(crate) struct Members {
    rows: BTreeMap<TorrentId, Box<Row>>,
    names: BTreeMap<InfoHash, TorrentId>,
    /// Torrents that may have work at the end of the pass.
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
struct Row {
    member: Member,
    deadline: Time,
}

impl Members {
    /// Takes a torrent in. One that is here already stays as it is.
    pub(crate) fn insert(&mut self, member: Member) {
        if self.rows.contains_key(&member.id) {
            return;
        }
        self.dirty.insert(member.id);
        self.hot.insert(member.id);
        self.names.extend(member.names().map(|name| (name, member.id)));
        self.rows.insert(member.id, Box::new(Row { member, deadline: Time::NEVER }));
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
        let row = self.rows.get_mut(&id)?;
        self.hot.insert(id);
        self.dirty.insert(id);
        Some(&mut row.member)
    }

    /// A torrent whose outputs are not affected.
    pub(crate) fn get_mut(&mut self, id: TorrentId) -> Option<&mut Member> {
        self.rows.get_mut(&id).map(|row| &mut row.member)
    }

    pub(crate) fn get(&self, id: TorrentId) -> Option<&Member> {
        self.rows.get(&id).map(|row| &row.member)
    }

    /// Lets `together` see all torrents with work at the end of a pass, and then `each` every one of them;
    /// their outputs will be drained. What `each` leaves touched comes again with the next pass.
    pub(crate) fn end_pass(
        &mut self,
        together: impl FnOnce(&mut [&mut Member]),
        mut each: impl FnMut(&mut Member),
    ) {
        // They are taken out for the while, as a map lends only one of its values at a time.
        let hot = std::mem::take(&mut self.hot);
        let mut rows: Vec<Box<Row>> = hot.iter().filter_map(|id| self.rows.remove(id)).collect();
        let touched = rows.iter_mut().map(|row| &mut row.member).filter(|m| m.is_touched());
        let mut touched: Vec<&mut Member> = touched.collect();
        self.dirty.extend(touched.iter().map(|member| member.id));
        together(&mut touched);
        let before = self.at_work;
        for member in touched {
            self.at_work = Some(member.id);
            each(member);
        }
        self.at_work = before;
        for row in rows {
            if row.member.is_touched() {
                self.hot.insert(row.member.id);
            }
            self.rows.insert(row.member.id, row);
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
        let Some(row) = self.rows.get_mut(&id) else { return };
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
            if let Some(row) = self.rows.get_mut(&id) {
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
        if let Some(row) = self.rows.get_mut(&id) {
            self.deadlines.remove(&(row.deadline, id));
            row.deadline = Time::ZERO;
            self.deadlines.insert((row.deadline, id));
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
        self.names.retain(|_, owner| *owner != id);
    }

    /// Forgets a torrent.
    pub(crate) fn remove(&mut self, id: TorrentId) -> Option<Member> {
        self.hide(id);
        self.dirty.remove(&id);
        self.hot.remove(&id);
        self.news.remove(&id);
        let row = self.rows.remove(&id)?;
        self.deadlines.remove(&(row.deadline, id));
        Some(row.member)
    }
}
