//! The `torrent` command line.
fn main() {}
