//! Addresses, dials, and connections that meet.

use super::*;

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
