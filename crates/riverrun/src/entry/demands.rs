//! What readers of a torrent wait for.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{Demand, ReaderId};
use types::PieceIndex;

/// The demands of a torrent's readers.
#[derive(Debug, Default)]
pub(crate) struct Demands {
    of: BTreeMap<ReaderId, Demand>,
    /// Readers there were.
    readers: u64,
}

impl Demands {
    /// A number for a new reader.
    pub(crate) fn new_reader(&mut self) -> ReaderId {
        self.readers += 1;
        ReaderId(self.readers)
    }

    /// What a reader waits for from now on, in place of what it waited for before. None where it is nothing,
    /// as before.
    pub(crate) fn set(&mut self, reader: ReaderId, pieces: Vec<(PieceIndex, Duration)>) -> Option<Demand> {
        let demand = Demand { reader, pieces };
        if demand.pieces.is_empty() {
            self.of.remove(&reader)?;
        } else {
            self.of.insert(reader, demand.clone());
        }
        Some(demand)
    }

    /// Every demand.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Demand> {
        self.of.values()
    }

    /// Whether a reader waits for a piece.
    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        self.iter().any(|demand| demand.pieces.iter().any(|(p, _)| *p == piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_stands_until_it_is_taken_back_once() {
        let mut demands = Demands::default();
        let (a, b) = (demands.new_reader(), demands.new_reader());
        assert_ne!(a, b);
        assert!(demands.set(a, Vec::new()).is_none(), "nothing in place of nothing");
        demands.set(a, vec![(PieceIndex(3), Duration::ZERO)]).unwrap();
        demands.set(b, vec![(PieceIndex(3), Duration::ZERO)]).unwrap();
        assert!(demands.set(a, Vec::new()).unwrap().pieces.is_empty());
        assert!(demands.contains(PieceIndex(3)) && !demands.contains(PieceIndex(4)));
        assert_eq!(demands.iter().count(), 1);
    }
}
