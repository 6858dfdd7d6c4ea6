//! Share mode: which piece is fetched next, and who is in the way.

use std::time::Duration;

use types::{PieceIndex, Time};

use super::Torrent;
use crate::peer::Peer;
use crate::share::{Accounts, LACKING, Swarm, surplus};
use crate::{ConnId, Disconnect};

/// Most pieces that are chosen at a time; a second later there may be more.
const AT_A_TIME: usize = 16;
/// A peer that has said nothing of its pieces lacks them all only if it has been here for so long.
const SILENT: Duration = Duration::from_secs(10);

/// Whether the peer downloads, as far as it says: neither a seed of whatever kind, nor one that is in share mode too.
fn downloads(now: Time, peer: &Peer) -> bool {
    let known = peer.trust.spoke || now.since(peer.clock.joined) >= SILENT;
    known && !peer.is_seed() && peer.theirs.upload_only.is_none() && !peer.theirs.share_mode
}

impl Torrent {
    /// Whether it is in share mode and does not have everything. Else it is a seed like any other.
    pub(super) fn shares(&self) -> bool {
        self.share.is_on() && !self.is_complete()
    }

    /// Whether peers are served for no return: by a seed, or in share mode, where more comes back than is asked for.
    pub(super) fn gives_alone(&self) -> bool {
        self.share.is_on() || self.is_complete()
    }

    /// From now on it is downloaded only in order to be uploaded, or for its own sake again.
    pub(super) fn set_share_mode(&mut self, now: Time, on: bool) {
        if self.share.is_on() == on {
            return;
        }
        self.share.turn(on, (self.tally.down.total(), self.tally.up.total()));
        self.picker.share(on);
        self.drop_stale(now);
        self.review_interest(now);
        self.tell_upload_only(now);
        let extended = self.peers.values().filter(|peer| peer.who.common.extension_protocol());
        let extended: Vec<_> = extended.map(|peer| (peer.who.conn, peer.who.addr.ip())).collect();
        extended.into_iter().for_each(|(conn, ip)| self.introduce(now, conn, ip));
        self.choke_round(now);
        self.review_shares(now);
    }

    /// Chooses what pays, if anything does. It costs a look at the peers, and more only where a piece is due; the rarest
    /// pieces lie in front of the picker's queue.
    pub(super) fn stake(&mut self, now: Time) {
        let works = self.state.running && self.is_known() && self.may_fetch() && self.uploads();
        if !works || !self.shares() || self.peers.is_empty() {
            return;
        }
        let mut accounts = self.accounts();
        if !self.share.may_stake(accounts, 0) || !self.swarm(now).has_demand() {
            return;
        }
        let share = &self.share;
        let rarest = self.picker.rarest(AT_A_TIME, |piece| !share.is_aside(piece), &mut self.rng);
        for piece in rarest {
            let (here, missing) = self.picker.progress(piece);
            let pays = self.share.may_stake(accounts, missing) && self.lacking(now, piece) >= LACKING;
            if pays && self.picker.choose(piece) {
                self.share.stake(now, piece, here);
                (accounts.to_come, accounts.under_way) = (accounts.to_come + missing, accounts.under_way + 1);
                self.seek(now, piece);
            }
        }
    }

    fn accounts(&self) -> Accounts {
        Accounts {
            moved: (self.tally.down.total(), self.tally.up.total()),
            to_come: self.picker.chosen().map(|piece| self.picker.progress(piece).1).sum(),
            under_way: self.picker.to_come(),
            pieces: self.geometry.pieces(),
            wanted: self.peers.values().any(Peer::wants_slot),
        }
    }

    fn swarm(&self, now: Time) -> Swarm {
        let pieces = self.geometry.pieces();
        let downloading = self.peers.values().filter(|peer| downloads(now, peer));
        Swarm {
            missing: downloading.map(|peer| u64::from(pieces - peer.has(pieces))).sum(),
            seeds: self.peers.values().filter(|peer| peer.is_seed()).count() as u64,
        }
    }

    /// How many peers will want this piece.
    fn lacking(&self, now: Time, piece: PieceIndex) -> usize {
        self.peers.values().filter(|peer| downloads(now, peer) && !peer.pieces.has(piece)).count()
    }

    /// A piece is to be had: whoever has it is asked.
    fn seek(&mut self, now: Time, piece: PieceIndex) {
        let having = self.peers.values().filter(|peer| peer.pieces.has(piece));
        let having: Vec<ConnId> = having.map(|peer| peer.who.conn).collect();
        self.hungry.extend(&having);
        having.into_iter().for_each(|conn| self.set_interest(now, conn, true));
    }

    /// Once a round: gives up what nobody brings, makes room, and chooses anew.
    pub(super) fn review_shares(&mut self, now: Time) {
        if !self.shares() {
            return;
        }
        let picker = &self.picker;
        let here = |piece| picker.is_chosen(piece).then(|| picker.progress(piece).0);
        let lost = self.share.review(now, here);
        if !lost.is_empty() {
            lost.into_iter().for_each(|piece| self.picker.renounce(piece));
            self.drop_stale(now);
        }
        self.part_from_surplus(now);
        self.stake(now);
        // Who stays interested where nothing is to be had takes the turn of others.
        let interest =
            self.peers.values().map(|peer| (peer.who.conn, self.picker.is_interesting(&peer.pieces)));
        let interest: Vec<(ConnId, bool)> = interest.collect();
        interest.into_iter().for_each(|(conn, wanted)| self.set_interest(now, conn, wanted));
    }

    /// Seeds make room for those who want something. Where none is left they are wanted again: somebody has to bring
    /// what is to be passed on.
    fn part_from_surplus(&mut self, now: Time) {
        let mut seeds: Vec<ConnId> =
            self.peers.values().filter(|peer| peer.is_seed()).map(|peer| peer.who.conn).collect();
        if seeds.is_empty() {
            self.book.unshelve(now);
            return self.dial(now);
        }
        let surplus = surplus(self.peers.len(), seeds.len(), self.state.max_peers as usize);
        seeds.sort_by_key(|conn| (self.worth(*conn), *conn));
        seeds.truncate(surplus);
        seeds.into_iter().for_each(|conn| self.part_with(now, conn, Disconnect::Useless));
    }
}
