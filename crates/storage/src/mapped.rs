//! A file in memory without reading it.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// A file mapped into memory, for reading: pages come from the disk when they are first looked at, and the system may
/// take them back. For tables that are searched in place, such as a packed blocklist; never for payload.
///
/// The file must not be cut short while it is mapped: looking beyond its new end ends the process (SIGBUS). Replace such
/// files by renaming a new one over them, as every command of this project does.
#[derive(Debug)]
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    /// It can't be opened or mapped.
    pub fn open(path: &Path) -> io::Result<MappedFile> {
        let file = File::open(path)?;
        // SAFETY: the mapping is read-only and private to this value. Bytes that another process changes under it are read
        // as plain bytes, which have no invalid values; whoever reads them checks every offset against the length. Cutting
        // the file short is a fault of the process that does it, as documented above, and does not break memory safety.
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
        assert_eq!(&MappedFile::open(&path).unwrap()[..], b"0123");
        assert!(MappedFile::open(&dir.path().join("none")).is_err());
    }
}
