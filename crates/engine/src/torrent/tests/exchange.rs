//! Peer exchange, with the bytes of honest and hostile peers.

use super::extended::{extended, meet_at, tell};
use super::*;
use wire::extended::{ExtendedHandshake, Pex, PexFlags, PexPeer};

const FAR: &str = "8.8.8.8:6881";

fn torrent(edit: impl FnOnce(&mut Params)) -> Torrent {
    torrent_with(2, edit)
}

fn silent(p: &mut Params) {
    let mut config = Config::new(PeerId([9; 20]));
    config.pex = false;
    p.config = Arc::new(config);
}

/// A peer that understands PEX by its id 33, at an address.
fn meet(t: &mut Torrent, now: Time, n: u32, addr: &str, origin: Origin, rest: &str) {
    meet_at(t, now, n, addr.parse().unwrap(), origin);
    tell(t, now, n, 0, format!("d1:md6:ut_pexi33ee{rest}e").as_bytes()).unwrap();
    t.drain(now);
}

fn tick(t: &mut Torrent, now: Time) -> Vec<Output> {
    t.handle(now, Input::Timer).unwrap();
    t.drain(now)
}

fn pex_to(outputs: &[Output], n: u32) -> Vec<Pex> {
    let all = extended(outputs, conn(n));
    all.iter().filter(|(id, _)| *id == 33).map(|(_, payload)| Pex::decode(payload).unwrap()).collect()
}

fn dials(outputs: &[Output]) -> Vec<SocketAddr> {
    let all = outputs.iter().filter_map(|o| if let Output::Dial { addr } = o { Some(*addr) } else { None });
    let mut all: Vec<SocketAddr> = all.collect();
    all.sort();
    all
}

fn naming(addrs: &[&str]) -> Vec<u8> {
    let peer = |addr: &&str| PexPeer { addr: addr.parse().unwrap(), flags: PexFlags::NONE };
    Pex { added: addrs.iter().map(peer).collect(), ..Pex::default() }.encode()
}

#[test]
fn peers_are_told_of_those_whose_port_is_known_with_their_flags() {
    let (mut t, now) = (torrent(|_| {}), Time::ZERO);
    meet(&mut t, now, 1, FAR, Origin::Dialed, "");
    meet(&mut t, now, 2, "9.9.9.9:50000", Origin::Accepted, "1:pi6882e");
    meet(&mut t, now, 3, "9.9.9.8:50000", Origin::Accepted, "");
    meet(&mut t, now, 4, "[2001:db8::4]:7", Origin::Dialed, "");
    tell(&mut t, now, 4, 0, b"d1:ei1e1:md12:ut_holepunchi4ee11:upload_onlyi1ee").unwrap();
    let out = tick(&mut t, Time::from_secs(1));
    let [pex] = &pex_to(&out, 1)[..] else { panic!("one message") };
    let flags = PexFlags(0x01 | 0x02 | 0x08 | 0x10);
    assert_eq!(
        pex.added,
        [
            PexPeer { addr: "9.9.9.9:6882".parse().unwrap(), flags: PexFlags::NONE },
            PexPeer { addr: "[2001:db8::4]:7".parse().unwrap(), flags },
        ]
    );
    assert_eq!(pex_to(&out, 3)[0].added.len(), 3, "whoever is not named is told all the same");
    t.handle(now, Input::Closed { conn: conn(2), why: Disconnect::ByPeer }).unwrap();
    for second in 2..61 {
        assert!(pex_to(&tick(&mut t, Time::from_secs(second)), 1).is_empty(), "{second} s");
    }
    let pex = &pex_to(&tick(&mut t, Time::from_secs(61)), 1)[0];
    assert_eq!((pex.added.len(), &pex.dropped[..]), (0, &["9.9.9.9:6882".parse().unwrap()][..]));
}

#[test]
fn a_seed_that_one_peer_names_is_dialed_soon_however_many_dead_addresses_three_others_named() {
    let (mut t, mut now) = (torrent(|_| {}), Time::ZERO);
    for n in 1..=4 {
        meet(&mut t, now, n, &format!("8.8.8.{n}:6881"), Origin::Dialed, "");
    }
    let mut outputs = Vec::new();
    for n in 1..=3u8 {
        for message in 0..4u8 {
            let dead: Vec<String> =
                (0..100).map(|host| format!("{}.{message}.{host}.1:6881", 20 + n)).collect();
            let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
            tell(&mut t, now, n.into(), 2, &naming(&dead)).unwrap();
            outputs.extend(t.drain(now));
        }
    }
    assert_eq!((t.snapshot(now).known, dials(&outputs).len()), (1_000, 25));
    let seed: SocketAddr = "9.9.9.9:6881".parse().unwrap();
    tell(&mut t, now, 4, 2, &naming(&["9.9.9.9:6881"])).unwrap();
    outputs.extend(t.drain(now));
    while !dials(&outputs).contains(&seed) {
        now += Duration::from_secs(1);
        assert!(now <= Time::from_secs(2), "not dialed yet");
        for addr in dials(&std::mem::take(&mut outputs)) {
            t.handle(now, Input::DialFailed { addr, why: Disconnect::Network }).unwrap();
        }
        outputs.extend(tick(&mut t, now));
    }
}

#[test]
fn named_peers_are_dialed_and_lan_addresses_only_when_named_from_the_lan() {
    let names = ["1.2.3.4:5", "10.0.0.99:6", "127.0.0.1:7", "[fe80::1]:8", "0.0.0.0:9", "1.2.3.4:0"];
    for (from, expected) in [(FAR, 1), ("10.0.0.7:1", 3), ("127.0.0.1:1", 4)] {
        let mut t = torrent(|_| {});
        meet(&mut t, Time::ZERO, 1, from, Origin::Dialed, "");
        tell(&mut t, Time::ZERO, 1, 2, &naming(&names)).unwrap();
        assert_eq!(dials(&t.drain(Time::ZERO)).len(), expected, "{from}");
    }
}

#[test]
fn a_private_torrent_neither_offers_nor_sends_nor_takes() {
    for edit in [|p: &mut Params| content(p).private = true, silent] {
        let mut t = torrent(edit);
        let now = Time::ZERO;
        let greeting = meet_at(&mut t, now, 1, FAR.parse().unwrap(), Origin::Dialed);
        let h = ExtendedHandshake::decode(&extended(&greeting, conn(1))[0].1).unwrap();
        assert_eq!(h.extensions.id("ut_pex"), None);
        tell(&mut t, now, 1, 0, b"d1:md6:ut_pexi33eee").unwrap();
        meet(&mut t, now, 2, "9.9.9.9:1", Origin::Dialed, "");
        assert!(pex_to(&tick(&mut t, Time::from_secs(1)), 1).is_empty());
        tell(&mut t, now, 1, 2, &naming(&["1.2.3.4:5"])).unwrap();
        assert!(dials(&t.drain(now)).is_empty() && t.snapshot(now).known == 0);
    }
}

#[test]
fn a_pex_flood_ends_the_connection() {
    let mut t = torrent(|_| {});
    meet(&mut t, Time::ZERO, 1, FAR, Origin::Dialed, "");
    let mut send = |n: u32| tell(&mut t, Time::ZERO, 1, 2, &naming(&[&format!("1.2.3.4:{n}")]));
    assert_eq!((1..50).map(&mut send).find(Result::is_err), Some(Err(Fault::MessageFlood)));
    assert_eq!(t.snapshot(Time::ZERO).known, 4, "what four messages named");
    assert_eq!(disconnects(&t.drain(Time::ZERO))[0].1, Disconnect::Fault(Fault::MessageFlood));
}

#[test]
fn messages_that_are_too_long_or_full_of_addresses_are_bounded() {
    let mut t = torrent(|_| {});
    meet(&mut t, Time::ZERO, 1, FAR, Origin::Dialed, "");
    let many: Vec<String> = (0..180).map(|n| format!("1.2.3.{n}:1")).collect();
    let many: Vec<&str> = many.iter().map(|addr| &**addr).collect();
    tell(&mut t, Time::ZERO, 1, 2, &naming(&many)).unwrap();
    assert_eq!(t.snapshot(Time::ZERO).known, 100);
    tell(&mut t, Time::ZERO, 1, 2, b"nonsense").unwrap();
    assert_eq!(t.snapshot(Time::ZERO).known, 100);
    let long = vec![b'd'; Pex::MAX_LEN + 1];
    assert_eq!(tell(&mut t, Time::ZERO, 1, 2, &long), Err(Fault::BadMessage));
}

#[test]
fn a_message_before_the_handshake_is_not_read() {
    let (mut t, now) = (torrent(|_| {}), Time::ZERO);
    meet_at(&mut t, now, 1, FAR.parse().unwrap(), Origin::Dialed);
    tell(&mut t, now, 1, 2, &naming(&["1.2.3.4:5"])).unwrap();
    assert!(dials(&t.drain(now)).is_empty());
}

#[test]
fn a_seed_has_no_use_for_seeds() {
    let mut t = torrent(|p| content(p).have = Bitfield::full(2));
    meet(&mut t, Time::ZERO, 1, FAR, Origin::Dialed, "");
    let peer = |addr: &str, flags| PexPeer { addr: addr.parse().unwrap(), flags };
    let added = vec![peer("1.2.3.4:5", PexFlags::UPLOAD_ONLY), peer("1.2.3.5:5", PexFlags::NONE)];
    tell(&mut t, Time::ZERO, 1, 2, &Pex { added, ..Pex::default() }.encode()).unwrap();
    assert_eq!(dials(&t.drain(Time::ZERO)), ["1.2.3.5:5".parse().unwrap()]);
}

/// A magnet link with trackers may turn out private: until that is known nobody is told of others, or learns of them by us.
#[test]
fn what_may_turn_out_private_offers_no_exchange_until_it_is_known() {
    for (discreet, before) in [(true, None), (false, Some(2))] {
        let mut params = Params::magnet(config(), InfoHashes::v1(InfoHash([1; 20])));
        params.discreet = discreet;
        let (mut t, now) = (Torrent::new(params, Time::ZERO, Rng::from_number(1)), Time::ZERO);
        t.handle(now, Input::Command(Command::Start)).unwrap();
        let offers = |outputs: &[Output]| {
            let (_, greeting) = extended(outputs, conn(1)).into_iter().find(|(id, _)| *id == 0).unwrap();
            let extensions = ExtendedHandshake::decode(&greeting).unwrap().extensions;
            (extensions.id("ut_pex"), extensions.id("ut_holepunch").is_some())
        };
        let greeting = meet_at(&mut t, now, 1, FAR.parse().unwrap(), Origin::Dialed);
        assert_eq!(offers(&greeting), (before, before.is_some()));
        tell(&mut t, now, 1, 0, b"d1:md6:ut_pexi33eee").unwrap();
        t.drain(now);
        tell(&mut t, now, 1, 2, &naming(&["1.2.3.4:5"])).unwrap();
        assert_eq!(dials(&t.drain(now)).len(), usize::from(!discreet));
        let content = Content::new(Geometry::new(1, PIECE).unwrap());
        t.handle(now, Input::Command(Command::Content(Box::new(content)))).unwrap();
        assert_eq!(offers(&t.drain(now)), (Some(2), true), "it is public");
        tell(&mut t, now, 1, 2, &naming(&["1.2.3.4:6"])).unwrap();
        assert!(!dials(&t.drain(now)).is_empty());
    }
}
