//! Torrents without content, and the info dictionary on the wire (BEP 9), with the bytes of honest and
//! hostile peers.

use super::extended::{extended, meet};
use super::*;
use wire::extended::{METADATA_PIECE_LEN, Metadata as Said};

const LEN: usize = 2 * METADATA_PIECE_LEN as usize + 10;

fn info() -> Vec<u8> {
    (0..LEN).map(|n| (n / 3) as u8).collect()
}

fn names() -> InfoHashes {
    InfoHashes::v1(InfoHash(hash::sha1(&info())))
}

fn magnet() -> Torrent {
    let mut t = Torrent::new(Params::magnet(config(), names()), Time::ZERO, Rng::from_number(1));
    t.handle(Time::ZERO, Input::Command(Command::Start)).unwrap();
    t
}

fn known(pieces: u32) -> Box<Content> {
    Box::new(Content::new(Geometry::new(u64::from(pieces * PIECE), PIECE).unwrap()))
}

/// A peer that has the dictionary, of the length it says; its id for `ut_metadata` is 30.
fn offer(t: &mut Torrent, now: Time, n: u32, len: usize) -> Vec<u32> {
    meet(t, now, n);
    let handshake = format!("d1:md11:ut_metadatai30ee13:metadata_sizei{len}ee");
    tell(t, now, n, 0, handshake.as_bytes()).unwrap();
    asked(&t.drain(now), n)
}

fn tell(t: &mut Torrent, now: Time, n: u32, id: u8, payload: &[u8]) -> Result<(), Fault> {
    say(t, now, conn(n), Message::Extended { id, payload })
}

fn asked(outputs: &[Output], n: u32) -> Vec<u32> {
    let all = extended(outputs, conn(n)).into_iter().filter(|(id, _)| *id == 30);
    all.filter_map(|(_, payload)| match Said::decode(&payload) {
        Ok(Said::Request { piece }) => Some(piece),
        _ => None,
    })
    .collect()
}

fn give(t: &mut Torrent, now: Time, n: u32, info: &[u8], piece: u32) -> Result<(), Fault> {
    let data = info.chunks(METADATA_PIECE_LEN as usize).nth(piece as usize).unwrap();
    let payload = Said::Data { piece, total_size: Some(info.len() as u32), data }.encode();
    tell(t, now, n, 1, &payload)
}

fn events(outputs: Vec<Output>) -> Vec<Event> {
    outputs
        .into_iter()
        .filter_map(|o| if let Output::Event(event) = o { Some(event) } else { None })
        .collect()
}

/// Gives everything that is asked for, from `info`.
fn give_all(t: &mut Torrent, now: Time, n: u32, info: &[u8], mut pieces: Vec<u32>) -> Vec<Event> {
    let mut all = Vec::new();
    while let Some(piece) = pieces.pop() {
        give(t, now, n, info, piece).unwrap();
        let outputs = t.drain(now);
        pieces.extend(asked(&outputs, n));
        all.extend(events(outputs));
    }
    all
}

#[test]
fn metadata_comes_from_a_peer_and_then_the_download_begins_on_the_same_connection() {
    let (mut t, now) = (magnet(), Time::ZERO);
    let pieces = offer(&mut t, now, 1, LEN);
    say(&mut t, now, conn(1), Message::HaveAll).unwrap();
    say(&mut t, now, conn(1), Message::Unchoke).unwrap();
    let s = t.snapshot(now);
    assert_eq!((s.phase, s.metadata.unwrap().total, s.seeds), (Phase::Metadata, LEN as u32, 0));
    assert_eq!(pieces, [0, 1]);
    let events = give_all(&mut t, now, 1, &info(), pieces);
    assert_eq!(events, [Event::Metadata(info().into())]);
    t.handle(now, Input::Command(Command::Content(known(2)))).unwrap();
    let outputs = t.drain(now);
    let again = extended(&outputs, conn(1));
    assert!(again[0].1.windows(13).any(|w| w == b"metadata_size"), "others may ask us now");
    assert_eq!(requests(&outputs, conn(1)).len(), 4, "its first window");
    assert_eq!((t.snapshot(now).phase, t.snapshot(now).seeds), (Phase::Downloading, 1));
    t.handle(now, Input::Command(Command::Content(known(9)))).unwrap();
    assert_eq!(t.snapshot(now).have.len(), 2, "content is learned once");
}

#[test]
fn a_swarm_without_content_is_a_quiet_one() {
    let (mut t, mut now) = (magnet(), Time::ZERO);
    meet(&mut t, now, 1);
    let joined = join(&mut t, now, 2);
    for message in [
        Message::Bitfield(&[0xf0]),
        Message::Unchoke,
        Message::Interested,
        Message::Have(PieceIndex(5)),
        Message::AllowedFast(PieceIndex(3)),
    ] {
        say(&mut t, now, joined, message).unwrap();
    }
    for _ in 0..110 {
        now += Duration::from_secs(1);
        t.handle(now, Input::Timer).unwrap();
    }
    let out = t.drain(now);
    assert!(requests(&out, joined).is_empty() && disconnects(&out).is_empty());
    assert_eq!(sent(&out, joined).last().map(Vec::len), Some(0), "kept alive");
    let block = BlockRef { piece: PieceIndex(0), begin: 0, len: 16_384 };
    assert_eq!(say(&mut t, now, joined, Message::Request(block)), Err(Fault::BadRequest));
}

#[test]
fn what_peers_said_early_is_judged_when_it_can_be() {
    let (mut t, now) = (magnet(), Time::ZERO);
    let honest = join(&mut t, now, 1);
    say(&mut t, now, honest, Message::Bitfield(&[0b1010_0000])).unwrap();
    say(&mut t, now, honest, Message::Have(PieceIndex(1))).unwrap();
    let wrong = [join(&mut t, now, 2), join(&mut t, now, 3), join(&mut t, now, 4)];
    say(&mut t, now, wrong[0], Message::Bitfield(&[0xff, 0xff])).unwrap();
    say(&mut t, now, wrong[1], Message::Have(PieceIndex(3))).unwrap();
    say(&mut t, now, wrong[2], Message::Bitfield(&[0b1001_0000])).unwrap();
    assert_eq!(say(&mut t, now, wrong[2], Message::HaveAll), Err(Fault::BadBitfield));
    let far = join(&mut t, now, 5);
    assert_eq!(say(&mut t, now, far, Message::Have(PieceIndex(u32::MAX))), Err(Fault::PieceOutOfRange));
    t.drain(now);
    t.handle(now, Input::Command(Command::Content(known(3)))).unwrap();
    let gone: Vec<ConnId> = disconnects(&t.drain(now)).into_iter().map(|(conn, _)| conn).collect();
    assert_eq!(gone, wrong[..2]);
    let left = t.peers(now);
    assert_eq!((left.len(), left[0].pieces, left[0].we_are_interested), (1, 3, true));
}

#[test]
fn liars_are_banned_and_honest_peers_are_not() {
    let (mut t, now) = (magnet(), Time::ZERO);
    let pieces = offer(&mut t, now, 1, LEN);
    let wrong = vec![1; LEN];
    let events = give_all(&mut t, now, 1, &wrong, pieces);
    assert!(events.contains(&Event::PeerBanned { addr: addr(1) }), "{events:?}");
    join_as(&mut t, now, 1, Origin::Accepted, [1; 20], true);
    assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Banned)]);
    let pieces = offer(&mut t, now, 2, LEN);
    assert_eq!(give_all(&mut t, now, 2, &info(), pieces), [Event::Metadata(info().into())]);
}

#[test]
fn eight_silent_peers_hide_an_honest_one_for_seconds_only() {
    for len in [LEN, 10] {
        let (info, silent) = (info()[..len].to_vec(), 1..9);
        let names = InfoHashes::v1(InfoHash(hash::sha1(&info)));
        let mut t = Torrent::new(Params::magnet(config(), names), Time::ZERO, Rng::from_number(1));
        t.handle(Time::ZERO, Input::Command(Command::Start)).unwrap();
        silent.for_each(|n| {
            offer(&mut t, Time::ZERO, n, len);
        });
        let mut pieces = offer(&mut t, Time::ZERO, 10, len);
        let mut now = Time::ZERO;
        while pieces.is_empty() {
            now += Duration::from_secs(1);
            assert!(now <= Time::from_secs(4), "not asked yet");
            t.handle(now, Input::Timer).unwrap();
            pieces = asked(&t.drain(now), 10);
        }
        assert!(
            give_all(&mut t, now, 10, &info, pieces) == [Event::Metadata(info.into())],
            "all at once then"
        );
    }
}

#[test]
fn a_peer_that_changes_its_mind_about_the_size_is_at_fault() {
    let now = Time::ZERO;
    let mut t = magnet();
    offer(&mut t, now, 1, LEN);
    let later = b"d13:metadata_sizei99ee";
    assert_eq!(tell(&mut t, now, 1, 0, later), Err(Fault::BadMetadata));
    let mut t = magnet();
    offer(&mut t, now, 1, LEN);
    let data = Said::Data { piece: 0, total_size: Some(LEN as u32 + 1), data: &[0; 16_384] }.encode();
    assert_eq!(tell(&mut t, now, 1, 1, &data), Err(Fault::BadMetadata));
    let mut t = magnet();
    offer(&mut t, now, 1, LEN);
    let data = Said::Data { piece: 0, total_size: None, data: &[0; 99] }.encode();
    assert_eq!(tell(&mut t, now, 1, 1, &data), Err(Fault::BadMetadata));
    // Over the limit counts as no size at all: nothing is asked, nothing is held.
    assert!(offer(&mut t, now, 2, (30 << 20) + 1).is_empty());
}

#[test]
fn refusals_switch_to_others_and_metadata_switched_off_is_not_asked_for() {
    let (mut t, now) = (magnet(), Time::ZERO);
    assert_eq!(offer(&mut t, now, 1, LEN), [0, 1]);
    assert_eq!(offer(&mut t, now, 2, LEN), [2]);
    for piece in [0, 1] {
        tell(&mut t, now, 1, 1, &Said::Reject { piece }.encode()).unwrap();
    }
    tell(&mut t, now, 2, 0, b"d1:md11:ut_metadatai0eee").unwrap();
    t.drain(now);
    let later = Time::from_secs(20);
    t.handle(later, Input::Timer).unwrap();
    let out = t.drain(later);
    assert_eq!((asked(&out, 1).len(), asked(&out, 2).len()), (2, 0));
}

fn served() -> Torrent {
    torrent_with(1, |p| content(p).info = Some(info().into()))
}

#[test]
fn metadata_is_served_a_few_pieces_ahead_of_the_socket() {
    let (mut t, now) = (served(), Time::ZERO);
    meet(&mut t, now, 1);
    tell(&mut t, now, 1, 0, b"d1:md11:ut_metadatai30eee").unwrap();
    let mut got = std::collections::BTreeMap::new();
    for piece in 0..3 {
        tell(&mut t, now, 1, 1, &Said::Request { piece }.encode()).unwrap();
    }
    for _ in 0..3 {
        let outputs = t.drain(now);
        for (_, payload) in extended(&outputs, conn(1)) {
            let Ok(Said::Data { piece, data, .. }) = Said::decode(&payload) else { panic!() };
            got.insert(piece, data.to_vec());
        }
        if outputs.contains(&Output::Flush { conn: conn(1) }) {
            t.handle(now, Input::Flushed { conn: conn(1) }).unwrap();
        }
    }
    assert_eq!(got.into_values().collect::<Vec<_>>().concat(), info());
    tell(&mut t, now, 1, 1, &Said::Request { piece: 3 }.encode()).unwrap();
    assert_eq!(extended(&t.drain(now), conn(1)), [(30, Said::Reject { piece: 3 }.encode())]);
}

#[test]
fn without_metadata_requests_are_refused() {
    let (mut t, now) = (magnet(), Time::ZERO);
    meet(&mut t, now, 1);
    tell(&mut t, now, 1, 0, b"d1:md11:ut_metadatai30eee").unwrap();
    tell(&mut t, now, 1, 1, &Said::Request { piece: 0 }.encode()).unwrap();
    assert_eq!(extended(&t.drain(now), conn(1)), [(30, Said::Reject { piece: 0 }.encode())]);
}

#[test]
fn a_hundred_thousand_requests_end_the_connection_and_hold_no_memory() {
    let (mut t, now) = (served(), Time::ZERO);
    meet(&mut t, now, 1);
    tell(&mut t, now, 1, 0, b"d1:md11:ut_metadatai30eee").unwrap();
    let mut queued = 0;
    let end = (0..100_000u32).find_map(|n| {
        let result = tell(&mut t, now, 1, 1, &Said::Request { piece: n % 3 }.encode());
        let bytes = |o: &Output| if let Output::Send { bytes, .. } = o { bytes.len() } else { 0 };
        queued += t.drain(now).iter().map(bytes).sum::<usize>();
        result.err()
    });
    assert_eq!(end, Some(Fault::MessageFlood));
    assert!(queued < 200_000, "{queued} bytes wait for a peer that does not read");
}

#[test]
fn a_torrent_that_turns_out_private_keeps_only_whom_it_may_know() {
    let (mut t, now) = (magnet(), Time::ZERO);
    learn(&mut t, now, PeerSource::Tracker, 1..2);
    learn(&mut t, now, PeerSource::Dht, 2..4);
    (1..3).for_each(|n| join_as(&mut t, now, n, Origin::Dialed, [n as u8; 20], true));
    join_as(&mut t, now, 7, Origin::Accepted, [7; 20], true);
    t.drain(now);
    let mut content = known(1);
    content.private = true;
    t.handle(now, Input::Command(Command::Content(content))).unwrap();
    assert_eq!(disconnects(&t.drain(now)), [(conn(2), Disconnect::Stopped)]);
    t.handle(now, Input::DialFailed { addr: addr(3), why: Disconnect::Network }).unwrap();
    assert_eq!(t.snapshot(now).known, 1);
    assert!(learn(&mut t, now, PeerSource::Dht, 20..30).is_empty());
}
