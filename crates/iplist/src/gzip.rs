//! Compressed lists.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::limits::Error;

/// How gzip data begins (RFC 1952).
pub(crate) const MAGIC: &[u8] = &[0x1f, 0x8b];

/// Unpacks `bytes`, all members of it, to at most `limit` bytes.
pub(crate) fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take((limit as u64).saturating_add(1));
    decoder.read_to_end(&mut out).map_err(|error| Error::Gzip { reason: error.to_string() })?;
    if out.len() > limit {
        return Err(Error::TooLong { limit });
    }
    Ok(out)
}
