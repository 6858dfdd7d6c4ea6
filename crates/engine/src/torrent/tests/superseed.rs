use super::*;

fn super_seed(pieces: u32) -> Torrent {
    torrent_with(pieces, |p| {
        content(p).have = Bitfield::full(pieces);
        p.super_seeding = true;
    })
}

fn shown(outputs: &[Output], to: ConnId) -> Vec<PieceIndex> {
    let all = sent(outputs, to);
    let have = |frame: &Vec<u8>| match Message::decode(frame) {
        Ok(Message::Have(piece)) => Some(piece),
        _ => None,
    };
    all.iter().filter_map(have).collect()
}

/// libtorrent row 17: what a super-seed says, and what it lets a peer have.
#[test]
fn row_17_a_super_seed_shows_two_pieces_and_more_when_they_are_passed_on() {
    let (mut t, now) = (super_seed(20), Time::ZERO);
    join_as(&mut t, now, 1, Origin::Accepted, [1; 20], true);
    assert_eq!(sent(&t.drain(now), conn(1))[0], Message::HaveNone.to_vec()[4..]);
    say(&mut t, now, conn(1), Message::HaveNone).unwrap();
    let out = t.drain(now);
    let first = shown(&out, conn(1));
    assert_eq!(first.len(), 2);
    assert_eq!(sent(&out, conn(1)).len(), 2, "no allowed-fast set of what is hidden");
    say(&mut t, now, conn(1), Message::Interested).unwrap();
    let hidden = (0..20).map(PieceIndex).find(|piece| !first.contains(piece)).unwrap();
    for (piece, refused) in [(first[0], false), (hidden, true)] {
        let block = BlockRef { piece, begin: 0, len: BLOCK_LEN };
        say(&mut t, now, conn(1), Message::Request(block)).unwrap();
        let rejects = sent(&t.drain(now), conn(1)).contains(&Message::Reject(block).to_vec()[4..].to_vec());
        assert_eq!(rejects, refused);
    }
    let other = join(&mut t, now, 2);
    say(&mut t, now, other, Message::HaveNone).unwrap();
    let second = shown(&t.drain(now), other);
    assert!(second.len() == 2 && second.iter().all(|piece| !first.contains(piece)));
    say(&mut t, now, conn(1), Message::Have(first[0])).unwrap();
    assert!(shown(&t.drain(now), conn(1)).is_empty(), "nobody else has it");
    say(&mut t, now, other, Message::Have(first[0])).unwrap();
    assert_eq!(shown(&t.drain(now), conn(1)).len(), 1);
}

#[test]
fn the_end_of_super_seeding_tells_everybody_of_everything() {
    let (mut t, now) = (super_seed(20), Time::ZERO);
    let peer = join(&mut t, now, 1);
    say(&mut t, now, peer, Message::HaveNone).unwrap();
    let mut all = shown(&t.drain(now), peer);
    t.handle(now, Input::Command(Command::SuperSeed(false))).unwrap();
    all.extend(shown(&t.drain(now), peer));
    all.sort();
    assert_eq!(all, (0..20).map(PieceIndex).collect::<Vec<_>>());
    assert!(sent_to_newcomer(&mut t, 2).contains(&Message::HaveAll.to_vec()[4..].to_vec()));
    t.handle(now, Input::Command(Command::SuperSeed(true))).unwrap();
    assert!(sent_to_newcomer(&mut t, 3).contains(&Message::HaveNone.to_vec()[4..].to_vec()));
}

fn sent_to_newcomer(t: &mut Torrent, n: u32) -> Vec<Vec<u8>> {
    join_as(t, Time::ZERO, n, Origin::Accepted, [n as u8; 20], true);
    sent(&t.drain(Time::ZERO), conn(n))
}

#[test]
fn a_super_seed_that_lacks_something_is_a_plain_peer() {
    let mut t = torrent_with(20, |p| {
        content(p).have = Bitfield::full(20);
        content(p).have.remove(3);
        p.super_seeding = true;
    });
    let first = sent_to_newcomer(&mut t, 1).remove(0);
    assert!(matches!(Message::decode(&first), Ok(Message::Bitfield(_))));
}
