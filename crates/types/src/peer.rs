//! Who a peer says it is, and how we came to know it.

use std::fmt;

/// The 20 bytes a client names itself by (BEP 3; their prefix is BEP 20). Not unique, not trusted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 20]);

impl PeerId {
    /// A peer id made of a BEP 20 `prefix` such as `-RR0100-` and `tail`, which the caller draws at random.
    /// A prefix over 20 bytes is cut.
    pub fn new(prefix: &[u8], tail: [u8; 20]) -> PeerId {
        let mut id = tail;
        let n = prefix.len().min(20);
        id[..n].copy_from_slice(&prefix[..n]);
        // The tail is drawn from letters and digits, as some trackers mangle other bytes.
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for byte in &mut id[n..] {
            *byte = ALPHABET[usize::from(*byte) % ALPHABET.len()];
        }
        PeerId(id)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for PeerId {
    /// Printable ASCII as it is, all else as `.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&b| {
            let c = if b.is_ascii_graphic() { char::from(b) } else { '.' };
            write!(f, "{c}")
        })
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where an address was learned. The order is the rank: what comes first is tried first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PeerSource {
    /// Named by the user.
    Manual,
    /// `x.pe` of a magnet link (BEP 9).
    Magnet,
    /// A tracker's answer (BEP 3, BEP 15).
    Tracker,
    /// A discovery of the library's user.
    Custom {
        /// Its name.
        name: &'static str,
        /// Whether it may know of private torrents (BEP 27), as their trackers do.
        private: bool,
    },
    /// Local service discovery (BEP 14).
    Local,
    /// Peer exchange (BEP 11).
    Pex,
    /// The DHT (BEP 5).
    Dht,
    /// It connected to us.
    Incoming,
    /// Saved from an earlier run.
    Resume,
}

impl PeerSource {
    /// Whether addresses of a private torrent may come from there (BEP 27).
    pub const fn serves_private(self) -> bool {
        matches!(self, PeerSource::Manual | PeerSource::Tracker | PeerSource::Custom { private: true, .. })
    }

    /// One word, the same in JSON and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            PeerSource::Manual => "manual",
            PeerSource::Magnet => "x.pe",
            PeerSource::Tracker => "tracker",
            PeerSource::Custom { name, .. } => name,
            PeerSource::Local => "lsd",
            PeerSource::Pex => "pex",
            PeerSource::Dht => "dht",
            PeerSource::Incoming => "incoming",
            PeerSource::Resume => "resume",
        }
    }
}

impl fmt::Display for PeerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_prefix_and_prints_safely() {
        let id = PeerId::new(b"-RR0100-", [0xff; 20]);
        assert!(id.as_bytes().starts_with(b"-RR0100-"));
        assert!(id.as_bytes().iter().all(u8::is_ascii_graphic));
        assert_eq!(PeerId([0; 20]).to_string(), ".".repeat(20));
    }
}
