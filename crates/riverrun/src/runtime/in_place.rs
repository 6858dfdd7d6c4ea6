//! Blocks sent from where they are stored.
//!
//! A shard thread never waits for a disk: before the header of a block leaves it is asked whether the block is in memory.
//! One that is not is read by a disk thread, and with it what waits behind it.

use std::io::ErrorKind;

use engine::TorrentId;
use net::tcp::{Run, Stream};
use shard::{MAX_PARTS, Part, SendError};
use storage::FileSpan;

use crate::disk::Disk;

/// Bytes of a torrent's payload that are in memory, from `offset` on.
struct Found {
    torrent: TorrentId,
    offset: u64,
    span: FileSpan,
}

impl Found {
    /// These bytes of the payload, where all of them are in this span.
    fn run(&self, torrent: TorrentId, offset: u64, len: usize) -> Option<Run<'_>> {
        let skip = offset.checked_sub(self.offset).filter(|_| torrent == self.torrent)?;
        let inside = skip.checked_add(len as u64)? <= self.span.len;
        inside.then(|| Run::File { file: &self.span.file, offset: self.span.offset + skip, len })
    }
}

/// Sends parts, as [`shard::Shard::send_parts`] wants it.
pub(super) fn send(disk: &Disk, stream: &mut dyn Stream, parts: &[Part<'_>]) -> Result<usize, SendError> {
    let parts = &parts[..parts.len().min(MAX_PARTS)];
    let found = find(disk, parts);
    let mut runs = [Run::Bytes(&[]); 2 * MAX_PARTS];
    let mut used = 0;
    for part in parts {
        let (bytes, file) = match *part {
            Part::Bytes(bytes) => (bytes, None),
            Part::Stored { header, torrent, offset, len } => {
                let run = found.iter().find_map(|found| found.run(torrent, offset, len));
                let Some(run) = run else { break };
                (header, (len > 0).then_some(run))
            }
        };
        let bytes = (!bytes.is_empty()).then_some(Run::Bytes(bytes));
        for run in bytes.into_iter().chain(file) {
            runs[used] = run;
            used += 1;
        }
    }
    if used == 0 {
        return Err(SendError::NotInMemory);
    }
    loop {
        return match stream.send_runs(&runs[..used]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The file is not what it was when it was asked: a disk thread will find out.
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
                Err(SendError::NotInMemory)
            }
            result => result.map_err(SendError::Socket),
        };
    }
}

/// Where the stored ones among the parts are in memory, up to the first that is not. Peers ask for neighbours most of the
/// time: these are looked for together.
fn find(disk: &Disk, parts: &[Part<'_>]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let Part::Stored { torrent, offset, len, .. } = *part else { continue };
        if found.last().is_some_and(|last| last.run(torrent, offset, len).is_some()) {
            continue;
        }
        // Where a rate ends behind a header, the byte after it is asked for.
        let (least, most) = (len.max(1) as u64, stretch(&parts[n..]).max(1));
        let alone = || disk.resident_span(torrent, offset, least).filter(|_| most > least);
        let span = disk.resident_span(torrent, offset, most).or_else(alone);
        let Some(span) = span.filter(|span| span.len >= least) else { break };
        found.push(Found { torrent, offset, span });
    }
    found
}

/// How many bytes of the payload the stored ones among the parts are, as far as each follows the one before.
fn stretch(parts: &[Part<'_>]) -> u64 {
    let mut run: Option<(TorrentId, u64, u64)> = None;
    for part in parts {
        let Part::Stored { torrent, offset, len, .. } = *part else { continue };
        match &mut run {
            None => run = Some((torrent, offset, len as u64)),
            Some((of, from, so_far)) if *of == torrent && *from + *so_far == offset => *so_far += len as u64,
            Some(_) => break,
        }
    }
    run.map_or(0, |(.., len)| len)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::SocketAddr;
    use std::ops::Range;
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mio::{Registry, Token};
    use storage::{
        Capabilities, FileFactory, FileState, OpenRequest, Plan, PlanFile, Storage, StorageError,
        StorageFactory,
    };
    use types::{Geometry, InfoHash, InfoHashes};

    use super::*;

    const TORRENT: TorrentId = TorrentId(3);
    const LENS: [u64; 2] = [100_000, 50_000];
    const HEADER: &[u8] = b"thirteenbytes";

    /// Files that count how often they were asked where they are, and say that nothing from `here` on is in memory.
    #[derive(Debug)]
    struct Counting {
        files: Arc<dyn Storage>,
        here: u64,
        probes: AtomicUsize,
    }

    impl Storage for Counting {
        fn plan(&self) -> &Arc<Plan> {
            self.files.plan()
        }
        fn capabilities(&self) -> Capabilities {
            self.files.capabilities()
        }
        fn read(&self, offset: u64, bufs: &mut [IoSliceMut<'_>]) -> Result<(), StorageError> {
            self.files.read(offset, bufs)
        }
        fn write(&self, offset: u64, bufs: &[IoSlice<'_>]) -> Result<(), StorageError> {
            self.files.write(offset, bufs)
        }
        fn sync(&self, ranges: &[Range<u64>]) -> Result<(), StorageError> {
            self.files.sync(ranges)
        }
        fn probe(&self) -> Result<Vec<FileState>, StorageError> {
            self.files.probe()
        }
        fn try_read_resident(
            &self,
            offset: u64,
            bufs: &mut [IoSliceMut<'_>],
        ) -> Result<Option<usize>, StorageError> {
            self.files.try_read_resident(offset, bufs)
        }
        fn resident_span(&self, offset: u64, len: u64) -> Result<Option<FileSpan>, StorageError> {
            self.probes.fetch_add(1, Ordering::Relaxed);
            if offset + len > self.here { Ok(None) } else { self.files.resident_span(offset, len) }
        }
    }

    /// What was sent, read from the files, and in how many calls.
    #[derive(Debug, Default)]
    struct Sink {
        bytes: Vec<u8>,
        calls: usize,
    }

    impl Stream for Sink {
        fn read_vectored(&mut self, _: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            Ok(0)
        }
        fn write_vectored(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(0)
        }
        fn send_runs(&mut self, runs: &[Run<'_>]) -> io::Result<usize> {
            self.calls += 1;
            let before = self.bytes.len();
            for run in runs {
                match *run {
                    Run::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
                    Run::File { file, offset, len } => {
                        let mut bytes = vec![0; len];
                        file.read_exact_at(&mut bytes, offset)?;
                        self.bytes.append(&mut bytes);
                    }
                }
            }
            Ok(self.bytes.len() - before)
        }
        fn register(&mut self, _: &Registry, _: Token) -> io::Result<()> {
            Ok(())
        }
        fn deregister(&mut self, _: &Registry) -> io::Result<()> {
            Ok(())
        }
        fn is_connected(&mut self) -> io::Result<bool> {
            Ok(true)
        }
        fn peer_addr(&self) -> SocketAddr {
            SocketAddr::from(([127, 0, 0, 1], 1))
        }
    }

    /// Two files on a disk, of which the payload up to `here` is in memory. None where the system never says so.
    fn stage(dir: &std::path::Path, here: u64) -> Option<(Disk, Arc<Counting>, Vec<u8>)> {
        let payload: Vec<u8> = (0..150_000u32).map(|n| (n / 7) as u8).collect();
        let plan = Plan::new(vec![PlanFile::regular("a", LENS[0]), PlanFile::regular("b", LENS[1])], None);
        let request = OpenRequest::new(InfoHashes::v1(InfoHash([1; 20])), Arc::new(plan.unwrap()));
        let files = FileFactory::new(dir).open(&request).unwrap();
        files.write(0, &[IoSlice::new(&payload)]).unwrap();
        // A page that is being written to the disk is locked for a moment, and looks as if it were not there.
        files.sync(std::slice::from_ref(&(0..150_000))).unwrap();
        files.resident_span(0, 1).unwrap()?;
        let storage = Arc::new(Counting { files, here, probes: AtomicUsize::new(0) });
        let disk = Disk::new(1, 16, Box::new(|_, _, _| {}));
        disk.house(TORRENT, storage.clone(), Geometry::new(150_000, 16_384).unwrap());
        Some((disk, storage, payload))
    }

    fn parts(blocks: impl Iterator<Item = u64>) -> Vec<Part<'static>> {
        blocks
            .map(|n| Part::Stored { header: HEADER, torrent: TORRENT, offset: n * 10_000, len: 10_000 })
            .collect()
    }

    fn wire(payload: &[u8], blocks: impl Iterator<Item = usize>) -> Vec<u8> {
        blocks.flat_map(|n| [HEADER, &payload[n * 10_000..][..10_000]].concat()).collect()
    }

    /// The budget: neighbours cost one look and one call together, however many they are.
    #[test]
    fn neighbours_are_looked_for_and_sent_together() {
        let dir = tempfile::tempdir().unwrap();
        let Some((disk, storage, payload)) = stage(dir.path(), u64::MAX) else { return };
        let mut sink = Sink::default();
        assert!(send(&disk, &mut sink, &parts(0..10)).is_ok());
        assert!(sink.bytes == wire(&payload, 0..10));
        assert_eq!((storage.probes.load(Ordering::Relaxed), sink.calls), (1, 1));
        // Over the border of two files, and back: a look for each stretch.
        let (mut sink, mixed) = (Sink::default(), [8, 9, 10, 11, 2]);
        assert!(send(&disk, &mut sink, &parts(mixed.iter().map(|n| *n as u64))).is_ok());
        assert!(sink.bytes == wire(&payload, mixed.into_iter()));
        assert_eq!((storage.probes.load(Ordering::Relaxed), sink.calls), (4, 1));
    }

    #[test]
    fn no_header_leaves_before_a_block_that_is_not_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let Some((disk, _, payload)) = stage(dir.path(), 40_000) else { return };
        let mut sink = Sink::default();
        assert!(matches!(send(&disk, &mut sink, &parts(3..9)), Ok(10_013)));
        assert!(sink.bytes == wire(&payload, 3..4));
        assert!(matches!(send(&disk, &mut sink, &parts(4..9)), Err(SendError::NotInMemory)));
        // A block that lies in two files is in neither.
        let across = Part::Stored { header: HEADER, torrent: TORRENT, offset: 95_000, len: 10_000 };
        assert!(matches!(send(&disk, &mut sink, &[across]), Err(SendError::NotInMemory)));
        // What a rate lets pass of a header alone waits for its block as well.
        let cut = |offset| [Part::Stored { header: &HEADER[..5], torrent: TORRENT, offset, len: 0 }];
        assert!(matches!(send(&disk, &mut sink, &cut(40_000)), Err(SendError::NotInMemory)));
        assert!(matches!(send(&disk, &mut sink, &cut(30_000)), Ok(5)));
        disk.evict(TORRENT);
        assert!(matches!(send(&disk, &mut sink, &parts(0..1)), Err(SendError::NotInMemory)));
        assert_eq!(sink.calls, 2);
    }

    #[test]
    fn what_is_in_memory_is_read_at_once_over_borders_too() {
        let dir = tempfile::tempdir().unwrap();
        let Some((disk, _, payload)) = stage(dir.path(), 0) else { return };
        let mut buf = vec![0; 16_384];
        assert!(disk.read_resident(TORRENT, 95_000, &mut buf));
        assert!(buf == payload[95_000..][..16_384]);
        assert!(!disk.read_resident(TORRENT, 140_000, &mut buf), "beyond the end");
        // A file that was cut short is for a disk thread to tell of.
        std::fs::OpenOptions::new().write(true).open(dir.path().join("b")).unwrap().set_len(10).unwrap();
        assert!(!disk.read_resident(TORRENT, 95_000, &mut buf));
    }
}
