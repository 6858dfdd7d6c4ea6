//! Blocks both ways: what is asked for, served and given up.

use super::*;

#[test]
fn a_download_from_one_peer_asks_for_each_block_once_and_completes() {
    let mut t = leech(3);
    let now = Time::ZERO;
    let peer = join(&mut t, now, 1);
    let mut asked = serve(&mut t, now, peer);
    let mut got = std::collections::BTreeSet::new();
    while let Some(block) = asked.pop() {
        assert!(got.insert(block), "{block:?} twice");
        give(&mut t, now, peer, block);
        if got.iter().filter(|b| b.piece == block.piece).count() == 4 {
            t.handle(now, Input::PieceStored { piece: block.piece }).unwrap();
        }
        asked.extend(requests(&t.drain(now), peer));
    }
    assert_eq!(got.len(), 12);
    assert!(t.is_complete());
    let s = t.snapshot(now);
    assert_eq!((s.phase, s.left, s.wasted, s.downloaded), (Phase::Seeding, 0, 0, 12 * u64::from(BLOCK_LEN)));
    assert_eq!(s.peers, 0, "two seeds part");
}

#[test]
fn the_greeting_says_what_we_have() {
    let now = Time::ZERO;
    for (mut t, first) in [(leech(9), Message::HaveNone), (seed(9), Message::HaveAll)] {
        join_as(&mut t, now, 1, Origin::Dialed, [1; 20], true);
        assert_eq!(Message::decode(&sent(&t.drain(now), conn(1))[0]), Ok(first));
    }
    let mut t = seed(9);
    join_as(&mut t, now, 1, Origin::Dialed, [1; 20], false);
    assert_eq!(Message::decode(&sent(&t.drain(now), conn(1))[0]), Ok(Message::Bitfield(&[0xff, 0x80])));
    let mut t = leech(9);
    join_as(&mut t, now, 1, Origin::Dialed, [1; 20], false);
    assert!(sent(&t.drain(now), conn(1)).is_empty());
}

#[test]
fn a_seed_gives_a_slot_at_once_and_sends_in_order() {
    let (mut t, now) = (seed(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    say(&mut t, now, peer, Message::Interested).unwrap();
    let frames = sent(&t.drain(now), peer);
    assert_eq!(frames.last().map(|frame| Message::decode(frame)), Some(Ok(Message::Unchoke)));
    let block = |n: u32| BlockRef { piece: PieceIndex(0), begin: n * BLOCK_LEN, len: BLOCK_LEN };
    (0..3).for_each(|n| say(&mut t, now, peer, Message::Request(block(n))).unwrap());
    let blocks: Vec<_> = (0..3).map(|n| Output::SendBlock { conn: peer, block: block(n) }).collect();
    assert_eq!(t.drain(now), blocks);
}

#[test]
fn a_doubtful_piece_is_refused_until_it_is_hashed_again() {
    let (mut t, now) = (seed(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let slow = join(&mut t, now, 2);
    join_as(&mut t, now, 3, Origin::Accepted, [3; 20], false);
    let plain = conn(3);
    for conn in [peer, slow, plain] {
        say(&mut t, now, conn, Message::Interested).unwrap();
    }
    let asked = |n: u32| BlockRef { piece: PieceIndex(n % 2), begin: n / 2 * BLOCK_LEN, len: BLOCK_LEN };
    (0..8).for_each(|n| say(&mut t, now, peer, Message::Request(asked(n))).unwrap());
    t.drain(now);
    let trouble = DiskTrouble { code: "not_found", message: "`file` is gone".into() };
    let doubtful = Input::PieceDoubtful { piece: PieceIndex(0), why: &trouble };
    t.handle(now, doubtful).unwrap();
    let outputs = t.drain(now);
    let rejects = sent(&outputs, peer);
    assert!(
        rejects
            .iter()
            .all(|frame| matches!(Message::decode(frame), Ok(Message::Reject(block)) if block.piece.0 == 0))
    );
    let ahead = t.config.send_ahead as usize;
    assert_eq!(
        rejects.len(),
        4 - ahead.div_ceil(2).min(4),
        "what waits here; the data path gives back the rest"
    );
    assert_eq!((t.snapshot(now).missing, t.is_complete()), (1, false));
    assert_eq!(say(&mut t, now, slow, Message::Request(asked(0))), Ok(()));
    assert_eq!(sent(&t.drain(now), slow).len(), 1);
    assert_eq!(say(&mut t, now, plain, Message::Request(asked(0))), Ok(()), "it was told that we have it");
    t.handle(now, Input::PieceStored { piece: PieceIndex(0) }).unwrap();
    assert!(t.is_complete());
    say(&mut t, now, plain, Message::Request(asked(0))).unwrap();
    assert!(t.drain(now).contains(&Output::SendBlock { conn: plain, block: asked(0) }));
}

#[test]
fn a_doubtful_piece_that_fails_is_fetched_again() {
    let (mut t, now) = (seed(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::Bitfield(&[0x80])).unwrap();
    say(&mut t, now, peer, Message::Unchoke).unwrap();
    let trouble = DiskTrouble { code: "io", message: "`file` can't be read".into() };
    let (piece, why) = (PieceIndex(0), Mismatch::V1(PieceIndex(0)));
    t.handle(now, Input::PieceDoubtful { piece, why: &trouble }).unwrap();
    assert!(requests(&t.drain(now), peer).is_empty(), "not before its hash is told");
    t.handle(now, Input::PieceFailed { piece, why, read_back: true }).unwrap();
    assert_eq!(requests(&t.drain(now), peer).len(), 4);
}

#[test]
fn disk_trouble_stops_the_asking_and_loses_nothing() {
    let (mut t, now) = (leech(2), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let asked = serve(&mut t, now, peer);
    give(&mut t, now, peer, asked[0]);
    let trouble = DiskTrouble { code: "disk_full", message: "no space left on /data".into() };
    t.handle(now, Input::DiskTrouble(&trouble)).unwrap();
    let outputs = t.drain(now);
    assert!(outputs.contains(&Output::Event(Event::DiskTrouble(trouble.clone()))));
    assert!(requests(&outputs, peer).is_empty());
    assert_eq!(t.snapshot(now).phase, Phase::Stalled(trouble.clone()));
    assert_eq!(t.expect_block(now, peer, asked[1]), Arrival::Skip);
    assert!(requests(&t.drain(now), peer).is_empty(), "no endless re-request");
    t.handle(now, Input::DiskTrouble(&trouble)).unwrap();
    t.handle(now, Input::DiskClear).unwrap();
    let outputs = t.drain(now);
    assert_eq!(
        outputs.iter().filter(|o| matches!(o, Output::Event(_))).collect::<Vec<_>>(),
        [&Output::Event(Event::DiskRecovered)]
    );
    let again = requests(&outputs, peer);
    assert!(again.contains(&asked[1]) && !again.contains(&asked[0]));
}

#[test]
fn a_paused_torrent_closes_everything_and_comes_back() {
    let (mut t, now) = (leech(1), Time::ZERO);
    join(&mut t, now, 1);
    t.handle(now, Input::Command(Command::Pause)).unwrap();
    assert_eq!(disconnects(&t.drain(now)), [(conn(1), Disconnect::Stopped)]);
    join_as(&mut t, now, 2, Origin::Accepted, [2; 20], true);
    assert_eq!(disconnects(&t.drain(now)), [(conn(2), Disconnect::Stopped)]);
    t.handle(now, Input::Command(Command::Start)).unwrap();
    join(&mut t, now, 3);
    assert_eq!(t.peers(now).len(), 1);
}

#[test]
fn what_is_not_wanted_is_not_asked_for_until_it_is() {
    let (mut t, now) =
        (torrent_with(4, |p| content(p).wanted = (0..4).map(|i| i == 2).collect()), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let asked = serve(&mut t, now, peer);
    assert!(asked.iter().all(|b| b.piece == PieceIndex(2)), "{asked:?}");
    asked.into_iter().for_each(|block| give(&mut t, now, peer, block));
    t.handle(now, Input::PieceStored { piece: PieceIndex(2) }).unwrap();
    assert!(t.is_complete());
    assert_eq!(t.peers(now).len(), 1, "we may still serve it what it lacks, or want more");
    t.handle(now, Input::Command(Command::Want(Bitfield::full(4)))).unwrap();
    assert!(!requests(&t.drain(now), peer).is_empty());
}

#[test]
fn without_upload_nobody_gets_a_slot() {
    let (mut t, now) = (
        torrent_with(2, |p| {
            content(p).have = Bitfield::full(2);
            p.upload = UploadMode::Never;
        }),
        Time::ZERO,
    );
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    say(&mut t, now, peer, Message::Interested).unwrap();
    t.handle(Time::from_secs(60), Input::Timer).unwrap();
    assert!(sent(&t.drain(Time::from_secs(60)), peer).iter().all(|m| m.first() != Some(&1)));
}
