//! Torrent storage: backends, resume state, disk threads, recheck and creation on all cores.
