//! Requests that a peer does not answer with data.

use super::*;

#[test]
fn a_choke_without_the_fast_extension_frees_the_blocks_and_late_data_is_no_offence() {
    let (mut t, now) = (leech(1), Time::ZERO);
    join_as(&mut t, now, 1, Origin::Accepted, [1; 20], false);
    say(&mut t, now, conn(1), Message::Bitfield(&[0x80])).unwrap();
    say(&mut t, now, conn(1), Message::Unchoke).unwrap();
    let asked = requests(&t.drain(now), conn(1));
    say(&mut t, now, conn(1), Message::Choke).unwrap();
    let other = join(&mut t, now, 2);
    assert_eq!(serve(&mut t, now, other).len(), 4, "all are free for another peer");
    give(&mut t, now, conn(1), asked[0]);
    let cancelled = sent(&t.drain(now), other);
    assert_eq!(cancelled.len(), 0, "one other was asked: it counts as the only asked one");
}

#[test]
fn rejected_requests_go_to_others_and_do_not_loop() {
    let (mut t, now) = (leech(1), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let asked = serve(&mut t, now, peer);
    for block in &asked {
        say(&mut t, now, peer, Message::Reject(*block)).unwrap();
        assert!(requests(&t.drain(now), peer).is_empty());
    }
    let other = join(&mut t, now, 2);
    assert_eq!(serve(&mut t, now, other).len(), 4);
}

#[test]
fn a_peer_that_refuses_one_piece_is_asked_for_the_others() {
    let (mut t, now) = (leech(8), Time::ZERO);
    let peer = join(&mut t, now, 1);
    let mut queue = serve(&mut t, now, peer);
    let lost = queue[0].piece;
    let mut refused = 0;
    while let Some(block) = queue.pop() {
        if block.piece == lost {
            say(&mut t, now, peer, Message::Reject(block)).unwrap();
            refused += 1;
        } else {
            give(&mut t, now, peer, block);
        }
        queue.extend(requests(&t.drain(now), peer));
        assert!(refused <= 4, "each block of it is asked for once");
    }
    assert_eq!(t.picker.partials(), 7, "all others came");
}

#[test]
fn a_peer_that_refused_everything_is_asked_again_later() {
    let mut t = leech(1);
    let peer = join(&mut t, Time::ZERO, 1);
    for block in serve(&mut t, Time::ZERO, peer) {
        say(&mut t, Time::ZERO, peer, Message::Reject(block)).unwrap();
    }
    let at = |t: &mut Torrent, secs| {
        t.handle(Time::from_secs(secs), Input::Timer).unwrap();
        requests(&t.drain(Time::from_secs(secs)), peer).len()
    };
    assert_eq!((at(&mut t, 5), at(&mut t, 10)), (0, 1));
}
