use super::*;
use crate::{DATAGRAM_LEN, Privacy};

const MINUTE: Duration = Duration::from_secs(60);

fn hash(n: u32) -> InfoHash {
    let mut out = [7; 20];
    out[..4].copy_from_slice(&n.to_be_bytes());
    InfoHash(out)
}

fn token(n: u32) -> Announceable {
    Announceable::new(InfoHashes::v1(hash(n)), Privacy::Public).expect("it is public")
}

fn machine(seed: u64, torrents: u32) -> Lsd {
    let mut lsd = Lsd::new(Config::default(), Rng::from_number(seed));
    take(&mut lsd, Input::Ports { v4: Some(6881), v6: None });
    (0..torrents).for_each(|n| take(&mut lsd, Input::Add(token(n))));
    lsd
}

fn take(lsd: &mut Lsd, input: Input<'_>) {
    assert_eq!(lsd.handle(Time::ZERO, input), Ok(()));
}

/// Everything that is sent before `end`, with its time.
fn sent_until(lsd: &mut Lsd, mut now: Time, end: Time) -> Vec<(Time, Group, Announce)> {
    let mut out = Vec::new();
    while now < end {
        match lsd.poll(now) {
            Output::Transmit { group, datagram } => {
                assert!(datagram.len() <= DATAGRAM_LEN);
                out.push((now, group, Announce::decode(&datagram).expect("we read ourselves")));
            }
            Output::Event(_) => {}
            Output::Wait(at) => {
                assert!(at > now, "a drain ends by waiting");
                now = at;
            }
        }
    }
    out
}

fn events(lsd: &mut Lsd, now: Time) -> Vec<Event> {
    let mut out = Vec::new();
    loop {
        match lsd.poll(now) {
            Output::Event(event) => out.push(event),
            Output::Transmit { .. } => {}
            Output::Wait(_) => return out,
        }
    }
}

fn datagram(port: u16, torrents: &[InfoHash], cookie: Option<&str>) -> Vec<u8> {
    Announce { port, torrents: torrents.to_vec(), cookie: cookie.map(str::to_owned) }.encode(Group::V4)
}

fn neighbour(n: u32) -> SocketAddr {
    (std::net::Ipv4Addr::from(0xc0a8_0000 + n), 6771).into()
}

#[test]
fn one_torrent_is_announced_twice_at_the_start_and_every_five_minutes_then() {
    let mut lsd = machine(1, 1);
    let sent = sent_until(&mut lsd, Time::ZERO, Time::from_secs(900));
    let times: Vec<_> = sent.iter().map(|(at, _, _)| at.as_micros() / 1_000).collect();
    assert_eq!(times, [200, 60_200, 360_200, 660_200]);
    assert_eq!(sent[0].2.port, 6881);
    assert_eq!(sent[0].2.cookie.as_deref(), Some(lsd.cookie()));
}

#[test]
fn few_torrents_get_a_datagram_each_and_many_share() {
    let first = |torrents| {
        let mut lsd = machine(1, torrents);
        sent_until(&mut lsd, Time::ZERO, Time::from_secs(1))
            .into_iter()
            .map(|(_, _, announce)| announce.torrents.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(first(5), [1; 5]);
    assert_eq!(first(6), [6]);
    assert_eq!(first(30).iter().sum::<usize>(), 30);
    assert_eq!(first(30).len(), 2);
}

#[test]
fn no_torrent_is_announced_twice_in_a_minute_and_no_minute_has_too_many_datagrams() {
    for (torrents, seed) in [(1, 1), (4, 2), (40, 3), (1_000, 4)] {
        let mut lsd = machine(seed, torrents);
        let mut last = BTreeMap::new();
        let mut times = Vec::new();
        // Somebody new asks for a torrent every second.
        for second in 0..1_200 {
            let now = Time::from_secs(second);
            let bytes = datagram(1, &[hash(second as u32 % torrents)], None);
            let _ = lsd.handle(now, Input::Datagram { from: neighbour(second as u32), bytes: &bytes });
            for (at, _, announce) in sent_until(&mut lsd, now, Time::from_secs(second + 1)) {
                times.push(at);
                for name in announce.torrents {
                    let before = last.insert(name, at);
                    assert!(before.is_none_or(|before| at.since(before) >= MINUTE), "{torrents} {name}");
                }
            }
        }
        assert_eq!(last.len(), torrents as usize, "each has its turn");
        assert!(times.windows(11).all(|w| w[10].since(w[0]) >= MINUTE), "{torrents}");
    }
}

#[test]
fn both_families_get_the_same_torrents_with_their_own_port() {
    let mut lsd = machine(1, 1);
    take(&mut lsd, Input::Ports { v4: Some(1), v6: Some(2) });
    let sent = sent_until(&mut lsd, Time::ZERO, Time::from_secs(10));
    let seen: Vec<_> = sent.iter().map(|(_, group, announce)| (*group, announce.port)).collect();
    assert_eq!(seen, [(Group::V4, 1), (Group::V6, 2)]);
}

#[test]
fn without_a_port_nothing_is_sent_and_neighbours_are_heard_all_the_same() {
    let mut lsd = machine(1, 1);
    take(&mut lsd, Input::Ports { v4: None, v6: Some(0) });
    assert_eq!(lsd.poll(Time::from_secs(100)), Output::Wait(Time::NEVER));
    let bytes = datagram(9, &[hash(0)], None);
    assert_eq!(lsd.handle(Time::ZERO, Input::Datagram { from: neighbour(1), bytes: &bytes }), Ok(()));
    assert_eq!(events(&mut lsd, Time::ZERO).len(), 1);
}

#[test]
fn a_neighbour_is_told_once_in_a_minute() {
    let mut lsd = machine(1, 2);
    let bytes = datagram(9, &[hash(0), hash(1), hash(77)], Some("theirs"));
    let mut hear = |secs| {
        let now = Time::from_secs(secs);
        assert_eq!(lsd.handle(now, Input::Datagram { from: neighbour(1), bytes: &bytes }), Ok(()));
        events(&mut lsd, now)
    };
    let addr = "192.168.0.1:9".parse().expect("an address");
    let peer = |n| Event::Peer { torrent: hash(n), addr };
    assert_eq!(hear(0), [peer(0), peer(1)]);
    assert_eq!(hear(59), []);
    assert_eq!(hear(60), [peer(0), peer(1)]);
}

#[test]
fn who_is_new_gets_an_answer_and_two_machines_do_not_answer_for_ever() {
    let mut old = machine(1, 1);
    sent_until(&mut old, Time::ZERO, Time::from_secs(200));
    // A newcomer at 200 s: the next announce would be at 360 s.
    let bytes = datagram(9, &[hash(0)], Some("new"));
    let at = |secs| Time::from_secs(secs);
    let _ = old.handle(at(200), Input::Datagram { from: neighbour(1), bytes: &bytes });
    let answers = sent_until(&mut old, at(200), at(250));
    assert_eq!(answers.len(), 1);
    assert!(answers[0].0.since(at(200)) <= Duration::from_secs(2));
    // Its second announce gets none: it was heard of.
    let _ = old.handle(at(261), Input::Datagram { from: neighbour(1), bytes: &bytes });
    assert_eq!(sent_until(&mut old, at(261), at(400)), []);
}

#[test]
fn what_is_not_for_us_is_passed_over() {
    let mut lsd = machine(1, 1);
    let ours = datagram(6881, &[hash(0)], Some(&lsd.cookie().to_ascii_uppercase()));
    let theirs = datagram(9, &[hash(0)], None);
    let mut try_from = |from: &str, bytes: &[u8]| {
        lsd.handle(Time::ZERO, Input::Datagram { from: from.parse().expect("an address"), bytes })
    };
    assert_eq!(try_from("192.168.1.1:6771", &ours), Err(Ignored::Own));
    assert_eq!(try_from("192.0.2.1:6771", &theirs), Err(Ignored::NotLocal));
    assert_eq!(try_from("[2001:db8::1]:6771", &theirs), Err(Ignored::NotLocal));
    assert_eq!(try_from("192.168.1.1:6771", b"hello\r\n\r\n"), Err(Ignored::Invalid(ParseError::Method)));
    assert_eq!(events(&mut lsd, Time::ZERO), []);
    let networks = [Network { addr: "192.0.2.9".parse().expect("an address"), prefix_len: 24 }];
    take(&mut lsd, Input::Networks(&networks));
    let from = "192.0.2.1:6771".parse().expect("an address");
    assert_eq!(lsd.handle(Time::ZERO, Input::Datagram { from, bytes: &theirs }), Ok(()));
    assert_eq!(events(&mut lsd, Time::ZERO).len(), 1);
}

#[test]
fn addresses_are_what_a_peer_can_be_reached_at() {
    let mut lsd = machine(1, 1);
    let bytes = datagram(9, &[hash(0)], None);
    let scoped = std::net::SocketAddrV6::new("fe80::7".parse().expect("an address"), 6771, 0, 3);
    for from in [scoped.into(), "[::ffff:10.0.0.7]:6771".parse().expect("an address")] {
        assert_eq!(lsd.handle(Time::ZERO, Input::Datagram { from, bytes: &bytes }), Ok(()));
    }
    let found: Vec<_> = events(&mut lsd, Time::ZERO)
        .into_iter()
        .map(|event| match event {
            Event::Peer { addr, .. } => addr,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut scoped = scoped;
    scoped.set_port(9);
    assert_eq!(found, [scoped.into(), "10.0.0.7:9".parse().expect("an address")]);
}

#[test]
fn a_flood_is_cut_off_and_what_waits_is_bounded() {
    let mut lsd = Lsd::new(Config { monitor: true, ..Config::default() }, Rng::from_number(1));
    (0..128).for_each(|n| take(&mut lsd, Input::Add(token(n))));
    let names: Vec<_> = (0..128).map(hash).collect();
    let mut flooded = 0;
    for n in 0..10_000 {
        let now = Time::from_millis(n);
        let bytes = datagram(1 + n as u16, &names, None);
        let from = neighbour(n as u32 % 60_000);
        flooded += u32::from(lsd.handle(now, Input::Datagram { from, bytes: &bytes }) == Err(Ignored::Flood));
        assert!(lsd.events.len() <= EVENTS);
    }
    assert!(flooded >= 8_900, "{flooded}");
}

#[test]
fn a_monitor_hears_of_torrents_that_are_not_ours() {
    let mut lsd = Lsd::new(Config { monitor: true, ..Config::default() }, Rng::from_number(1));
    let bytes = datagram(9, &[hash(1), hash(2)], Some("c"));
    take(&mut lsd, Input::Datagram { from: neighbour(1), bytes: &bytes });
    let announce = Announce { port: 9, torrents: vec![hash(1), hash(2)], cookie: Some("c".into()) };
    assert_eq!(events(&mut lsd, Time::ZERO), [Event::Heard { from: neighbour(1), announce }]);
}

#[test]
fn a_torrent_that_went_is_neither_announced_nor_heard() {
    let mut lsd = machine(1, 2);
    take(&mut lsd, Input::Remove(InfoHashes::v1(hash(0))));
    let sent = sent_until(&mut lsd, Time::ZERO, Time::from_secs(10));
    assert!(sent.iter().all(|(_, _, announce)| announce.torrents == [hash(1)]));
    let bytes = datagram(9, &[hash(0)], None);
    let _ = lsd.handle(Time::from_secs(1), Input::Datagram { from: neighbour(1), bytes: &bytes });
    assert_eq!(events(&mut lsd, Time::from_secs(1)), []);
}

#[test]
fn a_hybrid_is_announced_by_both_names() {
    let hybrid = InfoHashes::hybrid(hash(1), types::InfoHashV2([2; 32]));
    let mut lsd = machine(1, 0);
    take(&mut lsd, Input::Add(Announceable::new(hybrid, Privacy::Public).expect("it is public")));
    // Twice is once.
    take(&mut lsd, Input::Add(Announceable::new(hybrid, Privacy::Public).expect("it is public")));
    let sent = sent_until(&mut lsd, Time::ZERO, Time::from_secs(10));
    let names: BTreeSet<_> = sent.into_iter().flat_map(|(_, _, announce)| announce.torrents).collect();
    assert_eq!(names, hybrid.wire_names().collect());
}

#[test]
fn one_that_comes_back_waits_for_its_minute() {
    let mut lsd = machine(1, 1);
    assert_eq!(sent_until(&mut lsd, Time::ZERO, Time::from_secs(10)).len(), 1);
    let now = Time::from_secs(10);
    assert_eq!(lsd.handle(now, Input::Remove(InfoHashes::v1(hash(0)))), Ok(()));
    assert_eq!(lsd.handle(now, Input::Add(token(0))), Ok(()));
    let sent = sent_until(&mut lsd, now, Time::from_secs(100));
    assert_eq!(sent.iter().map(|(at, _, _)| *at).collect::<Vec<_>>(), [Time::from_millis(60_200)]);
}
