//! Trackers: one task that drives the announces of all torrents.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Command as Brain, TorrentId};
use net::tracker::TrackerClient;
use shard::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tracker::{
    AnnounceReply, Announcer, AnnouncerConfig, AnnouncerEvent, AnnouncerInput, Failure, Family, Schedule,
    ScheduleConfig, ScheduleInput, ScheduleOutput, ScrapeReply, Status, Ticket, TorrentKey, TrackerUrl,
};
use types::{PeerSource, Rng, Time};

use super::change;
use crate::client::Inner;
use crate::entry::Entry;
use crate::{ClientBuilder, Error, EventKind, TrackerStatus};

/// The port told to trackers where we listen on none: 0 is refused by some of them.
const NO_PORT: u16 = 1;

/// The way to the task that announces.
pub(crate) struct Trackers {
    to: mpsc::UnboundedSender<ToTrackers>,
    client: TrackerClient,
    enabled: bool,
    families: Vec<Family>,
    public_ip: Option<IpAddr>,
    rng: Mutex<Rng>,
}

/// What the task is told.
pub(crate) enum ToTrackers {
    Schedule(ScheduleInput),
    Status(TorrentId, oneshot::Sender<Vec<TrackerStatus>>),
    ShutDown(oneshot::Sender<()>),
}

impl Trackers {
    /// The way, and its other end.
    pub(crate) fn new(
        settings: &ClientBuilder,
        rng: Rng,
    ) -> Result<(Trackers, mpsc::UnboundedReceiver<ToTrackers>), Error> {
        let mut builder = TrackerClient::builder()
            .user_agent(settings.user_agent.clone())
            .allow_local(settings.local_trackers);
        let families = match (settings.ipv4, settings.ipv6) {
            (true, true) => vec![Family::V4, Family::V6],
            (true, false) => vec![Family::V4],
            _ => vec![Family::V6],
        };
        if let [family] = families[..] {
            builder = builder.ip_family(family);
        }
        for addr in &settings.bind {
            builder = match *addr {
                IpAddr::V4(v4) => builder.bind_v4(v4),
                IpAddr::V6(v6) => builder.bind_v6(v6),
            };
        }
        let client = builder.build().map_err(|e| Error::system("set up the tracker client", e))?;
        let (to, told) = mpsc::unbounded_channel();
        let (enabled, public_ip) = (settings.trackers, settings.public_ip);
        Ok((Trackers { to, client, enabled, families, public_ip, rng: Mutex::new(rng) }, told))
    }

    fn send(&self, what: ToTrackers) {
        // The task ends only with the client.
        let _ = self.to.send(what);
    }

    /// For one torrent's announcer.
    pub(crate) fn tell(&self, id: TorrentId, input: AnnouncerInput) {
        if self.enabled || !matches!(input, AnnouncerInput::Trackers(_)) {
            self.send(ToTrackers::Schedule(ScheduleInput::Torrent(key(id), input)));
        }
    }

    /// A torrent that will announce when it is told to start.
    pub(crate) fn add(&self, inner: &Inner, entry: &Entry, tiers: &[Vec<String>]) {
        let tiers = if self.enabled { parse_tiers(tiers) } else { Vec::new() };
        let mut config = AnnouncerConfig::new(entry.hashes, inner.engine.peer_id, tiers);
        config.private = entry.info().is_private();
        config.families = self.families.clone();
        config.public_ip = self.public_ip;
        let rng = self.rng.lock().unwrap_or_else(|e| e.into_inner()).fork();
        let announcer = Box::new(Announcer::new(config, rng));
        self.send(ToTrackers::Schedule(ScheduleInput::Add(key(entry.id), announcer)));
        let status = Status { port: port(inner), left: entry.state().left, ..Status::default() };
        self.tell(entry.id, AnnouncerInput::Status(status));
    }

    /// A torrent that leaves.
    pub(crate) fn remove(&self, id: TorrentId) {
        self.send(ToTrackers::Schedule(ScheduleInput::Remove(key(id))));
    }

    /// Leaves every swarm; returns when all trackers were told.
    pub(crate) async fn shut_down(&self) {
        let (tx, rx) = oneshot::channel();
        self.send(ToTrackers::ShutDown(tx));
        // An error means that the task has ended, and with it the announces.
        let _ = rx.await;
    }

    /// The trackers of a torrent.
    pub(crate) async fn status(&self, id: TorrentId) -> Option<Vec<TrackerStatus>> {
        let (tx, rx) = oneshot::channel();
        self.send(ToTrackers::Status(id, tx));
        rx.await.ok()
    }

    /// Fetches a `.torrent`.
    pub(crate) async fn fetch(&self, url: &str) -> Result<Vec<u8>, Error> {
        let failed = |e: net::tracker::Error| Error::Fetch { url: url.into(), message: e.to_string().into() };
        self.client.fetch_metainfo(url).await.map_err(failed)
    }
}

fn key(id: TorrentId) -> TorrentKey {
    TorrentKey(id.0.into())
}

/// The port told to trackers: the one that the gateway chose, where it chose one.
pub(crate) fn port(inner: &Inner) -> u16 {
    inner.local.external_port().or(inner.engine.listen_port).unwrap_or(NO_PORT)
}

/// The tiers that can be asked; what is no address of a tracker is left out with a word in the log.
pub(crate) fn parse_tiers(tiers: &[Vec<String>]) -> Vec<Vec<TrackerUrl>> {
    let parse = |url: &String| match TrackerUrl::parse(url) {
        Ok(url) => Some(url),
        Err(error) => {
            tracing::info!(url, %error, "not a tracker");
            None
        }
    };
    let tiers = tiers.iter().map(|tier| tier.iter().filter_map(parse).collect::<Vec<_>>());
    tiers.filter(|tier| !tier.is_empty()).collect()
}

enum Answer {
    Announce(Result<AnnounceReply, Failure>),
    Scrape(Result<ScrapeReply, Failure>),
}

/// The announces of all torrents and what is under way of them.
struct Task {
    inner: Arc<Inner>,
    schedule: Schedule,
    requests: JoinSet<(Ticket, Answer)>,
    running: BTreeMap<Ticket, AbortHandle>,
    /// When each tracker is asked next, to be shown.
    next: BTreeMap<(TorrentKey, String), Time>,
    drained: Option<oneshot::Sender<()>>,
}

/// Runs as long as the client.
pub(crate) async fn announce_loop(inner: Arc<Inner>, mut told: mpsc::UnboundedReceiver<ToTrackers>) {
    let mut task = Task {
        inner,
        schedule: Schedule::new(ScheduleConfig::default()),
        requests: JoinSet::new(),
        running: BTreeMap::new(),
        next: BTreeMap::new(),
        drained: None,
    };
    loop {
        let deadline = task.drain();
        let wait = task.inner.shared.clock.until(deadline).unwrap_or(Duration::from_secs(3600));
        tokio::select! {
            what = told.recv() => match what {
                Some(what) => task.take(what),
                None => return,
            },
            // An error is a request that was aborted, of which the schedule knows.
            Some(answer) = task.requests.join_next() => if let Ok((ticket, answer)) = answer {
                task.answered(ticket, answer);
            },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Task {
    fn now(&self) -> Time {
        self.inner.shared.clock.now()
    }

    fn take(&mut self, what: ToTrackers) {
        let now = self.now();
        match what {
            ToTrackers::Schedule(input) => self.schedule.handle(now, input),
            ToTrackers::Status(id, to) => drop(to.send(self.status(key(id)))),
            ToTrackers::ShutDown(to) => {
                self.drained = Some(to);
                self.schedule.handle(now, ScheduleInput::Shutdown);
            }
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer) {
        self.running.remove(&ticket);
        let input = match answer {
            Answer::Announce(outcome) => ScheduleInput::Announced(ticket, outcome),
            Answer::Scrape(outcome) => ScheduleInput::Scraped(ticket, outcome),
        };
        self.schedule.handle(self.now(), input);
    }

    /// Does what is to be done; returns when there is more.
    fn drain(&mut self) -> Time {
        loop {
            let client = self.inner.trackers.client.clone();
            match self.schedule.poll(self.now()) {
                ScheduleOutput::Wait(deadline) => return deadline,
                ScheduleOutput::Announce { ticket, tracker, request } => {
                    let ask = async move {
                        let reply = client.announce(&tracker, &request).await;
                        (ticket, Answer::Announce(reply.map_err(|e| e.failure())))
                    };
                    self.running.insert(ticket, self.requests.spawn(ask));
                }
                ScheduleOutput::Scrape { ticket, tracker, hashes } => {
                    let ask = async move {
                        let reply = client.scrape(&tracker, &hashes).await;
                        (ticket, Answer::Scrape(reply.map_err(|e| e.failure())))
                    };
                    self.running.insert(ticket, self.requests.spawn(ask));
                }
                ScheduleOutput::Abort(ticket) => {
                    if let Some(request) = self.running.remove(&ticket) {
                        request.abort();
                    }
                }
                ScheduleOutput::Event(key, event) => self.event(key, event),
                ScheduleOutput::Removed(key) => self.next.retain(|(of, _), _| *of != key),
                ScheduleOutput::Drained => {
                    if let Some(to) = self.drained.take() {
                        let _ = to.send(());
                    }
                }
            }
        }
    }

    fn event(&mut self, key: TorrentKey, event: AnnouncerEvent) {
        let id = TorrentId(key.0 as u32);
        let Some(entry) = self.inner.entry(id) else { return };
        let now = self.now();
        match event {
            AnnouncerEvent::Announced { tracker, next, seeders, leechers, peers, warning, .. } => {
                let url = tracker.to_string();
                self.next.insert((key, url.clone()), now + next);
                let count = peers.len();
                let addrs = peers.into_iter().map(|peer| peer.addr).collect();
                change::addresses(&self.inner, &entry, PeerSource::Tracker, addrs);
                entry.tell(EventKind::TrackerAnnounced { url, peers: count, seeders, leechers, warning });
            }
            AnnouncerEvent::Failed { tracker, failure, retry, .. } => {
                let url = tracker.to_string();
                if let Some(retry) = retry {
                    self.next.insert((key, url.clone()), now + retry);
                }
                entry.tell(EventKind::TrackerFailed { url, message: failure.message, retry });
            }
            AnnouncerEvent::Switched { .. } => switched(&self.inner, &entry),
            _ => {}
        }
    }

    fn status(&self, key: TorrentKey) -> Vec<TrackerStatus> {
        let now = self.now();
        let trackers = self.schedule.announcer(key).map(Announcer::trackers).unwrap_or_default();
        let status = trackers.into_iter().map(|tracker| {
            let url = tracker.url.to_string();
            let next = self.next.get(&(key, url.clone()));
            TrackerStatus {
                tier: tracker.tier,
                announced: tracker.announced,
                failures: tracker.failures,
                last_error: tracker.last_failure.map(|failure| failure.message),
                next_announce: next.map(|next| next.since(now)),
                seeders: tracker.seeders,
                leechers: tracker.leechers,
                url,
            }
        });
        status.collect()
    }
}

/// A private torrent went to another tracker: the peers of the old one must go before those of the new one come (BEP 27).
pub(crate) fn switched(inner: &Inner, entry: &Entry) {
    inner.shard(entry).command(Command::Torrent(entry.id, Brain::ForgetPeers));
}
