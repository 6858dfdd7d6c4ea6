//! What one connection receives, however the bytes are cut and whatever comes between the blocks.

#[path = "support/lone.rs"]
mod lone;
mod support;

use lone::{TORRENT, addr, drain, feed, hello, sent, shard};
use riverrun_shard::{DiskDone, DiskOp, Output, RecvOutcome, Shard};
use support::payload;
use types::{BLOCK_LEN, BlockRef, PieceIndex, Time};
use wire::Message;

const NOW: Time = Time::ZERO;
const LEN: usize = 200_000;
const PIECE: usize = 65_536;

/// Does the disk work; what is written goes into `disk`.
fn work(shard: &mut Shard, disk: &mut [u8]) {
    shard.end_pass(NOW);
    loop {
        let todo: Vec<_> = drain(shard, NOW).0.into_iter().filter_map(disk_request).collect();
        if todo.is_empty() {
            return;
        }
        for op in todo {
            if let DiskOp::Write { offset, blocks } = &op {
                let mut at = *offset as usize;
                for block in blocks {
                    disk[at..at + block.len()].copy_from_slice(block.as_ref());
                    at += block.len();
                }
            }
            shard.disk_done(NOW, DiskDone { torrent: TORRENT, op, result: Ok(()) });
        }
        shard.end_pass(NOW);
    }
}

fn disk_request(output: Output) -> Option<DiskOp> {
    if let Output::Disk(request) = output { Some(request.op) } else { None }
}

/// The blocks that these bytes ask for.
fn requests(mut bytes: &[u8]) -> Vec<BlockRef> {
    let mut out = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        if let Ok(Message::Request(block)) = Message::decode(message) {
            out.push(block);
        }
        bytes = rest;
    }
    out
}

/// What an honest peer answers, with something else before each block of which `noise` says so.
fn answer(data: &[u8], asked: &[BlockRef], noise: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, block) in asked.iter().enumerate() {
        if noise(n) {
            Message::KeepAlive.encode(&mut out);
            Message::Choke.encode(&mut out);
            Message::Unchoke.encode(&mut out);
        }
        let at = block.piece.as_usize() * PIECE + block.begin as usize;
        Message::piece(block.piece, block.begin, &data[at..at + block.len as usize]).encode(&mut out);
    }
    out
}

/// Downloads everything from one peer whose bytes come `cut` at a time, with so many buffers.
fn download(cut: usize, buffers: usize, noise: impl Fn(usize) -> bool) {
    let data = payload(1, LEN);
    let (mut shard, name) = shard(buffers);
    let mut disk = vec![0; LEN];
    let conn = shard.accept(NOW, addr(2)).unwrap();
    feed(&mut shard, NOW, conn, &mut &hello(name, 2)[..]);
    drain(&mut shard, NOW);
    sent(&mut shard, NOW, conn);
    let mut stream = Message::HaveAll.to_vec();
    Message::Unchoke.encode(&mut stream);
    while !stream.is_empty() {
        for mut bytes in stream.chunks(cut) {
            // Without a buffer the shard stops, and reads on when the disk has given one back.
            for _ in 0..1_000 {
                let outcome = feed(&mut shard, NOW, conn, &mut bytes);
                assert_ne!(outcome, RecvOutcome::Closed);
                work(&mut shard, &mut disk);
                if is_complete(&mut shard) {
                    // Two seeds part.
                    return assert!(disk == data, "{cut} {buffers}");
                }
                if bytes.is_empty() && outcome == RecvOutcome::Empty {
                    break;
                }
            }
            assert!(bytes.is_empty());
        }
        stream = answer(&data, &requests(&sent(&mut shard, NOW, conn)), &noise);
    }
    panic!("{cut} {buffers}: nothing more is asked for, and not everything is here");
}

fn is_complete(shard: &mut Shard) -> bool {
    shard.snapshot(NOW, TORRENT).unwrap().missing == 0
}

#[test]
fn every_cut_of_the_stream_gives_the_same_payload() {
    let stride = BLOCK_LEN as usize + 13;
    let cuts = [1_000, 4_097, stride - 1, stride, stride + 1, 2 * stride + 5, 3 * stride + 13, 1 << 20];
    for cut in cuts {
        for buffers in [1, 2, 3, 64] {
            download(cut, buffers, |_| false);
            download(cut, buffers, |n| n % 2 == 1);
            download(cut, buffers, |n| n % 5 == 3);
        }
    }
}

#[test]
fn a_block_that_is_not_wanted_is_read_past_among_others() {
    let data = payload(1, LEN);
    let (mut shard, name) = shard(64);
    let mut disk = vec![0; LEN];
    let conn = shard.accept(NOW, addr(2)).unwrap();
    feed(&mut shard, NOW, conn, &mut &hello(name, 2)[..]);
    drain(&mut shard, NOW);
    sent(&mut shard, NOW, conn);
    let mut hello = Message::HaveAll.to_vec();
    Message::Unchoke.encode(&mut hello);
    feed(&mut shard, NOW, conn, &mut &hello[..]);
    work(&mut shard, &mut disk);
    let asked = requests(&sent(&mut shard, NOW, conn));
    let mut stream = answer(&data, &asked, |_| false);
    // The same once more, and a block that ends elsewhere, in the midst of what is asked for.
    stream.extend(answer(&data, &asked[..1], |_| false));
    let odd = BlockRef { piece: PieceIndex(0), begin: 5, len: 1_000 };
    stream.extend(answer(&data, &[odd], |_| false));
    for _ in 0..100 {
        assert_eq!(feed(&mut shard, NOW, conn, &mut &stream[..]), RecvOutcome::Empty);
        work(&mut shard, &mut disk);
        if is_complete(&mut shard) {
            return assert!(disk == data);
        }
        let asked = requests(&sent(&mut shard, NOW, conn));
        stream = answer(&data, &asked, |_| false);
        if let [first, ..] = &asked[..] {
            stream.extend(answer(&data, &[*first, odd], |_| false));
        }
    }
    panic!("it goes on without end");
}
