//! Torrents of which nothing exists: their hashes fit no data.

use std::io::Write;
use std::path::Path;

use crate::Result;
use crate::payload::noise;

/// How many files and pieces a torrent has.
pub(crate) enum Shape {
    /// One file of so many pieces of 1 MiB.
    Pieces(usize),
    /// So many files of 1 KiB, in pieces of 1 MiB.
    Files(usize),
}

const PIECE: usize = 1 << 20;

/// Writes a `.torrent`.
pub(crate) fn write(path: &Path, shape: &Shape) -> Result {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    out.write_all(b"d4:infod")?;
    let pieces = match *shape {
        Shape::Pieces(pieces) => {
            write!(out, "6:lengthi{}e", pieces * PIECE)?;
            pieces
        }
        Shape::Files(files) => {
            out.write_all(b"5:filesl")?;
            for file in 0..files {
                let (dir, name) = (format!("{:03}", file / 100), format!("file-{file:06}"));
                write!(out, "d6:lengthi1024e4:pathl{}:{dir}{}:{name}ee", dir.len(), name.len())?;
            }
            out.write_all(b"e")?;
            (files * 1024).div_ceil(PIECE)
        }
    };
    write!(out, "4:name4:huge12:piece lengthi{PIECE}e6:pieces{}:", pieces * 20)?;
    // A hash is three words, less the last four bytes.
    let mut words = noise(0);
    for _ in 0..pieces {
        let hash: Vec<u8> = words.by_ref().take(3).flatten().collect();
        out.write_all(&hash[..20])?;
    }
    out.write_all(b"ee")?;
    Ok(out.flush()?)
}
