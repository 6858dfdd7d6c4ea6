//! Share mode, rule by rule.

use wire::extended::ExtendedHandshake;

use super::extended::{extended, meet, tell};
use super::*;

fn share(pieces: u32) -> Torrent {
    let mut t = leech(pieces);
    t.handle(Time::ZERO, Input::Command(Command::ShareMode(true))).unwrap();
    t
}

/// A peer with these pieces joins.
fn join_with(t: &mut Torrent, n: u32, message: Message<'_>) -> ConnId {
    let peer = join(t, Time::ZERO, n);
    say(t, Time::ZERO, peer, message).unwrap();
    t.drain(Time::ZERO);
    peer
}

/// A seed that serves us, and so many peers with nothing.
fn swarm(t: &mut Torrent, leeches: u32) -> ConnId {
    let seed = join_with(t, 1, Message::HaveAll);
    say(t, Time::ZERO, seed, Message::Unchoke).unwrap();
    (2..2 + leeches).for_each(|n| _ = join_with(t, n, Message::HaveNone));
    seed
}

/// A second, and a round of the choker, later.
fn tick(t: &mut Torrent, secs: u64) -> Vec<Output> {
    let now = Time::from_secs(secs);
    t.handle(now, Input::Timer).unwrap();
    t.drain(now)
}

/// The pieces that are asked for.
fn pieces(requests: &[BlockRef]) -> Vec<PieceIndex> {
    let mut all: Vec<PieceIndex> = requests.iter().map(|block| block.piece).collect();
    all.dedup();
    all
}

fn receive(t: &mut Torrent, now: Time, from: ConnId, blocks: &[BlockRef]) {
    blocks.iter().for_each(|block| give(t, now, from, *block));
    t.handle(now, Input::PieceStored { piece: blocks[0].piece }).unwrap();
}

fn send_times(t: &mut Torrent, now: Time, blocks: &[BlockRef], times: u32) {
    (0..times).flat_map(|_| blocks).for_each(|block| {
        t.handle(now, Input::BlockSent { conn: conn(2), block: *block }).unwrap();
    });
}

/// libtorrent row 17, its second half: what share mode fetches, and when.
#[test]
fn row_17_one_piece_is_fetched_and_the_next_when_it_was_sent_three_times() {
    let mut t = share(40);
    let seed = swarm(&mut t, 3);
    let now = Time::from_secs(1);
    let first = requests(&tick(&mut t, 1), seed);
    assert_eq!((first.len(), pieces(&first).len()), (4, 1));
    say(&mut t, now, conn(2), Message::Interested).unwrap();
    receive(&mut t, now, seed, &first);
    assert!(requests(&t.drain(now), seed).is_empty());
    send_times(&mut t, now, &first, 2);
    assert!(requests(&tick(&mut t, 2), seed).is_empty());
    send_times(&mut t, now, &first, 1);
    let second = requests(&tick(&mut t, 3), seed);
    assert!(pieces(&second).len() == 1 && second[0].piece != first[0].piece);
    assert!(!t.is_complete() && t.figures().missing == 39);
}

#[test]
fn nothing_is_fetched_where_fewer_than_three_lack_it() {
    let mut t = share(40);
    let seed = swarm(&mut t, 2);
    for secs in 1..30 {
        let out = tick(&mut t, secs);
        assert!(sent(&out, seed).is_empty(), "not even interest");
    }
    // Those who are in share mode, or want nothing, will not ask for it.
    for (n, said) in [(7, &b"d1:mde10:share_modei1ee"[..]), (8, b"d1:mde11:upload_onlyi1ee")] {
        meet(&mut t, Time::from_secs(30), n);
        tell(&mut t, Time::from_secs(30), n, 0, said).unwrap();
        say(&mut t, Time::from_secs(30), conn(n), Message::HaveNone).unwrap();
    }
    assert!(requests(&tick(&mut t, 31), seed).is_empty());
    tell(&mut t, Time::from_secs(31), 7, 0, b"d1:mde10:share_modei0ee").unwrap();
    assert_eq!(pieces(&requests(&tick(&mut t, 32), seed)).len(), 1, "it downloads for itself now");
}

#[test]
fn among_seeds_and_peers_that_did_not_speak_yet_nothing_is_fetched() {
    let mut t = share(40);
    let seed = swarm(&mut t, 0);
    (10..15).for_each(|n| _ = join(&mut t, Time::ZERO, n));
    assert!(requests(&tick(&mut t, 1), seed).is_empty());
    (10..15).for_each(|n| say(&mut t, Time::ZERO, conn(n), Message::HaveAll).unwrap());
    for secs in 2..40 {
        assert!(sent(&tick(&mut t, secs), seed).is_empty());
    }
}

#[test]
fn where_seeds_bring_it_soon_nothing_is_fetched() {
    // Three peers lack one piece each, and two seeds send two in the same time.
    let mut t = share(40);
    let mut most = Bitfield::full(40);
    most.remove(7);
    let seed = swarm(&mut t, 0);
    join_with(&mut t, 5, Message::HaveAll);
    (10..13).for_each(|n| _ = join_with(&mut t, n, Message::Bitfield(&most.as_bytes())));
    assert!(requests(&tick(&mut t, 1), seed).is_empty());
    (13..15).for_each(|n| _ = join_with(&mut t, n, Message::Bitfield(&most.as_bytes())));
    assert_eq!(pieces(&requests(&tick(&mut t, 2), seed)), [PieceIndex(7)]);
}

#[test]
fn the_rarest_piece_that_somebody_has_is_taken() {
    let mut t = share(40);
    (2..5).for_each(|n| _ = join_with(&mut t, n, Message::HaveNone));
    let bits = |pieces: &[u32]| {
        let mut bits = Bitfield::new(40);
        pieces.iter().for_each(|piece| _ = bits.insert(*piece));
        bits
    };
    let some = join_with(&mut t, 6, Message::Bitfield(&bits(&[3, 4, 5]).as_bytes()));
    join_with(&mut t, 7, Message::Bitfield(&bits(&[3, 5]).as_bytes()));
    say(&mut t, Time::ZERO, some, Message::Unchoke).unwrap();
    assert_eq!(pieces(&requests(&tick(&mut t, 1), some)), [PieceIndex(4)]);
}

#[test]
fn a_twentieth_of_the_pieces_is_under_way() {
    let mut t = share(60);
    let seed = swarm(&mut t, 4);
    let first = requests(&tick(&mut t, 1), seed);
    receive(&mut t, Time::from_secs(1), seed, &first);
    send_times(&mut t, Time::from_secs(1), &first, 90);
    tick(&mut t, 2);
    assert_eq!(t.picker.to_come(), 3);
}

#[test]
fn what_is_not_selected_is_not_fetched() {
    let mut t = share(40);
    let mut wanted = Bitfield::new(40);
    wanted.insert(9);
    t.handle(Time::ZERO, Input::Command(Command::Want(wanted))).unwrap();
    let seed = swarm(&mut t, 3);
    let asked = requests(&tick(&mut t, 1), seed);
    assert_eq!(pieces(&asked), [PieceIndex(9)]);
    receive(&mut t, Time::from_secs(1), seed, &asked);
    assert!(t.is_complete(), "all that was selected is here: it is a seed");
}

#[test]
fn what_nobody_brings_gives_way_to_another_piece() {
    let mut t = share(40);
    let seed = swarm(&mut t, 3);
    let first = requests(&tick(&mut t, 1), seed);
    say(&mut t, Time::from_secs(1), seed, Message::Choke).unwrap();
    first.iter().for_each(|block| say(&mut t, Time::from_secs(1), seed, Message::Reject(*block)).unwrap());
    (2..75).step_by(5).for_each(|secs| _ = tick(&mut t, secs));
    say(&mut t, Time::from_secs(75), seed, Message::Unchoke).unwrap();
    let second = requests(&t.drain(Time::from_secs(75)), seed);
    assert!(pieces(&second).len() == 1 && second[0].piece != first[0].piece);
}

#[test]
fn who_serves_nobody_fetches_nothing() {
    let mut t = share(40);
    t.handle(Time::ZERO, Input::Command(Command::Upload(UploadMode::Never))).unwrap();
    let seed = swarm(&mut t, 5);
    assert!(requests(&tick(&mut t, 1), seed).is_empty());
}

#[test]
fn seeds_beyond_half_make_room_where_places_are_short() {
    let mut t = share(40);
    (11..=25).for_each(|n| _ = join_with(&mut t, n, Message::HaveAll));
    (26..=30).for_each(|n| _ = join_with(&mut t, n, Message::HaveNone));
    assert!(disconnects(&tick(&mut t, 10)).is_empty());
    join_with(&mut t, 31, Message::HaveNone);
    let gone = disconnects(&tick(&mut t, 20));
    assert_eq!(gone.len(), 5);
    assert!(gone.iter().all(|(peer, why)| peer.slot() <= 25 && *why == Disconnect::Useless));
    assert!(dials(&tick(&mut t, 400)).is_empty(), "they are not asked back");
}

#[test]
fn it_begins_and_ends_on_a_live_torrent_and_peers_are_told() {
    let (mut t, now) = (leech(40), Time::ZERO);
    let said = |out: &[Output]| {
        let last = extended(out, conn(8)).pop().unwrap();
        let h = ExtendedHandshake::decode(&last.1).unwrap();
        (last.0, h.share_mode, h.upload_only)
    };
    assert_eq!(said(&meet(&mut t, now, 8)), (0, None, None));
    let seed = join(&mut t, now, 1);
    let asked = serve(&mut t, now, seed);
    assert!(!asked.is_empty());
    t.handle(now, Input::Command(Command::ShareMode(true))).unwrap();
    let out = t.drain(now);
    assert_eq!(said(&out), (0, Some(true), None), "nothing is wanted, and yet it is no partial seed");
    let cancelled = sent(&out, seed).iter().filter(|frame| frame[0] == 8).count();
    assert_eq!(cancelled, asked.len());
    assert!(!t.peers(now)[0].we_are_interested);
    t.handle(now, Input::Command(Command::ShareMode(true))).unwrap();
    assert!(t.drain(now).is_empty(), "it is so already");
    t.handle(now, Input::Command(Command::ShareMode(false))).unwrap();
    let out = t.drain(now);
    assert_eq!(said(&out), (0, Some(false), None));
    assert_eq!(requests(&out, seed).len(), asked.len());
}

#[test]
fn readers_get_what_they_wait_for() {
    let mut t = share(40);
    let seed = swarm(&mut t, 0);
    let demand = |pieces: Vec<PieceIndex>| {
        let pieces = pieces.into_iter().map(|piece| (piece, Duration::ZERO)).collect();
        Input::Command(Command::Demand(crate::Demand { reader: crate::ReaderId(1), pieces }))
    };
    t.handle(Time::ZERO, demand(vec![PieceIndex(8)])).unwrap();
    let asked = requests(&t.drain(Time::ZERO), seed);
    assert_eq!(pieces(&asked), [PieceIndex(8)]);
    t.handle(Time::ZERO, demand(Vec::new())).unwrap();
    let out = t.drain(Time::ZERO);
    assert!(sent(&out, seed).contains(&vec![3]), "nothing is wanted again");
}
