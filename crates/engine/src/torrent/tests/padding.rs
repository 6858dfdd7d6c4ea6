//! Padding files (BEP 47).

use super::*;

/// Four pieces of four blocks: data in the first block and a half of piece 0, all of piece 1, none of piece
/// 2, and the second half of piece 3.
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
