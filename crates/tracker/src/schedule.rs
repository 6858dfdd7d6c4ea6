//! The announces of all torrents of a client: few at a time per host, the most overdue first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use types::{InfoHash, Time};

use crate::announcer::{Announcer, AnnouncerEvent, AnnouncerInput, AnnouncerOutput, Job, JobKind};
use crate::http::SCRAPE_HASHES;
use crate::message::{AnnounceEvent, AnnounceReply, AnnounceRequest, Failure, ScrapeReply};
use crate::url::TrackerUrl;

/// How many requests may be under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScheduleConfig {
    /// To one host (scheme, name and port). Also the number of connections worth keeping alive to it.
    pub per_host: usize,
    /// In all.
    pub total: usize,
}

impl Default for ScheduleConfig {
    fn default() -> ScheduleConfig {
        ScheduleConfig { per_host: 4, total: 64 }
    }
}

/// What the caller knows a torrent by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TorrentKey(pub u64);

/// What a request is known by while it is under way; unique within the [`Schedule`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What a [`Schedule`] is told.
#[derive(Debug)]
pub enum ScheduleInput {
    /// A torrent to announce from now on. One that has the key already is dropped without a word to its trackers.
    Add(TorrentKey, Box<Announcer>),
    /// Leave the swarm, then forget the torrent: [`ScheduleOutput::Removed`] follows.
    Remove(TorrentKey),
    /// For one torrent's [`Announcer`]. `Announced` and `Scraped` are for the two inputs below instead.
    Torrent(TorrentKey, AnnouncerInput),
    /// How an announce went.
    Announced(Ticket, Result<AnnounceReply, Failure>),
    /// How a scrape went.
    Scraped(Ticket, Result<ScrapeReply, Failure>),
    /// Leave every swarm: [`ScheduleOutput::Drained`] follows when all trackers were told. The caller bounds the time.
    Shutdown,
}

/// What a [`Schedule`] wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScheduleOutput {
    /// Make this announce now.
    Announce {
        /// To hand the answer back with.
        ticket: Ticket,
        /// Whom to ask.
        tracker: TrackerUrl,
        /// What to ask.
        request: Box<AnnounceRequest>,
    },
    /// Make this scrape now.
    Scrape {
        /// To hand the answer back with.
        ticket: Ticket,
        /// Whom to ask.
        tracker: TrackerUrl,
        /// About which swarms; of several torrents, where they were waiting for the same tracker.
        hashes: Vec<InfoHash>,
    },
    /// Drop this request: nobody waits for its answer.
    Abort(Ticket),
    /// News of a torrent.
    Event(TorrentKey, AnnouncerEvent),
    /// A removed torrent's trackers were told.
    Removed(TorrentKey),
    /// After [`ScheduleInput::Shutdown`]: all torrents' trackers were told.
    Drained,
    /// Nothing to do before this moment.
    Wait(Time),
}

/// What is served first: smaller is sooner. `stopped` comes before everything, then the most overdue, scrapes last.
type Rank = (u8, Time, u64);
type Host = Arc<str>;

#[derive(Debug)]
struct Queued {
    torrent: TorrentKey,
    job: Job,
}

#[derive(Debug, Default)]
struct HostState {
    running: usize,
    queue: BTreeMap<Rank, Queued>,
}

#[derive(Debug)]
struct Running {
    host: Host,
    /// Each torrent and job that the answer is for: several for a scrape.
    owners: Vec<(TorrentKey, u64, Vec<InfoHash>)>,
}

#[derive(Debug)]
struct Torrent {
    announcer: Announcer,
    /// Where it stands in [`Schedule::due`].
    due: Time,
    removed: bool,
}

/// Where a job is.
#[derive(Debug)]
enum Place {
    Queued(Host, Rank),
    Running(Ticket),
}

/// Drives the [`Announcer`]s of a client. Deterministic: the same inputs at the same times give the same outputs.
#[derive(Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    /// Boxed: the nodes of a map are half empty.
    torrents: BTreeMap<TorrentKey, Box<Torrent>>,
    /// Torrents by when their announcer wants to be polled.
    due: BTreeSet<(Time, TorrentKey)>,
    hosts: BTreeMap<Host, HostState>,
    /// The first of the queue of each host that has a slot free.
    ready: BTreeMap<Rank, Host>,
    places: BTreeMap<(TorrentKey, u64), Place>,
    running: BTreeMap<Ticket, Running>,
    out: VecDeque<ScheduleOutput>,
    next: u64,
    shutting_down: bool,
}

impl Schedule {
    /// A schedule without torrents. Limits of 0 count as 1.
    pub fn new(config: ScheduleConfig) -> Schedule {
        let config = ScheduleConfig { per_host: config.per_host.max(1), total: config.total.max(1) };
        Schedule {
            config,
            torrents: BTreeMap::new(),
            due: BTreeSet::new(),
            hosts: BTreeMap::new(),
            ready: BTreeMap::new(),
            places: BTreeMap::new(),
            running: BTreeMap::new(),
            out: VecDeque::new(),
            next: 0,
            shutting_down: false,
        }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.running.len()
    }

    /// Requests that wait for a slot.
    pub fn queued(&self) -> usize {
        self.hosts.values().map(|h| h.queue.len()).sum()
    }

    /// One torrent's announcer, to show its trackers.
    pub fn announcer(&self, torrent: TorrentKey) -> Option<&Announcer> {
        self.torrents.get(&torrent).map(|t| &t.announcer)
    }

    /// Takes an input. Answers to requests that are over, and inputs for unknown torrents, are ignored.
    pub fn handle(&mut self, now: Time, input: ScheduleInput) {
        match input {
            ScheduleInput::Add(key, announcer) => self.add(now, key, *announcer),
            ScheduleInput::Remove(key) => self.remove(now, key),
            ScheduleInput::Torrent(key, input) => self.tell(now, key, input),
            ScheduleInput::Announced(ticket, outcome) => self.announced(now, ticket, outcome),
            ScheduleInput::Scraped(ticket, outcome) => self.scraped(now, ticket, &outcome),
            ScheduleInput::Shutdown => self.shutdown(now),
        }
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Time) -> ScheduleOutput {
        loop {
            if let Some(out) = self.out.pop_front() {
                return out;
            }
            match self.due.first() {
                Some(&(at, key)) if at.is_due(now) => self.drain(now, key),
                _ => match self.start_next() {
                    Some(out) => return out,
                    None => break,
                },
            }
        }
        if self.shutting_down && self.torrents.is_empty() && self.running.is_empty() {
            self.shutting_down = false;
            return ScheduleOutput::Drained;
        }
        ScheduleOutput::Wait(self.due.first().map_or(Time::NEVER, |(at, _)| *at))
    }

    fn add(&mut self, now: Time, key: TorrentKey, announcer: Announcer) {
        self.forget(key);
        let torrent = Torrent { announcer, due: now, removed: false };
        self.torrents.insert(key, Box::new(torrent));
        self.due.insert((now, key));
    }

    fn remove(&mut self, now: Time, key: TorrentKey) {
        if let Some(torrent) = self.torrents.get_mut(&key) {
            torrent.removed = true;
            self.tell(now, key, AnnouncerInput::Stop);
        }
    }

    fn shutdown(&mut self, now: Time) {
        self.shutting_down = true;
        let keys: Vec<TorrentKey> = self.torrents.keys().copied().collect();
        keys.into_iter().for_each(|key| self.remove(now, key));
    }

    fn tell(&mut self, now: Time, key: TorrentKey, input: AnnouncerInput) {
        if let Some(torrent) = self.torrents.get_mut(&key) {
            torrent.announcer.handle(now, input);
            self.set_due(key, now);
        }
    }

    fn set_due(&mut self, key: TorrentKey, at: Time) {
        if let Some(torrent) = self.torrents.get_mut(&key) {
            self.due.remove(&(torrent.due, key));
            torrent.due = at;
            if at != Time::NEVER {
                self.due.insert((at, key));
            }
        }
    }

    /// Takes everything that one announcer has to say.
    fn drain(&mut self, now: Time, key: TorrentKey) {
        loop {
            let Some(torrent) = self.torrents.get_mut(&key) else { return };
            match torrent.announcer.poll(now) {
                AnnouncerOutput::Job(job) => self.enqueue(key, job),
                AnnouncerOutput::Abort(job) => self.abort(key, job),
                AnnouncerOutput::Event(event) => {
                    let gone = torrent.removed && event == AnnouncerEvent::Stopped;
                    self.out.push_back(ScheduleOutput::Event(key, event));
                    if gone {
                        self.forget(key);
                        self.out.push_back(ScheduleOutput::Removed(key));
                    }
                }
                AnnouncerOutput::Wait(at) => return self.set_due(key, at),
            }
        }
    }

    fn enqueue(&mut self, torrent: TorrentKey, job: Job) {
        self.next += 1;
        let class = match &job.kind {
            JobKind::Announce(request) if request.event == AnnounceEvent::Stopped => 0,
            JobKind::Announce(_) => 1,
            JobKind::Scrape(_) => 2,
        };
        let rank = (class, job.due, self.next);
        let host: Host = match self.hosts.get_key_value(job.tracker.origin()) {
            Some((host, _)) => Arc::clone(host),
            None => Arc::from(job.tracker.origin()),
        };
        self.places.insert((torrent, job.ticket), Place::Queued(Arc::clone(&host), rank));
        self.with_host(&host, |state| state.queue.insert(rank, Queued { torrent, job }));
    }

    /// Changes a host's state and keeps [`Schedule::ready`] in step with it.
    fn with_host<T>(&mut self, host: &Host, change: impl FnOnce(&mut HostState) -> T) -> T {
        let state = self.hosts.entry(Arc::clone(host)).or_default();
        if let Some((rank, _)) = state.queue.first_key_value() {
            self.ready.remove(rank);
        }
        let out = change(state);
        match state.queue.first_key_value() {
            Some((rank, _)) if state.running < self.config.per_host => {
                self.ready.insert(*rank, Arc::clone(host));
            }
            None if state.running == 0 => {
                self.hosts.remove(host);
            }
            _ => {}
        }
        out
    }

    fn start_next(&mut self) -> Option<ScheduleOutput> {
        if self.running.len() >= self.config.total {
            return None;
        }
        let host = self.ready.first_key_value().map(|(_, host)| Arc::clone(host))?;
        let first = self.with_host(&host, |state| {
            let (_, first) = state.queue.pop_first()?;
            state.running += 1;
            Some(first)
        })?;
        self.next += 1;
        let ticket = Ticket(self.next);
        let tracker = first.job.tracker.clone();
        let (owners, out) = match first.job.kind {
            JobKind::Announce(mut request) => {
                // It may have waited long.
                if let Some(torrent) = self.torrents.get(&first.torrent) {
                    torrent.announcer.refresh(&mut request);
                }
                let owners = vec![(first.torrent, first.job.ticket, Vec::new())];
                (owners, ScheduleOutput::Announce { ticket, tracker, request })
            }
            JobKind::Scrape(hashes) => {
                let mut owners = vec![(first.torrent, first.job.ticket, hashes)];
                self.gather_scrapes(&host, &tracker, &mut owners);
                let hashes = owners.iter().flat_map(|(_, _, hashes)| hashes.iter().copied()).collect();
                (owners, ScheduleOutput::Scrape { ticket, tracker, hashes })
            }
        };
        for (key, job, _) in &owners {
            self.places.insert((*key, *job), Place::Running(ticket));
            // This asks for nothing, so the torrent need not be polled.
            if let Some(torrent) = self.torrents.get_mut(key) {
                torrent.announcer.handle(Time::ZERO, AnnouncerInput::Sent(*job));
            }
        }
        self.running.insert(ticket, Running { host, owners });
        Some(out)
    }

    /// Takes the scrapes that wait for the same tracker along, as far as one request carries them.
    fn gather_scrapes(
        &mut self,
        host: &Host,
        tracker: &TrackerUrl,
        owners: &mut Vec<(TorrentKey, u64, Vec<InfoHash>)>,
    ) {
        let mut room = SCRAPE_HASHES.saturating_sub(owners.iter().map(|(_, _, h)| h.len()).sum());
        self.with_host(host, |state| {
            let mut taken = Vec::new();
            for (rank, queued) in state.queue.range((2, Time::ZERO, 0)..) {
                let JobKind::Scrape(hashes) = &queued.job.kind else { continue };
                if queued.job.tracker != *tracker {
                    continue;
                }
                let Some(left) = room.checked_sub(hashes.len()) else { break };
                room = left;
                taken.push(*rank);
            }
            for Queued { torrent, job } in taken.iter().filter_map(|rank| state.queue.remove(rank)) {
                if let JobKind::Scrape(hashes) = job.kind {
                    owners.push((torrent, job.ticket, hashes));
                }
            }
        });
    }

    fn abort(&mut self, torrent: TorrentKey, job: u64) {
        match self.places.remove(&(torrent, job)) {
            Some(Place::Queued(host, rank)) => {
                self.with_host(&host, |state| state.queue.remove(&rank));
            }
            Some(Place::Running(ticket)) => {
                let Some(running) = self.running.get_mut(&ticket) else { return };
                running.owners.retain(|(t, j, _)| (*t, *j) != (torrent, job));
                if running.owners.is_empty() {
                    self.finish(ticket);
                    self.out.push_back(ScheduleOutput::Abort(ticket));
                }
            }
            None => {}
        }
    }

    /// Frees the slot of a request.
    fn finish(&mut self, ticket: Ticket) -> Option<Running> {
        let running = self.running.remove(&ticket)?;
        self.with_host(&running.host, |state| state.running = state.running.saturating_sub(1));
        for (torrent, job, _) in &running.owners {
            self.places.remove(&(*torrent, *job));
        }
        Some(running)
    }

    fn announced(&mut self, now: Time, ticket: Ticket, outcome: Result<AnnounceReply, Failure>) {
        let Some(running) = self.finish(ticket) else { return };
        if let Some((key, job, _)) = running.owners.first() {
            self.tell(now, *key, AnnouncerInput::Announced { ticket: *job, outcome });
        }
    }

    fn scraped(&mut self, now: Time, ticket: Ticket, outcome: &Result<ScrapeReply, Failure>) {
        let Some(running) = self.finish(ticket) else { return };
        for (key, job, hashes) in running.owners {
            let outcome = outcome.as_ref().map_err(Clone::clone).map(|reply| ScrapeReply {
                swarms: reply.swarms.iter().filter(|(hash, _)| hashes.contains(hash)).copied().collect(),
            });
            self.tell(now, key, AnnouncerInput::Scraped { ticket: job, outcome });
        }
    }

    /// Drops a torrent and all that is queued or under way for it.
    fn forget(&mut self, key: TorrentKey) {
        let Some(torrent) = self.torrents.remove(&key) else { return };
        self.due.remove(&(torrent.due, key));
        let jobs: Vec<u64> =
            self.places.range((key, 0)..=(key, u64::MAX)).map(|((_, job), _)| *job).collect();
        jobs.into_iter().for_each(|job| self.abort(key, job));
    }
}

#[cfg(test)]
mod tests;
