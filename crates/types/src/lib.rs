//! Plain values of a BitTorrent engine: time, hashes, pieces, blocks, bitfields, limits.
