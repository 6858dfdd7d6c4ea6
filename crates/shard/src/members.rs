//! The torrents of a shard: by number, by name, by who has something to say and by deadline.

use std::collections::{BTreeMap, BTreeSet};

use engine::{TorrentId, WaitReason};
use types::{InfoHash, Time};

use crate::member::Member;

/// The torrents of a shard. One that is at rest costs nothing but its row.
#[derive(Debug, Default)]
pub(crate) struct Members {
    rows: BTreeMap<TorrentId, Row>,
    names: BTreeMap<InfoHash, TorrentId>,
    /// Torrents whose outputs are to be drained.
    dirty: BTreeSet<TorrentId>,
    deadlines: BTreeSet<(Time, TorrentId)>,
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
        self.names.extend(member.names().map(|name| (name, member.id)));
        self.rows.insert(member.id, Row { member, deadline: Time::NEVER });
    }

    pub(crate) fn contains(&self, id: TorrentId) -> bool {
        self.rows.contains_key(&id)
    }

    /// The torrent with this name, for new connections.
    pub(crate) fn find(&self, name: InfoHash) -> Option<TorrentId> {
        self.names.get(&name).copied()
    }

    /// A torrent to change; its outputs will be drained.
    pub(crate) fn touch(&mut self, id: TorrentId) -> Option<&mut Member> {
        let row = self.rows.get_mut(&id)?;
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

    /// All torrents with work at the end of a pass; their outputs will be drained.
    pub(crate) fn touched(&mut self) -> Vec<&mut Member> {
        let touched = self.rows.values_mut().map(|row| &mut row.member).filter(|m| m.blocks.is_touched());
        let dirty = &mut self.dirty;
        touched.inspect(|member| _ = dirty.insert(member.id)).collect()
    }

    /// The next torrent to drain.
    pub(crate) fn next_dirty(&mut self) -> Option<TorrentId> {
        self.dirty.pop_first()
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

    /// Lets every torrent act whose deadline has come.
    pub(crate) fn on_timers(&mut self, now: Time) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline.is_due(now)
        {
            self.deadlines.pop_first();
            if let Some(row) = self.rows.get_mut(&id) {
                row.deadline = Time::NEVER;
                row.member.on_timer(now);
                self.dirty.insert(id);
            }
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
        let row = self.rows.remove(&id)?;
        self.deadlines.remove(&(row.deadline, id));
        Some(row.member)
    }
}
