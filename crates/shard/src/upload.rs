//! From the disk to the socket.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice};

use engine::{ConnId, Disconnect, Input, TorrentId};
use types::{BlockRef, Time};

use crate::conn::{Conn, Sender, Stage};
use crate::gates::Gates;
use crate::outbound::{Outbound, Withdrawal};
use crate::{Block, Output, Part, Pool, SendError, SendOutcome, Shard};

/// Buffers a connection may hold while at least half of them are out, so that peers that don't read can't
/// take all.
const FAIR_BUFFERS: usize = 2;

/// What sending connections share.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) pool: Pool,
    pub(crate) gates: Gates,
    /// Blocks to be read, those of one connection in the order in which they leave.
    line: VecDeque<Waiting>,
}

/// A block to be read, and the piece message of a connection that it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Waiting {
    conn: ConnId,
    message: u64,
    run: BlockRef,
}

impl Upload {
    pub(crate) fn new(blocks: usize, now: Time) -> Upload {
        Upload { pool: Pool::new(blocks), gates: Gates::new(now), line: VecDeque::new() }
    }

    /// Lets `ask` ask for blocks as far as the pool goes. While it is scarce, a connection that `holds` its
    /// share of buffers waits. Those of one connection never overtake each other: one that is filled can't
    /// leave before the one in front of it, so that buffers would be held for ever by what waits for a
    /// buffer.
    fn sweep(
        &mut self,
        holds: impl Fn(ConnId) -> Option<usize>,
        mut ask: impl FnMut(ConnId, BlockRef, &mut Pool),
    ) {
        let (mut waits, mut held_back) = (BTreeSet::new(), VecDeque::new());
        while self.pool.left() > 0
            && let Some(next) = self.line.pop_front()
        {
            let Some(held) = holds(next.conn) else { continue };
            if waits.contains(&next.conn) || self.pool.is_half_used() && held >= FAIR_BUFFERS {
                waits.insert(next.conn);
                held_back.push_back(next);
            } else {
                ask(next.conn, next.run, &mut self.pool);
            }
        }
        held_back.append(&mut self.line);
        self.line = held_back;
    }
}

impl Shard {
    /// Writes once: `write` takes what it can from the offered slices, as a socket's vectored write does. Blocks are read
    /// before they are offered.
    pub fn send(
        &mut self,
        now: Time,
        conn: ConnId,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> SendOutcome {
        let offer = |outbound: &Outbound, _, limit| outbound.offer(limit, write);
        self.work_for(self.torrent_of(conn), |shard| shard.send_for(now, conn, false, offer))
    }

    /// Writes once, through a transport that can send from where a torrent is stored: `write` takes what it can from the
    /// offered parts, one after the other, and answers how many bytes that were; an error only where it took none.
    ///
    /// From this call on, until one of [`Shard::send`], blocks for this connection are offered as [`Part::Stored`]: while
    /// they are in memory they take no buffer and no turn at a disk.
    pub fn send_parts(
        &mut self,
        now: Time,
        conn: ConnId,
        write: impl FnOnce(&[Part<'_>]) -> Result<usize, SendError>,
    ) -> SendOutcome {
        let offer = |outbound: &Outbound, torrent, limit| outbound.offer_parts(torrent, limit, write);
        self.work_for(self.torrent_of(conn), |shard| shard.send_for(now, conn, true, offer))
    }

    fn send_for(
        &mut self,
        now: Time,
        conn: ConnId,
        in_place: bool,
        offer: impl FnOnce(&Outbound, Option<TorrentId>, usize) -> Result<usize, SendError>,
    ) -> SendOutcome {
        let Some(entry) = self.conns.get_mut(conn) else { return SendOutcome::Closed };
        entry.in_place = in_place;
        if entry.sender == Sender::Parked {
            return SendOutcome::Paused;
        }
        if !entry.outbound.is_ready() {
            entry.sender = Sender::Idle;
            return SendOutcome::Idle;
        }
        let free = if self.config.limit_payload_only { entry.outbound.protocol_ahead() } else { 0 };
        let allowed = match free {
            0 => self.upload.gates.allow(now, conn, entry.torrent(), &mut entry.upload_turns),
            _ => free,
        };
        if allowed == 0 {
            entry.sender = Sender::Parked;
            return SendOutcome::Paused;
        }
        entry.sender = Sender::Told;
        match offer(&entry.outbound, entry.torrent(), allowed) {
            Ok(bytes @ 1..) => self.has_sent(now, conn, bytes, free == 0),
            Err(SendError::Socket(error)) if error.kind() == ErrorKind::WouldBlock => SendOutcome::Full,
            Err(SendError::Socket(error)) if error.kind() == ErrorKind::Interrupted => SendOutcome::More,
            Err(SendError::NotInMemory) => self.read_stored(conn),
            Ok(0) | Err(SendError::Socket(_)) => {
                self.lost(now, conn, Disconnect::Network);
                SendOutcome::Closed
            }
        }
    }

    /// Has everything read that was to leave from where it is stored: what comes next would wait for the disk, and
    /// what follows it lies on the same disk most of the time.
    fn read_stored(&mut self, conn: ConnId) -> SendOutcome {
        let Some(entry) = self.conns.get_mut(conn) else { return SendOutcome::Closed };
        let asked = entry.outbound.ask_stored().map(|(message, run)| Waiting { conn, message, run });
        self.upload.line.extend(asked);
        if entry.outbound.is_ready() {
            return SendOutcome::More;
        }
        entry.sender = Sender::Idle;
        SendOutcome::Idle
    }

    fn has_sent(&mut self, now: Time, conn: ConnId, bytes: usize, counts: bool) -> SendOutcome {
        let Some(entry) = self.conns.get_mut(conn) else { return SendOutcome::Closed };
        if counts {
            self.upload.gates.passed(now, entry.torrent(), bytes, &mut entry.upload_turns);
        }
        let member = match entry.stage {
            Stage::Open(id) => self.members.touch(id),
            Stage::Handshake(_) => None,
        };
        let mut sent = Vec::new();
        entry.outbound.advance(bytes, &mut self.upload.pool, |block| sent.push(block));
        if let Some(member) = member {
            sent.into_iter().for_each(|block| member.inform(now, Input::BlockSent { conn, block }));
            if entry.outbound.take_marks() > 0 {
                member.inform(now, Input::Flushed { conn });
            }
        }
        if entry.outbound.is_ready() {
            SendOutcome::More
        } else {
            entry.sender = Sender::Idle;
            SendOutcome::Idle
        }
    }

    /// Queues messages of our own making.
    pub(crate) fn queue_bytes(&mut self, now: Time, conn: ConnId, bytes: Vec<u8>) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        if entry.outbound.push(bytes) {
            self.wake_sender(conn);
        } else {
            self.close(now, conn, Disconnect::Unread);
        }
    }

    /// Tells the brain when everything that is queued now has left.
    pub(crate) fn queue_mark(&mut self, now: Time, conn: ConnId) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        let member = entry.torrent().and_then(|id| self.members.touch(id));
        if let (false, Some(member)) = (entry.outbound.push_mark(), member) {
            member.inform(now, Input::Flushed { conn });
        }
    }

    /// Queues a block that the brain named, and asks the disk for it. One of a piece that went away meanwhile
    /// is refused.
    pub(crate) fn queue_block(&mut self, now: Time, conn: ConnId, block: BlockRef) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        let Some(member) = entry.torrent().and_then(|id| self.members.touch(id)) else { return };
        if !member.blocks.has(block.piece) {
            return member.inform(now, Input::BlockUnreadable { conn, block });
        }
        let geometry = member.blocks.geometry();
        // Where the payload ends before the block does the rest is zeros, which are stored nowhere.
        if entry.in_place && geometry.contains(block) {
            entry.outbound.push_stored(block, geometry.offset_of(block));
            return self.wake_sender(conn);
        }
        let (message, parts) = entry.outbound.push_block(block);
        self.upload.line.extend(parts.map(|run| Waiting { conn, message, run }));
    }

    /// Asks the disk for blocks that wait for a buffer.
    pub(crate) fn ask_for_blocks(&mut self) {
        let (conns, members) = (&self.conns, &mut self.members);
        let holds = |conn| Some(conns.get(conn)?.outbound.buffers());
        self.upload.sweep(holds, |conn, run, pool| {
            let torrent = conns.get(conn).and_then(Conn::torrent);
            let before = members.work_for(torrent);
            if let Some(member) = torrent.and_then(|id| members.touch(id)) {
                member.read_for(conn, run, pool);
            }
            members.work_for(before);
        });
    }

    /// A block to be sent was read.
    pub(crate) fn deliver(&mut self, conn: ConnId, run: BlockRef, block: Block) {
        let back = match self.conns.get_mut(conn) {
            Some(entry) => entry.outbound.fill(run, block),
            None => Some(block),
        };
        back.into_iter().for_each(|block| self.upload.pool.give(block));
        self.wake_sender(conn);
    }

    /// A block to be sent can't be read.
    pub(crate) fn cannot_deliver(&mut self, now: Time, conn: ConnId, run: BlockRef) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        match entry.outbound.fail(run, &mut self.upload.pool) {
            Withdrawal::Done(message, block) => self.withdrawn(now, conn, &[(message, block)]),
            Withdrawal::Committed => self.close(now, conn, Disconnect::Disk),
            Withdrawal::Unknown => {}
        }
    }

    /// Takes back what is queued of pieces that are not there any more.
    pub(crate) fn withdraw(&mut self, now: Time, id: TorrentId) {
        let Some(member) = self.members.get(id) else { return };
        let mut gone = Vec::new();
        for &conn in &member.conns {
            if let Some(entry) = self.conns.get_mut(conn) {
                let has = |piece| member.blocks.has(piece);
                gone.push((conn, entry.outbound.withdraw(has, &mut self.upload.pool)));
            }
        }
        gone.into_iter().for_each(|(conn, messages)| self.withdrawn(now, conn, &messages));
    }

    /// Piece messages were taken out of a connection's queue.
    fn withdrawn(&mut self, now: Time, conn: ConnId, messages: &[(u64, BlockRef)]) {
        let is_gone = |part: &Waiting| part.conn == conn && messages.iter().any(|(m, _)| *m == part.message);
        self.upload.line.retain(|part| !is_gone(part));
        if let Some(member) = self.torrent_of(conn).and_then(|id| self.members.touch(id)) {
            messages
                .iter()
                .for_each(|(_, block)| member.inform(now, Input::BlockUnreadable { conn, block: *block }));
        }
        self.wake_sender(conn);
    }

    /// Tells the caller that a connection has something to send, where it does not know yet.
    fn wake_sender(&mut self, conn: ConnId) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        if entry.sender == Sender::Idle && entry.outbound.is_ready() && !entry.is_dialing() {
            entry.sender = Sender::Told;
            self.outputs.push_back(Output::WantSend { conn });
        }
    }

    /// Names connections that may send again, as the rate allows.
    pub(crate) fn resume_senders(&mut self, now: Time) {
        for (conn, whose) in self.upload.gates.next(now) {
            let Some(entry) = self.conns.get_mut(conn) else { continue };
            entry.upload_turns.begin(whose);
            entry.sender = Sender::Told;
            self.outputs.push_back(Output::WantSend { conn });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{Kind, info, payload};
    use crate::{Added, Command, Config, Event};
    use engine::Origin;
    use types::{PeerId, PieceIndex, Rng};
    use wire::Reserved;

    #[test]
    fn a_peer_that_does_not_read_is_told_from_one_that_floods() {
        let (now, id) = (Time::ZERO, TorrentId(1));
        let info = std::sync::Arc::new(info(Kind::V1, &payload(1, 100), 16_384));
        let engine = std::sync::Arc::new(engine::Config::new(PeerId([1; 20])));
        let params = engine::Params::new(
            engine.clone(),
            info.info_hashes(),
            engine::Content::new(info.geometry().clone()),
        );
        let mut shard = Shard::new(Config::new(engine), now, Rng::from_number(1));
        shard.command(now, Command::Add(Box::new(Added::new(id, info, params))));
        shard.command(now, Command::Torrent(id, engine::Command::Start));
        let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let conn = shard.accept(now, addr).unwrap();
        shard.conns.get_mut(conn).unwrap().stage = Stage::Open(id);
        let (origin, reserved, peer_id) = (Origin::Accepted, Reserved::NONE, PeerId([2; 20]));
        let joined = Input::Connected { conn, addr, origin, reserved, peer_id };
        shard.members.touch(id).unwrap().inform(now, joined);
        shard.queue_bytes(now, conn, vec![0; 2 << 20]);
        let mut why = None;
        loop {
            match shard.poll(now) {
                Output::Wait(..) => break,
                Output::Event(_, Event::Engine(engine::Event::PeerDisconnected { why: end, .. })) => {
                    why = Some(end);
                }
                _ => {}
            }
        }
        assert_eq!(why, Some(Disconnect::Unread));
    }

    #[test]
    fn blocks_of_one_connection_do_not_overtake_each_other() {
        let run = |n| BlockRef { piece: PieceIndex(0), begin: n, len: 1 };
        let [a, b] = [ConnId::new(0, 0), ConnId::new(1, 0)];
        let mut upload = Upload::new(4, Time::ZERO);
        let mut blocks: Vec<Block> = (0..2).map_while(|_| upload.pool.take(1)).collect();
        for (conn, n) in [(a, 0), (a, 1), (b, 0), (b, 1), (b, 2), (a, 2)] {
            upload.line.push_back(Waiting { conn, message: u64::from(n), run: run(n) });
        }
        // The pool is half used and the first connection has its share: the other one takes the rest.
        let mut asked = Vec::new();
        upload.sweep(
            |conn| Some(if conn == a { FAIR_BUFFERS } else { 0 }),
            |conn, run, pool| {
                blocks.extend(pool.take(1));
                asked.push((conn, run.begin));
            },
        );
        assert_eq!(asked, [(b, 0), (b, 1)]);
        // Now everything is free: what was held back comes in its order.
        blocks.drain(..).for_each(|block| upload.pool.give(block));
        asked.clear();
        upload.sweep(|_| Some(0), |conn, run, _| asked.push((conn, run.begin)));
        assert_eq!(asked, [(a, 0), (a, 1), (b, 2), (a, 2)]);
    }
}
