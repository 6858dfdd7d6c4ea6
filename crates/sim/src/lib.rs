//! A deterministic simulator of BitTorrent swarms: virtual clock, network and disk.
