//! Which block to ask for next.
//!
//! Rarest first, from [`Rarity`]; pieces that are begun are [`Partial`]s and come first, each with the peer that began
//! it, so that a fast peer fetches whole pieces. When nothing is left that nobody is asked for, an idle peer may be asked
//! for a block that another one owes us (the end-game).
//!
//! What readers [`Demand`] goes before all of that, wanted or not, in the order of its deadlines, to the peers that bring
//! it soonest ([`Pace`]).

mod begun;
mod choose;
mod chosen;
mod demand;
mod partial;
mod priority;
mod rarity;

use std::collections::{BTreeMap, BTreeSet};

use types::{Bitfield, BlockIndex, BlockRef, Geometry, PieceIndex, Rng, Time};

use crate::ConnId;
use begun::Begun;
use demand::Demands;
pub(crate) use demand::Pace;
pub use demand::{Demand, ReaderId};
use partial::{BlockState, Partial};
pub use priority::Priority;
use rarity::Rarity;

/// The order of pieces among equals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Order {
    /// What fewest peers have first (BEP 3's advice); the first pieces at random.
    #[default]
    RarestFirst,
    /// Ascending.
    Sequential,
}

/// What a peer has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pieces {
    /// Everything.
    All,
    /// These.
    Some(Bitfield),
}

impl Pieces {
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Pieces::All => true,
            Pieces::Some(bits) => bits.get(piece.0),
        }
    }
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) conn: ConnId,
    pub(crate) pieces: &'a Pieces,
    /// It was among the senders of a failed piece: it gets pieces alone until one passes.
    pub(crate) parole: bool,
    /// Nobody who is not on parole serves us: what others left half done is its too.
    pub(crate) alone: bool,
    /// How soon it would bring what is urgent.
    pub(crate) pace: Pace,
    /// What it would rather send: preferred among equals (BEP 6).
    pub(crate) suggested: &'a [PieceIndex],
    /// How many pieces it fetches side by side, at least one.
    pub(crate) abreast: u32,
    /// How many blocks it owes when all of this is asked for.
    pub(crate) queue: usize,
}

/// What the arrival of a block means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// A second copy, or one of a piece that is not begun.
    Useless,
    /// A block of a piece that is begun; so many peers were asked for it.
    New { asked: u8 },
}

/// The senders of a piece whose hash has been told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Senders {
    pub(crate) conns: Vec<ConnId>,
    /// Every block is known to come from `conns`.
    pub(crate) complete: bool,
}

/// The state of every piece of one torrent.
#[derive(Debug)]
pub(crate) struct Picker {
    geometry: Geometry,
    order: Order,
    rarity: Rarity,
    partials: BTreeMap<PieceIndex, Partial>,
    begun: Begun,
    have: Bitfield,
    wanted: Bitfield,
    /// What readers wait for, of pieces that are missing.
    demands: Demands,
    /// In share mode: of what is wanted nothing else may be fetched.
    chosen: Option<BTreeSet<PieceIndex>>,
    /// Some pieces are wanted more than others.
    graded: bool,
    /// Wanted pieces that are missing.
    missing: u32,
    peers: u32,
    /// No missing piece lies before this one.
    cursor: u32,
}

impl Picker {
    pub(crate) fn new(geometry: Geometry, have: Bitfield, wanted: Bitfield) -> Picker {
        let mut picker = Picker {
            geometry,
            order: Order::default(),
            rarity: Rarity::default(),
            partials: BTreeMap::new(),
            begun: Begun::default(),
            have,
            wanted,
            demands: Demands::default(),
            chosen: None,
            graded: false,
            missing: 0,
            peers: 0,
            cursor: 0,
        };
        picker.refill();
        picker
    }

    pub(crate) fn have(&self) -> &Bitfield {
        &self.have
    }

    pub(crate) fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    pub(crate) fn missing(&self) -> u32 {
        self.missing
    }

    pub(crate) fn partials(&self) -> u32 {
        self.partials.len() as u32
    }

    /// Payload bytes to come before every wanted piece is here, without padding.
    pub(crate) fn left(&self) -> u64 {
        if self.missing == 0 {
            return 0;
        }
        let whole: u64 = (0..self.geometry.pieces())
            .filter(|&i| self.lacks(i))
            .map(|i| u64::from(self.geometry.piece_data_len(PieceIndex(i))))
            .sum();
        let begun = self.partials.iter().filter(|(piece, _)| self.lacks(piece.0));
        whole - begun.map(|(piece, partial)| self.bytes_here(*piece, partial)).sum::<u64>()
    }

    fn bytes_here(&self, piece: PieceIndex, partial: &Partial) -> u64 {
        let here = partial.iter().filter(|(_, state)| *state == BlockState::Here);
        here.map(|(block, _)| u64::from(self.geometry.data_in(self.geometry.block(piece, block)))).sum()
    }

    pub(crate) fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Blocks of an earlier run.
    pub(crate) fn restore(&mut self, piece: PieceIndex, stored: &Bitfield) {
        if self.geometry.piece_data_len(piece) > 0 && !self.have.get(piece.0) {
            self.begin(piece).restore(stored);
        }
    }

    /// Changes what is to be had. What was not wanted before gets the normal priority.
    pub(crate) fn want(&mut self, wanted: Bitfield) {
        if wanted.len() == self.wanted.len() {
            for piece in wanted.ones().filter(|piece| !self.wanted.get(*piece)) {
                self.rarity.set_priority(PieceIndex(piece), Priority::NORMAL);
            }
            self.wanted = wanted;
            self.refill();
        }
    }

    /// Changes how much each of these pieces is wanted.
    pub(crate) fn prioritize(&mut self, pieces: &[(PieceIndex, Priority)]) {
        let special = |priority: Priority| priority.is_wanted() && priority != Priority::NORMAL;
        if pieces.iter().any(|(_, priority)| special(*priority)) {
            self.wake();
        }
        for (piece, priority) in pieces.iter().filter(|(piece, _)| self.geometry.has_piece(*piece)) {
            self.graded |= special(*priority);
            if priority.is_wanted() {
                self.wanted.insert(piece.0);
                self.rarity.set_priority(*piece, *priority);
            } else {
                self.wanted.remove(piece.0);
            }
        }
        self.refill();
    }

    /// How much a piece is wanted.
    #[cfg(test)]
    pub(crate) fn priority(&self, piece: PieceIndex) -> Priority {
        if self.wanted.get(piece.0) { self.rarity.priority(piece) } else { Priority::NONE }
    }

    /// Takes in what a reader waits for.
    pub(crate) fn demand(&mut self, now: Time, demand: &Demand) {
        let (geometry, have) = (&self.geometry, &self.have);
        let open = |p: PieceIndex| geometry.has_piece(p) && geometry.piece_data_len(p) > 0 && !have.get(p.0);
        self.demands.set(now, demand, open);
    }

    /// When a block is needed, if a reader waits for its piece.
    pub(crate) fn deadline(&self, piece: PieceIndex) -> Option<Time> {
        self.demands.deadline(piece)
    }

    /// Whether readers wait for something.
    pub(crate) fn has_demand(&self) -> bool {
        !self.demands.is_empty()
    }

    /// Whether there is nothing to be fetched: everything wanted is here, and nobody waits for more.
    pub(crate) fn is_content(&self) -> bool {
        self.to_come() == 0 && self.demands.is_empty()
    }

    /// The demanded pieces with blocks that nobody is asked for, most urgent first, with how many.
    pub(crate) fn unasked(&self) -> impl Iterator<Item = (Time, PieceIndex, u32)> + '_ {
        let free = |piece: PieceIndex| {
            self.partials.get(&piece).map_or_else(|| self.geometry.blocks_in(piece), Partial::free)
        };
        let open = self.demands.order().iter().map(move |(at, piece)| (*at, *piece, free(*piece)));
        open.filter(|(_, _, free)| *free > 0)
    }

    /// Replaces what is here, after a recheck. Returns the pieces that are new.
    pub(crate) fn replace_have(&mut self, have: Bitfield) -> Vec<PieceIndex> {
        if have.len() != self.have.len() {
            return Vec::new();
        }
        let fresh = have.ones().filter(|&i| !self.have.get(i)).map(PieceIndex).collect();
        // What was half done is fetched anew: the data path forgets its running hashes as well.
        self.partials.clear();
        self.begun.clear();
        have.ones().for_each(|piece| self.demands.met(PieceIndex(piece)));
        self.have = have;
        self.refill();
        fresh
    }

    /// A peer comes (`true`) or goes.
    pub(crate) fn peer(&mut self, pieces: &Pieces, comes: bool) {
        self.peers = if comes { self.peers + 1 } else { self.peers.saturating_sub(1) };
        match pieces {
            Pieces::All => self.rarity.seed(comes),
            // Of nothing nothing is to be counted.
            Pieces::Some(bits) if bits.count() == 0 => {}
            Pieces::Some(bits) => {
                self.wake();
                self.rarity.peer(bits, comes);
            }
        }
        if self.peers == 0 && !self.graded {
            self.rarity.sleep();
        }
    }

    /// Makes the state that picking needs: a torrent without peers goes without it.
    fn wake(&mut self) {
        if !self.rarity.is_awake() {
            self.rarity.wake(self.geometry.pieces());
            self.fill_queue();
        }
    }

    /// A peer got one more piece.
    pub(crate) fn peer_has(&mut self, piece: PieceIndex) {
        self.wake();
        self.rarity.change(piece, true);
    }

    /// A peer lost a piece.
    pub(crate) fn peer_lost(&mut self, piece: PieceIndex) {
        self.wake();
        self.rarity.change(piece, false);
    }

    /// How many peers have a piece.
    pub(crate) fn availability(&self, piece: PieceIndex) -> u32 {
        self.rarity.availability(piece)
    }

    /// Whether a peer has something to be had.
    pub(crate) fn is_interesting(&self, pieces: &Pieces) -> bool {
        match pieces {
            _ if self.is_content() => false,
            Pieces::All => true,
            pieces if self.demands.order().iter().any(|(_, piece)| pieces.has(*piece)) => true,
            _ if self.to_come() == 0 => false,
            pieces if self.chosen.is_some() => self.chosen().any(|piece| pieces.has(piece)),
            Pieces::Some(bits) => bits.ones().any(|i| self.lacks(i)),
        }
    }

    /// Whether this piece is to be had.
    pub(crate) fn lacks(&self, piece: u32) -> bool {
        self.wanted.get(piece) && !self.have.get(piece)
    }

    /// Whether this piece is to be fetched, since it is wanted or a reader waits for it.
    pub(crate) fn is_sought(&self, piece: PieceIndex) -> bool {
        self.fetches(piece) || self.demands.deadline(piece).is_some()
    }

    /// Whether everything that is to be had is asked for: the end-game.
    pub(crate) fn is_endgame(&mut self, rng: &mut Rng) -> bool {
        self.wake();
        let free =
            |(piece, p): (&PieceIndex, &Partial)| p.free() > 0 && self.is_sought(*piece) && !p.exclusive;
        let begun = |(_, piece): &(Time, PieceIndex)| self.partials.contains_key(piece);
        // A copy that comes twice would have to be paid back as well.
        self.chosen.is_none()
            && !self.is_content()
            && self.demands.order().iter().all(begun)
            && !self.partials.iter().any(free)
            && self.rarity.reachable(rng) == 0
    }

    /// How many peers are asked for a block.
    pub(crate) fn owing(&self, block: BlockRef) -> u8 {
        if let Some(BlockState::Asked(owing)) = self.state_of(block) { owing } else { 0 }
    }

    /// Asks this peer too for a block that so many others, and no more, owe us. Whether it may be asked.
    pub(crate) fn ask_again(&mut self, asker: Asker<'_>, block: BlockRef, owing: u8) -> bool {
        let may = self.is_sought(block.piece) && asker.pieces.has(block.piece) && !asker.parole;
        let Some((partial, index)) = self.partial_of(block).filter(|(p, _)| may && !p.exclusive) else {
            return false;
        };
        let as_many = partial.state(index) == Some(BlockState::Asked(owing));
        if as_many {
            partial.ask(index);
        }
        as_many
    }

    /// A peer will not send this block.
    pub(crate) fn release(&mut self, block: BlockRef) {
        let Some((partial, index)) = self.partial_of(block) else { return };
        partial.release(index);
        if partial.is_untouched() && !partial.exclusive {
            self.partials.remove(&block.piece);
            self.offer(block.piece);
        }
    }

    /// Whether this block is still of use.
    pub(crate) fn needs(&self, block: BlockRef) -> bool {
        matches!(self.state_of(block), Some(BlockState::Free | BlockState::Asked(_)))
    }

    /// A block has arrived. It may be of a piece that was given up meanwhile: the data path has it, and who sent it
    /// has to be known when the piece fails.
    pub(crate) fn receive(&mut self, block: BlockRef, from: ConnId) -> Received {
        if self.is_sought(block.piece)
            && !self.have.get(block.piece.0)
            && self.geometry.exact_block(block).is_some()
        {
            self.begin(block.piece);
        }
        let received = self.partial_of(block).and_then(|(partial, index)| partial.receive(index, from));
        received.map_or(Received::Useless, |asked| Received::New { asked })
    }

    /// The peer is gone or silent: others may finish what it began.
    pub(crate) fn disown(&mut self, conn: ConnId) {
        for piece in self.begun.leave(conn) {
            let partial = self.partials.get_mut(&piece);
            let Some(partial) = partial.filter(|partial| partial.owner == Some(conn)) else { continue };
            partial.owner = None;
            self.begun.free(piece);
            // An attempt by one peer alone that broke off is no verdict; let it be begun anew by another one alone.
            if partial.exclusive && !partial.is_untouched() && !partial.is_whole() && partial.here() > 0 {
                partial.exclusive = false;
            }
        }
    }

    /// Whether a piece is open that this peer gave a block of.
    pub(crate) fn is_open_sender(&self, conn: ConnId) -> bool {
        self.partials.values().any(|partial| partial.senders().contains(&conn)) || self.is_suspect(conn)
    }

    /// Whether this peer gave a block of a piece that failed and has not passed since.
    pub(crate) fn is_suspect(&self, conn: ConnId) -> bool {
        self.partials.values().any(|partial| partial.suspects.contains(&conn))
    }

    /// The senders of earlier attempts at a piece, whose part in it is settled.
    pub(crate) fn take_suspects(&mut self, piece: PieceIndex) -> Vec<ConnId> {
        let partial = self.partials.get_mut(&piece);
        partial.map(|partial| std::mem::take(&mut partial.suspects)).unwrap_or_default()
    }

    /// The piece passed and is stored. Returns who sent it, or None where it was here already.
    pub(crate) fn passed(&mut self, piece: PieceIndex) -> Option<Senders> {
        if !self.have.insert(piece.0) {
            return None;
        }
        self.missing -= u32::from(self.wanted.get(piece.0));
        self.demands.met(piece);
        self.renounce(piece);
        self.rarity.remove(piece);
        Some(self.partials.remove(&piece).map_or_else(Senders::default, |p| senders(&p)))
    }

    /// What is stored of a piece is in doubt. Nothing is asked for before its hash is told. Whether it counted until now.
    pub(crate) fn doubt(&mut self, piece: PieceIndex) -> bool {
        if !self.have.remove(piece.0) {
            return false;
        }
        self.missing += u32::from(self.wanted.get(piece.0));
        self.cursor = self.cursor.min(piece.0);
        let whole = Bitfield::full(self.geometry.blocks_in(piece));
        self.begin(piece).restore(&whole);
        true
    }

    /// The piece failed and may be asked for again. Returns who sent it.
    pub(crate) fn failed(&mut self, piece: PieceIndex) -> Senders {
        let Some(partial) = self.partials.get_mut(&piece) else { return Senders::default() };
        let blame = senders(partial);
        partial.restart();
        self.begun.free(piece);
        blame
    }

    /// How far a block of a piece that is begun has come.
    fn state_of(&self, block: BlockRef) -> Option<BlockState> {
        self.partials.get(&block.piece)?.state(self.geometry.exact_block(block)?)
    }

    fn partial_of(&mut self, block: BlockRef) -> Option<(&mut Partial, BlockIndex)> {
        let index = self.geometry.exact_block(block)?;
        Some((self.partials.get_mut(&block.piece)?, index))
    }

    fn begin(&mut self, piece: PieceIndex) -> &mut Partial {
        self.rarity.remove(piece);
        let geometry = &self.geometry;
        let is_padding = |block| geometry.data_in(geometry.block(piece, block)) == 0;
        self.partials.entry(piece).or_insert_with(|| {
            self.begun.free(piece);
            Partial::new(geometry.blocks_in(piece), is_padding)
        })
    }

    /// Lets a piece be begun, where it is to be had at all.
    fn offer(&mut self, piece: PieceIndex) {
        if self.lacks(piece.0) {
            self.rarity.insert(piece);
        }
    }

    fn refill(&mut self) {
        self.missing = (0..self.geometry.pieces()).filter(|&i| self.lacks(i)).count() as u32;
        self.cursor = 0;
        self.review_chosen();
        if self.rarity.is_awake() {
            self.fill_queue();
        }
    }

    /// Puts into the queue what may be begun.
    fn fill_queue(&mut self) {
        let (wanted, have, partials) = (&self.wanted, &self.have, &self.partials);
        let free = |i: &u32| wanted.get(*i) && !have.get(*i) && !partials.contains_key(&PieceIndex(*i));
        self.rarity.reset((0..self.geometry.pieces()).filter(free));
        // What is padding from end to end the data path finds out alone: nobody is asked for it.
        self.geometry.padding_pieces().for_each(|piece| self.rarity.remove(piece));
    }
}

fn senders(partial: &Partial) -> Senders {
    // A block that is not here as far as we know was stored all the same, or the piece had no verdict.
    let complete = partial.is_whole() && !partial.has_unknown_sender();
    Senders { conns: partial.senders().to_vec(), complete }
}

#[cfg(test)]
mod tests;
