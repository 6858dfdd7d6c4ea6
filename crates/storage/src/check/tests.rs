use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use metainfo::create::Builder;
use metainfo::{Attributes, Metainfo, Version};

use super::*;
use crate::create::{WalkOptions, make_torrent, walk};
use crate::file::FileFactory;
use crate::memory::{Fault, MemoryStorage};
use crate::plan::Plan;
use crate::storage::{OpenRequest, Selection, StorageFactory};

const SIZES: [usize; 8] = [0, 1, 16_383, 16_384, 16_385, 100_003, 0, 70_000];

fn bytes(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31 + seed * 7919) >> 3) as u8).collect()
}

/// A directory of files, and the torrent that was made of it.
fn made(version: Version, piece_len: u32) -> (tempfile::TempDir, Metainfo) {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().join("t");
    std::fs::create_dir_all(top.join("sub")).unwrap();
    for (n, len) in SIZES.into_iter().enumerate() {
        let name = if n % 2 == 0 { format!("f{n}") } else { format!("sub/f{n}") };
        std::fs::write(top.join(name), bytes(n, len)).unwrap();
    }
    let tree = walk(&top, WalkOptions::default()).unwrap();
    let builder = Builder::new(&tree.name).version(version).piece_len(piece_len);
    let torrent = make_torrent(&tree, builder, Effort::default().threads(3), &Progress::new()).unwrap();
    (dir, torrent)
}

fn open(dir: &tempfile::TempDir, torrent: &Metainfo) -> Arc<dyn Storage> {
    let info = torrent.info();
    FileFactory::new(dir.path())
        .open(&OpenRequest::new(info.info_hashes(), Arc::new(Plan::of(info))))
        .unwrap()
}

fn run(storage: &dyn Storage, torrent: &Metainfo) -> CheckReport {
    check(storage, torrent.info(), &CheckOptions::default(), &Progress::new(), &|_, _| {}).unwrap()
}

#[test]
fn what_was_made_checks_out_and_a_changed_byte_does_not() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        for piece_len in [16_384, 32_768, 262_144] {
            let (dir, torrent) = made(version, piece_len);
            let storage = open(&dir, &torrent);
            let report = run(&*storage, &torrent);
            assert!(report.good.is_full() && report.checked.is_full(), "{version:?} {piece_len} {report:?}");
            assert!(
                report
                    .files
                    .iter()
                    .zip(torrent.info().files())
                    .all(|(r, f)| r.is_complete() || f.is_padding())
            );
            let victim = dir.path().join("t/sub/f5");
            let mut data = std::fs::read(&victim).unwrap();
            data[50_000] ^= 1;
            std::fs::write(&victim, &data).unwrap();
            let report = run(&*storage, &torrent);
            assert_eq!((report.bad, report.missing), (1, 0));
            let bad = report.good.zeros().next().unwrap();
            let file = torrent.info().files().iter().find(|f| f.name() == "f5").unwrap();
            assert_eq!(torrent.info().geometry().piece_at(file.offset() + 50_000), Some(PieceIndex(bad)));
            assert!(report.inconsistent.is_none());
        }
    }
}

#[test]
fn missing_and_oversized_files_are_told_and_left_alone() {
    let (dir, torrent) = made(Version::V1, 16_384);
    let big = dir.path().join("t/f4");
    std::fs::remove_file(dir.path().join("t/sub/f7")).unwrap();
    std::fs::remove_file(dir.path().join("t/f6")).unwrap();
    std::fs::write(&big, [bytes(4, SIZES[4]), vec![1; 50]].concat()).unwrap();
    let storage = open(&dir, &torrent);
    let progress = Progress::new();
    let seen = AtomicU32::new(0);
    let each = |_: PieceIndex, _: &Verdict| {
        seen.fetch_add(1, Ordering::Relaxed);
    };
    let report = check(&*storage, torrent.info(), &CheckOptions::default(), &progress, &each).unwrap();
    assert_eq!(seen.into_inner(), torrent.info().geometry().pieces());
    assert_eq!((progress.bytes(), progress.pieces()), (progress.total(), torrent.info().geometry().pieces()));
    let file = |name| {
        let at = torrent.info().files().iter().position(|f| f.name() == name).unwrap();
        report.files[at]
    };
    assert!(report.missing > 0 && report.bad == 0 && report.unreadable == 0);
    assert!(!file("f7").state.present && !file("f7").is_complete());
    assert!(!file("f6").is_complete() && file("f0").is_complete());
    assert_eq!(file("f4").excess, 50);
    assert!(!dir.path().join("t/sub/f7").exists() && !dir.path().join("t/f6").exists());
    assert_eq!(std::fs::metadata(big).unwrap().len(), SIZES[4] as u64 + 50);
}

#[test]
fn a_subset_a_cancelled_check_and_one_over_nothing() {
    let (dir, torrent) = made(Version::V1, 16_384);
    let storage = open(&dir, &torrent);
    let pieces = torrent.info().geometry().pieces();
    let mut some = Bitfield::new(pieces);
    some.insert(2);
    some.insert(pieces - 1);
    let options = CheckOptions::default().pieces(some.clone());
    let report = check(&*storage, torrent.info(), &options, &Progress::new(), &|_, _| {}).unwrap();
    assert_eq!((&report.good, &report.checked), (&some, &some));
    let progress = Progress::new();
    progress.cancel();
    let report = check(&*storage, torrent.info(), &CheckOptions::default(), &progress, &|_, _| {}).unwrap();
    assert_eq!(report.checked.count(), 0);
    let options = CheckOptions::default().pieces(Bitfield::new(pieces));
    assert_eq!(
        check(&*storage, torrent.info(), &options, &Progress::new(), &|_, _| {}).unwrap().checked.count(),
        0
    );
}

#[test]
fn an_unreadable_place_costs_its_pieces_only() {
    let (dir, torrent) = made(Version::Hybrid, 16_384);
    let info = torrent.info();
    let memory = MemoryStorage::new(Arc::new(Plan::of(info)));
    memory.prepare().unwrap();
    let mut all = vec![0; info.layout().total_len() as usize];
    open(&dir, &torrent).read(0, &mut [std::io::IoSliceMut::new(&mut all)]).unwrap();
    memory.write(0, &[std::io::IoSlice::new(&all)]).unwrap();
    assert!(run(&memory, &torrent).good.is_full());
    memory.inject(Fault::BadRange(40_000..40_001));
    let report = run(&memory, &torrent);
    assert_eq!((report.unreadable, report.bad), (1, 0));
    assert!(!report.good.get(40_000 / 16_384) && report.error.is_some());
}

#[test]
fn edges_in_the_part_file_are_checked_there() {
    let (dir, torrent) = made(Version::V1, 32_768);
    let info = torrent.info();
    let elsewhere = tempfile::tempdir().unwrap();
    let last = info.files().len() - 1;
    let selection = Selection::of((0..=last).map(|n| n == last));
    let request = OpenRequest::new(info.info_hashes(), Arc::new(Plan::of(info))).selection(selection);
    let storage = FileFactory::new(elsewhere.path()).open(&request).unwrap();
    let first = info.geometry().pieces_of(info.files()[last].range()).start;
    let from = u64::from(first) * 32_768;
    let mut data = vec![0; (info.layout().total_len() - from) as usize];
    open(&dir, &torrent).read(from, &mut [std::io::IoSliceMut::new(&mut data)]).unwrap();
    storage.write(from, &[std::io::IoSlice::new(&data)]).unwrap();
    let report = run(&*storage, &torrent);
    assert_eq!(report.good.ones().collect::<Vec<_>>(), (first..info.geometry().pieces()).collect::<Vec<_>>());
    assert!(report.files[last].is_complete());
}

#[test]
fn a_piece_of_one_byte_and_a_single_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("one"), vec![3; 32_769]).unwrap();
    let tree = walk(&dir.path().join("one"), WalkOptions::default()).unwrap();
    assert!(tree.is_file && tree.files[0].attributes == Attributes::default());
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let builder = Builder::new(&tree.name).version(version).piece_len(16_384);
        let effort = Effort::default().threads(1).buffer(1);
        let torrent = make_torrent(&tree, builder, effort, &Progress::new()).unwrap();
        assert_eq!(torrent.info().geometry().pieces(), 3);
        assert!(run(&*open(&dir, &torrent), &torrent).good.is_full());
    }
}
