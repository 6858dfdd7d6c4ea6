use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

const A: ConnId = ConnId::new(1, 0);
const B: ConnId = ConnId::new(2, 0);

fn picker(pieces: u32) -> Picker {
    let geometry = Geometry::new(u64::from(pieces) * 65_536, 65_536).unwrap();
    Picker::new(geometry, Bitfield::new(pieces), Bitfield::full(pieces))
}

fn asker<'a>(conn: ConnId, pieces: &'a Pieces) -> Asker<'a> {
    Asker { conn, pieces, parole: false, alone: false, pace: Pace::ANY, suggested: &[], abreast: 1, queue: 0 }
}

#[test]
fn a_peer_fetches_whole_pieces_and_no_block_twice() {
    let (mut p, mut rng) = (picker(8), Rng::from_number(1));
    p.peer(&Pieces::All, true);
    p.peer(&Pieces::All, true);
    let first = p.pick(asker(A, &Pieces::All), 4, &mut rng);
    assert!(first.iter().all(|b| b.piece == first[0].piece), "{first:?}");
    let second = p.pick(asker(B, &Pieces::All), 4, &mut rng);
    assert_ne!(first[0].piece, second[0].piece);
    let mut all: Vec<_> = p.pick(asker(A, &Pieces::All), 1000, &mut rng);
    all.extend(first.iter().chain(&second));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 32);
}

#[test]
fn a_fast_peer_fetches_pieces_side_by_side_and_nobody_thinks_it_a_crowd() {
    let geometry = Geometry::new(64 * 262_144, 262_144).unwrap();
    let mut p = Picker::new(geometry, Bitfield::new(64), Bitfield::full(64));
    let mut rng = Rng::from_number(1);
    (0..2).for_each(|_| p.peer(&Pieces::All, true));
    let fast = Asker { abreast: 8, ..asker(A, &Pieces::All) };
    let pieces_of = |blocks: &[BlockRef]| {
        let mut pieces: Vec<u32> = blocks.iter().map(|block| block.piece.0).collect();
        pieces.dedup();
        pieces
    };
    // Runs of four blocks of each, then the next four of each.
    let blocks = p.pick(fast, 48, &mut rng);
    let pieces = pieces_of(&blocks);
    assert_eq!((blocks.len(), pieces.len()), (48, 12));
    let first: BTreeSet<u32> = pieces[..8].iter().copied().collect();
    assert!(first.len() == 8 && pieces[8..].iter().all(|piece| first.contains(piece)), "{pieces:?}");
    // What is nearly whole comes first; where one is all asked for, another begins.
    let more = pieces_of(&p.pick(fast, 96, &mut rng));
    assert_eq!(more[..4], pieces[8..]);
    assert_eq!(more.iter().filter(|piece| !first.contains(piece)).count(), 4, "{pieces:?} {more:?}");
    // The other peer begins a piece of its own all the same.
    let own = p.pick(asker(B, &Pieces::All), 16, &mut rng);
    assert_eq!((own.len(), pieces_of(&own).len()), (16, 1));
    // When it is gone, what it left is anybody's, and so many are a crowd.
    p.disown(A);
    assert_eq!(p.begun.beside(), 0);
}

/// What was asked for to the last block and has not come counts as begun, and left a fast peer no room for others: what it
/// brought was of two or three pieces at a time.
#[test]
fn a_long_queue_of_a_fast_peer_is_no_crowd() {
    let geometry = Geometry::new(256 * 262_144, 262_144).unwrap();
    let mut p = Picker::new(geometry, Bitfield::new(256), Bitfield::full(256));
    let mut rng = Rng::from_number(1);
    p.peer(&Pieces::All, true);
    // It owes 64 pieces of 16 blocks.
    let fast = Asker { abreast: 8, queue: 1_024, ..asker(A, &Pieces::All) };
    for owed in [768, 1_024] {
        let blocks = p.pick(Asker { queue: owed, ..fast }, owed / 2, &mut rng);
        assert_eq!(blocks.len(), owed / 2);
    }
    let next = p.pick(fast, 128, &mut rng);
    let turn: BTreeSet<u32> = next[..32].iter().map(|block| block.piece.0).collect();
    assert_eq!(turn.len(), 8, "{turn:?}");
}

#[test]
fn who_sent_a_block_is_known_though_the_piece_was_given_up_meanwhile() {
    let (mut p, mut rng) = (picker(1), Rng::from_number(1));
    p.peer(&Pieces::All, true);
    let blocks = p.pick(asker(A, &Pieces::All), 4, &mut rng);
    // The disk is full: everything is taken back, but one block is on its way into a buffer.
    blocks.iter().for_each(|block| p.release(*block));
    assert!(matches!(p.receive(blocks[0], A), Received::New { asked: 0 }));
    assert!(!p.pick(asker(B, &Pieces::All), 4, &mut rng).contains(&blocks[0]));
    blocks[1..3].iter().for_each(|block| _ = p.receive(*block, B));
    // Nobody may be convicted of a block that is not known to be here.
    let failed = p.failed(PieceIndex(0));
    assert_eq!((failed.conns, failed.complete), (vec![A, B], false));
}

#[test]
fn the_rarest_piece_comes_first() {
    let (mut p, mut rng) = (picker(20), Rng::from_number(2));
    for i in 0..4 {
        p.have.insert(i);
    }
    p.refill();
    let mut most = Bitfield::full(20);
    most.remove(13);
    for _ in 0..5 {
        p.peer(&Pieces::Some(most.clone()), true);
    }
    p.peer(&Pieces::Some(Bitfield::full(20)), true);
    assert_eq!(p.pick(asker(A, &Pieces::Some(Bitfield::full(20))), 1, &mut rng)[0].piece, PieceIndex(13));
    assert_ne!(p.pick(asker(B, &Pieces::Some(most)), 1, &mut rng)[0].piece, PieceIndex(13));
}

#[test]
fn nothing_unwanted_or_absent_is_picked() {
    let (mut p, mut rng) = (picker(8), Rng::from_number(3));
    let only: Bitfield = (0..8).map(|i| i < 2).collect();
    p.want(only);
    let peer = Pieces::Some((0..8).map(|i| i >= 1).collect());
    p.peer(&peer, true);
    let blocks = p.pick(asker(A, &peer), 1000, &mut rng);
    assert_eq!(blocks.len(), 4);
    assert!(blocks.iter().all(|b| b.piece == PieceIndex(1)));
    assert_eq!(p.missing(), 2);
}

#[test]
fn sequential_order_ascends() {
    let (mut p, mut rng) = (picker(8), Rng::from_number(4));
    p.set_order(Order::Sequential);
    p.peer(&Pieces::All, true);
    let pieces: Vec<u32> = p.pick(asker(A, &Pieces::All), 1000, &mut rng).iter().map(|b| b.piece.0).collect();
    assert!(pieces.is_sorted());
}

#[test]
fn the_endgame_begins_when_all_is_asked_for_and_asks_for_a_block_twice_at_most() {
    let (mut p, mut rng) = (picker(1), Rng::from_number(5));
    assert!(p.is_endgame(&mut rng), "nobody has the piece");
    p.peer(&Pieces::All, true);
    p.peer(&Pieces::All, true);
    assert!(!p.is_endgame(&mut rng));
    let owed = p.pick(asker(A, &Pieces::All), 1000, &mut rng);
    assert_eq!(owed.len(), 4);
    assert!(p.is_endgame(&mut rng) && p.pick(asker(B, &Pieces::All), 10, &mut rng).is_empty());
    assert!(
        p.ask_again(asker(B, &Pieces::All), owed[0], 1) && !p.ask_again(asker(B, &Pieces::All), owed[0], 1)
    );
    assert_eq!(p.receive(owed[0], B), Received::New { asked: 2 });
    assert!(!p.needs(owed[0]) && !p.ask_again(asker(B, &Pieces::All), owed[0], 1));
    assert_eq!(p.receive(owed[0], A), Received::Useless);
}

#[test]
fn a_failed_piece_is_fetched_from_one_peer_alone() {
    let (mut p, mut rng) = (picker(1), Rng::from_number(6));
    p.peer(&Pieces::All, true);
    for (i, block) in p.pick(asker(A, &Pieces::All), 4, &mut rng).into_iter().enumerate() {
        p.receive(block, if i == 0 { A } else { B });
    }
    let blame = p.failed(PieceIndex(0));
    assert_eq!(blame, Senders { conns: vec![A, B], complete: true });
    let parole = Asker { parole: true, ..asker(A, &Pieces::All) };
    // The failed piece is open to whoever comes first, and then to nobody else.
    let blocks = p.pick(asker(B, &Pieces::All), 2, &mut rng);
    assert_eq!(blocks.len(), 2);
    assert!(p.pick(parole, 4, &mut rng).is_empty());
    blocks.into_iter().chain(p.pick(asker(B, &Pieces::All), 4, &mut rng)).for_each(|b| {
        p.receive(b, B);
    });
    assert_eq!(p.passed(PieceIndex(0)), Some(Senders { conns: vec![B], complete: true }));
    assert_eq!((p.missing(), p.left()), (0, 0));
}

#[test]
fn who_is_on_parole_finishes_what_others_left_when_nobody_else_serves() {
    let (mut p, mut rng) = (picker(1), Rng::from_number(9));
    p.peer(&Pieces::All, true);
    let blocks = p.pick(asker(A, &Pieces::All), 4, &mut rng);
    p.receive(blocks[0], A);
    blocks[1..].iter().for_each(|block| p.release(*block));
    p.disown(A);
    let parole = Asker { parole: true, ..asker(B, &Pieces::All) };
    assert!(p.pick(parole, 4, &mut rng).is_empty());
    assert_eq!(p.pick(Asker { alone: true, ..parole }, 4, &mut rng).len(), 3);
}

#[test]
fn released_blocks_are_asked_for_again() {
    let (mut p, mut rng) = (picker(2), Rng::from_number(7));
    p.peer(&Pieces::All, true);
    let blocks = p.pick(asker(A, &Pieces::All), 8, &mut rng);
    p.receive(blocks[0], A);
    blocks[1..].iter().for_each(|b| p.release(*b));
    p.disown(A);
    let again = p.pick(asker(B, &Pieces::All), 100, &mut rng);
    assert_eq!(again.len(), 7);
    assert!(!again.contains(&blocks[0]));
    assert_eq!(p.left(), 2 * 65_536 - 16_384);
}

#[test]
fn an_earlier_run_leaves_only_the_rest_to_be_asked_for() {
    let (mut p, mut rng) = (picker(1), Rng::from_number(8));
    p.peer(&Pieces::All, true);
    p.restore(PieceIndex(0), &[true, false, true, true].into_iter().collect());
    p.restore(PieceIndex(9), &Bitfield::full(4));
    let rest = p.pick(asker(A, &Pieces::All), 100, &mut rng);
    assert_eq!(rest.iter().map(|b| b.begin).collect::<Vec<_>>(), [16_384]);
    p.receive(rest[0], A);
    assert!(!p.failed(PieceIndex(0)).complete);
}

#[test]
fn state_per_piece_stays_within_ten_bytes() {
    let rarity = Rarity::new(1_000);
    let bytes = rarity.bytes();
    assert!(bytes <= 10 * 1_000, "{bytes}");
}

fn wait_for(p: &mut Picker, reader: u64, pieces: &[(u32, u64)]) {
    let pieces = pieces.iter().map(|(n, ms)| (PieceIndex(*n), Duration::from_millis(*ms))).collect();
    p.demand(Time::ZERO, &Demand { reader: ReaderId(reader), pieces });
}

fn indexes(blocks: &[BlockRef]) -> Vec<u32> {
    let mut pieces: Vec<u32> = blocks.iter().map(|b| b.piece.0).collect();
    pieces.dedup();
    pieces
}

#[test]
fn what_a_reader_waits_for_goes_first_wanted_or_not() {
    let (mut p, mut rng) = (picker(8), Rng::from_number(10));
    p.want(Bitfield::new(8));
    p.peer(&Pieces::All, true);
    assert!(p.is_content() && p.pick(asker(A, &Pieces::All), 100, &mut rng).is_empty());
    wait_for(&mut p, 1, &[(5, 0), (6, 100), (2, 200)]);
    assert!(p.is_interesting(&Pieces::All));
    let blocks = p.pick(asker(A, &Pieces::All), 6, &mut rng);
    assert_eq!(indexes(&blocks), [5, 6]);
    assert_eq!(indexes(&p.pick(asker(B, &Pieces::All), 100, &mut rng)), [6, 2]);
    assert!(p.is_endgame(&mut rng));
    // Released: what nobody was asked for yet is never begun, what is under way is of no use any more.
    wait_for(&mut p, 1, &[]);
    assert!(p.is_content() && !p.is_sought(PieceIndex(6)) && !p.is_interesting(&Pieces::All));
    blocks.iter().for_each(|block| p.release(*block));
    assert!(p.pick(asker(A, &Pieces::All), 100, &mut rng).is_empty());
    p.receive(blocks[5], A);
    assert_eq!((p.passed(PieceIndex(6)).is_some(), p.missing()), (true, 0));
}

#[test]
fn a_slow_peer_leaves_what_is_urgent_to_others() {
    let (mut p, mut rng) = (picker(8), Rng::from_number(11));
    p.peer(&Pieces::All, true);
    p.peer(&Pieces::All, true);
    wait_for(&mut p, 1, &[(5, 0), (6, 10_000)]);
    let each = Duration::from_secs(2);
    let slow = Pace { now: Time::ZERO, ahead: Duration::ZERO, each, patience: Duration::from_millis(500) };
    let blocks = p.pick(Asker { pace: slow, ..asker(A, &Pieces::All) }, 5, &mut rng);
    // Four of the block that is needed in 10 s come in time, and then it helps with what is merely wanted.
    assert_eq!(blocks.iter().filter(|b| b.piece.0 == 6).count(), 4);
    assert!(blocks.iter().all(|b| b.piece.0 != 5) && blocks.len() == 5);
    assert_eq!(indexes(&p.pick(asker(B, &Pieces::All), 4, &mut rng)), [5]);
    // What only one peer has nobody else brings sooner.
    p.peer(&Pieces::All, false);
    wait_for(&mut p, 1, &[(7, 0)]);
    assert_eq!(indexes(&p.pick(Asker { pace: slow, ..asker(A, &Pieces::All) }, 1, &mut rng)), [7]);
}

#[test]
fn priorities_order_pieces_and_nought_leaves_them_out() {
    let (mut p, mut rng) = (picker(4), Rng::from_number(12));
    p.peer(&Pieces::All, true);
    let grades = [(0, 0), (1, 1), (2, 7), (3, 6), (99, 7)];
    p.prioritize(&grades.map(|(n, grade)| (PieceIndex(n), Priority::new(grade))));
    assert_eq!(p.missing(), 3);
    assert_eq!(indexes(&p.pick(asker(A, &Pieces::All), 100, &mut rng)), [2, 3, 1]);
    assert_eq!([0, 1, 2].map(|n| p.priority(PieceIndex(n)).get()), [0, 1, 7]);
    p.want(Bitfield::full(4));
    assert_eq!([0, 1, 2].map(|n| p.priority(PieceIndex(n)).get()), [4, 1, 7]);
}

/// libtorrent row 10.
#[test]
fn row_10_pieces_are_begun_in_the_order_of_their_rarity() {
    let (mut p, mut rng) = (picker(60), Rng::from_number(3));
    (0..4).for_each(|n| _ = p.have.insert(n));
    p.refill();
    // Piece n has 1 + n % 5 copies beside the one of the peer that is asked.
    for level in 0..5 {
        p.peer(&Pieces::Some((0..60).map(|n| n % 5 >= level).collect()), true);
    }
    p.peer(&Pieces::All, true);
    let begun: Vec<u32> = (0..56).map(|_| p.pick(asker(A, &Pieces::All), 4, &mut rng)[0].piece.0).collect();
    assert!(begun.is_sorted_by_key(|n| n % 5), "{begun:?}");
    assert_eq!(begun.iter().collect::<std::collections::BTreeSet<_>>().len(), 56);
    let of_a_level: Vec<u32> = begun.into_iter().filter(|n| n % 5 == 2).collect();
    assert!(!of_a_level.is_sorted(), "equals come at random: {of_a_level:?}");
}

/// libtorrent row 10.
#[test]
fn row_10_ten_thousand_peers_that_come_and_go_cost_one_rebuild() {
    let (mut p, mut rng) = (picker(10_000), Rng::from_number(4));
    let half = Pieces::Some((0..10_000).map(|n| n % 2 == 0).collect());
    p.peer(&half, true);
    p.pick(asker(A, &half), 1, &mut rng);
    let before = p.rarity.rebuilt;
    for n in 0..10_000 {
        let pieces = if n % 100 == 0 { &half } else { &Pieces::All };
        p.peer(pieces, true);
        p.peer(pieces, false);
    }
    assert_eq!(p.rarity.rebuilt, before);
    assert_eq!(p.pick(asker(A, &half), 4, &mut rng).len(), 4);
    assert!(p.rarity.rebuilt <= before + 1);
    (0..10_000).for_each(|_| p.peer(&Pieces::All, true));
    p.pick(asker(A, &half), 8, &mut rng);
    assert!(p.rarity.rebuilt <= before + 1, "who has everything is only counted");
}

/// Nanoseconds of each pick of one block, sorted, of a torrent of a million pieces with 500 peers, each of which has begun
/// a piece; the peer that picks has `held` pieces.
fn picks(held: u32, picks: u32) -> Vec<u128> {
    const PIECES: u32 = 1_000_000;
    let (mut p, mut rng) = (picker(PIECES), Rng::from_number(11));
    let random =
        |rng: &mut Rng, one_in: u32| -> Bitfield { (0..PIECES).map(|_| rng.one_in(one_in)).collect() };
    let crowd: Vec<Pieces> = (0..40).map(|_| Pieces::Some(random(&mut rng, 2))).collect();
    (0..500).for_each(|n| p.peer(&crowd[n % 40], true));
    for n in 0..500 {
        let conn = ConnId::new(100 + n, 0);
        p.pick(asker(conn, &crowd[n as usize % 40]), 2, &mut rng);
    }
    let mut bits = Bitfield::new(PIECES);
    while bits.count() < held {
        bits.insert(rng.below(PIECES as usize) as u32);
    }
    let few = Pieces::Some(bits);
    p.peer(&few, true);
    p.pick(asker(A, &few), 1, &mut rng).into_iter().for_each(|block| p.release(block));
    let mut spans = Vec::new();
    for _ in 0..picks {
        p.peer_has(PieceIndex(rng.below(PIECES as usize) as u32));
        #[allow(clippy::disallowed_methods, reason = "a measurement, by hand alone")]
        let begun = std::time::Instant::now();
        let blocks = p.pick(asker(A, &few), 1, &mut rng);
        spans.push(begun.elapsed().as_nanos());
        assert_eq!(blocks.len(), 1);
        blocks.into_iter().for_each(|block| p.release(block));
    }
    spans.sort_unstable();
    spans
}

/// libtorrent row 11: `cargo test --release -p riverrun-engine -- --ignored --nocapture row_11`.
#[test]
#[ignore = "a measurement: it means something in a release build on a quiet machine"]
fn row_11_a_pick_among_a_million_pieces_and_500_peers_takes_microseconds() {
    for held in [1_000, 100_000] {
        let spans = picks(held, 20_000);
        let at = |part: usize| spans[spans.len() * part / 1_000] as f64 / 1e3;
        println!("{held} pieces: median {:.2} us, p99 {:.2} us, p99.9 {:.2} us", at(500), at(990), at(999));
        assert!(at(500) < 5.0 && at(990) < 50.0);
    }
}
