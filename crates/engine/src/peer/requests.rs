//! What we ask of one peer: how much at once, what is owed, and when silence counts.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use types::{BLOCK_LEN, Bitfield, BlockRef, PieceIndex, Time};

use crate::picker::Pieces;

/// How many full queues of blocks that we no longer count on may still come without blame: one given up, and the next
/// one too before the first has come.
const FORGIVEN_QUEUES: usize = 2;
/// A request queue lasts so long at the peer's rate.
const AHEAD: f64 = 3.0;
/// Blocks refused in a row after which the peer is left alone for a while.
const REFUSALS: u32 = 16;
/// What a block is thought to take of a peer that has sent none.
const FRESH: Duration = Duration::from_millis(250);
/// A burst is not judged by less than this.
const SHORTEST_BURST: Duration = Duration::from_millis(50);
/// The least a served peer is asked for at once.
const MIN_WINDOW: u32 = 4;

/// Requests to one peer.
#[derive(Debug)]
pub(crate) struct Requests {
    /// Asked for, with the time, oldest first.
    owed: VecDeque<(BlockRef, Time)>,
    forgiven: VecDeque<BlockRef>,
    /// A block whose header has come and whose end has not.
    arriving: Option<(BlockRef, Time)>,
    /// A block that is being received, and counted as if it were here.
    counted: Option<BlockRef>,
    window: Window,
    /// The last time the peer gave us something, or was first asked after owing nothing.
    progress: Time,
    burst: Burst,
    /// From one block to the next, while some are owed: a running mean, none before the first.
    pace: Option<Duration>,
    snubbed: bool,
    unasked: u32,
    /// Pieces of which it refused a block: it is asked for others, as long as there are any.
    refused: BTreeSet<PieceIndex>,
    /// Blocks refused since the last that came.
    refusals: u32,
}

/// How many requests may be under way.
#[derive(Clone, Copy, Debug)]
struct Window {
    size: u32,
    /// Our own limit, and the peer's `reqq`.
    cap: u32,
    slow_start: bool,
    checked: Time,
    last_rate: f64,
}

/// How much comes at once.
#[derive(Clone, Copy, Debug)]
struct Burst {
    since: Time,
    blocks: u32,
    /// Bytes a second, of the last span that was long enough.
    rate: f64,
}

impl Burst {
    fn grow(&mut self, now: Time) {
        self.blocks += 1;
        let span = now.since(self.since);
        if span >= SHORTEST_BURST {
            let rate = f64::from(self.blocks) * f64::from(BLOCK_LEN) / span.as_secs_f64();
            *self = Burst { since: now, blocks: 0, rate };
        }
    }
}

impl Requests {
    pub(crate) fn new(now: Time, cap: u32) -> Requests {
        Requests {
            owed: VecDeque::new(),
            forgiven: VecDeque::new(),
            arriving: None,
            counted: None,
            window: Window { size: MIN_WINDOW.min(cap), cap, slow_start: true, checked: now, last_rate: 0.0 },
            progress: now,
            burst: Burst { since: now, blocks: 0, rate: 0.0 },
            pace: None,
            snubbed: false,
            unasked: 0,
            refused: BTreeSet::new(),
            refusals: 0,
        }
    }

    /// Blocks asked for and not here.
    pub(crate) fn len(&self) -> usize {
        self.owed.len() + usize::from(self.arriving.is_some())
    }

    pub(crate) fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Whether it has brought something, and brings what it owes.
    pub(crate) fn is_proven(&self) -> bool {
        self.pace.is_some() && !self.snubbed
    }

    /// The peer keeps at most so many requests (BEP 10, `reqq`).
    pub(crate) fn limit(&mut self, reqq: u32) {
        self.window.cap = self.window.cap.min(reqq.max(1));
        self.window.size = self.window.size.min(self.window.cap);
    }

    /// How many blocks to ask for now. Refills in batches, so that requests share segments.
    pub(crate) fn room(&self) -> usize {
        let size = if self.snubbed { 1 } else { self.window.size as usize };
        let under_way = self.len();
        if under_way > size - size / 4 { 0 } else { size.saturating_sub(under_way) }
    }

    pub(crate) fn ask(&mut self, now: Time, block: BlockRef) {
        if self.len() == 0 {
            self.progress = now;
        }
        self.owed.push_back((block, now));
    }

    /// Bytes a second of late: not a mean over seconds, but what the last moments brought.
    pub(crate) fn burst(&self) -> f64 {
        self.burst.rate
    }

    /// Whether the peer is asked for the block.
    pub(crate) fn owes(&self, block: BlockRef) -> bool {
        self.outstanding().any(|(b, _)| b == block)
    }

    /// The header of a block has come. Whether it was asked for, now or earlier.
    pub(crate) fn begins(&mut self, block: BlockRef) -> bool {
        // Peers answer in order, so that the block sought is nearly always the first.
        if let Some(i) = self.owed.iter().position(|(b, _)| *b == block) {
            self.arriving = self.owed.remove(i);
            return true;
        }
        if let Some(i) = self.forgiven.iter().position(|b| *b == block) {
            self.forgiven.remove(i);
            return true;
        }
        self.unasked += 1;
        false
    }

    /// The block whose header has come is taken in, and counts from now on.
    pub(crate) fn takes_in(&mut self, block: BlockRef) {
        self.counted = Some(block);
    }

    /// What was counted and will never be whole, as the connection is gone.
    pub(crate) fn breaks_off(&mut self) -> Option<BlockRef> {
        self.counted.take()
    }

    /// Blocks never asked for since the beginning.
    pub(crate) fn unasked(&self) -> u32 {
        self.unasked
    }

    /// A block has arrived whole.
    pub(crate) fn arrived(&mut self, now: Time, rate: f64) {
        (self.arriving, self.counted) = (None, None);
        self.burst.grow(now);
        let span = now.since(self.progress);
        self.pace = Some(self.pace.map_or(span, |pace| (pace * 7 + span) / 8));
        self.progress = now;
        self.snubbed = false;
        self.refusals = 0;
        self.window.grow(now, rate);
    }

    /// The block will not be asked of this peer any more, and is no offence if it comes.
    pub(crate) fn forgive(&mut self, block: BlockRef) -> bool {
        let Some(i) = self.owed.iter().position(|(b, _)| *b == block) else { return false };
        self.owed.remove(i);
        self.remember(block);
        true
    }

    /// The peer lost a piece: what is owed of it is not waited for.
    pub(crate) fn forgive_piece(&mut self, piece: PieceIndex) -> Vec<BlockRef> {
        let owed: Vec<BlockRef> = self.owed.iter().map(|(b, _)| *b).filter(|b| b.piece == piece).collect();
        owed.iter().for_each(|block| _ = self.forgive(*block));
        self.refusals += owed.len() as u32;
        owed
    }

    /// Whether a peer that gave blocks up may be asked for others at once.
    pub(crate) fn goes_on(&self) -> bool {
        self.refusals < REFUSALS
    }

    /// The peer said it will not send the block (BEP 6). Whether it was asked for it.
    pub(crate) fn rejected(&mut self, block: BlockRef) -> bool {
        if let Some(i) = self.owed.iter().position(|(b, _)| *b == block) {
            self.owed.remove(i);
            return true;
        }
        let cancelled = self.forgiven.iter().position(|b| *b == block);
        cancelled.is_some_and(|i| self.forgiven.remove(i).is_some())
    }

    /// A peer that serves us refused a block: it can't read it, or has too much to do. Whether it may be
    /// asked for others at once.
    pub(crate) fn refused(&mut self, piece: PieceIndex) -> bool {
        self.refused.insert(piece);
        self.refusals += 1;
        self.refusals < REFUSALS && self.len() == 0
    }

    /// Of these pieces those that it may be asked for.
    pub(crate) fn open(&self, pieces: &Pieces, of: u32) -> Option<Pieces> {
        if self.refused.is_empty() {
            return None;
        }
        let mut open = match pieces {
            Pieces::All => Bitfield::full(of),
            Pieces::Some(bits) => bits.clone(),
        };
        self.refused.iter().for_each(|piece| _ = open.remove(piece.0));
        Some(Pieces::Some(open))
    }

    /// Gives up everything that is owed, a block half arrived included; late data is no offence.
    pub(crate) fn give_up(&mut self) -> Vec<BlockRef> {
        let given_up: Vec<BlockRef> = self.outstanding().map(|(block, _)| block).collect();
        self.arriving = None;
        while let Some((block, _)) = self.owed.pop_front() {
            self.remember(block);
        }
        given_up
    }

    /// What was asked for and is not here, with the time of asking: first what is half here.
    fn outstanding(&self) -> impl Iterator<Item = (BlockRef, Time)> + '_ {
        self.arriving.into_iter().chain(self.owed.iter().copied())
    }

    /// Whether the peer has owed us everything for `patience`.
    pub(crate) fn check_snub(&mut self, now: Time, patience: Duration) -> bool {
        if self.len() == 0 || self.progress + patience > now {
            return false;
        }
        self.snubbed = true;
        self.window = Window { size: 1, slow_start: true, ..self.window };
        // One more request is a probe; it has as long as the first ones had.
        self.progress = now;
        true
    }

    /// How long the peer takes for a block, and how long before the first new one comes. A peer that says
    /// nothing is not expected to go on sooner than it has been silent for.
    pub(crate) fn pace(&self, now: Time) -> (Duration, Duration) {
        let each = self.pace.unwrap_or(FRESH);
        if self.len() == 0 {
            return (each, Duration::ZERO);
        }
        let silent = now.since(self.progress).saturating_sub(each);
        (each, silent + each * self.len() as u32)
    }

    /// What was asked for and is not here, with the time from now in which it is expected.
    pub(crate) fn expected(&self, now: Time) -> impl Iterator<Item = (BlockRef, Duration)> + '_ {
        let each = self.pace.unwrap_or(FRESH);
        let silent = now.since(self.progress).saturating_sub(each);
        (1u32..).zip(self.outstanding()).map(move |(n, (block, _))| (block, silent + each * n))
    }

    /// Gives up what `stale` says of what is owed, as [`Requests::forgive`] does.
    pub(crate) fn forgive_where(&mut self, stale: impl Fn(BlockRef) -> bool) -> Vec<BlockRef> {
        let given_up: Vec<BlockRef> = self.owed.iter().map(|(b, _)| *b).filter(|b| stale(*b)).collect();
        self.owed.retain(|(block, _)| !stale(*block));
        given_up.iter().for_each(|block| self.remember(*block));
        given_up
    }

    /// The blocks that take `patience` or longer to come at `rate` bytes a second, with the time expected.
    pub(crate) fn late(
        &self,
        now: Time,
        rate: f64,
        patience: Duration,
    ) -> impl Iterator<Item = (BlockRef, Duration)> + '_ {
        let (silent, each) = (now.since(self.progress), self.pace.unwrap_or_default());
        let span = move |n: u32, asked: Time| {
            let bytes = f64::from(n) * f64::from(BLOCK_LEN);
            // A connection without a rate has given nothing: the future is like the past.
            let span = if rate < 1.0 { now.since(asked).as_secs_f64() } else { bytes / rate };
            let span = Duration::from_secs_f64(span.min(86_400.0));
            // The first blocks of a slow peer come at once and promise too much.
            span.max(silent.saturating_sub(each) + each * n)
        };
        // With a rate each block comes after the one before it: those in front that come in time are passed over.
        let in_time = if rate < 1.0 { 0 } else { first(self.len() as u32, |n| span(n + 1, now) >= patience) };
        let late = (1u32..).zip(self.outstanding()).skip(in_time as usize);
        let late = late.map(move |(n, (block, asked))| (block, span(n, asked)));
        late.filter(move |(_, span)| *span >= patience)
    }

    /// Where nothing has been asked of the peer, and nothing came, for `span`: begins anew with a single
    /// request.
    pub(crate) fn begin_anew(&mut self, now: Time, span: Duration) -> bool {
        let idle = self.len() == 0 && now.since(self.progress) >= span;
        if idle {
            self.window = Window { size: 1, slow_start: true, ..self.window };
            // After many refusals in a row the other pieces have their turn first.
            if self.refusals < REFUSALS {
                self.refused.clear();
            }
            self.refusals = 0;
        }
        idle
    }

    fn remember(&mut self, block: BlockRef) {
        if self.forgiven.len() >= FORGIVEN_QUEUES * self.window.cap as usize {
            self.forgiven.pop_front();
        }
        self.forgiven.push_back(block);
    }
}

impl Window {
    /// Slow start adds one for each block that comes, which doubles the queue in a round trip, until the rate
    /// stops growing; then the queue follows the rate.
    fn grow(&mut self, now: Time, rate: f64) {
        if self.slow_start {
            self.size += 1;
        }
        if now.since(self.checked) >= Duration::from_secs(1) {
            if self.slow_start && rate < self.last_rate + 5_000.0 {
                self.slow_start = false;
            }
            (self.checked, self.last_rate) = (now, rate);
        }
        if !self.slow_start {
            self.size = ((rate * AHEAD / f64::from(BLOCK_LEN)) as u32).max(MIN_WINDOW);
        }
        self.size = self.size.min(self.cap);
    }
}

/// The first of so many numbers of which something holds that holds of all behind it too; their count where it holds of none.
fn first(count: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::PieceIndex;

    fn block(n: u32) -> BlockRef {
        BlockRef { piece: PieceIndex(n), begin: 0, len: BLOCK_LEN }
    }

    #[test]
    fn slow_start_doubles_in_a_round_trip_and_ends_with_the_growth() {
        let mut r = Requests::new(Time::ZERO, 2_000);
        for n in 0..100 {
            r.ask(Time::ZERO, block(n));
        }
        (0..100).for_each(|n| {
            r.begins(block(n));
            r.arrived(Time::from_millis(100), 1e6);
        });
        assert_eq!(r.room(), 104);
        r.arrived(Time::from_secs(2), 1e6);
        r.arrived(Time::from_secs(4), 1e6);
        assert_eq!(r.room(), (3e6 / 16_384.0) as usize);
    }

    /// libtorrent row 13: with the default settings one peer at 1 Gbit/s and 100 ms is asked for enough that its line
    /// stays full.
    #[test]
    fn row_13_the_queue_fills_a_gigabit_at_100_ms() {
        let (line, trip) = (125_000_000.0, 0.1);
        let pipe = (line * trip / f64::from(BLOCK_LEN)) as usize;
        let mut r = Requests::new(Time::ZERO, 2_000);
        let (mut speed, mut full) = (crate::Speed::new(Time::ZERO), 0);
        for round in 1..100u64 {
            (0..r.room()).for_each(|n| r.ask(Time::from_millis(round * 100), block(n as u32)));
            let now = Time::from_millis(round * 100 + 99);
            // What is under way comes within the round trip, as far as the line takes it.
            let came = r.len().min(pipe);
            for _ in 0..came {
                let (next, _) = r.owed[0];
                assert!(r.begins(next));
                speed.add(now, BLOCK_LEN.into());
                let rate = speed.rate(now);
                r.arrived(now, rate);
            }
            if round > 20 {
                full += u32::from(came == pipe);
            }
        }
        assert_eq!(full, 79, "the line is full from the third second on");
        assert!(r.window.size as usize > pipe && r.window.size <= 2_000);
    }

    #[test]
    fn late_data_is_forgiven_and_data_never_asked_for_is_counted() {
        let mut r = Requests::new(Time::ZERO, 10);
        r.ask(Time::ZERO, block(1));
        assert_eq!(r.give_up(), [block(1)]);
        assert!(r.begins(block(1)) && !r.begins(block(1)));
        assert_eq!(r.unasked(), 1);
    }

    /// A full disk gives up whole queues at once, and what is on its way still comes.
    #[test]
    fn a_queue_of_any_length_is_forgiven() {
        let mut r = Requests::new(Time::ZERO, 2_000);
        for round in 0..2 {
            (0..2_000).for_each(|n| r.ask(Time::ZERO, block(round * 2_000 + n)));
            assert_eq!(r.give_up().len(), 2_000);
        }
        assert!((0..4_000).all(|n| r.begins(block(n))));
        assert_eq!((r.unasked(), r.begins(block(0))), (0, false));
    }

    #[test]
    fn silence_snubs_and_one_block_makes_good() {
        let mut r = Requests::new(Time::ZERO, 10);
        let patience = Duration::from_secs(20);
        assert!(!r.check_snub(Time::from_secs(100), patience));
        r.ask(Time::from_secs(100), block(1));
        assert!(!r.check_snub(Time::from_secs(119), patience));
        assert!(r.check_snub(Time::from_secs(120), patience));
        r.give_up();
        assert_eq!((r.room(), r.is_snubbed()), (1, true));
        r.begins(block(1));
        r.arrived(Time::from_secs(130), 0.0);
        assert!(!r.is_snubbed());
    }

    #[test]
    fn the_peers_own_limit_holds() {
        let mut r = Requests::new(Time::ZERO, 2_000);
        r.limit(3);
        (0..50).for_each(|_| r.arrived(Time::ZERO, 1e9));
        assert_eq!(r.room(), 3);
        r.limit(0);
        assert_eq!(r.room(), 1);
    }

    #[test]
    fn what_is_late_is_what_takes_as_long_of_all_that_is_owed() {
        let mut rng = types::Rng::from_number(5);
        for _ in 0..200 {
            let mut r = Requests::new(Time::ZERO, 2_000);
            let (owed, came) = (rng.below(40) as u32, rng.below(5) as u32);
            (0..owed + came).for_each(|n| r.ask(Time::from_secs(n.into()), block(n)));
            // The pace is that of what came, and the silence lasts from then on.
            (0..came).for_each(|n| {
                assert!(r.begins(block(n)));
                r.arrived(Time::from_secs((n * 7).into()), 1e4);
            });
            let now = Time::from_secs(28 + rng.below(30) as u64);
            let rate = [0.0, 0.5, 1e3, 1e5, 1e7][rng.below(5)];
            let patience = Duration::from_millis(rng.below(70_000) as u64);
            let all: Vec<_> = r.late(now, rate, Duration::ZERO).collect();
            assert_eq!(all.len(), owed as usize);
            let late: Vec<_> = all.into_iter().filter(|(_, span)| *span >= patience).collect();
            assert_eq!(r.late(now, rate, patience).collect::<Vec<_>>(), late);
        }
    }
}
