//! The scheduler that keeps SIMD lanes busy with streams of unequal length.
//!
//! Up to sixteen streams occupy lanes. Each step advances lanes by the blocks that the shortest of them still has in
//! one piece, then finished lanes are refilled. The number of occupied lanes picks the kernel of a step, so what
//! remains when the jobs run out goes through the narrow kernels.

use crate::{
    BLOCK_LEN, Sha1, Sha256,
    backend::Backend,
    family::{Family, MAX_LANES, Words},
    sha1::Sha1Family,
    sha256::Sha256Family,
    stream::{Core, digest, padding},
};

/// Streams the narrow kernels choose from: enough to keep both halves of a pair busy to the end.
const NARROW_LANES: usize = 8;

/// Blocks a pair of streams runs before the longest two are chosen anew. Small enough that three equal streams share
/// the pair evenly, large enough that the switch costs nothing.
const PAIR_QUANTUM: usize = 64;

/// A stream in a lane: blocks of the caller's data, and up to two blocks of our own before or after them.
struct Lane<'a> {
    /// The source's name for the stream.
    job: usize,
    body: &'a [u8],
    own: [u8; 2 * BLOCK_LEN],
    own_from: usize,
    own_to: usize,
    own_first: bool,
}

impl<'a> Lane<'a> {
    const EMPTY: Self =
        Lane { job: 0, body: &[], own: [0; 2 * BLOCK_LEN], own_from: 0, own_to: 0, own_first: false };

    fn bytes_left(&self) -> usize {
        self.body.len() + (self.own_to - self.own_from)
    }

    fn in_own(&self) -> bool {
        self.body.is_empty() || (self.own_first && self.own_from < self.own_to)
    }

    /// The bytes that come next and lie in one piece; empty only when the lane is done.
    fn next(&self) -> &[u8] {
        if self.in_own() { &self.own[self.own_from..self.own_to] } else { self.body }
    }

    fn advance(&mut self, bytes: usize) {
        if self.in_own() {
            self.own_from += bytes;
        } else {
            self.body = &self.body[bytes..];
        }
    }
}

/// Where streams come from and their final states go to.
trait Source<'a, const N: usize> {
    /// The next stream that has at least one block, put into `lane`, and its state so far.
    fn admit(&mut self, lane: &mut Lane<'a>) -> Option<[u32; N]>;

    /// Takes the state of `job` after its last block.
    fn retire(&mut self, job: usize, state: &[u32; N]);
}

/// The lanes `0..active` are occupied.
struct Scheduler<'a, const N: usize> {
    words: Words<N>,
    lanes: [Lane<'a>; MAX_LANES],
    active: usize,
}

impl<'a, const N: usize> Scheduler<'a, N> {
    fn new() -> Self {
        Self { words: Words([[0; MAX_LANES]; N]), lanes: [const { Lane::EMPTY }; MAX_LANES], active: 0 }
    }

    /// Runs every stream of `source` to its end.
    fn run<F: Family<N>>(mut self, backend: &Backend, source: &mut impl Source<'a, N>) {
        let plan = F::plan(backend);
        let slots = match plan.lanes() {
            1 => 1,
            2 => NARROW_LANES,
            wide => wide,
        };
        loop {
            self.refill(slots, source);
            if self.active == 0 {
                return;
            }
            if plan.wide16.is_some_and(|(_, from)| self.active >= from) {
                let (data, bytes) = front::<16>(&self.lanes[..self.active]);
                F::wide16(backend, &mut self.words, &data);
                self.advance_all(bytes);
            } else if plan.wide8.is_some_and(|(_, from)| self.active >= from) {
                let (data, bytes) = front::<8>(&self.lanes[..self.active]);
                F::wide8(backend, &mut self.words, &data);
                self.advance_all(bytes);
            } else if self.active > 1 && plan.pair.is_some() {
                self.step_pair::<F>(backend);
            } else {
                self.step_one::<F>(backend);
            }
            self.retire_done(source);
        }
    }

    fn refill(&mut self, slots: usize, source: &mut impl Source<'a, N>) {
        while self.active < slots {
            let Some(state) = source.admit(&mut self.lanes[self.active]) else { return };
            self.words.set(self.active, &state);
            self.active += 1;
        }
    }

    fn retire_done(&mut self, source: &mut impl Source<'a, N>) {
        for lane in (0..self.active).rev() {
            if self.lanes[lane].bytes_left() > 0 {
                continue;
            }
            source.retire(self.lanes[lane].job, &self.words.get(lane));
            self.active -= 1;
            // Occupied lanes stay the first ones.
            if lane != self.active {
                self.lanes.swap(lane, self.active);
                self.words.set(lane, &self.words.get(self.active));
            }
        }
    }

    fn advance_all(&mut self, bytes: usize) {
        for lane in &mut self.lanes[..self.active] {
            lane.advance(bytes);
        }
    }

    /// Advances the two lanes with the most left, so that the last ones to finish do so together.
    fn step_pair<F: Family<N>>(&mut self, backend: &Backend) {
        let (mut a, mut b) = (0, 1);
        if self.lanes[b].bytes_left() > self.lanes[a].bytes_left() {
            (a, b) = (b, a);
        }
        for lane in 2..self.active {
            let left = self.lanes[lane].bytes_left();
            if left > self.lanes[a].bytes_left() {
                (a, b) = (lane, a);
            } else if left > self.lanes[b].bytes_left() {
                b = lane;
            }
        }
        let (left, right) = (self.lanes[a].next(), self.lanes[b].next());
        let mut bytes = left.len().min(right.len());
        if self.active > 2 {
            bytes = bytes.min(PAIR_QUANTUM * BLOCK_LEN);
        }
        let (mut first, mut second) = (self.words.get(a), self.words.get(b));
        F::pair(backend, [&mut first, &mut second], [&left[..bytes], &right[..bytes]]);
        for (lane, state) in [(a, first), (b, second)] {
            self.words.set(lane, &state);
            self.lanes[lane].advance(bytes);
        }
    }

    /// Advances lane 0 by all that it has in one piece.
    fn step_one<F: Family<N>>(&mut self, backend: &Backend) {
        let data = self.lanes[0].next();
        let bytes = data.len();
        let mut state = self.words.get(0);
        F::one(backend, &mut state, data);
        self.words.set(0, &state);
        self.lanes[0].advance(bytes);
    }
}

/// What the next wide step reads: the longest run that every occupied lane has. There is at least one; dead lanes read
/// along with the first, and their states are never looked at.
fn front<'l, const L: usize>(lanes: &'l [Lane<'_>]) -> ([&'l [u8]; L], usize) {
    let bytes = lanes.iter().map(|lane| lane.next().len()).min().unwrap_or(0);
    let data = std::array::from_fn(|i| &lanes.get(i).unwrap_or(&lanes[0]).next()[..bytes]);
    (data, bytes)
}

/// Running streams that each absorb more data.
struct Updates<'j, 's, 'a, H> {
    jobs: &'j mut [(&'s mut H, &'a [u8])],
    next: usize,
}

/// A public hasher, which wraps its state.
trait Hasher<const N: usize> {
    fn core(&mut self) -> &mut Core<N>;
}

impl Hasher<5> for Sha1 {
    fn core(&mut self) -> &mut Core<5> {
        &mut self.0
    }
}

impl Hasher<8> for Sha256 {
    fn core(&mut self) -> &mut Core<8> {
        &mut self.0
    }
}

impl<'a, H: Hasher<N>, const N: usize> Source<'a, N> for Updates<'_, '_, 'a, H> {
    fn admit(&mut self, lane: &mut Lane<'a>) -> Option<[u32; N]> {
        loop {
            let (hasher, data) = self.jobs.get_mut(self.next)?;
            let core = hasher.core();
            let (head, body) = core.absorb(data);
            *lane = Lane { job: self.next, body, own_first: true, ..Lane::EMPTY };
            if let Some(head) = head {
                lane.own[..BLOCK_LEN].copy_from_slice(&head);
                lane.own_to = BLOCK_LEN;
            }
            self.next += 1;
            if lane.bytes_left() > 0 {
                return Some(core.state);
            }
        }
    }

    fn retire(&mut self, job: usize, state: &[u32; N]) {
        self.jobs[job].0.core().state = *state;
    }
}

/// Whole messages that become digests.
struct Messages<'m, 'a, const N: usize, const D: usize> {
    messages: &'m [&'a [u8]],
    out: &'m mut [[u8; D]],
    next: usize,
    iv: [u32; N],
}

impl<'a, const N: usize, const D: usize> Source<'a, N> for Messages<'_, 'a, N, D> {
    fn admit(&mut self, lane: &mut Lane<'a>) -> Option<[u32; N]> {
        let message: &'a [u8] = self.messages.get(self.next)?;
        let (body, tail) = message.split_at(message.len() & !(BLOCK_LEN - 1));
        let (own, own_to) = padding(tail, message.len() as u64);
        *lane = Lane { job: self.next, body, own, own_from: 0, own_to, own_first: false };
        self.next += 1;
        Some(self.iv)
    }

    fn retire(&mut self, job: usize, state: &[u32; N]) {
        self.out[job] = digest(state);
    }
}

fn digest_many<F: Family<N>, const N: usize, const D: usize>(
    backend: &Backend,
    messages: &[&[u8]],
    out: &mut [[u8; D]],
) {
    assert_eq!(messages.len(), out.len(), "as many digests as messages");
    Scheduler::new().run::<F>(backend, &mut Messages { messages, out, next: 0, iv: F::IV });
}

impl Backend {
    /// See [`update_many_sha1`](crate::update_many_sha1).
    pub fn update_many_sha1(&self, jobs: &mut [(&mut Sha1, &[u8])]) {
        let mut source = Updates { jobs, next: 0 };
        Scheduler::new().run::<Sha1Family>(self, &mut source);
    }

    /// See [`update_many_sha256`](crate::update_many_sha256).
    pub fn update_many_sha256(&self, jobs: &mut [(&mut Sha256, &[u8])]) {
        let mut source = Updates { jobs, next: 0 };
        Scheduler::new().run::<Sha256Family>(self, &mut source);
    }

    /// See [`sha1_many`](crate::sha1_many).
    ///
    /// # Panics
    /// If `messages` and `out` differ in length.
    pub fn sha1_many(&self, messages: &[&[u8]], out: &mut [[u8; 20]]) {
        digest_many::<Sha1Family, 5, 20>(self, messages, out);
    }

    /// See [`sha256_many`](crate::sha256_many).
    ///
    /// # Panics
    /// If `messages` and `out` differ in length.
    pub fn sha256_many(&self, messages: &[&[u8]], out: &mut [[u8; 32]]) {
        digest_many::<Sha256Family, 8, 32>(self, messages, out);
    }

    /// See [`sha256_pairs`](crate::sha256_pairs).
    ///
    /// # Panics
    /// If `nodes` is not exactly twice as long as `out`.
    pub fn sha256_pairs(&self, nodes: &[[u8; 32]], out: &mut [[u8; 32]]) {
        assert!(nodes.len().is_multiple_of(2) && nodes.len() / 2 == out.len(), "two nodes for each parent");
        let plan = &self.sha256;
        // No lanes are refilled here: every message is one block of input and one of constant padding.
        let (lanes, from) = match (plan.wide16, plan.wide8) {
            (Some((_, from)), _) => (16, from),
            (_, Some((_, from))) => (8, from),
            _ => (2, 2),
        };
        for (nodes, out) in nodes.chunks(2 * lanes).zip(out.chunks_mut(lanes)) {
            if plan.lanes() > 2 && out.len() >= from {
                pairs_wide(self, nodes, out);
            } else {
                pairs_narrow(self, nodes, out);
            }
        }
    }
}

/// The second block of every 64-byte message.
const PAIR_PADDING: [u8; BLOCK_LEN] = {
    let mut block = [0; BLOCK_LEN];
    block[0] = 0x80;
    block[BLOCK_LEN - 2] = 2;
    block
};

/// Up to as many parents as the widest kernel has lanes.
fn pairs_wide(backend: &Backend, nodes: &[[u8; 32]], out: &mut [[u8; 32]]) {
    let mut words = Words(Sha256Family::IV.map(|word| [word; MAX_LANES]));
    let bytes = nodes.as_flattened();
    let block = |lane: usize| bytes.chunks_exact(BLOCK_LEN).nth(lane).unwrap_or(&PAIR_PADDING);
    if backend.sha256.wide16.is_some() {
        Sha256Family::wide16(backend, &mut words, &std::array::from_fn(block));
        Sha256Family::wide16(backend, &mut words, &[&PAIR_PADDING; 16]);
    } else {
        Sha256Family::wide8(backend, &mut words, &std::array::from_fn(block));
        Sha256Family::wide8(backend, &mut words, &[&PAIR_PADDING; 8]);
    }
    for (lane, out) in out.iter_mut().enumerate() {
        *out = digest(&words.get(lane));
    }
}

fn pairs_narrow(backend: &Backend, nodes: &[[u8; 32]], out: &mut [[u8; 32]]) {
    for (nodes, out) in nodes.chunks(4).zip(out.chunks_mut(2)) {
        let bytes = nodes.as_flattened();
        let mut states = [Sha256Family::IV; 2];
        let [left, right] = &mut states;
        if out.len() == 2 {
            let (first, second) = bytes.split_at(BLOCK_LEN);
            Sha256Family::pair(backend, [left, right], [first, second]);
            Sha256Family::pair(backend, [left, right], [&PAIR_PADDING; 2]);
        } else {
            Sha256Family::one(backend, left, bytes);
            Sha256Family::one(backend, left, &PAIR_PADDING);
        }
        for (out, state) in out.iter_mut().zip(&states) {
            *out = digest(state);
        }
    }
}
