//! Shards joined by pipes in memory, over disks in memory, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use engine::{ConnId, DiskTrouble, TorrentId};
use metainfo::Info;
use riverrun_shard::{
    Added, Command, Config, DiskDone, DiskError, DiskOp, DiskRequest, Event, Output, Part, RecvOutcome,
    SendError, SendOutcome, Shard,
};
use types::{Bitfield, PeerId, PeerSource, Rng, Time};

pub(crate) const TORRENT: TorrentId = TorrentId(1);
/// What a pipe holds of bytes that nobody has read yet.
const PIPE: usize = 200_000;

/// Reads and writes of one connection in one pass.
const READS: usize = 3;

/// One shard with its disk and the ends of its pipes.
pub(crate) struct Node {
    pub(crate) shard: Shard,
    pub(crate) addr: SocketAddr,
    pub(crate) disk: Vec<u8>,
    pub(crate) events: Vec<Event>,
    pub(crate) read_backs: usize,
    pub(crate) writes: usize,
    /// The disk refuses everything, or writes only, until then.
    pub(crate) broken_until: Time,
    pub(crate) can_read: bool,
    /// Reads that touch these bytes fail.
    pub(crate) unreadable: Range<u64>,
    /// So many syncs fail.
    pub(crate) failing_syncs: usize,
    /// Syncs that failed, and writes before the last of them. Of each block, how many writes there had been.
    pub(crate) failed_syncs: usize,
    pub(crate) lost_before: usize,
    pub(crate) written_as: BTreeMap<u64, usize>,
    pub(crate) refused: usize,
    /// It sends blocks from its disk, of which one in so many is found not to be in memory; 0 for none.
    pub(crate) in_place: Option<u32>,
    /// Blocks that its disk was asked for by peers.
    pub(crate) reads: usize,
    pub(crate) trace: Vec<String>,
    pub(crate) ends: BTreeMap<ConnId, End>,
    work: Vec<(Time, DiskRequest)>,
    wait: Time,
}

/// One end of a pipe: which one, which side, and what the shard is waiting for there.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pipe: usize,
    side: usize,
    reads: bool,
    writes: bool,
}

/// Bytes under way to either side.
#[derive(Default)]
struct Pipe {
    to: [VecDeque<u8>; 2],
    closed: bool,
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    pipes: Vec<Pipe>,
    /// Disks answer after up to so long.
    pub(crate) disk_delay: Duration,
}

/// The bytes of parts, up to the first of which some are `missing`.
fn in_memory(
    parts: &[Part<'_>],
    disk: &[u8],
    mut missing: impl FnMut(Range<u64>) -> bool,
) -> Result<Vec<u8>, SendError> {
    let mut bytes = Vec::new();
    for part in parts {
        match *part {
            Part::Bytes(part) => bytes.extend_from_slice(part),
            Part::Stored { offset, len, .. } if missing(offset..offset + len.max(1) as u64) => break,
            Part::Stored { header, offset, len, .. } => {
                bytes.extend_from_slice(header);
                bytes.extend_from_slice(&disk[offset as usize..][..len]);
            }
        }
    }
    if bytes.is_empty() { Err(SendError::NotInMemory) } else { Ok(bytes) }
}

fn conn_error() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World {
            nodes: Vec::new(),
            now: Time::from_secs(1),
            rng: Rng::from_number(seed),
            pipes: Vec::new(),
            disk_delay: Duration::from_millis(3),
        }
    }

    /// A node with a torrent of which it has all (`disk` is the payload) or nothing. Pools of `blocks`
    /// buffers.
    pub(crate) fn add(&mut self, info: &Arc<Info>, disk: Option<&[u8]>, blocks: usize) -> usize {
        self.add_with(info, disk, blocks, |params| {
            if disk.is_some() {
                params.have = Bitfield::full(info.geometry().pieces());
            }
        })
    }

    /// A node with a torrent that begins as `setup` says.
    pub(crate) fn add_with(
        &mut self,
        info: &Arc<Info>,
        disk: Option<&[u8]>,
        blocks: usize,
        setup: impl FnOnce(&mut engine::Content),
    ) -> usize {
        let n = self.nodes.len();
        let mut engine = engine::Config::new(PeerId([n as u8 + 1; 20]));
        // Who knows whom is the test's to say.
        engine.pex = false;
        let engine = Arc::new(engine);
        let mut config = Config::new(engine.clone());
        (config.receive_blocks, config.send_blocks) = (blocks, blocks);
        let mut shard = Shard::new(config, self.now, self.rng.fork());
        let mut content = engine::Content::new(info.geometry().clone());
        let total = info.geometry().total_len() as usize;
        setup(&mut content);
        let params = engine::Params::new(engine, info.info_hashes(), content);
        shard.command(self.now, Command::Add(Box::new(Added::new(TORRENT, info.clone(), params))));
        shard.command(self.now, Command::Torrent(TORRENT, engine::Command::Start));
        self.nodes.push(Node {
            shard,
            addr: SocketAddr::from(([127, 0, 0, n as u8 + 1], 6881)),
            disk: disk.map_or_else(|| vec![0; total], <[u8]>::to_vec),
            events: Vec::new(),
            read_backs: 0,
            writes: 0,
            broken_until: Time::ZERO,
            can_read: true,
            unreadable: 0..0,
            failing_syncs: 0,
            failed_syncs: 0,
            lost_before: 0,
            written_as: BTreeMap::new(),
            refused: 0,
            in_place: None,
            reads: 0,
            trace: Vec::new(),
            ends: BTreeMap::new(),
            work: Vec::new(),
            wait: Time::ZERO,
        });
        n
    }

    /// Tells `from` where `to` is.
    pub(crate) fn introduce(&mut self, from: usize, to: usize) {
        let addrs = vec![self.nodes[to].addr];
        let command = Command::Addresses(TORRENT, PeerSource::Manual, addrs);
        self.nodes[from].shard.command(self.now, command);
    }

    pub(crate) fn has_event(&self, node: usize, wanted: impl Fn(&Event) -> bool) -> bool {
        self.nodes[node].events.iter().any(wanted)
    }

    pub(crate) fn is_complete(&self, node: usize) -> bool {
        self.has_event(node, |event| matches!(event, Event::Engine(engine::Event::Completed)))
    }

    /// Runs until `done`, for at most `limit` of virtual time. True where it was reached.
    pub(crate) fn run(&mut self, limit: Duration, done: impl Fn(&World) -> bool) -> bool {
        let end = self.now + limit;
        while !done(self) {
            if self.now > end {
                return false;
            }
            let moved = (0..self.nodes.len()).filter(|&n| self.step(n)).count() > 0;
            let next = self.nodes.iter().map(|node| {
                let disk = node.work.iter().map(|(due, _)| *due).min().unwrap_or(Time::NEVER);
                node.wait.min(disk)
            });
            let next = next.min().unwrap_or(Time::NEVER);
            let soon = self.now + Duration::from_micros(200);
            self.now = if moved { soon } else { next.max(soon).min(end + Duration::from_secs(1)) };
        }
        true
    }

    /// One pass of a node's loop. True where anything moved.
    fn step(&mut self, n: usize) -> bool {
        let mut moved = self.read_all(n);
        moved |= self.write_all(n);
        moved |= self.disk_work(n);
        self.nodes[n].shard.end_pass(self.now);
        loop {
            let output = self.nodes[n].shard.poll(self.now);
            if let Output::Wait(at, _) = output {
                self.nodes[n].wait = at;
                return moved;
            }
            moved = true;
            self.nodes[n].trace.push(format!("{:?} {output:?}", self.now));
            self.carry_out(n, output);
        }
    }

    fn read_all(&mut self, n: usize) -> bool {
        let mut moved = false;
        let conns: Vec<ConnId> = self.nodes[n].ends.keys().copied().collect();
        for conn in conns {
            for _ in 0..READS {
                let Some(end) = self.nodes[n].ends.get(&conn).copied().filter(|end| end.reads) else { break };
                let pipe = &mut self.pipes[end.pipe];
                let most = 1 + self.rng.below(100_000);
                let from = &mut pipe.to[end.side];
                let closed = pipe.closed;
                let outcome = self.nodes[n].shard.recv(self.now, conn, |slices| {
                    if from.is_empty() {
                        return if closed { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
                    }
                    let mut came = 0;
                    for slice in slices {
                        let len = slice.len().min(from.len()).min(most - came);
                        from.drain(..len).zip(slice.iter_mut()).for_each(|(byte, to)| *to = byte);
                        came += len;
                    }
                    Ok(came)
                });
                match outcome {
                    RecvOutcome::More => moved = true,
                    RecvOutcome::Empty => break,
                    RecvOutcome::Paused => {
                        if let Some(end) = self.nodes[n].ends.get_mut(&conn) {
                            end.reads = false;
                        }
                    }
                    RecvOutcome::Closed => self.drop_end(n, conn),
                }
            }
        }
        moved
    }

    fn write_all(&mut self, n: usize) -> bool {
        let mut moved = false;
        let conns: Vec<ConnId> = self.nodes[n].ends.keys().copied().collect();
        for conn in conns {
            for _ in 0..READS {
                let Some(end) = self.nodes[n].ends.get(&conn).copied().filter(|end| end.writes) else {
                    break;
                };
                let pipe = &mut self.pipes[end.pipe];
                let most = 1 + self.rng.below(100_000);
                let to = &mut pipe.to[1 - end.side];
                let closed = pipe.closed;
                let room = match (closed, (PIPE - to.len()).min(most)) {
                    (true, _) => Err(conn_error()),
                    (_, 0) => Err(io::ErrorKind::WouldBlock.into()),
                    (_, room) => Ok(room),
                };
                let Node { shard, disk, in_place, unreadable, .. } = &mut self.nodes[n];
                let before = to.len();
                let outcome = match *in_place {
                    None => shard.send(self.now, conn, |slices| {
                        to.extend(slices.iter().flat_map(|slice| slice.iter()).take(room?));
                        Ok(to.len() - before)
                    }),
                    Some(odds) => {
                        let rng = &mut self.rng;
                        let missing = |at: Range<u64>| {
                            odds > 0 && rng.one_in(odds)
                                || at.start < unreadable.end && at.end > unreadable.start
                        };
                        shard.send_parts(self.now, conn, |parts| {
                            let bytes = in_memory(parts, disk, missing)?;
                            to.extend(bytes.into_iter().take(room.map_err(SendError::Socket)?));
                            Ok(to.len() - before)
                        })
                    }
                };
                match outcome {
                    SendOutcome::More => moved = true,
                    SendOutcome::Full => break,
                    SendOutcome::Idle | SendOutcome::Paused => {
                        moved |= outcome == SendOutcome::Idle;
                        if let Some(end) = self.nodes[n].ends.get_mut(&conn) {
                            end.writes = false;
                        }
                    }
                    SendOutcome::Closed => self.drop_end(n, conn),
                }
            }
        }
        moved
    }

    fn drop_end(&mut self, n: usize, conn: ConnId) {
        if let Some(end) = self.nodes[n].ends.remove(&conn) {
            self.pipes[end.pipe].closed = true;
        }
    }

    fn disk_work(&mut self, n: usize) -> bool {
        let now = self.now;
        let node = &mut self.nodes[n];
        let (due, rest) = std::mem::take(&mut node.work).into_iter().partition(|(due, _)| due.is_due(now));
        node.work = rest;
        let mut due: Vec<(Time, DiskRequest)> = due;
        self.rng.shuffle(&mut due);
        let moved = !due.is_empty();
        for (_, DiskRequest { torrent, mut op }) in due {
            let result = node.carry_out(now, &mut op);
            node.shard.disk_done(now, DiskDone { torrent, op, result });
        }
        moved
    }

    fn carry_out(&mut self, n: usize, output: Output) {
        match output {
            Output::Dial { conn, addr, .. } => self.dial(n, conn, addr),
            Output::Close { conn } => self.drop_end(n, conn),
            Output::Handoff { conn, .. } => self.drop_end(n, conn),
            Output::WantSend { conn } => {
                self.nodes[n].ends.entry(conn).and_modify(|end| end.writes = true);
            }
            Output::Resume { conn } => {
                self.nodes[n].ends.entry(conn).and_modify(|end| end.reads = true);
            }
            Output::Disk(request) => {
                let is_read = matches!(request.op, DiskOp::Read { conn: Some(_), .. });
                self.nodes[n].reads += usize::from(is_read);
                let delay = self.disk_delay.mul_f64(self.rng.fraction());
                self.nodes[n].work.push((self.now + delay, request));
            }
            Output::Event(_, event) => self.nodes[n].events.push(event),
            other => panic!("{other:?}"),
        }
    }

    fn dial(&mut self, n: usize, conn: ConnId, addr: SocketAddr) {
        let (now, from) = (self.now, self.nodes[n].addr);
        let target = self.nodes.iter().position(|node| node.addr == addr);
        let accepted = target.and_then(|to| Some((to, self.nodes[to].shard.accept(now, from).ok()?)));
        let Some((to, other)) = accepted else {
            return self.nodes[n].shard.connect_failed(now, conn);
        };
        let pipe = self.pipes.len();
        self.pipes.push(Pipe::default());
        let end = |side| End { pipe, side, reads: true, writes: false };
        self.nodes[n].ends.insert(conn, end(0));
        self.nodes[to].ends.insert(other, end(1));
        self.nodes[n].shard.connected(now, conn);
    }
}

impl Node {
    fn carry_out(&mut self, now: Time, op: &mut DiskOp) -> Result<(), DiskError> {
        let broken = now < self.broken_until;
        let (refuses, code) = match op {
            DiskOp::Read { offset, block, .. } => {
                let end = *offset + block.len() as u64;
                let bad = *offset < self.unreadable.end && self.unreadable.start < end;
                (bad || broken && !self.can_read, "not_found")
            }
            DiskOp::Sync { .. } if self.failing_syncs > 0 => {
                self.failing_syncs -= 1;
                (self.failed_syncs, self.lost_before) = (self.failed_syncs + 1, self.writes);
                (true, "io")
            }
            DiskOp::Sync { .. } => (false, "io"),
            _ => (broken, "disk_full"),
        };
        if refuses {
            self.refused += 1;
            return Err(DiskError { trouble: DiskTrouble { code, message: "`file` is refused".into() } });
        }
        match op {
            DiskOp::Write { offset, blocks } => {
                let mut at = *offset as usize;
                for block in blocks {
                    self.disk[at..at + block.len()].copy_from_slice(block.as_ref());
                    self.written_as.insert(at as u64, self.writes);
                    at += block.len();
                    self.writes += 1;
                }
            }
            DiskOp::Read { offset, block, conn } => {
                let (at, len) = (*offset as usize, block.len());
                block.as_mut().copy_from_slice(&self.disk[at..at + len]);
                self.read_backs += usize::from(conn.is_none());
            }
            _ => {}
        }
        Ok(())
    }
}
