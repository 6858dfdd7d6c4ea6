//! Torrent metainfo v1, v2 and hybrid: reading, writing, creating; magnet links, merkle trees, safe paths.
