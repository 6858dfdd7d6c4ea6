//! Peers that are no riverrun: garbage, half handshakes, connections for somebody else.

#[path = "support/lone.rs"]
mod lone;
mod support;

use std::time::Duration;

use engine::{ConnId, Disconnect};
use lone::{TORRENT, US, addr, drain, feed, hello, seeded, sent, shard};
use riverrun_shard::{Command, Event, Output, RecvOutcome, Shard};
use types::{BlockRef, PeerSource, PieceIndex, Rng, Time};
use wire::{Handshake, Message, Reserved};

#[test]
fn an_accepted_peer_is_answered_at_its_48th_byte() {
    let (mut shard, name) = shard(8);
    let conn = shard.accept(Time::ZERO, addr(2)).unwrap();
    let bytes = hello(name, 2);
    assert_eq!(feed(&mut shard, Time::ZERO, conn, &mut &bytes[..48]), RecvOutcome::Empty);
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    assert!(outputs.iter().any(|output| matches!(output, Output::WantSend { conn: c } if *c == conn)));
    let answer = sent(&mut shard, Time::ZERO, conn);
    let answer = Handshake::decode(answer.as_slice().try_into().unwrap()).unwrap();
    assert_eq!((answer.info_hash, answer.peer_id), (name, US));
    assert_eq!(feed(&mut shard, Time::ZERO, conn, &mut &bytes[48..]), RecvOutcome::Empty);
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    let joined = |output: &Output| {
        matches!(output, Output::Event(TORRENT, Event::Engine(engine::Event::PeerConnected { .. })))
    };
    assert!(outputs.iter().any(joined));
}

#[test]
fn a_connection_for_another_shard_is_handed_on_with_all_it_said() {
    let (mut here, _) = shard(8);
    let (mut there, name) = shard(8);
    here.command(Time::ZERO, Command::Remove(TORRENT));
    drain(&mut here, Time::ZERO);
    let bytes = [hello(name, 2), Message::Interested.to_vec()].concat();
    for split in [48, 60, 68, bytes.len()] {
        let conn = here.accept(Time::ZERO, addr(2)).unwrap();
        let mut left = &bytes[..split];
        assert_eq!(feed(&mut here, Time::ZERO, conn, &mut left), RecvOutcome::Paused);
        let (outputs, _) = drain(&mut here, Time::ZERO);
        let [Output::Handoff { conn: c, info_hash, bytes: said }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!((*c, *info_hash, said.len()), (conn, name, split.min(68)));
        assert_eq!(here.usage(Time::ZERO).connections, 0);
        let adopted = there.adopt(Time::ZERO, addr(2), said).unwrap();
        drain(&mut there, Time::ZERO);
        let mut rest = &bytes[said.len()..];
        assert_eq!(feed(&mut there, Time::ZERO, adopted, &mut rest), RecvOutcome::Empty);
        assert_eq!(there.peers(Time::ZERO, TORRENT).len(), 1);
        assert!(there.peers(Time::ZERO, TORRENT)[0].is_interested);
        there.connect_failed(Time::ZERO, adopted);
        drain(&mut there, Time::ZERO);
        // A shard that does not have it either refuses, and asks nobody else.
        assert!(here.adopt(Time::ZERO, addr(2), said).is_err());
        assert!(drain(&mut here, Time::ZERO).0.is_empty());
    }
}

#[test]
fn a_lost_socket_ends_its_connection_even_where_nothing_is_read() {
    // Without buffers a connection is parked as soon as it is open, and hears of no failed read.
    let (mut shard, name) = shard(0);
    let conn = shard.accept(Time::ZERO, addr(2)).unwrap();
    assert_eq!(feed(&mut shard, Time::ZERO, conn, &mut &hello(name, 2)[..]), RecvOutcome::Paused);
    assert_eq!(shard.recv(Time::ZERO, conn, |_| panic!("it is parked")), RecvOutcome::Paused);
    assert_eq!(shard.usage(Time::ZERO).connections, 1);
    shard.connection_lost(Time::ZERO, conn);
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    let left = |output: &Output| {
        matches!(output, Output::Event(TORRENT, Event::Engine(engine::Event::PeerDisconnected { .. })))
    };
    assert!(outputs.iter().any(left), "{outputs:?}");
    assert_eq!(shard.usage(Time::ZERO).connections, 0);
    // What is gone can be lost again.
    shard.connection_lost(Time::ZERO, conn);
}

#[test]
fn half_handshakes_time_out_and_cannot_fill_the_house() {
    let (mut shard, name) = shard(8);
    let mut conns = Vec::new();
    for from in [addr(3), addr(4), addr(5)] {
        while let Ok(conn) = shard.accept(Time::ZERO, from)
            && conns.len() < 200
        {
            feed(&mut shard, Time::ZERO, conn, &mut &hello(name, 9)[..40]);
            conns.push(conn);
        }
    }
    // The third host takes the place of the longest of the others; their own next one is refused.
    assert_eq!((conns.len(), shard.accept(Time::ZERO, addr(4))), (200, Err(Disconnect::Full)));
    let (_, at) = drain(&mut shard, Time::ZERO);
    assert!(at <= Time::from_secs(20));
    let (outputs, _) = drain(&mut shard, Time::from_secs(20));
    assert_eq!(outputs.iter().filter(|output| matches!(output, Output::Close { .. })).count(), 200);
    assert_eq!(shard.usage(Time::from_secs(20)).connections, 0);
    assert_eq!(shard.recv(Time::from_secs(20), conns[0], |_| panic!("it is gone")), RecvOutcome::Closed);
}

#[test]
fn another_protocol_is_closed_at_its_first_byte() {
    let (mut shard, _) = shard(8);
    for garbage in [b"GET / HTTP/1.1\r\n".as_slice(), &[0; 100], b"\x13BitTorrent protocoL"] {
        let conn = shard.accept(Time::ZERO, addr(4)).unwrap();
        assert_eq!(feed(&mut shard, Time::ZERO, conn, &mut &*garbage), RecvOutcome::Closed);
    }
    assert_eq!(shard.usage(Time::ZERO).connections, 0);
}

#[test]
fn a_dial_that_fails_or_leads_to_ourselves_is_over() {
    let (mut shard, name) = shard(8);
    shard.command(Time::ZERO, Command::Addresses(TORRENT, PeerSource::Manual, vec![addr(5), addr(6)]));
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    let dials: Vec<ConnId> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Dial { conn, .. } => Some(*conn),
            _ => None,
        })
        .collect();
    assert_eq!(dials.len(), 2);
    assert_eq!(shard.snapshot(Time::ZERO, TORRENT).unwrap().half_open, 2);
    shard.connect_failed(Time::ZERO, dials[0]);
    shard.connected(Time::ZERO, dials[1]);
    drain(&mut shard, Time::ZERO);
    let mut echo: &[u8] = &Handshake { reserved: Reserved::NONE, info_hash: name, peer_id: US }.encode();
    feed(&mut shard, Time::ZERO, dials[1], &mut echo);
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    assert!(outputs.iter().any(|output| matches!(output, Output::Close { conn } if *conn == dials[1])));
    assert_eq!(shard.usage(Time::ZERO).connections, 0);
    assert_eq!(shard.snapshot(Time::ZERO, TORRENT).unwrap().half_open, 0);
}

/// Both ends are ours: the one that accepted must not close before the one that dialed has read who answers, or the
/// address is dialed again and again.
#[test]
fn told_our_own_address_we_dial_it_once() {
    let (mut shard, _) = shard(8);
    let (here, port) = (addr(5), addr(6));
    let named = |shard: &mut Shard, now| {
        shard.command(now, Command::Addresses(TORRENT, PeerSource::Tracker, vec![here]));
        let outputs = drain(shard, now).0;
        outputs.iter().find_map(|output| match output {
            Output::Dial { conn, .. } => Some(*conn),
            _ => None,
        })
    };
    let now = Time::ZERO;
    let dialed = named(&mut shard, now).unwrap();
    let accepted = shard.accept(now, port).unwrap();
    shard.connected(now, dialed);
    drain(&mut shard, now);
    let hello = sent(&mut shard, now, dialed);
    assert_eq!(feed(&mut shard, now, accepted, &mut &hello[..]), RecvOutcome::Empty);
    let answer = sent(&mut shard, now, accepted);
    assert_eq!(answer.len(), 68);
    feed(&mut shard, now, dialed, &mut &answer[..]);
    let outputs = drain(&mut shard, now).0;
    assert!(outputs.iter().any(|output| matches!(output, Output::Close { conn } if *conn == dialed)));
    assert_eq!(shard.recv(now, accepted, |_| Ok(0)), RecvOutcome::Closed);
    assert_eq!(shard.usage(now).connections, 0);
    for secs in [60, 120, 3600, 100_000] {
        assert_eq!(named(&mut shard, Time::from_secs(secs)), None, "after {secs} s");
    }
    // Who only says that he is us is closed at the first byte that we would not send, or when his time is over.
    for says_more in [true, false] {
        let now = Time::from_secs(100_000);
        let conn = shard.accept(now, addr(7)).unwrap();
        assert_eq!(feed(&mut shard, now, conn, &mut &hello[..]), RecvOutcome::Empty);
        if says_more {
            assert_eq!(feed(&mut shard, now, conn, &mut &[0u8; 4][..]), RecvOutcome::Closed);
        }
        drain(&mut shard, now + Duration::from_secs(20));
        assert_eq!(shard.usage(now).connections, 0);
    }
}

#[test]
fn any_messages_are_harmless_and_leave_nothing_behind() {
    for seed in 0..300 {
        let mut rng = Rng::from_number(seed);
        let (mut shard, name) = shard(1 + rng.below(4));
        let mut now = Time::ZERO;
        let conns: Vec<_> = (0..3).map(|n| shard.accept(now, addr(10 + n)).unwrap()).collect();
        for (n, conn) in conns.iter().enumerate() {
            feed(&mut shard, now, *conn, &mut &hello(name, 20 + n as u8)[..]);
        }
        for _ in 0..60 {
            now += Duration::from_millis(700);
            let conn = conns[rng.below(conns.len())];
            let message = any_message(&mut rng);
            feed(&mut shard, now, conn, &mut &message[..]);
            shard.send(now, conn, |slices| Ok(slices.iter().map(|s| s.len()).sum()));
            // The disk is slow without end: what it got never comes back.
            let (_, at) = drain(&mut shard, now);
            assert!(at > now);
        }
        conns.into_iter().for_each(|conn| shard.connect_failed(now, conn));
        drain(&mut shard, now);
        assert_eq!(shard.usage(now).connections, 0);
    }
}

fn any_message(rng: &mut Rng) -> Vec<u8> {
    let piece = PieceIndex(rng.below(5) as u32);
    let begin = [0, 16_384, 1, u32::MAX][rng.below(4)];
    let run = BlockRef { piece, begin, len: [16_384, 0, 5, 131_072, u32::MAX][rng.below(5)] };
    let data = vec![0; [16_384, 0, 5, 3_392][rng.below(4)]];
    match rng.below(14) {
        0 => Message::KeepAlive.to_vec(),
        1 => Message::Unchoke.to_vec(),
        2 => Message::Choke.to_vec(),
        3 => Message::Interested.to_vec(),
        4 => Message::Have(piece).to_vec(),
        5 => Message::HaveAll.to_vec(),
        6 => Message::Bitfield(&[0xf0]).to_vec(),
        7 => Message::Request(run).to_vec(),
        8 => Message::Cancel(run).to_vec(),
        9 | 10 => Message::piece(piece, begin, &data).to_vec(),
        11 => Message::Reject(run).to_vec(),
        12 => rng.bytes::<32>().to_vec(),
        _ => Message::Extended { id: 0, payload: b"d4:reqqi5ee" }.to_vec(),
    }
}

#[test]
fn a_pause_ends_dials_too() {
    let (mut shard, _) = shard(4);
    let now = Time::from_secs(1);
    let lease = |connections| {
        Command::Lease(engine::Lease { download: None, upload: None, connections, yields: false })
    };
    shard.command(now, lease(1));
    shard.command(now, Command::Addresses(TORRENT, PeerSource::Tracker, vec![addr(2), addr(3)]));
    let dialed = drain(&mut shard, now).0;
    let [Output::Dial { conn, .. }] = dialed[..] else { panic!("{dialed:?}") };
    shard.command(now, Command::Torrent(TORRENT, engine::Command::Pause));
    let outputs = drain(&mut shard, now).0;
    assert!(matches!(outputs[..], [Output::Close { conn: closed }] if closed == conn), "{outputs:?}");
    shard.command(now, lease(10));
    let (outputs, wait) = drain(&mut shard, now);
    assert!(outputs.is_empty() && wait == Time::NEVER, "{outputs:?}");
    assert_eq!(shard.usage(now).connections, 0);
    shard.connected(now, conn);
    shard.command(now, Command::Torrent(TORRENT, engine::Command::Start));
    assert_eq!(drain(&mut shard, now).0.len(), 2, "both are dialed anew");
}

#[test]
fn requests_of_a_choked_peer_are_refused_and_without_end_they_are_its_end() {
    let (mut shard, conn) = seeded();
    let now = Time::ZERO;
    // Nobody may be served, so that its interest gives it no slot. More pieces than an allowed-fast set
    // covers.
    shard.command(now, Command::Torrent(TORRENT, engine::Command::Upload(engine::UploadMode::Never)));
    feed(&mut shard, now, conn, &mut &Message::Interested.to_vec()[..]);
    let request =
        |n: u32| Message::Request(BlockRef { piece: PieceIndex(n % 3), begin: 0, len: 16_384 }).to_vec();
    let refused =
        |shard: &mut Shard| sent(shard, now, conn).windows(5).filter(|w| w[..] == [0, 0, 0, 13, 16]).count();
    for n in 0..300 {
        assert_eq!(feed(&mut shard, now, conn, &mut &request(n)[..]), RecvOutcome::Empty);
        drain(&mut shard, now);
    }
    assert_eq!(refused(&mut shard), 300, "each request has its answer (BEP 6)");
    assert_eq!(feed(&mut shard, now, conn, &mut &request(0)[..]), RecvOutcome::Closed);
    drain(&mut shard, now);
    assert_eq!(shard.usage(now).connections, 0);
}
