//! Peers that mean no good, byte by byte. What they can make a shard hold is a number in each test.

#[path = "support/lone.rs"]
mod lone;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::{ConnId, Disconnect, Fault, Lease, MetadataProgress};
use lone::{TORRENT, US, addr, drain, feed, hello, seeded, sent, shard};
use riverrun_shard::{Added, Command, Config, Event, Output, RecvOutcome, Shard};
use types::limits::{MESSAGE_LEN, METADATA_LEN, PIECES};
use types::{BlockRef, InfoHash, InfoHashes, PieceIndex, Rng, Time};
use wire::Message;
use wire::extended::{METADATA_PIECE_LEN, Metadata, Pex, PexFlags, PexPeer};

const NOW: Time = Time::ZERO;
/// The length of the metadata of `magnet`: two pieces and a bit.
const LEN: usize = 2 * METADATA_PIECE_LEN as usize + 10;

fn metadata() -> Vec<u8> {
    (0..LEN).map(|n| (n / 3) as u8).collect()
}

/// A shard that knows a torrent by its name alone.
fn magnet() -> (Shard, InfoHash) {
    let engine = Arc::new(engine::Config::new(US));
    let mut shard = Shard::new(Config::new(engine.clone()), NOW, Rng::from_number(1));
    let name = InfoHash(hash::sha1(&metadata()));
    let params = engine::Params::magnet(engine, InfoHashes::v1(name));
    shard.command(NOW, Command::Add(Box::new(Added::magnet(TORRENT, params))));
    shard.command(NOW, Command::Torrent(TORRENT, engine::Command::Start));
    (shard, name)
}

/// A peer comes in; what it is sent first is thrown away.
fn come(shard: &mut Shard, now: Time, name: InfoHash, from: SocketAddr, id: u8) -> ConnId {
    let conn = shard.accept(now, from).unwrap();
    assert_eq!(feed(shard, now, conn, &mut &hello(name, id)[..]), RecvOutcome::Empty);
    drain(shard, now);
    sent(shard, now, conn);
    conn
}

fn say(shard: &mut Shard, now: Time, conn: ConnId, message: &Message<'_>) -> RecvOutcome {
    feed(shard, now, conn, &mut &message.to_vec()[..])
}

fn extended(shard: &mut Shard, now: Time, conn: ConnId, id: u8, payload: &[u8]) -> RecvOutcome {
    say(shard, now, conn, &Message::Extended { id, payload })
}

/// Why connections ended.
fn ends(shard: &mut Shard, now: Time) -> Vec<Disconnect> {
    let outputs = drain(shard, now).0;
    let end = |output: &Output| match output {
        Output::Event(_, Event::Engine(engine::Event::PeerDisconnected { why, .. })) => Some(*why),
        _ => None,
    };
    outputs.iter().filter_map(end).collect()
}

fn fault(fault: Fault) -> Vec<Disconnect> {
    vec![Disconnect::Fault(fault)]
}

fn progress(shard: &mut Shard) -> MetadataProgress {
    shard.snapshot(NOW, TORRENT).unwrap().metadata.unwrap()
}

/// A peer says that it has so many bytes of metadata, under the id 30. Which pieces it is asked for.
fn offer(shard: &mut Shard, conn: ConnId, len: i64) -> Vec<u32> {
    let handshake = format!("d1:md11:ut_metadatai30ee13:metadata_sizei{len}ee");
    extended(shard, NOW, conn, 0, handshake.as_bytes());
    asked(shard, conn)
}

fn asked(shard: &mut Shard, conn: ConnId) -> Vec<u32> {
    asked_at(shard, NOW, conn)
}

fn asked_at(shard: &mut Shard, now: Time, conn: ConnId) -> Vec<u32> {
    drain(shard, now);
    let bytes = sent(shard, now, conn);
    let (mut rest, mut pieces) = (&bytes[..], Vec::new());
    while let Some((len, more)) = rest.split_first_chunk::<4>() {
        let (body, more) = more.split_at(u32::from_be_bytes(*len) as usize);
        rest = more;
        if let [20, 30, payload @ ..] = body
            && let Ok(Metadata::Request { piece }) = Metadata::decode(payload)
        {
            pieces.push(piece);
        }
    }
    pieces
}

fn give(shard: &mut Shard, conn: ConnId, piece: u32, total: usize, data: &[u8]) -> RecvOutcome {
    let payload = Metadata::Data { piece, total_size: Some(total as u32), data }.encode();
    extended(shard, NOW, conn, 1, &payload)
}

#[test]
fn metadata_of_the_wrong_size_is_never_taken() {
    // No size that cannot be is asked for, and none takes memory before data comes.
    for len in [0, -1, METADATA_LEN as i64 + 1, i64::from(u32::MAX) + 1, i64::MAX] {
        let (mut shard, name) = magnet();
        let conn = come(&mut shard, NOW, name, addr(2), 2);
        assert_eq!(offer(&mut shard, conn, len), [], "{len}");
        assert_eq!(progress(&mut shard), MetadataProgress::default(), "{len}");
    }
    let (mut shard, name) = magnet();
    let conn = come(&mut shard, NOW, name, addr(2), 2);
    assert_eq!(offer(&mut shard, conn, METADATA_LEN as i64), [0, 1]);
    give(&mut shard, conn, 0, METADATA_LEN, &[7; METADATA_PIECE_LEN as usize]);
    let held = progress(&mut shard);
    assert_eq!((held.bytes, held.total), (METADATA_PIECE_LEN, METADATA_LEN as u32));
    // A piece that is too short ends it; neither it nor one that is too long is kept.
    for len in [0, 1, METADATA_PIECE_LEN as usize - 1, METADATA_PIECE_LEN as usize + 1] {
        let (mut shard, name) = magnet();
        let conn = come(&mut shard, NOW, name, addr(2), 2);
        assert_eq!(offer(&mut shard, conn, LEN as i64), [0, 1]);
        let end = give(&mut shard, conn, 0, LEN, &vec![7; len]);
        if len < METADATA_PIECE_LEN as usize {
            assert_eq!(
                (end, ends(&mut shard, NOW)),
                (RecvOutcome::Closed, fault(Fault::BadMetadata)),
                "{len}"
            );
        } else {
            assert_eq!(
                (end, ends(&mut shard, NOW)),
                (RecvOutcome::Empty, vec![]),
                "it is no message: no effect"
            );
        }
        assert_eq!(progress(&mut shard).bytes, 0);
    }
}

#[test]
fn metadata_of_the_wrong_hash_bans_its_sender_and_is_not_kept() {
    let (mut shard, name) = magnet();
    let liar = come(&mut shard, NOW, name, addr(2), 2);
    let mut pieces = offer(&mut shard, liar, LEN as i64);
    let wrong = vec![7; LEN];
    let mut most = 0;
    while let Some(piece) = pieces.pop() {
        let data = wrong.chunks(METADATA_PIECE_LEN as usize).nth(piece as usize).unwrap();
        give(&mut shard, liar, piece, LEN, data);
        most = most.max(progress(&mut shard).bytes);
        let why = ends(&mut shard, NOW);
        if !why.is_empty() {
            assert_eq!(why, fault(Fault::CorruptData));
            break;
        }
        pieces.extend(asked(&mut shard, liar));
    }
    assert!(most < LEN as u32 && progress(&mut shard).bytes == 0);
    // It may not come back; an honest peer is believed.
    let again = shard.accept(NOW, addr(2)).unwrap();
    feed(&mut shard, NOW, again, &mut &hello(name, 2)[..]);
    let closed = |output: &Output| matches!(output, Output::Close { conn } if *conn == again);
    assert!(drain(&mut shard, NOW).0.iter().any(closed));
    let honest = come(&mut shard, NOW, name, addr(3), 3);
    let mut pieces = offer(&mut shard, honest, LEN as i64);
    let right = metadata();
    let mut came = false;
    while let Some(piece) = pieces.pop() {
        let data = right.chunks(METADATA_PIECE_LEN as usize).nth(piece as usize).unwrap();
        give(&mut shard, honest, piece, LEN, data);
        let outputs = drain(&mut shard, NOW).0;
        let passed = |o: &Output| matches!(o, Output::Event(_, Event::Engine(engine::Event::Metadata(_))));
        came |= outputs.iter().any(passed);
        pieces.extend(asked(&mut shard, honest));
    }
    assert!(came);
}

#[test]
fn metadata_that_is_offered_and_never_sent_hides_no_honest_peer_for_long() {
    let (mut shard, name) = magnet();
    let silent: Vec<ConnId> = (2..10).map(|n| come(&mut shard, NOW, name, addr(n), n)).collect();
    silent.iter().for_each(|conn| _ = offer(&mut shard, *conn, LEN as i64));
    let honest = come(&mut shard, NOW, name, addr(10), 10);
    let mut pieces = offer(&mut shard, honest, LEN as i64);
    let right = metadata();
    for second in 1..=5 {
        let now = NOW + Duration::from_secs(second);
        while let Some(piece) = pieces.pop() {
            let data = right.chunks(METADATA_PIECE_LEN as usize).nth(piece as usize).unwrap();
            let payload = Metadata::Data { piece, total_size: Some(LEN as u32), data }.encode();
            extended(&mut shard, now, honest, 1, &payload);
            let passed =
                |o: &Output| matches!(o, Output::Event(_, Event::Engine(engine::Event::Metadata(_))));
            if drain(&mut shard, now).0.iter().any(passed) {
                return;
            }
            pieces.extend(asked_at(&mut shard, now, honest));
        }
        pieces = asked_at(&mut shard, now, honest);
    }
    panic!("it is not asked, or not for all");
}

#[test]
fn a_metadata_size_that_changes_midway_is_the_end_of_who_changed_it() {
    for by_handshake in [true, false] {
        let (mut shard, name) = magnet();
        let conn = come(&mut shard, NOW, name, addr(2), 2);
        assert_eq!(offer(&mut shard, conn, LEN as i64), [0, 1]);
        let data = metadata();
        let data: Vec<&[u8]> = data.chunks(METADATA_PIECE_LEN as usize).collect();
        assert_eq!(give(&mut shard, conn, 0, LEN, data[0]), RecvOutcome::Empty);
        drain(&mut shard, NOW);
        let end = match by_handshake {
            true => {
                let other = format!("d1:md11:ut_metadatai30ee13:metadata_sizei{METADATA_LEN}ee");
                extended(&mut shard, NOW, conn, 0, other.as_bytes())
            }
            false => give(&mut shard, conn, 1, METADATA_LEN, data[1]),
        };
        assert_eq!((end, ends(&mut shard, NOW)), (RecvOutcome::Closed, fault(Fault::BadMetadata)));
        // The size that was agreed on stays, with what had come for it.
        let held = progress(&mut shard);
        assert_eq!((held.bytes, held.total, held.peers), (METADATA_PIECE_LEN, LEN as u32, 0));
    }
}

/// A message of peer exchange that names these.
fn pex(addrs: impl Iterator<Item = SocketAddr>) -> Vec<u8> {
    let added = addrs.map(|addr| PexPeer { addr, flags: PexFlags::NONE }).collect();
    Pex { added, ..Pex::default() }.encode()
}

const GREETING: &[u8] = b"d1:md6:ut_pexi40eee";

#[test]
fn pex_floods_fill_no_book_and_end_the_connection() {
    let (mut shard, name) = shard(8);
    let from = "8.8.8.8:1000".parse().unwrap();
    let conn = come(&mut shard, NOW, name, from, 2);
    extended(&mut shard, NOW, conn, 0, GREETING);
    let named = |n: u8| pex((0..=255).map(move |host| SocketAddr::from(([9, 9, n, host], 6881))));
    let mut messages = 0;
    while extended(&mut shard, NOW, conn, 2, &named(messages)) == RecvOutcome::Empty {
        messages += 1;
        assert!(shard.snapshot(NOW, TORRENT).unwrap().known <= 400, "a hundred of each of four");
    }
    assert_eq!((messages, ends(&mut shard, NOW)), (12, fault(Fault::MessageFlood)));
    // Many peers that keep to the rates fill the book up to its limit, and no further.
    for n in 0..40 {
        let now = Time::from_secs(60 * u64::from(n));
        let conn = come(&mut shard, now, name, SocketAddr::from(([8, 8, n, 1], 1000)), 10 + n);
        extended(&mut shard, now, conn, 0, GREETING);
        assert_eq!(extended(&mut shard, now, conn, 2, &named(100 + n)), RecvOutcome::Empty);
        drain(&mut shard, now);
        let snapshot = shard.snapshot(now, TORRENT).unwrap();
        assert!(snapshot.known <= 1_000 && snapshot.half_open <= 25, "{snapshot:?}");
    }
    assert_eq!(shard.snapshot(NOW, TORRENT).unwrap().known, 1_000);
}

#[test]
fn dead_addresses_of_three_peers_delay_no_seed_that_a_fourth_names() {
    let (mut shard, name) = shard(8);
    let mut tellers = (1..=4u8).map(|n| {
        let conn = come(&mut shard, NOW, name, SocketAddr::from(([8, 8, 8, n], 6881)), n + 1);
        extended(&mut shard, NOW, conn, 0, GREETING);
        conn
    });
    let tellers: [ConnId; 4] = std::array::from_fn(|_| tellers.next().unwrap());
    for (n, teller) in (20..).zip(&tellers[..3]) {
        for message in 0..4 {
            let dead = (0..100).map(move |host| SocketAddr::from(([n, message, host, 1], 6881)));
            extended(&mut shard, NOW, *teller, 2, &pex(dead));
        }
    }
    let seed: SocketAddr = "9.9.9.9:6881".parse().unwrap();
    extended(&mut shard, NOW, tellers[3], 2, &pex([seed].into_iter()));
    let mut now = NOW;
    while now <= Time::from_secs(3) {
        for output in drain(&mut shard, now).0 {
            match output {
                Output::Dial { addr, .. } if addr == seed => return,
                Output::Dial { conn, .. } => shard.connect_failed(now, conn),
                _ => {}
            }
        }
        now += Duration::from_secs(1);
    }
    panic!("it is not dialed");
}

#[test]
fn pex_from_afar_cannot_make_us_knock_at_our_own_network() {
    let near = "10.0.0.1:80 192.168.1.1:80 172.16.0.1:80 169.254.169.254:80 127.0.0.1:22 100.64.0.1:80 \
        [fe80::1]:80 [fd00::1]:80 [::1]:22 [::ffff:192.168.1.1]:80 224.0.0.1:80 0.0.0.0:80";
    let near: Vec<SocketAddr> = near.split_whitespace().map(|addr| addr.parse().unwrap()).collect();
    let (mut shard, name) = shard(8);
    let conn = come(&mut shard, NOW, name, "8.8.8.8:1000".parse().unwrap(), 2);
    extended(&mut shard, NOW, conn, 0, GREETING);
    assert_eq!(extended(&mut shard, NOW, conn, 2, &pex(near.into_iter())), RecvOutcome::Empty);
    let outputs = drain(&mut shard, NOW).0;
    assert!(!outputs.iter().any(|output| matches!(output, Output::Dial { .. })), "{outputs:?}");
    assert_eq!(shard.snapshot(NOW, TORRENT).unwrap().known, 0);
}

#[test]
fn extension_messages_before_the_handshake_do_nothing_and_at_last_end_it() {
    let payloads: [(u8, Vec<u8>); 4] = [
        (1, Metadata::Request { piece: 0 }.encode()),
        (1, Metadata::Data { piece: 0, total_size: Some(LEN as u32), data: &[7; 100] }.encode()),
        (2, pex([SocketAddr::from(([9, 9, 9, 9], 6881))].into_iter())),
        (99, vec![b'x'; 1_000]),
    ];
    let (mut served, seed_conn) = seeded();
    let (mut fetching, name) = magnet();
    let magnet_conn = come(&mut fetching, NOW, name, "8.8.8.8:1000".parse().unwrap(), 2);
    for (shard, conn) in [(&mut served, seed_conn), (&mut fetching, magnet_conn)] {
        let mut before_the_end = 0;
        while payloads.iter().all(|(id, payload)| {
            before_the_end += 1;
            extended(shard, NOW, conn, *id, payload) == RecvOutcome::Empty
        }) {
            drain(shard, NOW);
            assert_eq!(sent(shard, NOW, conn), [], "no answer");
            assert_eq!(shard.messages(), (0, 0));
            assert_eq!(shard.snapshot(NOW, TORRENT).unwrap().known, 0);
        }
        assert_eq!((before_the_end, ends(shard, NOW)), (1_001, fault(Fault::MessageFlood)));
    }
    assert_eq!(progress(&mut fetching), MetadataProgress::default());
}

#[test]
fn a_bitfield_of_the_wrong_length_ends_the_connection() {
    // Of four pieces: none, too many bytes, and bits beyond the last piece.
    for bits in [&[][..], &[0xf0, 0], &[0xf8], &[0xf0; 1_000]] {
        let (mut shard, name) = shard(8);
        let conn = come(&mut shard, NOW, name, addr(2), 2);
        assert_eq!(say(&mut shard, NOW, conn, &Message::Bitfield(bits)), RecvOutcome::Closed, "{bits:x?}");
        let why = ends(&mut shard, NOW);
        assert!(why == fault(Fault::BadBitfield) || why == fault(Fault::BadMessage), "{bits:x?}: {why:?}");
    }
    // One that is announced longer than any torrent needs ends it before its first byte is kept.
    let torrent_of_any_size = PIECES.div_ceil(8);
    for (shard_of, longest) in [(shard as fn(usize) -> _, 1), (|_| magnet(), torrent_of_any_size)] {
        for len in [longest + 1, MESSAGE_LEN, u32::MAX - 1] {
            let (mut shard, name) = shard_of(8);
            let conn = come(&mut shard, NOW, name, addr(2), 2);
            let header = [&(len + 1).to_be_bytes()[..], &[5]].concat();
            assert_eq!(feed(&mut shard, NOW, conn, &mut &header[..]), RecvOutcome::Closed, "{len}");
            assert_eq!((ends(&mut shard, NOW), shard.messages()), (fault(Fault::BadMessage), (0, 0)));
        }
    }
    let (mut shard, name) = magnet();
    let conn = come(&mut shard, NOW, name, addr(2), 2);
    let whole = Message::Bitfield(&vec![0xff; torrent_of_any_size as usize]).to_vec();
    feed(&mut shard, NOW, conn, &mut &whole[..whole.len() - 1]);
    assert_eq!(shard.messages().0, whole.len() - 1, "the longest there can be is gathered");
}

#[test]
fn a_have_out_of_range_ends_the_connection() {
    for piece in [4, 5, PIECES, u32::MAX] {
        let (mut shard, name) = shard(8);
        let conn = come(&mut shard, NOW, name, addr(2), 2);
        assert_eq!(say(&mut shard, NOW, conn, &Message::Have(PieceIndex(3))), RecvOutcome::Empty);
        assert_eq!(say(&mut shard, NOW, conn, &Message::Have(PieceIndex(piece))), RecvOutcome::Closed);
        assert_eq!(ends(&mut shard, NOW), fault(Fault::PieceOutOfRange), "{piece}");
    }
    // Where it is not known how many there are, the largest torrent bounds what is kept.
    let (mut shard, name) = magnet();
    let conn = come(&mut shard, NOW, name, addr(2), 2);
    assert_eq!(say(&mut shard, NOW, conn, &Message::Have(PieceIndex(PIECES - 1))), RecvOutcome::Empty);
    assert_eq!(say(&mut shard, NOW, conn, &Message::Have(PieceIndex(PIECES))), RecvOutcome::Closed);
    assert_eq!(ends(&mut shard, NOW), fault(Fault::PieceOutOfRange));
}

#[test]
fn requests_while_choked_take_no_buffer_and_little_memory() {
    let (mut shard, conn) = seeded();
    shard.command(NOW, Command::Torrent(TORRENT, engine::Command::Upload(engine::UploadMode::Never)));
    let mut asked = 0;
    loop {
        let piece = PieceIndex(asked % 3);
        // It never reads an answer.
        let request = Message::Request(BlockRef { piece, begin: 0, len: 16_384 });
        if say(&mut shard, NOW, conn, &request) == RecvOutcome::Closed {
            break;
        }
        asked += 1;
        let disk = drain(&mut shard, NOW).0;
        assert!(!disk.iter().any(|output| matches!(output, Output::Disk(_))), "nothing is read for it");
        // A refusal is 17 bytes; besides there is the choke.
        assert!(shard.messages().1 <= asked as usize * 17 + 5, "{:?}", shard.messages());
        assert_eq!(shard.buffers(), (0, 0));
    }
    assert_eq!((asked, ends(&mut shard, NOW)), (300, fault(Fault::RequestFlood)));
    assert_eq!(shard.messages(), (0, 0));
}

#[test]
fn messages_that_never_end_hold_no_more_than_their_length() {
    let (mut shard, name) = shard(8);
    // As many as a torrent takes.
    let peers = 80;
    let body = MESSAGE_LEN as usize;
    let unfinished = [&MESSAGE_LEN.to_be_bytes()[..], &[20], &vec![0; body - 2]].concat();
    for n in 0..peers {
        let conn = come(&mut shard, NOW, name, SocketAddr::from(([10, 0, n, 1], 1000)), 10 + n);
        assert_eq!(feed(&mut shard, NOW, conn, &mut &unfinished[..]), RecvOutcome::Empty);
        assert_eq!(shard.messages().0, (usize::from(n) + 1) * (body + 3));
    }
    // Nor is there a longer one.
    let longer = [&(MESSAGE_LEN + 1).to_be_bytes()[..], &[20]].concat();
    let one = shard.accept(NOW, addr(9)).unwrap();
    let (mut all, hello) = (hello(name, 9), longer);
    all.extend(hello);
    assert_eq!(feed(&mut shard, NOW, one, &mut &all[..]), RecvOutcome::Closed);
    // Silence ends them all.
    let mut now = NOW;
    for _ in 0..200 {
        now += Duration::from_secs(1);
        drain(&mut shard, now);
    }
    assert_eq!((shard.messages(), shard.usage(now).connections), ((0, 0), 0));
}

#[test]
fn data_that_nobody_asked_for_takes_no_buffer() {
    let (mut shard, name) = shard(8);
    let conn = come(&mut shard, NOW, name, addr(2), 2);
    let block = Message::piece(PieceIndex(0), 0, &[7; 16_384]).to_vec();
    let (mut blocks, mut why) = (0, Vec::new());
    while why.is_empty() {
        // In halves, so that each is under way for a while.
        feed(&mut shard, NOW, conn, &mut &block[..8_000]);
        assert_eq!((shard.buffers(), shard.messages().0), ((0, 0), 0));
        feed(&mut shard, NOW, conn, &mut &block[8_000..]);
        why = ends(&mut shard, NOW);
        blocks += 1;
    }
    assert!(blocks <= 1_000, "{blocks}");
    assert_eq!((why, shard.buffers()), (fault(Fault::UnaskedData), (0, 0)));
}

#[test]
fn slow_loris_handshakes_end_in_time_however_they_drip() {
    let (mut shard, name) = shard(8);
    let bytes = hello(name, 9);
    let from = |n: u8| SocketAddr::from(([10, 0, 0, n], 1000));
    let mut conns = Vec::new();
    for n in 0..10 {
        while let Ok(conn) = shard.accept(NOW, from(n))
            && conns.len() < 200
        {
            conns.push(conn);
        }
    }
    assert_eq!(shard.usage(NOW).handshakes, 200);
    for second in 0..20 {
        let now = Time::from_secs(second);
        for conn in &conns {
            let at = second as usize;
            feed(&mut shard, now, *conn, &mut &bytes[at..=at]);
        }
        drain(&mut shard, now);
        let usage = shard.usage(now);
        assert!(usage.handshakes <= 200 && usage.connections == 0, "{usage:?}");
        assert!(shard.messages().0 <= 200 * 68);
        // Meanwhile honest peers of other hosts come in, each for one of those.
        let honest = SocketAddr::from(([10, 1, second as u8, 1], 1000));
        let honest = come(&mut shard, now, name, honest, 50 + second as u8);
        assert_eq!(say(&mut shard, now, honest, &Message::HaveAll), RecvOutcome::Empty);
        shard.connection_lost(now, honest);
    }
    let now = Time::from_secs(20);
    drain(&mut shard, now);
    assert_eq!((shard.usage(now).handshakes, shard.messages()), (0, (0, 0)));
}

#[test]
fn half_handshakes_from_hundreds_of_addresses_keep_no_newcomer_out() {
    // Of one network, and each of another.
    let near = |n: u32| SocketAddr::from(([127, 1, (n >> 8) as u8, n as u8], 1_000));
    let far = |n: u32| SocketAddr::from(([11 + (n >> 8) as u8, n as u8, 1, 1], 1_000));
    for from in [near as fn(u32) -> SocketAddr, far] {
        let (mut shard, name) = shard(8);
        let slow = hello(name, 9);
        let mut attackers = 0..;
        let mut flood = |shard: &mut Shard, now, most: usize| {
            for n in attackers.by_ref().take(most) {
                if let Ok(conn) = shard.accept(now, from(n % 360)) {
                    feed(shard, now, conn, &mut &slow[..40]);
                }
            }
            drain(shard, now);
        };
        flood(&mut shard, NOW, 360);
        for n in 0..40 {
            let now = Time::from_millis(250 * u64::from(n));
            let conn =
                shard.accept(now, SocketAddr::from(([127, 2, 0, n], 1_000))).expect("a newcomer is heard");
            // A round trip later the attacker has come back a hundred times.
            flood(&mut shard, now, 100);
            assert_eq!(
                feed(&mut shard, now, conn, &mut &hello(name, 50 + n)[..]),
                RecvOutcome::Empty,
                "the {n}th"
            );
            drain(&mut shard, now);
            assert!(shard.usage(now).handshakes <= 200);
            assert_eq!(shard.peers(now, TORRENT).len(), usize::from(n) + 1);
        }
    }
}

#[test]
fn ten_thousand_connections_of_one_address_leave_places_for_others() {
    let (mut shard, name) = shard(8);
    let lease = Lease { connections: 100, ..Lease::default() };
    shard.command(NOW, Command::Lease(lease));
    let flood = |n: u32| SocketAddr::from(([6, 6, 6, 6], 1_000 + n as u16));
    let mut rng = Rng::from_number(1);
    let mut arrive = |shard: &mut Shard, from: SocketAddr| {
        let Ok(conn) = shard.accept(NOW, from) else { return false };
        let mut bytes = hello(name, 0);
        bytes[48..].copy_from_slice(&rng.bytes::<20>());
        feed(shard, NOW, conn, &mut &bytes[..]);
        drain(shard, NOW);
        shard.peers(NOW, TORRENT).iter().any(|peer| peer.addr == from)
    };
    let mut most = 0;
    let came = (0..10_000).filter(|n| arrive(&mut shard, flood(*n))).count();
    for n in 0..10 {
        assert!(arrive(&mut shard, SocketAddr::from(([7, 7, 7, n], 1000))), "the {n}th honest one");
    }
    let again = (0..10_000).filter(|n| arrive(&mut shard, flood(20_000 + n))).count();
    let usage = shard.usage(NOW);
    most = most.max(usage.connections);
    assert!(came <= 80 && again == 0, "{came} and {again}");
    assert!(most <= 100 && usage.handshakes <= 100, "{usage:?}");
    let peers = shard.peers(NOW, TORRENT);
    let honest = peers.iter().filter(|peer| peer.addr.ip().to_string().starts_with("7.7.7.")).count();
    assert_eq!((honest, peers.len()), (10, 80));
}

#[test]
fn a_shard_that_is_told_to_yield_lets_go_of_crowds_alone() {
    let (mut shard, name) = shard(8);
    for n in 0..20 {
        come(&mut shard, NOW, name, SocketAddr::from(([6, 6, 6, 6], 1_000 + n)), 10 + n as u8);
    }
    for n in 0..3 {
        come(&mut shard, NOW, name, addr(2 + n), 100 + n);
    }
    for (connections, yields, left) in [(10, false, 23), (30, true, 23), (10, true, 10), (2, true, 7)] {
        shard.command(NOW, Command::Lease(Lease { connections, yields, ..Lease::default() }));
        let closed = ends(&mut shard, NOW);
        assert!(closed.iter().all(|why| *why == Disconnect::Full), "{closed:?}");
        assert_eq!(shard.usage(NOW).connections, left, "{connections} {yields}");
        let mut here = |host: &str| {
            let peers = shard.peers(NOW, TORRENT);
            peers.iter().filter(|peer| peer.addr.ip().to_string().starts_with(host)).count() as u32
        };
        assert_eq!((here("127."), here("6.6.6.6")), (3, left - 3));
    }
}
