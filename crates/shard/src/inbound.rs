//! Framing of what one connection receives.

use types::BlockRef;
use wire::{FrameHeader, FrameLimits, Message, PIECE_HEADER_LEN, PREFIX_LEN};

use crate::{Block, Pool};

/// What comes next in the stream.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// All bytes are used up.
    More,
    /// A whole message, never a piece.
    Message(Message<'a>),
    /// The header of a piece message. Answer with [`Inbound::take`], [`Inbound::skip`] or [`Inbound::hold`]
    /// before the next step.
    Header(BlockRef),
    /// A block that was taken is whole.
    Block(BlockRef, Block),
}

/// The bytes of a message that is not whole yet, or the block in arrival. Between messages it holds no
/// memory.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    stash: Vec<u8>,
    /// The stash was handed out as a message and is to be emptied.
    spent: bool,
    /// The stash holds bytes that were not looked at yet, for want of a buffer.
    held: bool,
    payload: Payload,
    /// The last message was a block that was taken.
    after_block: bool,
}

#[derive(Debug, Default)]
enum Payload {
    #[default]
    None,
    Skip(usize),
    Block {
        run: BlockRef,
        block: Block,
        filled: usize,
    },
}

impl Inbound {
    /// Keeps bytes of a handshake; they are few, the caller sees to that.
    pub(crate) fn gather(&mut self, bytes: &[u8]) -> &[u8] {
        self.stash.extend_from_slice(bytes);
        &self.stash
    }

    /// Takes out what was gathered.
    pub(crate) fn gathered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stash)
    }

    /// How many bytes are gathered.
    pub(crate) fn gathered_len(&self) -> usize {
        self.stash.len()
    }

    /// Where the next bytes of the block in arrival belong.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        match &mut self.payload {
            Payload::Block { block, filled, .. } => &mut block.as_mut()[*filled..],
            _ => &mut [],
        }
    }

    /// So many bytes were put into [`Inbound::room`].
    pub(crate) fn filled(&mut self, bytes: usize) {
        if let Payload::Block { block, filled, .. } = &mut self.payload {
            *filled = (*filled + bytes).min(block.len());
        }
    }

    /// Whether a block is likely to come next, after the one in arrival.
    pub(crate) fn expects_block(&self) -> bool {
        match &self.payload {
            Payload::Block { .. } => true,
            Payload::Skip(_) => false,
            Payload::None => self.after_block && self.is_between(),
        }
    }

    /// The block that these bytes begin, where they are a whole header and nothing else is in arrival.
    pub(crate) fn whole_header(&self, bytes: &[u8], limits: &FrameLimits) -> Option<BlockRef> {
        if !self.is_between() || bytes.len() < PIECE_HEADER_LEN {
            return None;
        }
        match FrameHeader::peek(bytes, limits) {
            Ok(FrameHeader::Piece { block, .. }) => Some(block),
            _ => None,
        }
    }

    /// Whether the last message has come whole, and nothing of the next one.
    fn is_between(&self) -> bool {
        matches!(self.payload, Payload::None) && self.stash.is_empty()
    }

    /// The next step. Uses up `bytes` from the front.
    ///
    /// # Errors
    /// The bytes are no message; the connection can't go on.
    pub(crate) fn next<'s, 'b: 's>(
        &'s mut self,
        bytes: &mut &'b [u8],
        limits: &FrameLimits,
    ) -> Result<Step<'s>, wire::Error> {
        if std::mem::take(&mut self.spent) {
            self.stash = Vec::new();
        }
        if let Some((run, block)) = self.payload_step(bytes) {
            self.after_block = true;
            return Ok(Step::Block(run, block));
        }
        if !matches!(self.payload, Payload::None) {
            return Ok(Step::More);
        }
        let fresh = self.stash.is_empty();
        let header = if fresh { FrameHeader::peek(bytes, limits)? } else { self.complete(bytes, limits)? };
        let whole = match header {
            FrameHeader::Piece { block, .. } => return Ok(Step::Header(block)),
            _ => header.total_len(),
        };
        let Some(len) = whole.filter(|&len| len <= if fresh { bytes.len() } else { self.stash.len() }) else {
            self.stash.extend_from_slice(bytes);
            *bytes = &[];
            return Ok(Step::More);
        };
        let frame = if fresh {
            let (frame, rest) = bytes.split_at(len);
            *bytes = rest;
            frame
        } else {
            self.spent = true;
            &self.stash
        };
        self.after_block = false;
        Ok(Step::Message(Message::decode(&frame[PREFIX_LEN..])?))
    }

    /// Moves bytes into the payload in arrival, and answers the block when it is whole.
    fn payload_step(&mut self, bytes: &mut &[u8]) -> Option<(BlockRef, Block)> {
        let used = match &mut self.payload {
            Payload::None => return None,
            Payload::Skip(left) => {
                let n = bytes.len().min(*left);
                *left -= n;
                n
            }
            Payload::Block { .. } => {
                let room = self.room();
                let n = bytes.len().min(room.len());
                room[..n].copy_from_slice(&bytes[..n]);
                self.filled(n);
                n
            }
        };
        *bytes = &bytes[used..];
        let done = match &self.payload {
            Payload::None => false,
            Payload::Skip(left) => *left == 0,
            Payload::Block { block, filled, .. } => *filled == block.len(),
        };
        if !done {
            return None;
        }
        match std::mem::take(&mut self.payload) {
            Payload::Block { run, block, .. } => Some((run, block)),
            _ => None,
        }
    }

    /// Fills the stash up to the end of its message, or of its header for a piece, as far as `bytes` go.
    fn complete(&mut self, bytes: &mut &[u8], limits: &FrameLimits) -> Result<FrameHeader, wire::Error> {
        loop {
            let header = FrameHeader::peek(&self.stash, limits)?;
            let want = match header {
                FrameHeader::NeedMore { len } => len,
                FrameHeader::Piece { .. } => return Ok(header),
                _ => header.total_len().unwrap_or(PREFIX_LEN),
            };
            let n = want.saturating_sub(self.stash.len()).min(bytes.len());
            if n == 0 {
                return Ok(header);
            }
            self.stash.extend_from_slice(&bytes[..n]);
            *bytes = &bytes[n..];
        }
    }

    /// The payload of the header goes into `block`, whose length is that of the payload.
    pub(crate) fn take(&mut self, run: BlockRef, block: Block, bytes: &mut &[u8]) {
        self.pass_header(bytes);
        self.payload = Payload::Block { run, block, filled: 0 };
    }

    /// The payload of the header is read past.
    pub(crate) fn skip(&mut self, run: BlockRef, bytes: &mut &[u8]) {
        self.pass_header(bytes);
        self.payload = Payload::Skip(run.len as usize);
    }

    fn pass_header(&mut self, bytes: &mut &[u8]) {
        if self.stash.is_empty() {
            *bytes = bytes.get(PIECE_HEADER_LEN..).unwrap_or(&[]);
        } else {
            self.stash = Vec::new();
        }
    }

    /// Keeps what is left for later, the header included, as there is no buffer now.
    pub(crate) fn hold(&mut self, bytes: &mut &[u8]) {
        self.stash.extend_from_slice(bytes);
        *bytes = &[];
        self.held = true;
    }

    /// Takes out what was held.
    pub(crate) fn take_held(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.held).then(|| std::mem::take(&mut self.stash))
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        if let Payload::Block { block, .. } = std::mem::take(&mut self.payload) {
            pool.unlend(block);
        }
        *self = Inbound::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::PieceIndex;

    fn stream() -> (Vec<u8>, Vec<String>) {
        let mut out = Vec::new();
        let mut expected = Vec::new();
        let mut say = |message: Message<'_>| {
            message.encode(&mut out);
            expected.push(match message {
                Message::Piece { block, data } if block.piece.0 == 1 => format!("block {block:?} {data:?}"),
                Message::Piece { .. } => return,
                other => format!("{other:?}"),
            });
        };
        say(Message::KeepAlive);
        say(Message::Bitfield(&[0xff, 0xc0]));
        say(Message::Unchoke);
        say(Message::piece(PieceIndex(1), 0, &[1, 2, 3, 4, 5, 6, 7]));
        say(Message::piece(PieceIndex(2), 0, &[9; 5]));
        say(Message::piece(PieceIndex(2), 0, &[]));
        say(Message::Have(PieceIndex(3)));
        say(Message::piece(PieceIndex(1), 7, &[8]));
        say(Message::Extended { id: 0, payload: b"de" });
        (out, expected)
    }

    fn read(inbound: &mut Inbound, mut bytes: &[u8], holds: bool, seen: &mut Vec<String>) {
        let limits = FrameLimits { pieces: Some(10), ..FrameLimits::default() };
        loop {
            match inbound.next(&mut bytes, &limits).unwrap() {
                Step::More => break,
                Step::Message(message) => seen.push(format!("{message:?}")),
                Step::Header(run) if holds => {
                    let _ = run;
                    inbound.hold(&mut bytes);
                    return;
                }
                Step::Header(run) if run.piece.0 == 1 => {
                    let block = Pool::new(1).lend(run.len as usize);
                    inbound.take(run, block, &mut bytes);
                }
                Step::Header(run) => inbound.skip(run, &mut bytes),
                Step::Block(run, block) => seen.push(format!("block {run:?} {:?}", block.as_ref())),
            }
        }
        assert!(bytes.is_empty());
    }

    #[test]
    fn every_split_of_the_stream_gives_the_same_messages() {
        let (bytes, expected) = stream();
        for a in 0..=bytes.len() {
            for b in a..=bytes.len() {
                let (mut inbound, mut seen) = (Inbound::default(), Vec::new());
                for part in [&bytes[..a], &bytes[a..b], &bytes[b..]] {
                    read(&mut inbound, part, false, &mut seen);
                }
                assert_eq!(seen, expected, "{a} {b}");
                assert_eq!(inbound.stash.len(), 0);
            }
        }
    }

    #[test]
    fn byte_by_byte_with_the_payload_read_in_place() {
        let (bytes, expected) = stream();
        let (mut inbound, mut seen, mut at) = (Inbound::default(), Vec::new(), 0);
        while at < bytes.len() {
            let room = inbound.room();
            if room.is_empty() {
                read(&mut inbound, &bytes[at..=at], false, &mut seen);
            } else {
                room[0] = bytes[at];
                inbound.filled(1);
                read(&mut inbound, &[], false, &mut seen);
            }
            at += 1;
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_held_is_read_later() {
        let (bytes, expected) = stream();
        for split in 0..=bytes.len() {
            let (mut inbound, mut seen) = (Inbound::default(), Vec::new());
            for part in [&bytes[..split], &bytes[split..]] {
                read(&mut inbound, part, true, &mut seen);
                while let Some(held) = inbound.take_held() {
                    read(&mut inbound, &held, false, &mut seen);
                }
            }
            assert_eq!(seen, expected, "{split}");
        }
    }

    #[test]
    fn an_illegal_length_ends_it_before_memory_is_taken() {
        let mut inbound = Inbound::default();
        let mut bytes: &[u8] = &[0xff, 0xff, 0xff, 0xff, 20];
        assert!(inbound.next(&mut bytes, &FrameLimits::default()).is_err());
        assert_eq!(inbound.stash.capacity(), 0);
    }
}
