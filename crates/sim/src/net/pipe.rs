//! One direction of a connection.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};

/// What a sender may have written that is not on its way yet.
const SEND_BUFFER: usize = 128 << 10;
/// What may be on its way or unread.
const WINDOW: usize = 128 << 10;
/// Most bytes one direction ever holds.
pub(super) const MAX_HELD: usize = SEND_BUFFER + WINDOW;

/// Bytes in order: first those that arrived and wait to be read, then those on their way, then those to be sent.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    ready: usize,
    flying: usize,
    /// A write found no room.
    full: bool,
    shut: bool,
    fin_sent: bool,
    fin_here: bool,
    last: types::Time,
}

impl Pipe {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    fn waiting(&self) -> usize {
        self.bytes.len() - self.ready - self.flying
    }

    /// Takes what fits into the send buffer.
    pub(super) fn push(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let mut taken = 0;
        for slice in slices {
            let room = SEND_BUFFER - self.waiting().min(SEND_BUFFER);
            let part = &slice[..slice.len().min(room)];
            self.bytes.extend(part);
            taken += part.len();
            if part.len() < slice.len() {
                self.full = true;
                break;
            }
        }
        taken
    }

    /// Gives up to `most` of the bytes that arrived.
    pub(super) fn pull(&mut self, slices: &mut [IoSliceMut<'_>], most: usize) -> usize {
        let mut left = most.min(self.ready);
        let mut taken = 0;
        for slice in slices {
            let len = slice.len().min(left);
            let (head, tail) = self.bytes.as_slices();
            let first = len.min(head.len());
            slice[..first].copy_from_slice(&head[..first]);
            slice[first..len].copy_from_slice(&tail[..len - first]);
            self.bytes.drain(..len);
            (left, taken) = (left - len, taken + len);
        }
        self.ready -= taken;
        taken
    }

    /// Cuts a segment of at most `want` bytes that the window has room for.
    pub(super) fn launch(&mut self, want: usize) -> usize {
        let room = WINDOW - (self.ready + self.flying).min(WINDOW);
        let len = want.min(room).min(self.waiting());
        self.flying += len;
        len
    }

    /// A segment is there.
    pub(super) fn land(&mut self, len: usize) {
        let len = len.min(self.flying);
        self.flying -= len;
        self.ready += len;
    }

    /// Whether a writer that found no room has some now. It is told once.
    pub(super) fn has_room_again(&mut self) -> bool {
        self.full && self.waiting() < SEND_BUFFER / 2 && std::mem::replace(&mut self.full, false)
    }

    /// Nothing more is written.
    pub(super) fn shut(&mut self) {
        self.shut = true;
    }

    /// Whether the end of the stream is to be sent now.
    pub(super) fn launch_fin(&mut self) -> bool {
        self.shut && self.waiting() == 0 && !std::mem::replace(&mut self.fin_sent, true)
    }

    /// The end of the stream is there; false where segments are still on their way.
    pub(super) fn land_fin(&mut self) -> bool {
        self.fin_here = self.flying == 0;
        self.fin_here
    }

    /// Whether the reader has everything and the end.
    pub(super) fn ended(&self) -> bool {
        self.fin_here && self.ready == 0
    }

    /// Whether nothing more has to be delivered.
    pub(super) fn is_done(&self) -> bool {
        self.fin_here || !self.shut
    }

    /// What was to be sent is lost.
    pub(super) fn clear(&mut self) {
        self.bytes.truncate(self.ready);
        self.flying = 0;
        self.shut = false;
    }

    /// No segment overtakes an earlier one.
    pub(super) fn in_order(&mut self, at: types::Time) -> types::Time {
        self.last = self.last.max(at);
        self.last
    }
}
