//! One shard alone, whose peers are bytes.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use engine::{ConnId, TorrentId};
use riverrun_shard::{Added, Command, Config, Output, RecvOutcome, SendOutcome, Shard};
use types::{InfoHash, PeerId, Rng, Time};
use wire::{Handshake, Reserved};

use super::support::{Kind, info, payload};

pub(crate) const TORRENT: TorrentId = TorrentId(1);
pub(crate) const US: PeerId = PeerId([1; 20]);

pub(crate) fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, n], 1000))
}

pub(crate) fn shard(blocks: usize) -> (Shard, InfoHash) {
    let info = Arc::new(info(Kind::V1, &payload(1, 200_000), 65_536));
    let engine = Arc::new(engine::Config::new(US));
    let mut config = Config::new(engine.clone());
    (config.receive_blocks, config.send_blocks) = (blocks, blocks);
    let mut shard = Shard::new(config, Time::ZERO, Rng::from_number(1));
    let params =
        engine::Params::new(engine, info.info_hashes(), engine::Content::new(info.geometry().clone()));
    let name = info.info_hashes().primary();
    shard.command(Time::ZERO, Command::Add(Box::new(Added::new(TORRENT, info, params))));
    shard.command(Time::ZERO, Command::Torrent(TORRENT, engine::Command::Start));
    (shard, name)
}

pub(crate) fn hello(name: InfoHash, id: u8) -> Vec<u8> {
    let reserved = Reserved::NONE.with_fast(true).with_extension_protocol(true);
    Handshake { reserved, info_hash: name, peer_id: PeerId([id; 20]) }.encode().to_vec()
}

/// Feeds bytes as a socket would, until the shard stops reading.
pub(crate) fn feed(shard: &mut Shard, now: Time, conn: ConnId, bytes: &mut &[u8]) -> RecvOutcome {
    loop {
        let outcome = shard.recv(now, conn, |slices| {
            if bytes.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut came = 0;
            for slice in slices {
                let n = slice.len().min(bytes.len());
                slice[..n].copy_from_slice(&bytes[..n]);
                *bytes = &bytes[n..];
                came += n;
            }
            Ok(came)
        });
        if outcome != RecvOutcome::More {
            return outcome;
        }
    }
}

pub(crate) fn drain(shard: &mut Shard, now: Time) -> (Vec<Output>, Time) {
    let mut all = Vec::new();
    loop {
        match shard.poll(now) {
            Output::Wait(at, _) => return (all, at),
            output => all.push(output),
        }
    }
}

pub(crate) fn sent(shard: &mut Shard, now: Time, conn: ConnId) -> Vec<u8> {
    let mut out = Vec::new();
    let take = |slices: &[io::IoSlice<'_>]| {
        slices.iter().for_each(|slice| out.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    };
    assert_eq!(shard.send(now, conn, take), SendOutcome::Idle);
    out
}

/// A shard with a seed, and a peer that joined it.
pub(crate) fn seeded() -> (Shard, ConnId) {
    let info = Arc::new(info(Kind::V1, &payload(1, 200_000), 65_536));
    let engine = Arc::new(engine::Config::new(US));
    let mut shard = Shard::new(Config::new(engine.clone()), Time::ZERO, Rng::from_number(1));
    let mut content = engine::Content::new(info.geometry().clone());
    content.have = types::Bitfield::full(info.geometry().pieces());
    let (name, params) =
        (info.info_hashes().primary(), engine::Params::new(engine, info.info_hashes(), content));
    shard.command(Time::ZERO, Command::Add(Box::new(Added::new(TORRENT, info, params))));
    shard.command(Time::ZERO, Command::Torrent(TORRENT, engine::Command::Start));
    let conn = shard.accept(Time::ZERO, addr(2)).unwrap();
    feed(&mut shard, Time::ZERO, conn, &mut &hello(name, 2)[..]);
    drain(&mut shard, Time::ZERO);
    sent(&mut shard, Time::ZERO, conn);
    (shard, conn)
}
