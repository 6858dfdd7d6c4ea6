//! What must hold of the resume file's reader for any bytes. Run by the tests here and by the fuzz target `resume`.

use riverrun_storage::resume::{ResumeData, seal};

/// The bytes as a whole file, and as a body under a head that fits it: read or refused, and what is read is the same
/// after it was written and read again.
pub(crate) fn check(bytes: &[u8]) {
    for file in [bytes.to_vec(), seal(bytes)] {
        let Ok(data) = ResumeData::decode(&file) else { continue };
        let again = ResumeData::decode(&data.encode());
        assert_eq!(again.as_ref(), Ok(&data), "what is written reads back");
        assert!(data.partial.iter().all(|p| p.piece.0 < data.have.len()), "unfinished pieces exist");
        assert!(!data.is_current(&[]) || data.files.is_empty());
    }
}
