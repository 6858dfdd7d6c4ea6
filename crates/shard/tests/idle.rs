//! What torrents at rest cost a shard: no timer, and few bytes.

#[path = "support/counting.rs"]
mod counting;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use counting::LIVE;
use engine::{Command as Brain, Content, Params, TorrentId};
use metainfo::{Info, Limits};
use riverrun_shard::{Added, Command, Config, Event, Output, Shard};
use types::{Bitfield, PeerId, PeerSource, Rng, Time};

fn info() -> Arc<Info> {
    let hashes = "a".repeat(64 * 20);
    let raw = format!("d6:lengthi1048576e4:name4:file12:piece lengthi16384e6:pieces1280:{hashes}e");
    Arc::new(Info::from_bytes(raw.as_bytes(), &Limits::default()).unwrap())
}

/// Names differ, whatever the dictionary says.
fn added(config: &Arc<engine::Config>, info: &Arc<Info>, number: u32) -> Added {
    let mut name = [0; 20];
    name[..4].copy_from_slice(&number.to_be_bytes());
    let hashes = types::InfoHashes::v1(types::InfoHash(name));
    let content = Content::new(info.geometry().clone());
    Added::new(TorrentId(number), info.clone(), Params::new(config.clone(), hashes, content))
}

/// Takes everything out; answers when the shard wants to be called.
fn drain(shard: &mut Shard, now: Time) -> (Vec<Output>, Time) {
    let mut all = Vec::new();
    loop {
        match shard.poll(now) {
            Output::Wait(deadline, _) => return (all, deadline),
            output => all.push(output),
        }
    }
}

/// One test for all: what another one allocates at the same time would be counted here.
#[test]
fn a_thousand_torrents_at_rest_cost_few_bytes_and_no_call() {
    const BUDGET: u64 = 700;
    let config = Arc::new(engine::Config::new(PeerId([7; 20])));
    let mut shard = Shard::new(Config::new(config.clone()), Time::ZERO, Rng::from_number(1));
    let (info, mut now) = (info(), Time::ZERO);
    let add = |shard: &mut Shard, numbers: std::ops::Range<u32>, now: Time| {
        for number in numbers {
            shard.command(now, Command::Add(Box::new(added(&config, &info, number))));
            shard.command(now, Command::Torrent(TorrentId(number), Brain::Start));
        }
        assert_eq!(shard.figures().len(), 1_000, "each is news once");
        let (outputs, deadline) = drain(shard, now);
        assert!(outputs.is_empty() && deadline == Time::NEVER, "{outputs:?} {deadline:?}");
        LIVE.load(Ordering::Relaxed)
    };
    let first = add(&mut shard, 0..1_000, now);
    let second = add(&mut shard, 1_000..2_000, now);
    let each = (second - first) / 1_000;
    assert!(each <= BUDGET, "{each} bytes each");
    // To be looked at, saved, paused and started wakes nobody.
    now = Time::from_secs(60);
    for number in 0..1_000 {
        let id = TorrentId(number);
        let seen = shard.snapshot(now, id).unwrap();
        assert_eq!((seen.missing, seen.left, seen.phase), (64, 1 << 20, engine::Phase::Downloading));
        assert!(shard.unhashed(id).is_empty() && shard.addresses(id, 9).is_empty());
        shard.command(now, Command::Torrent(id, Brain::Pause));
        shard.command(now, Command::Torrent(id, Brain::Start));
        shard.command(now, Command::Sync(id));
    }
    let (outputs, deadline) = drain(&mut shard, now);
    let synced =
        |output: &Output| matches!(output, Output::Event(_, Event::Durable(pieces)) if pieces.is_empty());
    assert!(outputs.len() == 1_000 && outputs.iter().all(synced) && deadline == Time::NEVER);
    drop(outputs);
    let third = LIVE.load(Ordering::Relaxed);
    assert!(third < second + 100_000, "{second} and then {third}");
    // One that hears of a peer is a torrent like any other.
    let addr = "10.0.0.1:7".parse().unwrap();
    shard.command(now, Command::Addresses(TorrentId(5), PeerSource::Tracker, vec![addr]));
    let (outputs, _) = drain(&mut shard, now);
    assert!(matches!(outputs[..], [Output::Dial { .. }]), "{outputs:?}");
    // And so is one of which something else is wanted.
    shard.command(now, Command::Torrent(TorrentId(6), Brain::Want(Bitfield::new(64))));
    assert_eq!(shard.snapshot(now, TorrentId(6)).unwrap().missing, 0);
    for number in 0..2_000 {
        shard.command(now, Command::Remove(TorrentId(number)));
    }
    let (outputs, _) = drain(&mut shard, now);
    let gone = outputs.iter().filter(|output| matches!(output, Output::Event(_, Event::Removed))).count();
    assert_eq!(gone, 2_000);
}
