//! The addresses of one swarm: where they came from, how often they failed, when to try them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use types::{PeerId, PeerSource, Rng, Time, is_nowhere};

use crate::KnownPeer;
use crate::tellers::{NOBODY, PerTeller, Tellers};

/// What is known of one address.
#[derive(Clone, Copy, Debug)]
struct Entry {
    source: PeerSource,
    failures: u8,
    /// Which peer named it, while nobody else did than peers.
    teller: u8,
    /// When it was last dialed, by this torrent in this run.
    tried: Option<Time>,
    state: State,
    /// Breaks ties, by BEP 40 or at random, so that a swarm does not rush at one peer.
    lot: u32,
    /// Its place in the order of dials.
    due: Option<Time>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// May be dialed from then on.
    Waiting(Time),
    /// Being dialed.
    Dialing,
    /// Being dialed, though nobody wants it any more: it is forgotten when the dial ends.
    Abandoned,
    /// Connected.
    Connected,
}

/// Who is shut out at an address. Many honest peers may share one behind a NAT.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Identity {
    Port(u16),
    Id(PeerId),
}

/// How the book behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) half_open: usize,
    pub(crate) retry_after: Duration,
    pub(crate) max_failures: u8,
}

/// The addresses of one swarm.
#[derive(Debug)]
pub(crate) struct Book {
    entries: BTreeMap<SocketAddr, Entry>,
    /// Those that wait, by when they may be dialed.
    due: BTreeSet<(Time, SocketAddr)>,
    banned: BTreeMap<(IpAddr, Identity), Time>,
    /// Where we answered ourselves, the latest last. They are in no list of addresses again.
    ourselves: VecDeque<SocketAddr>,
    tellers: Tellers,
    dialing: usize,
    limits: Limits,
}

/// How long an address rests that failed too often in a row.
const GIVEN_UP: Duration = Duration::from_secs(3600);
/// Most addresses shut out at once; beyond it the ban that ends first makes room.
const MAX_BANS: usize = 1_000;
/// So many different peers shut out at one address shut out the address, where it is one.
const BANS_OF_AN_ADDRESS: usize = 4;
/// Most of our own addresses that are remembered: more than any host has ways to itself.
const MAX_OURSELVES: usize = 64;

impl Book {
    pub(crate) fn new(limits: Limits) -> Book {
        Book {
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            banned: BTreeMap::new(),
            ourselves: VecDeque::new(),
            tellers: Tellers::default(),
            dialing: 0,
            limits,
        }
    }

    /// Addresses known.
    pub(crate) fn known(&self) -> usize {
        self.entries.len()
    }

    /// Dials under way.
    pub(crate) fn dialing(&self) -> usize {
        self.dialing
    }

    /// Learns an address. Known ones keep the better source. When the book is full, a failed address makes
    /// room.
    pub(crate) fn add(&mut self, now: Time, addr: SocketAddr, source: PeerSource, rng: &mut Rng) {
        self.take(now, addr, (source, NOBODY), rng);
    }

    /// Learns an address from the peer at `by`. When the book is full, whoever named most of it makes room for those
    /// who named less.
    pub(crate) fn tell(&mut self, now: Time, addr: SocketAddr, by: SocketAddr, rng: &mut Rng) {
        let held = || per_teller(&self.entries, |_| true);
        let teller = self.tellers.number(canonical(by), held);
        self.take(now, addr, (PeerSource::Pex, teller), rng);
    }

    fn take(&mut self, now: Time, addr: SocketAddr, (source, teller): (PeerSource, u8), rng: &mut Rng) {
        let addr = canonical(addr);
        if addr.port() == 0 || !is_dialable(addr.ip()) || self.is_ourselves(addr) {
            return;
        }
        // Whoever named many is not to delay what another names as well.
        let less = |known: u8| {
            let held = per_teller(&self.entries, |_| true);
            held[usize::from(teller)] < held[usize::from(known)]
        };
        let known = self.entries.get(&addr).map(|entry| entry.teller).filter(|known| *known != teller);
        let is_less = teller != NOBODY && known.is_some_and(less);
        if let Some(entry) = self.entries.get_mut(&addr) {
            entry.source = entry.source.min(source);
            entry.teller = match entry.source {
                PeerSource::Pex if is_less || entry.teller == NOBODY => teller,
                PeerSource::Pex => entry.teller,
                _ => NOBODY,
            };
            if entry.state == State::Abandoned {
                (entry.source, entry.teller, entry.state) = (source, teller, State::Dialing);
            }
            // The user, or a tracker, names it anew: it deserves a try now.
            if source == PeerSource::Manual && matches!(entry.state, State::Waiting(_)) {
                (entry.failures, entry.state) = (0, State::Waiting(now));
            }
            return self.reindex(addr);
        }
        if self.entries.len() >= self.limits.entries && !self.make_room(source, teller) {
            return;
        }
        let entry = Entry {
            source,
            failures: 0,
            teller,
            tried: None,
            state: State::Waiting(now),
            lot: rng.next_u32(),
            due: None,
        };
        self.entries.insert(addr, entry);
        self.reindex(addr);
    }

    /// Among equals the addresses of the highest priority are dialed first, before those without any.
    pub(crate) fn prefer(&mut self, addr: SocketAddr, priority: u32) {
        if let Some(entry) = self.entries.get_mut(&canonical(addr)) {
            entry.lot = !priority;
        }
    }

    /// Drops the least promising address that is not in use, where it is worth less than one from `source`, or its
    /// teller named more than this one.
    fn make_room(&mut self, source: PeerSource, teller: u8) -> bool {
        let held = per_teller(&self.entries, |_| true);
        let named = |teller: u8| held[usize::from(teller)];
        let unfair =
            |e: &Entry| teller != NOBODY && e.source == source && named(e.teller) > named(teller) + 1;
        let worst = self
            .entries
            .iter()
            .filter(|(_, e)| matches!(e.state, State::Waiting(_)))
            .max_by_key(|(_, e)| (e.failures, e.source, named(e.teller), e.lot))
            .map(|(addr, e)| (*addr, e.failures > 0 || e.source > source || unfair(e)));
        match worst {
            Some((addr, true)) => self.remove(addr),
            _ => false,
        }
    }

    /// The next address to dial, which counts as being dialed from now on.
    pub(crate) fn next(&mut self, now: Time) -> Option<SocketAddr> {
        if self.dialing >= self.limits.half_open {
            return None;
        }
        let ready = self.due.iter().take_while(|(at, _)| at.is_due(now)).map(|(_, addr)| *addr);
        let dialing = match self.tellers.is_empty() {
            true => [0; _],
            false => per_teller(&self.entries, |entry| entry.state == State::Dialing),
        };
        let rank = |addr: &SocketAddr| {
            let teller = |e: &Entry| self.tellers.rank(e.teller, &dialing);
            self.entries.get(addr).map(|e| (e.failures, e.source, teller(e), e.lot))
        };
        let addr = ready.min_by_key(rank)?;
        let entry = self.entries.get_mut(&addr)?;
        (entry.state, entry.tried) = (State::Dialing, Some(now));
        self.tellers.dialed(entry.teller);
        self.reindex(addr);
        self.dialing += 1;
        Some(addr)
    }

    /// A third peer, at `by`, says that this one calls us: whether it may be dialed at once. It then counts as being
    /// dialed.
    pub(crate) fn call(&mut self, now: Time, addr: SocketAddr, by: SocketAddr, rng: &mut Rng) -> bool {
        let addr = canonical(addr);
        self.tell(now, addr, by, rng);
        let free = self.dialing < self.limits.half_open && ban_end(&self.banned, addr, None).is_due(now);
        let entry = self.entries.get_mut(&addr).filter(|e| free && matches!(e.state, State::Waiting(_)));
        let Some(entry) = entry else { return false };
        (entry.state, entry.tried) = (State::Dialing, Some(now));
        self.reindex(addr);
        self.dialing += 1;
        true
    }

    /// When an address may be dialed, where any may.
    pub(crate) fn next_due(&self) -> Time {
        if self.dialing >= self.limits.half_open {
            return Time::NEVER;
        }
        self.due.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// How many addresses could be dialed now, if that were allowed; at most `most`.
    pub(crate) fn ready(&self, now: Time, most: usize) -> usize {
        self.due.iter().take_while(|(at, _)| at.is_due(now)).take(most).count()
    }

    /// Puts an address where it belongs in the order of dials. To be called after each change of its state,
    /// and of what is banned at its host.
    fn reindex(&mut self, addr: SocketAddr) {
        let Some(entry) = self.entries.get_mut(&addr) else { return };
        let due = match entry.state {
            State::Waiting(at) => Some(at.max(ban_end(&self.banned, addr, None))),
            _ => None,
        };
        if let Some(old) = std::mem::replace(&mut entry.due, due) {
            self.due.remove(&(old, addr));
        }
        self.due.extend(due.map(|at| (at, addr)));
    }

    fn reindex_host(&mut self, ip: IpAddr) {
        let at_host = self.entries.range(SocketAddr::new(ip, 0)..).take_while(|(addr, _)| addr.ip() == ip);
        let all: Vec<SocketAddr> = at_host.map(|(addr, _)| *addr).collect();
        all.into_iter().for_each(|addr| self.reindex(addr));
    }

    fn reindex_all(&mut self) {
        self.due.clear();
        let all: Vec<SocketAddr> = self.entries.keys().copied().collect();
        all.into_iter().for_each(|addr| self.reindex(addr));
    }

    fn remove(&mut self, addr: SocketAddr) -> bool {
        let Some(entry) = self.entries.remove(&addr) else { return false };
        if let Some(at) = entry.due {
            self.due.remove(&(at, addr));
        }
        true
    }

    /// A dial succeeded, or the peer came by itself from a port that may not be its listening one.
    pub(crate) fn connected(&mut self, addr: SocketAddr) {
        let dialed = self.entries.get(&canonical(addr)).filter(|entry| entry.state == State::Dialing);
        if let Some(entry) = dialed {
            self.tellers.answered(entry.teller);
        }
        self.leave_dialing(addr);
        if let Some(entry) = self.entries.get_mut(&canonical(addr)) {
            entry.state = State::Connected;
        }
        self.reindex(canonical(addr));
    }

    /// A connection ended well: the address may be tried again after the usual wait.
    pub(crate) fn closed(&mut self, now: Time, addr: SocketAddr) {
        self.leave_dialing(addr);
        if let Some(entry) = self.entries.get_mut(&canonical(addr)) {
            entry.failures = 0;
            entry.state = State::Waiting(now + patience(self.limits.retry_after, entry.source));
        }
        self.reindex(canonical(addr));
    }

    /// It could not be dialed for want of something of ours: nothing is known for it or against it, and it is tried
    /// again after the usual wait.
    pub(crate) fn postponed(&mut self, now: Time, addr: SocketAddr) {
        self.leave_dialing(addr);
        if let Some(entry) = self.entries.get_mut(&canonical(addr)) {
            entry.state = State::Waiting(now + patience(self.limits.retry_after, entry.source));
        }
        self.reindex(canonical(addr));
    }

    /// It is connected some other way already: nothing is wrong with the address, but there is no hurry.
    pub(crate) fn met_elsewhere(&mut self, now: Time, addr: SocketAddr) {
        self.leave_dialing(addr);
        if let Some(entry) = self.entries.get_mut(&canonical(addr)) {
            (entry.failures, entry.state) = (0, State::Waiting(now + self.limits.retry_after));
        }
        self.reindex(canonical(addr));
    }

    /// We stopped, and may go on at once.
    pub(crate) fn stopped(&mut self, now: Time, addr: SocketAddr) {
        self.leave_dialing(addr);
        if let Some(entry) = self.entries.get_mut(&canonical(addr)) {
            entry.state = State::Waiting(now);
        }
        self.reindex(canonical(addr));
    }

    /// It is a seed and we are one too: it is of no use until something is missing again.
    pub(crate) fn shelve(&mut self, addr: SocketAddr) {
        self.leave_dialing(addr);
        if let Some(entry) = self.entries.get_mut(&canonical(addr)) {
            (entry.failures, entry.state) = (0, State::Waiting(Time::NEVER));
        }
        self.reindex(canonical(addr));
    }

    /// Something is missing again: seeds may be dialed.
    pub(crate) fn unshelve(&mut self, now: Time) {
        for entry in self.entries.values_mut().filter(|e| e.state == State::Waiting(Time::NEVER)) {
            entry.state = State::Waiting(now);
        }
        self.reindex_all();
    }

    /// A dial failed, or the peer misbehaved: each failure makes the wait longer, and at last it is given up
    /// for an hour. It stays known with its failures, so that the next list that names it does not begin the
    /// count anew.
    pub(crate) fn failed(&mut self, now: Time, addr: SocketAddr) {
        self.leave_dialing(addr);
        let addr = canonical(addr);
        let Some(entry) = self.entries.get_mut(&addr) else { return };
        self.tellers.failed(entry.teller);
        entry.failures = entry.failures.saturating_add(1);
        let longest = self.limits.retry_after * u32::from(self.limits.max_failures);
        let wait = patience(self.limits.retry_after, entry.source) * u32::from(entry.failures);
        let given_up = wait >= longest && entry.source != PeerSource::Manual;
        entry.state = State::Waiting(now + if given_up { GIVEN_UP } else { wait.min(longest) });
        self.reindex(addr);
    }

    /// We answered there ourselves: it is not dialed again, whoever names it. A peer that pretends to be us takes
    /// away its own address alone.
    pub(crate) fn found_ourselves(&mut self, addr: SocketAddr) {
        self.forget(addr);
        let addr = canonical(addr);
        if self.is_ourselves(addr) {
            return;
        }
        if self.ourselves.len() >= MAX_OURSELVES {
            self.ourselves.pop_front();
        }
        self.ourselves.push_back(addr);
    }

    /// Whether we answered there ourselves.
    pub(crate) fn is_ourselves(&self, addr: SocketAddr) -> bool {
        self.ourselves.contains(&canonical(addr))
    }

    /// The address is of no use until somebody names it anew: it speaks something else.
    pub(crate) fn forget(&mut self, addr: SocketAddr) {
        self.leave_dialing(addr);
        self.remove(canonical(addr));
    }

    /// Shuts a peer out until `end`: this address and port, and this id at that address.
    pub(crate) fn ban(&mut self, addr: SocketAddr, id: PeerId, end: Time) {
        self.forget(addr);
        let addr = canonical(addr);
        while self.banned.len() + 2 > MAX_BANS {
            let Some(first) = self.banned.iter().min_by_key(|(_, end)| **end).map(|(who, _)| *who) else {
                break;
            };
            self.banned.remove(&first);
            self.reindex_host(first.0);
        }
        self.banned.insert((addr.ip(), Identity::Port(addr.port())), end);
        self.banned.insert((addr.ip(), Identity::Id(id)), end);
        self.reindex_host(addr.ip());
    }

    /// Whether a peer is shut out at present.
    pub(crate) fn is_banned(&self, now: Time, addr: SocketAddr, id: PeerId) -> bool {
        !ban_end(&self.banned, canonical(addr), Some(id)).is_due(now)
    }

    /// Every connection and dial is gone: the torrent rests.
    pub(crate) fn rest(&mut self, now: Time) {
        self.dialing = 0;
        self.entries.retain(|_, entry| entry.state != State::Abandoned);
        for entry in self.entries.values_mut().filter(|e| !matches!(e.state, State::Waiting(_))) {
            entry.state = State::Waiting(now);
        }
        self.reindex_all();
    }

    /// Forgets every address but those that the user named. Whoever is banned stays so. To be called when no
    /// address is connected.
    pub(crate) fn forget_strangers(&mut self) {
        self.entries.retain(|_, entry| {
            let (manual, dialing) = (entry.source == PeerSource::Manual, entry.state == State::Dialing);
            if dialing && !manual {
                entry.state = State::Abandoned;
            }
            manual || dialing || entry.state == State::Abandoned
        });
        self.reindex_all();
    }

    /// At most so many addresses that are worth another try, the best first: connected ones, then by where
    /// they came from.
    pub(crate) fn best(&self, most: usize) -> Vec<SocketAddr> {
        let good = |e: &Entry| e.failures == 0 && e.state != State::Abandoned;
        let mut all: Vec<_> = self.entries.iter().filter(|(_, entry)| good(entry)).collect();
        all.sort_by_key(|(_, entry)| (entry.state != State::Connected, entry.source, entry.lot));
        all.into_iter().take(most).map(|(addr, _)| *addr).collect()
    }

    /// Every address that is of use, with what is known of it.
    pub(crate) fn listed(&self, now: Time) -> impl Iterator<Item = KnownPeer> {
        let useful = self.entries.iter().filter(|(_, entry)| entry.state != State::Abandoned);
        useful.map(move |(addr, e)| KnownPeer {
            addr: *addr,
            source: e.source,
            failures: e.failures,
            tried: e.tried.map(|tried| now.since(tried)),
            connected: e.state == State::Connected,
        })
    }

    /// Where every address that is of use was learned.
    pub(crate) fn sources(&self) -> impl Iterator<Item = PeerSource> {
        let useful = self.entries.values().filter(|entry| entry.state != State::Abandoned);
        useful.map(|entry| entry.source)
    }

    /// Where an address was learned.
    pub(crate) fn source(&self, addr: SocketAddr) -> Option<PeerSource> {
        self.entries.get(&canonical(addr)).map(|entry| entry.source)
    }

    /// The addresses whose best source is such.
    pub(crate) fn sourced(&self, such: impl Fn(PeerSource) -> bool) -> Vec<SocketAddr> {
        self.entries.iter().filter(|(_, entry)| such(entry.source)).map(|(addr, _)| *addr).collect()
    }

    /// Forgets every address but those of these sources; dials of others come to nothing.
    pub(crate) fn forget_sources(&mut self, stay: impl Fn(PeerSource) -> bool) {
        self.entries.retain(|_, entry| {
            if !stay(entry.source) && entry.state == State::Dialing {
                entry.state = State::Abandoned;
            }
            stay(entry.source) || entry.state == State::Abandoned
        });
        self.reindex_all();
    }

    /// Whether the user named the address.
    pub(crate) fn is_manual(&self, addr: SocketAddr) -> bool {
        self.entries.get(&canonical(addr)).is_some_and(|entry| entry.source == PeerSource::Manual)
    }

    /// Whether a dial was given up while it was under way.
    pub(crate) fn is_abandoned(&self, addr: SocketAddr) -> bool {
        self.entries.get(&canonical(addr)).is_some_and(|entry| entry.state == State::Abandoned)
    }

    fn leave_dialing(&mut self, addr: SocketAddr) {
        let addr = canonical(addr);
        let Some(entry) = self.entries.get_mut(&addr) else { return };
        match entry.state {
            State::Dialing => entry.state = State::Connected,
            State::Abandoned => {
                self.remove(addr);
            }
            _ => return,
        }
        self.dialing = self.dialing.saturating_sub(1);
    }
}

/// How many such addresses each teller named.
fn per_teller(entries: &BTreeMap<SocketAddr, Entry>, such: impl Fn(&Entry) -> bool) -> PerTeller {
    let mut all: PerTeller = [0; _];
    for entry in entries.values().filter(|entry| entry.teller != NOBODY && such(entry)) {
        let named = &mut all[usize::from(entry.teller)];
        *named = named.saturating_add(1);
    }
    all
}

/// When a peer may come again: at once where nothing is known against it.
fn ban_end(banned: &BTreeMap<(IpAddr, Identity), Time>, addr: SocketAddr, id: Option<PeerId>) -> Time {
    let at_address =
        banned.range((addr.ip(), Identity::Port(0))..).take_while(|((ip, _), _)| *ip == addr.ip());
    let (mut end, mut ports, mut last) = (Time::ZERO, 0, Time::NEVER);
    for ((_, who), until) in at_address {
        if *who == Identity::Port(addr.port()) || id.is_some_and(|id| *who == Identity::Id(id)) {
            end = end.max(*until);
        }
        if matches!(who, Identity::Port(_)) {
            (ports, last) = (ports + 1, last.min(*until));
        }
    }
    // All that came through one door have the same name, and nothing else in common.
    let nameless = matches!(addr.ip(), IpAddr::V6(ip) if is_nowhere(ip));
    if ports >= BANS_OF_AN_ADDRESS && !nameless { end.max(last) } else { end }
}

/// The first wait before an address is tried again. One that the user named, or his link, is about to be there: it is
/// tried sooner.
fn patience(retry_after: Duration, source: PeerSource) -> Duration {
    let named = matches!(source, PeerSource::Manual | PeerSource::Magnet);
    if named { retry_after / 20 } else { retry_after }
}

/// Whether a peer can live at an address: not nowhere, everybody, or in a range that is never routed
/// (RFC 1112, 5737, 3849, 6666).
fn is_dialable(ip: IpAddr) -> bool {
    let example = match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _]),
        IpAddr::V6(ip) => ip.segments()[..2] == [0x2001, 0xdb8] || is_nowhere(ip),
    };
    // Class E, with the broadcast address in it, and "this network".
    let unusable = matches!(ip, IpAddr::V4(ip) if ip.octets()[0] >= 240 || ip.octets()[0] == 0);
    !(example || unusable || ip.is_unspecified() || ip.is_multicast())
}

/// IPv4 addresses that came mapped into IPv6 are the IPv4 addresses.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert_eq, proptest};

    const RETRY: Duration = Duration::from_secs(60);

    fn book(entries: usize, half_open: usize) -> Book {
        Book::new(Limits { entries, half_open, retry_after: RETRY, max_failures: 3 })
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn better_sources_come_first_and_half_open_is_bounded() {
        let (mut book, mut rng) = (book(10, 2), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Dht, &mut rng);
        book.add(Time::ZERO, addr(2), PeerSource::Tracker, &mut rng);
        book.add(Time::ZERO, addr(3), PeerSource::Manual, &mut rng);
        assert_eq!(book.next(Time::ZERO), Some(addr(3)));
        assert_eq!(book.next(Time::ZERO), Some(addr(2)));
        assert_eq!((book.next(Time::ZERO), book.next_due()), (None, Time::NEVER));
        book.connected(addr(3));
        assert_eq!(book.next(Time::ZERO), Some(addr(1)));
    }

    #[test]
    fn the_last_try_is_remembered_with_its_age() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        (1..=2).for_each(|n| book.add(Time::ZERO, addr(n), PeerSource::Tracker, &mut rng));
        let tried = |book: &Book, now| book.listed(now).map(|known| known.tried).collect::<Vec<_>>();
        assert_eq!(tried(&book, Time::ZERO + RETRY), [None, None]);
        book.prefer(addr(1), u32::MAX);
        assert_eq!(book.next(Time::ZERO), Some(addr(1)));
        book.failed(Time::ZERO, addr(1));
        let second = Duration::from_secs(1);
        assert_eq!(tried(&book, Time::ZERO + second), [Some(second), None]);
        // A relay says that it calls us.
        assert!(book.call(Time::ZERO + second, addr(1), addr(9), &mut rng));
        assert_eq!(tried(&book, Time::ZERO + second * 4), [Some(second * 3), None]);
    }

    #[test]
    fn failures_wait_longer_and_rest_for_an_hour_at_the_third() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Tracker, &mut rng);
        let mut now = Time::ZERO;
        for wait in [1, 2] {
            assert_eq!(book.next(now), Some(addr(1)));
            book.failed(now, addr(1));
            assert_eq!(book.next(now), None);
            assert_eq!(book.next_due(), now + RETRY * wait);
            now = book.next_due();
        }
        assert!(book.next(now).is_some());
        book.failed(now, addr(1));
        book.add(now, addr(1), PeerSource::Tracker, &mut rng);
        assert_eq!((book.next_due(), book.dialing()), (now + GIVEN_UP, 0));
    }

    #[test]
    fn what_the_user_named_is_tried_soon_and_never_forgotten() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Manual, &mut rng);
        let mut now = Time::ZERO;
        for _ in 0..200 {
            now = book.next_due();
            assert_eq!(book.next(now), Some(addr(1)));
            book.failed(now, addr(1));
        }
        assert_eq!(book.next_due(), now + RETRY * 3);
        assert!(now > Time::from_secs(3 * (1 + 2 + 3)));
    }

    #[test]
    fn what_a_link_names_is_tried_soon_and_given_up_late() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Magnet, &mut rng);
        let mut now = Time::ZERO;
        for dials in 1..=60 {
            assert_eq!(book.next(now), Some(addr(1)));
            book.failed(now, addr(1));
            let wait = if dials < 60 { RETRY / 20 * dials } else { GIVEN_UP };
            assert_eq!(book.next_due(), now + wait, "{dials}");
            now = book.next_due();
        }
    }

    #[test]
    fn who_is_met_elsewhere_is_left_alone_for_a_while_whoever_named_it() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Manual, &mut rng);
        for n in 0..5u32 {
            let now = Time::ZERO + RETRY * n;
            assert_eq!(book.next(now), Some(addr(1)));
            book.met_elsewhere(now, addr(1));
            assert_eq!((book.next_due(), book.dialing()), (now + RETRY, 0));
        }
    }

    #[test]
    fn bans_end_and_spare_the_neighbours() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        let id = |n| PeerId([n; 20]);
        book.ban(addr(7), id(1), Time::from_secs(10));
        book.add(Time::ZERO, addr(7), PeerSource::Tracker, &mut rng);
        assert!(book.is_banned(Time::from_secs(9), addr(7), id(2)));
        assert!(book.is_banned(Time::from_secs(9), addr(50_000), id(1)));
        assert!(!book.is_banned(Time::from_secs(9), addr(8), id(2)));
        assert_eq!(book.next(Time::from_secs(9)), None);
        assert_eq!(book.next_due(), Time::from_secs(10));
        assert_eq!(book.next(Time::from_secs(10)), Some(addr(7)));
        assert!(!book.is_banned(Time::from_secs(10), addr(7), id(1)));
    }

    #[test]
    fn many_bans_at_one_address_shut_the_address_out() {
        let mut book = book(10, 5);
        for n in 0..4 {
            assert!(!book.is_banned(Time::ZERO, addr(99), PeerId([99; 20])));
            book.ban(addr(n), PeerId([n as u8; 20]), Time::from_secs(10));
        }
        assert!(book.is_banned(Time::ZERO, addr(99), PeerId([99; 20])));
        // But not all who came through one door.
        let door = |port| SocketAddr::new("100::1".parse().unwrap(), port);
        (0..9).for_each(|n| book.ban(door(n), PeerId([n as u8; 20]), Time::from_secs(10)));
        assert!(!book.is_banned(Time::ZERO, door(99), PeerId([99; 20])));
        assert!(
            book.is_banned(Time::ZERO, door(99), PeerId([8; 20])),
            "whoever comes back is known by his id"
        );
    }

    #[test]
    fn strangers_are_forgotten_and_their_dials_come_to_nothing() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Manual, &mut rng);
        (2..6).for_each(|n| book.add(Time::ZERO, addr(n), PeerSource::Tracker, &mut rng));
        let dialed: Vec<_> = (0..4).filter_map(|_| book.next(Time::ZERO)).collect();
        book.failed(Time::ZERO, dialed[0]);
        book.forget_strangers();
        assert_eq!((book.known(), book.dialing()), (4, 3), "the user's, and three dials under way");
        assert!(dialed[1..].iter().all(|addr| book.is_abandoned(*addr)) && !book.is_abandoned(addr(1)));
        // The new tracker names one of them.
        book.add(Time::ZERO, dialed[1], PeerSource::Tracker, &mut rng);
        assert!(!book.is_abandoned(dialed[1]));
        dialed[1..].iter().for_each(|addr| book.connected(*addr));
        assert_eq!((book.known(), book.dialing()), (2, 0));
    }

    #[test]
    fn forgotten_sources_do_not_stand_in_the_way_of_others() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Pex, &mut rng);
        book.add(Time::ZERO, addr(2), PeerSource::Tracker, &mut rng);
        book.forget_sources(|source| source == PeerSource::Tracker);
        assert_eq!((book.known(), book.ready(Time::ZERO, 9)), (1, 1));
        assert_eq!((book.next(Time::ZERO), book.next(Time::ZERO)), (Some(addr(2)), None));
    }

    #[test]
    fn a_full_book_prefers_better_sources() {
        let (mut book, mut rng) = (book(2, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Dht, &mut rng);
        book.add(Time::ZERO, addr(2), PeerSource::Dht, &mut rng);
        book.add(Time::ZERO, addr(3), PeerSource::Dht, &mut rng);
        assert_eq!(book.known(), 2);
        book.add(Time::ZERO, addr(4), PeerSource::Tracker, &mut rng);
        assert_eq!((book.known(), book.next(Time::ZERO)), (2, Some(addr(4))));
    }

    fn dead(teller: u8, n: u16) -> SocketAddr {
        SocketAddr::from(([20 + teller, 1, (n >> 8) as u8, n as u8], 6881))
    }

    /// A full book, and how many dials fail before the address that the fourth teller names.
    fn poisoned(tellers: u8, before: u16) -> (Book, usize) {
        let (mut book, mut rng) = (book(1_000, 25), Rng::from_number(1));
        let by = |teller: u8| SocketAddr::from(([8, 8, 8, teller], 1));
        for teller in 0..tellers {
            (0..400).for_each(|n| book.tell(Time::ZERO, dead(teller, n), by(teller), &mut rng));
        }
        for _ in 0..before {
            let dialed = book.next(Time::ZERO).unwrap();
            book.failed(Time::ZERO, dialed);
        }
        book.tell(Time::ZERO, addr(1), by(99), &mut rng);
        assert_eq!(book.known(), 1_000);
        let all = std::iter::from_fn(|| {
            let dialed = book.next(Time::ZERO)?;
            book.failed(Time::ZERO, dialed);
            Some(dialed)
        });
        let dials = all.take(1_000).position(|dialed| dialed == addr(1));
        (book, dials.unwrap_or(usize::MAX))
    }

    #[test]
    fn what_an_honest_peer_names_is_dialed_soon_however_many_dead_ones_others_name() {
        for before in [0, 25, 300] {
            let (_, dials) = poisoned(3, before);
            assert!(dials <= 3, "after {dials} others");
        }
    }

    #[test]
    fn tellers_that_failed_alike_take_turns() {
        let (mut book, mut rng) = (book(1_000, 25), Rng::from_number(1));
        let by = |teller: u8| SocketAddr::from(([8, 8, 8, teller], 1));
        for teller in 0..4 {
            let many = if teller == 3 { 50 } else { 200 };
            (0..many).for_each(|n| book.tell(Time::ZERO, dead(teller, n), by(teller), &mut rng));
        }
        let mut turns = [0; 4];
        for _ in 0..120 {
            let dialed = book.next(Time::ZERO).unwrap();
            let IpAddr::V4(ip) = dialed.ip() else { panic!("{dialed}") };
            turns[usize::from(ip.octets()[0] - 20)] += 1;
            book.failed(Time::ZERO, dialed);
        }
        assert_eq!(turns, [30; 4]);
        // And while nothing has failed yet, as dials under way.
        let (mut book, mut rng) = (self::book(1_000, 8), Rng::from_number(1));
        for teller in 0..4 {
            (0..200).for_each(|n| book.tell(Time::ZERO, dead(teller, n), by(teller), &mut rng));
        }
        let hosts: Vec<IpAddr> = (0..4).map(|_| book.next(Time::ZERO).unwrap().ip()).collect();
        let nets = hosts.iter().map(|ip| ip.to_string()[..2].to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(nets.len(), 4);
    }

    #[test]
    fn no_teller_has_more_than_his_part_of_a_full_book() {
        let (mut book, mut rng) = (book(1_000, 25), Rng::from_number(1));
        let by = |teller: u8| SocketAddr::from(([8, 8, 8, teller], 1));
        for teller in 0..4 {
            (0..400).for_each(|n| book.tell(Time::ZERO, dead(teller, n), by(teller), &mut rng));
        }
        let held = per_teller(&book.entries, |_| true);
        assert!(held[..4].iter().all(|held| (249..=251).contains(held)), "{:?}", &held[..4]);
        // What a tracker names too is nobody's, and what one with fewer names is his.
        book.tell(Time::ZERO, dead(0, 399), by(9), &mut rng);
        let known: Vec<SocketAddr> = book.entries.keys().copied().collect();
        book.tell(Time::ZERO, known[0], by(9), &mut rng);
        book.add(Time::ZERO, known[1], PeerSource::Tracker, &mut rng);
        let teller = |book: &Book, addr| book.entries.get(&addr).map(|entry: &Entry| entry.teller);
        assert_eq!((teller(&book, known[0]), teller(&book, known[1])), (Some(4), Some(NOBODY)));
    }

    #[test]
    fn seeds_rest_while_nothing_is_missing() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        book.add(Time::ZERO, addr(1), PeerSource::Manual, &mut rng);
        let dialed = book.next(Time::ZERO).unwrap();
        book.connected(dialed);
        book.shelve(dialed);
        let later = Time::from_secs(1_000_000);
        assert_eq!((book.next(later), book.next_due(), book.known()), (None, Time::NEVER, 1));
        book.unshelve(later);
        assert_eq!(book.next(later), Some(dialed));
    }

    proptest! {
        #[test]
        fn the_order_of_dials_is_what_a_scan_finds(
            steps in proptest::collection::vec((0u8..11, 0u16..12, 0u64..200), 0..200)
        ) {
            let (mut book, mut rng, mut now) = (book(8, 4), Rng::from_number(1), Time::ZERO);
            for (what, n, secs) in steps {
                let addr = SocketAddr::from(([10, 0, 0, (n / 6) as u8 + 1], n % 6 + 1));
                match what {
                    0..=2 => {
                        let sources = [PeerSource::Manual, PeerSource::Tracker, PeerSource::Pex];
                        book.add(now, addr, sources[usize::from(what)], &mut rng);
                    }
                    3 => book.connected(addr),
                    4 => book.closed(now, addr),
                    5 => book.failed(now, addr),
                    6 => book.ban(addr, PeerId([n as u8; 20]), now + Duration::from_secs(secs)),
                    7 => now += Duration::from_secs(secs),
                    8 => book.shelve(addr),
                    9 => book.unshelve(now),
                    _ if secs < 10 => book.rest(now),
                    _ if secs < 20 => book.forget_strangers(),
                    _ if secs < 30 => book.forget_sources(|source| source != PeerSource::Pex),
                    _ => {
                        let due = book.next_due();
                        let next = book.next(now);
                        prop_assert_eq!(next.is_some(), due.is_due(now));
                    }
                }
                let waits = |(addr, e): (&SocketAddr, &Entry)| match e.state {
                    State::Waiting(at) => Some((at.max(ban_end(&book.banned, *addr, None)), *addr)),
                    _ => None,
                };
                prop_assert_eq!(&book.due, &book.entries.iter().filter_map(waits).collect::<BTreeSet<_>>());
            }
        }
    }

    #[test]
    fn addresses_that_cannot_be_are_not_learned() {
        let (mut book, mut rng) = (book(10, 5), Rng::from_number(1));
        let junk = "0.0.0.0:1 127.0.0.1:0 224.0.0.1:5 [::]:9 [ff02::1]:9 240.0.0.1:9 255.255.255.255:9 \
            192.0.2.1:9 198.51.100.7:9 203.0.113.9:9 [2001:db8::1]:9 [100::7]:9 0.1.2.3:9 \
            [::ffff:250.0.0.1]:9";
        for bad in junk.split_whitespace() {
            book.add(Time::ZERO, bad.parse().unwrap(), PeerSource::Pex, &mut rng);
        }
        book.add(Time::ZERO, "[::ffff:127.0.0.1]:5".parse().unwrap(), PeerSource::Pex, &mut rng);
        assert_eq!(book.next(Time::ZERO), Some(addr(5)));
        assert_eq!(book.known(), 1);
    }
}
