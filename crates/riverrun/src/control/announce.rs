//! Trackers: one task that drives the announces of all torrents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::{Command as Brain, TorrentId};
use shard::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tracker::{
    AnnounceEvent, AnnounceReply, Announcer, AnnouncerEvent, AnnouncerInput, Failure, Schedule,
    ScheduleConfig, ScheduleInput, ScheduleOutput, ScrapeReply, Status, Ticket, TorrentKey,
};
use types::{PeerSource, Time};

use super::change;
use crate::entry::{Entry, State};
use crate::inner::Inner;
use crate::trackers::{Announced, ToTrackers, key};
use crate::{EventKind, TrackerStatus};

/// The port told to trackers where we listen on none: 0 is refused by some of them.
const NO_PORT: u16 = 1;

/// The port told to trackers, which take one for both families.
pub(crate) fn port(inner: &Inner) -> u16 {
    let [v4, v6] = inner.reached_at();
    v4.or(v6).unwrap_or(NO_PORT)
}

/// Makes a torrent known to its trackers, where it has any; it announces when it is told to start. `state` is its own:
/// whoever changes its trackers finds there that it is on its shard, and tells of them.
pub(crate) fn enter(inner: &Inner, entry: &Entry, state: &State) {
    let (tiers, beside, left) = (state.tiers.clone(), state.beside.clone(), state.pieces.left());
    let (hashes, peer_id, private) =
        (entry.hashes, inner.engine.peer_id_of(&entry.hashes), entry.info().is_private());
    let status = Status { port: port(inner), left, ..Status::default() };
    inner.trackers.add(entry.id, Announced { hashes, peer_id, private, tiers, beside }, status);
}

/// The trackers of a torrent have changed. `state` is its own.
pub(super) fn changed(inner: &Inner, entry: &Entry, state: &State, news: AnnouncerInput) {
    if inner.trackers.knows(entry.id) {
        inner.trackers.tell(entry.id, news);
    } else if state.place.on_shard {
        enter(inner, entry, state);
        if super::swarm::is_in(inner, state) {
            inner.trackers.tell(entry.id, AnnouncerInput::Start);
        }
    }
}

enum Answer {
    Announce(Result<AnnounceReply, Failure>),
    Scrape(Result<ScrapeReply, Failure>),
}

/// How long a tracker that never answered may keep us from ending.
const STRANGER_PATIENCE: Duration = Duration::from_secs(2);
/// How long one that did answer before may.
const KNOWN_PATIENCE: Duration = Duration::from_secs(3);

/// A request under way.
struct Asked {
    request: AbortHandle,
    /// Scheme, name and port of the tracker: what may be told, for the rest of its address may be a secret.
    origin: String,
    /// It is told that we leave.
    leaving: bool,
}

/// Leaving every swarm. Each answer gives the other trackers as much time again.
struct Leaving {
    told: oneshot::Sender<()>,
    /// Those that have answered since the client began.
    known: BTreeSet<String>,
    since: Time,
}

/// The announces of all torrents and what is under way of them.
struct Task {
    inner: Arc<Inner>,
    schedule: Schedule,
    requests: JoinSet<(Ticket, Answer)>,
    running: BTreeMap<Ticket, Asked>,
    /// When each tracker is asked next, to be shown.
    next: BTreeMap<(TorrentKey, String), Time>,
    leaving: Option<Leaving>,
}

/// Runs as long as the client.
pub(crate) async fn announce_loop(inner: Arc<Inner>, mut told: mpsc::UnboundedReceiver<ToTrackers>) {
    let mut task = Task {
        inner,
        schedule: Schedule::new(ScheduleConfig::default()),
        requests: JoinSet::new(),
        running: BTreeMap::new(),
        next: BTreeMap::new(),
        leaving: None,
    };
    loop {
        let deadline = task.drain().min(task.give_up());
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
            ToTrackers::ShutDown(told) => {
                let keys: BTreeSet<TorrentKey> = self.inner.all().iter().map(|entry| key(entry.id)).collect();
                let trackers = keys
                    .into_iter()
                    .filter_map(|key| self.schedule.announcer(key))
                    .flat_map(Announcer::trackers);
                let known = trackers
                    .filter(|tracker| tracker.announced)
                    .map(|tracker| tracker.url.origin().to_owned());
                self.leaving = Some(Leaving { told, known: known.collect(), since: now });
                self.schedule.handle(now, ScheduleInput::Shutdown);
            }
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer) {
        self.running.remove(&ticket);
        let now = self.now();
        if let Some(leaving) = &mut self.leaving {
            leaving.since = now;
        }
        let input = match answer {
            Answer::Announce(outcome) => ScheduleInput::Announced(ticket, outcome),
            Answer::Scrape(outcome) => ScheduleInput::Scraped(ticket, outcome),
        };
        self.schedule.handle(now, input);
    }

    /// Ends the wait for trackers that do not answer our `stopped`: when that is to be, where we leave.
    fn give_up(&mut self) -> Time {
        let Some(leaving) = &self.leaving else { return Time::NEVER };
        let late = self.running.values().filter(|asked| asked.leaving).map(|asked| &asked.origin);
        let known = late.clone().any(|origin| leaving.known.contains(origin));
        let deadline = leaving.since + if known { KNOWN_PATIENCE } else { STRANGER_PATIENCE };
        if !deadline.is_due(self.now()) {
            return deadline;
        }
        for origin in late.collect::<BTreeSet<_>>() {
            tracing::info!("the tracker {origin} did not answer our `stopped`");
        }
        if let Some(leaving) = self.leaving.take() {
            let _ = leaving.told.send(());
        }
        Time::NEVER
    }

    /// Does what is to be done; returns when there is more.
    fn drain(&mut self) -> Time {
        loop {
            let client = self.inner.trackers.client.clone();
            match self.schedule.poll(self.now()) {
                ScheduleOutput::Wait(deadline) => return deadline,
                ScheduleOutput::Announce { ticket, tracker, request } => {
                    let origin = tracker.origin().to_owned();
                    let leaving = request.event == AnnounceEvent::Stopped;
                    let ask = async move {
                        let reply = client.announce(&tracker, &request).await;
                        (ticket, Answer::Announce(reply.map_err(|e| e.failure())))
                    };
                    let request = self.requests.spawn(ask);
                    self.running.insert(ticket, Asked { request, origin, leaving });
                }
                ScheduleOutput::Scrape { ticket, tracker, hashes } => {
                    let origin = tracker.origin().to_owned();
                    let ask = async move {
                        let reply = client.scrape(&tracker, &hashes).await;
                        (ticket, Answer::Scrape(reply.map_err(|e| e.failure())))
                    };
                    let request = self.requests.spawn(ask);
                    self.running.insert(ticket, Asked { request, origin, leaving: false });
                }
                ScheduleOutput::Abort(ticket) => {
                    if let Some(asked) = self.running.remove(&ticket) {
                        asked.request.abort();
                    }
                }
                ScheduleOutput::Event(key, event) => self.event(key, event),
                ScheduleOutput::Removed(key) => self.next.retain(|(of, _), _| *of != key),
                ScheduleOutput::Drained => {
                    if let Some(leaving) = self.leaving.take() {
                        let _ = leaving.told.send(());
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
            AnnouncerEvent::BadTime { tracker, bad, next } => {
                let message = format!("{bad}; it is asked again in {} s", next.as_secs());
                entry.tell(EventKind::TrackerWarning { url: tracker.to_string(), message });
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

/// A private torrent went to another tracker: the peers of the old one must go before those of the new one
/// come (BEP 27).
pub(crate) fn switched(inner: &Inner, entry: &Entry) {
    inner.shard(entry).command(Command::Torrent(entry.id, Brain::ForgetPeers));
}
