use super::*;
use crate::support::{KINDS, Kind, info, padded, payload};
use crate::{DiskError, DiskOp, disk::Completion, disk::Disk, lanes};
use engine::DiskTrouble;
use proptest::prelude::*;
use types::{BLOCK_LEN, Rng, Time};

/// A block table with a disk below it that returns work in any order.
struct Rig {
    blocks: Blocks,
    disk: Disk,
    pool: Pool,
    out: Vec<DiskOp>,
    stored: Vec<u8>,
    read_backs: usize,
    now: Time,
    ended: Vec<Ended>,
}

impl Rig {
    fn new(info: Info, pool: usize, on_disk: Vec<u8>, unhashed: &[(PieceIndex, Bitfield)]) -> Rig {
        let geometry = info.geometry().clone();
        let mut stored = on_disk;
        stored.resize(geometry.total_len() as usize, 0);
        Rig {
            blocks: Blocks::new(Arc::new(info), geometry.clone(), Bitfield::new(geometry.pieces()), unhashed),
            disk: Disk::new(),
            pool: Pool::new(pool),
            out: Vec::new(),
            stored,
            read_backs: 0,
            now: Time::ZERO,
            ended: Vec::new(),
        }
    }

    fn arrive(&mut self, run: BlockRef, bytes: &[u8]) -> bool {
        let Some(mut block) = self.pool.take(run.len as usize) else { return false };
        block.as_mut().copy_from_slice(bytes);
        self.blocks.arrive(run, None, block).into_iter().for_each(|block| self.pool.give(block));
        true
    }

    fn end_pass(&mut self) {
        self.hash(0);
    }

    /// Hashes what came, but up to `keep` blocks.
    fn hash(&mut self, keep: usize) {
        lanes::run(&mut self.blocks.touched().collect::<Vec<_>>(), keep);
        let mut writes = Vec::new();
        self.ended.extend(self.blocks.settle(&mut self.pool, |at, block| writes.push((at, block))));
        self.disk.push_writes(writes);
        let disk = &mut self.disk;
        let read = |offset, block| disk.push(DiskOp::Read { offset, block, conn: None });
        self.blocks.read_backs(&mut self.pool, |_| false, read);
        self.out.extend(std::iter::from_fn(|| self.disk.next()));
    }

    /// Returns one piece of disk work. True where there was one.
    fn disk_returns(&mut self, rng: &mut Rng, fails: bool) -> bool {
        if self.out.is_empty() {
            return false;
        }
        let mut op = self.out.swap_remove(rng.below(self.out.len()));
        let result = if fails {
            Err(DiskError { trouble: DiskTrouble { code: "disk_full", message: "full".into() } })
        } else {
            self.carry_out(&mut op);
            Ok(())
        };
        match self.disk.returned(self.now, op, result).0 {
            Completion::Done(DiskOp::Write { offset, blocks }) => {
                self.blocks.written(offset, blocks, &mut self.pool)
            }
            Completion::Done(DiskOp::Read { offset, block, .. }) => {
                self.blocks.read_back(offset, block, &mut self.pool)
            }
            Completion::Unreadable { offset, block, .. } => {
                self.pool.give(block);
                let piece = self.blocks.unreadable(offset);
                piece.into_iter().for_each(|piece| self.blocks.reread(piece, Reread::Hash));
            }
            _ => {}
        }
        true
    }

    fn carry_out(&mut self, op: &mut DiskOp) {
        match op {
            DiskOp::Write { offset, blocks } => {
                let mut at = *offset as usize;
                for block in blocks {
                    self.stored[at..at + block.len()].copy_from_slice(block.as_ref());
                    at += block.len();
                }
            }
            DiskOp::Read { offset, block, .. } => {
                let at = *offset as usize;
                let len = block.len();
                block.as_mut().copy_from_slice(&self.stored[at..at + len]);
                self.read_backs += 1;
            }
            DiskOp::Sync { .. } => {}
        }
    }

    fn settle_all(&mut self, rng: &mut Rng) {
        loop {
            self.end_pass();
            while self.disk_returns(rng, false) {}
            self.disk.on_timer(self.now);
            self.end_pass();
            if self.out.is_empty() && self.disk.deadline() == Time::NEVER {
                return;
            }
            self.now = self.now.max(self.disk.deadline().min(self.now + std::time::Duration::from_secs(99)));
        }
    }
}

fn all_blocks(geometry: &Geometry) -> Vec<BlockRef> {
    let pieces = geometry.piece_indexes();
    pieces
        .flat_map(|p| (0..geometry.blocks_in(p)).map(move |b| (p, BlockIndex(b))))
        .map(|(p, b)| geometry.block(p, b))
        .collect()
}

fn bytes_of<'a>(payload: &'a [u8], geometry: &Geometry, run: BlockRef) -> &'a [u8] {
    let at = geometry.offset_of(run) as usize;
    &payload[at..at + run.len as usize]
}

/// What is wrong with a corrupt piece of such a torrent.
fn failed(kind: Kind, piece: u32, read_back: bool) -> Ended {
    let piece = PieceIndex(piece);
    let why = if kind == Kind::V2 { Mismatch::V2(piece) } else { Mismatch::V1(piece) };
    Ended::Failed { piece, why, read_back }
}

const LENS: [(usize, u32); 5] =
    [(1, 16_384), (16_385, 16_384), (200_001, 65_536), (131_072, 32_768), (90_000, 131_072)];

#[test]
fn in_order_arrival_reads_nothing_back() {
    for kind in KINDS {
        for (len, piece_len) in LENS {
            let payload = payload(1, len);
            let mut rig = Rig::new(info(kind, &payload, piece_len), 64, Vec::new(), &[]);
            let geometry = rig.blocks.geometry().clone();
            let mut rng = Rng::from_number(1);
            for part in all_blocks(&geometry).chunks(3) {
                part.iter().for_each(|&run| assert!(rig.arrive(run, bytes_of(&payload, &geometry, run))));
                rig.hash(rng.below(5));
                rig.disk_returns(&mut rng, false);
            }
            rig.settle_all(&mut rng);
            assert_eq!(rig.ended.len(), geometry.pieces() as usize, "{kind:?} {len}");
            assert!(rig.ended.iter().all(|end| matches!(end, Ended::Stored(_))));
            assert_eq!((rig.stored == payload, rig.read_backs, rig.pool.out()), (true, 0, 0));
        }
    }
}

#[test]
fn what_waits_for_the_lanes_is_not_written_and_the_end_of_the_pass_takes_it() {
    let payload = payload(1, 8 * 65_536);
    for kind in [Kind::V1, Kind::Hybrid] {
        let mut rig = Rig::new(info(kind, &payload, 65_536), 64, Vec::new(), &[]);
        let geometry = rig.blocks.geometry().clone();
        // The second piece has a hole: what is behind it can't be hashed, and is written.
        for run in all_blocks(&geometry).into_iter().filter(|run| (run.piece.0, run.begin) != (1, 0)) {
            rig.arrive(run, bytes_of(&payload, &geometry, run));
        }
        let written = |rig: &Rig| -> usize {
            let blocks = |op: &DiskOp| if let DiskOp::Write { blocks, .. } = op { blocks.len() } else { 0 };
            rig.out.iter().map(blocks).sum()
        };
        rig.hash(31);
        assert_eq!(
            (written(&rig), rig.blocks.touched_count()),
            (3, 7),
            "seven pieces are too few: 28 blocks wait"
        );
        rig.hash(20);
        assert_eq!((written(&rig), rig.blocks.touched_count()), (3 + 14, 7), "two rounds leave 14");
        rig.end_pass();
        assert_eq!((written(&rig), rig.blocks.touched_count()), (31, 0));
        let mut rng = Rng::from_number(1);
        let hole = geometry.block(PieceIndex(1), BlockIndex(0));
        rig.arrive(hole, bytes_of(&payload, &geometry, hole));
        rig.settle_all(&mut rng);
        assert_eq!((rig.ended.len(), rig.stored == payload, rig.pool.out()), (8, true, 0));
    }
}

#[test]
fn sixteen_pieces_are_hashed_whatever_may_be_kept() {
    let payload = payload(1, 20 * 32_768);
    let mut rig = Rig::new(info(Kind::V1, &payload, 32_768), 64, Vec::new(), &[]);
    let geometry = rig.blocks.geometry().clone();
    for run in all_blocks(&geometry).into_iter().filter(|run| run.piece.0 < 16 || run.begin == 0) {
        rig.arrive(run, bytes_of(&payload, &geometry, run));
    }
    rig.hash(1_000);
    // The longest sixteen first, then the sixteen that fill their lanes, of which four are left.
    assert_eq!(rig.blocks.touched_count(), 4);
}

#[test]
fn adjacent_blocks_of_a_pass_are_one_write() {
    let payload = payload(1, 200_001);
    let mut rig = Rig::new(info(Kind::V1, &payload, 65_536), 64, Vec::new(), &[]);
    let geometry = rig.blocks.geometry().clone();
    for run in all_blocks(&geometry).into_iter().filter(|run| run.piece.0 != 1).rev() {
        rig.arrive(run, bytes_of(&payload, &geometry, run));
    }
    rig.end_pass();
    let offsets: Vec<_> = rig
        .out
        .iter()
        .map(|op| match op {
            DiskOp::Write { offset, blocks } => (*offset, blocks.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(offsets, [(0, 4), (131_072, 5)]);
}

#[test]
fn a_bad_block_fails_its_piece_once_the_writes_have_drained() {
    for kind in KINDS {
        let payload = payload(1, 65_536);
        let mut rig = Rig::new(info(kind, &payload, 32_768), 64, Vec::new(), &[]);
        let geometry = rig.blocks.geometry().clone();
        for run in all_blocks(&geometry) {
            let mut bytes = bytes_of(&payload, &geometry, run).to_vec();
            bytes[5] ^= u8::from(run.piece.0 == 1 && run.begin == 0);
            rig.arrive(run, &bytes);
        }
        rig.end_pass();
        assert!(rig.ended.is_empty());
        rig.settle_all(&mut Rng::from_number(1));
        assert_eq!(rig.ended, [Ended::Stored(StoredPiece(PieceIndex(0))), failed(kind, 1, false)]);
        // A late copy of a right piece changes nothing.
        rig.arrive(geometry.block(PieceIndex(0), BlockIndex(0)), &[0; BLOCK_LEN as usize]);
        // The next attempt begins from nothing.
        for run in all_blocks(&geometry).into_iter().filter(|run| run.piece.0 == 1) {
            rig.arrive(run, bytes_of(&payload, &geometry, run));
        }
        rig.settle_all(&mut Rng::from_number(1));
        assert_eq!(rig.ended[2..], [Ended::Stored(StoredPiece(PieceIndex(1)))]);
        assert_eq!((rig.stored == payload, rig.pool.out()), (true, 0));
    }
}

#[test]
fn what_can_be_read_of_an_unfinished_piece_is_what_was_written() {
    for kind in KINDS {
        let payload = payload(1, 65_536);
        let mut rig = Rig::new(info(kind, &payload, 65_536), 64, Vec::new(), &[]);
        let (geometry, mut rng) = (rig.blocks.geometry().clone(), Rng::from_number(1));
        let readable = |rig: &Rig| {
            let pieces = rig.blocks.readable(0..u64::MAX);
            pieces.iter().flat_map(|(_, blocks)| blocks.ones().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let runs = all_blocks(&geometry);
        for at in [0, 2] {
            rig.arrive(runs[at], bytes_of(&payload, &geometry, runs[at]));
        }
        rig.end_pass();
        assert_eq!(readable(&rig), [0u32; 0], "nothing is written yet");
        while rig.disk_returns(&mut rng, false) {}
        assert_eq!(readable(&rig), [0, 2]);
        assert!(rig.blocks.readable(65_536..65_537).is_empty());
        // The last one is wrong, and with it all of them are in doubt.
        for at in [1, 3] {
            let mut bytes = bytes_of(&payload, &geometry, runs[at]).to_vec();
            bytes[0] ^= u8::from(at == 3);
            rig.arrive(runs[at], &bytes);
        }
        rig.end_pass();
        assert_eq!(readable(&rig), [0u32; 0], "{kind:?}");
        rig.settle_all(&mut rng);
        assert_eq!(rig.ended, [failed(kind, 0, false)]);
    }
}

#[test]
fn the_sender_of_a_wrong_block_is_told_apart_once_the_piece_passes() {
    for kind in KINDS {
        let payload = payload(6, 4 * 16_384);
        let mut rig = Rig::new(info(kind, &payload, 65_536), 64, Vec::new(), &[]);
        let (geometry, mut rng) = (rig.blocks.geometry().clone(), Rng::from_number(1));
        let conn = |n: u32| ConnId::new(n, 0);
        for liar in [2, 9] {
            for (n, run) in all_blocks(&geometry).into_iter().enumerate() {
                let mut block = rig.pool.take(run.len as usize).unwrap();
                block.as_mut().copy_from_slice(bytes_of(&payload, &geometry, run));
                // Two senders take turns; the second lies in one of its blocks.
                block.as_mut()[7] ^= u8::from(n == 3 && liar == 2);
                let from = if liar == 2 { conn(n as u32 % 2 + 1) } else { conn(3) };
                assert!(rig.blocks.arrive(run, Some(from), block).is_none());
            }
            rig.settle_all(&mut rng);
        }
        let (piece, guilty) = (PieceIndex(0), vec![conn(2)]);
        let ends = [failed(kind, 0, false), Ended::Judged(piece, guilty), Ended::Stored(StoredPiece(piece))];
        assert_eq!(rig.ended, ends, "{kind:?}");
        assert_eq!((rig.stored == payload, rig.pool.out()), (true, 0));
    }
}

#[test]
fn what_lay_unhashed_on_the_disk_is_read_back_once() {
    for kind in KINDS {
        let payload = payload(2, 300_000);
        let info = info(kind, &payload, 131_072);
        let geometry = info.geometry().clone();
        // All of piece 0, the odd blocks of piece 1, all of a corrupt piece 2.
        let odd: Bitfield = (0..8).map(|n| n % 2 == 1).collect();
        let last = geometry.blocks_in(PieceIndex(2));
        let unhashed =
            [(PieceIndex(0), Bitfield::full(8)), (PieceIndex(1), odd), (PieceIndex(2), Bitfield::full(last))];
        let mut on_disk = payload.clone();
        on_disk[2 * 131_072 + 7] ^= 1;
        let mut rig = Rig::new(info, 64, on_disk, &unhashed);
        let mut rng = Rng::from_number(1);
        assert_eq!(rig.blocks.unhashed(), unhashed);
        rig.settle_all(&mut rng);
        assert_eq!(rig.ended, [Ended::Stored(StoredPiece(PieceIndex(0))), failed(kind, 2, true)]);
        for n in [6, 0, 4, 2] {
            let run = geometry.block(PieceIndex(1), BlockIndex(n));
            rig.arrive(run, bytes_of(&payload, &geometry, run));
            rig.settle_all(&mut rng);
        }
        assert_eq!(rig.ended[2..], [Ended::Stored(StoredPiece(PieceIndex(1)))]);
        assert_eq!((rig.read_backs, rig.pool.out()), (12 + last as usize, 0), "{kind:?}");
    }
}

/// Three files with padding behind the first two: pieces with padding inside, and two that are padding alone.
const PADDED: [(usize, bool); 5] =
    [(20_000, false), (3 * 65_536 - 20_000, true), (5, false), (65_531, true), (70_000, false)];

fn padded_payload() -> Vec<u8> {
    PADDED.iter().flat_map(|&(len, pad)| if pad { vec![0; len] } else { payload(4, len) }).collect()
}

#[test]
fn padding_needs_no_block_and_is_never_written() {
    let payload = padded_payload();
    let info = padded(&payload, &PADDED, 65_536);
    let geometry = info.geometry().clone();
    let mut rig = Rig::new(info, 64, Vec::new(), &[]);
    let mut rng = Rng::from_number(1);
    assert!(rig.blocks.is_touched());
    rig.settle_all(&mut rng);
    let whole = [1, 2].map(|n| Ended::Stored(StoredPiece(PieceIndex(n))));
    assert_eq!(rig.ended, whole, "pieces of padding alone end before anything comes");
    let mut runs = all_blocks(&geometry);
    runs.retain(|run| geometry.data_in(*run) > 0);
    assert_eq!(runs.len(), 2 + 1 + 4 + 1);
    rng.shuffle(&mut runs);
    for run in runs {
        // What a peer says of padding does not count.
        let mut bytes = bytes_of(&payload, &geometry, run).to_vec();
        let data = geometry.data_in(run) as usize;
        bytes[data..].fill(0xee);
        assert!(rig.arrive(run, &bytes));
        rig.end_pass();
        let mut writes = rig.out.iter().filter_map(|op| match op {
            DiskOp::Write { offset, blocks } => {
                Some((*offset, blocks.iter().map(|b| b.len()).sum::<usize>()))
            }
            _ => None,
        });
        assert!(writes.all(|(at, len)| {
            let run = rig.blocks.locate(at).map(|(piece, block)| geometry.block(piece, block));
            run.is_some_and(|run| geometry.data_in(run) > 0 && run.len as usize == len)
        }));
        rig.settle_all(&mut rng);
    }
    assert_eq!((rig.ended.len(), rig.stored == payload, rig.pool.out()), (6, true, 0));
    assert!(rig.ended.iter().all(|end| matches!(end, Ended::Stored(_))));
    // After a recheck that found nothing, pieces of padding are there again at once.
    rig.ended.clear();
    rig.blocks.replace_have(Bitfield::new(6), &mut rig.pool);
    rig.settle_all(&mut rng);
    assert_eq!(rig.ended, whole);
}

#[test]
fn padding_that_is_not_zeros_fails_at_once() {
    let mut payload = padded_payload();
    payload[65_536 + 1] = 1;
    let mut rig = Rig::new(padded(&payload, &PADDED, 65_536), 64, Vec::new(), &[]);
    rig.settle_all(&mut Rng::from_number(1));
    let failed = Ended::Failed { piece: PieceIndex(1), why: Mismatch::V1(PieceIndex(1)), read_back: false };
    assert_eq!(rig.ended, [failed, Ended::Stored(StoredPiece(PieceIndex(2)))]);
}

#[test]
fn a_recheck_forgets_what_running_hashes_have_seen() {
    for kind in KINDS {
        let payload = payload(3, 65_536);
        let mut rig = Rig::new(info(kind, &payload, 65_536), 64, Vec::new(), &[]);
        let geometry = rig.blocks.geometry().clone();
        let runs = all_blocks(&geometry);
        let mut rng = Rng::from_number(1);
        runs[..2].iter().for_each(|&run| assert!(rig.arrive(run, bytes_of(&payload, &geometry, run))));
        rig.settle_all(&mut rng);
        // Somebody changes the file; the recheck finds nothing that is whole.
        rig.stored.fill(0);
        rig.blocks.replace_have(Bitfield::new(1), &mut rig.pool);
        runs[2..].iter().for_each(|&run| assert!(rig.arrive(run, bytes_of(&payload, &geometry, run))));
        rig.settle_all(&mut rng);
        assert!(rig.ended.is_empty(), "{kind:?}");
        runs[..2].iter().for_each(|&run| assert!(rig.arrive(run, bytes_of(&payload, &geometry, run))));
        rig.settle_all(&mut rng);
        assert_eq!((rig.ended.len(), rig.stored == payload, rig.pool.out()), (1, true, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_order_and_any_trouble_ends_well(
        seed: u64,
        kind in 0usize..3,
        size in 0usize..LENS.len(),
        pool in 2usize..40,
        fail_in in 2u32..20,
    ) {
        let (len, piece_len) = LENS[size];
        let payload = payload(seed, len);
        let mut rig = Rig::new(info(KINDS[kind], &payload, piece_len), pool, Vec::new(), &[]);
        let geometry = rig.blocks.geometry().clone();
        let mut rng = Rng::from_number(seed);
        let mut todo = all_blocks(&geometry);
        rng.shuffle(&mut todo);
        let mut steps = 0;
        while let Some(&run) = todo.last() {
            steps += 1;
            prop_assert!(steps < 20_000, "stuck");
            if rig.arrive(run, bytes_of(&payload, &geometry, run)) {
                todo.pop();
                // A second copy changes nothing.
                rig.arrive(run, &vec![0; run.len as usize]);
            }
            if rng.one_in(4) {
                rig.hash(rng.below(40));
            }
            if rng.one_in(4) || rig.pool.left() == 0 {
                rig.end_pass();
            }
            for _ in 0..rng.below(3) {
                let fails = rng.one_in(fail_in);
                rig.disk_returns(&mut rng, fails);
            }
            rig.now += std::time::Duration::from_millis(500);
            rig.disk.on_timer(rig.now);
            prop_assert!(rig.pool.out() <= pool);
        }
        rig.settle_all(&mut rng);
        prop_assert_eq!(rig.ended.len(), geometry.pieces() as usize);
        prop_assert!(rig.ended.iter().all(|end| matches!(end, Ended::Stored(_))));
        prop_assert!(rig.stored == payload);
        prop_assert!(rig.disk.is_idle() && !rig.disk.in_trouble());
        prop_assert_eq!((rig.pool.out(), rig.read_backs > len.div_ceil(BLOCK_LEN as usize)), (0, false));
        prop_assert!(kind != 1 || rig.read_backs == 0);
    }
}
