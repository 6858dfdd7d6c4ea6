//! Who makes room where there is none: now and then the worst go, a better newcomer takes the place of an idle
//! peer, and a host with many connections gives one up for a host with fewer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use types::Time;
use wire::priority::peer_priority;

use super::Torrent;
use crate::peer::{Peer, Who};
use crate::{ConnId, Disconnect, Host, Origin};

/// How often the worst make room for addresses that wait.
const PERIOD: Duration = Duration::from_secs(300);
/// Nobody goes while fewer than so many of a hundred connections are taken.
const FULL_PERCENT: usize = 90;
/// So many of a hundred go, and at least one.
const LEAVE_PERCENT: usize = 4;
/// A younger peer has had no chance yet.
const GRACE: Duration = Duration::from_secs(60);
/// Newcomers that come in by themselves replace one peer in so long, crowds apart: many of them turn nothing
/// upside down.
const REPLACEMENTS_APART: Duration = Duration::from_secs(10);

/// When peers may be replaced again.
#[derive(Debug)]
pub(super) struct Turnover {
    next: Time,
    next_replacement: Time,
}

impl Turnover {
    pub(super) fn new(now: Time) -> Turnover {
        Turnover { next: now + PERIOD, next_replacement: now }
    }
}

/// What a peer is worth to us: how many of the two ends want something, and what went to and fro.
fn worth(peer: &Peer) -> (u8, u64) {
    let wants = u8::from(peer.interest.ours) + u8::from(peer.interest.theirs);
    (wants, peer.down.total() + peer.uploads.speed.total())
}

/// What a connection is worth to its torrent: where somebody has to go, the least goes. Of those that are alike
/// the oldest is the least, for it has had its chance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Worth {
    wants: u8,
    moved: u64,
    joined: Time,
}

impl Worth {
    fn of(peer: &Peer) -> Worth {
        let (wants, moved) = worth(peer);
        Worth { wants, moved, joined: peer.clock.joined }
    }
}

impl Torrent {
    /// What a connection is worth; None where it is not among the torrent's peers.
    pub fn worth(&self, conn: ConnId) -> Option<Worth> {
        self.peers.get(&conn).map(Worth::of)
    }

    /// Where nearly every place is taken and addresses wait to be tried, the worst peers go.
    pub(super) fn turn_over(&mut self, now: Time) {
        if !self.turnover.next.is_due(now) {
            return;
        }
        self.turnover.next = now + PERIOD;
        let here = self.peers.len();
        if here * 100 < self.state.max_peers as usize * FULL_PERCENT {
            return;
        }
        let leave = self.book.ready(now, (here * LEAVE_PERCENT / 100).max(1));
        let judged = self.peers.values().filter(|peer| now.since(peer.clock.joined) >= GRACE);
        let mut worst: Vec<_> = judged.map(|peer| (worth(peer), peer.who.conn)).collect();
        worst.sort_unstable();
        worst.truncate(leave);
        worst.into_iter().for_each(|(_, conn)| self.part_with(now, conn, Disconnect::Full));
    }

    /// All places are taken and a peer comes in: one leaves for it where its host has many and the newcomer's has
    /// few, where neither end wants anything, or nothing ever went to or fro and BEP 40 prefers the newcomer. Whether
    /// there is room now.
    pub(super) fn takes_a_place(&mut self, now: Time, newcomer: &Who) -> bool {
        if newcomer.origin != Origin::Accepted {
            return false;
        }
        let crowd = self.least_of_a_crowd(newcomer);
        let Some(victim) = crowd.or_else(|| self.idle_or_disliked(now, newcomer)) else { return false };
        if crowd.is_none() {
            self.turnover.next_replacement = now + REPLACEMENTS_APART;
        }
        self.part_with(now, victim, Disconnect::Full);
        true
    }

    /// Of the host with the most connections the one that is worth least, where that host has many more than the
    /// newcomer's.
    fn least_of_a_crowd(&self, newcomer: &Who) -> Option<ConnId> {
        let host = |who: &Who| Host::of(who.addr);
        let mut sizes: BTreeMap<Host, usize> = BTreeMap::new();
        self.peers.values().for_each(|peer| *sizes.entry(host(&peer.who)).or_default() += 1);
        let has = sizes.get(&host(newcomer)).copied().unwrap_or_default();
        let (crowd, held) = sizes.into_iter().max_by_key(|(_, held)| *held)?;
        let theirs = self.peers.values().filter(|peer| host(&peer.who) == crowd);
        let least = theirs.min_by_key(|peer| (Worth::of(peer), peer.who.conn))?;
        Host::yields(held, has, Host::KEEPS).then_some(least.who.conn)
    }

    fn idle_or_disliked(&self, now: Time, newcomer: &Who) -> Option<ConnId> {
        if !self.turnover.next_replacement.is_due(now) {
            return None;
        }
        let ours = self.own_address(newcomer.addr);
        let priority = |addr: SocketAddr| ours.map(|ours| peer_priority(ours, addr));
        let yields = |peer: &&Peer| match worth(peer) {
            _ if now.since(peer.clock.joined) < GRACE => false,
            (0, _) => true,
            (_, 0) => priority(newcomer.addr) > priority(peer.who.addr),
            _ => false,
        };
        let rank = |peer: &&Peer| (worth(peer), priority(peer.who.addr), peer.who.conn);
        self.peers.values().filter(yields).min_by_key(rank).map(|peer| peer.who.conn)
    }

    /// Our address as a peer there sees it: what the user says, or what most peers say (BEP 10).
    pub(super) fn own_address(&self, there: SocketAddr) -> Option<SocketAddr> {
        let v4 = there.ip().to_canonical().is_ipv4();
        let said: Option<IpAddr> = match v4 {
            true => self.config.public_v4.map(IpAddr::V4),
            false => self.config.public_v6.map(IpAddr::V6),
        };
        let ip = said.or_else(|| self.votes.winner(v4))?;
        Some(SocketAddr::new(ip, self.config.listen_port.unwrap_or(0)))
    }
}
