//! What a torrent at rest may cost: memory that is counted, the same in every run, so that a growth is a failure and
//! not a feeling.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use riverrun::{AddTorrent, Client, Torrent, TorrentState};

/// Counts the bytes that are out.
struct Counting;

static LIVE: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes on to the system's allocator with its arguments as they are; the counter changes
// nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is that of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: `at` came from the system's allocator with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        LIVE.fetch_add(len as u64, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: `at` came from the system's allocator with this layout; the caller vouches for `len`.
        unsafe { System.realloc(at, layout, len) }
    }
}

/// A torrent of 64 pieces that nothing fits: 1.3 KiB of hashes.
fn torrent(number: usize) -> Vec<u8> {
    const PIECES: usize = 64;
    let (length, name) = (PIECES * 16_384, format!("idle-{number}"));
    let head = format!("d4:infod6:lengthi{length}e4:name{}:{name}12:piece lengthi16384e6:pieces", name.len());
    let mut out = head.into_bytes();
    out.extend_from_slice(format!("{}:", PIECES * 20).as_bytes());
    out.extend((0..PIECES * 20).map(|n| (n % 251) as u8));
    out.extend_from_slice(b"ee");
    out
}

fn add(client: &Client, numbers: std::ops::Range<usize>) -> Vec<Torrent> {
    let add = |number| client.blocking_add(AddTorrent::bytes(torrent(number))).expect("a torrent");
    let all: Vec<Torrent> = numbers.map(add).collect();
    while !all.iter().all(|torrent| torrent.state() == TorrentState::Downloading) {
        std::thread::sleep(Duration::from_millis(5));
    }
    all
}

/// The bytes that are out once what tasks left behind is gone: the least that is seen for a while.
fn settled() -> u64 {
    let look = |_| {
        std::thread::sleep(Duration::from_millis(20));
        LIVE.load(Ordering::Relaxed)
    };
    (0..50).map(look).min().expect("looks")
}

#[test]
fn a_torrent_at_rest_takes_few_bytes() {
    // 1,376 of them are the info dictionary.
    const BUDGET: u64 = 4_100;
    let dir = tempfile::tempdir().expect("a directory");
    let client = Client::builder()
        .download_dir(dir.path())
        .state_dir(dir.path().join("state"))
        .listen(["127.0.0.1:0".parse().expect("an address")])
        .no_trackers()
        .build()
        .expect("a client");
    let before = add(&client, 0..100);
    let first = settled();
    let more = add(&client, 100..500);
    let second = settled();
    let each = second.saturating_sub(first) / 400;
    assert!(each <= BUDGET, "{each} bytes each");
    drop((before, more));
    // What many are to be saved is saved when all end.
    assert!(client.blocking_close());
    let saved = std::fs::read_dir(dir.path().join("state")).expect("the state").filter(|entry| {
        let path = entry.as_ref().expect("an entry").path();
        path.extension().is_some_and(|extension| extension == "resume")
    });
    assert_eq!(saved.count(), 500);
}
