//! What a peer may not say.

use super::*;

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
