//! Blocks that leave from where they are stored.

#[path = "support/lone.rs"]
mod lone;
mod support;
#[path = "support/world.rs"]
mod world;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use engine::{ConnId, DiskTrouble};
use lone::{drain, feed, seeded};
use riverrun_shard::{
    Command, DiskDone, DiskError, DiskOp, Event, Output, Part, SendError, SendOutcome, Shard,
};
use support::{KINDS, Kind, info, payload};
use types::{BlockRef, PieceIndex, Time};
use wire::{Message, PIECE_HEADER_LEN, piece_header};
use world::{TORRENT, World};

const MINUTE: Duration = Duration::from_secs(60);
const BLOCK: u32 = 16_384;

#[test]
fn every_version_and_size_arrives_whole_whatever_is_in_memory() {
    for kind in KINDS {
        for (seed, len, piece_len) in
            [(1, 1, 16_384), (2, 3 * 32_768 + 1, 32_768), (3, 1_000_000, 65_536), (4, 300_000, 1 << 20)]
        {
            for odds in [0, 1, 2, 7] {
                let payload = payload(seed, len);
                let info = Arc::new(info(kind, &payload, piece_len));
                let mut world = World::new(seed);
                let seeder = world.add(&info, Some(&payload), 3);
                world.nodes[seeder].in_place = Some(odds);
                let leeches = [world.add(&info, None, 64), world.add(&info, None, 64)];
                leeches.iter().for_each(|&leech| world.introduce(leech, seeder));
                let done = |world: &World| leeches.iter().all(|&leech| world.is_complete(leech));
                assert!(world.run(10 * MINUTE, done), "{kind:?} {len} {odds}");
                assert!(leeches.iter().all(|&leech| world.nodes[leech].disk == payload));
                let (reads, blocks) = (world.nodes[seeder].reads, len.div_ceil(BLOCK as usize));
                match odds {
                    0 => assert_eq!(reads, 0, "what is in memory is not read"),
                    1 => assert_eq!(reads, 2 * blocks, "what is not is read once for each peer"),
                    _ => {}
                }
                world.run(MINUTE, |_| false);
                assert_eq!(world.nodes[seeder].shard.buffers(), (0, 0));
            }
        }
    }
}

#[test]
fn an_upload_limit_holds() {
    const RATE: u64 = 100_000;
    let payload = payload(5, 1_000_000);
    let info = Arc::new(info(Kind::V1, &payload, 65_536));
    let mut world = World::new(5);
    let seeder = world.add(&info, Some(&payload), 64);
    world.nodes[seeder].in_place = Some(0);
    let leech = world.add(&info, None, 64);
    let rates = Command::Rates { id: TORRENT, download: None, upload: Some(RATE) };
    world.nodes[seeder].shard.command(world.now, rates);
    world.introduce(leech, seeder);
    let start = world.now;
    assert!(world.run(MINUTE, |world| world.is_complete(leech)));
    let took = world.now.since(start).as_secs_f64();
    assert!((9.0..11.5).contains(&took), "{took} s for ten seconds' worth");
    assert_eq!(world.nodes[seeder].reads, 0);
}

#[test]
fn what_cannot_be_read_is_refused_and_the_rest_arrives() {
    let payload = payload(6, 400_000);
    let info = Arc::new(info(Kind::V1, &payload, 65_536));
    let mut world = World::new(6);
    let seeder = world.add(&info, Some(&payload), 64);
    world.nodes[seeder].in_place = Some(0);
    world.nodes[seeder].unreadable = 70_000..70_001;
    let leech = world.add(&info, None, 64);
    world.introduce(leech, seeder);
    let missing = |world: &World| {
        let stored = |event: &&Event| matches!(event, Event::Engine(engine::Event::PieceCompleted { .. }));
        world.nodes[leech].events.iter().filter(stored).count()
    };
    assert!(world.run(MINUTE, |world| missing(world) == 6), "{}", missing(&world));
    assert!(!world.is_complete(leech));
    let whole = (0..400_000).step_by(65_536).filter(|&at| {
        let end = (at + 65_536).min(payload.len());
        world.nodes[leech].disk[at..end] == payload[at..end]
    });
    assert_eq!(whole.count(), 6, "the piece that can't be read is the only one that is missing");
}

fn block(n: u32) -> BlockRef {
    BlockRef { piece: PieceIndex(n / 4), begin: n % 4 * BLOCK, len: BLOCK }
}

/// A seed, and a peer that asked for so many blocks.
fn asked(blocks: u32) -> (Shard, ConnId) {
    let (mut shard, conn) = seeded();
    let mut bytes = Vec::new();
    Message::Interested.encode(&mut bytes);
    feed(&mut shard, Time::ZERO, conn, &mut &bytes[..]);
    drain(&mut shard, Time::ZERO);
    // Whatever is said before: from here on blocks leave in place.
    send(&mut shard, conn, usize::MAX, usize::MAX);
    bytes.clear();
    (0..blocks).for_each(|n| Message::Request(block(n)).encode(&mut bytes));
    feed(&mut shard, Time::ZERO, conn, &mut &bytes[..]);
    drain(&mut shard, Time::ZERO);
    (shard, conn)
}

/// Sends once, up to so many bytes, of which those up to the payload's byte `here` are in memory; those are zeros.
fn send(shard: &mut Shard, conn: ConnId, most: usize, here: usize) -> (Vec<u8>, SendOutcome) {
    let mut sent = Vec::new();
    let outcome = shard.send_parts(Time::ZERO, conn, |parts| {
        for part in parts {
            match *part {
                Part::Bytes(bytes) => sent.extend_from_slice(bytes),
                Part::Stored { offset, len, .. } if offset as usize + len > here => break,
                Part::Stored { header, len, .. } => {
                    sent.extend_from_slice(header);
                    sent.resize(sent.len() + len, 0);
                }
            }
        }
        sent.truncate(most);
        if sent.is_empty() { Err(SendError::NotInMemory) } else { Ok(sent.len()) }
    });
    (sent, outcome)
}

fn whole(n: u32) -> Vec<u8> {
    [&piece_header(block(n))[..], &[0; BLOCK as usize]].concat()
}

#[test]
fn blocks_leave_together_and_in_order_however_much_is_taken() {
    for most in [1, 12, 13, 14, 10_000, 20_000, usize::MAX] {
        let (mut shard, conn) = asked(3);
        let mut wire = Vec::new();
        loop {
            let (sent, outcome) = send(&mut shard, conn, most, usize::MAX);
            wire.extend(sent);
            match outcome {
                SendOutcome::More => {}
                SendOutcome::Idle => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(wire == [whole(0), whole(1), whole(2)].concat(), "{most}");
        assert_eq!(shard.buffers(), (0, 0));
    }
}

/// The disk requests among outputs, answered with what `result` says.
fn answer(shard: &mut Shard, outputs: Vec<Output>, result: &Result<(), DiskError>) -> usize {
    let mut reads = 0;
    for output in outputs {
        if let Output::Disk(request) = output {
            assert!(matches!(request.op, DiskOp::Read { conn: Some(_), .. }));
            reads += 1;
            let done = DiskDone { torrent: request.torrent, op: request.op, result: result.clone() };
            shard.disk_done(Time::ZERO, done);
        }
    }
    reads
}

#[test]
fn what_is_not_in_memory_is_read_with_what_waits_behind_it() {
    let (mut shard, conn) = asked(4);
    let (sent, outcome) = send(&mut shard, conn, usize::MAX, BLOCK as usize);
    assert!(sent == whole(0) && outcome == SendOutcome::More);
    assert_eq!(send(&mut shard, conn, usize::MAX, BLOCK as usize).1, SendOutcome::Idle);
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    assert_eq!(answer(&mut shard, outputs, &Ok(())), 3);
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    assert!(matches!(outputs[..], [Output::WantSend { .. }]), "{outputs:?}");
    let (sent, outcome) = send(&mut shard, conn, usize::MAX, 0);
    assert!(sent.len() == 3 * whole(0).len() && sent[..PIECE_HEADER_LEN] == piece_header(block(1)));
    assert_eq!((outcome, shard.buffers()), (SendOutcome::Idle, (0, 0)));
}

/// Ways to lose a block: before its header has left it is refused; afterwards the stream can't go on.
#[test]
fn a_promise_that_cannot_be_kept_closes_the_connection_and_nothing_else_follows() {
    let lost: Result<(), DiskError> =
        Err(DiskError { trouble: DiskTrouble { code: "truncated", message: "cut short".into() } });
    for (left, closes) in [(0, false), (5, true), (PIECE_HEADER_LEN, true), (10_000, true)] {
        let (mut shard, conn) = asked(2);
        let before = whole(0).len();
        let (sent, _) = send(&mut shard, conn, before + left, usize::MAX);
        assert_eq!(sent.len(), before + left);
        assert_eq!(send(&mut shard, conn, usize::MAX, 0).1, SendOutcome::Idle);
        let (outputs, _) = drain(&mut shard, Time::ZERO);
        assert_eq!(answer(&mut shard, outputs, &lost), 1);
        let (outputs, _) = drain(&mut shard, Time::ZERO);
        let closed = outputs.iter().any(|output| matches!(output, Output::Close { conn: c } if *c == conn));
        assert_eq!(closed, closes, "{left}: {outputs:?}");
        let mut refusal = Vec::new();
        Message::Reject(block(1)).encode(&mut refusal);
        let (sent, outcome) = send(&mut shard, conn, usize::MAX, 0);
        match closes {
            true => assert_eq!((sent.len(), outcome), (0, SendOutcome::Closed)),
            false => assert!(sent.windows(refusal.len()).any(|bytes| bytes == refusal), "{sent:?}"),
        }
        assert_eq!(shard.buffers().1, 0);
    }
}

#[test]
fn a_cancel_while_a_block_is_half_sent_leaves_the_stream_whole() {
    let (mut shard, conn) = asked(40);
    let (mut wire, _) = send(&mut shard, conn, 10_000, usize::MAX);
    let mut cancels = Vec::new();
    (0..40).for_each(|n| Message::Cancel(block(n % 12)).encode(&mut cancels));
    feed(&mut shard, Time::ZERO, conn, &mut &cancels[..]);
    loop {
        drain(&mut shard, Time::ZERO);
        let (sent, outcome) = send(&mut shard, conn, 50_000, usize::MAX);
        wire.extend(sent);
        if outcome != SendOutcome::More {
            break;
        }
    }
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        assert!(Message::decode(&rest[4..4 + len]).is_ok());
        rest = &rest[4 + len..];
    }
}

#[test]
fn a_transport_that_changes_its_mind_has_blocks_read() {
    let (mut shard, conn) = asked(2);
    let refuse = |_: &[io::IoSlice<'_>]| panic!("nothing is in memory");
    assert_eq!(shard.send(Time::ZERO, conn, refuse), SendOutcome::Idle);
    let (outputs, _) = drain(&mut shard, Time::ZERO);
    assert_eq!(answer(&mut shard, outputs, &Ok(())), 2);
}
