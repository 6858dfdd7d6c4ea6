//! Peer exchange (BEP 11): what one peer has been told of others, and what it told us.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use types::{Time, may_speak_of};
use wire::extended::{Pex, PexFlags, PexPeer};

/// The least time between two messages to one peer (BEP 11).
const INTERVAL: Duration = Duration::from_secs(60);
/// Where there was nothing to tell, it is looked again so soon: a peer's first message should not be a minute
/// late.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Most entries of a peer's first message, of each list; later ones have [`Pex::MAX_SENT`].
const MAX_FIRST: usize = 100;
/// Most addresses that one peer is told of at a time.
const MAX_TOLD: usize = 200;

/// Messages that a peer may send at once; one more is earned every [`EARNED`], well within the minute of
/// BEP 11.
const SLACK: u32 = 4;
const EARNED: Duration = Duration::from_secs(45);
/// So many messages beyond them are a flood.
const MAX_EXCESS: u32 = 8;
/// Most addresses taken of one message.
pub(crate) const MAX_TAKEN: usize = 100;
/// Most addresses of which is kept that this peer named them.
const MAX_NAMED: usize = 200;

/// What one peer has been told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Whom it believes us to be connected to.
    peers: BTreeSet<SocketAddr>,
    next: Time,
    begun: bool,
}

impl Told {
    pub(crate) fn new(now: Time) -> Told {
        Told { peers: BTreeSet::new(), next: now, begun: false }
    }

    /// Whether it is time to tell the peer something.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.next.is_due(now)
    }

    /// The next message for the peer at `to`, where something changed. `connected` is everyone we are
    /// connected to, with the address he listens on; `itself` is the peer's own.
    pub(crate) fn next(
        &mut self,
        now: Time,
        to: IpAddr,
        itself: Option<SocketAddr>,
        connected: &BTreeMap<SocketAddr, PexFlags>,
    ) -> Option<Pex> {
        let most = if self.begun { Pex::MAX_SENT } else { MAX_FIRST };
        let gone = self.peers.iter().filter(|addr| !connected.contains_key(addr));
        let dropped: Vec<SocketAddr> = gone.take(most).copied().collect();
        self.peers.retain(|addr| !dropped.contains(addr));
        let room = most.min(MAX_TOLD.saturating_sub(self.peers.len()));
        let told = &self.peers;
        let fresh =
            |addr: &SocketAddr| !told.contains(addr) && Some(*addr) != itself && may_speak_of(to, *addr);
        let added = connected.iter().filter(|(addr, _)| fresh(addr)).take(room);
        let added: Vec<PexPeer> = added.map(|(addr, flags)| PexPeer { addr: *addr, flags: *flags }).collect();
        self.peers.extend(added.iter().map(|peer| peer.addr));
        let something = !added.is_empty() || !dropped.is_empty();
        self.begun |= something;
        self.next = now + if something { INTERVAL } else { LOOK_AGAIN };
        something.then_some(Pex { added, dropped, cut: 0 })
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is read.
    Read,
    /// It came too soon after others: it is thrown away.
    TooSoon,
    /// Again and again they come too soon.
    Flood,
}

/// What one peer told us.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Messages it may send, as of a moment.
    allowance: u32,
    since: Time,
    excess: u32,
    /// Whom it says it is connected to.
    named: BTreeMap<SocketAddr, PexFlags>,
}

impl Heard {
    pub(crate) fn new(now: Time) -> Heard {
        Heard { allowance: SLACK, since: now, excess: 0, named: BTreeMap::new() }
    }

    /// A message came. To be asked before it is parsed.
    pub(crate) fn admits(&mut self, now: Time) -> Verdict {
        let earned = (now.since(self.since).as_millis() / EARNED.as_millis()) as u32;
        self.allowance = self.allowance.saturating_add(earned).min(SLACK);
        self.since += EARNED * earned;
        if self.allowance > 0 {
            self.allowance -= 1;
            return Verdict::Read;
        }
        self.excess += 1;
        if self.excess > MAX_EXCESS { Verdict::Flood } else { Verdict::TooSoon }
    }

    /// Takes in what a peer at `from` says. Returns the addresses that are worth a try, at most
    /// [`MAX_TAKEN`], and how many were refused.
    pub(crate) fn read(&mut self, from: IpAddr, pex: &Pex) -> (Vec<PexPeer>, usize) {
        self.named.retain(|addr, _| !pex.dropped.contains(addr));
        let mut taken = Vec::new();
        for peer in pex.added.iter().filter(|peer| may_speak_of(from, peer.addr)).take(MAX_TAKEN) {
            if self.named.len() < MAX_NAMED || self.named.contains_key(&peer.addr) {
                self.named.insert(peer.addr, peer.flags);
            }
            taken.push(*peer);
        }
        let refused = pex.added.len() + pex.cut - taken.len();
        (taken, refused)
    }

    /// What the peer said of someone it is connected to.
    pub(crate) fn flags_of(&self, addr: SocketAddr) -> Option<PexFlags> {
        self.named.get(&addr).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8));

    fn addr(n: u16) -> SocketAddr {
        SocketAddr::from(([9, 9, (n >> 8) as u8, n as u8], 6881))
    }

    fn connected(range: std::ops::Range<u16>) -> BTreeMap<SocketAddr, PexFlags> {
        range.map(|n| (addr(n), PexFlags::REACHABLE)).collect()
    }

    #[test]
    fn what_changed_is_told_once_a_minute() {
        let mut told = Told::new(Time::ZERO);
        let pex = told.next(Time::ZERO, FAR, Some(addr(2)), &connected(1..4)).unwrap();
        let added: Vec<SocketAddr> = pex.added.iter().map(|peer| peer.addr).collect();
        assert_eq!((added, pex.dropped), (vec![addr(1), addr(3)], vec![]), "a peer knows itself");
        assert_eq!(pex.added[0].flags, PexFlags::REACHABLE);
        assert!(!told.is_due(Time::from_millis(59_999)) && told.is_due(Time::from_secs(60)));
        let pex = told.next(Time::from_secs(60), FAR, None, &connected(3..5)).unwrap();
        assert_eq!((pex.added[0].addr, pex.added.len(), pex.dropped), (addr(4), 1, vec![addr(1)]));
        assert_eq!(told.next(Time::from_secs(120), FAR, None, &connected(3..5)), None);
        assert!(told.is_due(Time::from_secs(125)));
    }

    #[test]
    fn lists_are_bounded_the_first_one_more_generously() {
        let mut told = Told::new(Time::ZERO);
        let mut lengths = Vec::new();
        for minute in 0..5 {
            let pex = told.next(Time::from_secs(60 * minute), FAR, None, &connected(0..500));
            lengths.push(pex.map_or(0, |pex| pex.added.len()));
        }
        assert_eq!(lengths, [100, 50, 50, 0, 0], "and no more than 200 at a time");
        let pex = told.next(Time::from_secs(600), FAR, None, &connected(500..900)).unwrap();
        assert_eq!((pex.added.len(), pex.dropped.len()), (50, 50));
    }

    #[test]
    fn neighbours_are_no_business_of_far_peers() {
        let mut connected = connected(0..1);
        connected.insert("192.168.1.5:6881".parse().unwrap(), PexFlags::NONE);
        connected.insert("127.0.0.1:6881".parse().unwrap(), PexFlags::NONE);
        let told = |to: &str| {
            let pex = Told::new(Time::ZERO).next(Time::ZERO, to.parse().unwrap(), None, &connected);
            pex.map_or(0, |pex| pex.added.len())
        };
        assert_eq!((told("8.8.8.8"), told("192.168.1.6"), told("127.0.0.1")), (1, 2, 3));
    }

    #[test]
    fn one_message_a_minute_is_always_read_and_a_flood_is_not() {
        let mut heard = Heard::new(Time::ZERO);
        for minute in 0..100 {
            assert_eq!(heard.admits(Time::from_secs(60 * minute)), Verdict::Read);
        }
        let mut heard = Heard::new(Time::ZERO);
        let verdicts: Vec<Verdict> = (0..13).map(|_| heard.admits(Time::ZERO)).collect();
        assert_eq!(verdicts[..4], [Verdict::Read; 4]);
        assert_eq!(verdicts[4..12], [Verdict::TooSoon; 8]);
        assert_eq!(verdicts[12], Verdict::Flood);
        assert_eq!(heard.admits(Time::from_secs(45)), Verdict::Read);
        // Twice the rate that is allowed ends too.
        let mut heard = Heard::new(Time::ZERO);
        let end = (0..100).find(|n| heard.admits(Time::from_secs(22 * n)) == Verdict::Flood);
        assert!(end.is_some_and(|n| n > 10), "{end:?}");
    }

    #[test]
    fn few_addresses_are_taken_and_none_of_our_network_from_afar() {
        let mut heard = Heard::new(Time::ZERO);
        let peer = |addr| PexPeer { addr, flags: PexFlags::HOLEPUNCH };
        let near: SocketAddr = "10.0.0.1:1".parse().unwrap();
        let mut pex = Pex { added: (0..150).map(|n| peer(addr(n))).collect(), dropped: vec![], cut: 7 };
        pex.added.insert(0, peer(near));
        let (taken, refused) = heard.read(FAR, &pex);
        assert_eq!((taken.len(), refused, taken[0].addr), (MAX_TAKEN, 58, addr(0)));
        assert_eq!((heard.flags_of(addr(5)), heard.flags_of(near)), (Some(PexFlags::HOLEPUNCH), None));
        heard.read(FAR, &Pex { dropped: vec![addr(5)], ..Pex::default() });
        assert_eq!(heard.flags_of(addr(5)), None);
        for round in 0..10 {
            let added = (0..100).map(|n| peer(addr(1_000 * round + n))).collect();
            heard.read(FAR, &Pex { added, ..Pex::default() });
        }
        assert!(heard.named.len() <= MAX_NAMED);
    }
}
