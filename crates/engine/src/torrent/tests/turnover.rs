use super::*;

/// A leech of so many places that knows its address.
fn crowded(max_peers: u32) -> Torrent {
    torrent_with(4, |p| {
        let mut config = Config::new(PeerId([9; 20]));
        (config.max_peers, config.public_v4) = (max_peers, Some([192, 168, 3, 4].into()));
        config.listen_port = Some(6881);
        p.config = Arc::new(config);
    })
}

fn come(t: &mut Torrent, now: Time, n: u32) -> Vec<(ConnId, Disconnect)> {
    join_as(t, now, n, Origin::Accepted, [100 + n as u8; 20], true);
    disconnects(&t.drain(now))
}

fn full(n: u32) -> (ConnId, Disconnect) {
    (conn(n), Disconnect::Full)
}

#[test]
fn the_worst_make_room_for_addresses_that_wait() {
    for spare in [false, true] {
        let (mut t, start) = (crowded(10), Time::ZERO);
        for n in 1..=10 {
            assert!(come(&mut t, start, n).is_empty());
            // Neither end wants anything of the fourth; the others have everything.
            let has = if n == 4 { Message::HaveNone } else { Message::HaveAll };
            say(&mut t, start, conn(n), has).unwrap();
        }
        if spare {
            assert!(learn(&mut t, start, PeerSource::Tracker, 50..60).is_empty(), "all places are taken");
        }
        let mut gone = Vec::new();
        for secs in (60..=600).step_by(60) {
            let now = Time::from_secs(secs);
            t.peers.keys().copied().collect::<Vec<_>>().into_iter().for_each(|conn| {
                say(&mut t, now, conn, Message::KeepAlive).unwrap();
            });
            t.handle(now, Input::Timer).unwrap();
            let outputs = t.drain(now);
            assert_eq!(dials(&outputs).len(), disconnects(&outputs).len(), "{secs} {outputs:?}");
            gone.extend(disconnects(&outputs).into_iter().map(|gone| (secs, gone)));
        }
        // After the first nine places of ten are taken, and one is being dialed: the next has to go as well.
        let expected: &[_] = if spare { &[(300, full(4)), (600, full(1))] } else { &[] };
        assert_eq!(gone, expected);
    }
}

#[test]
fn a_newcomer_takes_the_place_of_one_that_wants_nothing_and_has_nothing() {
    let mut t = crowded(2);
    (1..3).for_each(|n| assert!(come(&mut t, Time::ZERO, n).is_empty()));
    let (early, now) = (Time::from_secs(59), Time::from_secs(60));
    assert_eq!(come(&mut t, early, 3), [full(3)], "they have had no chance yet");
    assert_eq!(come(&mut t, now, 4).len(), 1);
    assert!(t.peers.contains_key(&conn(4)));
    assert_eq!(come(&mut t, now, 5), [full(5)], "not one after the other");
    assert_eq!(come(&mut t, now + Duration::from_secs(10), 6).len(), 1);
    assert!(t.peers.contains_key(&conn(6)) && t.peers.contains_key(&conn(4)));
}

#[test]
fn among_the_idle_bep_40_decides_and_who_gave_something_stays() {
    let now = Time::from_secs(100);
    for gives in [false, true] {
        let mut t = crowded(1);
        join(&mut t, Time::ZERO, 1);
        let asked = serve(&mut t, Time::ZERO, conn(1));
        if gives {
            give(&mut t, Time::ZERO, conn(1), asked[0]);
        }
        let priority = |n| wire::priority::peer_priority("192.168.3.4:6881".parse().unwrap(), addr(n));
        let better = (2..99).find(|n| priority(*n) > priority(1)).unwrap();
        let worse = (2..99).find(|n| priority(*n) < priority(1)).unwrap();
        assert_eq!(come(&mut t, now, worse), [full(worse)]);
        assert_eq!(come(&mut t, now, better), [full(if gives { better } else { 1 })]);
    }
}

/// What a peer says in its extended handshake about our address.
fn sees_us_at(ip: &str) -> Vec<u8> {
    let your_ip = Some(ip.parse().unwrap());
    wire::extended::ExtendedHandshake { your_ip, ..Default::default() }.encode()
}

/// libtorrent row 7: BEP 40 without a public address in the settings.
#[test]
fn row_07_where_peers_see_us_decides_whom_we_prefer() {
    let mut t = torrent_with(4, |p| {
        let mut config = Config::new(PeerId([9; 20]));
        (config.max_peers, config.listen_port, config.max_half_open) = (3, Some(6881), 1);
        p.config = Arc::new(config);
    });
    let ours = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 6881);
    assert_eq!(t.own_address(addr(9)), None);
    for (n, ip) in [(1, "6.6.6.6"), (2, "192.168.3.4"), (3, "192.168.3.4")] {
        extended::meet(&mut t, Time::ZERO, n);
        assert_eq!(t.own_address(addr(9)), None);
        extended::tell(&mut t, Time::ZERO, n, 0, &sees_us_at(ip)).unwrap();
    }
    assert_eq!(t.own_address(addr(9)), Some(ours("192.168.3.4")));
    assert_eq!(t.own_address("[2001:db8::1]:1".parse().unwrap()), None);
    // A newcomer takes the place of the one that BEP 40 likes least, if it likes the newcomer more.
    (1..=3).for_each(|n| _ = say(&mut t, Time::ZERO, conn(n), Message::HaveAll));
    t.drain(Time::ZERO);
    let priority = |n| wire::priority::peer_priority(ours("192.168.3.4"), addr(n));
    let worst = (1..=3).min_by_key(|n| priority(*n)).unwrap();
    let better = (4..99).find(|n| priority(*n) > priority(worst)).unwrap();
    assert_eq!(come(&mut t, Time::from_secs(100), better), [full(worst)]);
    // And dials follow the same order.
    t.handle(Time::from_secs(100), Input::Command(Command::MaxPeers(10))).unwrap();
    let first = learn(&mut t, Time::from_secs(100), PeerSource::Tracker, 100..140);
    let best = (100..140).map(priority).max();
    let dialed = first.iter().map(|there| wire::priority::peer_priority(ours("192.168.3.4"), *there));
    assert_eq!((dialed.max(), first.len()), (best, 1));
}

/// A newcomer at an address, as the shard brings it.
fn come_from(t: &mut Torrent, now: Time, n: u32, ip: &str) -> Vec<(ConnId, Disconnect)> {
    let addr = SocketAddr::new(ip.parse().unwrap(), 1_000 + n as u16);
    let (origin, reserved) = (Origin::Accepted, Reserved::NONE.with_fast(true));
    t.handle(
        now,
        Input::Connected { conn: conn(n), addr, origin, reserved, peer_id: PeerId([100 + n as u8; 20]) },
    )
    .unwrap();
    disconnects(&t.drain(now))
}

#[test]
fn a_host_with_many_places_yields_the_least_of_them_to_one_with_fewer() {
    for (crowd, newcomer) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8:0:1::1")] {
        let (mut t, now) = (crowded(10), Time::ZERO);
        for n in 1..=10 {
            assert!(come_from(&mut t, now, n, crowd).is_empty(), "nobody is refused while there are places");
        }
        // The seventh alone is of no use to anybody.
        for n in (1..=10).filter(|n| *n != 7) {
            say(&mut t, now, conn(n), Message::Interested).unwrap();
        }
        t.drain(now);
        assert_eq!(come_from(&mut t, now, 11, crowd), [full(11)], "it has most itself");
        assert_eq!(come_from(&mut t, now, 12, newcomer), [full(7)]);
        // All at once, as there is no reason to wait, up to the half: then both have alike.
        for n in 13..=16 {
            assert_eq!(come_from(&mut t, now, n, newcomer), [full(n - 12)], "the oldest of those alike");
        }
        assert_eq!(come_from(&mut t, now, 17, newcomer), [full(17)]);
        assert_eq!(come_from(&mut t, now, 18, crowd), [full(18)]);
        assert_eq!(t.peers.len(), 10);
    }
}

#[test]
fn behind_one_nat_four_keep_their_places_whoever_comes() {
    let (mut t, now) = (crowded(4), Time::ZERO);
    (1..=4).for_each(|n| assert!(come_from(&mut t, now, n, "10.0.0.1").is_empty()));
    for n in 5..=20 {
        assert_eq!(come_from(&mut t, now, n, &format!("10.0.1.{n}")), [full(n)]);
    }
}
