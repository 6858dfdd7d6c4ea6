//! Super-seeding (BEP 16): a seed that looks as if it had nothing, and gives each piece to one peer first.
//!
//! Each peer is shown a few pieces; it is shown more when somebody else has them, which means that it passed
//! them on. As long as there are pieces that no peer has, none is given out twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use types::{PieceIndex, Rng, Time};

use crate::ConnId;

/// Pieces that a peer has in hand at a time: one to fetch, one to pass on.
const IN_HAND: usize = 2;
/// A peer that has its piece and finds nobody to pass it on to is shown more after so long.
const NOT_PASSED_ON: Duration = Duration::from_secs(20);
/// A piece that its peer does not fetch for so long is given to others.
const NOT_FETCHED: Duration = Duration::from_secs(120);
/// A peer for which nothing was found is not looked for again for so long, and for so long more for each
/// piece.
const SEARCH_AGAIN: Duration = Duration::from_millis(500);
const SEARCH_A_PIECE: Duration = Duration::from_micros(10);

/// Who was shown what.
#[derive(Debug, Default)]
pub(crate) struct SuperSeed {
    peers: BTreeMap<ConnId, Shown>,
    /// How many peers have each piece in hand.
    held: BTreeMap<PieceIndex, u32>,
}

#[derive(Debug, Default)]
struct Shown {
    all: BTreeSet<PieceIndex>,
    in_hand: Vec<InHand>,
    next_search: Time,
}

#[derive(Clone, Copy, Debug)]
struct InHand {
    piece: PieceIndex,
    since: Time,
    /// Bytes of it that were sent.
    sent: u32,
}

/// What the torrent knows of a piece that a peer has in hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// The peer has not got it yet.
    Missing,
    /// The peer has it, and nobody else.
    Fetched,
    /// Somebody else has it too.
    PassedOn,
}

impl SuperSeed {
    /// A peer came that was told that nothing is here.
    pub(crate) fn join(&mut self, conn: ConnId) {
        self.peers.entry(conn).or_default();
    }

    /// A peer is gone: what it had in hand is free for others.
    pub(crate) fn part(&mut self, conn: ConnId) {
        let gone = self.peers.remove(&conn).map(|shown| shown.in_hand).unwrap_or_default();
        gone.into_iter().for_each(|hand| self.let_go(hand.piece));
    }

    /// The peers that were told that nothing is here.
    pub(crate) fn peers(&self) -> Vec<ConnId> {
        self.peers.keys().copied().collect()
    }

    /// Whether everybody was told of everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether a peer may have a piece. One that came before the super-seeding was told of everything.
    pub(crate) fn shows(&self, conn: ConnId, piece: PieceIndex) -> bool {
        self.peers.get(&conn).is_none_or(|shown| shown.all.contains(&piece))
    }

    /// Bytes of a piece have left for a peer. Whether by now as many as the piece has: many peers do not tell
    /// us that they have what we have.
    pub(crate) fn sent(&mut self, conn: ConnId, piece: PieceIndex, bytes: u32, of: u32) -> bool {
        let shown = self.peers.get_mut(&conn);
        let Some(hand) = shown.and_then(|shown| shown.in_hand.iter_mut().find(|hand| hand.piece == piece))
        else {
            return false;
        };
        hand.sent = hand.sent.saturating_add(bytes);
        hand.sent >= of
    }

    /// Takes out of a peer's hands what needs no more of its care.
    pub(crate) fn review(&mut self, now: Time, conn: ConnId, progress: impl Fn(PieceIndex) -> Progress) {
        let Some(shown) = self.peers.get_mut(&conn) else { return };
        let over = |hand: &InHand| match progress(hand.piece) {
            Progress::PassedOn => true,
            Progress::Fetched => now.since(hand.since) >= NOT_PASSED_ON,
            Progress::Missing => now.since(hand.since) >= NOT_FETCHED,
        };
        let (done, keep): (Vec<_>, Vec<_>) = shown.in_hand.drain(..).partition(over);
        shown.in_hand = keep;
        done.into_iter().for_each(|hand| self.let_go(hand.piece));
    }

    /// The next piece to show to a peer that has room for one: the rarest it lacks, at random among equals.
    /// `copies` tells how many peers have a piece, `lacks` whether this one does not.
    pub(crate) fn show(
        &mut self,
        now: Time,
        conn: ConnId,
        pieces: u32,
        copies: impl Fn(PieceIndex) -> u32,
        lacks: impl Fn(PieceIndex) -> bool,
        rng: &mut Rng,
    ) -> Option<PieceIndex> {
        let shown = self.peers.get(&conn)?;
        if shown.in_hand.len() >= IN_HAND || !shown.next_search.is_due(now) || pieces == 0 {
            return None;
        }
        let piece = self.search(shown, pieces, copies, lacks, rng.below(pieces as usize) as u32);
        let shown = self.peers.get_mut(&conn)?;
        let Some(piece) = piece else {
            shown.next_search = now + SEARCH_AGAIN + SEARCH_A_PIECE * pieces;
            return None;
        };
        shown.all.insert(piece);
        shown.in_hand.push(InHand { piece, since: now, sent: 0 });
        *self.held.entry(piece).or_default() += 1;
        Some(piece)
    }

    /// Looks through the pieces from `start` on, round to it. The first that nobody has, and nobody is about
    /// to have, is as good as any.
    fn search(
        &self,
        shown: &Shown,
        pieces: u32,
        copies: impl Fn(PieceIndex) -> u32,
        lacks: impl Fn(PieceIndex) -> bool,
        start: u32,
    ) -> Option<PieceIndex> {
        let (mut best, mut some_are_nobodys) = (None, false);
        for piece in (start..pieces).chain(0..start).map(PieceIndex) {
            let copies = copies(piece);
            some_are_nobodys |= copies == 0;
            let rank = copies + self.held.get(&piece).copied().unwrap_or(0);
            let better = best.is_none_or(|(least, _)| rank < least);
            if better && lacks(piece) && !shown.all.contains(&piece) {
                best = Some((rank, piece));
                if rank == 0 {
                    break;
                }
            }
        }
        // While some piece is nobody's, what others have or fetch is not given out again.
        best.filter(|(rank, _)| *rank == 0 || !some_are_nobodys).map(|(_, piece)| piece)
    }

    fn let_go(&mut self, piece: PieceIndex) {
        if let Some(held) = self.held.get_mut(&piece) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&piece);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(n: u32) -> ConnId {
        ConnId::new(n, 0)
    }

    fn show(s: &mut SuperSeed, now: u64, n: u32, copies: impl Fn(PieceIndex) -> u32) -> Vec<PieceIndex> {
        let (mut rng, now) = (Rng::from_number(n.into()), Time::from_secs(now));
        std::iter::from_fn(|| s.show(now, conn(n), 9, &copies, |_| true, &mut rng)).collect()
    }

    #[test]
    fn every_piece_goes_to_one_peer_first() {
        let mut s = SuperSeed::default();
        let mut given = BTreeSet::new();
        for n in 0..5 {
            s.join(conn(n));
            let shown = show(&mut s, 0, n, |_| 0);
            assert_eq!(shown.len(), if n < 4 { 2 } else { 1 });
            assert!(shown.iter().all(|piece| given.insert(*piece) && s.shows(conn(n), *piece)));
        }
        assert_eq!(given.len(), 9);
        s.join(conn(9));
        assert!(show(&mut s, 0, 9, |_| 0).is_empty(), "the rest is under way");
        let gone: Vec<PieceIndex> = (0..9).map(PieceIndex).filter(|piece| s.shows(conn(0), *piece)).collect();
        s.part(conn(0));
        assert!(show(&mut s, 0, 9, |_| 0).is_empty(), "nothing was found a moment ago");
        let mut shown = show(&mut s, 1, 9, |_| 0);
        shown.sort();
        assert_eq!(shown, gone, "what a peer took away is given to another");
        assert!(s.shows(conn(77), PieceIndex(3)), "who came before was told of everything");
    }

    #[test]
    fn more_is_shown_when_a_piece_was_passed_on_or_nobody_takes_it() {
        let mut s = SuperSeed::default();
        s.join(conn(0));
        let first = show(&mut s, 0, 0, |_| 0);
        s.review(Time::ZERO, conn(0), |_| Progress::Fetched);
        assert!(show(&mut s, 0, 0, |_| 0).is_empty());
        s.review(Time::ZERO, conn(0), |p| if p == first[0] { Progress::PassedOn } else { Progress::Fetched });
        assert_eq!(show(&mut s, 0, 0, |_| 0).len(), 1);
        s.review(Time::from_secs(20), conn(0), |_| Progress::Fetched);
        assert_eq!(show(&mut s, 20, 0, |_| 0).len(), 2);
        s.review(Time::from_secs(139), conn(0), |_| Progress::Missing);
        assert!(show(&mut s, 139, 0, |_| 0).is_empty());
        s.review(Time::from_secs(140), conn(0), |_| Progress::Missing);
        assert_eq!(show(&mut s, 140, 0, |_| 0).len(), 2);
    }

    #[test]
    fn when_everything_is_out_the_rarest_comes() {
        let mut s = SuperSeed::default();
        s.join(conn(0));
        assert_eq!(show(&mut s, 0, 0, |piece| 1 + piece.0)[..], [PieceIndex(0), PieceIndex(1)]);
    }
}
