//! Which torrents may be spoken of where everybody listens: on the local network, and in the DHT.

use crate::InfoHashes;

/// What is known of a torrent's `private` flag (BEP 27).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privacy {
    /// The info dictionary is known and has no `private` flag; or it is a magnet link without trackers, since a private
    /// torrent has its tracker and nothing else.
    Public,
    /// The info dictionary says `private`.
    Private,
    /// The info dictionary is not known yet, and may turn out to say `private`.
    Unknown,
}

/// A torrent that may be announced to everybody: the only thing that the machines of local discovery and of the DHT take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announceable(InfoHashes);

impl Announceable {
    /// A token for a public torrent; none for one that is private, or may turn out to be.
    pub const fn new(hashes: InfoHashes, privacy: Privacy) -> Option<Announceable> {
        match privacy {
            Privacy::Public => Some(Announceable(hashes)),
            Privacy::Private | Privacy::Unknown => None,
        }
    }

    /// Its names.
    pub const fn hashes(&self) -> InfoHashes {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InfoHash;

    #[test]
    fn a_private_torrent_gets_no_token_nor_does_an_unknown_one() {
        let hashes = InfoHashes::v1(InfoHash([1; 20]));
        assert_eq!(Announceable::new(hashes, Privacy::Private), None);
        assert_eq!(Announceable::new(hashes, Privacy::Unknown), None);
        assert_eq!(Announceable::new(hashes, Privacy::Public).map(|token| token.hashes()), Some(hashes));
    }
}
