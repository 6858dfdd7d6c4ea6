//! Peers that lie: scripts that speak the wire raw.

use std::collections::{BTreeMap, VecDeque};
use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use types::{BlockRef, InfoHash, PeerId, PieceIndex, Rng, Time};
use wire::extended::{ExtendedHandshake, Metadata, Pex, PexFlags, PexPeer, metadata_piece_len, name};
use wire::{Handshake, Message, PREFIX_LEN, Reserved};

use crate::net::{Notice, Sock, address};
use crate::node::Ctx;
use crate::queue::{Event, HostId, Queue};

/// How a liar lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Script {
    /// A seed of which one block in so many is damaged.
    Corrupt { one_in: u32 },
    /// A seed that damages every block, and hangs up after so many of one connection.
    HangUp { after: u32 },
    /// A seed that sends a few bytes a second.
    Drip,
    /// Sends blocks that nobody asked for.
    Unasked,
    /// Random bytes in place of a handshake.
    Garbage,
    /// A message that claims to have 4 GiB.
    Oversize,
    /// Asks without end, and reads what comes.
    RequestFlood,
    /// Says nothing after the handshake.
    Silent,
    /// Has everything, serves nothing.
    Lying,
    /// A handshake for another torrent.
    WrongHash,
    /// Asks for much and never reads.
    NeverReads,
    /// Offers metadata, and lies about it.
    Metadata(Lie),
    /// Wants everything and never asks.
    Squatter,
    /// Says that it downloads nothing, and wants everything.
    UploadOnly,
    /// Opens so many connections to everybody, and says nothing on any.
    Crowd { at_once: u32 },
    /// Tells of peers where nobody is (BEP 11).
    PexFlood,
    /// A bitfield of the wrong length.
    BadBitfield,
    /// Has a piece that the torrent has not.
    HaveBeyond,
}

/// How a liar lies about metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// Wrong bytes, of the right length.
    Bytes,
    /// Another length, and bytes of that.
    Size,
    /// The right length at first, then another one.
    ChangedSize,
    /// It never answers.
    Silence,
}

impl Script {
    /// Every script once.
    pub(crate) const ALL: [Script; 11] = [
        Script::Corrupt { one_in: 4 },
        Script::HangUp { after: 2 },
        Script::Drip,
        Script::Unasked,
        Script::Garbage,
        Script::Oversize,
        Script::RequestFlood,
        Script::Silent,
        Script::Lying,
        Script::WrongHash,
        Script::NeverReads,
    ];
}

const TICK: Duration = Duration::from_secs(1);
/// A liar that was thrown out comes back after so long.
const REDIAL: Duration = Duration::from_secs(45);
/// One that hung up by itself comes back sooner.
const HASTY_REDIAL: Duration = Duration::from_secs(3);

/// A host that lies.
#[derive(Debug)]
pub(crate) struct Liar {
    pub(crate) id: HostId,
    script: Script,
    talks: BTreeMap<Sock, Talk>,
    victims: Vec<SocketAddr>,
    next_dial: Time,
    next_tick: Time,
    wake_at: Time,
    rng: Rng,
    /// Damaged blocks sent.
    pub(crate) corrupted: u64,
    /// Connections opened, either way.
    pub(crate) talked: u64,
    /// Addresses told of.
    pub(crate) told: u64,
}

/// One connection.
#[derive(Debug, Default)]
struct Talk {
    open: bool,
    /// Its own handshake is on its way.
    greeted: bool,
    /// The other's handshake is here.
    shaken: bool,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    /// What it was asked for and has not answered.
    asked: VecDeque<BlockRef>,
    /// Blocks it has answered with.
    answered: u32,
    /// The ids that the other wants metadata and peers under.
    metadata_id: u8,
    pex_id: u8,
}

/// What it prepares ahead of the socket, in bytes.
const AHEAD: usize = 64 << 10;

/// The id under which liars want metadata messages.
const METADATA_ID: u8 = 3;

/// The id under which liars want peer exchange.
const PEX_ID: u8 = 4;

/// The size that a liar says the metadata has.
fn claimed(lie: Lie, ctx: &Ctx<'_>) -> u32 {
    let right = ctx.payload.info.raw().len() as u32;
    if lie == Lie::Size { right + 17_000 } else { right }
}

impl Liar {
    pub(crate) fn new(id: HostId, script: Script, rng: Rng) -> Liar {
        Liar {
            id,
            script,
            talks: BTreeMap::new(),
            victims: Vec::new(),
            next_dial: Time::ZERO,
            next_tick: Time::ZERO,
            wake_at: Time::NEVER,
            rng,
            corrupted: 0,
            talked: 0,
            told: 0,
        }
    }

    pub(crate) fn start(&mut self, ctx: &mut Ctx<'_>) {
        ctx.queue.push(ctx.now, Event::Announce(self.id, 0));
        self.wake(ctx.queue, ctx.now);
    }

    pub(crate) fn addresses(&mut self, mut addrs: Vec<SocketAddr>) {
        addrs.retain(|addr| *addr != address(self.id));
        self.victims = addrs;
    }

    pub(crate) fn wake(&mut self, queue: &mut Queue, at: Time) {
        if at < self.wake_at {
            self.wake_at = at;
            queue.push(at, Event::Wake(self.id));
        }
    }

    pub(crate) fn woken(&mut self, now: Time) -> bool {
        let due = self.wake_at == now;
        if due {
            self.wake_at = Time::NEVER;
        }
        due
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Incoming(sock, _) => {
                self.talked += 1;
                self.talks.insert(sock, Talk { open: true, ..Talk::default() });
            }
            Notice::Opened(sock) => {
                if let Some(talk) = self.talks.get_mut(&sock) {
                    talk.open = true;
                    self.talked += 1;
                }
            }
            Notice::Failed(sock) => {
                self.talks.remove(&sock);
            }
            Notice::Readable(_) | Notice::Writable(_) => {}
        }
    }

    pub(crate) fn pass(&mut self, ctx: &mut Ctx<'_>) {
        let tick = self.next_tick.is_due(ctx.now);
        if tick {
            self.next_tick = ctx.now + TICK;
            self.dial(ctx);
        }
        for sock in self.talks.keys().copied().collect::<Vec<_>>() {
            let Some(mut talk) = self.talks.remove(&sock) else { continue };
            if !talk.open || self.talk(ctx, sock, &mut talk, tick) {
                self.talks.insert(sock, talk);
            } else {
                ctx.net.close(ctx.now, ctx.queue, sock);
            }
        }
        self.wake(ctx.queue, self.next_tick);
    }

    /// Dials everyone it knows, now and then.
    fn dial(&mut self, ctx: &mut Ctx<'_>) {
        if !self.next_dial.is_due(ctx.now) || self.victims.is_empty() {
            return;
        }
        let hasty = matches!(self.script, Script::HangUp { .. });
        self.next_dial = ctx.now + if hasty { HASTY_REDIAL } else { REDIAL };
        let each = if let Script::Crowd { at_once } = self.script { at_once } else { 1 };
        if self.talks.len() > self.victims.len() * each as usize {
            return;
        }
        for addr in self.victims.clone() {
            for _ in 0..each {
                let sock = ctx.net.dial(ctx.now, ctx.queue, self.id, addr);
                let outbound = self.hello(ctx);
                self.talks.insert(sock, Talk { greeted: true, outbound, ..Talk::default() });
            }
        }
    }

    /// False where the connection is over.
    fn talk(&mut self, ctx: &mut Ctx<'_>, sock: Sock, talk: &mut Talk, tick: bool) -> bool {
        let deaf = self.script == Script::NeverReads && talk.shaken;
        if !deaf && !self.read(ctx, sock, talk) {
            return false;
        }
        if tick && talk.shaken {
            self.tick(ctx, talk);
        }
        let most = if let Script::HangUp { after } = self.script { after } else { u32::MAX };
        while talk.outbound.len() < AHEAD
            && talk.answered < most
            && let Some(block) = talk.asked.pop_front()
        {
            self.answer(ctx, block, &mut talk.outbound);
            talk.answered += 1;
        }
        let waits = self.script == Script::Drip && !tick && talk.shaken;
        let goes_on = waits || self.write(ctx, sock, talk);
        goes_on && !(talk.answered >= most && talk.outbound.is_empty())
    }

    fn read(&mut self, ctx: &mut Ctx<'_>, sock: Sock, talk: &mut Talk) -> bool {
        let mut buf = [0; 16 << 10];
        loop {
            let mut slices = [IoSliceMut::new(&mut buf)];
            match ctx.net.read(ctx.now, ctx.queue, sock, &mut slices, usize::MAX) {
                Ok(0) => return false,
                Ok(len) => talk.inbound.extend_from_slice(&buf[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        self.parse(ctx, talk);
        true
    }

    fn write(&mut self, ctx: &mut Ctx<'_>, sock: Sock, talk: &mut Talk) -> bool {
        let most = if self.script == Script::Drip && talk.shaken { 5 } else { talk.outbound.len() };
        let part = &talk.outbound[..most.min(talk.outbound.len())];
        if part.is_empty() {
            return true;
        }
        match ctx.net.write(ctx.now, ctx.queue, sock, &[IoSlice::new(part)]) {
            Ok(len) => {
                talk.outbound.drain(..len);
                true
            }
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    /// The handshake, and what follows it at once.
    fn hello(&mut self, ctx: &Ctx<'_>) -> Vec<u8> {
        if let Script::Crowd { .. } = self.script {
            return Vec::new();
        }
        if self.script == Script::Garbage {
            return (0..10).flat_map(|_| self.rng.bytes::<32>()).collect();
        }
        let info_hash = match self.script {
            Script::WrongHash => InfoHash(self.rng.bytes()),
            _ => ctx.payload.info.info_hashes().primary(),
        };
        let mut tail = [0; 20];
        tail[..4].copy_from_slice(&self.id.0.to_be_bytes());
        let peer_id = PeerId::new(b"-LI0001-", tail.map(|byte| byte.wrapping_mul(7)));
        let extended = matches!(self.script, Script::Metadata(_) | Script::UploadOnly | Script::PexFlood);
        let reserved = Reserved::NONE.with_extension_protocol(extended);
        let mut out = Handshake { reserved, info_hash, peer_id }.encode().to_vec();
        let pieces = ctx.payload.info.geometry().pieces();
        match self.script {
            Script::Silent | Script::WrongHash | Script::Garbage => {}
            Script::Oversize => out.extend([0xff, 0xff, 0xff, 0xff, 20, 1, 2, 3]),
            Script::RequestFlood | Script::NeverReads | Script::Squatter => {
                Message::Interested.encode(&mut out);
            }
            Script::BadBitfield => {
                let wrong = types::Bitfield::full(pieces + 9 + self.rng.below(100) as u32);
                Message::Bitfield(&wrong.as_bytes()).encode(&mut out);
            }
            Script::HaveBeyond => Message::Have(PieceIndex(pieces)).encode(&mut out),
            Script::PexFlood => {
                let mut handshake = ExtendedHandshake::default();
                handshake.extensions.set(name::UT_PEX, PEX_ID);
                Message::Extended { id: 0, payload: &handshake.encode() }.encode(&mut out);
            }
            Script::UploadOnly => {
                let handshake = ExtendedHandshake { upload_only: Some(true), ..ExtendedHandshake::default() };
                Message::Extended { id: 0, payload: &handshake.encode() }.encode(&mut out);
                Message::Interested.encode(&mut out);
            }
            Script::Metadata(lie) => {
                let mut handshake = ExtendedHandshake::default();
                handshake.extensions.set(name::UT_METADATA, METADATA_ID);
                handshake.metadata_size = Some(claimed(lie, ctx));
                Message::Extended { id: 0, payload: &handshake.encode() }.encode(&mut out);
            }
            _ => {
                Message::Bitfield(&types::Bitfield::full(pieces).as_bytes()).encode(&mut out);
                Message::Unchoke.encode(&mut out);
            }
        }
        out
    }

    fn parse(&mut self, ctx: &Ctx<'_>, talk: &mut Talk) {
        if !talk.shaken {
            if talk.inbound.len() < Handshake::LEN {
                return;
            }
            talk.inbound.drain(..Handshake::LEN);
            talk.shaken = true;
            if !std::mem::replace(&mut talk.greeted, true) {
                let hello = self.hello(ctx);
                talk.outbound.extend(hello);
            }
        }
        let mut at = 0;
        while let Some(prefix) = talk.inbound[at..].first_chunk::<PREFIX_LEN>() {
            let len = u32::from_be_bytes(*prefix) as usize;
            let Some(frame) = talk.inbound.get(at + PREFIX_LEN..at + PREFIX_LEN + len) else { break };
            match Message::decode(frame) {
                Ok(Message::Request(block)) => talk.asked.push_back(block),
                Ok(Message::Extended { id: 0, payload }) => {
                    let said = ExtendedHandshake::decode(payload).unwrap_or_default();
                    let id = |name| said.extensions.id(name);
                    talk.metadata_id = id(name::UT_METADATA).unwrap_or(talk.metadata_id);
                    talk.pex_id = id(name::UT_PEX).unwrap_or(talk.pex_id);
                }
                Ok(Message::Extended { id: METADATA_ID, payload }) => {
                    let answer = self.lie(ctx, payload);
                    if let Some(payload) = answer {
                        Message::Extended { id: talk.metadata_id, payload: &payload }
                            .encode(&mut talk.outbound);
                    }
                }
                _ => {}
            }
            at += PREFIX_LEN + len;
        }
        talk.inbound.drain(..at);
    }

    /// The answer to a request for metadata.
    fn lie(&self, ctx: &Ctx<'_>, payload: &[u8]) -> Option<Vec<u8>> {
        let Script::Metadata(lie) = self.script else { return None };
        let Ok(Metadata::Request { piece }) = Metadata::decode(payload) else { return None };
        let total = claimed(lie, ctx);
        let data = vec![7; metadata_piece_len(total, piece) as usize];
        let total_size = match lie {
            Lie::Silence => return None,
            Lie::ChangedSize => Some(total + 1),
            Lie::Bytes | Lie::Size => Some(total),
        };
        Some(Metadata::Data { piece, total_size, data: &data }.encode())
    }

    fn answer(&mut self, ctx: &Ctx<'_>, block: BlockRef, out: &mut Vec<u8>) {
        let at = ctx.payload.info.geometry().offset_of(block);
        let Some(data) = ctx.payload.get(at, block.len as usize) else { return };
        match self.script {
            Script::Corrupt { .. } | Script::HangUp { .. } => {
                let one_in = if let Script::Corrupt { one_in } = self.script { one_in } else { 1 };
                let mut data = data.to_vec();
                if self.rng.one_in(one_in) {
                    self.corrupted += 1;
                    let at = self.rng.below(data.len());
                    data[at] ^= 1 << self.rng.below(8);
                }
                Message::piece(block.piece, block.begin, &data).encode(out);
            }
            Script::Drip => Message::piece(block.piece, block.begin, data).encode(out),
            _ => {}
        }
    }

    /// What it does once a second.
    fn tick(&mut self, ctx: &Ctx<'_>, talk: &mut Talk) {
        let geometry = ctx.payload.info.geometry();
        let room = talk.outbound.len() < AHEAD;
        match self.script {
            Script::Unasked if room => {
                let piece = PieceIndex(self.rng.below(geometry.pieces() as usize) as u32);
                let data = &ctx.payload.piece(piece)[..1_000.min(geometry.piece_len(piece) as usize)];
                (0..20).for_each(|_| Message::piece(piece, 0, data).encode(&mut talk.outbound));
            }
            Script::RequestFlood | Script::NeverReads if room => {
                for _ in 0..600 {
                    let piece = PieceIndex(self.rng.below(geometry.pieces() as usize) as u32);
                    Message::Request(geometry.block(piece, types::BlockIndex(0))).encode(&mut talk.outbound);
                }
            }
            Script::PexFlood if room && talk.pex_id != 0 => {
                let junk = |rng: &mut Rng| {
                    let [a, b] = rng.bytes();
                    PexPeer { addr: SocketAddr::from(([10, 0, a | 0x80, b], 6881)), flags: PexFlags::NONE }
                };
                let added: Vec<PexPeer> = (0..100).map(|_| junk(&mut self.rng)).collect();
                self.told += added.len() as u64;
                let payload = Pex { added, dropped: Vec::new(), cut: 0 }.encode();
                Message::Extended { id: talk.pex_id, payload: &payload }.encode(&mut talk.outbound);
            }
            Script::Crowd { .. } => {}
            Script::Drip | Script::Unasked | Script::RequestFlood | Script::NeverReads | Script::Silent => {}
            // The others keep the connection as long as they can.
            _ if self.rng.one_in(60) => Message::KeepAlive.encode(&mut talk.outbound),
            _ => {}
        }
    }
}
