//! The brain of one torrent.

use std::sync::Arc;

use types::{Bitfield, BlockRef, Geometry, InfoHashes, PieceIndex, Rng, Time};

use crate::{Arrival, Config, ConnId, Fault, Input, Output, PeerSnapshot, Snapshot};

/// What a torrent's brain begins with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Params {
    /// Settings.
    pub config: Arc<Config>,
    /// The torrent's names.
    pub hashes: InfoHashes,
    /// How its payload is cut.
    pub geometry: Geometry,
    /// Pieces that are verified and stored.
    pub have: Bitfield,
    /// Pieces to be had; verified ones may be among them.
    pub wanted: Bitfield,
    /// Blocks that lie stored and unhashed from an earlier run: the data path hashes them again before they count.
    pub unhashed: Vec<(PieceIndex, Bitfield)>,
    /// Whether it is private (BEP 27).
    pub private: bool,
    /// Whether peers are served.
    pub upload: bool,
}

impl Params {
    /// A torrent of which nothing is here and everything is wanted.
    pub fn new(config: Arc<Config>, hashes: InfoHashes, geometry: Geometry) -> Params {
        let have = Bitfield::new(geometry.pieces());
        let wanted = Bitfield::full(geometry.pieces());
        Params { config, hashes, geometry, have, wanted, unhashed: Vec::new(), private: false, upload: true }
    }
}

/// The brain of one torrent. It begins paused: [`Command::Start`](crate::Command::Start) wakes it.
#[derive(Debug)]
pub struct Torrent {}

impl Torrent {
    /// A torrent at rest.
    pub fn new(params: Params, now: Time, rng: Rng) -> Torrent {
        let _ = (params, now, rng);
        Torrent {}
    }

    /// Takes in something that happened. An error is a rule that the peer of the input broke; the brain has already
    /// queued its [`Output::Disconnect`], so that the caller needs no more than a log line.
    pub fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Fault> {
        let _ = (now, input);
        Ok(())
    }

    /// What to do next; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self, now: Time) -> Output {
        let _ = now;
        unreachable!()
    }

    /// Whether the block whose header just arrived is to be kept. Counts it against the peer where it was not asked for.
    /// [`Arrival::Take`] reserves it: it is answered by [`Input::BlockReceived`], or by [`Input::Closed`].
    pub fn expect_block(&mut self, now: Time, conn: ConnId, block: BlockRef) -> Arrival {
        let _ = (now, conn, block);
        Arrival::Unasked
    }

    /// The torrent at this moment.
    pub fn snapshot(&mut self, now: Time) -> Snapshot {
        let _ = now;
        unreachable!()
    }

    /// Its connections at this moment.
    pub fn peers(&mut self, now: Time) -> Vec<PeerSnapshot> {
        let _ = now;
        Vec::new()
    }
}
