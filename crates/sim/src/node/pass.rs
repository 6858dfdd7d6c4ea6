//! One pass of a node's loop, as a real driver runs it: disk results, sockets, hashes, outputs.

use std::io::IoSlice;
use std::time::Duration;

use engine::ConnId;
use shard::{Event as ShardEvent, Output, RecvOutcome, SendOutcome};
use types::{PieceIndex, Time};

use super::{Ctx, Node, TORRENT};
use crate::inspect::View;
use crate::net::Sock;
use crate::queue::Event;

/// Reads of one socket in one round, as a fair poller allows.
const READS: usize = 8;
/// Rounds in one pass before the rest waits for the next.
const ROUNDS: usize = 16;
/// Outputs of one drain; more is a loop without end.
const MAX_OUTPUTS: usize = 100_000;
/// Passes in a row that want the next one at once.
const MAX_SPINS: u32 = 2_000;
/// Passes between two comparisons of what was counted.
const COUNT_EVERY: u64 = 32;

impl Node {
    /// Runs the loop until there is nothing to do but wait.
    ///
    /// # Errors
    /// A sentence on the rule that was broken.
    pub(crate) fn pass(&mut self, ctx: &mut Ctx<'_>) -> Result<(), String> {
        let Some(run) = &mut self.running else { return Ok(()) };
        self.totals.passes += 1;
        for done in std::mem::take(&mut run.done) {
            run.shards[0].disk_done(ctx.now, done);
        }
        let mut deadline = Time::NEVER;
        for _ in 0..ROUNDS {
            self.read_all(ctx)?;
            self.write_all(ctx)?;
            deadline = self.drain(ctx)?;
            let Some(run) = &self.running else { return Ok(()) };
            if run.readable.is_empty() && run.writable.is_empty() {
                break;
            }
        }
        self.sleep(ctx, deadline)?;
        self.check_limits(ctx.now)
    }

    fn sleep(&mut self, ctx: &mut Ctx<'_>, deadline: Time) -> Result<(), String> {
        let Some(run) = &mut self.running else { return Ok(()) };
        let busy = !run.readable.is_empty() || !run.writable.is_empty();
        run.spins = if deadline <= ctx.now { run.spins + 1 } else { 0 };
        if run.spins > MAX_SPINS {
            return Err("it asks to be woken at once, again and again".into());
        }
        let soon = ctx.now + Duration::from_micros(50);
        let at = if busy || deadline <= ctx.now { soon } else { deadline };
        self.wake(ctx.queue, at);
        Ok(())
    }

    fn read_all(&mut self, ctx: &mut Ctx<'_>) -> Result<(), String> {
        let Some(run) = &mut self.running else { return Ok(()) };
        for sock in run.readable.clone() {
            for turn in 0..READS {
                let Some(seat) = run.seats.get_mut(&sock) else { break };
                // Now and then a socket gives less than it could, as real ones do.
                let most = if self.rng.one_in(4) { 1 + self.rng.below(3_000) } else { usize::MAX };
                let shard = &mut run.shards[seat.shard];
                let (now, net, queue) = (ctx.now, &mut *ctx.net, &mut *ctx.queue);
                let outcome = shard.recv(now, seat.conn, |slices| net.read(now, queue, sock, slices, most));
                if outcome == RecvOutcome::Paused {
                    seat.recv_paused = true;
                }
                match outcome {
                    RecvOutcome::More if turn + 1 < READS => {}
                    RecvOutcome::More => break,
                    RecvOutcome::Empty | RecvOutcome::Paused => {
                        run.readable.remove(&sock);
                        break;
                    }
                    RecvOutcome::Closed => {
                        run.leave(sock);
                        ctx.net.close(ctx.now, ctx.queue, sock);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn write_all(&mut self, ctx: &mut Ctx<'_>) -> Result<(), String> {
        let socks = self.running.as_ref().map(|run| run.writable.clone()).unwrap_or_default();
        for sock in socks {
            while self.write_once(ctx, sock)? {}
        }
        Ok(())
    }

    /// Whether there is more to write now.
    fn write_once(&mut self, ctx: &mut Ctx<'_>, sock: Sock) -> Result<bool, String> {
        let Some(run) = &mut self.running else { return Ok(false) };
        let Some(seat) = run.seats.get_mut(&sock) else { return Ok(false) };
        let cut = self.rng.one_in(8).then(|| 1 + self.rng.below(2_000));
        let (now, net, queue) = (ctx.now, &mut *ctx.net, &mut *ctx.queue);
        let mut left = Vec::new();
        let outcome = run.shards[seat.shard].send(now, seat.conn, |slices| {
            let cut =
                cut.zip(slices.first()).map(|(cut, first)| [IoSlice::new(&first[..first.len().min(cut)])]);
            let slices = cut.as_ref().map_or(slices, |cut| &cut[..]);
            let len = net.write(now, queue, sock, slices)?;
            left = slices.iter().flat_map(|slice| slice.iter()).take(len).copied().collect();
            Ok(len)
        });
        let mut view = View { payload: ctx.payload, disk: &mut self.disk, claimed: &run.claimed };
        seat.inspector.feed(&left, &mut view)?;
        match outcome {
            SendOutcome::More => return Ok(true),
            SendOutcome::Paused => seat.send_paused = true,
            SendOutcome::Idle | SendOutcome::Full => {}
            SendOutcome::Closed => {
                run.leave(sock);
                ctx.net.close(ctx.now, ctx.queue, sock);
            }
        }
        run.writable.remove(&sock);
        Ok(false)
    }

    /// Ends the pass of every shard and carries out its outputs. Returns the first deadline.
    fn drain(&mut self, ctx: &mut Ctx<'_>) -> Result<Time, String> {
        let shards = self.running.as_ref().map_or(0, |run| run.shards.len());
        let mut deadline = Time::NEVER;
        for shard in 0..shards {
            for outputs in 0.. {
                if outputs > MAX_OUTPUTS {
                    return Err("its outputs never end".into());
                }
                let Some(run) = &mut self.running else { return Ok(Time::NEVER) };
                if outputs == 0 {
                    run.shards[shard].end_pass(ctx.now);
                }
                match run.shards[shard].poll(ctx.now) {
                    Output::Wait(at, _) => {
                        deadline = deadline.min(at);
                        break;
                    }
                    output => self.carry_out(ctx, shard, output)?,
                }
            }
        }
        Ok(deadline)
    }

    fn carry_out(&mut self, ctx: &mut Ctx<'_>, shard: usize, output: Output) -> Result<(), String> {
        let Some(run) = &mut self.running else { return Ok(()) };
        match output {
            Output::Dial { conn, addr, punch } => {
                if punch {
                    ctx.net.open_nat(self.id, addr);
                }
                let sock = ctx.net.dial(ctx.now, ctx.queue, self.id, addr);
                ctx.trace.event(ctx.now, "dial", self.id.0, sock.number(), conn.as_u64());
                run.seat(sock, shard, conn, addr, false, ctx.payload);
            }
            Output::Close { conn } => {
                if let Some(sock) = run.socks.get(&(shard, conn)).copied() {
                    run.leave(sock);
                    ctx.trace.event(ctx.now, "close", self.id.0, sock.number(), conn.as_u64());
                    ctx.net.close(ctx.now, ctx.queue, sock);
                }
            }
            Output::Handoff { conn, info_hash, bytes } => {
                let here = ctx.payload.info.info_hashes().matches(info_hash);
                self.hand_off(ctx, (shard, conn), here && shard != 0, &bytes);
            }
            Output::WantSend { conn } => {
                if let Some(sock) = run.socks.get(&(shard, conn)).copied() {
                    if let Some(seat) = run.seats.get_mut(&sock) {
                        seat.send_paused = false;
                    }
                    run.writable.insert(sock);
                }
            }
            Output::Resume { conn } => {
                if let Some(sock) = run.socks.get(&(shard, conn)).copied() {
                    if let Some(seat) = run.seats.get_mut(&sock) {
                        seat.recv_paused = false;
                    }
                    run.readable.insert(sock);
                }
            }
            Output::Disk(request) => {
                let (number, at) = self.disk.submit(ctx.now, request).map_err(|trespass| trespass.0)?;
                ctx.queue.push(at, Event::Disk(self.id, self.life, number));
            }
            Output::Event(_, event) => self.event(ctx, event)?,
            other => return Err(format!("an output that is not known here: {other:?}")),
        }
        Ok(())
    }

    fn hand_off(&mut self, ctx: &mut Ctx<'_>, from: (usize, ConnId), here: bool, bytes: &[u8]) {
        let Some(run) = &mut self.running else { return };
        let Some(sock) = run.socks.remove(&from) else { return };
        let Some(seat) = run.seats.get_mut(&sock) else { return };
        let adopted = here.then(|| run.shards[0].adopt(ctx.now, seat.addr, bytes));
        if let Some(Ok(conn)) = adopted {
            (seat.shard, seat.conn, seat.recv_paused, seat.send_paused) = (0, conn, false, false);
            run.socks.insert((0, conn), sock);
            run.readable.insert(sock);
        } else {
            run.leave(sock);
            ctx.net.close(ctx.now, ctx.queue, sock);
        }
    }

    fn event(&mut self, ctx: &mut Ctx<'_>, event: ShardEvent) -> Result<(), String> {
        ctx.trace.note(ctx.now, self.id.0, format_args!("{event:?}"));
        match event {
            ShardEvent::Durable(pieces) => {
                for piece in pieces {
                    self.durable(ctx, piece.index())?;
                }
                let Some(run) = &mut self.running else { return Ok(()) };
                self.resume.unhashed = run.shards[0].unhashed(TORRENT);
            }
            ShardEvent::Engine(event) => self.engine_event(ctx, &event)?,
            _ => {}
        }
        Ok(())
    }

    fn durable(&mut self, ctx: &Ctx<'_>, piece: PieceIndex) -> Result<(), String> {
        let right = self.disk.is_right(piece, ctx.payload) || self.disk.rotten.get(piece.0);
        if !right || !self.disk.is_durable(piece) {
            return Err(format!("piece {piece:?} is called durable, but a crash would lose it"));
        }
        self.resume.have.insert(piece.0);
        Ok(())
    }

    fn engine_event(&mut self, ctx: &Ctx<'_>, event: &engine::Event) -> Result<(), String> {
        match event {
            engine::Event::PieceCompleted(piece) if !self.disk.is_right(*piece, ctx.payload) => {
                return Err(format!("piece {piece:?} is called complete, but its disk does not have it"));
            }
            engine::Event::Completed => {
                let pieces = ctx.payload.info.geometry().piece_indexes();
                let rotten = self.disk.rotten.clone();
                let (of, wanted) = (ctx.payload.info.geometry().pieces(), self.spec.wanted);
                for piece in pieces.filter(|piece| !rotten.get(piece.0) && wanted(piece.0, of)) {
                    if !self.disk.is_right(piece, ctx.payload) {
                        return Err(format!("it calls itself complete without piece {piece:?}"));
                    }
                }
                self.log.completed_at.get_or_insert(ctx.now);
            }
            engine::Event::Metadata(bytes) => self.learn(ctx, bytes)?,
            engine::Event::PieceFailed(_) => self.log.failed_pieces += 1,
            // As `riverrun`: it is claimed again when it was hashed and synced again.
            engine::Event::PieceDoubtful { piece, .. } => {
                self.log.doubts += 1;
                self.resume.have.remove(piece.0);
                if let Some(run) = &mut self.running {
                    run.claimed.remove(piece.0);
                    self.resume.unhashed = run.shards[0].unhashed(TORRENT);
                }
            }
            engine::Event::PeerBanned { addr } => self.log.bans.push((*addr, ctx.now)),
            engine::Event::DiskTrouble(_) => self.log.troubles += 1,
            engine::Event::DiskRecovered => self.log.recoveries += 1,
            _ => {}
        }
        Ok(())
    }

    /// The metadata has come: the download begins.
    fn learn(&mut self, ctx: &Ctx<'_>, bytes: &[u8]) -> Result<(), String> {
        let info = ctx.payload.info.clone();
        if bytes != info.raw() {
            return Err("wrong metadata is called right".to_owned());
        }
        self.log.metadata_at.get_or_insert(ctx.now);
        let content = Box::new(self.content(&info));
        if let Some(run) = &mut self.running {
            run.shards[0].command(ctx.now, shard::Command::Content(TORRENT, info, content));
        }
        Ok(())
    }

    /// Memory within limits, and bytes served are bytes counted.
    fn check_limits(&mut self, now: Time) -> Result<(), String> {
        let (writes, reads) = self.disk.held();
        let Some(run) = &self.running else { return Ok(()) };
        if writes > self.spec.receive_blocks + self.spec.send_blocks || reads > self.spec.send_blocks {
            return Err(format!("{writes} buffers with writes and {reads} with reads are over the limit"));
        }
        let served = run.served();
        if self.totals.passes.is_multiple_of(COUNT_EVERY)
            && let Some(snapshot) = self.snapshot(now)
            && snapshot.uploaded != served
        {
            return Err(format!("it counts {} bytes as served, but {served} left", snapshot.uploaded));
        }
        Ok(())
    }
}
