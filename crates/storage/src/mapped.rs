//! Files as memory.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use memmap2::{Mmap, MmapMut};

/// A file as memory, for tables that are searched in place, such as a packed blocklist; never for payload.
///
/// [`MappedFile::open`] is what to use: a mapping of its own, filled from the file once and read-only from then on.
/// [`MappedFile::map`] maps the file itself, for those who can promise that nobody changes it.
#[derive(Debug)]
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Reads a file of at most `most` bytes into memory that nobody can write any more. What becomes of the file later has
    /// no effect.
    ///
    /// # Errors
    /// It can't be read, is over `most` bytes long ([`io::ErrorKind::FileTooLarge`]), or changes its length meanwhile.
    pub fn open(path: &Path, most: u64) -> io::Result<MappedFile> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        if len > most {
            let message = format!("{len} bytes long, over the limit of {most}");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        // `most` may be above what this machine can address.
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut map = MmapMut::map_anon(len)?;
        file.read_exact(&mut map)?;
        if file.read(&mut [0])? > 0 {
            return Err(io::Error::other("grew while it was read"));
        }
        Ok(MappedFile { map: map.make_read_only()? })
    }

    /// Maps the file itself: pages come from the disk when they are first looked at, and the system may take them back.
    ///
    /// # Safety
    /// Until the value is dropped nobody, in this process or another, may write to the file or cut it short. The bytes are
    /// given out as `&[u8]`: that they change is undefined behaviour, and looking beyond a new end kills the process
    /// (SIGBUS). Renaming another file over it, or removing its name, is allowed. Files that others may write can't be
    /// vouched for: use [`MappedFile::open`].
    ///
    /// # Errors
    /// It can't be opened or mapped.
    pub unsafe fn map(path: &Path) -> io::Result<MappedFile> {
        let file = File::open(path)?;
        // SAFETY: the caller promises that the file does not change while it is mapped.
        let map = unsafe { Mmap::map(&file)? };
        Ok(MappedFile { map })
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_seen_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        std::fs::write(&path, b"0123").unwrap();
        // SAFETY: the file is this test's own, and is not written to below but after the value is gone.
        assert_eq!(&unsafe { MappedFile::map(&path) }.unwrap()[..], b"0123");
        assert!(MappedFile::open(&dir.path().join("none"), 4).is_err());
        let error = MappedFile::open(&path, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let opened = MappedFile::open(&path, 4).unwrap();
        std::fs::write(&path, b"x").unwrap();
        assert_eq!(&opened[..], b"0123", "what is opened stays as it was");
        std::fs::write(&path, b"").unwrap();
        assert!(MappedFile::open(&path, 4).unwrap().is_empty());
    }
}
