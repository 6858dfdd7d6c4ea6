//! The fast extension (BEP 6), byte by byte.

use super::*;

const MANY: u32 = 1_000;

fn block(piece: u32, n: u32) -> BlockRef {
    BlockRef { piece: PieceIndex(piece), begin: n * BLOCK_LEN, len: BLOCK_LEN }
}

/// The pieces granted in what is sent, from the bytes: length 5, type 0x11, index.
fn granted(outputs: &[Output], to: ConnId) -> Vec<u32> {
    let index = |frame: &Vec<u8>| match frame[..] {
        [0x11, a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    };
    sent(outputs, to).iter().filter_map(index).collect()
}

fn rejects(outputs: &[Output], to: ConnId) -> Vec<Vec<u8>> {
    sent(outputs, to).into_iter().filter(|frame| frame[0] == 0x10).collect()
}

fn blocks_sent(outputs: &[Output]) -> Vec<BlockRef> {
    let block = |o: &Output| if let Output::SendBlock { block, .. } = o { Some(*block) } else { None };
    outputs.iter().filter_map(block).collect()
}

fn greeted(t: &mut Torrent, n: u32, first: Message<'_>) -> Vec<u32> {
    let peer = join(t, Time::ZERO, n);
    say(t, Time::ZERO, peer, first).unwrap();
    granted(&t.drain(Time::ZERO), peer)
}

#[test]
fn every_beginner_gets_the_set_of_his_address_whatever_we_have() {
    let mut sets: Vec<Vec<u32>> = Vec::new();
    for mut t in [leech(MANY), seed(MANY), torrent_with(MANY, |p| _ = content(p).have.insert(3))] {
        sets.push(greeted(&mut t, 1, Message::HaveNone));
        // The last byte of the address does not count: the same network gets the same set.
        sets.push(greeted(&mut t, 2, Message::HaveNone));
    }
    assert!(sets.iter().all(|set| set.len() == 10 && *set == sets[0]), "{sets:?}");
    let expected = wire::fast::allowed_fast([10, 0, 0, 1].into(), InfoHash([1; 20]), MANY, 10, hash::sha1);
    assert_eq!(sets[0], expected.iter().map(|piece| piece.0).collect::<Vec<_>>());
}

#[test]
fn who_has_something_to_trade_or_does_not_speak_it_gets_no_set() {
    let few = |n: u32| {
        let mut bits = Bitfield::new(MANY);
        (0..n).for_each(|piece| _ = bits.insert(piece));
        bits.as_bytes().into_owned()
    };
    let mut t = leech(MANY);
    assert_eq!(greeted(&mut t, 1, Message::HaveAll).len(), 0);
    assert_eq!(greeted(&mut t, 2, Message::Bitfield(&few(11))).len(), 0);
    assert_eq!(greeted(&mut t, 3, Message::Bitfield(&few(10))).len(), 10);
    let mut never = torrent_with(MANY, |p| p.upload = UploadMode::Never);
    assert_eq!(greeted(&mut never, 1, Message::HaveNone).len(), 0);
    join_as(&mut t, Time::ZERO, 4, Origin::Accepted, [4; 20], false);
    say(&mut t, Time::ZERO, conn(4), Message::Bitfield(&few(1))).unwrap();
    assert_eq!(granted(&t.drain(Time::ZERO), conn(4)).len(), 0);
    for message in [Message::AllowedFast(PieceIndex(0)), Message::Suggest(PieceIndex(0))] {
        let mut t = leech(MANY);
        join_as(&mut t, Time::ZERO, 1, Origin::Accepted, [1; 20], false);
        assert_eq!(say(&mut t, Time::ZERO, conn(1), message), Err(Fault::NotNegotiated));
    }
}

#[test]
fn a_choked_peer_is_served_from_its_set_and_refused_the_rest() {
    let (mut t, now) = (seed(MANY), Time::ZERO);
    let set = greeted(&mut t, 1, Message::HaveNone);
    let other = (0..MANY).find(|piece| !set.contains(piece)).unwrap();
    say(&mut t, now, conn(1), Message::Request(block(set[0], 1))).unwrap();
    say(&mut t, now, conn(1), Message::Request(block(other, 2))).unwrap();
    let out = t.drain(now);
    assert_eq!(blocks_sent(&out), [block(set[0], 1)]);
    let [hi, lo] = (other as u16).to_be_bytes();
    assert_eq!(rejects(&out, conn(1)), [[0x10, 0, 0, hi, lo, 0, 0, 0x80, 0, 0, 0, 0x40, 0]]);
    // With eleven pieces it is no beginner any more.
    (0..11).for_each(|piece| say(&mut t, now, conn(1), Message::Have(PieceIndex(piece))).unwrap());
    say(&mut t, now, conn(1), Message::Request(block(set[1], 0))).unwrap();
    let out = t.drain(now);
    assert_eq!((blocks_sent(&out).len(), rejects(&out, conn(1)).len()), (0, 1));
}

#[test]
fn a_choke_refuses_what_waits_but_for_the_set() {
    let (mut t, now) = (seed(MANY), Time::ZERO);
    let set = greeted(&mut t, 1, Message::HaveNone);
    let other = (0..MANY).find(|piece| !set.contains(piece)).unwrap();
    say(&mut t, now, conn(1), Message::Interested).unwrap();
    for n in 0..4 {
        (0..10).for_each(|piece| say(&mut t, now, conn(1), Message::Request(block(set[piece], n))).unwrap());
        say(&mut t, now, conn(1), Message::Request(block(other, n))).unwrap();
    }
    let ahead = blocks_sent(&t.drain(now));
    say(&mut t, now, conn(1), Message::NotInterested).unwrap();
    t.choke_round(now);
    let out = t.drain(now);
    let frames = sent(&out, conn(1));
    assert_eq!(frames[0], [0], "the choke goes first");
    let refused = rejects(&out, conn(1)).len();
    assert_eq!(refused, 4 - ahead.iter().filter(|block| block.piece.0 == other).count());
    let mut served = ahead.len();
    let mut leaving = ahead;
    while let Some(block) = leaving.pop() {
        t.handle(now, Input::BlockSent { conn: conn(1), block }).unwrap();
        let more = blocks_sent(&t.drain(now));
        served += more.len();
        leaving.extend(more);
    }
    assert_eq!(served + refused, 44, "every request has one answer");
}

#[test]
fn what_a_peer_allows_is_asked_for_while_it_chokes_us() {
    let (mut t, now) = (leech(MANY), Time::ZERO);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveAll).unwrap();
    assert!(requests(&t.drain(now), peer).is_empty());
    say(&mut t, now, peer, Message::AllowedFast(PieceIndex(7))).unwrap();
    let asked = requests(&t.drain(now), peer);
    assert_eq!(asked, [block(7, 0), block(7, 1), block(7, 2), block(7, 3)]);
    // A peer that does not keep its word is not asked again.
    asked.iter().for_each(|block| say(&mut t, now, peer, Message::Reject(*block)).unwrap());
    assert!(requests(&t.drain(now), peer).is_empty());
    say(&mut t, now, peer, Message::AllowedFast(PieceIndex(8))).unwrap();
    let asked = requests(&t.drain(now), peer);
    assert_eq!(asked.len(), 4);
    asked.iter().for_each(|block| give(&mut t, now, peer, *block));
    assert!(requests(&t.drain(now), peer).is_empty());
}

#[test]
fn allowed_does_not_mean_that_the_peer_has_it() {
    let (mut t, now) = (leech(MANY), Time::ZERO);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    say(&mut t, now, peer, Message::AllowedFast(PieceIndex(7))).unwrap();
    say(&mut t, now, peer, Message::Have(PieceIndex(6))).unwrap();
    assert!(requests(&t.drain(now), peer).is_empty());
    say(&mut t, now, peer, Message::Have(PieceIndex(7))).unwrap();
    assert_eq!(requests(&t.drain(now), peer).len(), 4);
}

#[test]
fn a_suggested_piece_comes_first_among_equals() {
    let suggested = |rare: bool| {
        let (mut t, now) = (leech(MANY), Time::ZERO);
        if rare {
            // Another peer has it too: it is no equal.
            let other = join(&mut t, now, 2);
            say(&mut t, now, other, Message::HaveNone).unwrap();
            say(&mut t, now, other, Message::Have(PieceIndex(77))).unwrap();
            (0..4).for_each(|n| t.handle(now, Input::PieceStored { piece: PieceIndex(n) }).unwrap());
        }
        let peer = join(&mut t, now, 1);
        say(&mut t, now, peer, Message::HaveAll).unwrap();
        say(&mut t, now, peer, Message::Suggest(PieceIndex(77))).unwrap();
        say(&mut t, now, peer, Message::Unchoke).unwrap();
        requests(&t.drain(now), peer)[0].piece.0 == 77
    };
    assert!(suggested(false) && !suggested(true));
}

#[test]
fn sets_and_suggestions_beyond_the_torrent_or_without_end_are_faults() {
    for message in [Message::AllowedFast(PieceIndex(MANY)), Message::Suggest(PieceIndex(MANY))] {
        let mut t = leech(MANY);
        let peer = join(&mut t, Time::ZERO, 1);
        assert_eq!(say(&mut t, Time::ZERO, peer, message), Err(Fault::PieceOutOfRange));
    }
    let mut t = leech(MANY);
    let peer = join(&mut t, Time::ZERO, 1);
    let mut flood =
        (0..3_000).map(|n| say(&mut t, Time::ZERO, peer, Message::AllowedFast(PieceIndex(n % MANY))));
    assert_eq!(flood.find(Result::is_err), Some(Err(Fault::MessageFlood)));
}

#[test]
fn requests_while_choked_are_rejected_and_at_last_a_flood() {
    let (mut t, now) = (seed(MANY), Time::ZERO);
    let peer = join(&mut t, now, 1);
    for n in 0..300 {
        say(&mut t, now, peer, Message::Request(block(n, 0))).unwrap();
        assert_eq!(rejects(&t.drain(now), peer).len(), 1, "{n}");
    }
    assert_eq!(say(&mut t, now, peer, Message::Request(block(0, 0))), Err(Fault::RequestFlood));
    assert_eq!(disconnects(&t.drain(now)), [(peer, Disconnect::Fault(Fault::RequestFlood))]);
}

#[test]
fn no_more_beginners_than_slots_have_a_set_at_a_time() {
    let mut t = seed(MANY);
    let slots = t.choker.slots(true) as u32;
    let with_set = (1..=2 * slots).filter(|n| !greeted(&mut t, *n, Message::HaveNone).is_empty()).count();
    assert_eq!(with_set as u32, slots);
    t.handle(Time::ZERO, Input::Closed { conn: conn(1), why: Disconnect::ByPeer }).unwrap();
    assert_eq!(greeted(&mut t, 2 * slots + 1, Message::HaveNone).len(), 10);
}
