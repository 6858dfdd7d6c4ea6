//! Pieces that went away (BEP 54), and peers that want nothing (BEP 21).

use super::extended::{extended, meet, tell};
use super::*;

/// Our id of `lt_donthave`.
const DONT_HAVE: u8 = 3;

/// A peer that understands `lt_donthave` by its id 44.
fn meet_speaker(t: &mut Torrent, n: u32) -> ConnId {
    meet(t, Time::ZERO, n);
    tell(t, Time::ZERO, n, 0, b"d1:md11:lt_donthavei44e11:upload_onlyi45eee").unwrap();
    t.drain(Time::ZERO);
    conn(n)
}

fn trouble() -> DiskTrouble {
    DiskTrouble { code: "disk_broken", message: "it is broken".into() }
}

#[test]
fn a_piece_in_doubt_or_lost_is_told_to_those_who_understand() {
    let (mut t, now) = (seed(9), Time::ZERO);
    let peer = meet_speaker(&mut t, 1);
    meet(&mut t, now, 2);
    tell(&mut t, now, 2, 0, b"d1:mdee").unwrap();
    t.drain(now);
    t.handle(now, Input::PieceDoubtful { piece: PieceIndex(5), why: &trouble() }).unwrap();
    let out = t.drain(now);
    let said = extended(&out, peer);
    assert_eq!(said, [(44, vec![0, 0, 0, 5]), (45, vec![0])], "and a seed is a leech again");
    assert!(extended(&out, conn(2)).is_empty());
    t.handle(now, Input::PieceStored { piece: PieceIndex(5) }).unwrap();
    let out = t.drain(now);
    assert!(sent(&out, peer).contains(&vec![4, 0, 0, 0, 5]), "it is here again");
    let mut less = Bitfield::full(9);
    less.remove(1);
    t.handle(now, Input::Command(Command::Have(less))).unwrap();
    assert_eq!(extended(&t.drain(now), peer)[0], (44, vec![0, 0, 0, 1]));
}

#[test]
fn what_a_peer_lost_is_not_asked_of_it_and_free_for_others() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let peer = meet_speaker(&mut t, 1);
    let asked = serve(&mut t, now, peer);
    assert_eq!(asked.len(), 4);
    tell(&mut t, now, 1, DONT_HAVE, &[0, 0, 0, 0]).unwrap();
    let out = t.drain(now);
    assert!(sent(&out, peer).contains(&vec![3]), "there is nothing to be had of it");
    assert_eq!(t.peers(now)[0].pieces, 0);
    assert!(!t.peers(now)[0].we_are_interested);
    let other = join(&mut t, now, 2);
    assert_eq!(serve(&mut t, now, other).len(), 4);
    // It comes all the same: no offence. It comes back: it is of interest again.
    assert_eq!(t.expect_block(now, peer, asked[0]), Arrival::Take);
    say(&mut t, now, peer, Message::Have(PieceIndex(0))).unwrap();
    assert_eq!(t.peers(now)[0].pieces, 1);
}

#[test]
fn a_loss_beyond_the_torrent_is_a_fault_and_one_without_end_a_flood() {
    let mut t = leech(9);
    meet_speaker(&mut t, 1);
    assert_eq!(tell(&mut t, Time::ZERO, 1, DONT_HAVE, &[0, 0, 0, 9]), Err(Fault::PieceOutOfRange));
    let mut t = leech(9);
    meet_speaker(&mut t, 1);
    assert_eq!(tell(&mut t, Time::ZERO, 1, DONT_HAVE, &[0; 5]), Err(Fault::BadMessage));
    let mut t = leech(9);
    meet_speaker(&mut t, 1);
    let mut flood = (0..1_100).map(|_| tell(&mut t, Time::ZERO, 1, DONT_HAVE, &[0, 0, 0, 1]));
    assert_eq!(flood.find(Result::is_err), Some(Err(Fault::MessageFlood)));
}

#[test]
fn have_beyond_the_torrent_is_a_fault() {
    for piece in [9, 10, u32::MAX] {
        let mut t = leech(9);
        let peer = join(&mut t, Time::ZERO, 1);
        let have = Message::Have(PieceIndex(piece));
        assert_eq!(say(&mut t, Time::ZERO, peer, have), Err(Fault::PieceOutOfRange));
        assert_eq!(disconnects(&t.drain(Time::ZERO)), [(peer, Disconnect::Fault(Fault::PieceOutOfRange))]);
    }
}

#[test]
fn a_bitfield_of_the_wrong_length_or_with_spare_bits_is_a_fault() {
    for bytes in [&[][..], &[0xff], &[0xff, 0x80, 0], &[0xff, 0xff], &[0; 70_000]] {
        let mut t = leech(9);
        let peer = join(&mut t, Time::ZERO, 1);
        assert_eq!(say(&mut t, Time::ZERO, peer, Message::Bitfield(bytes)), Err(Fault::BadBitfield));
        assert_eq!(disconnects(&t.drain(Time::ZERO)), [(peer, Disconnect::Fault(Fault::BadBitfield))]);
    }
}

#[test]
fn who_downloads_nothing_gets_no_slot() {
    let (mut t, now) = (leech(9), Time::ZERO);
    let peer = meet_speaker(&mut t, 1);
    say(&mut t, now, peer, Message::Interested).unwrap();
    assert!(!t.peers(now)[0].we_choke);
    tell(&mut t, now, 1, 5, &[1]).unwrap();
    t.choke_round(now);
    assert!(t.peers(now)[0].we_choke);
    say(&mut t, now, peer, Message::NotInterested).unwrap();
    say(&mut t, now, peer, Message::Interested).unwrap();
    assert!(t.peers(now)[0].we_choke);
    tell(&mut t, now, 1, 5, &[0]).unwrap();
    t.choke_round(now);
    assert!(!t.peers(now)[0].we_choke);
}

#[test]
fn two_ends_that_download_nothing_part() {
    // Not at once: a reader may come soon.
    let mut t = torrent_with(9, |p| content(p).wanted = Bitfield::new(9));
    let peer = meet_speaker(&mut t, 1);
    tell(&mut t, Time::ZERO, 1, 5, &[1]).unwrap();
    let ends = |t: &mut Torrent, seconds| {
        let now = Time::from_secs(seconds);
        t.handle(now, Input::Timer).unwrap();
        disconnects(&t.drain(now))
    };
    assert_eq!(ends(&mut t, 59), []);
    assert_eq!(ends(&mut t, 60), [(peer, Disconnect::Useless)]);
    let mut t = torrent_with(9, |p| content(p).wanted = Bitfield::new(9));
    meet_speaker(&mut t, 1);
    tell(&mut t, Time::ZERO, 1, 5, &[1]).unwrap();
    t.handle(Time::from_secs(50), Input::Command(Command::Want(Bitfield::full(9)))).unwrap();
    t.handle(Time::from_secs(55), Input::Command(Command::Want(Bitfield::new(9)))).unwrap();
    assert_eq!(ends(&mut t, 70), []);
}
