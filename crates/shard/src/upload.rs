//! From the disk to the socket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use engine::{ConnId, Disconnect, Fault, Input};
use types::{BlockRef, Time};

use crate::conn::{Sender, Stage};
use crate::outbound::Lost;
use crate::valve::Valve;
use crate::{Block, DiskOp, Output, Pool, SendOutcome, Shard};

/// Buffers a connection may hold while at least half of them are out, so that peers that don't read can't take all.
const FAIR_BUFFERS: usize = 2;

/// What sending connections share.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) pool: Pool,
    pub(crate) valve: Valve,
    /// Blocks to be read, by who waits for them.
    line: VecDeque<(ConnId, BlockRef)>,
}

impl Upload {
    pub(crate) fn new(blocks: usize, now: Time) -> Upload {
        Upload { pool: Pool::new(blocks), valve: Valve::new(now), line: VecDeque::new() }
    }
}

impl Shard {
    /// Writes once: `write` takes what it can from the offered slices, as a socket's vectored write does.
    pub fn send(
        &mut self,
        now: Time,
        conn: ConnId,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> SendOutcome {
        let Some(entry) = self.conns.get_mut(conn) else { return SendOutcome::Closed };
        if entry.sender == Sender::Parked {
            return SendOutcome::Paused;
        }
        if !entry.outbound.is_ready() {
            entry.sender = Sender::Idle;
            return SendOutcome::Idle;
        }
        let allowed = self.upload.valve.allow(now, conn, &mut entry.upload_turn);
        if allowed == 0 {
            entry.sender = Sender::Parked;
            return SendOutcome::Paused;
        }
        entry.sender = Sender::Told;
        match entry.outbound.offer(allowed, write) {
            Ok(bytes @ 1..) => self.has_sent(now, conn, bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => SendOutcome::Full,
            Err(error) if error.kind() == ErrorKind::Interrupted => SendOutcome::More,
            Ok(0) | Err(_) => {
                self.lost(now, conn, Disconnect::Network);
                SendOutcome::Closed
            }
        }
    }

    fn has_sent(&mut self, now: Time, conn: ConnId, bytes: usize) -> SendOutcome {
        let Some(entry) = self.conns.get_mut(conn) else { return SendOutcome::Closed };
        self.upload.valve.passed(now, bytes, &mut entry.upload_turn);
        let member = match entry.stage {
            Stage::Open(id) => self.members.touch(id),
            Stage::Handshake(_) => None,
        };
        let mut sent = Vec::new();
        entry.outbound.advance(bytes, &mut self.upload.pool, |block| sent.push(block));
        if let Some(member) = member {
            sent.into_iter().for_each(|block| member.inform(now, Input::BlockSent { conn, block }));
        }
        if entry.outbound.is_ready() {
            SendOutcome::More
        } else {
            entry.sender = Sender::Idle;
            SendOutcome::Idle
        }
    }

    /// Queues messages of our own making.
    pub(crate) fn queue_bytes(&mut self, now: Time, conn: ConnId, bytes: Vec<u8>) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        if entry.outbound.push(bytes) {
            self.wake_sender(conn);
        } else {
            self.close(now, conn, Disconnect::Fault(Fault::MessageFlood));
        }
    }

    /// Queues a block that the brain named, and asks the disk for it.
    pub(crate) fn queue_block(&mut self, conn: ConnId, block: BlockRef) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        let parts = entry.outbound.push_block(block);
        self.upload.line.extend(parts.map(|part| (conn, part)));
    }

    /// Asks the disk for blocks that wait for a buffer, as far as the pool goes. While it is scarce, a connection that
    /// has its share waits for its turn.
    pub(crate) fn ask_for_blocks(&mut self) {
        for _ in 0..self.upload.line.len() {
            let Upload { pool, line, .. } = &mut self.upload;
            if pool.left() == 0 {
                return;
            }
            let Some((conn, run)) = line.pop_front() else { return };
            let Some(entry) = self.conns.get_mut(conn) else { continue };
            if pool.is_half_used() && entry.outbound.buffers() >= FAIR_BUFFERS {
                line.push_back((conn, run));
                continue;
            }
            let Some(member) = entry.torrent().and_then(|id| self.members.touch(id)) else { continue };
            let offset = member.blocks.geometry().offset_of(run);
            let end = member.blocks.geometry().total_len();
            let there = u64::from(run.len).min(end.saturating_sub(offset));
            if let Some(block) = pool.take(there as usize) {
                member.disk.push(DiskOp::Read { offset, block, conn: Some(conn) });
            }
        }
    }

    /// A block to be sent was read.
    pub(crate) fn deliver(&mut self, conn: ConnId, run: BlockRef, block: Block) {
        let back = match self.conns.get_mut(conn) {
            Some(entry) => entry.outbound.fill(run, block),
            None => Some(block),
        };
        back.into_iter().for_each(|block| self.upload.pool.give(block));
        self.wake_sender(conn);
    }

    /// A block to be sent can't be read.
    pub(crate) fn cannot_deliver(&mut self, now: Time, conn: ConnId, run: BlockRef) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        match entry.outbound.fail(run, &mut self.upload.pool) {
            Lost::Withdrawn(block) => {
                self.upload.line.retain(|(owner, part)| *owner != conn || !lies_in(*part, block));
                if let Some(member) = entry.torrent().and_then(|id| self.members.touch(id)) {
                    member.inform(now, Input::BlockUnreadable { conn, block });
                }
                self.wake_sender(conn);
            }
            Lost::Committed => self.close(now, conn, Disconnect::Disk),
            Lost::Unknown => {}
        }
    }

    /// Tells the caller that a connection has something to send, where it does not know yet.
    fn wake_sender(&mut self, conn: ConnId) {
        let Some(entry) = self.conns.get_mut(conn) else { return };
        if entry.sender == Sender::Idle && entry.outbound.is_ready() && !entry.is_dialing() {
            entry.sender = Sender::Told;
            self.outputs.push_back(Output::WantSend { conn });
        }
    }

    /// Names connections that may send again, as the rate allows.
    pub(crate) fn resume_senders(&mut self, now: Time) {
        for conn in self.upload.valve.next(now) {
            let Some(entry) = self.conns.get_mut(conn) else { continue };
            entry.upload_turn = Valve::turn();
            entry.sender = Sender::Told;
            self.outputs.push_back(Output::WantSend { conn });
        }
    }
}

fn lies_in(part: BlockRef, whole: BlockRef) -> bool {
    part.piece == whole.piece && part.begin >= whole.begin && part.begin - whole.begin < whole.len
}
