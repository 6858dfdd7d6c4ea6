//! What readers wait for: who is asked for it, and what is given up for it.

use std::time::Duration;

use types::{BlockRef, PieceIndex, Time};
use wire::Message;

use super::Torrent;
use crate::ConnId;
use crate::peer::Peer;
use crate::picker::{Asker, Demand, Pace};

/// How often a torrent that readers wait for looks at what is late.
const HURRY: Duration = Duration::from_millis(200);
/// What is expected within this time is not asked for a second time, and nobody is too slow who brings it so
/// soon.
const SOON: Duration = Duration::from_millis(500);
/// The longest that a slow peer is preferred to waiting for a quick one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Second copies asked for at one look.
const COPIES: usize = 16;

/// How soon a peer would bring what is urgent. Who owes us for too long is asked only where nobody else
/// serves, which is when patience has no end.
pub(super) fn pace(peer: &Peer, now: Time, patience: Duration) -> Pace {
    let (each, ahead) = peer.requests.pace(now);
    let ahead = if peer.requests.is_snubbed() { Duration::MAX } else { ahead };
    Pace { now, ahead, each, patience }
}

impl Torrent {
    /// A reader says what it waits for.
    pub(super) fn demand(&mut self, now: Time, demand: &Demand) {
        self.picker.demand(now, demand);
        self.drop_stale(now);
        self.make_way(now);
        self.tell_upload_only(now);
        let ask: Vec<(ConnId, bool)> = self.peers.values().map(|peer| self.interest_after(peer)).collect();
        ask.into_iter().for_each(|(conn, wanted)| self.set_interest(now, conn, wanted));
        self.hungry.extend(self.peers.keys());
        self.state.next_hurry = now + HURRY;
        if self.picker.has_demand() {
            self.book.unshelve(now);
        }
        self.dial(now);
    }

    /// What a changed demand makes of our interest. Looking through all of a peer's pieces is left to the
    /// moment when it has nothing to do.
    fn interest_after(&self, peer: &Peer) -> (ConnId, bool) {
        let lost = self.picker.to_come() == 0 && peer.interest.ours;
        let review = lost || self.picker.has_demand() && !peer.interest.ours;
        let wanted = if review { self.picker.is_interesting(&peer.pieces) } else { peer.interest.ours };
        (peer.who.conn, wanted)
    }

    /// Cancels requests for pieces that nobody wants any more.
    pub(super) fn drop_stale(&mut self, now: Time) {
        let conns: Vec<ConnId> = self.peers.keys().copied().collect();
        conns
            .into_iter()
            .for_each(|conn| self.withdraw(now, conn, |torrent, block| !torrent.is_sought(block)));
    }

    fn is_sought(&self, block: BlockRef) -> bool {
        self.picker.is_sought(block.piece)
    }

    /// Cancels those requests to a peer that `stale` names.
    fn withdraw(&mut self, now: Time, conn: ConnId, stale: impl Fn(&Torrent, BlockRef) -> bool) {
        // Out of the table for a moment, since the question is about the rest of the torrent.
        let Some(mut peer) = self.peers.remove(&conn) else { return };
        let blocks = peer.requests.forgive_where(|block| stale(self, block));
        self.peers.insert(conn, peer);
        for block in blocks {
            self.picker.release(block);
            self.send(now, conn, Message::Cancel(block));
        }
    }

    /// What is needed before the queues of the peers are through goes before what is merely wanted: as many
    /// of the quickest peers as it takes are freed of that.
    fn make_way(&mut self, now: Time) {
        let mut due: Vec<(Time, PieceIndex, u32)> = self.picker.unasked().collect();
        for conn in self.by_speed(now) {
            let Some(peer) = self.peers.get(&conn).filter(|peer| peer.serves()) else { continue };
            let (each, ahead) = peer.requests.pace(now);
            let late = |at: &Time| now + ahead > *at && ahead > SOON;
            let Some(first) =
                due.iter_mut().find(|(at, piece, left)| *left > 0 && late(at) && peer.pieces.has(*piece))
            else {
                continue;
            };
            // What it brings within the patience of a reader is taken off the list.
            let brings = (SOON.as_secs_f64() / each.as_secs_f64().max(0.001)).max(1.0) as u32;
            first.2 = first.2.saturating_sub(brings);
            self.withdraw(now, conn, |torrent, block| torrent.picker.deadline(block.piece).is_none());
        }
    }

    /// Every connection, the one that would bring a new block first first.
    fn by_speed(&self, now: Time) -> Vec<ConnId> {
        let mut all: Vec<(Duration, ConnId)> = self
            .peers
            .values()
            .filter(|peer| !peer.interest.choked)
            .map(|peer| (peer.requests.pace(now).0, peer.who.conn))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, conn)| conn).collect()
    }

    /// The hungry peers, the one that would bring a new block first first.
    pub(super) fn quick_first(&mut self, now: Time) -> Vec<ConnId> {
        let hungry = std::mem::take(&mut self.hungry);
        let mut all: Vec<(Duration, ConnId)> = hungry
            .into_iter()
            .filter_map(|conn| {
                let (each, ahead) = self.peers.get(&conn)?.requests.pace(now);
                Some((each + ahead, conn))
            })
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, conn)| conn).collect()
    }

    /// How long a peer may take for what is urgent, as nobody brings it much sooner. Without end where nobody
    /// can be counted on.
    pub(super) fn patience(&self, now: Time) -> Duration {
        let next = |peer: &Peer| {
            let (each, ahead) = peer.requests.pace(now);
            each + ahead
        };
        let best = self.peers.values().filter(|peer| peer.serves()).map(next).min();
        best.map_or(Duration::MAX, |best| (best * 2).clamp(SOON, PATIENCE))
    }

    /// Looks after what readers wait for: free blocks that became late enough for slower peers, and blocks
    /// under way that another peer would bring sooner.
    pub(super) fn hurry(&mut self, now: Time) {
        self.state.next_hurry = now + HURRY;
        if !self.may_fetch() {
            return;
        }
        if self.picker.unasked().next().is_some() {
            self.hungry.extend(self.peers.keys());
        }
        let mut late = self.late(now);
        late.sort_unstable();
        let mut copies = 0;
        for (_, block, holder, expected) in late {
            if copies == COPIES {
                break;
            }
            copies += usize::from(self.ask_quicker(now, block, holder, expected));
        }
    }

    /// Blocks under way that come after their deadline, with it, their holder and the time they are expected
    /// in.
    fn late(&self, now: Time) -> Vec<(Time, BlockRef, ConnId, Duration)> {
        let mut late = Vec::new();
        for peer in self.peers.values() {
            for (block, expected) in peer.requests.expected(now) {
                let Some(deadline) = self.picker.deadline(block.piece) else { continue };
                let hopeless = peer.requests.is_snubbed() || peer.interest.choked;
                if hopeless || expected > SOON && now + expected > deadline {
                    late.push((deadline, block, peer.who.conn, expected));
                }
            }
        }
        late
    }

    /// Asks a second peer for a block, if one would bring it in half the time; sooner is enough where the
    /// holder has never brought anything.
    fn ask_quicker(&mut self, now: Time, block: BlockRef, holder: ConnId, expected: Duration) -> bool {
        let holder_is = |what: fn(&Peer) -> bool| self.peers.get(&holder).is_some_and(what);
        let hopeless = holder_is(|peer| peer.requests.is_snubbed());
        let unproven = holder_is(|peer| !peer.requests.is_proven());
        let span = |peer: &Peer| {
            let (each, ahead) = peer.requests.pace(now);
            each + ahead
        };
        let quick = self.peers.values().filter(|peer| {
            let fit = peer.serves() && peer.who.conn != holder && peer.pieces.has(block.piece);
            let gain = if unproven { 1 } else { 2 };
            let sooner = peer.requests.is_proven() && span(peer) * gain < expected;
            fit && (hopeless || sooner) && !peer.requests.owes(block)
        });
        let Some(best) = quick.min_by_key(|peer| (span(peer), peer.who.conn)).map(|peer| peer.who.conn)
        else {
            return false;
        };
        let Some(peer) = self.peers.get_mut(&best) else { return false };
        let pace = pace(peer, now, Duration::ZERO);
        let asker = Asker {
            conn: best,
            pieces: &peer.pieces,
            parole: false,
            alone: false,
            pace,
            suggested: &[],
            abreast: 1,
            queue: 0,
        };
        let asked = self.picker.ask_again(asker, block, 1);
        if asked {
            peer.requests.ask(now, block);
            self.send(now, best, Message::Request(block));
        }
        asked
    }
}
