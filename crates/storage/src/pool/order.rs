//! Which jobs of one storage must wait for which.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The number of a job: later jobs have higher ones.
pub(super) type Seq = u64;

/// What a job touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    Read(Range<u64>),
    Write(Range<u64>),
    /// Waits for all writes.
    Sync,
    /// Waits for everything, and everything waits for it.
    Fence,
    /// Waits for fences alone.
    Nothing,
}

/// The jobs of one storage that have not finished.
#[derive(Debug, Default)]
pub(super) struct Order {
    reads: Runs,
    writes: Runs,
    /// Syncs and jobs that touch nothing: only fences wait for them.
    others: BTreeSet<Seq>,
    fences: BTreeSet<Seq>,
}

/// Runs of bytes by where they begin.
#[derive(Debug, Default)]
struct Runs {
    by_start: BTreeMap<(u64, Seq), u64>,
    /// No run is longer than this.
    longest: u64,
}

impl Runs {
    fn insert(&mut self, seq: Seq, range: &Range<u64>) {
        self.by_start.insert((range.start, seq), range.end);
        self.longest = self.longest.max(range.end - range.start);
    }

    fn remove(&mut self, seq: Seq, range: &Range<u64>) {
        self.by_start.remove(&(range.start, seq));
        if self.by_start.is_empty() {
            self.longest = 0;
        }
    }

    fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = Seq> + '_ {
        let (start, from) = (range.start, range.start.saturating_sub(self.longest));
        let near = self.by_start.range((from, 0)..(range.end.max(from), 0));
        near.filter(move |(_, end)| **end > start).map(|((_, seq), _)| *seq)
    }

    fn all(&self) -> impl Iterator<Item = Seq> + '_ {
        self.by_start.keys().map(|(_, seq)| *seq)
    }
}

impl Order {
    /// The unfinished jobs that a new one must wait for.
    pub(super) fn before(&self, touch: &Touch) -> Vec<Seq> {
        let fences = self.fences.iter().copied();
        match touch {
            Touch::Read(range) => fences.chain(self.writes.overlapping(range)).collect(),
            Touch::Write(range) => {
                let writes = self.writes.overlapping(range);
                fences.chain(writes).chain(self.reads.overlapping(range)).collect()
            }
            Touch::Sync => fences.chain(self.writes.all()).collect(),
            Touch::Fence => {
                let runs = self.writes.all().chain(self.reads.all());
                fences.chain(runs).chain(self.others.iter().copied()).collect()
            }
            Touch::Nothing => fences.collect(),
        }
    }

    pub(super) fn insert(&mut self, seq: Seq, touch: &Touch) {
        match touch {
            Touch::Read(range) => self.reads.insert(seq, range),
            Touch::Write(range) => self.writes.insert(seq, range),
            Touch::Sync | Touch::Nothing => _ = self.others.insert(seq),
            Touch::Fence => _ = self.fences.insert(seq),
        }
    }

    pub(super) fn remove(&mut self, seq: Seq, touch: &Touch) {
        match touch {
            Touch::Read(range) => self.reads.remove(seq, range),
            Touch::Write(range) => self.writes.remove(seq, range),
            Touch::Sync | Touch::Nothing => _ = self.others.remove(&seq),
            Touch::Fence => _ = self.fences.remove(&seq),
        }
    }

    /// The write that begins where another ends.
    pub(super) fn write_from(&self, start: u64) -> Option<Seq> {
        self.writes.by_start.range((start, 0)..(start.saturating_add(1), 0)).next().map(|((_, seq), _)| *seq)
    }

    /// The write that ends where another begins, if it is the nearest before it.
    pub(super) fn write_until(&self, end: u64) -> Option<Seq> {
        let ((_, seq), at) = self.writes.by_start.range(..(end, 0)).next_back()?;
        (*at == end).then_some(*seq)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reads.by_start.is_empty()
            && self.writes.by_start.is_empty()
            && self.others.is_empty()
            && self.fences.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_conflicts_waits() {
        let mut order = Order::default();
        order.insert(1, &Touch::Write(0..10));
        order.insert(2, &Touch::Read(20..30));
        order.insert(3, &Touch::Nothing);
        assert_eq!(order.before(&Touch::Read(9..12)), [1]);
        assert_eq!(order.before(&Touch::Read(10..12)), []);
        assert_eq!(order.before(&Touch::Read(25..26)), []);
        assert_eq!(order.before(&Touch::Write(29..40)), [2]);
        assert_eq!(order.before(&Touch::Sync), [1]);
        let mut all = order.before(&Touch::Fence);
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
        order.insert(4, &Touch::Fence);
        assert_eq!(order.before(&Touch::Nothing), [4]);
        assert_eq!((order.write_from(10), order.write_until(10)), (None, Some(1)));
        for (seq, touch) in
            [(1, Touch::Write(0..10)), (2, Touch::Read(20..30)), (3, Touch::Nothing), (4, Touch::Fence)]
        {
            order.remove(seq, &touch);
        }
        assert!(order.is_empty());
    }
}
