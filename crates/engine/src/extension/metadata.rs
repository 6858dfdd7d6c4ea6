//! Fetching the info dictionary from several peers at once (BEP 9).
//!
//! # What is believed
//! Nothing but the hash. A *round* gathers every piece, from all peers that claim the size of the round; then
//! the whole is hashed. Where it fails, one sender alone is convicted at once. Of several it is not known who
//! lied, so that each later round is one peer's alone, until one passes: by what is right then, whoever sent
//! something else is convicted too. A liar costs one round.
//!
//! # Who is asked
//! Those that answered before, then those that were never asked, then those that failed least often; one piece of
//! each, then a second. A piece that does not come is asked of one more peer after [`STEP`], and of twice as many
//! with each further one, so that peers that stay silent hide an honest one among N of them for about log2(N)
//! seconds. In the same way peers that claim other sizes are probed while nothing comes of the size that is agreed
//! on, and whoever answers has the next round.
//!
//! # What is bounded
//! The size is checked by whoever decodes the claim ([`types::limits::METADATA_LEN`]), memory is taken piece
//! by piece as data comes, one round exists at a time, no more than [`OUTSTANDING`] pieces are asked of
//! one peer, and one piece of no more peers than the seconds that it is late allow.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use types::{InfoHash, InfoHashV2, InfoHashes, PeerId, Time};
use wire::extended::{METADATA_PIECE_LEN, metadata_piece_len, metadata_pieces};

use crate::{ConnId, Fault, MetadataProgress};

/// Most pieces asked of one peer at once.
const OUTSTANDING: usize = 2;
/// How rTorrent names itself (BEP 20). Asked for a second piece while it sends one, up to 0.9.8 it reads
/// nothing more.
const ONE_AT_A_TIME: &[u8] = b"-lt";
/// A request that is not answered by then is void.
const PATIENCE: Duration = Duration::from_secs(15);
/// A piece that does not come is asked of one more peer after so long, and of twice as many after each further such
/// time.
const STEP: Duration = Duration::from_secs(1);
/// Most doublings.
const MAX_DOUBLINGS: u32 = 8;
/// So long a peer that is asked alone may take for its next piece at first; twice as long after each failure, up to
/// [`PATIENCE`].
const ALONE: Duration = Duration::from_secs(3);
/// A round of which there is something gives way to another size after so long without more; twice as long for each
/// time that this other size led nowhere, up to [`STALLED`].
const GIVES_WAY: Duration = Duration::from_secs(3);
/// First rest of a peer that refused or did not answer; each time it doubles, up to [`LONGEST_REST`].
const REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);
/// A round to which nobody has added anything for so long may go to another size.
const STALLED: Duration = Duration::from_secs(30);
/// Most sizes whose failures are remembered.
const SIZES: usize = 256;

/// Who sent a piece; it may have left since.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Sender {
    pub(crate) conn: ConnId,
    pub(crate) addr: SocketAddr,
    pub(crate) peer_id: PeerId,
}

/// What became of a piece.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Came {
    /// It was not asked for.
    Unasked,
    /// It was, and was useful or came late.
    Taken,
    /// It was the last, and the whole is right. The liars are convicted.
    Passed { info: Arc<[u8]>, liars: Vec<Sender> },
    /// It was the last, and the whole is wrong. A liar that is alone is convicted.
    Failed { liars: Vec<Sender> },
}

/// The fetching of one info dictionary.
#[derive(Debug)]
pub(crate) struct Fetch {
    wanted: InfoHashes,
    sources: BTreeMap<ConnId, Source>,
    round: Option<Round>,
    /// Who sent what in the round of several that failed.
    suspects: Vec<Suspect>,
    /// How often a size led to nothing.
    fruitless: BTreeMap<u32, u32>,
}

/// A peer that offers the dictionary.
#[derive(Debug)]
struct Source {
    who: Sender,
    size: u32,
    asked: Vec<(u32, Time)>,
    standing: Standing,
    failures: u32,
    rests_until: Time,
}

/// What is known of a peer, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Standing {
    /// It has sent a piece, and has not failed since.
    Answers,
    /// It was never asked.
    New,
    /// It was asked.
    Doubtful,
}

#[derive(Debug)]
struct Round {
    size: u32,
    /// The only peer that is asked.
    alone: Option<ConnId>,
    pieces: Vec<Option<(Sender, Box<[u8]>)>>,
    left: usize,
    bytes: u32,
    /// When something came last.
    progress: Time,
}

#[derive(Debug)]
struct Suspect {
    who: Sender,
    piece: u32,
    digest: [u8; 20],
}

impl Source {
    fn fail(&mut self, now: Time) {
        let rest = REST.saturating_mul(1 << self.failures.min(10)).min(LONGEST_REST);
        self.failures = self.failures.saturating_add(1);
        self.rests_until = now + rest;
        self.standing = Standing::Doubtful;
    }

    fn ask(&mut self, now: Time, piece: u32) {
        self.asked.push((piece, now));
        if self.standing == Standing::New {
            self.standing = Standing::Doubtful;
        }
    }

    /// The best has the least.
    fn rank(&self) -> (Standing, u32, usize, ConnId) {
        (self.standing, self.failures, self.asked.len(), self.who.conn)
    }

    /// How long it may take for the next piece where it alone is asked.
    fn alone_patience(&self) -> Duration {
        ALONE.saturating_mul(1 << self.failures.min(10)).min(PATIENCE)
    }

    fn is_ready(&self, now: Time) -> bool {
        let one = self.who.peer_id.0.starts_with(ONE_AT_A_TIME);
        self.rests_until.is_due(now) && self.asked.len() < if one { 1 } else { OUTSTANDING }
    }
}

impl Round {
    fn new(now: Time, size: u32, alone: Option<ConnId>) -> Round {
        let pieces = metadata_pieces(size) as usize;
        Round { size, alone, pieces: vec![None; pieces], left: pieces, bytes: 0, progress: now }
    }

    fn asks(&self, source: &Source) -> bool {
        self.takes(source.who.conn, source.size)
    }

    fn takes(&self, conn: ConnId, size: u32) -> bool {
        size == self.size && self.alone.is_none_or(|only| only == conn)
    }
}

/// How many peers may owe the same thing that was asked for so long ago.
fn copies(waited: Duration) -> usize {
    let steps = (waited.as_millis() / STEP.as_millis()).min(u128::from(MAX_DOUBLINGS));
    1 << steps
}

/// The pieces that may be asked of one more peer.
struct Open {
    /// By how many peers owe them.
    pieces: BTreeSet<(usize, u32)>,
    /// Of those that somebody owes, how many may.
    most: BTreeMap<u32, usize>,
    /// The others that are late, and owed by none that answers: whoever answers may be asked for them at once.
    late: BTreeSet<(usize, u32)>,
}

impl Open {
    fn of(now: Time, round: &Round, sources: &BTreeMap<ConnId, Source>) -> Open {
        // How many owe a piece, since when, and whether one of them answers.
        let mut owed: BTreeMap<u32, (usize, Time, bool)> = BTreeMap::new();
        // What was asked of one that is not asked any more comes to nothing.
        for source in sources.values().filter(|source| round.asks(source)) {
            for (piece, at) in &source.asked {
                let (owing, first, answers) = owed.entry(*piece).or_insert((0, *at, false));
                (*owing, *first) = (*owing + 1, (*first).min(*at));
                *answers |= source.standing == Standing::Answers;
            }
        }
        let missing = (0..).zip(&round.pieces).filter(|(_, came)| came.is_none()).map(|(piece, _)| piece);
        let owing = |piece: u32| (owed.get(&piece).map_or(0, |(owing, ..)| *owing), piece);
        let most: BTreeMap<u32, usize> =
            owed.iter().map(|(piece, (_, first, _))| (*piece, copies(now.since(*first)))).collect();
        let free = |(owing, piece): &(usize, u32)| most.get(piece).is_none_or(|most| owing < most);
        let late = |(_, piece): &(usize, u32)| {
            owed.get(piece).is_some_and(|(_, first, answers)| !answers && now.since(*first) >= STEP)
        };
        let (pieces, others): (BTreeSet<_>, BTreeSet<_>) = missing.map(owing).partition(free);
        Open { pieces, late: others.into_iter().filter(late).collect(), most }
    }

    /// A piece for a peer: one that it does not owe and that fewest others do.
    fn take(&mut self, source: &Source) -> Option<u32> {
        let mine = |piece: u32| source.asked.iter().any(|(asked, _)| *asked == piece);
        let first = |of: &BTreeSet<(usize, u32)>| of.iter().find(|(_, piece)| !mine(*piece)).copied();
        let Some((owing, piece)) = first(&self.pieces) else {
            let (owing, piece) = first(&self.late).filter(|_| source.standing == Standing::Answers)?;
            self.late.remove(&(owing, piece));
            return Some(piece);
        };
        self.pieces.remove(&(owing, piece));
        if self.most.get(&piece).is_some_and(|most| owing + 1 < *most) {
            self.pieces.insert((owing + 1, piece));
        }
        Some(piece)
    }
}

impl Fetch {
    /// Nobody has offered anything yet.
    pub(crate) fn new(wanted: InfoHashes) -> Fetch {
        Fetch {
            wanted,
            sources: BTreeMap::new(),
            round: None,
            suspects: Vec::new(),
            fruitless: BTreeMap::new(),
        }
    }

    pub(crate) fn progress(&self) -> MetadataProgress {
        let (bytes, total) = self.round.as_ref().map_or((0, 0), |round| (round.bytes, round.size));
        MetadataProgress { bytes, total, peers: self.sources.len() as u32 }
    }

    /// A peer says that it has the dictionary, of `size` bytes: from 1 to the limit, as its handshake was
    /// decoded.
    ///
    /// # Errors
    /// It said another size before.
    pub(crate) fn offer(&mut self, who: Sender, size: u32) -> Result<(), Fault> {
        match self.sources.get(&who.conn) {
            Some(known) if known.size != size => return Err(Fault::BadMetadata),
            Some(_) => {}
            None => {
                let source = Source {
                    who,
                    size,
                    asked: Vec::new(),
                    standing: Standing::New,
                    failures: 0,
                    rests_until: Time::ZERO,
                };
                self.sources.insert(who.conn, source);
            }
        }
        Ok(())
    }

    /// A peer is gone, or has switched the extension off. What it sent stays.
    pub(crate) fn leave(&mut self, conn: ConnId) {
        self.sources.remove(&conn);
        if self.round.as_ref().is_some_and(|round| round.alone == Some(conn)) {
            self.round = None;
        }
    }

    /// A piece came.
    ///
    /// # Errors
    /// It is not as long as it must be, or is said to be of a whole of another size.
    pub(crate) fn data(
        &mut self,
        now: Time,
        conn: ConnId,
        piece: u32,
        total_size: Option<u32>,
        data: &[u8],
    ) -> Result<Came, Fault> {
        let Some(source) = self.sources.get_mut(&conn) else { return Ok(Came::Unasked) };
        if total_size.is_some_and(|total| total != source.size) {
            return Err(Fault::BadMetadata);
        }
        let Some(at) = source.asked.iter().position(|(asked, _)| *asked == piece) else {
            return Ok(Came::Unasked);
        };
        source.asked.swap_remove(at);
        if data.len() != metadata_piece_len(source.size, piece) as usize {
            return Err(Fault::BadMetadata);
        }
        (source.standing, source.failures, source.rests_until) = (Standing::Answers, 0, now);
        let (who, size) = (source.who, source.size);
        self.go_over(now, size);
        let Some(round) = self.round.as_mut().filter(|round| round.takes(conn, size)) else {
            return Ok(Came::Taken);
        };
        let Some(slot @ None) = round.pieces.get_mut(piece as usize) else { return Ok(Came::Taken) };
        *slot = Some((who, data.into()));
        round.left -= 1;
        round.bytes += data.len() as u32;
        round.progress = now;
        if round.left > 0 {
            return Ok(Came::Taken);
        }
        Ok(self.judge())
    }

    /// Somebody answered for a whole of this size: the round is of it now, where nothing comes of another.
    fn go_over(&mut self, now: Time, size: u32) {
        let Some(round) = self.round.as_ref().filter(|round| round.alone.is_none() && round.size != size)
        else {
            return;
        };
        let fruitless = self.fruitless.get(&size).copied().unwrap_or_default();
        let patience = match round.bytes {
            0 => STEP,
            _ => GIVES_WAY.saturating_mul(1 << fruitless.min(10)).min(STALLED),
        };
        if now.since(round.progress) >= patience {
            self.count_fruitless(round.size);
            self.round = Some(Round::new(now, size, None));
        }
    }

    fn count_fruitless(&mut self, size: u32) {
        if self.fruitless.len() < SIZES || self.fruitless.contains_key(&size) {
            let times = self.fruitless.entry(size).or_default();
            *times = times.saturating_add(1);
        }
    }

    /// A peer refuses a piece. Whether it was asked for it.
    pub(crate) fn rejected(&mut self, now: Time, conn: ConnId, piece: u32) -> bool {
        let Some(source) = self.sources.get_mut(&conn) else { return false };
        let Some(at) = source.asked.iter().position(|(asked, _)| *asked == piece) else { return false };
        source.asked.swap_remove(at);
        source.fail(now);
        true
    }

    /// The pieces to ask for now; they count as asked.
    pub(crate) fn ask(&mut self, now: Time) -> Vec<(ConnId, u32)> {
        self.expire(now);
        self.review_round(now);
        let Some(round) = &self.round else { return Vec::new() };
        let mut open = Open::of(now, round, &self.sources);
        let mut out = Vec::new();
        for _ in 0..OUTSTANDING {
            let asked = self.sources.values_mut().filter(|source| round.asks(source) && source.is_ready(now));
            let mut asked: Vec<&mut Source> = asked.collect();
            asked.sort_by_key(|source| source.rank());
            for source in asked {
                let Some(piece) = open.take(source) else { continue };
                source.ask(now, piece);
                out.push((source.who.conn, piece));
            }
        }
        self.probe(now, &mut out);
        out
    }

    /// Asks those that claim another size for its first piece, as long as nothing comes of this one.
    fn probe(&mut self, now: Time, out: &mut Vec<(ConnId, u32)>) {
        let Some(round) = self.round.as_ref().filter(|round| round.alone.is_none()) else { return };
        let others = || self.sources.values().filter(|source| source.size != round.size);
        let owed = others().filter(|source| !source.asked.is_empty()).count();
        let most = copies(now.since(round.progress)) - 1;
        if owed >= most {
            return;
        }
        let mut claims: BTreeMap<u32, usize> = BTreeMap::new();
        others().for_each(|source| *claims.entry(source.size).or_default() += 1);
        let size = round.size;
        let idle = self.sources.values_mut().filter(|source| source.size != size && source.asked.is_empty());
        let mut idle: Vec<&mut Source> = idle.filter(|source| source.is_ready(now)).collect();
        idle.sort_by_key(|source| {
            let (standing, failures, ..) = source.rank();
            (standing, failures, Reverse(claims.get(&source.size).copied()), source.who.conn)
        });
        for source in idle.into_iter().take(most - owed) {
            source.ask(now, 0);
            out.push((source.who.conn, 0));
        }
    }

    /// Gives up on what is owed for too long.
    fn expire(&mut self, now: Time) {
        for source in self.sources.values_mut() {
            let before = source.asked.len();
            source.asked.retain(|(_, at)| now.since(*at) < PATIENCE);
            if source.asked.len() < before {
                source.fail(now);
            }
        }
    }

    /// Begins a round where there is none, and ends one that leads nowhere.
    fn review_round(&mut self, now: Time) {
        if let Some(round) = &self.round {
            let working = |source: &Source| {
                let late = now.since(round.progress) >= source.alone_patience();
                round.asks(source) && source.rests_until.is_due(now) && !(round.alone.is_some() && late)
            };
            let others =
                self.sources.values().any(|source| !round.asks(source) && source.rests_until.is_due(now));
            let stalled = match round.alone {
                Some(_) => true,
                None => now.since(round.progress) >= STALLED || !self.sources.values().any(|s| round.asks(s)),
            };
            if self.sources.values().any(working) || !others || !stalled {
                return;
            }
            let (size, alone) = (round.size, round.alone);
            match alone.and_then(|conn| self.sources.get_mut(&conn)) {
                Some(source) if source.rests_until.is_due(now) => source.fail(now),
                Some(_) => {}
                None => self.count_fruitless(size),
            }
            self.round = None;
        }
        self.round = if self.suspects.is_empty() {
            self.agreed_size().map(|size| Round::new(now, size, None))
        } else {
            let ready = self.sources.values().filter(|source| source.rests_until.is_due(now));
            let next = ready.min_by_key(|source| source.rank());
            next.map(|source| Round::new(now, source.size, Some(source.who.conn)))
        };
    }

    /// The size that most peers claim, of those that led to nothing least often.
    fn agreed_size(&self) -> Option<u32> {
        let mut claims: BTreeMap<u32, u32> = BTreeMap::new();
        self.sources.values().for_each(|source| *claims.entry(source.size).or_default() += 1);
        let fruitless = |size: &u32| self.fruitless.get(size).copied().unwrap_or_default();
        claims.into_iter().min_by_key(|(size, n)| (fruitless(size), Reverse(*n), *size)).map(|(size, _)| size)
    }

    /// Every piece is here.
    fn judge(&mut self) -> Came {
        let Some(round) = self.round.take() else { return Came::Taken };
        let pieces: Vec<(Sender, Box<[u8]>)> = round.pieces.into_iter().flatten().collect();
        let mut info = Vec::with_capacity(round.size as usize);
        pieces.iter().for_each(|(_, data)| info.extend_from_slice(data));
        if is_right(&info, &self.wanted) {
            return Came::Passed { liars: self.convict(&info), info: info.into() };
        }
        let senders: BTreeSet<Sender> = pieces.iter().map(|(who, _)| *who).collect();
        if senders.len() == 1 {
            self.suspects.retain(|suspect| !senders.contains(&suspect.who));
            return Came::Failed { liars: senders.into_iter().collect() };
        }
        let suspect = |(piece, (who, data)): (u32, &(Sender, Box<[u8]>))| Suspect {
            who: *who,
            piece,
            digest: hash::sha1(data),
        };
        self.suspects = (0..).zip(&pieces).map(suspect).collect();
        Came::Failed { liars: Vec::new() }
    }

    /// Those who sent something else than what is right.
    fn convict(&mut self, info: &[u8]) -> Vec<Sender> {
        let right: Vec<[u8; 20]> = info.chunks(METADATA_PIECE_LEN as usize).map(hash::sha1).collect();
        let lied = |s: &Suspect| right.get(s.piece as usize) != Some(&s.digest);
        let liars: BTreeSet<Sender> =
            std::mem::take(&mut self.suspects).into_iter().filter(lied).map(|s| s.who).collect();
        liars.into_iter().collect()
    }
}

/// Whether these bytes are the dictionary with these names. A 20-byte name may be a v2 name that was cut;
/// each full one must be right.
fn is_right(info: &[u8], wanted: &InfoHashes) -> bool {
    let found = InfoHashes::hybrid(InfoHash(hash::sha1(info)), InfoHashV2(hash::sha256(info)));
    wanted.get_v1().is_none_or(|v1| found.matches(v1))
        && wanted.get_v2().is_none_or(|v2| found.get_v2() == Some(v2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u32 = 5 * METADATA_PIECE_LEN + 100;

    fn info(len: u32) -> Vec<u8> {
        (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    fn names(info: &[u8]) -> InfoHashes {
        InfoHashes::v1(InfoHash(hash::sha1(info)))
    }

    fn who(n: u32) -> Sender {
        let addr = SocketAddr::from(([10, 0, 0, n as u8], 6881));
        Sender { conn: ConnId::new(n, 0), addr, peer_id: PeerId([n as u8; 20]) }
    }

    fn part(info: &[u8], piece: u32) -> Vec<u8> {
        info.chunks(METADATA_PIECE_LEN as usize).nth(piece as usize).unwrap().to_vec()
    }

    fn conns(senders: &[Sender]) -> Vec<u32> {
        senders.iter().map(|s| s.conn.slot() as u32).collect()
    }

    /// Lets peers answer, each as `answer` says, until the fetch ends or `rounds` answers have come.
    fn run(
        fetch: &mut Fetch,
        now: Time,
        most: usize,
        mut answer: impl FnMut(u32, u32) -> Option<Vec<u8>>,
    ) -> (Option<Arc<[u8]>>, Vec<u32>) {
        let mut convicted = Vec::new();
        let mut queue = std::collections::VecDeque::from(fetch.ask(now));
        for _ in 0..most {
            let Some((conn, piece)) = queue.pop_front() else { break };
            let from = conn.slot() as u32;
            if convicted.contains(&from) {
                continue;
            }
            let came = match answer(from, piece) {
                Some(data) => fetch.data(now, conn, piece, Some(LEN), &data).unwrap(),
                None => continue,
            };
            let liars = match came {
                Came::Passed { info, liars } => {
                    convicted.extend(conns(&liars));
                    return (Some(info), convicted);
                }
                Came::Failed { liars } => liars,
                _ => Vec::new(),
            };
            liars.iter().for_each(|liar| fetch.leave(liar.conn));
            convicted.extend(conns(&liars));
            queue.extend(fetch.ask(now));
        }
        (None, convicted)
    }

    #[test]
    fn several_peers_share_the_work() {
        let info = info(LEN);
        let mut fetch = Fetch::new(names(&info));
        (1..=3).for_each(|n| fetch.offer(who(n), LEN).unwrap());
        let asked = fetch.ask(Time::ZERO);
        assert_eq!(asked.len(), 6);
        assert_eq!(asked.iter().map(|(_, piece)| *piece).collect::<BTreeSet<_>>().len(), 6, "none twice");
        let mut last = Came::Taken;
        for (conn, piece) in asked {
            last = fetch.data(Time::ZERO, conn, piece, None, &part(&info, piece)).unwrap();
        }
        assert_eq!(last, Came::Passed { info: info.into(), liars: vec![] });
    }

    #[test]
    fn every_kind_of_name_is_checked() {
        let info = info(LEN);
        let (v1, v2) = (InfoHash(hash::sha1(&info)), InfoHashV2(hash::sha256(&info)));
        let bad = (InfoHash([1; 20]), InfoHashV2([1; 32]));
        for (names, right) in [
            (InfoHashes::v1(v1), true),
            (InfoHashes::v2(v2), true),
            (InfoHashes::v1(v2.truncated()), true),
            (InfoHashes::hybrid(v1, v2), true),
            (InfoHashes::hybrid(v1, bad.1), false),
            (InfoHashes::hybrid(bad.0, v2), false),
            (InfoHashes::v1(bad.0), false),
            (InfoHashes::v2(bad.1), false),
        ] {
            assert_eq!(is_right(&info, &names), right, "{names:?}");
        }
    }

    #[test]
    fn a_lone_liar_is_convicted_and_the_next_peer_asked() {
        let right = info(LEN);
        let mut fetch = Fetch::new(names(&right));
        fetch.offer(who(1), LEN).unwrap();
        let wrong = vec![0; LEN as usize];
        let (got, liars) = run(&mut fetch, Time::ZERO, 100, |_, piece| Some(part(&wrong, piece)));
        assert_eq!((got, liars), (None, vec![1]));
        fetch.offer(who(2), LEN).unwrap();
        let (got, liars) = run(&mut fetch, Time::ZERO, 100, |_, piece| Some(part(&right, piece)));
        assert_eq!((got.as_deref(), liars), (Some(&right[..]), vec![]));
    }

    #[test]
    fn among_several_a_liar_costs_one_round_and_honest_peers_nothing() {
        let right = info(LEN);
        for liar in 1..=4 {
            let mut fetch = Fetch::new(names(&right));
            (1..=4).for_each(|n| fetch.offer(who(n), LEN).unwrap());
            let mut answers = 0;
            let (got, liars) = run(&mut fetch, Time::ZERO, 100, |from, piece| {
                answers += 1;
                let data = part(&right, piece);
                Some(if from == liar { vec![7; data.len()] } else { data })
            });
            assert!(got.as_deref() == Some(&right[..]));
            assert_eq!(liars, [liar]);
            assert!(answers <= 3 * 6, "{answers} answers of 6 pieces each round");
        }
    }

    #[test]
    fn most_claims_decide_the_size_and_a_size_that_leads_nowhere_is_left() {
        let right = info(LEN);
        let mut fetch = Fetch::new(names(&right));
        fetch.offer(who(1), 100).unwrap();
        (2..=3).for_each(|n| fetch.offer(who(n), LEN).unwrap());
        (4..=6).for_each(|n| fetch.offer(who(n), LEN + 1).unwrap());
        assert!(fetch.ask(Time::ZERO).iter().all(|(conn, _)| conn.slot() >= 4));
        assert_eq!(fetch.progress(), MetadataProgress { bytes: 0, total: LEN + 1, peers: 6 });
        // They never answer. In the end the others get their turn.
        let mut now = Time::ZERO;
        let mut asked = Vec::new();
        while asked.is_empty() && now < Time::from_secs(60) {
            now += Duration::from_secs(1);
            asked = fetch.ask(now).into_iter().filter(|(conn, _)| conn.slot() < 4).collect();
        }
        assert!(asked.iter().all(|(conn, _)| conn.slot() > 1), "{asked:?}");
        let mut last = Came::Taken;
        while let Some((conn, piece)) = asked.pop() {
            last = fetch.data(now, conn, piece, Some(LEN), &part(&right, piece)).unwrap();
            if matches!(last, Came::Taken) {
                asked.extend(fetch.ask(now));
            }
        }
        assert!(matches!(last, Came::Passed { .. }), "{last:?} at {now}");
    }

    #[test]
    fn a_peer_that_contradicts_itself_is_at_fault() {
        let right = info(LEN);
        let mut fetch = Fetch::new(names(&right));
        fetch.offer(who(1), LEN).unwrap();
        fetch.offer(who(1), LEN).unwrap();
        assert_eq!(fetch.offer(who(1), LEN - 1), Err(Fault::BadMetadata));
        let (conn, piece) = fetch.ask(Time::ZERO)[0];
        let data = part(&right, piece);
        let mut say = |total, data: &[u8]| fetch.data(Time::ZERO, conn, piece, total, data);
        assert_eq!(say(Some(LEN + 1), &data), Err(Fault::BadMetadata));
        assert_eq!(say(None, &data[1..]), Err(Fault::BadMetadata));
        assert_eq!(say(None, &data), Ok(Came::Unasked), "it is not asked any more");
    }

    #[test]
    fn refusals_and_silence_are_waited_out() {
        let right = info(100);
        let mut fetch = Fetch::new(names(&right));
        fetch.offer(who(1), 100).unwrap();
        assert_eq!(fetch.ask(Time::ZERO).len(), 1);
        assert!(fetch.rejected(Time::ZERO, who(1).conn, 0));
        assert!(!fetch.rejected(Time::ZERO, who(1).conn, 0));
        assert!(fetch.ask(Time::from_secs(4)).is_empty());
        assert_eq!(fetch.ask(Time::from_secs(5)).len(), 1);
        assert!(fetch.ask(Time::from_secs(21)).is_empty(), "no answer: it rests twice as long");
        assert_eq!(fetch.ask(Time::from_secs(31)).len(), 1);
        let came = fetch.data(Time::from_secs(32), who(1).conn, 0, Some(100), &right).unwrap();
        assert!(matches!(came, Came::Passed { .. }));
    }

    #[test]
    fn what_a_slow_peer_owes_is_asked_of_twice_as_many_each_second() {
        let right = info(100);
        let mut fetch = Fetch::new(names(&right));
        (1..=9).for_each(|n| fetch.offer(who(n), 100).unwrap());
        let new: Vec<usize> = (0..10).map(|half| fetch.ask(Time::from_millis(half * 500)).len()).collect();
        assert_eq!(new, [1, 0, 1, 0, 2, 0, 4, 0, 1, 0]);
        let came = fetch.data(Time::from_secs(11), who(2).conn, 0, None, &right).unwrap();
        assert!(matches!(came, Came::Passed { .. }));
        let late = fetch.data(Time::from_secs(12), who(1).conn, 0, None, &right).unwrap();
        assert_eq!(late, Came::Taken, "late data is no offence");
    }

    /// Asks once a second, as a torrent does, where only `answers` ever answers, with `right`; when it has all.
    fn wait_for(fetch: &mut Fetch, from: Time, answers: u32, right: &[u8]) -> Option<u64> {
        (0..200).find(|second| {
            let now = from + Duration::from_secs(*second);
            let mut asked = fetch.ask(now);
            while let Some((conn, piece)) = asked.pop() {
                if conn != who(answers).conn {
                    continue;
                }
                let data = part(right, piece);
                if let Came::Passed { .. } = fetch.data(now, conn, piece, None, &data).unwrap() {
                    return true;
                }
                asked.extend(fetch.ask(now));
            }
            false
        })
    }

    #[test]
    fn one_honest_peer_is_found_among_silent_ones_whatever_size_they_claim() {
        for (silent, most) in [(8, 4), (60, 6)] {
            for len in [100, LEN] {
                // The same size, a wrong one, and each another.
                for claim in [|len: u32, _: u32| len, |len, _| len + 1, |len, n| len + n] {
                    let right = info(len);
                    let mut fetch = Fetch::new(names(&right));
                    (1..=silent).for_each(|n| fetch.offer(who(n), claim(len, n)).unwrap());
                    fetch.offer(who(99), len).unwrap();
                    let took = wait_for(&mut fetch, Time::ZERO, 99, &right);
                    assert!(took.is_some_and(|took| took <= most), "{silent} of {len}: {took:?} s");
                }
            }
        }
    }

    #[test]
    fn whoever_was_never_asked_comes_before_those_that_did_not_answer() {
        let right = info(100);
        for arrives in [5, 14, 15, 19, 20, 21, 35, 36, 50, 100] {
            let mut fetch = Fetch::new(names(&right));
            (1..=8).for_each(|n| fetch.offer(who(n), 100).unwrap());
            (0..arrives).for_each(|second| {
                fetch.ask(Time::from_secs(second));
            });
            fetch.offer(who(99), 100).unwrap();
            let took = wait_for(&mut fetch, Time::from_secs(arrives), 99, &right);
            assert!(took.is_some_and(|took| took <= 1), "after {arrives} s: {took:?}");
        }
    }

    #[test]
    fn after_a_lie_silent_peers_do_not_get_a_round_each() {
        let right = info(LEN);
        let mut fetch = Fetch::new(names(&right));
        (1..=10).for_each(|n| fetch.offer(who(n), LEN).unwrap());
        // The last two answer, and one of them lies: it is not known which.
        let mut asked: Vec<_> = (0..5).flat_map(|second| fetch.ask(Time::from_secs(second))).collect();
        let now = Time::from_secs(5);
        while let Some((conn, piece)) = asked.pop() {
            let data = match conn.slot() {
                9 => vec![7; part(&right, piece).len()],
                10 => part(&right, piece),
                _ => continue,
            };
            // Now the liar is silent too.
            if conn.slot() == 10 || fetch.suspects.is_empty() {
                fetch.data(now, conn, piece, None, &data).unwrap();
            }
            if fetch.suspects.is_empty() {
                asked.extend(fetch.ask(now));
            }
        }
        assert!(!fetch.suspects.is_empty());
        let took = wait_for(&mut fetch, now, 10, &right);
        assert!(took.is_some_and(|took| took <= 4), "{took:?} s");
    }

    #[test]
    fn rtorrent_is_asked_for_one_piece_after_the_other() {
        let right = info(LEN);
        let mut fetch = Fetch::new(names(&right));
        let rtorrent = Sender { peer_id: PeerId(*b"-lt0D80-000000000000"), ..who(1) };
        fetch.offer(rtorrent, LEN).unwrap();
        for piece in 0..6 {
            assert_eq!(fetch.ask(Time::ZERO), [(rtorrent.conn, piece)]);
            assert!(fetch.ask(Time::from_secs(4)).is_empty());
            let came = fetch.data(Time::ZERO, rtorrent.conn, piece, None, &part(&right, piece)).unwrap();
            assert_eq!(matches!(came, Came::Passed { .. }), piece == 5);
        }
    }

    #[test]
    fn memory_follows_what_came_and_not_what_is_claimed() {
        let mut fetch = Fetch::new(names(b"x"));
        let most = types::limits::METADATA_LEN as u32;
        fetch.offer(who(1), most).unwrap();
        assert_eq!(fetch.ask(Time::ZERO).len(), OUTSTANDING);
        let round = fetch.round.as_ref().unwrap();
        assert_eq!((round.pieces.len(), round.bytes), (1_920, 0));
    }
}
