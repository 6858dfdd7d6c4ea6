//! What the fast extension lets one peer have, and us, besides what a slot allows (BEP 6).

use std::net::IpAddr;

use types::{BlockRef, InfoHash, PieceIndex};
use wire::fast::{ALLOWED_FAST_SIZE, MAX_ALLOWED_FAST, allowed_fast};

/// Most suggestions of one peer that are kept; an older one makes room.
const MAX_SUGGESTED: usize = 16;
/// So many times over a peer may fetch a piece while it is choked: once more than an honest one has reason
/// to.
const COPIES: u64 = 2;

/// The sets of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fast {
    /// What it may have of us while it is choked.
    granted: Vec<PieceIndex>,
    /// Bytes left of that.
    left: u64,
    /// What we may have of it while it chokes us.
    allowed: Vec<PieceIndex>,
    /// What it would rather send.
    suggested: Vec<PieceIndex>,
}

impl Fast {
    /// Grants a peer that begins its set (IPv4 only: for IPv6 BEP 6 has none), which is the same whatever we
    /// have. Returns it. A peer with more than a few pieces has something to trade, and gets none.
    pub(crate) fn grant(
        &mut self,
        ip: IpAddr,
        torrent: InfoHash,
        pieces: u32,
        piece_len: u32,
        has: u32,
    ) -> &[PieceIndex] {
        if let IpAddr::V4(ip) = ip.to_canonical()
            && has as usize <= ALLOWED_FAST_SIZE
        {
            self.granted = allowed_fast(ip, torrent, pieces, ALLOWED_FAST_SIZE, hash::sha1);
            self.left = self.granted.len() as u64 * u64::from(piece_len) * COPIES;
        }
        &self.granted
    }

    /// Whether a choked peer that has so many pieces may have this block; it is then paid for.
    pub(crate) fn spend(&mut self, block: BlockRef, has: u32) -> bool {
        let may = self.grants(block.piece, has);
        let left = self.left.checked_sub(block.len.into()).filter(|_| may);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Whether a peer that has so many pieces may still have some without a slot.
    pub(crate) fn is_open(&self, has: u32) -> bool {
        has as usize <= ALLOWED_FAST_SIZE && self.left > 0
    }

    /// Whether the piece is among those granted to a peer that has so many by now.
    pub(crate) fn grants(&self, piece: PieceIndex, has: u32) -> bool {
        has as usize <= ALLOWED_FAST_SIZE && self.granted.contains(&piece)
    }

    /// The peer allows us a piece. Whether that is news, and few enough are allowed.
    pub(crate) fn allow(&mut self, piece: PieceIndex) -> bool {
        let fresh = self.allowed.len() < MAX_ALLOWED_FAST && !self.allowed.contains(&piece);
        if fresh {
            self.allowed.push(piece);
        }
        fresh
    }

    /// The peer refused us a block: it does not keep its word, or has changed its mind.
    pub(crate) fn refused(&mut self, piece: PieceIndex) {
        self.allowed.retain(|allowed| *allowed != piece);
        self.suggested.retain(|suggested| *suggested != piece);
    }

    /// What we may have of it while it chokes us.
    pub(crate) fn allowed(&self) -> &[PieceIndex] {
        &self.allowed
    }

    /// The peer suggests a piece.
    pub(crate) fn suggest(&mut self, piece: PieceIndex) {
        self.suggested.retain(|suggested| *suggested != piece);
        if self.suggested.len() == MAX_SUGGESTED {
            self.suggested.remove(0);
        }
        self.suggested.push(piece);
    }

    /// What it would rather send, the latest suggestion last.
    pub(crate) fn suggested(&self) -> &[PieceIndex] {
        &self.suggested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u32 = 32_768;

    fn block(piece: u32) -> BlockRef {
        BlockRef { piece: PieceIndex(piece), begin: 0, len: 16_384 }
    }

    fn granted(pieces: u32, has: u32, ip: &str) -> (Fast, Vec<u32>) {
        let mut fast = Fast::default();
        let set = fast.grant(ip.parse().unwrap(), InfoHash([0xaa; 20]), pieces, PIECE, has);
        let set = set.iter().map(|piece| piece.0).collect();
        (fast, set)
    }

    #[test]
    fn the_set_is_that_of_bep_6_and_only_for_beginners() {
        let (_, set) = granted(1313, 0, "80.4.4.200");
        assert_eq!(set[..9], [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
        assert_eq!(granted(1313, 10, "::ffff:80.4.4.200").1, set);
        assert_eq!(granted(1313, 11, "80.4.4.200").1, []);
        assert_eq!(granted(1313, 0, "2001:db8::1").1, []);
        assert_eq!(granted(50_000, 0, "80.4.4.200").1.len(), 10);
        assert_eq!(granted(3, 0, "80.4.4.200").1, [0, 1, 2]);
    }

    #[test]
    fn row_06_the_set_is_the_same_whatever_the_peer_has() {
        let sets: Vec<Vec<u32>> = (0..=10).map(|has| granted(50_000, has, "80.4.4.200").1).collect();
        assert!(sets.iter().all(|set| set.len() == 10 && *set == sets[0]));
    }

    #[test]
    fn what_is_granted_is_not_without_end() {
        let (mut fast, set) = granted(1313, 0, "80.4.4.200");
        assert!(!fast.spend(block(1), 0), "not granted");
        assert!(!fast.spend(block(set[0]), 11), "no beginner any more");
        let times = (0..1_000).filter(|_| fast.spend(block(set[0]), 10)).count();
        assert_eq!(times, 10 * 2 * 2);
    }

    #[test]
    fn what_peers_allow_and_suggest_is_bounded() {
        let mut fast = Fast::default();
        (0..1_000).for_each(|n| {
            fast.allow(PieceIndex(n % 500));
            fast.suggest(PieceIndex(n));
        });
        assert_eq!((fast.allowed().len(), fast.suggested().len()), (MAX_ALLOWED_FAST, MAX_SUGGESTED));
        assert_eq!(fast.suggested().last(), Some(&PieceIndex(999)));
        fast.refused(PieceIndex(999));
        fast.refused(PieceIndex(7));
        assert!(!fast.suggested().contains(&PieceIndex(999)) && !fast.allowed().contains(&PieceIndex(7)));
    }
}
