//! What time demands: silence, keep-alives, dials, slots.

use std::time::Duration;

use types::Time;
use wire::Message;

use super::Torrent;
use crate::{ConnId, Disconnect, Output, WaitReason};

/// The coarse clock of a torrent with peers.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// Most dials begun in one tick, so that a long list of addresses is no burst of SYNs.
const DIALS_A_TICK: usize = 30;
/// A peer that refused everything is asked again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl Torrent {
    /// The next moment at which time alone demands something. A torrent at rest, or without peers and
    /// addresses to try, waits for ever.
    pub(super) fn deadline(&self) -> (Time, WaitReason) {
        if !self.state.running {
            return (Time::NEVER, WaitReason::Idle);
        }
        let mut first = (Time::NEVER, WaitReason::Idle);
        let mut consider = |at: Time, why| {
            if at < first.0 {
                first = (at, why);
            }
        };
        if !self.peers.is_empty() {
            consider(self.state.next_tick, WaitReason::Peer);
            consider(self.state.next_round, WaitReason::Choke);
            if self.picker.has_demand() {
                consider(self.state.next_hurry, WaitReason::Peer);
            }
        }
        if self.has_room() {
            consider(self.book.next_due().max(self.state.next_tick), WaitReason::Dial);
        }
        first
    }

    pub(super) fn upkeep(&mut self, now: Time) {
        if !self.state.running {
            return;
        }
        if self.state.next_tick.is_due(now) {
            self.state.next_tick = now + TICK;
            self.late_copies = None;
            self.watch_peers(now);
            self.turn_over(now);
            self.show_pieces(now);
            self.fetch_metadata(now);
            self.tell_peers(now);
            self.part_from_idle_ends(now);
            self.stake(now);
            self.dial(now);
        }
        if self.state.next_hurry.is_due(now) && self.picker.has_demand() {
            self.hurry(now);
        }
        if self.state.next_round.is_due(now) {
            self.state.next_round = now + self.config.choke_interval;
            self.choke_round(now);
            self.review_shares(now);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let taken = self.peers.len() + self.book.dialing();
        taken < self.state.max_peers as usize && (self.uploads() || !self.picker.is_content())
    }

    /// Dials what the book proposes, as far as there is room.
    pub(super) fn dial(&mut self, now: Time) {
        let mut begun = 0;
        while self.state.running && self.has_room() && begun < DIALS_A_TICK {
            let Some(addr) = self.book.next(now) else { break };
            self.out.push_back(Output::Dial { addr });
            begun += 1;
        }
    }

    /// Looks after silent peers.
    fn watch_peers(&mut self, now: Time) {
        let (mut silent, mut quiet, mut snubs, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for peer in self.peers.values_mut() {
            let conn = peer.who.conn;
            peer.trust.idle_messages =
                peer.trust.idle_messages.saturating_sub(super::messages::IDLE_MESSAGES_A_SECOND);
            if now.since(peer.clock.heard) >= self.config.idle_timeout {
                silent.push(conn);
            } else if now.since(peer.clock.spoke) >= self.config.keep_alive {
                quiet.push(conn);
            }
            if peer.requests.check_snub(now, self.config.snub_after) {
                snubs.push(conn);
            }
            if !peer.interest.choked && peer.interest.ours && peer.requests.len() == 0 {
                idle.push(conn);
                // What it refused a while ago it may have by now.
                if peer.requests.begin_anew(now, ASK_AGAIN) {
                    self.hungry.insert(conn);
                }
            }
        }
        quiet.into_iter().for_each(|conn| self.send(now, conn, Message::KeepAlive));
        self.help_out(now, idle);
        snubs.into_iter().for_each(|conn| self.snub(now, conn));
        silent.into_iter().for_each(|conn: ConnId| self.part_with(now, conn, Disconnect::Idle));
    }

    /// In the end-game idle peers are asked for what slow ones would bring last, the quick ones first.
    fn help_out(&mut self, now: Time, mut idle: Vec<ConnId>) {
        idle.sort_by_key(|conn| {
            let requests = self.peers.get(conn).map(|peer| &peer.requests);
            requests.map(|requests| (!requests.is_proven(), requests.pace(now).0))
        });
        if !idle.is_empty() && self.may_fetch() && self.picker.is_endgame(&mut self.rng) {
            idle.into_iter().for_each(|conn| {
                self.rescue(now, conn);
            });
        }
    }

    /// The peer owes us everything for too long: others may fetch it, and it is asked for one block as a
    /// probe.
    fn snub(&mut self, now: Time, conn: ConnId) {
        self.take_back(now, conn, false);
        self.feed(now);
        self.hungry.insert(conn);
    }
}

impl Torrent {
    /// Whether nothing is queued; for tests of the deadline.
    #[cfg(test)]
    pub(super) fn drain(&mut self, now: Time) -> Vec<Output> {
        let mut all = Vec::new();
        loop {
            match self.poll(now) {
                Output::Wait(..) => return all,
                output => all.push(output),
            }
        }
    }
}
