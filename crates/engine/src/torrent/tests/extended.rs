//! The extension protocol, with the bytes of honest and hostile peers.

use super::*;
use wire::extended::ExtendedHandshake;

fn with_custom(pieces: u32) -> Torrent {
    torrent_with(pieces, |p| {
        let mut config = Config::new(PeerId([9; 20]));
        config.extensions = vec!["xy_chat".into(), "xy_other".into()];
        p.config = Arc::new(config);
    })
}

/// A peer with the extension protocol joins; answers what it is sent.
pub(super) fn meet(t: &mut Torrent, now: Time, n: u32) -> Vec<Output> {
    meet_at(t, now, n, addr(n), Origin::Dialed)
}

/// The same at an address.
pub(super) fn meet_at(t: &mut Torrent, now: Time, n: u32, addr: SocketAddr, origin: Origin) -> Vec<Output> {
    let reserved = Reserved::NONE.with_fast(true).with_extension_protocol(true);
    let (conn, peer_id) = (conn(n), PeerId([n as u8; 20]));
    t.handle(now, Input::Connected { conn, addr, origin, reserved, peer_id }).unwrap();
    t.drain(now)
}

/// The extended messages in what is sent to one peer, with their ids.
pub(super) fn extended(outputs: &[Output], to: ConnId) -> Vec<(u8, Vec<u8>)> {
    let all = sent(outputs, to);
    all.iter()
        .filter_map(|frame| match Message::decode(frame) {
            Ok(Message::Extended { id, payload }) => Some((id, payload.to_vec())),
            _ => None,
        })
        .collect()
}

pub(super) fn tell(t: &mut Torrent, now: Time, n: u32, id: u8, payload: &[u8]) -> Result<(), Fault> {
    say(t, now, conn(n), Message::Extended { id, payload })
}

#[test]
fn the_handshake_goes_first_and_has_our_ids() {
    let (mut t, mut s) = (with_custom(2), seed(2));
    let said = extended(&meet(&mut t, Time::ZERO, 1), conn(1));
    let h = ExtendedHandshake::decode(&said[0].1).unwrap();
    assert_eq!((said.len(), said[0].0, h.upload_only), (1, 0, None));
    assert_eq!((h.extensions.id("xy_chat"), h.extensions.id("xy_other")), (Some(17), Some(18)));
    let said = extended(&meet(&mut s, Time::ZERO, 1), conn(1));
    assert_eq!(ExtendedHandshake::decode(&said[0].1).unwrap().upload_only, Some(true));
}

#[test]
fn messages_before_the_handshake_and_with_unknown_ids_only_spend_patience() {
    for (greeting, id, payload) in
        [(false, 5, &b"\x01"[..]), (true, 99, b"x"), (true, 16, b""), (true, 6, b"d")]
    {
        let mut t = with_custom(2);
        meet(&mut t, Time::ZERO, 1);
        if greeting {
            tell(&mut t, Time::ZERO, 1, 0, b"d1:mdee").unwrap();
        }
        t.drain(Time::ZERO);
        assert_eq!(tell(&mut t, Time::ZERO, 1, id, payload), Ok(()));
        assert!(t.drain(Time::ZERO).is_empty());
        assert!(!t.peers(Time::ZERO)[0].upload_only, "it was not read");
        let end = (0..1_100).map(|_| tell(&mut t, Time::ZERO, 1, id, payload)).find(Result::is_err);
        assert_eq!(end, Some(Err(Fault::MessageFlood)), "{id}");
    }
}

#[test]
fn payloads_that_are_too_long_or_no_dictionary_are_faults() {
    let long = vec![0; 64 * 1024 + 1];
    for (id, payload) in [(5, &b"\x01\x01"[..]), (17, &long), (0, b"no"), (0, &long)] {
        let mut t = with_custom(2);
        meet(&mut t, Time::ZERO, 1);
        tell(&mut t, Time::ZERO, 1, 0, b"d1:mdee").unwrap();
        assert_eq!(tell(&mut t, Time::ZERO, 1, id, payload), Err(Fault::BadMessage), "{id}");
        assert_eq!(disconnects(&t.drain(Time::ZERO))[0].1, Disconnect::Fault(Fault::BadMessage));
    }
}

#[test]
fn upload_only_comes_with_the_handshake_and_later_and_goes_to_others() {
    let (mut t, now) = (leech(1), Time::ZERO);
    meet(&mut t, now, 1);
    tell(&mut t, Time::ZERO, 1, 0, b"d1:md11:upload_onlyi77ee11:upload_onlyi1ee").unwrap();
    assert!(t.peers(now)[0].upload_only);
    tell(&mut t, Time::ZERO, 1, 5, b"\0").unwrap();
    assert!(!t.peers(now)[0].upload_only);
    t.drain(now);
    t.handle(now, Input::Command(Command::Want(Bitfield::new(1)))).unwrap();
    assert_eq!(extended(&t.drain(now), conn(1)), [(77, vec![1])]);
    t.handle(now, Input::Command(Command::Want(Bitfield::full(1)))).unwrap();
    t.handle(now, Input::Command(Command::Want(Bitfield::full(1)))).unwrap();
    assert_eq!(extended(&t.drain(now), conn(1)), [(77, vec![0])], "said once");
}

#[test]
fn users_extensions_go_both_ways() {
    let (mut t, now) = (with_custom(2), Time::ZERO);
    (1..=3).for_each(|n| drop(meet(&mut t, now, n)));
    tell(&mut t, Time::ZERO, 1, 0, b"d1:md7:xy_chati40eee").unwrap();
    tell(&mut t, Time::ZERO, 2, 0, b"d1:md7:xy_chati41e8:xy_otheri42eee").unwrap();
    tell(&mut t, Time::ZERO, 3, 0, b"d1:mdee").unwrap();
    let names = |names: &[&str]| names.iter().map(|n| Arc::from(*n)).collect::<Vec<Arc<str>>>();
    assert_eq!(
        t.drain(now),
        [
            Output::Event(Event::Extensions { addr: addr(1), names: names(&["xy_chat"]) }),
            Output::Event(Event::Extensions { addr: addr(2), names: names(&["xy_chat", "xy_other"]) }),
        ]
    );
    let send = |t: &mut Torrent, to, name: &str, payload: &[u8]| {
        let command = Command::Extension { to, name: name.into(), payload: payload.into() };
        t.handle(now, Input::Command(command)).unwrap();
        let out = t.drain(now);
        [1, 2, 3].map(|n| extended(&out, conn(n)))
    };
    assert_eq!(
        send(&mut t, None, "xy_chat", b"hi"),
        [vec![(40, b"hi".to_vec())], vec![(41, b"hi".to_vec())], vec![]]
    );
    assert_eq!(send(&mut t, Some(addr(2)), "xy_other", b""), [vec![], vec![(42, vec![])], vec![]]);
    let nothing = [vec![], vec![], vec![]];
    assert_eq!(send(&mut t, Some(addr(3)), "xy_chat", b"x"), nothing);
    assert_eq!(send(&mut t, None, "xy_unknown", b"x"), nothing);
    assert_eq!(send(&mut t, None, "xy_chat", &vec![0; 64 * 1024 + 1]), nothing);
    tell(&mut t, Time::ZERO, 1, 0, b"d1:md7:xy_chati0eee").unwrap();
    assert_eq!(send(&mut t, Some(addr(1)), "xy_chat", b"x"), nothing, "switched off");

    tell(&mut t, Time::ZERO, 2, 18, b"hello").unwrap();
    let event = Event::Extension { addr: addr(2), name: "xy_other".into(), payload: b"hello"[..].into() };
    assert_eq!(t.drain(now), [Output::Event(event)]);
    let big = vec![7; 60_000];
    tell(&mut t, Time::ZERO, 2, 17, &big).unwrap();
    tell(&mut t, Time::ZERO, 2, 17, &big).unwrap();
    assert_eq!(t.drain(now).len(), 1, "more than a peer may send at once is dropped");
}
