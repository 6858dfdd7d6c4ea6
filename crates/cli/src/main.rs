//! The `torrent` command line.

#![forbid(unsafe_code)]

fn main() {}
