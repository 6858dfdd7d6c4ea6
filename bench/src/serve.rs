//! The sending half: connections that serve whatever is asked for, from memory or from a file.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;

use types::BlockRef;
use wire::{Handshake, Message, PIECE_HEADER_LEN, piece_header};

use crate::Result;
use crate::payload::{BLOCK, BLOCKS, PIECE, Payload};
use crate::sockets::later;

/// Where blocks come from.
pub(crate) enum Source {
    /// From the function of their place.
    Memory(Payload),
    /// From a file, by `sendfile`.
    File(File),
}

/// Blocks in one write.
const BATCH: usize = 16;

/// One connection that serves.
pub(crate) struct Server {
    pub(crate) stream: TcpStream,
    /// Whether some of its blocks are wrong.
    liar: bool,
    input: Vec<u8>,
    greeted: bool,
    queue: std::collections::VecDeque<BlockRef>,
    /// Small messages, and the heads of the blocks in the write that is under way.
    head: Vec<u8>,
    /// Bytes of the first block in the queue, its head included, that have left.
    sent: usize,
    pub(crate) writing: bool,
    served: usize,
}

impl Server {
    pub(crate) fn new(stream: TcpStream, liar: bool, hello: &[u8]) -> Result<Server> {
        stream.set_nonblocking(true)?;
        let mut server = Server {
            stream,
            liar,
            input: Vec::new(),
            greeted: false,
            queue: std::collections::VecDeque::new(),
            head: hello.to_vec(),
            sent: 0,
            writing: false,
            served: 0,
        };
        server.flush()?;
        Ok(server)
    }

    /// Takes what came and serves it; false when the other side has gone.
    pub(crate) fn ready(&mut self, source: &Source, after_hello: &[u8]) -> Result<bool> {
        let mut buf = [0; 16 * 1024];
        match self.stream.read(&mut buf) {
            Ok(0) => return Ok(false),
            Ok(n) => self.input.extend_from_slice(&buf[..n]),
            Err(error) if later(&error) => {}
            Err(_) => return Ok(false),
        }
        if !self.greeted {
            if self.input.len() < Handshake::LEN {
                return Ok(true);
            }
            self.greeted = true;
            self.input.drain(..Handshake::LEN);
            self.head.extend_from_slice(after_hello);
        }
        let mut at = 0;
        while let Some(len) = self
            .input
            .get(at..at + 4)
            .map(|len| u32::from_be_bytes(len.try_into().unwrap_or([0; 4])) as usize)
        {
            let Some(frame) = self.input.get(at + 4..at + 4 + len) else { break };
            match Message::decode(frame) {
                Ok(Message::Request(block)) => self.queue.push_back(block),
                Ok(Message::Cancel(block)) if self.sent == 0 || self.queue.front() != Some(&block) => {
                    self.queue.retain(|queued| *queued != block);
                }
                Ok(_) => {}
                Err(_) => return Ok(false),
            }
            at += 4 + len;
        }
        self.input.drain(..at);
        Ok(self.serve(source).is_ok())
    }

    /// Small messages first; they never stand within a block, as `sent` is 0 then.
    fn flush(&mut self) -> Result<bool> {
        while self.sent == 0 && !self.head.is_empty() {
            match self.stream.write(&self.head) {
                Ok(n) => drop(self.head.drain(..n)),
                Err(error) if later(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn serve(&mut self, source: &Source) -> Result {
        self.writing = true;
        loop {
            if !self.flush()? {
                return Ok(());
            }
            if self.queue.is_empty() {
                self.writing = false;
                return Ok(());
            }
            let wrote = match source {
                Source::Memory(payload) => self.write_memory(payload),
                Source::File(file) => self.write_file(file),
            };
            match wrote {
                Ok(n) => self.advance(n),
                Err(error) if later(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn advance(&mut self, wrote: usize) {
        self.sent += wrote;
        while let Some(first) = self.queue.front() {
            let whole = PIECE_HEADER_LEN + first.len as usize;
            if self.sent < whole {
                break;
            }
            self.sent -= whole;
            self.served += 1;
            self.queue.pop_front();
        }
    }

    fn write_memory(&mut self, payload: &Payload) -> std::io::Result<usize> {
        let count = self.queue.len().min(BATCH);
        let mut heads = [[0; 21]; BATCH];
        let mut parts = Vec::with_capacity(count);
        for (n, (block, head)) in self.queue.iter().zip(&mut heads).enumerate() {
            let (stamp, rest) = payload.block(number(*block)?);
            head[..PIECE_HEADER_LEN].copy_from_slice(&piece_header(*block));
            head[PIECE_HEADER_LEN..].copy_from_slice(&stamp);
            // A wrong bit in every eighth block.
            head[20] ^= u8::from(self.liar && (self.served + n).is_multiple_of(8));
            parts.push(rest);
        }
        let mut slices = Vec::with_capacity(2 * count);
        let mut skip = self.sent;
        for part in heads[..count].iter().zip(&parts).flat_map(|(head, part)| [&head[..], part]) {
            let skipped = skip.min(part.len());
            skip -= skipped;
            if skipped < part.len() {
                slices.push(IoSlice::new(&part[skipped..]));
            }
        }
        self.stream.write_vectored(&slices)
    }

    fn write_file(&mut self, file: &File) -> std::io::Result<usize> {
        let Some(&block) = self.queue.front() else { return Ok(0) };
        if self.sent < PIECE_HEADER_LEN {
            // More comes at once: the head leaves with the block.
            let head = piece_header(block);
            let flags = rustix::net::SendFlags::MORE;
            return Ok(rustix::net::send(&self.stream, &head[self.sent..], flags)?);
        }
        let done = self.sent - PIECE_HEADER_LEN;
        let mut at = (number(block)? * BLOCK + done) as u64;
        Ok(rustix::fs::sendfile(&self.stream, file, Some(&mut at), block.len as usize - done)?)
    }
}

fn number(block: BlockRef) -> std::io::Result<usize> {
    let begin = block.begin as usize;
    if !begin.is_multiple_of(BLOCK) || block.len as usize != BLOCK || begin >= PIECE {
        return Err(std::io::Error::other(format!("an odd request: {block:?}")));
    }
    Ok(block.piece.0 as usize * BLOCKS + begin / BLOCK)
}
