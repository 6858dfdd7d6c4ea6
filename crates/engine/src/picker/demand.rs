//! What readers wait for: pieces with a deadline, which go before everything else.

use std::collections::BTreeMap;
use std::time::Duration;

use types::{PieceIndex, Time};

/// Readers of one torrent whose demands are kept; what more of them ask for waits its turn among the wanted
/// pieces.
const MOST_READERS: usize = 256;
/// Pieces of one demand; a reader names more as it gets on.
const MOST_PIECES: usize = 512;

/// A reader's number, its own within its torrent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReaderId(pub u64);

/// What one reader waits for. It takes the place of what the same reader demanded before; an empty one
/// releases it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Demand {
    /// Who demands.
    pub reader: ReaderId,
    /// Pieces in the order of their urgency, each with the time in which it is needed; wanted or not, they
    /// are fetched. Those beyond the 512th are ignored, and so is a demand of a 257th reader.
    pub pieces: Vec<(PieceIndex, Duration)>,
}

/// The demands of all readers of a torrent.
#[derive(Debug, Default)]
pub(crate) struct Demands {
    by_reader: BTreeMap<ReaderId, Vec<(PieceIndex, Time)>>,
    /// When each piece is needed first.
    first: BTreeMap<PieceIndex, Time>,
    /// The same, most urgent first.
    order: Vec<(Time, PieceIndex)>,
}

impl Demands {
    /// Takes a demand in. `open` tells pieces that can be fetched at all.
    pub(crate) fn set(&mut self, now: Time, demand: &Demand, open: impl Fn(PieceIndex) -> bool) {
        let pieces = demand.pieces.iter().take(MOST_PIECES).map(|(piece, within)| (*piece, now + *within));
        let pieces: Vec<(PieceIndex, Time)> = pieces.filter(|(piece, _)| open(*piece)).collect();
        let known = self.by_reader.contains_key(&demand.reader);
        if pieces.is_empty() {
            self.by_reader.remove(&demand.reader);
        } else if known || self.by_reader.len() < MOST_READERS {
            self.by_reader.insert(demand.reader, pieces);
        }
        self.sort();
    }

    /// The piece is here.
    pub(crate) fn met(&mut self, piece: PieceIndex) {
        if self.first.remove(&piece).is_none() {
            return;
        }
        self.order.retain(|(_, other)| *other != piece);
        self.by_reader.retain(|_, pieces| {
            pieces.retain(|(other, _)| *other != piece);
            !pieces.is_empty()
        });
    }

    /// Whether nobody waits for anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// When the piece is needed, if somebody waits for it.
    pub(crate) fn deadline(&self, piece: PieceIndex) -> Option<Time> {
        self.first.get(&piece).copied()
    }

    /// Pieces with their deadlines, most urgent first.
    pub(crate) fn order(&self) -> &[(Time, PieceIndex)] {
        &self.order
    }

    fn sort(&mut self) {
        self.first.clear();
        for (piece, at) in self.by_reader.values().flatten() {
            self.first.entry(*piece).and_modify(|first| *first = (*first).min(*at)).or_insert(*at);
        }
        self.order = self.first.iter().map(|(piece, at)| (*at, *piece)).collect();
        self.order.sort_unstable();
    }
}

/// How soon a peer would bring blocks that it is asked for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    pub(crate) now: Time,
    /// Before the first new block comes.
    pub(crate) ahead: Duration,
    /// For each new block.
    pub(crate) each: Duration,
    /// What nobody brings much sooner is soon enough.
    pub(crate) patience: Duration,
}

impl Pace {
    /// Of a peer that may be asked for everything.
    #[cfg(test)]
    pub(crate) const ANY: Pace =
        Pace { now: Time::ZERO, ahead: Duration::ZERO, each: Duration::ZERO, patience: Duration::ZERO };

    /// Whether one more block after `asked` new ones comes in time, or as soon as from anybody. What is late
    /// already may come as much later from a peer that nobody is better than.
    pub(crate) fn brings(&self, asked: usize, deadline: Time) -> bool {
        let more = u32::try_from(asked + 1).unwrap_or(u32::MAX);
        let span = self.ahead.saturating_add(self.each.saturating_mul(more));
        let late = self.now.since(deadline);
        span <= self.patience.max(late) || self.now + span <= deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(reader: u64, pieces: &[(u32, u64)]) -> Demand {
        let pieces = pieces.iter().map(|(p, ms)| (PieceIndex(*p), Duration::from_millis(*ms))).collect();
        Demand { reader: ReaderId(reader), pieces }
    }

    fn order(demands: &Demands) -> Vec<u32> {
        demands.order().iter().map(|(_, piece)| piece.0).collect()
    }

    #[test]
    fn the_first_deadline_of_all_readers_counts() {
        let (mut demands, now) = (Demands::default(), Time::from_secs(9));
        demands.set(now, &demand(1, &[(5, 0), (6, 100), (7, 200)]), |_| true);
        demands.set(now, &demand(2, &[(7, 50), (8, 60)]), |_| true);
        assert_eq!(order(&demands), [5, 7, 8, 6]);
        demands.met(PieceIndex(7));
        assert_eq!((order(&demands), demands.deadline(PieceIndex(7))), (vec![5, 8, 6], None));
        demands.set(now, &demand(1, &[]), |_| true);
        assert_eq!(order(&demands), [8]);
        demands.set(now, &demand(2, &[(1, 0), (2, 0)]), |piece| piece.0 != 1);
        assert_eq!(order(&demands), [2]);
        demands.met(PieceIndex(2));
        assert!(demands.is_empty() && demands.by_reader.is_empty());
    }

    #[test]
    fn demands_are_bounded() {
        let mut demands = Demands::default();
        let many: Vec<(u32, u64)> = (0..10_000).map(|p| (p, 0)).collect();
        demands.set(Time::ZERO, &demand(0, &many), |_| true);
        assert_eq!(demands.order().len(), MOST_PIECES);
        (1..1_000).for_each(|n| demands.set(Time::ZERO, &demand(n, &[(9_000 + n as u32, 0)]), |_| true));
        assert_eq!(demands.order().len(), MOST_PIECES + MOST_READERS - 1);
    }

    #[test]
    fn a_slow_peer_gets_what_is_late_only_when_it_is_late_enough() {
        let (now, at) = (Time::from_secs(10), Time::from_secs(8));
        let second = Duration::from_secs(1);
        let pace = |each| Pace { now, ahead: Duration::ZERO, each, patience: second };
        assert!(pace(second).brings(0, now) && !pace(second * 2).brings(0, now));
        assert!(pace(second * 2).brings(0, at) && !pace(second * 2).brings(1, at));
        assert!(pace(second * 2).brings(1, Time::from_secs(14)));
    }
}
