//! What must hold for any bytes. The property tests, the corpus test and the fuzz target all run this.

use std::net::SocketAddr;
use std::time::Duration;

use riverrun_lsd::{
    Announce, Announceable, COOKIE_LEN, Config, DATAGRAM_LEN, Event, Group, Ignored, Input, Lsd, Output,
    Privacy, TORRENTS,
};
use types::{InfoHash, InfoHashes, Rng, Time};

/// Reads `bytes` as a datagram, and has a machine take it that has some of its torrents.
pub(crate) fn check(bytes: &[u8]) {
    let read = Announce::decode(bytes);
    if let Ok(announce) = &read {
        assert!(announce.port != 0 && (1..=TORRENTS).contains(&announce.torrents.len()));
        assert!(announce.cookie.as_ref().is_none_or(|cookie| (1..=COOKIE_LEN).contains(&cookie.len())));
        for group in Group::ALL {
            assert_eq!(Announce::decode(&announce.encode(group)).as_ref(), Ok(announce));
        }
    }
    let torrents = read.map(|announce| announce.torrents).unwrap_or_default();
    for from in ["10.0.0.1:6771", "[fe80::1%1]:6771", "[::ffff:10.0.0.1]:1", "192.0.2.1:6771"] {
        drive(bytes, from.parse().expect("an address"), &torrents);
    }
}

fn drive(bytes: &[u8], from: SocketAddr, torrents: &[InfoHash]) {
    let mut lsd = Lsd::new(Config { monitor: true, ..Config::default() }, Rng::from_number(1));
    assert_eq!(lsd.handle(Time::ZERO, Input::Ports { v4: Some(1), v6: Some(2) }), Ok(()));
    for name in torrents.iter().step_by(2) {
        let token = Announceable::new(InfoHashes::v1(*name), Privacy::Public).expect("it is public");
        assert_eq!(lsd.handle(Time::ZERO, Input::Add(token)), Ok(()));
    }
    let mut now = Time::ZERO;
    let mut heard = 0;
    for _ in 0..3 {
        match lsd.handle(now, Input::Datagram { from, bytes }) {
            Ok(()) => heard += 1,
            Err(error) => assert!(error != Ignored::Flood),
        }
        now = drain(&mut lsd, now, torrents);
    }
    assert!(heard == 0 || heard == 3);
}

/// Takes all output; the moment that is waited for.
fn drain(lsd: &mut Lsd, now: Time, torrents: &[InfoHash]) -> Time {
    for _ in 0..4 * TORRENTS {
        match lsd.poll(now) {
            Output::Transmit { datagram, .. } => assert!(datagram.len() <= DATAGRAM_LEN),
            Output::Event(Event::Peer { torrent, addr }) => {
                assert!(addr.port() != 0 && torrents.contains(&torrent));
            }
            Output::Event(_) => {}
            Output::Wait(Time::NEVER) => return now + Duration::from_secs(1),
            Output::Wait(at) => {
                assert!(at > now);
                return at;
            }
        }
    }
    panic!("a drain that does not end");
}
