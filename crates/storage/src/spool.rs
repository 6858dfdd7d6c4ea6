//! Bytes that are seldom looked at, in files without a name.
//!
//! The info dictionaries of thousands of torrents that nobody asks for fill the memory. Here they are written to a file
//! in a directory of the caller's and looked at through a mapping: what is not looked at takes no memory of the process, and
//! what was looked at the system may take back. Linux alone has files that never had a name (`O_TMPFILE`), which no other user can
//! write or cut; elsewhere, and on file systems in memory or over a network, nothing is kept.
//!
//! Nothing is synced. A page that the disk can't give back ends the process (SIGBUS), as a page of the program itself does; one
//! that it failed to write may come back as zeros. So this is for who asks for it, and for bytes that can be checked.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use types::SharedBytes;

#[cfg(target_os = "linux")]
use self::linux::Filling;
#[cfg(not(target_os = "linux"))]
use self::other::Filling;

/// Keeps bytes in files without a name. They take room on the disk until those beside them, 4 MiB or so, have all been
/// dropped, or the process ends.
#[derive(Debug)]
pub struct Spool {
    filling: Mutex<Filling>,
}

impl Spool {
    /// A spool whose files are made below `dir`, as soon as there is something to be kept.
    pub fn new(dir: PathBuf) -> Spool {
        Spool { filling: Mutex::new(Filling::new(dir)) }
    }

    /// Writes bytes to a file, which may wait for a disk. `None` where there is no such file or no room for it, or the bytes
    /// are none: they are to be kept in memory then.
    pub fn keep(&self, bytes: &[u8]) -> Option<SharedBytes> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner).keep(bytes)
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::path::PathBuf;

    use types::SharedBytes;

    /// No file.
    #[derive(Debug)]
    pub(super) struct Filling;

    impl Filling {
        pub(super) fn new(_: PathBuf) -> Filling {
            Filling
        }

        pub(super) fn keep(&mut self, _: &[u8]) -> Option<SharedBytes> {
            None
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::{self, IoSlice};
    use std::ops::Range;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use memmap2::{MmapOptions, MmapRaw};
    use rustix::fs::{CWD, Mode, OFlags};
    use rustix::io::Errno;
    use types::{BytesHolder, SharedBytes};

    use crate::sys;

    /// The length of a file. What is longer has one for itself.
    pub(super) const SEGMENT: usize = 4 << 20;

    /// File systems, by what `statfs` says, that keep files in memory, over a network, or in another process: tmpfs, ramfs, NFS,
    /// SMB, CIFS, 9p, Ceph, FUSE.
    const ELSEWHERE: [u32; 9] = [
        0x0102_1994,
        0x8584_58f6,
        0x6969,
        0x517b,
        0xfe53_4d42,
        0xff53_4d42,
        0x0102_1997,
        0x00c3_6400,
        0x6573_5546,
    ];

    /// The file that is being filled.
    #[derive(Debug)]
    pub(super) struct Filling {
        dir: PathBuf,
        segment: Option<(File, Arc<Segment>)>,
        used: usize,
        /// The file system has no files without a name.
        is_hopeless: bool,
    }

    /// A file without a name, as memory. Its descriptor may be closed.
    #[derive(Debug)]
    struct Segment {
        map: MmapRaw,
    }

    impl Segment {
        fn new(dir: &Path, len: usize) -> io::Result<(File, Arc<Segment>)> {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::EXCL;
            let file = match rustix::fs::openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::NOENT) => {
                    std::fs::create_dir_all(dir)?;
                    rustix::fs::openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR)?
                }
                opened => opened?,
            };
            let file = File::from(file);
            if ELSEWHERE.contains(&(rustix::fs::fstatfs(&file)?.f_type as u32)) {
                return Err(io::ErrorKind::Unsupported.into());
            }
            file.set_len(len as u64)?;
            let map = MmapOptions::new().len(len).map_raw_read_only(&file)?;
            Ok((file, Arc::new(Segment { map })))
        }
    }

    impl BytesHolder for Segment {
        fn part(&self, part: Range<usize>) -> Option<&[u8]> {
            let len = part.end.checked_sub(part.start).filter(|_| part.end <= self.map.len())?;
            // SAFETY: the range is inside the mapping, which lives as long as `self`. The file has no name and can't be given
            // one (`O_EXCL`): this process alone has it, but for who may debug it. It is never cut, and `Filling::keep` writes
            // no byte any more of a range that was given out.
            Some(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(part.start), len) })
        }
    }

    impl Filling {
        pub(super) fn new(dir: PathBuf) -> Filling {
            Filling { dir, segment: None, used: 0, is_hopeless: false }
        }

        pub(super) fn keep(&mut self, bytes: &[u8]) -> Option<SharedBytes> {
            if bytes.is_empty() || self.is_hopeless {
                return None;
            }
            if bytes.len() > SEGMENT {
                let (file, segment) = self.made(bytes.len())?;
                return write(&file, segment, 0, bytes);
            }
            if self.segment.is_none() || self.used + bytes.len() > SEGMENT {
                self.segment = Some(self.made(SEGMENT)?);
                self.used = 0;
            }
            let (file, segment) = self.segment.as_ref()?;
            let kept = write(file, segment.clone(), self.used, bytes)?;
            self.used += bytes.len();
            Some(kept)
        }

        fn made(&mut self, len: usize) -> Option<(File, Arc<Segment>)> {
            let made = Segment::new(&self.dir, len);
            self.is_hopeless = made.as_ref().is_err_and(|error| {
                // Old kernels take the flag for that of a directory.
                matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::IsADirectory)
            });
            made.ok()
        }
    }

    /// Room is taken by writing: a full disk says so here, and not when the mapping is looked at.
    fn write(file: &File, segment: Arc<Segment>, at: usize, bytes: &[u8]) -> Option<SharedBytes> {
        sys::write_full(file, at as u64, &mut [IoSlice::new(bytes)]).ok()?;
        SharedBytes::part_of_shared(segment, at..at + bytes.len())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_as_it_was_and_leaves_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().to_owned());
        let made = |n: usize| vec![n as u8; 100_000 + n];
        let Some(first) = spool.keep(&made(0)) else {
            // A file system without such files.
            return;
        };
        // Over the border of a file or two.
        let all: Vec<SharedBytes> = (1..100).map(|n| spool.keep(&made(n)).unwrap()).collect();
        let long = vec![7; linux::SEGMENT + 1];
        let kept = spool.keep(&long).unwrap();
        assert!(first[..] == made(0)[..] && kept[..] == long[..]);
        assert!(all.iter().zip(1..).all(|(kept, n)| kept[..] == made(n)[..]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(spool);
        assert_eq!(all[98][..], made(99)[..], "it outlives the spool");
    }

    #[test]
    fn the_directory_is_made_and_what_is_none_keeps_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("later/state");
        let spool = Spool::new(place.clone());
        assert!(spool.keep(b"").is_none() && !place.exists());
        // Not every file system has such files.
        assert!(spool.keep(b"bytes").is_none_or(|kept| kept[..] == b"bytes"[..]));
        assert!(place.is_dir());
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(Spool::new(dir.path().join("file/below")).keep(b"bytes").is_none());
    }
}
