//! The client's side of BEP 15 as a machine: connection ids, transactions, retransmission.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use types::{InfoHash, Rng, Time};

use super::{Request, Response, announce_reply, refusal, scrape_reply};
use crate::message::{AnnounceReply, AnnounceRequest, ReplyError, ScrapeReply};

/// The first wait for an answer; it doubles with each try (BEP 15, "time outs").
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// How long a connection id may be used (BEP 15).
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// Servers remembered for their connection id alone.
const IDLE_SERVERS: usize = 256;

/// How patient the machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientConfig {
    /// How often a request is sent again before it counts as lost, at most 8 (BEP 15): the waits are 15, 30, 60, ...
    /// seconds, 7665 in all with 8.
    pub retransmits: u32,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig { retransmits: 8 }
    }
}

/// What the caller knows a request by. The caller chooses it, and does not use it twice at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// What to ask a tracker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// An announce, with path and query of the tracker's URL (BEP 41).
    Announce {
        /// The announce.
        request: Box<AnnounceRequest>,
        /// [`TrackerUrl::udp_data`](crate::TrackerUrl::udp_data).
        url_data: String,
    },
    /// A scrape of at most [`SCRAPE_HASHES`](super::SCRAPE_HASHES) torrents.
    Scrape(Vec<InfoHash>),
}

/// What the machine is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// Ask `to`. An id that is still in use replaces its request.
    Ask {
        /// For the caller.
        id: RequestId,
        /// The tracker's address.
        to: SocketAddr,
        /// The question.
        call: Call,
    },
    /// Nobody waits for this one any more.
    Cancel(RequestId),
    /// A datagram came.
    Datagram {
        /// Who sent it.
        from: SocketAddr,
        /// What it says.
        bytes: &'a [u8],
    },
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UdpReply {
    /// To an announce.
    Announce(AnnounceReply),
    /// To a scrape.
    Scrape(ScrapeReply),
}

/// Why nothing came back.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// Every retransmission went unanswered.
    #[error("no answer from {to} after {tries} tries")]
    TimedOut {
        /// The tracker.
        to: SocketAddr,
        /// How often it was asked.
        tries: u32,
    },
    /// The tracker refused.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// What the machine wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send a datagram. If it can't be sent it counts as lost.
    Transmit {
        /// Where to.
        to: SocketAddr,
        /// What.
        datagram: Vec<u8>,
    },
    /// A request is over.
    Done {
        /// Which.
        id: RequestId,
        /// How it went.
        result: Result<UdpReply, UdpError>,
    },
    /// Nothing to do before this moment.
    Wait(Time),
}

#[derive(Debug)]
struct Pending {
    to: SocketAddr,
    call: Call,
    transaction: u32,
    /// Retransmissions so far; they go on counting across a new connect (BEP 15, "announce times out").
    sent_again: u32,
    deadline: Time,
    /// Sent with the server's connection id; otherwise it waits for one.
    sent_with: Option<u64>,
    /// Sent at least once, with whatever connection id.
    was_sent: bool,
    /// A refusal led to a second try with a fresh connection id already.
    reconnected: bool,
}

#[derive(Debug, Default)]
struct Server {
    /// The id and when it came.
    connection: Option<(u64, Time)>,
    /// The transaction of the connect under way and when it was last sent.
    connecting: Option<(u32, Time)>,
    requests: BTreeSet<RequestId>,
}

impl Server {
    fn live_connection(&self, now: Time) -> Option<u64> {
        self.connection.filter(|(_, got)| now.since(*got) < CONNECTION_LIFE).map(|(id, _)| id)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Connect(SocketAddr),
    Request(RequestId),
}

/// Asks UDP trackers. One machine serves any number of trackers and both families.
///
/// ```
/// use std::net::SocketAddr;
/// use riverrun_tracker::udp::{Call, Client, ClientConfig, Input, Output, RequestId};
/// use types::{InfoHash, Rng, Time};
///
/// let mut client = Client::new(ClientConfig::default(), Rng::from_number(1));
/// let to: SocketAddr = "127.0.0.1:6969".parse()?;
/// client.handle(Time::ZERO, Input::Ask { id: RequestId(1), to, call: Call::Scrape(vec![InfoHash([1; 20])]) });
/// assert!(matches!(client.poll(Time::ZERO), Output::Transmit { datagram, .. } if datagram.len() == 16));
/// assert_eq!(client.poll(Time::ZERO), Output::Wait(Time::from_secs(15)));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    requests: BTreeMap<RequestId, Pending>,
    servers: BTreeMap<SocketAddr, Server>,
    transactions: BTreeMap<u32, Owner>,
    deadlines: BTreeSet<(Time, RequestId)>,
    out: VecDeque<Output>,
    ignored: u64,
}

impl Client {
    /// A machine that draws its transaction ids from `rng`.
    pub fn new(config: ClientConfig, rng: Rng) -> Client {
        Client {
            config: ClientConfig { retransmits: config.retransmits.min(8) },
            rng,
            requests: BTreeMap::new(),
            servers: BTreeMap::new(),
            transactions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            out: VecDeque::new(),
            ignored: 0,
        }
    }

    /// Datagrams that answered nothing we asked: unknown transaction, wrong sender, wrong action, too short.
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Ask { id, to, call } => self.ask(now, id, to, call),
            Input::Cancel(id) => self.forget(id),
            Input::Datagram { from, bytes } => {
                if self.datagram(now, from, bytes).is_none() {
                    self.ignored += 1;
                }
            }
        }
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Time) -> Output {
        loop {
            if let Some(out) = self.out.pop_front() {
                return out;
            }
            match self.deadlines.first() {
                Some(&(deadline, id)) if deadline.is_due(now) => self.timed_out(now, id),
                Some(&(deadline, _)) => return Output::Wait(deadline),
                None => return Output::Wait(Time::NEVER),
            }
        }
    }

    fn ask(&mut self, now: Time, id: RequestId, to: SocketAddr, call: Call) {
        self.forget(id);
        self.prune(now);
        let transaction = self.new_transaction(Owner::Request(id));
        let deadline = now + FIRST_WAIT;
        let pending = Pending {
            to,
            call,
            transaction,
            sent_again: 0,
            deadline,
            sent_with: None,
            was_sent: false,
            reconnected: false,
        };
        self.requests.insert(id, pending);
        self.deadlines.insert((deadline, id));
        self.servers.entry(to).or_default().requests.insert(id);
        self.send(now, id);
    }

    /// Sends the request, or the connect that must come before it.
    fn send(&mut self, now: Time, id: RequestId) {
        let Some(pending) = self.requests.get_mut(&id) else { return };
        let to = pending.to;
        let server = self.servers.entry(to).or_default();
        pending.sent_with = server.live_connection(now);
        if let Some(connection) = pending.sent_with {
            pending.was_sent = true;
            let transaction = pending.transaction;
            let request = match pending.call.clone() {
                Call::Announce { request, url_data } => {
                    Request::Announce { connection, transaction, announce: *request, url_data }
                }
                Call::Scrape(hashes) => Request::Scrape { connection, transaction, hashes },
            };
            return self.out.push_back(Output::Transmit { to, datagram: request.encode() });
        }
        let transaction = match server.connecting {
            // Another request has sent it just now.
            Some((_, sent)) if now.since(sent) < FIRST_WAIT => return,
            Some((transaction, _)) => transaction,
            None => self.new_transaction(Owner::Connect(to)),
        };
        if let Some(server) = self.servers.get_mut(&to) {
            server.connecting = Some((transaction, now));
        }
        self.out.push_back(Output::Transmit { to, datagram: Request::Connect { transaction }.encode() });
    }

    fn timed_out(&mut self, now: Time, id: RequestId) {
        let Some(pending) = self.requests.get(&id) else { return };
        if pending.sent_again >= self.config.retransmits {
            let (to, tries) = (pending.to, pending.sent_again + 1);
            return self.finish(id, Err(UdpError::TimedOut { to, tries }));
        }
        let again = pending.sent_again + 1;
        self.set_deadline(id, now + FIRST_WAIT * (1 << again));
        if let Some(pending) = self.requests.get_mut(&id) {
            pending.sent_again = again;
        }
        self.send(now, id);
    }

    fn set_deadline(&mut self, id: RequestId, deadline: Time) {
        if let Some(pending) = self.requests.get_mut(&id) {
            self.deadlines.remove(&(pending.deadline, id));
            pending.deadline = deadline;
            self.deadlines.insert((deadline, id));
        }
    }

    /// `None` where the datagram answers nothing we asked.
    fn datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Option<()> {
        let response = Response::decode(bytes).ok()?;
        match *self.transactions.get(&response.transaction())? {
            Owner::Connect(to) if to == from => self.connect_answer(now, to, response),
            Owner::Request(id) if self.requests.get(&id)?.to == from => self.answer(now, id, response),
            _ => None,
        }
    }

    fn connect_answer(&mut self, now: Time, to: SocketAddr, response: Response<'_>) -> Option<()> {
        let server = self.servers.get_mut(&to)?;
        let waiting: Vec<RequestId> = server
            .requests
            .iter()
            .copied()
            .filter(|id| self.requests.get(id).is_some_and(|p| p.sent_with.is_none()))
            .collect();
        match response {
            Response::Connect { transaction, connection } => {
                server.connection = Some((connection, now));
                server.connecting = None;
                self.transactions.remove(&transaction);
                for id in waiting {
                    let sent_again = self.requests.get(&id).map_or(0, |p| p.sent_again);
                    self.set_deadline(id, now + FIRST_WAIT * (1 << sent_again));
                    self.send(now, id);
                }
            }
            Response::Error { transaction, message } => {
                server.connecting = None;
                self.transactions.remove(&transaction);
                for id in waiting {
                    self.finish(id, Err(UdpError::Reply(refusal(message))));
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn answer(&mut self, now: Time, id: RequestId, response: Response<'_>) -> Option<()> {
        let pending = self.requests.get_mut(&id)?;
        if !pending.was_sent {
            // An answer to what was never asked is made up.
            return None;
        }
        let result = match (&pending.call, response) {
            (Call::Announce { .. }, Response::Announce { interval, leechers, seeders, peers, .. }) => {
                Ok(UdpReply::Announce(announce_reply(pending.to, interval, leechers, seeders, peers)))
            }
            (Call::Scrape(hashes), Response::Scrape { counts, .. }) => {
                Ok(UdpReply::Scrape(scrape_reply(hashes, &counts)))
            }
            (_, Response::Error { message, .. }) => {
                if !pending.reconnected && names_connection(message) {
                    // The tracker has forgotten our connection id, perhaps because it was started anew.
                    pending.reconnected = true;
                    let to = pending.to;
                    if let Some(server) = self.servers.get_mut(&to) {
                        server.connection = None;
                    }
                    self.send(now, id);
                    return Some(());
                }
                Err(UdpError::Reply(refusal(message)))
            }
            _ => return None,
        };
        self.finish(id, result);
        Some(())
    }

    fn finish(&mut self, id: RequestId, result: Result<UdpReply, UdpError>) {
        self.forget(id);
        self.out.push_back(Output::Done { id, result });
    }

    fn forget(&mut self, id: RequestId) {
        let Some(pending) = self.requests.remove(&id) else { return };
        self.deadlines.remove(&(pending.deadline, id));
        self.transactions.remove(&pending.transaction);
        let Some(server) = self.servers.get_mut(&pending.to) else { return };
        server.requests.remove(&id);
        if server.requests.is_empty() {
            if let Some((transaction, _)) = server.connecting.take() {
                self.transactions.remove(&transaction);
            }
            if server.connection.is_none() {
                self.servers.remove(&pending.to);
            }
        }
    }

    /// Drops servers kept for a connection id that has expired.
    fn prune(&mut self, now: Time) {
        if self.servers.len() >= IDLE_SERVERS {
            self.servers.retain(|_, s| !s.requests.is_empty() || s.live_connection(now).is_some());
        }
    }

    fn new_transaction(&mut self, owner: Owner) -> u32 {
        loop {
            let transaction = self.rng.next_u32();
            if let std::collections::btree_map::Entry::Vacant(free) = self.transactions.entry(transaction) {
                free.insert(owner);
                return transaction;
            }
        }
    }
}

/// Whether a refusal is about the connection id: trackers have no code for it, only words.
fn names_connection(message: &[u8]) -> bool {
    message.to_ascii_lowercase().windows(b"connection".len()).any(|w| w == b"connection")
}

#[cfg(test)]
impl Client {
    /// Transactions still waited for.
    pub(crate) fn transactions_len(&self) -> usize {
        self.transactions.len()
    }
}
