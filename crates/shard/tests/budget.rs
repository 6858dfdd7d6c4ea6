//! What the data path may allocate for each block: a number that is the same in every run, so that a growth
//! is a failure and not a feeling.

mod support;
#[path = "support/world.rs"]
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::{Kind, info, payload};
use world::World;

/// Counts what is asked of the system.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes on to the system's allocator with its arguments as they are; the counter changes
// nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is that of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from the system's allocator with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: `at` came from the system's allocator with this layout; the caller vouches for `len`.
        unsafe { System.realloc(at, layout, len) }
    }
}

/// Allocations while a payload of so many blocks goes from one shard to another, those of the test's pipes
/// included.
fn allocations(blocks: usize) -> u64 {
    let payload = payload(7, blocks * 16_384);
    let info = Arc::new(info(Kind::V1, &payload, 1 << 18));
    let mut world = World::new(7);
    let seeder = world.add(&info, Some(&payload), 256);
    let leech = world.add(&info, None, 256);
    world.introduce(leech, seeder);
    let before = ASKED.load(Ordering::Relaxed);
    assert!(world.run(Duration::from_secs(60), |world| world.is_complete(leech)));
    ASKED.load(Ordering::Relaxed) - before
}

#[test]
fn a_block_costs_few_allocations_on_both_ends_together() {
    // It was 24 when a peer fetched one piece after the other. Side by side, pieces are written in shorter runs, each with a
    // list of its own, which is less than half of what their hashes cost one by one.
    const BUDGET: u64 = 25;
    // The difference of two runs: what a connection and a torrent cost once is not the blocks'.
    let (few, many) = (allocations(256), allocations(1_024));
    let per_block = (many - few).div_ceil(768);
    assert!(per_block <= BUDGET, "{per_block} allocations a block, {few} for 256, {many} for 1024");
}
