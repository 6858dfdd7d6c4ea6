//! What this engine calls itself, and what it does where nobody says otherwise.

/// What programs call themselves to peers (BEP 10, `v`), trackers and web servers: `riverrun/VERSION`.
pub const CLIENT_NAME: &str = concat!("riverrun/", env!("CARGO_PKG_VERSION"));

/// How peer ids begin (BEP 20).
pub const PEER_ID_PREFIX: &str = "-RR0100-";

/// Most connections of one torrent, both ways, and how many peers a tracker is asked for.
pub const DEFAULT_MAX_PEERS: u32 = 80;
