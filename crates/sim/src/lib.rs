//! A deterministic simulator of BitTorrent swarms: virtual clock, network and disk.
//!
//! Real shards (`shard::Shard`, the code that moves bytes in production) run in a world of one thread, one event heap
//! and one seed. Links have latency, jitter, loss, a rate and partitions; disks are slow, full, torn or forgetful;
//! nodes are killed and started again; some peers lie. After every step checkers that share nothing with the engine but
//! the wire format look at what was sent and stored:
//!
//! - nothing is announced or served that the node's disk does not have, whole and right;
//! - nothing is written outside the torrent's files;
//! - resume data claims only what a crash would leave;
//! - buffers stay within their limits, and bytes served are bytes counted;
//! - who calls itself complete is complete.
//!
//! Then the network heals and everybody must complete in time. A failure names its seed; the same seed gives the same
//! run, event for event. It opens no socket and no file, and says nothing about speed on real machines.
//!
//! ```
//! let report = riverrun_sim::scenarios::pair(1.into()).unwrap();
//! assert_eq!(report.completed.len(), 2);
//! assert_eq!(report.trace, riverrun_sim::scenarios::pair(1.into()).unwrap().trace);
//! ```

#![forbid(unsafe_code)]

mod disk;
mod inspect;
mod liar;
mod net;
mod node;
mod payload;
mod queue;
mod report;
pub mod scenarios;
mod trace;
mod tracker;
mod world;

pub use report::{Failure, Report, Run};
