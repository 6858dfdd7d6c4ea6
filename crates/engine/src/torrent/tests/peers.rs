//! What other engines were once brought down by, or did badly, one test for each; see docs/rows.md.

use wire::extended::Metadata as Said;

use super::extended::{extended, meet, tell};
use super::*;

#[test]
fn peers_01_metadata_beyond_the_end_or_before_the_handshake_does_no_harm() {
    let mut t = torrent_with(1, |p| content(p).info = Some(vec![7; 20_000].into()));
    let now = Time::ZERO;
    meet(&mut t, now, 1);
    tell(&mut t, now, 1, 1, &Said::Data { piece: 0, total_size: Some(5), data: b"hello" }.encode()).unwrap();
    tell(&mut t, now, 1, 0, b"d1:md11:ut_metadatai30eee").unwrap();
    t.drain(now);
    for piece in [2, 3, u32::MAX] {
        tell(&mut t, now, 1, 1, &Said::Request { piece }.encode()).unwrap();
        assert_eq!(extended(&t.drain(now), conn(1)), [(30, Said::Reject { piece }.encode())]);
    }
    tell(&mut t, now, 1, 1, &Said::Request { piece: 1 }.encode()).unwrap();
    assert_eq!(extended(&t.drain(now), conn(1)).len(), 1, "the last piece is served");
    let mut magnet = Torrent::new(
        Params::magnet(config(), InfoHashes::v1(InfoHash([1; 20]))),
        Time::ZERO,
        Rng::from_number(1),
    );
    magnet.handle(now, Input::Command(Command::Start)).unwrap();
    meet(&mut magnet, now, 1);
    let data = Said::Data { piece: 0, total_size: Some(5), data: b"hello" }.encode();
    tell(&mut magnet, now, 1, 1, &data).unwrap();
    assert!(magnet.drain(now).is_empty(), "data that nobody asked for, from a peer without a handshake");
}

#[test]
fn peers_07_bitfields_of_two_million_pieces_are_sent_and_read() {
    let pieces = types::limits::PIECES;
    let mut t = torrent_with(2, |p| {
        let geometry = Geometry::new(u64::from(pieces) * u64::from(BLOCK_LEN), BLOCK_LEN).unwrap();
        p.content = Some(Content::new(geometry));
        content(p).have = Bitfield::full(pieces);
        content(p).have.remove(pieces - 1);
    });
    join_as(&mut t, Time::ZERO, 1, Origin::Accepted, [1; 20], true);
    let first = sent(&t.drain(Time::ZERO), conn(1)).remove(0);
    let Ok(Message::Bitfield(bytes)) = Message::decode(&first) else { panic!("no bitfield") };
    assert_eq!(bytes.len(), pieces as usize / 8);
    let mut theirs = Bitfield::new(pieces);
    theirs.insert(pieces - 1);
    say(&mut t, Time::ZERO, conn(1), Message::Bitfield(&theirs.as_bytes())).unwrap();
    say(&mut t, Time::ZERO, conn(1), Message::Unchoke).unwrap();
    let wanted = requests(&t.drain(Time::ZERO), conn(1));
    assert_eq!(wanted.iter().map(|block| block.piece.0).collect::<Vec<_>>(), [pieces - 1]);
}

#[test]
fn peers_08_messages_that_nobody_knows_end_nothing() {
    let (mut t, now) = (leech(4), Time::ZERO);
    let peer = join(&mut t, now, 1);
    serve(&mut t, now, peer);
    for id in [9, 20, 21, 99, 255] {
        say(&mut t, now, peer, Message::Unknown { id: wire::MessageId(id), payload: &[1, 2, 3] }).unwrap();
    }
    say(&mut t, now, peer, Message::Port(6881)).unwrap();
    say(&mut t, now, peer, Message::Cancel(BlockRef { piece: PieceIndex(0), begin: 0, len: BLOCK_LEN }))
        .unwrap();
    say(&mut t, now, peer, Message::NotInterested).unwrap();
    say(&mut t, now, peer, Message::KeepAlive).unwrap();
    assert!(disconnects(&t.drain(now)).is_empty() && t.peers.contains_key(&peer));
}

#[test]
fn peers_09_every_have_reaches_every_peer_however_slow() {
    let (mut t, now) = (leech(1_000), Time::ZERO);
    let slow: Vec<ConnId> = (1..=3).map(|n| join(&mut t, now, n)).collect();
    // Nobody reads a byte meanwhile.
    (0..1_000).for_each(|n| t.handle(now, Input::PieceStored { piece: PieceIndex(n) }).unwrap());
    let outputs = t.drain(now);
    for peer in slow {
        let all = sent(&outputs, peer);
        let have = all.iter().filter(|frame| matches!(Message::decode(frame), Ok(Message::Have(_)))).count();
        assert_eq!(have, 1_000);
    }
}
