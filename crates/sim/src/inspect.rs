//! Reads what a node sends, byte by byte, and holds it against what its disk really has.
//!
//! It shares nothing with the engine but the wire format: its own view of what was announced and served is compared
//! with the disk model and the original.

use metainfo::Place;
use types::{Bitfield, BlockRef, PieceIndex};
use wire::{FrameHeader, FrameLimits, Handshake, Message, PREFIX_LEN};

use crate::disk::Disk;
use crate::payload::Payload;

/// What the inspector looks at besides the bytes.
pub(crate) struct View<'a> {
    pub(crate) payload: &'a Payload,
    pub(crate) disk: &'a mut Disk,
    /// What the node claimed to have when it was started: it may not ask for any of it.
    pub(crate) claimed: &'a Bitfield,
}

/// One direction of one connection.
#[derive(Debug)]
pub(crate) struct Inspector {
    state: State,
    stash: Vec<u8>,
    limits: FrameLimits,
    /// Payload bytes, without padding, of piece messages that have left whole.
    pub(crate) served: u64,
    /// Blocks asked for.
    pub(crate) requests: u64,
}

#[derive(Debug)]
enum State {
    Handshake,
    Message,
    Payload { block: BlockRef, done: u32 },
}

impl Inspector {
    pub(crate) fn new(pieces: u32) -> Inspector {
        let limits = FrameLimits { pieces: Some(pieces), ..FrameLimits::default() };
        Inspector { state: State::Handshake, stash: Vec::new(), limits, served: 0, requests: 0 }
    }

    /// Takes in bytes that left.
    ///
    /// # Errors
    /// A sentence on what should never have left.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], view: &mut View<'_>) -> Result<(), String> {
        while !bytes.is_empty() {
            match self.state {
                State::Handshake => self.handshake(&mut bytes, view)?,
                State::Message => self.message(&mut bytes, view)?,
                State::Payload { block, done } => self.payload(block, done, &mut bytes, view)?,
            }
        }
        Ok(())
    }

    /// Moves bytes into the stash until it has `len`. False where they do not suffice.
    fn gather(&mut self, bytes: &mut &[u8], len: usize) -> bool {
        let take = len.saturating_sub(self.stash.len()).min(bytes.len());
        self.stash.extend_from_slice(&bytes[..take]);
        *bytes = &bytes[take..];
        self.stash.len() >= len
    }

    fn handshake(&mut self, bytes: &mut &[u8], view: &View<'_>) -> Result<(), String> {
        if !self.gather(bytes, Handshake::LEN) {
            return Ok(());
        }
        let whole = self.stash.first_chunk().ok_or("a short handshake")?;
        let shake = Handshake::decode(whole).map_err(|error| format!("a bad handshake: {error}"))?;
        if !view.payload.info.info_hashes().matches(shake.info_hash) {
            return Err(format!("a handshake for {}", shake.info_hash));
        }
        self.stash.clear();
        self.state = State::Message;
        Ok(())
    }

    fn message(&mut self, bytes: &mut &[u8], view: &mut View<'_>) -> Result<(), String> {
        loop {
            let header = FrameHeader::peek(&self.stash, &self.limits)
                .map_err(|error| format!("a message that is none: {error}"))?;
            let need = match header {
                FrameHeader::NeedMore { len } => len,
                FrameHeader::Piece { block, .. } => {
                    self.check_served(block, view)?;
                    self.stash.clear();
                    self.state = State::Payload { block, done: 0 };
                    return Ok(());
                }
                _ => header.total_len().unwrap_or(PREFIX_LEN),
            };
            if need > self.stash.len() {
                if self.gather(bytes, need) {
                    continue;
                }
                return Ok(());
            }
            let stash = std::mem::take(&mut self.stash);
            let message = Message::decode(&stash[PREFIX_LEN..]).map_err(|error| error.to_string())?;
            return self.check_message(message, view);
        }
    }

    fn check_message(&mut self, message: Message<'_>, view: &mut View<'_>) -> Result<(), String> {
        let geometry = view.payload.info.geometry();
        match message {
            Message::Have(piece) => check_announced(piece, view),
            Message::HaveAll => geometry.piece_indexes().try_for_each(|piece| check_announced(piece, view)),
            Message::Bitfield(bytes) => {
                let have = Bitfield::from_bytes(bytes, geometry.pieces()).map_err(|e| e.to_string())?;
                have.ones().try_for_each(|piece| check_announced(PieceIndex(piece), view))
            }
            Message::Request(block) => {
                self.requests += 1;
                if !geometry.contains(block) {
                    return Err(format!("a request outside the torrent: {block:?}"));
                }
                if data_in(block, view) == 0 {
                    return Err(format!("a request for {block:?}, which is padding"));
                }
                if view.claimed.get(block.piece.0) {
                    return Err(format!("a request for {block:?}, which it claimed to have"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_served(&self, block: BlockRef, view: &mut View<'_>) -> Result<(), String> {
        if !view.payload.info.geometry().contains(block) {
            return Err(format!("a piece message outside the torrent: {block:?}"));
        }
        check_announced(block.piece, view).map_err(|error| format!("served: {error}"))
    }

    fn payload(
        &mut self,
        block: BlockRef,
        done: u32,
        bytes: &mut &[u8],
        view: &View<'_>,
    ) -> Result<(), String> {
        let len = bytes.len().min((block.len - done) as usize);
        let (part, rest) = bytes.split_at(len);
        *bytes = rest;
        let at = view.payload.info.geometry().offset_of(block) + u64::from(done);
        if view.payload.get(at, len) != Some(part) && !view.disk.rotten.get(block.piece.0) {
            return Err(format!("served bytes of {block:?} that are not the original's"));
        }
        let done = done + len as u32;
        self.state = State::Payload { block, done };
        if done == block.len {
            self.served += data_in(block, view);
            self.state = State::Message;
        }
        Ok(())
    }
}

/// Bytes of a block that lie in some file: padding counts for nothing (BEP 47).
fn data_in(block: BlockRef, view: &View<'_>) -> u64 {
    let at = view.payload.info.geometry().offset_of(block);
    let extents = view.payload.info.layout().extents(at..at + u64::from(block.len));
    extents.filter(|extent| extent.place != Place::Zeros).map(|extent| extent.len).sum()
}

/// What is announced or served must be whole and right on the disk, unless it rotted there.
fn check_announced(piece: PieceIndex, view: &mut View<'_>) -> Result<(), String> {
    if view.disk.is_right(piece, view.payload) || view.disk.rotten.get(piece.0) {
        return Ok(());
    }
    Err(format!("piece {piece:?} was announced, but its disk does not have it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskSpec;
    use crate::payload::Shape;
    use std::sync::Arc;
    use types::{PeerId, Rng};
    use wire::Reserved;

    fn bench() -> (Arc<Payload>, Disk, Inspector, Vec<u8>) {
        let shape = Shape::one_file(100_000, 32 << 10);
        let payload = Arc::new(Payload::new(&shape, &mut Rng::from_number(1)));
        let disk = Disk::new(DiskSpec::default(), &payload, Rng::from_number(2));
        let info_hash = payload.info.info_hashes().primary();
        let shake = Handshake { reserved: Reserved::NONE, info_hash, peer_id: PeerId([7; 20]) };
        (payload, disk, Inspector::new(4), shake.encode().to_vec())
    }

    fn feed(message: Message<'_>, filled: bool) -> Result<u64, String> {
        let (payload, mut disk, mut inspector, mut bytes) = bench();
        if filled {
            disk.fill(&payload);
        }
        message.encode(&mut bytes);
        let claimed = Bitfield::new(4);
        for byte in bytes.chunks(1) {
            let mut view = View { payload: &payload, disk: &mut disk, claimed: &claimed };
            inspector.feed(byte, &mut view)?;
        }
        Ok(inspector.served)
    }

    #[test]
    fn announcing_needs_the_data() {
        assert!(feed(Message::Have(PieceIndex(1)), false).is_err());
        assert!(feed(Message::HaveAll, false).is_err());
        assert!(feed(Message::Bitfield(&[0x10]), false).is_err());
        assert_eq!(feed(Message::HaveAll, true), Ok(0));
        assert_eq!(feed(Message::Bitfield(&[0]), false), Ok(0));
    }

    #[test]
    fn serving_needs_the_original() {
        let (payload, ..) = bench();
        let data = &payload.piece(PieceIndex(2))[16_384..];
        assert_eq!(feed(Message::piece(PieceIndex(2), 16_384, data), true), Ok(data.len() as u64));
        assert!(feed(Message::piece(PieceIndex(2), 16_384, data), false).is_err());
        assert!(feed(Message::piece(PieceIndex(1), 16_384, data), true).is_err());
    }
}
