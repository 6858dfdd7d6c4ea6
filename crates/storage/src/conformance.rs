//! What every backend must do, as checks that run against any factory. **Unstable**, as [`Storage`] is.
//!
//! [`run`] takes a factory whose storages begin empty. It opens torrents under names of its own and panics with a
//! sentence where a promise of [`Storage`] is broken.
//!
//! ```
//! use riverrun_storage::{MemoryFactory, conformance};
//! conformance::run(&MemoryFactory::new());
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

use types::{InfoHash, InfoHashes};

use crate::error::{ErrorKind, StorageError};
use crate::plan::{FileIndex, FileKind, Plan, PlanFile};
use crate::storage::{FileState, OpenRequest, Selection, Storage, StorageFactory};
use crate::sys;

/// Runs every check.
///
/// # Panics
/// At the first broken promise, with a sentence that names it.
pub fn run(factory: &dyn StorageFactory) {
    reads_back_what_was_written(factory);
    cuts_buffers_anywhere(factory);
    drops_padding(factory);
    refuses_what_is_outside(factory);
    reports_what_is_missing(factory);
    survives_reopening(factory);
    keeps_edges_of_unwanted_files(factory);
    takes_many_threads(factory);
    shortcuts_agree(factory);
    deletes_all_of_it(factory);
}

/// Asserts that a call succeeded, and says what the backend said instead.
trait Must<T> {
    fn must(self) -> T;
}

impl<T> Must<T> for Result<T, StorageError> {
    #[track_caller]
    fn must(self) -> T {
        self.unwrap_or_else(|error| panic!("a call that must succeed failed: {error}"))
    }
}

/// Bytes that tell where they belong.
fn pattern(offset: u64, len: usize) -> Vec<u8> {
    (offset..).take(len).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 7) as u8).collect()
}

/// Files of awkward lengths: empty, one byte, around a block, padding, a directory below a directory.
fn plan() -> Arc<Plan> {
    let files = vec![
        PlanFile::regular("t/empty", 0),
        PlanFile::regular("t/one", 1),
        PlanFile::regular("t/under", 16_383),
        PlanFile::regular("t/block", 16_384),
        PlanFile::padding(100),
        PlanFile::regular("t/deep/er/over", 16_385),
        PlanFile::regular("t/ünïcödé 文", 70_001),
        PlanFile { path: "t/run".into(), len: 5_000, kind: FileKind::Regular { executable: true } },
        PlanFile::regular("t/last", 0),
    ];
    Arc::new(Plan::new(files, None).expect("the lengths are small and the paths safe"))
}

fn request(name: u8) -> OpenRequest {
    OpenRequest::new(InfoHashes::v1(InfoHash([name; 20])), plan())
}

fn open(factory: &dyn StorageFactory, name: u8) -> Arc<dyn Storage> {
    factory.open(&request(name)).expect("opening an empty storage succeeds")
}

fn read(storage: &dyn Storage, offset: u64, len: usize) -> Result<Vec<u8>, StorageError> {
    let mut buf = vec![0xee; len];
    storage.read(offset, &mut [IoSliceMut::new(&mut buf)])?;
    Ok(buf)
}

/// The pattern with zeros where the padding is.
fn expected(storage: &dyn Storage, offset: u64, len: usize) -> Vec<u8> {
    let mut out = pattern(offset, len);
    for extent in storage.plan().extents(offset..offset + len as u64) {
        if extent.place == crate::plan::Place::Zeros {
            let from = (extent.at - offset) as usize;
            out[from..from + extent.len as usize].fill(0);
        }
    }
    out
}

fn fill(storage: &dyn Storage) {
    let total = storage.plan().total_len() as usize;
    storage.prepare().expect("preparing succeeds");
    storage.write(0, &[IoSlice::new(&pattern(0, total))]).expect("writing everything succeeds");
}

fn reads_back_what_was_written(factory: &dyn StorageFactory) {
    let storage = open(factory, 1);
    fill(&*storage);
    let total = storage.plan().total_len();
    assert_eq!(read(&*storage, 0, total as usize).must(), expected(&*storage, 0, total as usize));
    for (offset, len) in [(0, 1), (1, 1), (16_383, 2), (total - 1, 1), (30_000, 40_000), (total, 0), (5, 0)] {
        assert_eq!(read(&*storage, offset, len).must(), expected(&*storage, offset, len), "{offset}+{len}");
    }
    storage.write(16_380, &[IoSlice::new(b"12345678")]).expect("overwriting succeeds");
    assert_eq!(read(&*storage, 16_380, 8).must(), b"12345678", "a later write wins");
    assert_eq!(read(&*storage, 16_379, 1).must(), pattern(16_379, 1), "a write touches its range alone");
    assert_eq!(read(&*storage, 16_388, 1).must(), pattern(16_388, 1), "a write touches its range alone");
}

fn cuts_buffers_anywhere(factory: &dyn StorageFactory) {
    let storage = open(factory, 2);
    let total = storage.plan().total_len() as usize;
    let data = pattern(0, total);
    let mut cuts = vec![0, 1, 1, 16_384, 16_385, 32_768, 33_000, 50_000, 119_000, total, total];
    cuts.sort_unstable();
    let slices: Vec<_> = cuts.windows(2).map(|w| IoSlice::new(&data[w[0]..w[1]])).collect();
    storage.write(0, &slices).expect("a vectored write across files succeeds");
    let mut out = vec![0xee; total];
    let mut rest = &mut out[..];
    let mut bufs = Vec::new();
    while !rest.is_empty() {
        let (part, left) = rest.split_at_mut(rest.len().min(7_777));
        bufs.push(IoSliceMut::new(part));
        bufs.push(IoSliceMut::new(&mut []));
        rest = left;
    }
    storage.read(0, &mut bufs).expect("a vectored read across files succeeds");
    assert_eq!(out, expected(&*storage, 0, total));
}

fn drops_padding(factory: &dyn StorageFactory) {
    let storage = open(factory, 3);
    let padding = storage.plan().file_range(FileIndex(4));
    storage
        .write(padding.start, &[IoSlice::new(&[1; 100])])
        .expect("writing padding succeeds and does nothing");
    assert_eq!(read(&*storage, padding.start, 100).must(), [0; 100], "padding reads as zeros");
    assert!(!storage.probe().must()[4].present, "padding is never there");
}

fn refuses_what_is_outside(factory: &dyn StorageFactory) {
    let storage = open(factory, 4);
    let total = storage.plan().total_len();
    for offset in [total, total + 1, u64::MAX] {
        let error = storage.write(offset, &[IoSlice::new(b"x")]).expect_err("writing beyond the end fails");
        assert_eq!(error.kind(), ErrorKind::OutOfRange);
        assert_eq!(read(&*storage, offset, 1).expect_err("so does reading").kind(), ErrorKind::OutOfRange);
    }
    assert!(storage.write(total - 1, &[IoSlice::new(b"xy")]).is_err(), "also when only a part is outside");
    assert!(!storage.probe().must()[7].present, "a refused write makes nothing");
}

fn reports_what_is_missing(factory: &dyn StorageFactory) {
    let storage = open(factory, 5);
    let kinds = [ErrorKind::NotFound, ErrorKind::Truncated];
    match read(&*storage, 40_000, 100) {
        Ok(bytes) => assert_eq!(bytes, [0; 100], "what was never written is zeros or an error"),
        Err(error) => assert!(kinds.contains(&error.kind()), "{error}"),
    }
    assert!(storage.probe().must().iter().all(|file| !file.present), "opening and reading make nothing");
    storage.prepare().must();
    let files = storage.probe().must();
    assert_eq!(files.len(), storage.plan().files().len(), "a probe has every file");
    assert!(files[0].present && files[8].present, "preparing makes the empty files");
    storage.prepare().expect("preparing twice is fine");
}

fn survives_reopening(factory: &dyn StorageFactory) {
    let storage = open(factory, 6);
    fill(&*storage);
    let total = storage.plan().total_len();
    storage.sync(&[0..total, 5..6, 0..0]).expect("a sync succeeds");
    let before = storage.probe().must();
    for (state, file) in before.iter().zip(storage.plan().files()) {
        let len = if state.present { state.size } else { 0 };
        assert_eq!((state.present, len), (file.is_stored(), if file.is_stored() { file.len } else { 0 }));
    }
    drop(storage);
    let storage = open(factory, 6);
    assert_eq!(storage.probe().must(), before, "a synced and reopened storage looks the same");
    assert_eq!(read(&*storage, 0, total as usize).must(), expected(&*storage, 0, total as usize));
}

fn keeps_edges_of_unwanted_files(factory: &dyn StorageFactory) {
    // Only `over` is wanted; its piece reaches into its neighbours.
    let wanted = Selection::of((0..9).map(|n| n == 5));
    let request = request(7).selection(wanted.clone());
    let storage = factory.open(&request).must();
    let range = storage.plan().file_range(FileIndex(5));
    let (from, len) = (range.start - 20_000, 16_385 + 40_000);
    storage.write(from, &[IoSlice::new(&pattern(from, len))]).must();
    assert_eq!(read(&*storage, from, len).must(), expected(&*storage, from, len));
    storage.sync(&[from..from + len as u64]).must();
    drop(storage);
    let storage = factory.open(&request).must();
    assert_eq!(read(&*storage, from, len).must(), expected(&*storage, from, len), "edges survive reopening");
    storage.set_wanted(&Selection::all()).expect("wanting more succeeds");
    assert_eq!(
        read(&*storage, from, len).must(),
        expected(&*storage, from, len),
        "edges move into their files"
    );
    assert!(storage.probe().must()[6].present, "a wanted file with data exists");
    storage.set_wanted(&wanted).expect("wanting less succeeds");
    assert_eq!(
        read(&*storage, from, len).must(),
        expected(&*storage, from, len),
        "and nothing is lost again"
    );
}

fn takes_many_threads(factory: &dyn StorageFactory) {
    let storage = open(factory, 8);
    storage.prepare().must();
    let total = storage.plan().total_len();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let storage = &storage;
            scope.spawn(move || {
                for offset in (0..total).step_by(5_000).skip(worker).step_by(4) {
                    let len = 5_000.min(total - offset) as usize;
                    storage.write(offset, &[IoSlice::new(&pattern(offset, len))]).must();
                    assert_eq!(read(&**storage, offset, len).must(), expected(&**storage, offset, len));
                    storage.sync(&[offset..offset + len as u64]).must();
                }
            });
        }
    });
    assert_eq!(read(&*storage, 0, total as usize).must(), expected(&*storage, 0, total as usize));
}

fn shortcuts_agree(factory: &dyn StorageFactory) {
    let storage = open(factory, 9);
    fill(&*storage);
    for (offset, len) in [(0, 10), (16_000, 20_000), (32_768, 200), (90_000, 100)] {
        let mut buf = vec![0; len];
        let found = storage.try_read_resident(offset, &mut [IoSliceMut::new(&mut buf)]).must();
        if let Some(n) = found {
            assert!(storage.capabilities().resident_reads, "what answers from memory says that it can");
            assert!(n >= 1 && n <= len, "a resident read gives at least a byte");
            assert_eq!(buf[..n], expected(&*storage, offset, n));
        }
        if let Some(span) = storage.resident_span(offset, len as u64).must() {
            assert!(span.len >= 1 && span.len <= len as u64, "a resident span has at least a byte");
            assert!(storage.capabilities().sendfile, "what gives its files away says that it can");
            let n = len.min(usize::try_from(span.len).unwrap_or(len));
            let mut buf = vec![0; n];
            let got = sys::read_full(&span.file, span.offset, &mut [IoSliceMut::new(&mut buf)]);
            assert_eq!(got.expect("the file can be read"), n as u64, "the whole run lies in the file");
            assert_eq!(buf, expected(&*storage, offset, n), "the file has the same bytes there");
        }
    }
}

fn deletes_all_of_it(factory: &dyn StorageFactory) {
    let storage = open(factory, 10);
    fill(&*storage);
    storage.sync(&[0..storage.plan().total_len()]).must();
    match storage.delete() {
        Err(error) if error.kind() == ErrorKind::Unsupported => return,
        result => result.must(),
    }
    storage.delete().expect("deleting what is gone is fine");
    drop(storage);
    let storage = open(factory, 10);
    assert!(storage.probe().must().iter().all(|file| *file == FileState::default()), "nothing is left");
}
