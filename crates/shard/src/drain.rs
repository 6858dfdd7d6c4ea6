//! Carries out what brains and disks want, and takes in what the disk has done.

use engine::{ConnId, DiskTrouble, Output as Action, TorrentId};
use types::Time;

use crate::disk::Completion;
use crate::member::Member;
use crate::trap::Trap;
use crate::{DiskDone, DiskOp, DiskRequest, Event, Output, Shard};

impl Shard {
    /// Disk work has returned.
    pub fn disk_done(&mut self, now: Time, done: DiskDone) {
        self.work_for(Some(done.torrent), |shard| shard.take_back(now, done));
    }

    fn take_back(&mut self, now: Time, done: DiskDone) {
        let DiskDone { torrent, op, result } = done;
        let Some(member) = self.members.touch(torrent) else { return self.reclaim(op) };
        self.pass_open = true;
        match member.returned(now, op, result) {
            Completion::Done(DiskOp::Write { offset, blocks }) => {
                let end = offset + blocks.iter().map(|block| block.len() as u64).sum::<u64>();
                member.blocks.written(offset, blocks, &mut self.receive.pool);
                if member.watched {
                    let readable = member.blocks.readable(offset..end);
                    self.outputs.push_back(Output::Event(torrent, Event::Blocks(readable)));
                }
            }
            Completion::Done(DiskOp::Read { offset, block, conn: None }) => {
                member.blocks.read_back(offset, block, &mut self.receive.pool);
            }
            Completion::Done(DiskOp::Read { offset, block, conn: Some(conn) }) => {
                match member.run_at(offset, block.len()) {
                    Some(run) => self.deliver(conn, run, block),
                    None => self.upload.pool.give(block),
                }
            }
            Completion::Done(DiskOp::Sync { .. }) => {
                let pieces = member.durability.synced();
                self.outputs.push_back(Output::Event(torrent, Event::Durable(pieces)));
            }
            Completion::Unreadable { conn: None, offset, block, why } => {
                self.receive.pool.give(block);
                if let Some(piece) = member.blocks.unreadable(offset) {
                    member.unreadable(now, piece, &why);
                }
            }
            Completion::Unreadable { conn: Some(conn), offset, block, why } => {
                let run = member.run_at(offset, block.len());
                self.upload.pool.give(block);
                run.into_iter().for_each(|run| self.cannot_deliver(now, conn, run));
                self.doubt(now, torrent, offset, &why);
            }
            Completion::Unsynced(why) => {
                member.sync_failed(now, &why);
                self.withdraw(now, torrent);
            }
            Completion::Kept => {}
        }
    }

    /// A block of a piece that was right can't be read.
    fn doubt(&mut self, now: Time, torrent: TorrentId, offset: u64, why: &DiskTrouble) {
        let Some(member) = self.members.touch(torrent) else { return };
        if let Some(piece) = member.piece_at(offset).filter(|piece| member.blocks.has(*piece)) {
            member.unreadable(now, piece, why);
            self.withdraw(now, torrent);
        }
    }

    /// Takes the buffers of work whose torrent is gone, or that is given up.
    pub(crate) fn reclaim(&mut self, op: DiskOp) {
        let (blocks, pool) = match op {
            DiskOp::Write { blocks, .. } => (blocks, &mut self.receive.pool),
            DiskOp::Read { block, conn: None, .. } => (vec![block], &mut self.receive.pool),
            DiskOp::Read { block, conn: Some(_), .. } => (vec![block], &mut self.upload.pool),
            DiskOp::Sync { .. } => return,
        };
        blocks.into_iter().for_each(|block| pool.give(block));
    }

    /// Carries out everything that torrents want now.
    pub(crate) fn drain_all(&mut self, now: Time) {
        self.ask_for_blocks();
        while let Some(id) = self.members.next_dirty() {
            self.work_for(Some(id), |shard| shard.drain_brain(now, id));
            self.ask_for_blocks();
            self.work_for(Some(id), |shard| {
                shard.drain_disk(now, id);
                shard.members.file(id);
                shard.finish_leaving(id);
            });
        }
    }

    fn drain_brain(&mut self, now: Time, id: TorrentId) {
        if let Some(member) = self.members.get(id) {
            member.trap.spring(Trap::Poll);
        }
        loop {
            let member = self.members.get_mut(id);
            let Some((member, action)) =
                member.and_then(|m| m.brain.as_mut().map(|b| b.poll(now)).map(|action| (m, action)))
            else {
                return;
            };
            match action {
                Action::Dial { addr } => self.lobby.dial(id, addr, false),
                Action::Punch { addr } => self.lobby.dial(id, addr, true),
                Action::Send { conn, bytes } => self.queue_bytes(now, conn, bytes),
                Action::SendBlock { conn, block } => self.queue_block(now, conn, block),
                Action::Flush { conn } => self.queue_mark(now, conn),
                Action::Disconnect { conn, .. } => self.disconnect(conn),
                Action::Event(event) => {
                    if event == engine::Event::Completed {
                        member.durability.hurry(now);
                    }
                    self.outputs.push_back(Output::Event(id, Event::Engine(event)));
                }
                Action::Wait(at, why) => {
                    member.wait = (at, why);
                    return;
                }
                // Actions of a later engine that this shard does not know.
                _ => {}
            }
        }
    }

    /// Closes a connection that the brain has done with. One that is gone already, the caller knows of.
    fn disconnect(&mut self, conn: ConnId) {
        if self.forget(conn).is_some() {
            self.outputs.push_back(Output::Close { conn });
        }
    }

    fn drain_disk(&mut self, now: Time, id: TorrentId) {
        let Some(member) = self.members.get_mut(id) else { return };
        if let Some(op) = member.durability.next(now) {
            member.disk.push(op);
        }
        while let Some(op) = member.disk.next() {
            self.outputs.push_back(Output::Disk(DiskRequest { torrent: id, op }));
        }
    }

    /// Makes durable what is stored, as soon as possible.
    pub(crate) fn sync(&mut self, now: Time, id: TorrentId) {
        if self.members.resting(id).is_some() {
            return self.outputs.push_back(Output::Event(id, Event::Durable(Vec::new())));
        }
        let Some(member) = self.members.touch(id) else { return };
        if !member.durability.hurry(now) {
            self.outputs.push_back(Output::Event(id, Event::Durable(Vec::new())));
        }
    }

    /// Lets a torrent go: no connection, no brain; its disk work ends first.
    pub(crate) fn remove(&mut self, now: Time, id: TorrentId) {
        self.end_pass(now);
        self.members.hide(id);
        self.lobby.forget(id);
        let Some(member) = self.members.touch(id) else { return };
        member.brain = None;
        member.wait = (Time::NEVER, engine::WaitReason::Idle);
        member.durability.hurry(now);
        for conn in std::mem::take(&mut member.conns) {
            self.forget(conn);
            self.outputs.push_back(Output::Close { conn });
        }
    }

    /// Forgets a torrent that is leaving once nothing of it is under way. What a disk refuses now is given
    /// up.
    fn finish_leaving(&mut self, id: TorrentId) {
        let Some(member) = self.members.get_mut(id).filter(|member| member.brain.is_none()) else { return };
        if member.disk.in_trouble() {
            member.disk.give_up().into_iter().for_each(|op| self.reclaim(op));
        }
        if self.members.get(id).is_some_and(Member::is_gone)
            && let Some(mut member) = self.members.remove(id)
        {
            member.blocks.clear(&mut self.receive.pool);
            self.receive.gates.forget(id);
            self.upload.gates.forget(id);
            self.outputs.push_back(Output::Event(id, Event::Removed));
        }
    }
}
