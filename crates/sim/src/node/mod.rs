//! A host that runs the real engine: its lives, its disk, its resume data.

mod pass;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use engine::{ConnId, Params, Snapshot, TorrentId, UploadMode};
use shard::{Added, Command, DiskDone, Shard};
use types::{Bitfield, PeerId, PeerSource, PieceIndex, Rng, Time};

use crate::disk::{Disk, DiskSpec};
use crate::inspect::Inspector;
use crate::net::{self, Net, Notice, Sock};
use crate::payload::Payload;
use crate::queue::{Event, HostId, Queue};
use crate::trace::Trace;

/// The one torrent of the world.
pub(crate) const TORRENT: TorrentId = TorrentId(0);

/// How a node is set up.
#[derive(Clone, Debug)]
pub(crate) struct NodeSpec {
    pub(crate) disk: DiskSpec,
    /// Whether it begins with the whole payload.
    pub(crate) seed: bool,
    /// Pieces it begins with besides, by number and of how many.
    pub(crate) has: fn(u32, u32) -> bool,
    /// Pieces it wants.
    pub(crate) wanted: fn(u32, u32) -> bool,
    /// Whether it serves peers.
    pub(crate) upload: UploadMode,
    /// Whether it gives each piece to one peer first, as a seed (BEP 16).
    pub(crate) super_seeding: bool,
    /// Shards; connections are accepted on any, the torrent lives on the first.
    pub(crate) shards: usize,
    pub(crate) receive_blocks: usize,
    pub(crate) send_blocks: usize,
    /// Whether it wants the payload, or only what readers demand.
    pub(crate) wants: bool,
    /// Changes to the engine's settings.
    pub(crate) tune: fn(&mut engine::Config),
    pub(crate) lease: Option<engine::Lease>,
    /// Whether it begins with the torrent's name alone.
    pub(crate) magnet: bool,
}

impl Default for NodeSpec {
    fn default() -> NodeSpec {
        NodeSpec {
            disk: DiskSpec::default(),
            seed: false,
            has: |_, _| false,
            wanted: |_, _| true,
            upload: UploadMode::Seed,
            super_seeding: false,
            shards: 1,
            receive_blocks: 256,
            send_blocks: 128,
            wants: true,
            tune: |_| {},
            lease: None,
            magnet: false,
        }
    }
}

/// What survives the end of a process, as `riverrun` saves it: durable pieces as claims, unhashed blocks as hints.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    pub(crate) have: Bitfield,
    unhashed: Vec<(PieceIndex, Bitfield)>,
}

/// What was counted over all lives.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Totals {
    pub(crate) downloaded: u64,
    pub(crate) wasted: u64,
    pub(crate) uploaded: u64,
    pub(crate) passes: u64,
}

/// What a node needs of the world to act.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Time,
    pub(crate) net: &'a mut Net,
    pub(crate) queue: &'a mut Queue,
    pub(crate) payload: &'a Payload,
    pub(crate) trace: &'a mut Trace,
}

/// A host that runs the engine.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: HostId,
    spec: NodeSpec,
    pub(crate) disk: Disk,
    pub(crate) resume: Resume,
    rng: Rng,
    /// How often it was started.
    pub(crate) life: u32,
    running: Option<Running>,
    pub(crate) totals: Totals,
    pub(crate) log: Log,
}

/// What a node's events said.
#[derive(Default, Debug)]
pub(crate) struct Log {
    pub(crate) completed_at: Option<Time>,
    /// When the metadata had come.
    pub(crate) metadata_at: Option<Time>,
    /// Addresses that were banned, and when.
    pub(crate) bans: Vec<(SocketAddr, Time)>,
    pub(crate) failed_pieces: u32,
    pub(crate) troubles: u32,
    pub(crate) recoveries: u32,
    /// Pieces whose data came into doubt.
    pub(crate) doubts: u32,
}

/// One life.
#[derive(Debug)]
struct Running {
    shards: Vec<Shard>,
    /// What it claimed when it began.
    claimed: Bitfield,
    seats: BTreeMap<Sock, Seat>,
    socks: BTreeMap<(usize, ConnId), Sock>,
    readable: BTreeSet<Sock>,
    writable: BTreeSet<Sock>,
    done: Vec<DiskDone>,
    wake_at: Time,
    /// Passes in a row that asked to be woken at once.
    spins: u32,
    /// Payload bytes served on connections that are gone.
    served: u64,
}

/// A socket and the connection it belongs to.
#[derive(Debug)]
struct Seat {
    shard: usize,
    conn: ConnId,
    addr: SocketAddr,
    open: bool,
    recv_paused: bool,
    send_paused: bool,
    inspector: Inspector,
}

impl Node {
    pub(crate) fn new(id: HostId, spec: NodeSpec, payload: &Arc<Payload>, mut rng: Rng) -> Node {
        let mut disk = Disk::new(spec.disk.clone(), payload, rng.fork());
        let pieces = payload.info.geometry().pieces();
        let mut have = Bitfield::new(pieces);
        (0..pieces)
            .filter(|piece| spec.seed || (spec.has)(*piece, pieces))
            .for_each(|piece| _ = have.insert(piece));
        match have.is_full() {
            true => disk.fill(payload),
            false => disk.fill_part(payload, &have),
        }
        let mut log = Log::default();
        let missing = (0..pieces).any(|piece| (spec.wanted)(piece, pieces) && !have.get(piece));
        if !missing && spec.wants {
            log.completed_at = Some(Time::ZERO);
        }
        let resume = Resume { have, unhashed: Vec::new() };
        Node { id, spec, disk, resume, rng, life: 0, running: None, totals: Totals::default(), log }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What its engine calls itself: the same over all lives would be wrong, as a client draws it anew.
    fn peer_id(&mut self) -> PeerId {
        PeerId::new(types::PEER_ID_PREFIX.as_bytes(), self.rng.bytes())
    }

    fn shard_config(&mut self) -> shard::Config {
        let mut engine = engine::Config::new(self.peer_id());
        engine.listen_port = Some(net::PORT);
        (self.spec.tune)(&mut engine);
        let mut config = shard::Config::new(Arc::new(engine));
        config.receive_blocks = self.spec.receive_blocks;
        config.send_blocks = self.spec.send_blocks;
        config
    }

    /// What is known of the torrent, from the resume data.
    fn content(&self, info: &metainfo::Info) -> engine::Content {
        let mut content = engine::Content::new(info.geometry().clone());
        content.have = self.resume.have.clone();
        let pieces = content.wanted.len();
        let unwanted = (0..pieces).filter(|piece| !self.spec.wants || !(self.spec.wanted)(*piece, pieces));
        unwanted.for_each(|piece| _ = content.wanted.remove(piece));
        content.unhashed =
            self.resume.unhashed.iter().filter(|(p, _)| !content.have.get(p.0)).cloned().collect();
        content.private = info.is_private();
        content.info = Some(info.shared_raw());
        content
    }

    /// Begins a life from the resume data.
    ///
    /// # Errors
    /// The resume data claims a piece that the disk does not have.
    pub(crate) fn start(&mut self, ctx: &mut Ctx<'_>) -> Result<(), String> {
        if self.running.is_some() {
            return Ok(());
        }
        self.check_claims(ctx.payload)?;
        self.life += 1;
        let config = self.shard_config();
        let info = ctx.payload.info.clone();
        let added = if self.spec.magnet && self.log.metadata_at.is_none() {
            let mut params = Params::magnet(config.engine.clone(), info.info_hashes());
            params.discreet = info.is_private();
            Added::magnet(TORRENT, params)
        } else {
            let mut params = Params::new(config.engine.clone(), info.info_hashes(), self.content(&info));
            (params.upload, params.super_seeding) = (self.spec.upload, self.spec.super_seeding);
            Added::new(TORRENT, info, params)
        };
        let mut shards: Vec<Shard> = (0..self.spec.shards.max(1))
            .map(|_| Shard::new(config.clone(), ctx.now, self.rng.fork()))
            .collect();
        for shard in &mut shards {
            if let Some(lease) = self.spec.lease {
                shard.command(ctx.now, Command::Lease(lease));
            }
        }
        shards[0].command(ctx.now, Command::Add(Box::new(added)));
        shards[0].command(ctx.now, Command::Torrent(TORRENT, engine::Command::Start));
        self.running = Some(Running {
            shards,
            claimed: self.resume.have.clone(),
            seats: BTreeMap::new(),
            socks: BTreeMap::new(),
            readable: BTreeSet::new(),
            writable: BTreeSet::new(),
            done: Vec::new(),
            wake_at: Time::NEVER,
            spins: 0,
            served: 0,
        });
        ctx.trace.event(ctx.now, "start", self.id.0, self.life.into(), self.resume.have.count().into());
        ctx.queue.push(ctx.now, Event::Announce(self.id, self.life));
        self.wake(ctx.queue, ctx.now);
        Ok(())
    }

    fn check_claims(&mut self, payload: &Payload) -> Result<(), String> {
        let rotten = self.disk.rotten.clone();
        let claims: Vec<u32> = self.resume.have.ones().filter(|piece| !rotten.get(*piece)).collect();
        match claims.into_iter().find(|piece| !self.disk.is_right(PieceIndex(*piece), payload)) {
            Some(bad) => Err(format!("resume data claims piece {bad}, which is not on the disk")),
            None => Ok(()),
        }
    }

    /// Ends a life. Without power, writes that were not synced may be lost and nobody is told.
    pub(crate) fn kill(&mut self, ctx: &mut Ctx<'_>, power: bool) {
        self.count(ctx.now);
        if self.running.take().is_none() {
            return;
        }
        ctx.trace.event(ctx.now, "kill", self.id.0, self.life.into(), power.into());
        ctx.net.abandon(ctx.now, ctx.queue, self.id, power);
        if power { self.disk.crash() } else { self.disk.kill() }
    }

    /// Adds what this life has moved to the totals.
    fn count(&mut self, now: Time) {
        let Some(snapshot) = self.snapshot(now) else { return };
        self.totals.downloaded += snapshot.downloaded;
        self.totals.wasted += snapshot.wasted;
        self.totals.uploaded += snapshot.uploaded;
    }

    /// The totals, the present life included.
    pub(crate) fn totals(&mut self, now: Time) -> Totals {
        let mut all = self.totals;
        if let Some(snapshot) = self.snapshot(now) {
            all.downloaded += snapshot.downloaded;
            all.wasted += snapshot.wasted;
            all.uploaded += snapshot.uploaded;
        }
        all
    }

    pub(crate) fn snapshot(&mut self, now: Time) -> Option<Snapshot> {
        self.running.as_mut()?.shards[0].snapshot(now, TORRENT)
    }

    pub(crate) fn peers(&mut self, now: Time) -> Vec<engine::PeerSnapshot> {
        self.running.as_mut().map(|run| run.shards[0].peers(now, TORRENT)).unwrap_or_default()
    }

    /// Addresses of the swarm.
    pub(crate) fn addresses(&mut self, now: Time, queue: &mut Queue, addrs: Vec<SocketAddr>) {
        if let Some(run) = &mut self.running {
            run.shards[0].command(now, Command::Addresses(TORRENT, PeerSource::Tracker, addrs));
        }
        self.wake(queue, now);
    }

    /// What its user wants.
    pub(crate) fn command(&mut self, now: Time, queue: &mut Queue, command: engine::Command) {
        if let Some(run) = &mut self.running {
            run.shards[0].command(now, Command::Torrent(TORRENT, command));
        }
        self.wake(queue, now);
    }

    /// What it may use from now on.
    pub(crate) fn lease(&mut self, now: Time, queue: &mut Queue, lease: engine::Lease) {
        if let Some(run) = &mut self.running {
            run.shards.iter_mut().for_each(|shard| shard.command(now, Command::Lease(lease)));
        }
        self.wake(queue, now);
    }

    /// Plans a pass, unless an earlier one is planned.
    pub(crate) fn wake(&mut self, queue: &mut Queue, at: Time) {
        if let Some(run) = &mut self.running
            && at < run.wake_at
        {
            run.wake_at = at;
            queue.push(at, Event::Wake(self.id));
        }
    }

    /// Whether a planned pass is still wanted.
    pub(crate) fn woken(&mut self, now: Time) -> bool {
        let Some(run) = &mut self.running else { return false };
        let due = run.wake_at == now;
        if due {
            run.wake_at = Time::NEVER;
        }
        due
    }

    /// Disk work of this life has ended.
    pub(crate) fn disk_done(&mut self, life: u32, number: u64) {
        if life == self.life
            && let Some(run) = &mut self.running
        {
            run.done.extend(self.disk.finish(number));
        }
    }

    /// Something happened at one of its sockets.
    pub(crate) fn notice(&mut self, ctx: &mut Ctx<'_>, notice: Notice) {
        let Some(run) = &mut self.running else {
            if let Notice::Incoming(sock, _) = notice {
                ctx.net.close(ctx.now, ctx.queue, sock);
            }
            return;
        };
        match notice {
            Notice::Incoming(sock, addr) => {
                let shard = self.rng.below(run.shards.len());
                match run.shards[shard].accept(ctx.now, addr) {
                    Ok(conn) => run.seat(sock, shard, conn, addr, true, ctx.payload),
                    Err(_) => ctx.net.close(ctx.now, ctx.queue, sock),
                }
            }
            Notice::Opened(sock) => {
                if let Some(seat) = run.seats.get_mut(&sock) {
                    seat.open = true;
                    run.shards[seat.shard].connected(ctx.now, seat.conn);
                }
            }
            Notice::Failed(sock) => {
                if let Some(seat) = run.leave(sock) {
                    run.shards[seat.shard].connect_failed(ctx.now, seat.conn);
                }
            }
            Notice::Readable(sock) => {
                if run.seats.get(&sock).is_some_and(|seat| seat.open && !seat.recv_paused) {
                    run.readable.insert(sock);
                }
            }
            Notice::Writable(sock) => {
                if run.seats.get(&sock).is_some_and(|seat| seat.open && !seat.send_paused) {
                    run.writable.insert(sock);
                }
            }
        }
    }
}

impl Running {
    fn seat(
        &mut self,
        sock: Sock,
        shard: usize,
        conn: ConnId,
        addr: SocketAddr,
        open: bool,
        payload: &Payload,
    ) {
        let inspector = Inspector::new(payload.info.geometry().pieces());
        let seat = Seat { shard, conn, addr, open, recv_paused: false, send_paused: false, inspector };
        self.seats.insert(sock, seat);
        self.socks.insert((shard, conn), sock);
    }

    /// Forgets a socket.
    fn leave(&mut self, sock: Sock) -> Option<Seat> {
        let seat = self.seats.remove(&sock)?;
        self.socks.remove(&(seat.shard, seat.conn));
        self.readable.remove(&sock);
        self.writable.remove(&sock);
        self.served += seat.inspector.served;
        Some(seat)
    }

    /// Payload bytes of whole blocks that left in this life.
    fn served(&self) -> u64 {
        self.served + self.seats.values().map(|seat| seat.inspector.served).sum::<u64>()
    }
}
