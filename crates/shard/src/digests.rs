//! Who sent which bytes of pieces that failed: what convicts a liar among honest senders once the piece
//! passes.

use std::collections::BTreeMap;

use engine::ConnId;
use types::PieceIndex;

/// SHA-1 of a block, or the front of its SHA-256 where the torrent has leaves (BEP 52).
pub(crate) type Digest = [u8; 20];

/// What one attempt at a piece consisted of: for each block its sender and its digest, where both are known.
pub(crate) type Attempt = Vec<Option<(ConnId, Digest)>>;

/// Most bytes kept; beyond it the piece of the lowest number is forgotten, and its senders are left to parole.
const MOST: usize = 4 << 20;

/// The failed attempts at pieces that have not passed yet.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    failed: BTreeMap<PieceIndex, Vec<Attempt>>,
    bytes: usize,
}

impl Digests {
    /// Whether there is something to compare with.
    pub(crate) fn knows(&self, piece: PieceIndex) -> bool {
        self.failed.contains_key(&piece)
    }

    /// An attempt has failed.
    pub(crate) fn failed(&mut self, piece: PieceIndex, attempt: Attempt) {
        if attempt.iter().all(Option::is_none) {
            return;
        }
        self.bytes += size(&attempt);
        self.failed.entry(piece).or_default().push(attempt);
        while self.bytes > MOST {
            let Some((_, attempts)) = self.failed.pop_first() else { return };
            self.bytes -= attempts.iter().map(size).sum::<usize>();
        }
    }

    /// The piece passed with these digests: who sent something else, each once. None where nothing was kept.
    pub(crate) fn passed(
        &mut self,
        piece: PieceIndex,
        right: impl Fn(usize) -> Option<Digest>,
    ) -> Option<Vec<ConnId>> {
        let attempts = self.failed.remove(&piece)?;
        self.bytes -= attempts.iter().map(size).sum::<usize>();
        let sent = attempts.iter().flat_map(|attempt| attempt.iter().enumerate());
        let wrong = sent.filter_map(|(at, block)| {
            let (conn, digest) = (*block)?;
            (right(at)? != digest).then_some(conn)
        });
        let mut guilty: Vec<ConnId> = wrong.collect();
        guilty.sort_unstable();
        guilty.dedup();
        Some(guilty)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Digests::default();
    }
}

fn size(attempt: &Attempt) -> usize {
    attempt.len() * size_of::<Option<(ConnId, Digest)>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: PieceIndex = PieceIndex(3);

    fn conn(n: u32) -> ConnId {
        ConnId::new(n, 0)
    }

    #[test]
    fn exactly_those_whose_blocks_differ_are_guilty() {
        let mut digests = Digests::default();
        let sent = |n, byte| Some((conn(n), [byte; 20]));
        digests.failed(PIECE, vec![sent(1, 1), sent(2, 9), sent(1, 3), None]);
        digests.failed(PIECE, vec![sent(3, 1), sent(3, 2), sent(4, 8), sent(4, 7)]);
        assert!(digests.knows(PIECE));
        assert_eq!(digests.passed(PIECE, |at| Some([at as u8 + 1; 20])), Some(vec![conn(2), conn(4)]));
        assert_eq!((digests.bytes, digests.passed(PIECE, |_| None)), (0, None));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut digests = Digests::default();
        for piece in 0..100 {
            digests.failed(PieceIndex(piece), vec![Some((conn(1), [0; 20])); 4_096]);
            assert!(digests.bytes <= MOST);
        }
        assert!(digests.knows(PieceIndex(99)) && !digests.knows(PieceIndex(0)));
    }
}
