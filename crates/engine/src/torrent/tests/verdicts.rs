//! Pieces that fail their hash, and who is blamed.

use super::*;

#[test]
fn a_lone_sender_of_a_corrupt_piece_is_banned() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let blocks = serve(&mut t, now, peer);
    blocks.into_iter().for_each(|block| give(&mut t, now, peer, block));
    t.handle(
        now,
        Input::PieceFailed { piece: PieceIndex(0), why: Mismatch::V1(PieceIndex(0)), read_back: false },
    )
    .unwrap();
    let outputs = t.drain(now);
    assert!(outputs.contains(&Output::Event(Event::PeerBanned { addr: addr(1) })));
    assert_eq!(disconnects(&outputs), [(peer, Disconnect::Fault(Fault::CorruptData))]);
    join_as(&mut t, now, 1, Origin::Accepted, [1; 20], true);
    assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Banned)]);
    t.handle(now, Input::Addresses { source: PeerSource::Tracker, addrs: &[addr(1)] }).unwrap();
    assert!(t.drain(now).is_empty(), "a banned address is not dialed");
}

#[test]
fn what_went_over_the_disk_convicts_nobody() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let blocks = serve(&mut t, now, peer);
    blocks.into_iter().for_each(|block| give(&mut t, now, peer, block));
    let (piece, why) = (PieceIndex(0), Mismatch::V1(PieceIndex(0)));
    t.handle(now, Input::PieceFailed { piece, why, read_back: true }).unwrap();
    let outputs = t.drain(now);
    assert!(disconnects(&outputs).is_empty());
    assert_eq!(requests(&outputs, peer).len(), 4, "it may try again");
}

#[test]
fn to_hang_up_before_the_verdict_is_no_way_out() {
    for comes_back in [false, true] {
        let (mut t, now) = (leech(1), Time::ZERO);
        let liar = join(&mut t, now, 1);
        serve(&mut t, now, liar).into_iter().for_each(|block| give(&mut t, now, liar, block));
        t.handle(now, Input::Closed { conn: liar, why: Disconnect::ByPeer }).unwrap();
        if comes_back {
            let (addr, peer_id) = (SocketAddr::from(([10, 0, 0, 1], 50_000)), PeerId([1; 20]));
            let (conn, reserved) = (conn(2), Reserved::NONE);
            t.handle(now, Input::Connected { conn, addr, origin: Origin::Accepted, reserved, peer_id })
                .unwrap();
        }
        t.drain(now);
        let (piece, why) = (PieceIndex(0), Mismatch::V1(PieceIndex(0)));
        t.handle(now, Input::PieceFailed { piece, why, read_back: false }).unwrap();
        let outputs = t.drain(now);
        assert!(outputs.contains(&Output::Event(Event::PeerBanned { addr: addr(1) })));
        let parted: &[_] = if comes_back { &[(conn(2), Disconnect::Banned)] } else { &[] };
        assert_eq!(disconnects(&outputs), parted);
        assert_eq!(t.snapshot(now).faults, [("corrupt_data", 1)]);
        join_as(&mut t, now, 3, Origin::Accepted, [3; 20], true);
        assert!(disconnects(&t.drain(now)).is_empty(), "another address is welcome");
        join_as(&mut t, now, 1, Origin::Accepted, [1; 20], true);
        assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Banned)]);
    }
}

#[test]
fn parole_outlasts_the_connection() {
    let (mut t, now) = (leech(2), Time::ZERO);
    let (a, b) = (join(&mut t, now, 1), join(&mut t, now, 2));
    let asked = serve(&mut t, now, a);
    let piece = asked[0].piece;
    let of_piece: Vec<BlockRef> = asked.into_iter().filter(|block| block.piece == piece).collect();
    give(&mut t, now, a, of_piece[0]);
    t.handle(now, Input::Closed { conn: a, why: Disconnect::ByPeer }).unwrap();
    let rest = serve(&mut t, now, b);
    rest.into_iter().filter(|block| block.piece == piece).for_each(|block| give(&mut t, now, b, block));
    t.handle(now, Input::PieceFailed { piece, why: Mismatch::V1(piece), read_back: false }).unwrap();
    t.drain(now);
    let again = ConnId::new(1, 1);
    let (addr, reserved, peer_id) = (addr(1), Reserved::NONE.with_fast(true), PeerId([1; 20]));
    t.handle(now, Input::Connected { conn: again, addr, origin: Origin::Accepted, reserved, peer_id })
        .unwrap();
    assert!(t.peers[&again].trust.parole && t.peers[&b].trust.parole);
}

#[test]
fn a_piece_that_passes_convicts_the_guilty_and_clears_the_rest() {
    for hangs_up in [false, true] {
        let (mut t, now) = (leech(2), Time::ZERO);
        let (liar, honest) = (join(&mut t, now, 1), join(&mut t, now, 2));
        let first = serve(&mut t, now, liar)[0];
        let piece = first.piece;
        give(&mut t, now, liar, first);
        say(&mut t, now, liar, Message::Choke).unwrap();
        (1..4).for_each(|n| {
            let block = BlockRef { begin: n * BLOCK_LEN, ..first };
            say(&mut t, now, liar, Message::Reject(block)).unwrap();
        });
        let mine = |blocks: Vec<BlockRef>| blocks.into_iter().filter(move |block| block.piece == piece);
        let mut rest: Vec<BlockRef> = mine(serve(&mut t, now, honest)).collect();
        rest.retain(|block| *block != first);
        assert_eq!(rest.len(), 3);
        rest.into_iter().for_each(|block| give(&mut t, now, honest, block));
        if hangs_up {
            t.handle(now, Input::Closed { conn: liar, why: Disconnect::ByPeer }).unwrap();
        }
        t.handle(now, Input::PieceFailed { piece, why: Mismatch::V1(piece), read_back: false }).unwrap();
        assert!(t.peers[&honest].trust.parole);
        t.drain(now);
        t.handle(now, Input::PieceJudged { piece, guilty: &[liar] }).unwrap();
        t.handle(now, Input::PieceStored { piece }).unwrap();
        assert!(!t.peers[&honest].trust.parole);
        let outputs = t.drain(now);
        assert!(outputs.contains(&Output::Event(Event::PeerBanned { addr: addr(1) })), "{outputs:?}");
        join_as(&mut t, now, 1, Origin::Accepted, [1; 20], true);
        assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Banned)]);
    }
}

#[test]
fn of_two_senders_the_corrupt_one_is_found_by_a_piece_alone() {
    let (mut t, now) = (leech(12), Time::ZERO);
    let (honest, liar) = (join(&mut t, now, 1), join(&mut t, now, 2));
    let mut queues = BTreeMap::from([(honest, serve(&mut t, now, honest)), (liar, serve(&mut t, now, liar))]);
    let mut banned = Vec::new();
    let mut spoilt = BTreeSet::new();
    let mut here: BTreeMap<PieceIndex, u32> = BTreeMap::new();
    for turn in 0..1_000 {
        let from = if turn % 2 == 0 { honest } else { liar };
        let Some(block) = queues.get_mut(&from).and_then(Vec::pop) else { continue };
        match t.expect_block(now, from, block) {
            Arrival::Take => t.handle(now, Input::BlockReceived { conn: from, block }).unwrap(),
            _ => continue,
        }
        if from == liar {
            spoilt.insert(block.piece);
        }
        *here.entry(block.piece).or_default() += 1;
        if here[&block.piece] == 4 {
            here.remove(&block.piece);
            let piece = block.piece;
            let input = match spoilt.remove(&piece) {
                true => Input::PieceFailed { piece, why: Mismatch::V1(piece), read_back: false },
                false => Input::PieceStored { piece },
            };
            t.handle(now, input).unwrap();
        }
        let outputs = t.drain(now);
        banned.extend(disconnects(&outputs));
        for (conn, queue) in &mut queues {
            queue.extend(requests(&outputs, *conn));
        }
    }
    assert!(t.is_complete());
    let faults: Vec<_> =
        banned.iter().filter(|(_, why)| *why == Disconnect::Fault(Fault::CorruptData)).collect();
    assert_eq!(faults, [&(liar, Disconnect::Fault(Fault::CorruptData))]);
}

#[test]
fn a_disk_that_contradicts_what_came_condemns_no_torrent() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let blocks = serve(&mut t, now, peer);
    blocks.into_iter().for_each(|block| give(&mut t, now, peer, block));
    let piece = PieceIndex(0);
    t.handle(now, Input::PieceFailed { piece, why: Mismatch::Inconsistent(piece), read_back: true }).unwrap();
    let outputs = t.drain(now);
    assert!(outputs.contains(&Output::Event(Event::PieceFailed(piece))), "{outputs:?}");
    assert!(
        disconnects(&outputs).is_empty() && !requests(&outputs, peer).is_empty(),
        "it is asked for again"
    );
}

#[test]
fn a_torrent_that_contradicts_itself_stops_and_blames_nobody() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let blocks = serve(&mut t, now, peer);
    blocks.into_iter().for_each(|block| give(&mut t, now, peer, block));
    let piece = PieceIndex(0);
    t.handle(now, Input::PieceFailed { piece, why: Mismatch::Inconsistent(piece), read_back: false })
        .unwrap();
    let outputs = t.drain(now);
    assert!(disconnects(&outputs).is_empty() && requests(&outputs, peer).is_empty());
    assert!(outputs.contains(&Output::Event(Event::Contradictory(Mismatch::Inconsistent(piece)))));
    // Neither a disk that comes and goes nor a recheck changes that.
    let trouble = DiskTrouble { code: "disk_full", message: "`file`: full".into() };
    t.handle(now, Input::DiskTrouble(&trouble)).unwrap();
    t.handle(now, Input::DiskClear).unwrap();
    t.handle(now, Input::Command(Command::Have(Bitfield::new(1)))).unwrap();
    assert!(requests(&t.drain(now), peer).is_empty());
    assert_eq!(t.snapshot(now).phase, Phase::Contradictory(Mismatch::Inconsistent(piece)));
    t.handle(now, Input::Command(Command::Start)).unwrap();
    assert!(t.drain(now).contains(&Output::Event(Event::Contradictory(Mismatch::Inconsistent(piece)))));
}
