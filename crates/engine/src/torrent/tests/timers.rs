//! Silence.

use super::*;

#[test]
fn a_silent_peer_is_snubbed_and_its_blocks_go_elsewhere() {
    let mut t = leech(1);
    let (slow, other) = (join(&mut t, Time::ZERO, 1), join(&mut t, Time::ZERO, 2));
    assert_eq!(serve(&mut t, Time::ZERO, slow).len(), 4);
    assert_eq!(serve(&mut t, Time::ZERO, other).len(), 0, "what may come soon is not asked for twice");
    let soon = Time::from_secs(2);
    t.handle(soon, Input::Timer).unwrap();
    assert_eq!(requests(&t.drain(soon), other).len(), 1, "the end-game asks an idle peer for one");
    let later = Time::from_secs(20);
    t.handle(later, Input::Timer).unwrap();
    t.drain(later);
    assert_eq!(t.peers(later).iter().map(|p| p.snubbed).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_block_that_stops_half_way_goes_elsewhere() {
    let mut t = leech(1);
    let (dead, other) = (join(&mut t, Time::ZERO, 1), join(&mut t, Time::ZERO, 2));
    let asked = serve(&mut t, Time::ZERO, dead);
    asked[1..].iter().for_each(|block| give(&mut t, Time::ZERO, dead, *block));
    assert_eq!(t.expect_block(Time::ZERO, dead, asked[0]), Arrival::Take);
    serve(&mut t, Time::ZERO, other);
    let mut again = Vec::new();
    for second in 1..=20 {
        t.handle(Time::from_secs(second), Input::Timer).unwrap();
        again.extend(requests(&t.drain(Time::from_secs(second)), other));
    }
    assert_eq!(again, [asked[0]]);
    // It comes at last, after the copy: nothing is asked for twice, nobody is to blame.
    give_copy(&mut t, other, asked[0]);
    t.handle(Time::from_secs(20), Input::BlockReceived { conn: dead, block: asked[0] }).unwrap();
    let snapshot = t.snapshot(Time::from_secs(20));
    assert_eq!((snapshot.wasted, snapshot.waste.duplicate), (u64::from(BLOCK_LEN), u64::from(BLOCK_LEN)));
}

fn give_copy(t: &mut Torrent, conn: ConnId, block: BlockRef) {
    give(t, Time::from_secs(20), conn, block);
}

#[test]
fn silence_ends_a_connection_and_keep_alives_hold_it() {
    let mut t = leech(1);
    let peer = join(&mut t, Time::ZERO, 1);
    let keep_alive = Time::ZERO + config().keep_alive;
    t.handle(keep_alive, Input::Timer).unwrap();
    assert_eq!(sent(&t.drain(keep_alive), peer), [vec![]]);
    let end = Time::ZERO + config().idle_timeout;
    t.handle(end, Input::Timer).unwrap();
    assert_eq!(disconnects(&t.drain(end)), [(peer, Disconnect::Idle)]);
}

#[test]
fn a_torrent_without_peers_waits_for_ever() {
    let mut t = leech(1);
    t.drain(Time::ZERO);
    assert_eq!(t.poll(Time::ZERO), Output::Wait(Time::NEVER, WaitReason::Idle));
    let mut rest = Torrent::new(
        Params::new(config(), InfoHashes::v1(InfoHash([1; 20])), Content::new(Geometry::new(1, 1).unwrap())),
        Time::ZERO,
        Rng::from_number(1),
    );
    rest.handle(Time::ZERO, Input::Addresses { source: PeerSource::Tracker, addrs: &[addr(1)] }).unwrap();
    assert_eq!(rest.poll(Time::ZERO), Output::Wait(Time::NEVER, WaitReason::Idle));
}
