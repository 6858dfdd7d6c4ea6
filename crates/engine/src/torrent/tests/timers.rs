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

/// More copies are owed than are looked through for each idle peer; the first of these has one piece, whose blocks are all
/// here. The second is a seed. How many blocks that one is asked for.
fn asked_of_a_seed_behind(who: impl Fn(&mut Torrent, ConnId)) -> usize {
    let (pieces, owners) = (1_032, 3_u32..1_073);
    let mut t = torrent_with(pieces, |p| {
        let mut config = config();
        Arc::make_mut(&mut config).max_peers = 5_000;
        p.config = config;
    });
    for n in 1..owners.end {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let addr = SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 6881));
        let (conn, reserved) = (conn(n), Reserved::NONE.with_fast(true));
        let peer_id = PeerId(id);
        let joined = Input::Connected { conn, addr, origin: Origin::Accepted, reserved, peer_id };
        t.handle(Time::ZERO, joined).unwrap();
        t.drain(Time::ZERO);
    }
    let (helper, seed) = (conn(1), conn(2));
    for n in owners {
        let blocks = serve(&mut t, Time::ZERO, conn(n));
        let last = blocks.into_iter().filter(|block| block.piece.0 == pieces - 1);
        last.for_each(|block| give(&mut t, Time::ZERO, conn(n), block));
    }
    who(&mut t, helper);
    t.drain(Time::ZERO);
    assert_eq!(serve(&mut t, Time::ZERO, seed).len(), 0, "what may come soon is not asked for twice");
    let later = Time::from_secs(2);
    t.handle(later, Input::Timer).unwrap();
    let outputs = t.drain(later);
    assert_eq!(requests(&outputs, helper).len(), 0);
    requests(&outputs, seed).len()
}

#[test]
fn an_idle_peer_that_has_nothing_of_use_does_not_stand_in_the_way_of_others() {
    assert_eq!(asked_of_a_seed_behind(|_, _| {}), 1);
    let with_one_piece = asked_of_a_seed_behind(|t, conn| {
        let mut bits = vec![0; 1_032 / 8];
        bits[1_032 / 8 - 1] = 1;
        say(t, Time::ZERO, conn, Message::Bitfield(&bits)).unwrap();
        say(t, Time::ZERO, conn, Message::Unchoke).unwrap();
    });
    assert_eq!(with_one_piece, 1);
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
