//! The brain of one torrent: who is in, what happened, what to do next.
//!
//! `messages` and `extended` read the peers, `fetch` asks them for blocks and `urgent` for what readers wait
//! for, `serve` answers them, `suspects` remembers who may have lied, `upkeep` does what time demands. This
//! file owns the table of peers and the queue of outputs.

mod address;
mod content;
mod endgame;
mod exchange;
mod extended;
mod fetch;
mod holepunch;
mod losing;
mod messages;
mod metadata;
mod serve;
mod share;
mod sources;
mod superseed;
mod suspects;
mod turnover;
mod upkeep;
mod urgent;

pub use turnover::Worth;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use metainfo::Mismatch;
use types::{Bitfield, BlockRef, Geometry, InfoHashes, PeerId, PieceIndex, Rng, SharedBytes, Time};
use wire::{Message, Reserved};

use crate::book::{self, Book};
use crate::choker::Choker;
use crate::extension::Meetings;
use crate::extension::metadata::Fetch;
use crate::peer::{Interest, Peer, Who};
use crate::picker::Picker;
use crate::share::Share;
use crate::superseed::SuperSeed;
use crate::votes::Votes;
use crate::{
    Arrival, Command, Config, ConnId, Disconnect, DiskTrouble, Event, Fault, Figures, Input, Origin, Output,
    PeerSnapshot, Phase, Snapshot, Speed, UploadMode, Waste,
};

/// What a torrent's brain begins with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Params {
    /// Settings.
    pub config: Arc<Config>,
    /// The torrent's names.
    pub hashes: InfoHashes,
    /// What it is about, where that is known. Without it the torrent lives in its swarm and fetches the info
    /// dictionary (BEP 9): [`Event::Metadata`], [`Command::Content`].
    pub content: Option<Content>,
    /// Whether peers are served. Default while downloading and as a seed.
    pub upload: UploadMode,
    /// Whether, as a seed, it looks as if it had nothing and gives each piece to one peer first (BEP 16).
    /// Default no.
    pub super_seeding: bool,
    /// Whether, as long as its content is not known, it may turn out to be private: until then peers are not to learn of
    /// each other through us (BEP 27). Default no.
    pub discreet: bool,
}

/// What a torrent is about: known from the start, or learned from its swarm.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Content {
    /// How its payload is cut.
    pub geometry: Geometry,
    /// Pieces that are verified and stored.
    pub have: Bitfield,
    /// Pieces to be had; verified ones may be among them.
    pub wanted: Bitfield,
    /// Blocks that lie stored and unhashed from an earlier run: the data path hashes them again before they
    /// count.
    pub unhashed: Vec<(PieceIndex, Bitfield)>,
    /// Whether it is private (BEP 27).
    pub private: bool,
    /// The bytes of the info dictionary, to be served (BEP 9). None where they are not to be.
    pub info: Option<SharedBytes>,
}

impl Content {
    /// A payload of which nothing is here and everything is wanted.
    pub fn new(geometry: Geometry) -> Content {
        let have = Bitfield::new(geometry.pieces());
        let wanted = Bitfield::full(geometry.pieces());
        Content { geometry, have, wanted, unhashed: Vec::new(), private: false, info: None }
    }
}

impl Params {
    /// A torrent with this content.
    pub fn new(config: Arc<Config>, hashes: InfoHashes, content: Content) -> Params {
        Params {
            config,
            hashes,
            content: Some(content),
            upload: UploadMode::Seed,
            super_seeding: false,
            discreet: false,
        }
    }

    /// A torrent of which nothing but its names is known.
    pub fn magnet(config: Arc<Config>, hashes: InfoHashes) -> Params {
        Params {
            config,
            hashes,
            content: None,
            upload: UploadMode::Seed,
            super_seeding: false,
            discreet: false,
        }
    }
}

/// The brain of one torrent. It begins paused: [`Command::Start`] wakes it.
#[derive(Debug)]
pub struct Torrent {
    config: Arc<Config>,
    /// What we call ourselves here.
    peer_id: PeerId,
    hashes: InfoHashes,
    geometry: Geometry,
    metadata: Metadata,
    picker: Picker,
    choker: Choker,
    book: Book,
    superseed: SuperSeed,
    share: Share,
    /// Where peers see us.
    votes: Votes,
    /// What relays were asked for (BEP 55).
    meetings: Meetings,
    peers: BTreeMap<ConnId, Peer>,
    absent: suspects::Absent,
    turnover: turnover::Turnover,
    /// Peers that may be asked for more.
    hungry: BTreeSet<ConnId>,
    /// In the end-game of a large swarm: what was found out a moment ago.
    late_copies: Option<Box<endgame::LateCopies>>,
    state: State,
    tally: Tally,
    out: VecDeque<Output>,
    rng: Rng,
}

/// The info dictionary.
#[derive(Debug)]
enum Metadata {
    /// It is being fetched.
    Missing(Box<Fetch>),
    /// It has come and is right; what it says is not known here yet.
    Unread(SharedBytes),
    /// The content is known. With the bytes it is served.
    Here(Option<SharedBytes>),
}

/// How the torrent stands.
#[derive(Debug)]
struct State {
    running: bool,
    upload: UploadMode,
    super_seeding: bool,
    /// Its content is not known, and may turn out to be private.
    discreet: bool,
    /// Peers come from its tracker or its user, and it tells nobody of them (BEP 27).
    private: bool,
    /// What peers were told last (BEP 21).
    upload_only: bool,
    /// Since when.
    upload_only_since: Time,
    trouble: Option<DiskTrouble>,
    /// How the torrent contradicts itself: for ever.
    contradiction: Option<Mismatch>,
    /// Pieces that peers may have been told of and that went away.
    withdrawn: BTreeSet<PieceIndex>,
    max_peers: u32,
    next_tick: Time,
    next_round: Time,
    /// The next look at what readers wait for.
    next_hurry: Time,
}

/// What was counted.
#[derive(Debug)]
struct Tally {
    down: Speed,
    up: Speed,
    waste: Waste,
    faults: BTreeMap<&'static str, u64>,
}

impl Torrent {
    /// A torrent at rest.
    pub fn new(params: Params, now: Time, rng: Rng) -> Torrent {
        let Params { config, hashes, content, upload, super_seeding, discreet } = params;
        let known = content.is_some();
        // Without content there are no pieces, and every rule about pieces holds of none.
        let content = content.unwrap_or_else(|| Content::new(Geometry::EMPTY));
        let Content { geometry, have, wanted, unhashed, private, info } = content;
        let picker = content::picker(&geometry, have, wanted, &unhashed);
        let hides = super_seeding && picker.have().is_full();
        let upload_only = known && picker.missing() == 0 && !hides;
        let limits = book::Limits {
            entries: config.max_known_peers,
            half_open: config.max_half_open as usize,
            retry_after: config.retry_after,
            max_failures: config.max_failures,
        };
        Torrent {
            metadata: if known {
                Metadata::Here(info)
            } else {
                Metadata::Missing(Box::new(Fetch::new(hashes)))
            },
            hashes,
            geometry,
            picker,
            choker: Choker::new(&config),
            book: Book::new(limits),
            superseed: SuperSeed::default(),
            share: Share::default(),
            votes: Votes::default(),
            meetings: Meetings::default(),
            peers: BTreeMap::new(),
            absent: suspects::Absent::default(),
            turnover: turnover::Turnover::new(now),
            hungry: BTreeSet::new(),
            late_copies: None,
            state: State {
                running: false,
                upload,
                super_seeding,
                private,
                discreet,
                upload_only,
                upload_only_since: now,
                trouble: None,
                contradiction: None,
                withdrawn: BTreeSet::new(),
                max_peers: config.max_peers,
                next_tick: now,
                next_round: now,
                next_hurry: now,
            },
            tally: Tally {
                down: Speed::new(now),
                up: Speed::new(now),
                waste: Waste::default(),
                faults: BTreeMap::new(),
            },
            out: VecDeque::new(),
            rng,
            peer_id: config.peer_id_of(&hashes),
            config,
        }
    }

    /// Takes in something that happened. An error is a rule that the peer of the input broke; the brain has
    /// already queued its [`Output::Disconnect`], so that the caller needs no more than a log line.
    pub fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Fault> {
        match input {
            Input::Addresses { source, addrs } => {
                addrs.iter().for_each(|addr| self.learn(now, *addr, source));
                self.dial(now);
            }
            Input::DialFailed { addr, why } => self.dial_failed(now, addr, why),
            Input::Connected { conn, addr, origin, reserved, peer_id } => {
                self.join(
                    now,
                    Who { conn, addr, origin, peer_id, common: reserved, listens: None, client: None },
                );
            }
            Input::Closed { conn, why } => self.part(now, conn, why),
            Input::Message { conn, message } => {
                return self.message(now, conn, message).inspect_err(|fault| self.fault(now, conn, *fault));
            }
            Input::BlockReceived { conn, block } => self.block_received(now, conn, block),
            Input::BlockSent { conn, block } => self.block_sent(now, conn, block),
            Input::BlockUnreadable { conn, block } => self.block_unreadable(now, conn, block),
            Input::Flushed { conn } => self.flushed(now, conn),
            Input::PieceStored { piece } => self.piece_stored(now, piece),
            Input::PieceFailed { piece, why, read_back } => self.piece_failed(now, piece, why, read_back),
            Input::PieceJudged { piece, guilty } => self.piece_judged(now, piece, guilty),
            Input::PieceDoubtful { piece, why } => self.piece_doubtful(now, piece, why),
            Input::DiskTrouble(trouble) => self.disk_trouble(now, trouble),
            Input::DiskClear => self.disk_clear(),
            Input::Command(command) => self.command(now, command),
            Input::Timer => self.upkeep(now),
        }
        Ok(())
    }

    /// What to do next; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self, now: Time) -> Output {
        if self.out.is_empty() {
            self.feed(now);
        }
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        let (at, why) = self.deadline();
        Output::Wait(at, why)
    }

    /// Whether the block whose header just arrived is to be kept. Counts it against the peer where it was not
    /// asked for. [`Arrival::Take`] reserves it: it is answered by [`Input::BlockReceived`], or by
    /// [`Input::Closed`].
    pub fn expect_block(&mut self, now: Time, conn: ConnId, block: BlockRef) -> Arrival {
        self.arrival(now, conn, block)
    }

    /// The torrent at this moment.
    pub fn snapshot(&mut self, now: Time) -> Snapshot {
        Snapshot {
            phase: self.phase(),
            metadata: self.metadata_progress(),
            have: self.picker.have().clone(),
            wanted: self.picker.wanted().clone(),
            missing: self.picker.missing(),
            partial: self.picker.partials(),
            left: self.picker.left(),
            downloaded: self.tally.down.total(),
            uploaded: self.tally.up.total(),
            wasted: self.tally.waste.total(),
            waste: self.tally.waste,
            download_rate: self.tally.down.rate(now) as u64,
            upload_rate: self.tally.up.rate(now) as u64,
            peers: self.peers.len() as u32,
            sources: self.sources(),
            seeds: self.peers.values().filter(|peer| peer.is_seed()).count() as u32,
            half_open: self.book.dialing() as u32,
            known: self.book.known() as u32,
            faults: self.tally.faults.iter().map(|(code, times)| (*code, *times)).collect(),
        }
    }

    /// At most so many addresses of its swarm that are worth another try in a later run, the best first.
    pub fn addresses(&self, most: usize) -> Vec<SocketAddr> {
        self.book.best(most)
    }

    /// Its running totals.
    pub fn figures(&self) -> Figures {
        Figures {
            missing: self.picker.missing(),
            downloaded: self.tally.down.total(),
            uploaded: self.tally.up.total(),
            peers: self.peers.len() as u32,
        }
    }

    /// Its connections at this moment.
    pub fn peers(&mut self, now: Time) -> Vec<PeerSnapshot> {
        let pieces = self.geometry.pieces();
        let Torrent { peers, book, choker, .. } = self;
        let optimistic = |conn| choker.is_optimistic(conn);
        let each = |peer: &mut Peer| {
            let source = sources::of(book, peer);
            peer.snapshot(now, pieces, source, optimistic(peer.who.conn))
        };
        peers.values_mut().map(each).collect()
    }

    /// Whether every wanted piece is here.
    pub fn is_complete(&self) -> bool {
        self.is_known() && self.picker.missing() == 0
    }

    /// Whether its content is known.
    pub fn is_known(&self) -> bool {
        matches!(self.metadata, Metadata::Here(_))
    }

    /// Whether it is private: nothing of it may reach PEX, DHT or LSD (BEP 27).
    pub fn is_private(&self) -> bool {
        self.state.private
    }

    fn phase(&self) -> Phase {
        match &self.state {
            State { running: false, .. } => Phase::Paused,
            State { contradiction: Some(why), .. } => Phase::Contradictory(*why),
            State { trouble: Some(trouble), .. } => Phase::Stalled(trouble.clone()),
            _ if !self.is_known() => Phase::Metadata,
            _ if self.is_complete() => Phase::Seeding,
            _ => Phase::Downloading,
        }
    }

    /// Both handshakes are done: the peer is in, or is told why not.
    fn join(&mut self, now: Time, who: Who) {
        let refusal = self.refusal(now, &who);
        if let Some(why) = refusal.filter(|why| *why != Disconnect::Full || !self.takes_a_place(now, &who)) {
            self.settle_refused(now, who.addr, why);
            self.out.push_back(Output::Disconnect { conn: who.conn, why });
            return;
        }
        if let Some(other) = self.twin_to_drop(&who) {
            self.part_with(now, other, Disconnect::Duplicate);
        }
        self.book.connected(who.addr);
        let (conn, addr, reserved) = (who.conn, who.addr, who.common);
        let who = Who { common: reserved.common(self.reserved()), ..who };
        let peer = Peer::new(now, who, self.geometry.pieces(), self.config.max_requests);
        self.picker.peer(&peer.pieces, true);
        self.peers.insert(conn, peer);
        self.resume_parole(conn);
        self.out.push_back(Output::Event(Event::PeerConnected { addr }));
        self.greet(now, conn);
        self.state.next_tick = self.state.next_tick.min(now + upkeep::TICK);
    }

    /// Why a peer may not join.
    fn refusal(&self, now: Time, who: &Who) -> Option<Disconnect> {
        if who.peer_id == self.peer_id {
            return Some(Disconnect::Ourselves);
        }
        if !self.state.running {
            return Some(Disconnect::Stopped);
        }
        if who.origin == Origin::Dialed && self.book.is_abandoned(who.addr) {
            return Some(Disconnect::Stopped);
        }
        if self.book.is_banned(now, who.addr, who.peer_id) {
            return Some(Disconnect::Banned);
        }
        let twin = self.twin(who.peer_id, who.addr);
        if twin.is_some() {
            return self.twin_to_drop(who).is_none().then_some(Disconnect::Duplicate);
        }
        (self.peers.len() >= self.state.max_peers as usize).then_some(Disconnect::Full)
    }

    fn twin(&self, id: PeerId, addr: SocketAddr) -> Option<&Peer> {
        self.peers.values().find(|peer| peer.who.peer_id == id && peer.who.addr.ip() == addr.ip())
    }

    /// Of two connections between the same two clients both must drop the same one: that which the smaller id
    /// opened stays. Of two with the same opener the older stays.
    fn twin_to_drop(&self, newcomer: &Who) -> Option<ConnId> {
        let twin = self.twin(newcomer.peer_id, newcomer.addr)?;
        let stays = if self.peer_id < newcomer.peer_id { Origin::Dialed } else { Origin::Accepted };
        (twin.who.origin != newcomer.origin && newcomer.origin == stays).then_some(twin.who.conn)
    }

    /// What we can do (BEP 4).
    pub(crate) fn reserved(&self) -> Reserved {
        reserved(&self.hashes)
    }

    /// A peer broke a rule.
    fn fault(&mut self, now: Time, conn: ConnId, fault: Fault) {
        self.part_with(now, conn, Disconnect::Fault(fault));
    }

    /// Closes a connection.
    fn part_with(&mut self, now: Time, conn: ConnId, why: Disconnect) {
        if self.peers.contains_key(&conn) {
            self.out.push_back(Output::Disconnect { conn, why });
            self.part(now, conn, why);
        }
    }

    /// A connection is gone.
    fn part(&mut self, now: Time, conn: ConnId, why: Disconnect) {
        let Some(mut peer) = self.peers.remove(&conn) else { return };
        self.hungry.remove(&conn);
        self.metadata_peer_left(conn);
        self.superseed.part(conn);
        self.picker.peer(&peer.pieces, false);
        if let Some(half) = peer.requests.breaks_off() {
            self.tally.waste.duplicate += self.data_in(half);
        }
        peer.requests.give_up().into_iter().for_each(|block| self.picker.release(block));
        self.picker.disown(conn);
        self.remember_sender(&peer);
        self.settle_address(now, &peer, why);
        self.out.push_back(Output::Event(Event::PeerDisconnected { addr: peer.who.addr, why }));
        self.hungry.extend(self.peers.keys());
        if !peer.uploads.is_choked() {
            self.state.next_round = self.state.next_round.min(now + upkeep::TICK);
        }
    }

    fn command(&mut self, now: Time, command: Command) {
        match command {
            Command::Start => {
                self.state.running = true;
                self.state.next_tick = now;
                self.out.extend(self.state.contradiction.map(|why| Output::Event(Event::Contradictory(why))));
                self.dial(now);
            }
            Command::Pause => self.pause(now),
            Command::Want(wanted) => {
                self.picker.want(wanted);
                self.drop_stale(now);
                self.review_interest(now);
                self.tell_upload_only(now);
            }
            Command::Prioritize(pieces) => {
                self.picker.prioritize(&pieces);
                self.drop_stale(now);
                self.review_interest(now);
                self.tell_upload_only(now);
            }
            Command::Demand(demand) => self.demand(now, &demand),
            Command::Order(order) => self.picker.set_order(order),
            Command::Upload(mode) => self.set_upload(now, mode),
            Command::SuperSeed(on) => self.set_super_seeding(now, on),
            Command::ShareMode(on) => self.set_share_mode(now, on),
            Command::Have(have) => self.replace_have(now, have),
            Command::MaxPeers(max) => self.state.max_peers = max.max(1),
            Command::ForgetPeers => {
                self.part_with_all(now);
                self.book.forget_strangers();
                self.dial(now);
            }
            Command::Content(content) => self.learn_content(now, *content),
            Command::Extension { to, name, payload } => self.send_custom(now, to, &name, &payload),
        }
    }

    fn pause(&mut self, now: Time) {
        self.state.running = false;
        self.part_with_all(now);
        self.book.rest(now);
    }

    fn part_with_all(&mut self, now: Time) {
        let all: Vec<ConnId> = self.peers.keys().copied().collect();
        all.into_iter().for_each(|conn| self.part_with(now, conn, Disconnect::Stopped));
    }

    /// Queues a message, in one run of bytes with the one before where both go to the same peer.
    fn send(&mut self, now: Time, conn: ConnId, message: Message<'_>) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.clock.spoke = now;
        }
        match self.out.back_mut() {
            Some(Output::Send { conn: last, bytes }) if *last == conn => message.encode(bytes),
            _ => self.out.push_back(Output::Send { conn, bytes: message.to_vec() }),
        }
    }

    /// Tells a peer whether we want what it has.
    fn set_interest(&mut self, now: Time, conn: ConnId, wanted: bool) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let Interest { ours, choked, .. } = &mut peer.interest;
        if *ours != wanted {
            *ours = wanted;
            if wanted && !*choked {
                self.hungry.insert(conn);
            }
            self.send(now, conn, if wanted { Message::Interested } else { Message::NotInterested });
        }
    }

    fn review_interest(&mut self, now: Time) {
        if !self.picker.is_content() {
            self.book.unshelve(now);
            self.dial(now);
        }
        let changed: Vec<(ConnId, bool)> = self
            .peers
            .values()
            .map(|peer| (peer.who.conn, self.picker.is_interesting(&peer.pieces)))
            .collect();
        changed.into_iter().for_each(|(conn, wanted)| self.set_interest(now, conn, wanted));
        self.hungry.extend(self.peers.keys());
    }
}

/// The reserved bits of our handshake for a torrent with these names (BEP 4, 6, 10, 52).
pub fn reserved(hashes: &InfoHashes) -> Reserved {
    let hybrid = hashes.get_v1().is_some() && hashes.get_v2().is_some();
    Reserved::NONE.with_extension_protocol(true).with_fast(true).with_v2(hybrid)
}

#[cfg(test)]
mod tests;
