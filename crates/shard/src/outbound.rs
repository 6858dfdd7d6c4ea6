//! What one connection still has to send, in order.

use std::collections::VecDeque;
use std::io::IoSlice;

use engine::TorrentId;
use types::{BLOCK_LEN, BlockRef, PieceIndex};
use wire::{PIECE_HEADER_LEN, piece_header};

use crate::{Block, Part, Pool, SendError};

/// Protocol bytes that may wait for a peer that does not read.
const MAX_QUEUED: usize = 1 << 20;
/// Slices in one vectored write: sixteen blocks with their headers.
const MAX_SLICES: usize = 32;
/// Bytes in one vectored write: those sixteen blocks, about what a socket takes at once.
const MAX_OFFER: usize = 256 * 1024;
/// Most parts that [`crate::Shard::send_parts`] offers at once. Nothing is copied for them, so that they may be more than what a vectored
/// write takes: 64 blocks are as many as a fast peer has ahead.
pub const MAX_PARTS: usize = 64;

/// Messages and blocks, in wire order. A block that waits for the disk holds back what follows it.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    queue: VecDeque<Segment>,
    /// Bytes of the first segment that have left.
    sent: usize,
    /// Bytes of protocol messages that wait.
    queued: usize,
    /// Marks that have been passed and not been told.
    passed: usize,
    /// Buffers held.
    buffers: usize,
    /// The next piece message's number.
    next_message: u64,
}

#[derive(Debug)]
enum Segment {
    Bytes(Vec<u8>),
    Block(Chunk),
    /// Nothing: somebody wants to know when what is before it has left.
    Mark,
}

/// Up to a block's length of a piece message. Its header leaves with the first chunk.
#[derive(Debug)]
struct Chunk {
    /// Which message it belongs to: the same block may be queued twice.
    message: u64,
    header: [u8; PIECE_HEADER_LEN],
    whole: BlockRef,
    at: u32,
    len: u32,
    payload: Payload,
}

/// Where the payload of a chunk is.
#[derive(Debug)]
enum Payload {
    /// Where the torrent is stored, from this byte of it on: it leaves from there.
    Stored(u64),
    /// The disk was asked for it, or is to be.
    Asked,
    /// Here.
    Read(Block),
}

impl Chunk {
    /// Its length on the wire.
    fn wire_len(&self) -> usize {
        self.header_len() + self.len as usize
    }

    fn is_asked(&self) -> bool {
        matches!(self.payload, Payload::Asked)
    }

    fn header_len(&self) -> usize {
        if self.at == 0 { PIECE_HEADER_LEN } else { 0 }
    }

    fn run(&self) -> BlockRef {
        BlockRef { piece: self.whole.piece, begin: self.whole.begin + self.at, len: self.len }
    }

    fn is_last(&self) -> bool {
        self.at + self.len == self.whole.len
    }
}

/// What became of a block that could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Withdrawal {
    /// The piece message of this number was taken out of the queue.
    Done(u64, BlockRef),
    /// Its header has left: the connection can't go on.
    Committed,
    /// Nothing waits for it.
    Unknown,
}

/// Where the chunks of a message begin in it, and how long they are.
fn chunks(whole: BlockRef) -> impl Iterator<Item = (u32, u32)> {
    (0..whole.len.div_ceil(BLOCK_LEN))
        .map(move |n| (n * BLOCK_LEN, (whole.len - n * BLOCK_LEN).min(BLOCK_LEN)))
}

/// The first chunk that waits for these bytes: the part that begins where `run` does; the payload may end
/// before the part.
fn waiting(queue: &mut VecDeque<Segment>, run: BlockRef) -> Option<&mut Chunk> {
    let fits = |part: BlockRef| BlockRef { len: run.len, ..part } == run && part.len >= run.len;
    queue.iter_mut().find_map(|segment| match segment {
        Segment::Block(chunk) if chunk.is_asked() && fits(chunk.run()) => Some(chunk),
        _ => None,
    })
}

/// The bytes of a segment: header and payload. None for a block that is not in memory.
fn bytes_of(segment: &Segment) -> Option<[&[u8]; 2]> {
    match segment {
        Segment::Bytes(bytes) => Some([bytes, &[]]),
        Segment::Block(chunk) => match &chunk.payload {
            Payload::Read(block) => Some([&chunk.header[..chunk.header_len()], block.as_ref()]),
            Payload::Stored(_) | Payload::Asked => None,
        },
        Segment::Mark => Some([&[], &[]]),
    }
}

/// At most `left` bytes of `part`, without those of it that `skip` still counts.
fn cut<'a>(part: &'a [u8], skip: &mut usize, left: &mut usize) -> &'a [u8] {
    let begun = (*skip).min(part.len());
    *skip -= begun;
    let part = &part[begun..];
    let part = &part[..part.len().min(*left)];
    *left -= part.len();
    part
}

impl Outbound {
    /// Bytes of protocol messages that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Queues whole messages. False where the peer has not read for too long.
    pub(crate) fn push(&mut self, bytes: Vec<u8>) -> bool {
        self.queued += bytes.len();
        match self.queue.back_mut() {
            Some(Segment::Bytes(last)) if last.len() + bytes.len() <= MAX_OFFER => last.extend(bytes),
            _ => self.queue.push_back(Segment::Bytes(bytes)),
        }
        self.queued <= MAX_QUEUED
    }

    /// Puts a mark behind what is queued. False where nothing is.
    pub(crate) fn push_mark(&mut self) -> bool {
        let waits = !self.queue.is_empty();
        if waits {
            self.queue.push_back(Segment::Mark);
        }
        waits
    }

    /// How many marks have been passed since the last call.
    pub(crate) fn take_marks(&mut self) -> usize {
        std::mem::take(&mut self.passed)
    }

    /// Queues a piece message whose payload leaves from where it is stored, from byte `offset` of its torrent on.
    pub(crate) fn push_stored(&mut self, whole: BlockRef, offset: u64) {
        self.push_chunks(whole, |at| Payload::Stored(offset + u64::from(at)));
    }

    /// What was to leave from where it is stored is to be read instead: answers the parts to read, with the numbers of
    /// their messages.
    pub(crate) fn ask_stored(&mut self) -> impl Iterator<Item = (u64, BlockRef)> {
        self.queue.iter_mut().filter_map(|segment| match segment {
            Segment::Block(chunk) if matches!(chunk.payload, Payload::Stored(_)) => {
                chunk.payload = Payload::Asked;
                Some((chunk.message, chunk.run()))
            }
            _ => None,
        })
    }

    /// Queues a piece message whose payload is still to be read, and answers its number and the parts to
    /// read, of a block's length each.
    pub(crate) fn push_block(&mut self, whole: BlockRef) -> (u64, impl Iterator<Item = BlockRef> + use<>) {
        let message = self.push_chunks(whole, |_| Payload::Asked);
        let run = move |(at, len)| BlockRef { piece: whole.piece, begin: whole.begin + at, len };
        (message, chunks(whole).map(run))
    }

    /// Queues the chunks of a piece message, and answers its number.
    fn push_chunks(&mut self, whole: BlockRef, payload: impl Fn(u32) -> Payload) -> u64 {
        let (message, header) = (self.next_message, piece_header(whole));
        self.next_message += 1;
        let chunk = |(at, len)| Chunk { message, header, whole, at, len, payload: payload(at) };
        self.queue.extend(chunks(whole).map(|at| Segment::Block(chunk(at))));
        message
    }

    /// A part was read. Answers it back where nothing waits for it. Where the payload ends before the part
    /// does, the rest is zeros.
    pub(crate) fn fill(&mut self, run: BlockRef, mut block: Block) -> Option<Block> {
        match waiting(&mut self.queue, run) {
            Some(chunk) => {
                block.stretch(chunk.len as usize);
                chunk.payload = Payload::Read(block);
                self.buffers += 1;
                None
            }
            None => Some(block),
        }
    }

    /// A part can't be read.
    pub(crate) fn fail(&mut self, run: BlockRef, pool: &mut Pool) -> Withdrawal {
        let Some((message, whole)) = waiting(&mut self.queue, run).map(|chunk| (chunk.message, chunk.whole))
        else {
            return Withdrawal::Unknown;
        };
        if self.has_begun(message) {
            return Withdrawal::Committed;
        }
        self.remove(message, pool);
        Withdrawal::Done(message, whole)
    }

    /// Takes out the messages of pieces that are not there any more, but one that has begun to leave.
    pub(crate) fn withdraw(
        &mut self,
        has: impl Fn(PieceIndex) -> bool,
        pool: &mut Pool,
    ) -> Vec<(u64, BlockRef)> {
        let gone = self.queue.iter().filter_map(|segment| match segment {
            Segment::Block(chunk) if chunk.at == 0 && !has(chunk.whole.piece) => {
                Some((chunk.message, chunk.whole))
            }
            _ => None,
        });
        let mut gone: Vec<_> = gone.collect();
        gone.retain(|(message, _)| !self.has_begun(*message));
        gone.iter().for_each(|(message, _)| self.remove(*message, pool));
        gone
    }

    fn has_begun(&self, message: u64) -> bool {
        match self.queue.front() {
            Some(Segment::Block(first)) if first.message == message => first.at > 0 || self.sent > 0,
            _ => false,
        }
    }

    fn remove(&mut self, message: u64, pool: &mut Pool) {
        self.queue.retain_mut(|segment| match segment {
            Segment::Block(chunk) if chunk.message == message => {
                if let Payload::Read(block) = std::mem::replace(&mut chunk.payload, Payload::Asked) {
                    self.buffers -= 1;
                    pool.give(block);
                }
                false
            }
            _ => true,
        });
    }

    /// Whether something may be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        match self.queue.front() {
            Some(Segment::Bytes(_) | Segment::Mark) => true,
            Some(Segment::Block(chunk)) => !chunk.is_asked(),
            None => false,
        }
    }

    /// Bytes of protocol messages that leave before the next block.
    pub(crate) fn protocol_ahead(&self) -> usize {
        let messages = self.queue.iter().map_while(|segment| match segment {
            Segment::Bytes(bytes) => Some(bytes.len()),
            Segment::Mark => Some(0),
            Segment::Block(_) => None,
        });
        // What has left of the first segment is a block's where that is the first.
        messages.sum::<usize>().saturating_sub(self.sent)
    }

    /// How many buffers it holds.
    pub(crate) fn buffers(&self) -> usize {
        self.buffers
    }

    /// Offers up to `limit` bytes to `write`, and answers how many it took. What leaves from where it is stored is not
    /// offered.
    pub(crate) fn offer(
        &self,
        limit: usize,
        write: impl FnOnce(&[IoSlice<'_>]) -> std::io::Result<usize>,
    ) -> Result<usize, SendError> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let limit = limit.min(MAX_OFFER);
        let (mut used, mut left, mut skip) = (0, limit, self.sent);
        for bytes in self.queue.iter().map_while(bytes_of).flatten() {
            if used == MAX_SLICES || left == 0 {
                break;
            }
            let part = cut(bytes, &mut skip, &mut left);
            if !part.is_empty() {
                slices[used] = IoSlice::new(part);
                used += 1;
            }
        }
        if used == 0 {
            return Err(SendError::NotInMemory);
        }
        write(&slices[..used]).map(|n| n.min(limit - left)).map_err(SendError::Socket)
    }

    /// Offers up to `limit` bytes to `write`, those of blocks where they are, and answers how many it took.
    pub(crate) fn offer_parts(
        &self,
        torrent: Option<TorrentId>,
        limit: usize,
        write: impl FnOnce(&[Part<'_>]) -> Result<usize, SendError>,
    ) -> Result<usize, SendError> {
        let mut parts = [Part::Bytes(&[]); MAX_PARTS];
        // No limit in bytes: they are nowhere in our memory.
        let (mut used, mut left, mut skip) = (0, limit, self.sent);
        for segment in &self.queue {
            // A segment is two parts at most.
            if used + 2 > MAX_PARTS || left == 0 {
                break;
            }
            if let (Some(torrent), Segment::Block(chunk)) = (torrent, segment)
                && let Payload::Stored(offset) = chunk.payload
            {
                let header = cut(&chunk.header[..chunk.header_len()], &mut skip, &mut left);
                let begun = skip.min(chunk.len as usize);
                let len = left.min(chunk.len as usize - begun);
                if len == 0 && used > 0 {
                    // No header leaves before it is known that its payload can follow.
                    left += header.len();
                    break;
                }
                (skip, left) = (skip - begun, left - len);
                parts[used] = Part::Stored { header, torrent, offset: offset + begun as u64, len };
                used += 1;
                continue;
            }
            let Some(all) = bytes_of(segment) else { break };
            for bytes in all {
                let part = cut(bytes, &mut skip, &mut left);
                if !part.is_empty() {
                    parts[used] = Part::Bytes(part);
                    used += 1;
                }
            }
        }
        write(&parts[..used]).map(|n| n.min(limit - left))
    }

    /// So many bytes have left. Buffers go back to `pool`, blocks whose last byte left to `done`.
    pub(crate) fn advance(&mut self, bytes: usize, pool: &mut Pool, mut done: impl FnMut(BlockRef)) {
        self.sent += bytes;
        while let Some(front) = self.queue.front() {
            let len = match front {
                Segment::Bytes(bytes) => bytes.len(),
                Segment::Block(chunk) => chunk.wire_len(),
                Segment::Mark => 0,
            };
            if self.sent < len || self.sent == 0 && len > 0 {
                return;
            }
            self.sent -= len;
            match self.queue.pop_front() {
                Some(Segment::Block(chunk)) => {
                    if chunk.is_last() {
                        done(chunk.whole);
                    }
                    if let Payload::Read(block) = chunk.payload {
                        self.buffers -= 1;
                        pool.give(block);
                    }
                }
                Some(Segment::Bytes(bytes)) => self.queued -= bytes.len(),
                Some(Segment::Mark) => self.passed += 1,
                None => {}
            }
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        for segment in self.queue.drain(..) {
            if let Segment::Block(Chunk { payload: Payload::Read(block), .. }) = segment {
                pool.give(block);
            }
        }
        *self = Outbound::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(begin: u32, len: u32) -> BlockRef {
        BlockRef { piece: PieceIndex(1), begin, len }
    }

    fn filled(pool: &mut Pool, run: BlockRef) -> Block {
        let mut block = pool.take(run.len as usize).unwrap();
        block.as_mut().fill(run.begin as u8);
        block
    }

    /// Sends `step` bytes at a time until nothing is ready.
    fn drain(out: &mut Outbound, pool: &mut Pool, step: usize) -> (Vec<u8>, Vec<BlockRef>) {
        let (mut wire, mut done) = (Vec::new(), Vec::new());
        while out.is_ready() {
            let n = out
                .offer(step, |slices| {
                    slices.iter().for_each(|s| wire.extend_from_slice(s));
                    Ok(slices.iter().map(|s| s.len()).sum())
                })
                .unwrap();
            assert!(n > 0);
            out.advance(n, pool, |block| done.push(block));
        }
        (wire, done)
    }

    #[test]
    fn order_is_kept_whatever_the_socket_takes() {
        for step in [1, 2, 7, 13, 14, 100, usize::MAX] {
            let (mut out, mut pool) = (Outbound::default(), Pool::new(8));
            let (a, b) = (run(2, 20), run(5, 3));
            assert!(out.push(vec![0xaa; 3]));
            let parts: Vec<_> = out.push_block(a).1.chain(out.push_block(b).1).collect();
            assert_eq!(parts, [a, b]);
            assert!(out.push(vec![0xbb; 2]));
            assert!(out.fill(b, filled(&mut pool, b)).is_none());
            let (mut wire, mut done) = drain(&mut out, &mut pool, step);
            assert_eq!(wire, [0xaa; 3]);
            assert!(out.fill(a, filled(&mut pool, a)).is_none());
            let (more, sent) = drain(&mut out, &mut pool, step);
            wire.extend(more);
            done.extend(sent);
            let expected =
                [&[0xaa; 3][..], &piece_header(a), &[2; 20], &piece_header(b), &[5; 3], &[0xbb; 2]].concat();
            assert_eq!(wire, expected, "{step}");
            assert_eq!((done, pool.out(), out.buffers(), out.queued), (vec![a, b], 0, 0, 0));
        }
    }

    #[test]
    fn a_long_request_is_one_message_of_several_buffers() {
        let (mut out, mut pool) = (Outbound::default(), Pool::new(8));
        let long = run(0, 2 * BLOCK_LEN + 5);
        let parts: Vec<_> = out.push_block(long).1.collect();
        assert_eq!(parts.len(), 3);
        for part in parts.into_iter().rev() {
            let block = filled(&mut pool, part);
            assert!(out.fill(part, block).is_none());
        }
        let (wire, done) = drain(&mut out, &mut pool, 10_000);
        assert_eq!((wire.len(), done), (13 + long.len as usize, vec![long]));
        assert_eq!(wire[..13], piece_header(long));
    }

    #[test]
    fn a_block_that_cannot_be_read_is_withdrawn_unless_its_header_left() {
        let (mut out, mut pool) = (Outbound::default(), Pool::new(8));
        let long = run(0, BLOCK_LEN + 5);
        let parts: Vec<_> = out.push_block(long).1.collect();
        out.push(vec![1]);
        out.fill(parts[1], filled(&mut pool, parts[1]));
        assert_eq!(out.fail(parts[0], &mut pool), Withdrawal::Done(0, long));
        assert_eq!((pool.out(), out.buffers()), (0, 0));
        assert_eq!(drain(&mut out, &mut pool, 100).0, [1]);
        assert_eq!(out.fail(parts[0], &mut pool), Withdrawal::Unknown);

        let parts: Vec<_> = out.push_block(long).1.collect();
        out.fill(parts[0], filled(&mut pool, parts[0]));
        drain(&mut out, &mut pool, 100);
        assert_eq!(out.fail(parts[1], &mut pool), Withdrawal::Committed);
    }

    #[test]
    fn of_a_block_that_is_queued_twice_one_may_fail() {
        let (mut out, mut pool) = (Outbound::default(), Pool::new(8));
        let twin = run(0, 20);
        let numbers = [out.push_block(twin).0, out.push_block(twin).0];
        assert_eq!(numbers, [0, 1]);
        assert!(out.fill(twin, filled(&mut pool, twin)).is_none());
        assert_eq!(out.fail(twin, &mut pool), Withdrawal::Done(1, twin));
        out.push(vec![1]);
        let (wire, done) = drain(&mut out, &mut pool, 100);
        assert_eq!((wire.len(), done, pool.out(), out.buffers()), (13 + 20 + 1, vec![twin], 0, 0));
    }

    #[test]
    fn blocks_of_a_piece_that_is_gone_are_withdrawn_but_what_is_leaving() {
        let (mut out, mut pool) = (Outbound::default(), Pool::new(8));
        let [a, b] = [run(0, 20), run(40, 20)];
        let other = BlockRef { piece: PieceIndex(2), ..a };
        for block in [a, b, other] {
            let _ = out.push_block(block);
        }
        out.fill(a, filled(&mut pool, a));
        out.fill(b, filled(&mut pool, b));
        out.advance(5, &mut pool, |_| {});
        assert_eq!(out.withdraw(|piece| piece.0 == 2, &mut pool), [(1, b)]);
        assert!(out.fill(other, filled(&mut pool, other)).is_none());
        assert_eq!(drain(&mut out, &mut pool, 100).1, [a, other]);
        assert_eq!((pool.out(), out.buffers()), (0, 0));
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up() {
        let mut out = Outbound::default();
        assert!(out.push(vec![0; MAX_QUEUED]));
        assert!(!out.push(vec![0; 1]));
    }
}
