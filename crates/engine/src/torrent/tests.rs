use std::time::Duration;

use metainfo::Mismatch;
use types::{BLOCK_LEN, InfoHash, PeerSource};

use super::*;
use crate::WaitReason;

mod exchange;
mod extended;
mod fast;
mod holepunch;
mod losing;
mod metadata;
mod turnover;

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

#[test]
fn a_download_from_one_peer_asks_for_each_block_once_and_completes() {
    let mut t = leech(3);
    let now = Time::ZERO;
    let peer = join(&mut t, now, 1);
    let mut asked = serve(&mut t, now, peer);
    let mut got = std::collections::BTreeSet::new();
    while let Some(block) = asked.pop() {
        assert!(got.insert(block), "{block:?} twice");
        give(&mut t, now, peer, block);
        if got.iter().filter(|b| b.piece == block.piece).count() == 4 {
            t.handle(now, Input::PieceStored { piece: block.piece }).unwrap();
        }
        asked.extend(requests(&t.drain(now), peer));
    }
    assert_eq!(got.len(), 12);
    assert!(t.is_complete());
    let s = t.snapshot(now);
    assert_eq!((s.phase, s.left, s.wasted, s.downloaded), (Phase::Seeding, 0, 0, 12 * u64::from(BLOCK_LEN)));
    assert_eq!(s.peers, 0, "two seeds part");
}

#[test]
fn the_greeting_says_what_we_have() {
    let now = Time::ZERO;
    for (mut t, first) in [(leech(9), Message::HaveNone), (seed(9), Message::HaveAll)] {
        join_as(&mut t, now, 1, Origin::Dialed, [1; 20], true);
        assert_eq!(Message::decode(&sent(&t.drain(now), conn(1))[0]), Ok(first));
    }
    let mut t = seed(9);
    join_as(&mut t, now, 1, Origin::Dialed, [1; 20], false);
    assert_eq!(Message::decode(&sent(&t.drain(now), conn(1))[0]), Ok(Message::Bitfield(&[0xff, 0x80])));
    let mut t = leech(9);
    join_as(&mut t, now, 1, Origin::Dialed, [1; 20], false);
    assert!(sent(&t.drain(now), conn(1)).is_empty());
}

#[test]
fn a_seed_gives_a_slot_at_once_and_sends_in_order() {
    let (mut t, now) = (seed(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    say(&mut t, now, peer, Message::Interested).unwrap();
    let frames = sent(&t.drain(now), peer);
    assert_eq!(frames.last().map(|frame| Message::decode(frame)), Some(Ok(Message::Unchoke)));
    let block = |n: u32| BlockRef { piece: PieceIndex(0), begin: n * BLOCK_LEN, len: BLOCK_LEN };
    (0..3).for_each(|n| say(&mut t, now, peer, Message::Request(block(n))).unwrap());
    let blocks: Vec<_> = (0..3).map(|n| Output::SendBlock { conn: peer, block: block(n) }).collect();
    assert_eq!(t.drain(now), blocks);
}

#[test]
fn requests_outside_the_torrent_end_the_connection() {
    for (begin, len) in [(PIECE, 1), (0, 0), (0, PIECE + 1), (u32::MAX, u32::MAX)] {
        let (mut t, now) = (seed(2), Time::ZERO);
        let peer = join(&mut t, now, 1);
        let bad = BlockRef { piece: PieceIndex(1), begin, len };
        assert_eq!(say(&mut t, now, peer, Message::Request(bad)), Err(Fault::BadRequest));
        assert_eq!(disconnects(&t.drain(now)), [(peer, Disconnect::Fault(Fault::BadRequest))]);
        assert_eq!(t.snapshot(now).faults, [("bad_request", 1)]);
    }
}

#[test]
fn pieces_we_lack_are_refused_and_floods_end() {
    let (mut t, now) = (leech(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let block = BlockRef { piece: PieceIndex(0), begin: 0, len: 5 };
    say(&mut t, now, peer, Message::Request(block)).unwrap();
    assert_eq!(Message::decode(&sent(&t.drain(now), peer)[0]), Ok(Message::Reject(block)));
    let mut t = seed(2);
    let peer = join(&mut t, now, 1);
    let flood = (0..1_000).map(|_| say(&mut t, now, peer, Message::Request(block))).find(Result::is_err);
    assert_eq!(flood, Some(Err(Fault::RequestFlood)));
}

#[test]
fn a_late_bitfield_adds_pieces_and_takes_none_away() {
    let now = Time::ZERO;
    let mut t = leech(4);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::Bitfield(&[0b1000_0000])).unwrap();
    say(&mut t, now, peer, Message::Bitfield(&[0b0010_0000])).unwrap();
    let has = |t: &Torrent, n| t.peers[&peer].pieces.has(PieceIndex(n));
    assert!(has(&t, 0) && has(&t, 2) && !has(&t, 1));
    let mut flood = (0..100_000).map(|_| say(&mut t, now, peer, Message::Bitfield(&[0b1010_0000])));
    assert_eq!(flood.find(Result::is_err), Some(Err(Fault::MessageFlood)));
}

#[test]
fn a_second_word_about_all_pieces_or_one_that_does_not_fit_is_a_fault() {
    let now = Time::ZERO;
    for bytes in [&[0xff, 0x80][..], &[], &[0x01]] {
        let mut t = leech(4);
        let peer = join(&mut t, now, 1);
        assert_eq!(say(&mut t, now, peer, Message::Bitfield(bytes)), Err(Fault::BadBitfield));
    }
    let mut t = leech(4);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    assert_eq!(say(&mut t, now, peer, Message::HaveAll), Err(Fault::BadBitfield));
    let peer = join(&mut t, now, 2);
    assert_eq!(say(&mut t, now, peer, Message::Have(PieceIndex(4))), Err(Fault::PieceOutOfRange));
}

#[test]
fn data_never_asked_for_is_read_past_and_at_last_a_fault() {
    let (mut t, now) = (leech(100), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let block = BlockRef { piece: PieceIndex(0), begin: 0, len: BLOCK_LEN };
    assert_eq!(t.expect_block(now, peer, block), Arrival::Unasked);
    assert!(disconnects(&t.drain(now)).is_empty());
    (0..100).for_each(|_| {
        t.expect_block(now, peer, block);
    });
    assert_eq!(disconnects(&t.drain(now)), [(peer, Disconnect::Fault(Fault::UnaskedData))]);
    assert_eq!(t.expect_block(now, peer, block), Arrival::Skip, "it is gone");
}

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
fn a_doubtful_piece_is_refused_until_it_is_hashed_again() {
    let (mut t, now) = (seed(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let slow = join(&mut t, now, 2);
    join_as(&mut t, now, 3, Origin::Accepted, [3; 20], false);
    let plain = conn(3);
    for conn in [peer, slow, plain] {
        say(&mut t, now, conn, Message::Interested).unwrap();
    }
    let asked = |n: u32| BlockRef { piece: PieceIndex(n % 2), begin: n / 2 * BLOCK_LEN, len: BLOCK_LEN };
    (0..8).for_each(|n| say(&mut t, now, peer, Message::Request(asked(n))).unwrap());
    t.drain(now);
    let trouble = DiskTrouble { code: "not_found", message: "`file` is gone".into() };
    let doubtful = Input::PieceDoubtful { piece: PieceIndex(0), why: &trouble };
    t.handle(now, doubtful).unwrap();
    let outputs = t.drain(now);
    let rejects = sent(&outputs, peer);
    assert!(
        rejects
            .iter()
            .all(|frame| matches!(Message::decode(frame), Ok(Message::Reject(block)) if block.piece.0 == 0))
    );
    let ahead = t.config.send_ahead as usize;
    assert_eq!(
        rejects.len(),
        4 - ahead.div_ceil(2).min(4),
        "what waits here; the data path gives back the rest"
    );
    assert_eq!((t.snapshot(now).missing, t.is_complete()), (1, false));
    assert_eq!(say(&mut t, now, slow, Message::Request(asked(0))), Ok(()));
    assert_eq!(sent(&t.drain(now), slow).len(), 1);
    assert_eq!(say(&mut t, now, plain, Message::Request(asked(0))), Ok(()), "it was told that we have it");
    t.handle(now, Input::PieceStored { piece: PieceIndex(0) }).unwrap();
    assert!(t.is_complete());
    say(&mut t, now, plain, Message::Request(asked(0))).unwrap();
    assert!(t.drain(now).contains(&Output::SendBlock { conn: plain, block: asked(0) }));
}

#[test]
fn a_doubtful_piece_that_fails_is_fetched_again() {
    let (mut t, now) = (seed(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::Bitfield(&[0x80])).unwrap();
    say(&mut t, now, peer, Message::Unchoke).unwrap();
    let trouble = DiskTrouble { code: "io", message: "`file` can't be read".into() };
    let (piece, why) = (PieceIndex(0), Mismatch::V1(PieceIndex(0)));
    t.handle(now, Input::PieceDoubtful { piece, why: &trouble }).unwrap();
    assert!(requests(&t.drain(now), peer).is_empty(), "not before its hash is told");
    t.handle(now, Input::PieceFailed { piece, why, read_back: true }).unwrap();
    assert_eq!(requests(&t.drain(now), peer).len(), 4);
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
fn a_choke_without_the_fast_extension_frees_the_blocks_and_late_data_is_no_offence() {
    let (mut t, now) = (leech(1), Time::ZERO);
    join_as(&mut t, now, 1, Origin::Accepted, [1; 20], false);
    say(&mut t, now, conn(1), Message::Bitfield(&[0x80])).unwrap();
    say(&mut t, now, conn(1), Message::Unchoke).unwrap();
    let asked = requests(&t.drain(now), conn(1));
    say(&mut t, now, conn(1), Message::Choke).unwrap();
    let other = join(&mut t, now, 2);
    assert_eq!(serve(&mut t, now, other).len(), 4, "all are free for another peer");
    give(&mut t, now, conn(1), asked[0]);
    let cancelled = sent(&t.drain(now), other);
    assert_eq!(cancelled.len(), 0, "one other was asked: it counts as the only asked one");
}

#[test]
fn rejected_requests_go_to_others_and_do_not_loop() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let asked = serve(&mut t, now, peer);
    for block in &asked {
        say(&mut t, now, peer, Message::Reject(*block)).unwrap();
        assert!(requests(&t.drain(now), peer).is_empty());
    }
    let other = join(&mut t, now, 2);
    assert_eq!(serve(&mut t, now, other).len(), 4);
}

#[test]
fn a_peer_that_refuses_one_piece_is_asked_for_the_others() {
    let (mut t, now) = (leech(8), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let mut queue = serve(&mut t, now, peer);
    let lost = queue[0].piece;
    let mut refused = 0;
    while let Some(block) = queue.pop() {
        if block.piece == lost {
            say(&mut t, now, peer, Message::Reject(block)).unwrap();
            refused += 1;
        } else {
            give(&mut t, now, peer, block);
        }
        queue.extend(requests(&t.drain(now), peer));
        assert!(refused <= 4, "each block of it is asked for once");
    }
    assert_eq!(t.picker.partials(), 7, "all others came");
}

#[test]
fn a_peer_that_refused_everything_is_asked_again_later() {
    let mut t = leech(1);
    let peer = join(&mut t, Time::ZERO, 1);
    for block in serve(&mut t, Time::ZERO, peer) {
        say(&mut t, Time::ZERO, peer, Message::Reject(block)).unwrap();
    }
    let at = |t: &mut Torrent, secs| {
        t.handle(Time::from_secs(secs), Input::Timer).unwrap();
        requests(&t.drain(Time::from_secs(secs)), peer).len()
    };
    assert_eq!((at(&mut t, 5), at(&mut t, 10)), (0, 1));
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
    assert_eq!(t.snapshot(Time::from_secs(20)).wasted, u64::from(BLOCK_LEN));
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

#[test]
fn dials_are_bounded_and_failures_make_room() {
    let mut t = leech(1);
    let addrs: Vec<SocketAddr> = (1..=200).map(addr).collect();
    t.handle(Time::ZERO, Input::Addresses { source: PeerSource::Tracker, addrs: &addrs }).unwrap();
    let dialed: Vec<Output> = t.drain(Time::ZERO);
    assert_eq!(dialed.len(), config().max_half_open as usize);
    let Output::Dial { addr } = dialed[0] else { panic!("{dialed:?}") };
    t.handle(Time::ZERO, Input::DialFailed { addr, why: Disconnect::Network }).unwrap();
    assert_eq!(t.drain(Time::ZERO).len(), 1);
    assert_eq!(t.snapshot(Time::ZERO).half_open, 25);
}

#[test]
fn a_peer_that_came_to_us_is_not_dialed_back_while_it_is_here() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let reserved = Reserved::NONE.with_fast(true).with_extension_protocol(true);
    let (conn, addr, peer_id) = (conn(1), SocketAddr::from(([10, 0, 0, 1], 50_000)), PeerId([1; 20]));
    t.handle(now, Input::Connected { conn, addr, origin: Origin::Accepted, reserved, peer_id }).unwrap();
    say(&mut t, now, conn, Message::Extended { id: 0, payload: b"d1:pi6881ee" }).unwrap();
    let dials = |t: &mut Torrent, now| {
        t.handle(now, Input::Timer).unwrap();
        t.drain(now).into_iter().filter(|o| matches!(o, Output::Dial { .. })).collect::<Vec<_>>()
    };
    assert!(dials(&mut t, now).is_empty() && dials(&mut t, Time::from_secs(90)).is_empty());
    t.handle(Time::from_secs(91), Input::Closed { conn, why: Disconnect::ByPeer }).unwrap();
    let later = dials(&mut t, Time::from_secs(160));
    assert_eq!(later, [Output::Dial { addr: SocketAddr::from(([10, 0, 0, 1], 6881)) }]);
}

#[test]
fn of_two_connections_to_one_client_both_ends_drop_the_same() {
    let now = Time::ZERO;
    // Ours is the greater id, so that the peer's own dial stays: the accepted one.
    for (first, second) in [(Origin::Dialed, Origin::Accepted), (Origin::Accepted, Origin::Dialed)] {
        let mut t = leech(1);
        join_as(&mut t, now, 1, first, [3; 20], true);
        let (conn, addr, peer_id) = (conn(2), addr(1), PeerId([3; 20]));
        t.handle(now, Input::Connected { conn, addr, origin: second, reserved: Reserved::NONE, peer_id })
            .unwrap();
        t.drain(now);
        let left = t.peers(now);
        assert_eq!((left.len(), left[0].origin), (1, Origin::Accepted));
    }
}

#[test]
fn a_connection_to_ourselves_ends() {
    let (mut t, now) = (leech(1), Time::ZERO);
    join_as(&mut t, now, 1, Origin::Dialed, [9; 20], true);
    assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Ourselves)]);
}

#[test]
fn disk_trouble_stops_the_asking_and_loses_nothing() {
    let (mut t, now) = (leech(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let asked = serve(&mut t, now, peer);
    give(&mut t, now, peer, asked[0]);
    let trouble = DiskTrouble { code: "disk_full", message: "no space left on /data".into() };
    t.handle(now, Input::DiskTrouble(&trouble)).unwrap();
    let outputs = t.drain(now);
    assert!(outputs.contains(&Output::Event(Event::DiskTrouble(trouble.clone()))));
    assert!(requests(&outputs, peer).is_empty());
    assert_eq!(t.snapshot(now).phase, Phase::Stalled(trouble.clone()));
    assert_eq!(t.expect_block(now, peer, asked[1]), Arrival::Skip);
    assert!(requests(&t.drain(now), peer).is_empty(), "no endless re-request");
    t.handle(now, Input::DiskTrouble(&trouble)).unwrap();
    t.handle(now, Input::DiskClear).unwrap();
    let outputs = t.drain(now);
    assert_eq!(
        outputs.iter().filter(|o| matches!(o, Output::Event(_))).collect::<Vec<_>>(),
        [&Output::Event(Event::DiskRecovered)]
    );
    let again = requests(&outputs, peer);
    assert!(again.contains(&asked[1]) && !again.contains(&asked[0]));
}

#[test]
fn a_paused_torrent_closes_everything_and_comes_back() {
    let (mut t, now) = (leech(1), Time::ZERO);
    join(&mut t, now, 1);
    t.handle(now, Input::Command(Command::Pause)).unwrap();
    assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Stopped)]);
    join_as(&mut t, now, 2, Origin::Accepted, [2; 20], true);
    assert_eq!(disconnects(&t.drain(now)), [(conn(2), Disconnect::Stopped)]);
    t.handle(now, Input::Command(Command::Start)).unwrap();
    join(&mut t, now, 3);
    assert_eq!(t.peers(now).len(), 1);
}

#[test]
fn what_is_not_wanted_is_not_asked_for_until_it_is() {
    let (mut t, now) =
        (torrent_with(4, |p| content(p).wanted = (0..4).map(|i| i == 2).collect()), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let asked = serve(&mut t, now, peer);
    assert!(asked.iter().all(|b| b.piece == PieceIndex(2)), "{asked:?}");
    asked.into_iter().for_each(|block| give(&mut t, now, peer, block));
    t.handle(now, Input::PieceStored { piece: PieceIndex(2) }).unwrap();
    assert!(t.is_complete());
    assert_eq!(t.peers(now).len(), 1, "we may still serve it what it lacks, or want more");
    t.handle(now, Input::Command(Command::Want(Bitfield::full(4)))).unwrap();
    assert!(!requests(&t.drain(now), peer).is_empty());
}

#[test]
fn without_upload_nobody_gets_a_slot() {
    let (mut t, now) = (
        torrent_with(2, |p| {
            content(p).have = Bitfield::full(2);
            p.upload = false;
        }),
        Time::ZERO,
    );
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    say(&mut t, now, peer, Message::Interested).unwrap();
    t.handle(Time::from_secs(60), Input::Timer).unwrap();
    assert!(sent(&t.drain(Time::from_secs(60)), peer).iter().all(|m| m.first() != Some(&1)));
}

#[test]
fn useless_messages_are_borne_for_a_while() {
    let (mut t, now) = (leech(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let faults = (0..2_000).map(|_| say(&mut t, now, peer, Message::Port(1))).find(Result::is_err);
    assert_eq!(faults, Some(Err(Fault::MessageFlood)));
    let peer = join(&mut t, now, 2);
    for second in 0..300u64 {
        let now = Time::ZERO + Duration::from_secs(second);
        (0..5).for_each(|_| say(&mut t, now, peer, Message::Port(1)).unwrap());
        t.handle(now, Input::Timer).unwrap();
    }
}

fn learn(t: &mut Torrent, now: Time, source: PeerSource, numbers: std::ops::Range<u32>) -> Vec<SocketAddr> {
    let addrs: Vec<SocketAddr> = numbers.map(addr).collect();
    t.handle(now, Input::Addresses { source, addrs: &addrs }).unwrap();
    dials(&t.drain(now))
}

fn dials(outputs: &[Output]) -> Vec<SocketAddr> {
    outputs.iter().filter_map(|o| if let Output::Dial { addr } = o { Some(*addr) } else { None }).collect()
}

#[test]
fn forgotten_peers_leave_nothing_behind_but_what_the_user_named() {
    let (mut t, now) = (torrent_with(1, |p| content(p).private = true), Time::ZERO);
    assert!(t.is_private());
    learn(&mut t, now, PeerSource::Manual, 1..2);
    assert_eq!(learn(&mut t, now, PeerSource::Tracker, 2..4).len(), 2);
    (1..3).for_each(|n| join_as(&mut t, now, n, Origin::Dialed, [n as u8; 20], true));
    join_as(&mut t, now, 9, Origin::Accepted, [8; 20], true);
    t.drain(now);
    t.handle(now, Input::Command(Command::ForgetPeers)).unwrap();
    let stopped = |n| (conn(n), Disconnect::Stopped);
    assert_eq!(disconnects(&t.drain(now)), [stopped(1), stopped(2), stopped(9)]);
    // The dial that was under way ends in the old swarm.
    join_as(&mut t, now, 3, Origin::Dialed, [3; 20], true);
    assert_eq!(disconnects(&t.drain(now)), [stopped(3)]);
    assert_eq!((t.snapshot(now).known, t.snapshot(now).half_open), (1, 0));
    let later = Time::from_secs(3_600);
    t.handle(later, Input::Timer).unwrap();
    assert_eq!(dials(&t.drain(later)), [addr(1)], "only the user's peer is dialed again");
    assert_eq!(learn(&mut t, later, PeerSource::Tracker, 2..3), [addr(2)], "the new tracker may know it too");
}

#[test]
fn a_private_torrent_learns_from_its_tracker_and_its_user_only() {
    let now = Time::ZERO;
    let others = [PeerSource::Local, PeerSource::Pex, PeerSource::Dht, PeerSource::Incoming];
    for source in others {
        let mut t = torrent_with(1, |p| content(p).private = true);
        assert!(learn(&mut t, now, source, 1..9).is_empty() && t.snapshot(now).known == 0, "{source:?}");
        assert_eq!(learn(&mut leech(1), now, source, 1..9).len(), 8);
    }
}

#[test]
fn our_own_address_is_not_learned() {
    let mut t = torrent_with(1, |p| {
        let mut config = Config::new(PeerId([9; 20]));
        (config.public_v4, config.listen_port) = (Some([10, 0, 0, 7].into()), Some(6881));
        p.config = Arc::new(config);
    });
    let dialed = learn(&mut t, Time::ZERO, PeerSource::Pex, 6..9);
    assert!(dialed.len() == 2 && !dialed.contains(&addr(7)), "{dialed:?}");
    let neighbour = SocketAddr::from(([10, 0, 0, 7], 6882));
    t.handle(Time::ZERO, Input::Addresses { source: PeerSource::Tracker, addrs: &[neighbour] }).unwrap();
    assert_eq!(dials(&t.drain(Time::ZERO)), [neighbour], "another client behind the same gateway");
}

/// Four pieces of four blocks: data in the first block and a half of piece 0, all of piece 1, none of piece 2, and the
/// second half of piece 3.
fn padded() -> Torrent {
    let (piece, block) = (u64::from(PIECE), u64::from(BLOCK_LEN));
    torrent_with(4, |p| {
        let runs = [block + block / 2..piece, 2 * piece..3 * piece + 2 * block];
        content(p).geometry = content(p).geometry.clone().with_padding(runs).unwrap();
    })
}

#[test]
fn padding_is_never_asked_for_and_never_counted() {
    let (mut t, now) = (padded(), Time::ZERO);
    let data = u64::from(BLOCK_LEN + BLOCK_LEN / 2 + PIECE + 2 * BLOCK_LEN);
    assert_eq!(t.snapshot(now).left, data);
    t.handle(now, Input::PieceStored { piece: PieceIndex(2) }).unwrap();
    assert_eq!((t.snapshot(now).left, t.snapshot(now).missing), (data, 3));
    let peer = join(&mut t, now, 1);
    let mut asked = serve(&mut t, now, peer);
    let mut got = Vec::new();
    while let Some(block) = asked.pop() {
        assert_eq!(block.len, BLOCK_LEN, "a block with data in it is asked for whole, as v1 peers serve it");
        give(&mut t, now, peer, block);
        got.push((block.piece.0, block.begin / BLOCK_LEN));
        asked.extend(requests(&t.drain(now), peer));
    }
    got.sort_unstable();
    assert_eq!(got, [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3), (3, 2), (3, 3)]);
    let snapshot = t.snapshot(now);
    assert_eq!((snapshot.left, snapshot.downloaded, snapshot.wasted), (0, data, 0));
    [0, 1, 3].into_iter().for_each(|n| t.handle(now, Input::PieceStored { piece: PieceIndex(n) }).unwrap());
    assert!(t.is_complete());
    // A peer that asks for padding is served, and it counts for nothing.
    let peer = join(&mut t, now, 2);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    say(&mut t, now, peer, Message::Interested).unwrap();
    let block = BlockRef { piece: PieceIndex(2), begin: 0, len: BLOCK_LEN };
    say(&mut t, now, peer, Message::Request(block)).unwrap();
    assert!(t.drain(now).contains(&Output::SendBlock { conn: peer, block }));
    t.handle(now, Input::BlockSent { conn: peer, block }).unwrap();
    assert_eq!(t.snapshot(now).uploaded, 0);
}

#[test]
fn padding_that_is_not_zeros_is_a_bad_torrent_and_no_loop() {
    let (mut t, now) = (padded(), Time::ZERO);
    let piece = PieceIndex(2);
    t.handle(now, Input::PieceFailed { piece, why: Mismatch::V1(piece), read_back: false }).unwrap();
    assert_eq!(t.snapshot(now).phase, Phase::Contradictory(Mismatch::V1(piece)));
}
