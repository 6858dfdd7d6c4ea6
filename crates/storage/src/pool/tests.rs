use std::io::{IoSlice, IoSliceMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use types::{InfoHash, InfoHashes};

use super::*;
use crate::error::ErrorKind;
use crate::memory::{Fault, MemoryFactory, MemoryStorage};
use crate::plan::{FileIndex, Plan, PlanFile};
use crate::storage::{Capabilities, FileState, OpenRequest, StorageFactory};

type Pool = DiskPool<Vec<u8>, u32>;
const PATIENCE: Duration = Duration::from_secs(60);

fn storage(len: u64) -> Arc<MemoryStorage> {
    Arc::new(MemoryStorage::new(Arc::new(Plan::new(vec![PlanFile::regular("a", len)], None).unwrap())))
}

fn pool(config: PoolConfig) -> (Pool, mpsc::Receiver<Done<Vec<u8>, u32>>) {
    let (send, receive) = mpsc::channel();
    (DiskPool::new(config, move |done| drop(send.send(done))), receive)
}

fn write(storage: &Arc<MemoryStorage>, tag: u32, offset: u64, data: &[u8]) -> Job<Vec<u8>, u32> {
    let work = Work::Write { offset, bufs: vec![data.to_vec()] };
    Job { storage: storage.clone(), class: Class::Write, work, tag }
}

fn read(storage: &Arc<MemoryStorage>, tag: u32, offset: u64, len: usize) -> Job<Vec<u8>, u32> {
    let work = Work::Read { offset, len, buf: vec![0; len] };
    Job { storage: storage.clone(), class: Class::Upload, work, tag }
}

fn job(storage: &Arc<MemoryStorage>, tag: u32, class: Class, work: Work<Vec<u8>>) -> Job<Vec<u8>, u32> {
    Job { storage: storage.clone(), class, work, tag }
}

/// A job that holds the only thread until the sender is dropped.
fn plug(storage: &Arc<MemoryStorage>, tag: u32) -> (Job<Vec<u8>, u32>, mpsc::Sender<()>) {
    let (hold, held) = mpsc::channel::<()>();
    let work = Work::Run(Box::new(move |_| {
        let _ = held.recv();
        Ok(())
    }));
    (job(storage, tag, Class::Upload, work), hold)
}

#[test]
fn a_read_sees_the_writes_before_it() {
    let (pool, done) = pool(PoolConfig::default());
    let s = storage(1 << 20);
    let mut tag = 0;
    for round in 0..50u8 {
        for offset in [0, 4, 8] {
            pool.submit(write(&s, tag, offset, &[round; 8])).unwrap();
            tag += 1;
        }
        pool.submit(read(&s, 1_000 + u32::from(round), 0, 16)).unwrap();
    }
    let mut results: Vec<_> = done.iter().take(200).collect();
    results.sort_by_key(|d| d.tag);
    for (round, d) in (0u8..).zip(results.iter().skip(150)) {
        assert!(d.result.is_ok());
        assert!(matches!(&d.outcome, Outcome::Read(buf, 16) if *buf == [round; 16]), "round {round}");
    }
    assert!(pool.close(PATIENCE));
}

#[test]
fn neighbours_are_joined_and_a_failure_hits_only_its_own() {
    let (pool, done) = pool(PoolConfig::default().threads(1));
    let s = storage(1 << 20);
    let (plug, hold) = plug(&s, 0);
    pool.submit(plug).unwrap();
    for tag in [3, 1, 2, 4, 5] {
        pool.submit(write(&s, tag, u64::from(tag) * 100, &[tag as u8; 100])).unwrap();
    }
    drop(hold);
    assert!(done.iter().take(6).all(|d| d.result.is_ok()));
    assert_eq!(s.counters().writes, 1);
    assert_eq!(s.contents(FileIndex(0)).unwrap()[100..][..100], [1; 100]);

    let (plug, hold) = self::plug(&s, 0);
    pool.submit(plug).unwrap();
    s.inject(Fault::BadRange(250..251));
    for tag in 1..=4 {
        pool.submit(write(&s, tag, u64::from(tag) * 100, &[9; 100])).unwrap();
    }
    drop(hold);
    for d in done.iter().take(5) {
        assert_eq!(d.result.is_err(), d.tag == 2, "{d:?}");
        assert!(d.tag == 0 || matches!(&d.outcome, Outcome::Write(bufs) if bufs[0].len() == 100));
    }
}

#[test]
fn urgent_work_overtakes() {
    let (pool, done) = pool(PoolConfig::default().threads(1));
    let s = storage(1 << 20);
    let (plug, hold) = plug(&s, 0);
    pool.submit(plug).unwrap();
    let nothing = || Work::Run(Box::new(|_: &dyn Storage| Ok(())));
    for (tag, class) in [(1, Class::Write), (2, Class::Upload), (3, Class::Upload)] {
        pool.submit(job(&s, tag, class, nothing())).unwrap();
    }
    drop(hold);
    assert_eq!(done.iter().take(4).map(|d| d.tag).collect::<Vec<_>>(), [0, 2, 3, 1]);
}

#[test]
fn nothing_waits_for_ever() {
    let (pool, done) = pool(PoolConfig::default().threads(1));
    let s = storage(1 << 20);
    let (plug, hold) = plug(&s, 0);
    pool.submit(plug).unwrap();
    let nothing = || Work::Run(Box::new(|_: &dyn Storage| Ok(())));
    pool.submit(job(&s, 1, Class::Write, nothing())).unwrap();
    for tag in 2..100 {
        pool.submit(job(&s, tag, Class::Upload, nothing())).unwrap();
    }
    drop(hold);
    let place = done.iter().take(100).position(|d| d.tag == 1);
    assert!(place.is_some_and(|place| place <= 16), "{place:?}");
}

#[test]
fn syncs_and_fences_keep_their_place() {
    let (pool, done) = pool(PoolConfig::default().threads(3));
    let s = storage(1 << 20);
    for tag in 0..20 {
        pool.submit(write(&s, tag, u64::from(tag) * 1000, &[1; 10])).unwrap();
    }
    pool.submit(job(&s, 20, Class::Upload, Work::Sync { ranges: vec![0..1 << 20] })).unwrap();
    let seen = s.clone();
    let fence = Work::Fence(Box::new(move |_| {
        assert_eq!((seen.counters().syncs, seen.counters().written), (1, 200));
        Ok(())
    }));
    pool.submit(job(&s, 21, Class::Write, fence)).unwrap();
    pool.submit(write(&s, 22, 500_000, &[2; 10])).unwrap();
    let order: Vec<_> =
        done.iter().take(23).inspect(|d| assert!(d.result.is_ok(), "{d:?}")).map(|d| d.tag).collect();
    assert_eq!(order[20..], [20, 21, 22]);
    s.crash();
    assert_eq!(s.contents(FileIndex(0)).unwrap().len(), 19_010, "the sync covered every write before it");
}

#[test]
fn a_full_queue_gives_jobs_back() {
    let (pool, done) = pool(PoolConfig::default().threads(1).queue(4, 1000));
    let s = storage(1 << 20);
    let (plug, hold) = plug(&s, 0);
    pool.submit(plug).unwrap();
    pool.submit(write(&s, 1, 0, &[1; 900])).unwrap();
    let back = pool.submit(write(&s, 2, 5000, &[2; 200])).unwrap_err();
    assert!(!back.closing && back.job.tag == 2);
    drop(hold);
    assert_eq!(done.iter().take(2).count(), 2);
    // A job larger than the whole budget is taken when nothing else waits.
    pool.submit(write(&s, 3, 0, &[1; 5000])).unwrap();
    assert!(done.recv().unwrap().result.is_ok());
}

#[test]
fn a_panicking_backend_fails_one_job() {
    let (pool, done) = pool(PoolConfig::default().threads(1));
    let s = storage(1 << 20);
    s.inject(Fault::Panic);
    pool.submit(write(&s, 1, 0, b"x")).unwrap();
    let first = done.recv().unwrap();
    assert_eq!(first.result.unwrap_err().kind(), ErrorKind::Panicked);
    assert!(matches!(first.outcome, Outcome::Write(bufs) if bufs == [b"x"]));
    pool.submit(write(&s, 2, 0, b"y")).unwrap();
    assert!(done.recv().unwrap().result.is_ok());
}

#[test]
fn closing_finishes_writes_and_cancels_the_rest() {
    let (pool, done) = pool(PoolConfig::default().threads(1));
    let s = storage(1 << 20);
    let (plug, hold) = plug(&s, 0);
    pool.submit(plug).unwrap();
    pool.submit(write(&s, 1, 0, &[7; 100])).unwrap();
    pool.submit(read(&s, 2, 0, 100)).unwrap();
    pool.submit(job(&s, 3, Class::Write, Work::Sync { ranges: vec![0..100] })).unwrap();
    assert!(!pool.close(Duration::ZERO), "a job is still running");
    assert!(pool.submit(write(&s, 4, 0, b"late")).unwrap_err().closing);
    drop(hold);
    assert!(pool.close(PATIENCE));
    drop(pool);
    let results: Vec<_> = done.iter().map(|d| (d.tag, d.result.map_err(|e| e.kind()))).collect();
    assert_eq!(results.len(), 4);
    assert!(results.contains(&(2, Err(ErrorKind::Cancelled))) && results.contains(&(3, Ok(()))));
    s.crash();
    assert_eq!(s.contents(FileIndex(0)), Some(vec![7; 100]));
}

/// A storage on a device that never answers until it is told to.
#[derive(Debug)]
struct Stuck(Arc<dyn Storage>, Mutex<mpsc::Receiver<()>>);

impl Storage for Stuck {
    fn plan(&self) -> &Arc<Plan> {
        self.0.plan()
    }
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    fn device(&self) -> DeviceId {
        DeviceId(77)
    }
    fn read(&self, _: u64, _: &mut [IoSliceMut<'_>]) -> Result<(), StorageError> {
        let _ = self.1.lock().unwrap().recv();
        Err(StorageError::Cancelled)
    }
    fn write(&self, _: u64, _: &[IoSlice<'_>]) -> Result<(), StorageError> {
        Ok(())
    }
    fn sync(&self, _: &[Range<u64>]) -> Result<(), StorageError> {
        Ok(())
    }
    fn probe(&self) -> Result<Vec<FileState>, StorageError> {
        Ok(Vec::new())
    }
}

#[test]
fn a_stuck_device_holds_up_only_itself() {
    let (pool, done) = pool(PoolConfig::default().threads(1));
    let (hold, held) = mpsc::channel();
    let stuck: Arc<dyn Storage> = Arc::new(Stuck(storage(100), Mutex::new(held)));
    let work = Work::Read { offset: 0, len: 1, buf: vec![0] };
    pool.submit(Job { storage: stuck, class: Class::Upload, work, tag: 1 }).unwrap();
    let s = storage(100);
    pool.submit(write(&s, 2, 0, b"x")).unwrap();
    assert_eq!(done.recv().unwrap().tag, 2);
    drop(hold);
    assert_eq!(done.recv().unwrap().tag, 1);
}

#[test]
fn memory_keeps_every_promise() {
    crate::conformance::run(&MemoryFactory::new());
    let plan = Arc::new(Plan::new(vec![PlanFile::regular("a", 1)], None).unwrap());
    let request = OpenRequest::new(InfoHashes::v1(InfoHash([3; 20])), plan);
    let factory = MemoryFactory::new();
    factory.open(&request).unwrap();
    assert!(factory.get(InfoHash([3; 20])).is_some());
}

/// A storage whose writes are to be alone, and which counts how many it does at once.
#[derive(Debug)]
struct Lonely {
    inner: Arc<MemoryStorage>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Storage for Lonely {
    fn plan(&self) -> &Arc<Plan> {
        self.inner.plan()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn writes_alone(&self) -> bool {
        true
    }

    fn read(&self, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> Result<(), StorageError> {
        self.inner.read(offset, bufs)
    }

    fn write(&self, offset: u64, bufs: &[IoSlice<'_>]) -> Result<(), StorageError> {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        let result = self.inner.write(offset, bufs);
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn sync(&self, ranges: &[Range<u64>]) -> Result<(), StorageError> {
        self.inner.sync(ranges)
    }

    fn probe(&self) -> Result<Vec<FileState>, StorageError> {
        self.inner.probe()
    }
}

#[test]
fn writes_that_hinder_each_other_are_done_one_at_a_time_and_joined() {
    let (pool, done) = pool(PoolConfig::default().threads(4));
    let inner = storage(1 << 20);
    let all: Vec<Arc<Lonely>> = (0..2)
        .map(|_| {
            Arc::new(Lonely { inner: inner.clone(), now: AtomicUsize::new(0), most: AtomicUsize::new(0) })
        })
        .collect();
    let mut jobs = 0;
    for round in 0..40u8 {
        for storage in &all {
            for n in 0..20u64 {
                let offset = (n * 7 % 20) * 1_000 + u64::from(round % 3);
                let work = Work::Write { offset, bufs: vec![vec![round; 1_000]] };
                let storage: Arc<dyn Storage> = storage.clone();
                pool.submit(Job { storage, class: Class::Write, work, tag: jobs }).unwrap();
                jobs += 1;
            }
            let storage: Arc<dyn Storage> = storage.clone();
            let work = Work::Sync { ranges: Vec::new() };
            pool.submit(Job { storage, class: Class::Write, work, tag: jobs }).unwrap();
            jobs += 1;
        }
    }
    assert!(done.iter().take(jobs as usize).all(|done| done.result.is_ok()));
    assert!(all.iter().all(|storage| storage.most.load(Ordering::SeqCst) == 1));
    assert!(inner.counters().writes < u64::from(jobs), "what waits is joined");
    assert!(pool.close(PATIENCE));
}
