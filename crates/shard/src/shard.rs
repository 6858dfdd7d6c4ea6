//! One core's torrents, connections and buffers.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use engine::{
    ConnId, Disconnect, Figures, Input, KnownPeer, Lease, Origin, PeerSnapshot, Snapshot, TorrentId, Usage,
    WaitReason,
};
use types::{Bitfield, PieceIndex, Rng, Time};

use crate::conn::{Conn, Stage};
use crate::handshake::State;
use crate::lanes;
use crate::lobby::{Door, Lobby};
use crate::member::Member;
use crate::members::Members;
use crate::receive::Receive;
use crate::table::Table;
use crate::trap::Trap;
use crate::upload::Upload;
use crate::{Added, Command, Output};

/// Idle block buffers that are kept for the next burst (1 MiB).
const IDLE_BLOCKS: usize = 64;

/// Settings of one shard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Settings of its torrents' brains.
    pub engine: Arc<engine::Config>,
    /// Block buffers for arrived data on its way to the disk. Default 896 (14 MiB). Each connection may
    /// hold one more for the block it is receiving, and the shard 32 to read ahead into.
    pub receive_blocks: usize,
    /// Block buffers for data to be sent. Default 1,024 (16 MiB).
    pub send_blocks: usize,
    /// Whether dials wait for [`Shard::allow_dials`]. Default no.
    pub gate_dials: bool,
    /// Whether upload limits count blocks alone: protocol messages neither wait for them nor are counted. Default no.
    pub limit_payload_only: bool,
}

impl Config {
    /// The defaults.
    pub fn new(engine: Arc<engine::Config>) -> Config {
        Config {
            engine,
            receive_blocks: 896,
            send_blocks: 1_024,
            gate_dials: false,
            limit_payload_only: false,
        }
    }
}

/// One core's torrents, connections and buffers. See the crate's front page for its loop.
#[derive(Debug)]
pub struct Shard {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) conns: Table<Conn>,
    pub(crate) members: Members,
    pub(crate) receive: Receive,
    pub(crate) upload: Upload,
    pub(crate) lobby: Lobby,
    pub(crate) outputs: VecDeque<Output>,
    /// Blocks came into memory or writes returned since the pass began.
    pub(crate) pass_open: bool,
}

impl Shard {
    /// A shard without torrents. Rates and connections are unlimited until the first [`Command::Lease`].
    pub fn new(config: Config, now: Time, rng: Rng) -> Shard {
        Shard {
            receive: Receive::new(config.receive_blocks, now),
            upload: Upload::new(config.send_blocks, now),
            lobby: Lobby::new(config.gate_dials),
            config,
            rng,
            conns: Table::new(),
            members: Members::default(),
            outputs: VecDeque::new(),
            pass_open: false,
        }
    }

    /// A connection that was accepted. Err where there is no room for one more handshake: drop the socket.
    ///
    /// Handshakes are bounded in all, 200, and for one host, 100, with few beyond the places of the lease; where the
    /// bound is reached, the longest makes room for a newcomer: of the network with most, of its host with most. Whether there
    /// is a place is decided when the handshake is done: see [`engine::Host`].
    pub fn accept(&mut self, now: Time, addr: SocketAddr) -> Result<ConnId, Disconnect> {
        match self.lobby.door(addr) {
            Door::Open => {}
            Door::Instead(longest) => self.close(now, longest, Disconnect::Full),
            Door::Shut => return Err(Disconnect::Full),
        }
        let deadline = now + self.config.engine.handshake_timeout;
        let conn = self.conns.insert(Conn::new(addr, Origin::Accepted, State::Accepted, deadline));
        self.enter_lobby(conn);
        Ok(conn)
    }

    /// A connection that another shard handed off, with what it had read.
    ///
    /// Err where the lease has no room or the bytes don't lead to a torrent that is here: drop the socket.
    pub fn adopt(&mut self, now: Time, addr: SocketAddr, bytes: &[u8]) -> Result<ConnId, Disconnect> {
        let conn = self.accept(now, addr)?;
        self.adopted(now, conn, bytes)
    }

    /// How many dials wait that the lease has room for; [`Shard::poll`] begins those that are allowed.
    pub fn dials_waiting(&self) -> usize {
        self.lobby.dials_waiting()
    }

    /// Allows so many dials from now on, where [`Config::gate_dials`] says that they have to be allowed. What was allowed
    /// before and not used is not any more.
    pub fn allow_dials(&mut self, dials: usize) {
        self.lobby.allow(dials);
    }

    /// A dialed connection is open.
    pub fn connected(&mut self, now: Time, conn: ConnId) {
        self.work_for(self.torrent_of(conn), |shard| shard.greet(now, conn));
    }

    /// A dialed connection could not be opened.
    pub fn connect_failed(&mut self, now: Time, conn: ConnId) {
        self.lost(now, conn, Disconnect::Network);
    }

    /// A dialed connection could not be opened for want of something of ours, as handles: the address is tried again, and
    /// nothing is held against it.
    pub fn connect_postponed(&mut self, now: Time, conn: ConnId) {
        self.lost(now, conn, Disconnect::Full);
    }

    /// The socket of a connection is lost without a call into it that failed: whatever the connection was about to do,
    /// waiting for buffers included, it is closed.
    pub fn connection_lost(&mut self, now: Time, conn: ConnId) {
        self.lost(now, conn, Disconnect::Network);
    }

    /// The readiness pass is over: hashes what arrived and queues it for the disk.
    pub fn end_pass(&mut self, now: Time) {
        if std::mem::take(&mut self.pass_open) {
            self.finish_batch(now, 0);
        }
    }

    /// Hashes what arrived, judges the pieces that are whole and queues their writes, but for up to `keep` blocks that wait for
    /// others to fill the lanes. The pass has to go on, to its end, for them.
    pub(crate) fn finish_batch(&mut self, now: Time, keep: usize) {
        self.receive.fresh = 0;
        let pool = &mut self.receive.pool;
        let hash = |members: &mut [&mut Member]| {
            let mut pieces: Vec<_> = members.iter_mut().flat_map(|member| member.blocks.touched()).collect();
            lanes::run(&mut pieces, keep);
        };
        self.members.finish_batch(hash, |member| member.settle(now, pool));
    }

    /// The torrent whose work is being done: after a panic in a call of this shard, whose it was. None where
    /// the work was for all of them.
    pub fn at_work(&self) -> Option<TorrentId> {
        self.members.at_work()
    }

    /// Does work that is one torrent's, or nobody's.
    pub(crate) fn work_for<R>(&mut self, whom: Option<TorrentId>, work: impl FnOnce(&mut Shard) -> R) -> R {
        let before = self.members.work_for(whom);
        let result = work(self);
        self.members.work_for(before);
        result
    }

    /// The torrent that a connection belongs to, where that is known.
    pub(crate) fn torrent_of(&self, conn: ConnId) -> Option<TorrentId> {
        self.conns.get(conn).and_then(Conn::torrent)
    }

    /// Makes a torrent's code panic, in a build for tests.
    #[cfg(any(test, feature = "traps"))]
    pub fn set_trap(&mut self, torrent: TorrentId, trap: Trap) {
        let Some(member) = self.members.touch(torrent) else { return };
        member.trap.set(trap);
        self.pass_open = true;
        if trap == Trap::Timer {
            self.members.hurry(torrent);
        }
    }

    /// What the client wants.
    pub fn command(&mut self, now: Time, command: Command) {
        self.work_for(command.torrent(), |shard| shard.obey(now, command));
    }

    fn obey(&mut self, now: Time, command: Command) {
        match command {
            Command::Add(added) => self.add(now, *added),
            Command::Remove(id) => self.remove(now, id),
            Command::Torrent(id, command) => self.command_torrent(now, id, command),
            Command::Content(id, info, content) => {
                if let Some(member) = self.members.touch(id) {
                    member.learn(now, info, content);
                    self.pass_open = true;
                }
            }
            Command::Addresses(id, source, addrs) => {
                if let Some(member) = self.members.touch(id) {
                    member.inform(now, Input::Addresses { source, addrs: &addrs });
                }
            }
            Command::Sync(id) => self.sync(now, id),
            Command::Watch(id, on) => self.watch(id, on),
            Command::Lease(lease) => self.lease(now, lease),
            Command::Rates { id, download, upload } => {
                if self.members.contains(id) {
                    self.receive.gates.set_torrent(id, download, now);
                    self.upload.gates.set_torrent(id, upload, now);
                }
            }
        }
    }

    fn watch(&mut self, id: TorrentId, on: bool) {
        let Some(member) = self.members.touch(id) else { return };
        member.watched = on;
        if on {
            let readable = member.blocks.readable(0..u64::MAX);
            self.outputs.push_back(Output::Event(id, crate::Event::Blocks(readable)));
        }
    }

    fn add(&mut self, now: Time, added: Added) {
        if !self.members.contains(added.id) {
            let rng = self.rng.fork();
            self.members.insert(added, now, rng);
            self.pass_open = true;
        }
    }

    fn command_torrent(&mut self, now: Time, id: TorrentId, command: engine::Command) {
        if self.members.resting(id).is_some_and(|resting| resting.takes(now, &command)) {
            return;
        }
        let Some(member) = self.members.touch(id) else { return };
        member.trap.spring(Trap::Command);
        self.pass_open = true;
        match &command {
            engine::Command::Start => member.retry(now),
            engine::Command::Pause => {
                member.blocks.rest(&mut self.receive.pool);
                self.end_dials(id);
            }
            engine::Command::Have(have) => {
                let given_up = member.replace_have(now, have.clone(), &mut self.receive.pool);
                given_up.into_iter().for_each(|op| self.reclaim(op));
                self.withdraw(now, id);
            }
            _ => {}
        }
        if let Some(member) = self.members.touch(id) {
            member.inform(now, Input::Command(command));
        }
    }

    fn lease(&mut self, now: Time, lease: Lease) {
        self.receive.gates.set_limit(lease.download, now);
        self.upload.gates.set_limit(lease.upload, now);
        self.lobby.set_limit(lease.connections);
        while lease.yields
            && let Some(victim) = self.lobby.surplus().and_then(|crowd| self.least_of(crowd))
        {
            self.close(now, victim, Disconnect::Full);
        }
    }

    /// What to do next; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self, now: Time) -> Output {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            self.work(now);
            if self.outputs.is_empty() {
                let (deadline, why) = self.deadline(now);
                return Output::Wait(deadline, why);
            }
        }
    }

    fn work(&mut self, now: Time) {
        self.pass_open |= self.members.on_timers(now);
        self.end_pass(now);
        self.expire_handshakes(now);
        self.drain_all(now);
        self.dial_waiting(now);
        self.resume_receivers(now);
        self.resume_senders(now);
    }

    fn deadline(&mut self, now: Time) -> (Time, WaitReason) {
        let rate = self.receive.gates.deadline(now).min(self.upload.gates.deadline(now));
        let rest = [(rate, WaitReason::Rate), (self.lobby.deadline(), WaitReason::Peer)];
        rest.into_iter().fold(self.members.deadline(), std::cmp::min)
    }

    /// What each torrent with limits of its own ([`Command::Rates`]) used since the last call. Connections are
    /// not counted.
    pub fn usage_by_torrent(&mut self, now: Time) -> BTreeMap<TorrentId, Usage> {
        let mut all: BTreeMap<TorrentId, Usage> = BTreeMap::new();
        for (id, (rate, wants)) in self.receive.gates.torrents(now) {
            let usage = all.entry(id).or_default();
            (usage.download, usage.wants_download) = (rate, wants);
        }
        for (id, (rate, wants)) in self.upload.gates.torrents(now) {
            let usage = all.entry(id).or_default();
            (usage.upload, usage.wants_upload) = (rate, wants);
        }
        all
    }

    /// What was used since the last call.
    pub fn usage(&mut self, now: Time) -> Usage {
        self.receive.pool.shrink(IDLE_BLOCKS);
        self.upload.pool.shrink(IDLE_BLOCKS);
        let (download, wants_download) = self.receive.gates.usage(now);
        let (upload, wants_upload) = self.upload.gates.usage(now);
        let (connections, handshakes) = (self.lobby.places() as u32, self.lobby.handshakes() as u32);
        let wants_connections = self.lobby.take_wants();
        Usage { download, upload, connections, handshakes, wants_download, wants_upload, wants_connections }
    }

    /// Block buffers that are out now: for arrived data, and for data to be sent. At rest there are none.
    pub fn buffers(&self) -> (usize, usize) {
        (self.receive.pool.out(), self.upload.pool.out())
    }

    /// Bytes of messages in memory: of those that have not come whole, and of those that have not left. Blocks
    /// have their own ([`Shard::buffers`]).
    ///
    /// A connection holds one message of the first kind, within [`types::limits::MESSAGE_LEN`] or the length of
    /// its bitfield, and 1 MiB of the second: one that reads nothing is closed beyond it.
    pub fn messages(&self) -> (usize, usize) {
        let both = |conn: &Conn| (conn.inbound.gathered_len(), conn.outbound.queued());
        let sum = |(a, b): (usize, usize), (c, d): (usize, usize)| (a + c, b + d);
        self.conns.iter().map(both).fold((0, 0), sum)
    }

    /// A torrent at this moment.
    pub fn snapshot(&mut self, now: Time, torrent: TorrentId) -> Option<Snapshot> {
        self.ask(torrent, |member| Some(member.brain.as_mut()?.snapshot(now))).flatten()
    }

    /// Asks something of one torrent.
    fn ask<R>(&mut self, torrent: TorrentId, question: impl FnOnce(&mut Member) -> R) -> Option<R> {
        self.work_for(Some(torrent), |shard| shard.members.look(torrent, question))
    }

    /// The running totals of the torrents that did something since the last call; those at rest cost nothing.
    pub fn figures(&mut self) -> Vec<(TorrentId, Figures)> {
        let news = self.members.take_news();
        news.into_iter().filter_map(|id| Some((id, self.figures_of(id)?))).collect()
    }

    /// The running totals of one torrent.
    pub fn figures_of(&mut self, torrent: TorrentId) -> Option<Figures> {
        self.ask(torrent, |member| Some(member.brain.as_ref()?.figures())).flatten()
    }

    /// A torrent's connections at this moment.
    pub fn peers(&mut self, now: Time, torrent: TorrentId) -> Vec<PeerSnapshot> {
        let peers = |member: &mut Member| member.brain.as_mut().map(|brain| brain.peers(now));
        self.ask(torrent, peers).flatten().unwrap_or_default()
    }

    /// At most so many addresses of a torrent's swarm that are worth another try in a later run, the best
    /// first.
    pub fn addresses(&mut self, torrent: TorrentId, most: usize) -> Vec<SocketAddr> {
        let addresses = |member: &mut Member| member.brain.as_ref().map(|brain| brain.addresses(most));
        self.ask(torrent, addresses).flatten().unwrap_or_default()
    }

    /// At most so many addresses of a torrent's swarm, with what is known of each.
    pub fn known_peers(&mut self, now: Time, torrent: TorrentId, most: usize) -> Vec<KnownPeer> {
        let known = |member: &mut Member| member.brain.as_ref().map(|brain| brain.known_peers(now, most));
        self.ask(torrent, known).flatten().unwrap_or_default()
    }

    /// The blocks of unfinished pieces that are stored, for the resume data: they are hashed again when it is
    /// used.
    pub fn unhashed(&mut self, torrent: TorrentId) -> Vec<(PieceIndex, Bitfield)> {
        self.ask(torrent, |member| member.unhashed()).unwrap_or_default()
    }

    /// Closes a torrent's connections that are not through their handshake, and forgets its dials: the brain,
    /// which rests, counts on none of them.
    fn end_dials(&mut self, id: TorrentId) {
        self.lobby.forget(id);
        let Some(member) = self.members.get(id) else { return };
        let opening = |conn: &ConnId| self.conns.get(*conn).is_some_and(Conn::is_opening);
        let opening: Vec<ConnId> = member.conns.iter().copied().filter(opening).collect();
        for conn in opening {
            self.forget(conn);
            self.outputs.push_back(Output::Close { conn });
        }
    }

    /// Takes a connection out of all books and its buffers back.
    pub(crate) fn forget(&mut self, id: ConnId) -> Option<Conn> {
        let mut conn = self.conns.remove(id)?;
        conn.inbound.clear(&mut self.receive.pool);
        conn.outbound.clear(&mut self.upload.pool);
        self.lobby.leave(conn.guest(id));
        if let Some(member) = conn.torrent().and_then(|torrent| self.members.get_mut(torrent)) {
            member.conns.remove(&id);
        }
        Some(conn)
    }

    /// A connection is gone: forgets it and tells the brain.
    pub(crate) fn lost(&mut self, now: Time, id: ConnId, why: Disconnect) {
        let torrent = self.torrent_of(id);
        self.work_for(torrent, |shard| {
            let Some(conn) = shard.forget(id) else { return };
            let Some(member) = torrent.and_then(|torrent| shard.members.touch(torrent)) else { return };
            match conn.stage {
                Stage::Open(_) => member.inform(now, Input::Closed { conn: id, why }),
                Stage::Handshake(State::Answered(_) | State::Ourselves(_) | State::Accepted) => {}
                Stage::Handshake(_) => member.inform(now, Input::DialFailed { addr: conn.addr, why }),
            }
        });
    }

    /// Closes a connection of our own accord and tells the brain.
    pub(crate) fn close(&mut self, now: Time, conn: ConnId, why: Disconnect) {
        self.lost(now, conn, why);
        self.outputs.push_back(Output::Close { conn });
    }
}
