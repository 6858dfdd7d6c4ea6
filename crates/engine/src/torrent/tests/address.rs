//! Peers that are of no use, and how often they are tried.

use super::*;

/// Every dial in the first hour to a named peer of which each ends like this, in seconds, and how often it
/// was told.
fn dials_until(end: impl Fn(&mut Torrent, Time, u32)) -> (Vec<u64>, usize) {
    let mut t = leech(1);
    t.handle(Time::ZERO, Input::Addresses { source: PeerSource::Manual, addrs: &[addr(1)] }).unwrap();
    let (mut now, mut at, mut told) = (Time::ZERO, Vec::new(), 0);
    while now < Time::from_secs(3600) {
        match t.poll(now) {
            Output::Dial { .. } => {
                at.push(now.since(Time::ZERO).as_secs());
                end(&mut t, now, at.len() as u32);
            }
            Output::Event(Event::PeerUseless { addr: who, .. }) => {
                assert_eq!(who, addr(1));
                told += 1;
            }
            Output::Wait(Time::NEVER, _) => break,
            Output::Wait(until, _) => {
                now = until.max(now);
                t.handle(now, Input::Timer).unwrap();
            }
            _ => {}
        }
    }
    (at, told)
}

fn failed(why: Disconnect) -> (Vec<u64>, usize) {
    dials_until(|t, now, _| t.handle(now, Input::DialFailed { addr: addr(1), why }).unwrap())
}

#[test]
fn a_named_peer_that_is_not_there_is_tried_with_a_growing_wait_and_told() {
    for why in [Disconnect::Network, Disconnect::ByPeer, Disconnect::HandshakeTimeout] {
        let (at, told) = failed(why);
        assert_eq!(at[..6], [0, 3, 9, 18, 30, 45], "{why:?}");
        let last = at[at.len() - 1] - at[at.len() - 2];
        assert!(at.len() < 60 && last > 100, "{why:?}: {at:?}");
        assert_eq!(told, at.len());
    }
}

#[test]
fn what_we_lacked_ourselves_is_held_against_nobody() {
    let (at, told) = failed(Disconnect::Full);
    assert_eq!((&at[..4], told), (&[0, 3, 6, 9][..], 0));
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 3), "{at:?}");
}

#[test]
fn a_named_peer_of_another_kind_is_told_and_left_alone() {
    for why in [Fault::NotBitTorrent, Fault::UnknownInfoHash] {
        assert_eq!(failed(Disconnect::Fault(why)), (vec![0], 1), "{why:?}");
    }
    let ourselves = |t: &mut Torrent, now, n| join_as(t, now, 1, Origin::Dialed, [9; 20], n > 0);
    assert_eq!(dials_until(ourselves), (vec![0], 1));
}

#[test]
fn a_named_peer_that_breaks_rules_waits_longer_each_time() {
    let (at, told) = dials_until(|t, now, n| {
        let (conn, addr, peer_id) = (conn(n), addr(1), PeerId([1; 20]));
        let reserved = Reserved::NONE.with_fast(true);
        t.handle(now, Input::Connected { conn, addr, origin: Origin::Dialed, reserved, peer_id }).unwrap();
        assert_eq!(say(t, now, conn, Message::Have(PieceIndex(77))), Err(Fault::PieceOutOfRange));
    });
    assert_eq!(at[..4], [0, 3, 9, 18]);
    assert_eq!(told, at.len());
}

#[test]
fn who_was_there_before_a_pause_is_dialed_at_once_after_it() {
    let (mut t, now) = (leech(1), Time::ZERO);
    t.handle(now, Input::Addresses { source: PeerSource::Tracker, addrs: &[addr(1)] }).unwrap();
    t.drain(now);
    join_as(&mut t, now, 1, Origin::Dialed, [1; 20], true);
    t.handle(now, Input::Command(Command::Pause)).unwrap();
    t.drain(now);
    t.handle(now, Input::Command(Command::Start)).unwrap();
    assert!(t.drain(now).contains(&Output::Dial { addr: addr(1) }));
}

#[test]
fn what_a_tracker_named_is_not_told() {
    let mut t = leech(1);
    t.handle(Time::ZERO, Input::Addresses { source: PeerSource::Tracker, addrs: &[addr(1)] }).unwrap();
    t.drain(Time::ZERO);
    t.handle(Time::ZERO, Input::DialFailed { addr: addr(1), why: Disconnect::Network }).unwrap();
    assert_eq!(t.drain(Time::ZERO), []);
}

#[test]
fn where_we_answered_ourselves_is_never_dialed_again() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let named = |t: &mut Torrent, now, source| {
        t.handle(now, Input::Addresses { source, addrs: &[addr(1)] }).unwrap();
        t.drain(now)
    };
    assert_eq!(named(&mut t, now, PeerSource::Tracker), [Output::Dial { addr: addr(1) }]);
    join_as(&mut t, now, 1, Origin::Dialed, [9; 20], true);
    assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Ourselves)]);
    for secs in [1, 60, 7200, 1_000_000] {
        let now = Time::from_secs(secs);
        for source in [PeerSource::Tracker, PeerSource::Pex, PeerSource::Local, PeerSource::Incoming] {
            assert_eq!(dials(&named(&mut t, now, source)), [], "{source:?} after {secs} s");
        }
        // The user alone is told why nothing comes of it.
        let useless = Event::PeerUseless { addr: addr(1), why: Disconnect::Ourselves };
        let told = named(&mut t, now, PeerSource::Manual);
        assert!(told.contains(&Output::Event(useless)) && dials(&told).is_empty(), "{told:?}");
    }
    assert_eq!(t.book.known(), 0);
}
