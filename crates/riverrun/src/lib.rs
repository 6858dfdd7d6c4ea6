//! A BitTorrent engine as a library: Client, Torrent, File, Piece.
