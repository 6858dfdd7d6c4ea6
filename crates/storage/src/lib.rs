//! Torrent storage: backends, resume state, disk threads, recheck and creation on all cores.
//!
//! [`Storage`] is the seam between a torrent and its bytes: positioned, vectored, by offset in the payload.
//! [`FileFactory`] stores torrents as files, [`MemoryFactory`] in memory with faults on demand. [`DiskPool`] runs the
//! work on threads of its own. [`resume`] keeps what is known from one run to the next, [`check()`] finds it out anew, and
//! [`make_torrent`] makes torrents of files.
//!
//! It does not decide what to download, and never makes up data: what a piece must hash to comes from `metainfo`.
//!
//! ```
//! use std::io::{IoSlice, IoSliceMut};
//! use std::sync::Arc;
//! use riverrun_storage::{MemoryFactory, OpenRequest, Plan, PlanFile, StorageFactory};
//! use types::{InfoHash, InfoHashes};
//!
//! let plan = Plan::new(vec![PlanFile::regular("a", 3), PlanFile::regular("b", 5)], None).unwrap();
//! let request = OpenRequest::new(InfoHashes::v1(InfoHash([1; 20])), Arc::new(plan));
//! let storage = MemoryFactory::new().open(&request)?;
//! storage.write(0, &[IoSlice::new(b"across"), IoSlice::new(b"ed")])?;
//! let mut buf = [0; 4];
//! storage.read(1, &mut [IoSliceMut::new(&mut buf)])?;
//! assert_eq!(&buf, b"cros");
//! # Ok::<(), riverrun_storage::StorageError>(())
//! ```
#![allow(clippy::single_range_in_vec_init, reason = "lists of ranges are what syncs take")]

mod check;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod create;
mod cut;
mod error;
mod file;
mod lanes;
mod mapped;
mod memory;
mod names;
mod plan;
mod pool;
mod progress;
mod replace;
pub mod resume;
mod spool;
mod storage;
mod sys;

pub use check::{CheckOptions, CheckReport, FileReport, Verdict, check};
pub use create::{Found, Links, MakeError, Tree, WalkOptions, make_torrent, walk};
pub use error::{ErrorKind, Op, StorageError};
pub use file::{FileFactory, HandleCache, Preallocate};
pub use mapped::MappedFile;
pub use memory::{Counters, Fault, MemoryFactory, MemoryStorage};
pub use names::check_name;
pub use plan::{Extent, FileIndex, FileKind, Place, Plan, PlanFile};
pub use pool::{Class, Closure, DiskPool, Done, Job, Outcome, PoolConfig, Rejected, Work};
pub use progress::{Effort, Progress};
pub use replace::replace_file;
pub use resume::{Claims, ResumeData, ResumeLock, ResumeStore};
pub use spool::Spool;
pub use storage::{
    Adoption, Capabilities, DeviceId, FileSpan, FileState, OpenRequest, Selection, Storage, StorageFactory,
};
