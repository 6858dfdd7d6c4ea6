//! The brain of one torrent, driven by hand. What the tests share is here.

use std::time::Duration;

use metainfo::Mismatch;
use types::{BLOCK_LEN, InfoHash, PeerSource};

use super::*;
use crate::WaitReason;

mod address;
mod dialing;
mod exchange;
mod extended;
mod fast;
mod faults;
mod holepunch;
mod losing;
mod metadata;
mod padding;
mod peers;
mod refusals;
mod share;
mod superseed;
mod timers;
mod transfer;
mod turnover;
mod verdicts;

const PIECE: u32 = 4 * BLOCK_LEN;

fn config() -> Arc<Config> {
    Arc::new(Config::new(PeerId([9; 20])))
}

fn torrent_with(pieces: u32, edit: impl FnOnce(&mut Params)) -> Torrent {
    let geometry = Geometry::new(u64::from(pieces * PIECE), PIECE).unwrap();
    let mut params = Params::new(config(), InfoHashes::v1(InfoHash([1; 20])), Content::new(geometry));
    edit(&mut params);
    let mut torrent = Torrent::new(params, Time::ZERO, Rng::from_number(1));
    torrent.handle(Time::ZERO, Input::Command(Command::Start)).unwrap();
    torrent
}

fn content(params: &mut Params) -> &mut Content {
    params.content.as_mut().expect("tests with pieces have content")
}

fn leech(pieces: u32) -> Torrent {
    torrent_with(pieces, |_| {})
}

fn seed(pieces: u32) -> Torrent {
    torrent_with(pieces, |p| content(p).have = Bitfield::full(pieces))
}

fn conn(n: u32) -> ConnId {
    ConnId::new(n, 0)
}

fn addr(n: u32) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8], 6881))
}

/// A peer with the fast extension joins; what it is sent is thrown away.
fn join(t: &mut Torrent, now: Time, n: u32) -> ConnId {
    join_as(t, now, n, Origin::Accepted, [n as u8; 20], true);
    t.drain(now);
    conn(n)
}

fn join_as(t: &mut Torrent, now: Time, n: u32, origin: Origin, id: [u8; 20], fast: bool) {
    let reserved = Reserved::NONE.with_fast(fast);
    let (conn, addr, peer_id) = (conn(n), addr(n), PeerId(id));
    t.handle(now, Input::Connected { conn, addr, origin, reserved, peer_id }).unwrap();
}

fn say(t: &mut Torrent, now: Time, conn: ConnId, message: Message<'_>) -> Result<(), Fault> {
    t.handle(now, Input::Message { conn, message })
}

/// The messages in what is sent to one peer.
fn sent(outputs: &[Output], to: ConnId) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for output in outputs {
        if let Output::Send { conn, bytes } = output
            && *conn == to
        {
            let mut rest = &bytes[..];
            while let Some((len, tail)) = rest.split_first_chunk::<4>() {
                let (frame, tail) = tail.split_at(u32::from_be_bytes(*len) as usize);
                all.push(frame.to_vec());
                rest = tail;
            }
        }
    }
    all
}

fn requests(outputs: &[Output], to: ConnId) -> Vec<BlockRef> {
    let all = sent(outputs, to);
    all.iter()
        .filter_map(|frame| match Message::decode(frame) {
            Ok(Message::Request(block)) => Some(block),
            _ => None,
        })
        .collect()
}

/// The peer has everything and serves us: the first requests.
fn serve(t: &mut Torrent, now: Time, conn: ConnId) -> Vec<BlockRef> {
    say(t, now, conn, Message::HaveAll).unwrap();
    say(t, now, conn, Message::Unchoke).unwrap();
    requests(&t.drain(now), conn)
}

fn give(t: &mut Torrent, now: Time, conn: ConnId, block: BlockRef) {
    assert_eq!(t.expect_block(now, conn, block), Arrival::Take);
    t.handle(now, Input::BlockReceived { conn, block }).unwrap();
}

fn disconnects(outputs: &[Output]) -> Vec<(ConnId, Disconnect)> {
    let why = |o: &Output| match o {
        Output::Disconnect { conn, why } => Some((*conn, *why)),
        _ => None,
    };
    outputs.iter().filter_map(why).collect()
}

fn learn(t: &mut Torrent, now: Time, source: PeerSource, numbers: std::ops::Range<u32>) -> Vec<SocketAddr> {
    let addrs: Vec<SocketAddr> = numbers.map(addr).collect();
    t.handle(now, Input::Addresses { source, addrs: &addrs }).unwrap();
    dials(&t.drain(now))
}

fn dials(outputs: &[Output]) -> Vec<SocketAddr> {
    outputs.iter().filter_map(|o| if let Output::Dial { addr } = o { Some(*addr) } else { None }).collect()
}
