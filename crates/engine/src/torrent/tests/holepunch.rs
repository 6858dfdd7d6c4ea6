//! Meeting through a third peer (BEP 55), byte by byte.

use super::extended::{extended, meet_at, tell};
use super::*;
use wire::extended::{Holepunch, HolepunchError, Pex, PexFlags, PexPeer};

/// Our ids of `ut_pex` and `ut_holepunch`.
const PEX: u8 = 2;
const HOLEPUNCH: u8 = 4;
const TARGET: &str = "9.9.9.9:6881";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A peer that understands `ut_holepunch` by its id 55.
fn meet(t: &mut Torrent, n: u32, addr: &str) {
    meet_at(t, Time::ZERO, n, at(addr), Origin::Dialed);
    tell(t, Time::ZERO, n, 0, b"d1:md12:ut_holepunchi55eee").unwrap();
    t.drain(Time::ZERO);
}

fn said(outputs: &[Output], n: u32) -> Vec<Holepunch> {
    let all = extended(outputs, conn(n));
    all.iter().filter(|(id, _)| *id == 55).map(|(_, bytes)| Holepunch::decode(bytes).unwrap()).collect()
}

fn punches(outputs: &[Output]) -> Vec<SocketAddr> {
    let punch = |o: &Output| if let Output::Punch { addr } = o { Some(*addr) } else { None };
    outputs.iter().filter_map(punch).collect()
}

fn hear(t: &mut Torrent, n: u32, message: Holepunch) -> Vec<Output> {
    tell(t, Time::ZERO, n, HOLEPUNCH, &message.encode()).unwrap();
    t.drain(Time::ZERO)
}

#[test]
fn the_initiator_asks_whoever_named_the_address_once() {
    let (mut t, now) = (leech(2), Time::ZERO);
    meet(&mut t, 1, "8.8.8.8:1");
    let named = vec![PexPeer { addr: at(TARGET), flags: PexFlags::HOLEPUNCH }];
    tell(&mut t, now, 1, PEX, &Pex { added: named, ..Pex::default() }.encode()).unwrap();
    assert!(t.drain(now).contains(&Output::Dial { addr: at(TARGET) }));
    t.handle(now, Input::DialFailed { addr: at(TARGET), why: Disconnect::Network }).unwrap();
    assert_eq!(said(&t.drain(now), 1), [Holepunch::Rendezvous(at(TARGET))]);
    assert_eq!(punches(&hear(&mut t, 1, Holepunch::Connect(at(TARGET)))), [at(TARGET)]);
    t.handle(now, Input::DialFailed { addr: at(TARGET), why: Disconnect::Network }).unwrap();
    assert!(said(&t.drain(now), 1).is_empty(), "not again so soon");
    let error = Holepunch::Error { target: at(TARGET), code: HolepunchError::NOT_CONNECTED };
    assert!(hear(&mut t, 1, error).is_empty());
}

#[test]
fn the_relay_tells_both_or_says_why_not() {
    let mut config = Config::new(PeerId([9; 20]));
    (config.public_v4, config.listen_port) = (Some([7, 7, 7, 7].into()), Some(700));
    let mut t = torrent_with(2, |p| p.config = Arc::new(config));
    meet(&mut t, 1, "8.8.8.8:1");
    meet(&mut t, 2, TARGET);
    meet_at(&mut t, Time::ZERO, 3, at("9.9.9.8:3"), Origin::Dialed);
    let out = hear(&mut t, 1, Holepunch::Rendezvous(at(TARGET)));
    assert_eq!(said(&out, 1), [Holepunch::Connect(at(TARGET))]);
    assert_eq!(said(&out, 2), [Holepunch::Connect(at("8.8.8.8:1"))]);
    for (target, code) in [
        ("9.9.9.9:0", HolepunchError::NO_SUCH_PEER),
        ("9.9.9.7:7", HolepunchError::NOT_CONNECTED),
        ("9.9.9.8:3", HolepunchError::NO_SUPPORT),
        ("7.7.7.7:700", HolepunchError::NO_SELF),
    ] {
        let target = at(target);
        let out = hear(&mut t, 1, Holepunch::Rendezvous(target));
        assert_eq!(said(&out, 1), [Holepunch::Error { target, code }]);
        assert!(said(&out, 2).is_empty());
    }
}

#[test]
fn nobody_makes_others_or_us_dial_without_end() {
    let mut t = leech(2);
    (1..=4).for_each(|n| meet(&mut t, n, &format!("8.8.8.{n}:1")));
    meet(&mut t, 7, TARGET);
    let mut called = 0;
    for n in (1..=4).cycle().take(200) {
        called += said(&hear(&mut t, n, Holepunch::Rendezvous(at(TARGET))), 7).len();
    }
    assert_eq!(called, 8);
    let mut t = leech(2);
    meet(&mut t, 1, "8.8.8.8:1");
    let dialed: usize = (1..=100)
        .map(|n| punches(&hear(&mut t, 1, Holepunch::Connect(at(&format!("9.9.9.{n}:1"))))).len())
        .sum();
    assert_eq!(dialed, 8);
}

#[test]
fn the_target_knocks_at_no_door_of_its_own_network() {
    let mut t = leech(2);
    meet(&mut t, 1, "8.8.8.8:1");
    for near in ["192.168.0.1:80", "127.0.0.1:80", "9.9.9.9:0", "0.0.0.0:1"] {
        assert!(punches(&hear(&mut t, 1, Holepunch::Connect(at(near)))).is_empty(), "{near}");
    }
    assert!(punches(&hear(&mut t, 1, Holepunch::Connect(at("8.8.8.8:1")))).is_empty(), "it is here");
    assert_eq!(punches(&hear(&mut t, 1, Holepunch::Connect(at(TARGET)))).len(), 1);
}

#[test]
fn a_private_torrent_takes_no_part() {
    let mut t = torrent_with(2, |p| content(p).private = true);
    meet(&mut t, 1, "8.8.8.8:1");
    meet(&mut t, 2, TARGET);
    assert!(hear(&mut t, 1, Holepunch::Rendezvous(at(TARGET))).is_empty());
    assert!(hear(&mut t, 1, Holepunch::Connect(at("9.9.9.1:1"))).is_empty());
}

#[test]
fn nonsense_has_no_effect() {
    let mut t = leech(2);
    meet(&mut t, 1, "8.8.8.8:1");
    for bytes in [&[][..], &[0], &[0, 9, 1, 2], &[0, 0, 1], &[77, 0], &[2; 24]] {
        tell(&mut t, Time::ZERO, 1, HOLEPUNCH, bytes).unwrap();
        assert!(t.drain(Time::ZERO).is_empty());
    }
    assert_eq!(tell(&mut t, Time::ZERO, 1, HOLEPUNCH, &[0; 65]), Err(Fault::BadMessage));
}
