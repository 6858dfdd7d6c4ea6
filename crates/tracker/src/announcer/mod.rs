//! One torrent's dealings with its trackers.

mod answers;
mod api;
mod walk;

use std::collections::VecDeque;

use types::{InfoHash, Rng, Time};

use crate::message::{AnnounceEvent, AnnounceRequest, BadTime, Failure, FailureKind, Family};
use crate::url::TrackerUrl;
pub use api::{
    AnnouncerConfig, AnnouncerEvent, AnnouncerInput, AnnouncerOutput, Intervals, Job, JobKind, Status,
    TierMode, TrackerState,
};
use walk::Walk;

/// One name of the torrent over one family: trackers count each as a peer of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Lane {
    info_hash: InfoHash,
    family: Family,
}

/// What a tracker was told in a lane.
#[derive(Clone, Debug, Default)]
struct Told {
    /// It got `started`, or may have got it.
    started: bool,
    /// It answered `started`.
    acknowledged: bool,
    /// It knew us when the download became complete, and has not been told.
    owes_completed: bool,
    failures: u32,
    /// It has no address of the lane's kind.
    no_address: bool,
    /// Not to be asked before this.
    retry_at: Time,
    tracker_id: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Tracker {
    url: TrackerUrl,
    told: Vec<Told>,
    last_failure: Option<Failure>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    /// What was said of its last answer.
    bad_times: Vec<BadTime>,
}

impl Tracker {
    fn new(url: TrackerUrl, lanes: usize) -> Tracker {
        let told = vec![Told::default(); lanes];
        Tracker { url, told, last_failure: None, seeders: None, leechers: None, bad_times: Vec::new() }
    }
}

/// Where a tracker stands in [`Announcer::trackers`]. Never reused while a job may still name it.
type TrackerIndex = usize;

#[derive(Clone, Debug)]
struct InFlight {
    ticket: u64,
    tracker: TrackerIndex,
    lane: usize,
    /// `None` for a scrape, and for a `stopped`, which no walk waits for.
    walk: Option<usize>,
    /// `None` for a scrape.
    event: Option<AnnounceEvent>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    Running,
    Stopping,
}

/// Decides for one torrent which tracker to ask what and when.
///
/// It follows BEP 12 (each tier shuffled once, failover, a tracker that answers moves to the front of its tier),
/// BEP 27 for private torrents, BEP 31 (`retry in`), and clamps what trackers ask for. It sends `started` first to each
/// tracker, `completed` once to each that knew us before, `stopped` to each that may know us.
#[derive(Debug)]
pub struct Announcer {
    config: AnnouncerConfig,
    lanes: Vec<Lane>,
    trackers: Vec<Tracker>,
    walks: Vec<Walk>,
    rng: Rng,
    key: u32,
    status: Status,
    phase: Phase,
    in_flight: Vec<InFlight>,
    next_ticket: u64,
    /// The tracker of a private torrent's peers.
    peers_from: Option<TrackerIndex>,
    out: VecDeque<AnnouncerOutput>,
}

impl Announcer {
    /// An announcer that waits for [`AnnouncerInput::Start`]. Each tier is shuffled with `rng`; trackers of unsupported
    /// schemes are shown and never asked.
    pub fn new(config: AnnouncerConfig, mut rng: Rng) -> Announcer {
        let families = if config.families.is_empty() { &[Family::Any][..] } else { &config.families };
        let lanes = config
            .info_hashes
            .wire_names()
            .flat_map(|info_hash| families.iter().map(move |family| Lane { info_hash, family: *family }))
            .collect();
        let key = rng.next_u32();
        let mut announcer = Announcer {
            config,
            lanes,
            trackers: Vec::new(),
            walks: Vec::new(),
            rng,
            key,
            status: Status::default(),
            phase: Phase::Idle,
            in_flight: Vec::new(),
            next_ticket: 0,
            peers_from: None,
            out: VecDeque::new(),
        };
        announcer.lay_out(Time::ZERO);
        announcer
    }

    /// Takes an input. Answers to jobs that are over are ignored.
    pub fn handle(&mut self, now: Time, input: AnnouncerInput) {
        match input {
            AnnouncerInput::Start => self.start(now),
            AnnouncerInput::Stop => self.stop(now),
            AnnouncerInput::Status(status) => self.status = status,
            AnnouncerInput::Completed => self.completed(now),
            AnnouncerInput::WantPeers => self.walks.iter_mut().for_each(|w| w.hurry(now)),
            AnnouncerInput::Force => self.force(now),
            AnnouncerInput::Scrape => self.scrape(now),
            AnnouncerInput::Trackers(tiers) => {
                self.config.tiers = tiers;
                self.replace_trackers(now);
            }
            AnnouncerInput::Beside(trackers) => {
                self.config.beside = trackers;
                self.replace_trackers(now);
            }
            AnnouncerInput::Sent(ticket) => self.sent(ticket),
            AnnouncerInput::Announced { ticket, outcome } => self.announced(now, ticket, outcome),
            AnnouncerInput::Scraped { ticket, outcome } => self.scraped(ticket, outcome),
        }
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Time) -> AnnouncerOutput {
        if let Some(out) = self.out.pop_front() {
            return out;
        }
        if self.phase != Phase::Running {
            return AnnouncerOutput::Wait(Time::NEVER);
        }
        for walk in 0..self.walks.len() {
            for lane in 0..self.lanes.len() {
                let due = self.walks[walk].lanes[lane].next;
                if due.is_due(now)
                    && !self.walks[walk].lanes[lane].busy
                    && let Some(tracker) = self.walks[walk].choose(now, lane, &self.trackers)
                {
                    return AnnouncerOutput::Job(self.announce(walk, lane, tracker, due));
                }
            }
        }
        let waits = self.walks.iter().flat_map(|w| &w.lanes).filter(|l| !l.busy).map(|l| l.next);
        AnnouncerOutput::Wait(waits.min().unwrap_or(Time::NEVER))
    }

    /// Brings the figures of an announce that has waited up to date.
    pub fn refresh(&self, request: &mut AnnounceRequest) {
        request.port = self.status.port;
        request.uploaded = self.status.uploaded;
        request.downloaded = self.status.downloaded;
        request.left = self.status.left;
    }

    /// Whether nothing is under way and nothing will be, until [`AnnouncerInput::Start`].
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle && self.in_flight.is_empty() && self.out.is_empty()
    }

    /// The trackers in the order in which they are tried.
    pub fn trackers(&self) -> Vec<TrackerState> {
        let order = self.walks.iter().flat_map(|w| &w.order);
        order
            .map(|&(tier, index)| {
                let t = &self.trackers[index];
                TrackerState {
                    url: t.url.clone(),
                    tier,
                    announced: t.told.iter().any(|told| told.acknowledged),
                    failures: t.told.iter().map(|told| told.failures).min().unwrap_or_default(),
                    last_failure: t.last_failure.clone(),
                    seeders: t.seeders,
                    leechers: t.leechers,
                }
            })
            .collect()
    }

    /// Makes the walks over the tiers, and one for each tracker beside them, keeping what is known of trackers that were
    /// there before.
    fn lay_out(&mut self, now: Time) {
        let mut tiers = self.config.tiers.clone();
        let mut seen = std::collections::BTreeSet::new();
        if self.config.private {
            tiers.extend(self.config.beside.iter().map(|url| vec![url.clone()]));
        } else {
            // One that is in a tier too is asked all the same, and once.
            seen.extend(self.config.beside.iter().cloned());
        }
        let mut tiers: Vec<Vec<TrackerIndex>> = tiers
            .into_iter()
            .map(|tier| {
                let fresh: Vec<_> = tier.into_iter().filter(|url| seen.insert(url.clone())).collect();
                fresh.into_iter().map(|url| self.tracker_index(url)).collect()
            })
            .collect();
        tiers.retain(|tier: &Vec<_>| !tier.is_empty());
        tiers.iter_mut().for_each(|tier| self.rng.shuffle(tier));
        let count = tiers.len();
        let mut order = tiers
            .into_iter()
            .enumerate()
            .map(|(n, tier)| tier.into_iter().map(|index| (n, index)).collect::<Vec<_>>());
        let split = self.config.mode == TierMode::EveryTier && !self.config.private;
        let mut groups: Vec<Vec<_>> = if split {
            order.collect()
        } else {
            order.by_ref().reduce(|a, b| [a, b].concat()).into_iter().collect()
        };
        let mut beside: Vec<TrackerUrl> = Vec::new();
        for url in self.config.beside.iter().filter(|_| !self.config.private) {
            if !beside.contains(url) {
                beside.push(url.clone());
            }
        }
        groups.extend(
            beside.into_iter().enumerate().map(|(n, url)| vec![(count + n, self.tracker_index(url))]),
        );
        let old = std::mem::take(&mut self.walks);
        for order in groups {
            let mut walk = Walk::new(now, order, self.lanes.len(), self.config.private);
            walk.inherit(now, &old);
            self.walks.push(walk);
        }
    }

    fn tracker_index(&mut self, url: TrackerUrl) -> TrackerIndex {
        match self.trackers.iter().position(|t| t.url == url) {
            Some(index) => index,
            None => {
                let mut tracker = Tracker::new(url, self.lanes.len());
                if !tracker.url.scheme().is_supported() {
                    let what = format!("{} trackers are not supported", tracker.url.scheme().as_str());
                    tracker.last_failure = Some(Failure::new(FailureKind::Unusable, what));
                    tracker.told.iter_mut().for_each(|told| told.retry_at = Time::NEVER);
                }
                self.trackers.push(tracker);
                self.trackers.len() - 1
            }
        }
    }

    fn start(&mut self, now: Time) {
        if self.phase == Phase::Stopping {
            // What is still being said no longer matters: `started` follows.
            self.abort(|_| true);
        }
        if self.phase != Phase::Running {
            self.phase = Phase::Running;
            self.walks.iter_mut().for_each(|w| w.restart(now));
        }
    }

    fn stop(&mut self, now: Time) {
        if self.phase != Phase::Running {
            if self.phase == Phase::Idle {
                self.out.push_back(AnnouncerOutput::Event(AnnouncerEvent::Stopped));
            }
            return;
        }
        self.phase = Phase::Stopping;
        self.abort(|_| true);
        for tracker in 0..self.trackers.len() {
            self.tell_stopped(now, tracker);
        }
        self.finish_stopping();
    }

    /// Sends `stopped` in every lane where the tracker may know us.
    fn tell_stopped(&mut self, now: Time, tracker: TrackerIndex) {
        for lane in 0..self.lanes.len() {
            if std::mem::take(&mut self.trackers[tracker].told[lane].started) {
                let job = self.job(tracker, lane, AnnounceEvent::Stopped, None, now);
                self.out.push_back(AnnouncerOutput::Job(job));
            }
            let told = &mut self.trackers[tracker].told[lane];
            (told.acknowledged, told.owes_completed) = (false, false);
        }
    }

    fn finish_stopping(&mut self) {
        if self.phase == Phase::Stopping && self.in_flight.is_empty() {
            self.phase = Phase::Idle;
            self.out.push_back(AnnouncerOutput::Event(AnnouncerEvent::Stopped));
        }
    }

    /// Gives up on jobs under way. Those not yet drained are taken back instead.
    fn abort(&mut self, which: impl Fn(&InFlight) -> bool) {
        let (gone, kept) = std::mem::take(&mut self.in_flight).into_iter().partition(|f| which(f));
        self.in_flight = kept;
        for job in gone {
            if let Some(walk) = job.walk {
                self.walks[walk].lanes[job.lane].busy = false;
            }
            let waiting = self.out.len();
            self.out.retain(|o| !matches!(o, AnnouncerOutput::Job(j) if j.ticket == job.ticket));
            if self.out.len() == waiting {
                self.out.push_back(AnnouncerOutput::Abort(job.ticket));
            }
        }
    }

    fn completed(&mut self, now: Time) {
        for told in self.trackers.iter_mut().flat_map(|t| &mut t.told) {
            told.owes_completed = told.started;
        }
        self.hurry_owed(now);
    }

    /// Where the tracker in use is owed a `completed`, it gets it at once.
    fn hurry_owed(&mut self, now: Time) {
        for walk in &mut self.walks {
            for (lane, state) in walk.lanes.iter_mut().enumerate() {
                if state.last.is_some_and(|t| self.trackers[t].told[lane].owes_completed) {
                    state.next = state.next.min(now);
                }
            }
        }
    }

    fn force(&mut self, now: Time) {
        for tracker in self.trackers.iter_mut().filter(|t| t.url.scheme().is_supported()) {
            tracker.told.iter_mut().for_each(|told| told.retry_at = now);
        }
        self.walks.iter_mut().flat_map(|w| &mut w.lanes).for_each(|l| l.next = now);
    }

    fn scrape(&mut self, now: Time) {
        let hashes: Vec<InfoHash> = self.config.info_hashes.wire_names().collect();
        let picks: Vec<TrackerIndex> = self.walks.iter().filter_map(|w| w.in_use(&self.trackers)).collect();
        for tracker in picks {
            let ticket = self.ticket();
            self.in_flight.push(InFlight { ticket, tracker, lane: 0, walk: None, event: None });
            let job = Job {
                ticket,
                tracker: self.trackers[tracker].url.clone(),
                kind: JobKind::Scrape(hashes.clone()),
                due: now,
            };
            self.out.push_back(AnnouncerOutput::Job(job));
        }
    }

    fn replace_trackers(&mut self, now: Time) {
        // Jobs name walks by number: those under way are asked again by the new walks.
        self.abort(|f| f.walk.is_some());
        self.lay_out(now);
        let used: Vec<TrackerIndex> = self.walks.iter().flat_map(|w| &w.order).map(|(_, t)| *t).collect();
        if self.phase == Phase::Running {
            for tracker in (0..self.trackers.len()).filter(|t| !used.contains(t)) {
                self.tell_stopped(now, tracker);
            }
        }
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// The regular announce of a walk.
    fn announce(&mut self, walk: usize, lane: usize, tracker: TrackerIndex, due: Time) -> Job {
        self.walks[walk].lanes[lane].busy = true;
        let told = &self.trackers[tracker].told[lane];
        let event = match (told.acknowledged, told.owes_completed) {
            (false, _) => AnnounceEvent::Started,
            (true, true) => AnnounceEvent::Completed,
            (true, false) => AnnounceEvent::None,
        };
        self.job(tracker, lane, event, Some(walk), due)
    }

    fn job(
        &mut self,
        tracker: TrackerIndex,
        lane: usize,
        event: AnnounceEvent,
        walk: Option<usize>,
        due: Time,
    ) -> Job {
        let ticket = self.ticket();
        self.in_flight.push(InFlight { ticket, tracker, lane, walk, event: Some(event) });
        let Lane { info_hash, family } = self.lanes[lane];
        let mut request = AnnounceRequest::new(info_hash, self.config.peer_id, self.status.port);
        self.refresh(&mut request);
        request.event = event;
        request.num_want = if event == AnnounceEvent::Stopped { Some(0) } else { self.status.num_want };
        request.key = self.key;
        request.tracker_id = self.trackers[tracker].told[lane].tracker_id.clone();
        request.ip = self.config.public_ip.filter(|ip| family.allows(*ip));
        request.family = family;
        let tracker = self.trackers[tracker].url.clone();
        Job { ticket, tracker, kind: JobKind::Announce(Box::new(request)), due }
    }

    fn sent(&mut self, ticket: u64) {
        let job = self.in_flight.iter().find(|f| f.ticket == ticket && f.walk.is_some());
        if let Some(job) = job {
            self.trackers[job.tracker].told[job.lane].started = true;
        }
    }
}

#[cfg(test)]
mod tests;
