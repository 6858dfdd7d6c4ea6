//! From the socket to the block table.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSliceMut};

use engine::{ConnId, Disconnect, Fault, Input};
use types::{BLOCK_LEN, Time};

use crate::ahead::{self, Ahead, Place, Share};
use crate::conn::{Conn, Stage};
use crate::gates::Gates;
use crate::inbound::Step;
use crate::lanes;
use crate::{Output, Pool, RecvOutcome, Shard};

/// Bytes read beyond the block in arrival, parsed at once.
const SCRATCH: usize = 64 * 1024;

/// Blocks that are hashed although the pass goes on, where they are of enough pieces: 2 MiB. Later they would be out of the
/// caches.
const BATCH: usize = 128;
/// Blocks that are hashed whatever they are of: 6 MiB. Up to there a wide kernel gains more than the caches.
const LARGEST_BATCH: usize = 384;
/// Blocks that a batch may leave for the next one: 4 MiB. With the largest batch on top of them they take 10 MiB, and leave
/// 4 MiB of the default pool for what is with the disk.
const MOST_KEPT: usize = 256;

/// What receiving connections share.
#[derive(Debug)]
pub(crate) struct Receive {
    pub(crate) pool: Pool,
    pub(crate) gates: Gates,
    /// Blocks that came since the last batch.
    pub(crate) fresh: usize,
    scratch: Vec<u8>,
    ahead: Ahead,
    /// Connections that wait for a buffer.
    line: VecDeque<ConnId>,
}

/// How it goes on after bytes were looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// All of them are used.
    On,
    /// There is no buffer: the rest is held.
    Held,
    /// The connection is gone.
    Gone,
}

impl Receive {
    pub(crate) fn new(blocks: usize, now: Time) -> Receive {
        Receive {
            pool: Pool::new(blocks),
            gates: Gates::new(now),
            fresh: 0,
            scratch: vec![0; SCRATCH],
            ahead: Ahead::default(),
            line: VecDeque::new(),
        }
    }
}

impl Shard {
    /// Reads once: `read` fills the offered slices and says how many bytes came, as a socket's vectored read
    /// does. 0 is the end of the stream; `WouldBlock` is an empty socket; `Interrupted` is answered by
    /// [`RecvOutcome::More`], to be tried again.
    pub fn recv(
        &mut self,
        now: Time,
        conn: ConnId,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
    ) -> RecvOutcome {
        match self.conns.get(conn).map(|entry| entry.recv_parked) {
            None => return RecvOutcome::Closed,
            Some(true) => return RecvOutcome::Paused,
            Some(false) => {}
        }
        let outcome = self.work_for(self.torrent_of(conn), |shard| shard.recv_open(now, conn, read));
        if self.has_batch() {
            self.finish_batch(now, MOST_KEPT);
        }
        outcome
    }

    /// Whether what came is enough to be hashed at once.
    fn has_batch(&self) -> bool {
        let fresh = self.receive.fresh;
        fresh >= LARGEST_BATCH || fresh >= BATCH && self.members.touched_pieces() >= lanes::WIDE
    }

    fn recv_open(
        &mut self,
        now: Time,
        conn: ConnId,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
    ) -> RecvOutcome {
        if self.lacks_buffers(conn) {
            return self.park_receiver(conn);
        }
        match self.feed_held(now, conn) {
            Flow::On => self.read_socket(now, conn, read),
            Flow::Held => RecvOutcome::Paused,
            Flow::Gone => RecvOutcome::Closed,
        }
    }

    /// Whether a block that arrives for this connection would find no buffer. While a disk refuses to work
    /// its torrents read on: their blocks are read past.
    fn lacks_buffers(&self, conn: ConnId) -> bool {
        if self.receive.pool.left() > 0 {
            return false;
        }
        match self.conns.get(conn).map(|entry| entry.stage) {
            Some(Stage::Open(id)) => self.members.get(id).is_some_and(|member| !member.disk.in_trouble()),
            _ => false,
        }
    }

    fn park_receiver(&mut self, conn: ConnId) -> RecvOutcome {
        if let Some(entry) = self.conns.get_mut(conn) {
            entry.recv_parked = true;
            self.receive.line.push_back(conn);
        }
        RecvOutcome::Paused
    }

    fn read_socket(
        &mut self,
        now: Time,
        conn: ConnId,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
    ) -> RecvOutcome {
        let Some(entry) = self.conns.get_mut(conn) else { return RecvOutcome::Closed };
        let Receive { gates, scratch, ahead, pool, .. } = &mut self.receive;
        let allowed = gates.allow(now, conn, entry.torrent(), &mut entry.download_turns);
        if allowed == 0 {
            entry.recv_parked = true;
            return RecvOutcome::Paused;
        }
        let torrent = entry.torrent();
        let places = places(entry, allowed, pool);
        let came = match places {
            0 => read_into(entry, allowed, scratch, read),
            _ => read_ahead(entry, places, ahead, pool, read),
        };
        match came {
            Ok((0, 0)) => {
                self.lost(now, conn, Disconnect::ByPeer);
                RecvOutcome::Closed
            }
            Ok((direct, beyond)) => {
                gates.passed(now, torrent, direct + beyond, &mut entry.download_turns);
                let flow = match places {
                    0 => self.feed_scratch(now, conn, beyond),
                    _ => self.feed_ahead(now, conn, beyond),
                };
                match flow {
                    Flow::On => RecvOutcome::More,
                    Flow::Held => RecvOutcome::Paused,
                    Flow::Gone => RecvOutcome::Closed,
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => RecvOutcome::Empty,
            Err(error) if error.kind() == ErrorKind::Interrupted => RecvOutcome::More,
            Err(_) => {
                self.lost(now, conn, Disconnect::Network);
                RecvOutcome::Closed
            }
        }
    }

    fn feed_scratch(&mut self, now: Time, conn: ConnId, bytes: usize) -> Flow {
        let scratch = std::mem::take(&mut self.receive.scratch);
        let flow = self.feed(now, conn, &scratch[..bytes]);
        self.receive.scratch = scratch;
        flow
    }

    /// Looks at what lies in the places ahead.
    fn feed_ahead(&mut self, now: Time, conn: ConnId, bytes: usize) -> Flow {
        let mut ahead = std::mem::take(&mut self.receive.ahead);
        let mut flow = self.feed(now, conn, &[]);
        for (place, share) in ahead.filled(bytes) {
            flow = self.feed_place(now, conn, flow, place, share);
        }
        self.receive.ahead = ahead;
        flow
    }

    /// A whole block that is wanted stays where it is; everything else is bytes like any other.
    fn feed_place(&mut self, now: Time, conn: ConnId, flow: Flow, place: &mut Place, share: Share) -> Flow {
        let Some(entry) = self.conns.get_mut(conn).filter(|_| flow != Flow::Gone) else { return Flow::Gone };
        let (header, payload) = (&place.header[..share.header], &place.block.as_ref()[..share.payload]);
        if flow == Flow::Held {
            [header, payload].into_iter().for_each(|mut bytes| entry.inbound.hold(&mut bytes));
            return Flow::Held;
        }
        let Some(member) = entry.torrent().and_then(|id| self.members.touch(id)) else { return Flow::On };
        let whole = entry.inbound.whole_header(header, &member.limits).filter(|run| run.len == BLOCK_LEN);
        let Some(run) = whole.filter(|_| self.receive.pool.left() > 0) else {
            return match self.feed(now, conn, header) {
                Flow::On => self.feed(now, conn, payload),
                flow => self.feed_place(now, conn, flow, place, Share { header: 0, ..share }),
            };
        };
        if !member.takes(now, conn, run) {
            entry.inbound.skip(run, &mut &*header);
            return self.feed(now, conn, payload);
        }
        let block = place.take(&mut self.receive.pool);
        entry.inbound.take(run, block, &mut &place.header[..]);
        entry.inbound.filled(share.payload);
        self.feed(now, conn, &[])
    }

    fn feed_held(&mut self, now: Time, conn: ConnId) -> Flow {
        match self.conns.get_mut(conn).and_then(|entry| entry.inbound.take_held()) {
            Some(held) => self.feed(now, conn, &held),
            None => Flow::On,
        }
    }

    /// Looks at bytes that came. Where the connection goes through its handshake on the way, the rest of the
    /// bytes are messages.
    pub(crate) fn feed(&mut self, now: Time, conn: ConnId, bytes: &[u8]) -> Flow {
        match self.conns.get(conn).map(|entry| entry.stage) {
            Some(Stage::Open(_)) => self.feed_messages(now, conn, bytes),
            Some(Stage::Handshake(state)) => self.feed_handshake(now, conn, state, bytes),
            None => Flow::Gone,
        }
    }

    fn feed_messages(&mut self, now: Time, conn: ConnId, mut bytes: &[u8]) -> Flow {
        let Some(entry) = self.conns.get_mut(conn) else { return Flow::Gone };
        let Some(member) = entry.torrent().and_then(|id| self.members.touch(id)) else { return Flow::On };
        let Receive { pool, fresh, line, .. } = &mut self.receive;
        loop {
            let legal = match entry.inbound.next(&mut bytes, &member.limits) {
                Ok(Step::More) => return Flow::On,
                Ok(Step::Message(message)) => member.tell(now, Input::Message { conn, message }).is_ok(),
                Ok(Step::Header(_)) if pool.left() == 0 && !member.disk.in_trouble() => {
                    entry.inbound.hold(&mut bytes);
                    entry.recv_parked = true;
                    line.push_back(conn);
                    return Flow::Held;
                }
                Ok(Step::Header(run)) => {
                    if member.takes(now, conn, run) {
                        entry.inbound.take(run, pool.lend(run.len as usize), &mut bytes);
                    } else {
                        entry.inbound.skip(run, &mut bytes);
                    }
                    true
                }
                Ok(Step::Block(run, block)) => {
                    pool.admit();
                    *fresh += 1;
                    self.pass_open = true;
                    member.received(now, conn, run, block, pool);
                    true
                }
                Err(_) => {
                    self.lost(now, conn, Disconnect::Fault(Fault::BadMessage));
                    return Flow::Gone;
                }
            };
            if !legal {
                // The brain has closed it in its own books, with the reason.
                self.forget(conn);
                return Flow::Gone;
            }
        }
    }

    /// Names connections that may read again: as many as there are buffers, and as the rate allows.
    pub(crate) fn resume_receivers(&mut self, now: Time) {
        let mut next = Vec::new();
        for (conn, whose) in self.receive.gates.next(now) {
            if let Some(entry) = self.conns.get_mut(conn) {
                entry.download_turns.begin(whose);
                next.push(conn);
            }
        }
        let Receive { pool, line, .. } = &mut self.receive;
        let buffers = if pool.has_room() { pool.left() } else { 0 };
        next.extend(line.drain(..buffers.min(line.len())));
        for conn in next {
            if let Some(entry) = self.conns.get_mut(conn) {
                entry.recv_parked = false;
                self.outputs.push_back(Output::Resume { conn });
            }
        }
    }
}

/// How many places ahead to offer: none where anything but blocks is to be expected. One buffer is left for the block in
/// arrival.
fn places(entry: &Conn, allowed: usize, pool: &Pool) -> usize {
    if entry.read_limit() < usize::MAX || !entry.inbound.expects_block() {
        return 0;
    }
    Ahead::reach(allowed.saturating_sub(BLOCK_LEN as usize), entry.reach.min(pool.left().saturating_sub(1)))
}

/// Reads into the block in arrival and into so many places for those that follow. Answers as [`read_into`].
fn read_ahead(
    entry: &mut Conn,
    places: usize,
    ahead: &mut Ahead,
    pool: &mut Pool,
    read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
) -> io::Result<(usize, usize)> {
    let mut slices: [IoSliceMut<'_>; ahead::SLICES] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
    let room = entry.inbound.room();
    let direct = room.len();
    slices[0] = IoSliceMut::new(room);
    ahead.offer(places, pool, &mut slices[1..]);
    let first = usize::from(direct == 0);
    let came = read(&mut slices[first..=2 * places])?;
    let placed = came.min(direct);
    entry.inbound.filled(placed);
    let whole = Ahead::whole(came - placed);
    // As many as came, and room to find out whether there are more.
    entry.reach = if whole == places { ahead::MOST.min(2 * places) } else { whole + 2 };
    Ok((placed, came - placed))
}

/// Reads into the block in arrival and what comes after it into the scratch. Answers how much went to either;
/// twice 0 is the end of the stream.
fn read_into(
    entry: &mut Conn,
    allowed: usize,
    scratch: &mut [u8],
    read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
) -> io::Result<(usize, usize)> {
    let limit = entry.read_limit();
    let room = entry.inbound.room();
    let direct = room.len().min(allowed);
    let beyond = scratch.len().min(allowed - direct).min(limit);
    let mut slices = [IoSliceMut::new(&mut room[..direct]), IoSliceMut::new(&mut scratch[..beyond])];
    let offered = match (direct, beyond) {
        (0, _) => &mut slices[1..],
        (_, 0) => &mut slices[..1],
        _ => &mut slices[..],
    };
    let came = read(offered)?.min(direct + beyond);
    let placed = came.min(direct);
    entry.inbound.filled(placed);
    Ok((placed, came - placed))
}
