//! Share mode: a torrent that is downloaded only in order to be uploaded.
//!
//! Each piece is a stake, and there are rules for when one is worth its price. They follow libtorrent's in their
//! figures (three copies up for one down, 5 % of the torrent under way, two pieces a seed serves meanwhile) and differ
//! where that one loses or stands still:
//!
//! - Who lacks a piece is counted among peers that download; there everyone counts who does not have it, other sharers
//!   and partial seeds as well, which will never ask for it.
//! - What is counted begins with share mode. What was downloaded before was downloaded for another reason, and would
//!   keep a torrent that is switched over from its first piece for long.
//! - Where nobody wants any more what is here, a piece may be staked although not three times as much was sent: as long
//!   as its loss would leave as much sent as received. Otherwise one unlucky piece would be the last.
//! - What nobody brings is given up for a while, so that it holds up nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use types::{PieceIndex, Time};

/// Copies to be sent for each that comes.
const COPIES: u64 = 3;
/// A piece is fetched only if so many peers lack it: one for each copy that is to be sent.
pub(crate) const LACKING: usize = COPIES as usize;
/// Pieces that a seed sends while we fetch one and pass it on.
const BY_A_SEED: u64 = 2;
/// One of so many pieces of the torrent may be under way, and always one.
const UNDER_WAY: u32 = 20;
/// However large the torrent is, no more pieces are under way: whenever a peer is given something to fetch, all of them
/// are looked through.
const MOST_UNDER_WAY: u32 = 500;
/// A chosen piece is given up when none of its bytes came for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// A piece that was given up is not chosen again for so long.
const SET_ASIDE: Duration = Duration::from_secs(300);
/// With fewer connections seeds are in nobody's way, unless that is nearly all that there may be.
const CROWD: usize = 20;

/// Whether a torrent is in share mode, and what it has staked.
#[derive(Debug, Default)]
pub(crate) struct Share {
    on: bool,
    /// Peers may have been told that it is.
    told: bool,
    /// Bytes received and sent before it was.
    before: (u64, u64),
    stakes: BTreeMap<PieceIndex, Stake>,
    /// Pieces that were given up, and until when they are left alone.
    aside: BTreeMap<PieceIndex, Time>,
}

/// A piece that was chosen.
#[derive(Clone, Copy, Debug)]
struct Stake {
    /// Bytes of it that were here at the last look.
    here: u64,
    /// Since when.
    since: Time,
}

/// What was paid, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accounts {
    /// Bytes received and sent by the torrent.
    pub(crate) moved: (u64, u64),
    /// Bytes that are missing of chosen pieces.
    pub(crate) to_come: u64,
    /// Chosen pieces that are not here.
    pub(crate) under_way: u32,
    /// Pieces of the torrent.
    pub(crate) pieces: u32,
    /// Somebody wants something that is here.
    pub(crate) wanted: bool,
}

/// What the connected peers want, and who else gives it to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Swarm {
    /// Pieces that peers lack which download, in all.
    pub(crate) missing: u64,
    pub(crate) seeds: u64,
}

impl Swarm {
    /// Whether more is wanted than the seeds bring meanwhile.
    pub(crate) fn has_demand(self) -> bool {
        self.missing > self.seeds.saturating_mul(BY_A_SEED)
    }
}

impl Share {
    /// Whether the torrent is in share mode.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// What peers are told of it: nothing where it never was.
    pub(crate) fn told(&self) -> Option<bool> {
        self.told.then_some(self.on)
    }

    /// Share mode begins or ends; so many bytes were received and sent before.
    pub(crate) fn turn(&mut self, on: bool, moved: (u64, u64)) {
        *self = Share { on, told: self.told || on, before: moved, ..Share::default() };
    }

    /// Whether so many more bytes may be fetched.
    pub(crate) fn may_stake(&self, accounts: Accounts, bytes: u64) -> bool {
        let most = (accounts.pieces / UNDER_WAY).clamp(1, MOST_UNDER_WAY);
        if !self.on || accounts.under_way >= most {
            return false;
        }
        let received = accounts.moved.0.saturating_sub(self.before.0) + accounts.to_come;
        let sent = accounts.moved.1.saturating_sub(self.before.1);
        let pays = sent >= received.saturating_mul(COPIES);
        let stands_still = !accounts.wanted && accounts.under_way == 0;
        pays || stands_still && sent >= received + bytes
    }

    /// A piece was chosen.
    pub(crate) fn stake(&mut self, now: Time, piece: PieceIndex, here: u64) {
        self.stakes.insert(piece, Stake { here, since: now });
    }

    /// Whether a piece was given up not long ago.
    pub(crate) fn is_aside(&self, piece: PieceIndex) -> bool {
        self.aside.contains_key(&piece)
    }

    /// Looks at what was staked: `here` says how many bytes of a piece have come, and nothing of one that is settled.
    /// Returns the pieces to be given up.
    pub(crate) fn review(&mut self, now: Time, here: impl Fn(PieceIndex) -> Option<u64>) -> Vec<PieceIndex> {
        self.aside.retain(|_, end| !end.is_due(now));
        let mut lost = Vec::new();
        self.stakes.retain(|piece, stake| {
            let Some(here) = here(*piece) else { return false };
            if here != stake.here {
                *stake = Stake { here, since: now };
            }
            let stays = now.since(stake.since) < PATIENCE;
            lost.extend((!stays).then_some(*piece));
            stays
        });
        self.aside.extend(lost.iter().map(|piece| (*piece, now + SET_ASIDE)));
        lost
    }
}

/// How many of so many seeds are to go: those beyond half of the peers, where places are short. A seed takes the place
/// of somebody who might want something; with places to spare it is one more to fetch from.
pub(crate) fn surplus(peers: usize, seeds: usize, places: usize) -> usize {
    let crowded = peers > CROWD || peers.saturating_mul(10) > places.saturating_mul(9);
    if crowded { seeds.saturating_sub(peers / 2) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u64 = 100;

    fn on() -> Share {
        let mut share = Share::default();
        share.turn(true, (1_000, 7));
        share
    }

    fn accounts(received: u64, sent: u64) -> Accounts {
        let moved = (1_000 + received, 7 + sent);
        Accounts { moved, to_come: 0, under_way: 0, pieces: 100, wanted: true }
    }

    #[test]
    fn the_first_piece_is_free_and_each_further_one_is_paid_threefold() {
        let share = on();
        assert!(share.may_stake(accounts(0, 0), LEN), "what moved before does not count");
        assert!(!share.may_stake(accounts(LEN, 3 * LEN - 1), LEN));
        assert!(share.may_stake(accounts(LEN, 3 * LEN), LEN));
        let under_way = Accounts { to_come: LEN, under_way: 1, ..accounts(LEN, 3 * LEN) };
        assert!(!share.may_stake(under_way, LEN), "what is under way counts as received");
        assert!(share.may_stake(Accounts { moved: (1_000 + LEN, 7 + 6 * LEN), ..under_way }, LEN));
        assert!(!Share::default().may_stake(accounts(0, 0), LEN));
    }

    #[test]
    fn a_twentieth_is_under_way_and_always_one() {
        let share = on();
        let may =
            |under_way, pieces| share.may_stake(Accounts { under_way, pieces, ..accounts(0, 10_000) }, LEN);
        assert!(may(4, 100) && !may(5, 100));
        assert!(may(0, 3) && !may(1, 3));
        assert!(may(499, 1_000_000) && !may(500, 1_000_000));
    }

    #[test]
    fn where_nobody_wants_what_is_here_as_much_as_can_be_lost_is_staked() {
        let share = on();
        let idle = |received, sent| Accounts { wanted: false, ..accounts(received, sent) };
        assert!(!share.may_stake(idle(LEN, 2 * LEN - 1), LEN));
        assert!(share.may_stake(idle(LEN, 2 * LEN), LEN));
        assert!(!share.may_stake(accounts(LEN, 2 * LEN), LEN), "somebody wants what is here");
        let fetching = Accounts { under_way: 1, to_come: 1, ..idle(LEN, 2 * LEN + 1) };
        assert!(!share.may_stake(fetching, LEN), "what is under way may be wanted");
    }

    #[test]
    fn seeds_bring_two_pieces_each_meanwhile() {
        assert!(!Swarm { missing: 0, seeds: 0 }.has_demand());
        assert!(!Swarm { missing: 4, seeds: 2 }.has_demand());
        assert!(Swarm { missing: 5, seeds: 2 }.has_demand());
    }

    #[test]
    fn seeds_beyond_half_go_where_places_are_short() {
        assert_eq!((surplus(20, 20, 80), surplus(21, 21, 80), surplus(40, 20, 80)), (0, 11, 0));
        assert_eq!((surplus(9, 9, 10), surplus(10, 9, 10), surplus(1, 1, 1)), (0, 4, 1));
    }

    #[test]
    fn what_nobody_brings_is_given_up_for_a_while() {
        let (mut share, at) = (on(), Time::from_secs);
        (1..4).for_each(|n| share.stake(at(0), PieceIndex(n), 0));
        let here = |piece: PieceIndex| [None, Some(0), Some(16), None][piece.as_usize()];
        assert!(share.review(at(50), here).is_empty());
        assert_eq!(share.review(at(60), here), [PieceIndex(1)], "of another something came, one is settled");
        assert!(share.is_aside(PieceIndex(1)) && !share.is_aside(PieceIndex(2)));
        assert_eq!(share.review(at(110), here), [PieceIndex(2)]);
        share.review(at(360), here);
        assert!(!share.is_aside(PieceIndex(1)) && share.is_aside(PieceIndex(2)));
        share.turn(false, (0, 0));
        assert!(!share.is_aside(PieceIndex(2)) && share.told() == Some(false));
    }
}
