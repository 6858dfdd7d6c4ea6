//! The way to the task that announces: trackers of all torrents.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use engine::TorrentId;
use net::tracker::TrackerClient;
use tokio::sync::{mpsc, oneshot};
use tracker::{
    Announcer, AnnouncerConfig, AnnouncerInput, Family, ScheduleInput, Status, TorrentKey, TrackerUrl,
};
use types::{InfoHashes, PeerId, Rng};

use crate::{ClientBuilder, Error, TrackerStatus};

/// The way to the task that announces.
pub(crate) struct Trackers {
    to: mpsc::UnboundedSender<ToTrackers>,
    pub(crate) client: TrackerClient,
    enabled: bool,
    families: Vec<Family>,
    public_ip: Option<IpAddr>,
    rng: Mutex<Rng>,
    /// Torrents that have trackers: of the others the task knows nothing.
    known: Mutex<BTreeSet<TorrentId>>,
}

/// What the task is told.
pub(crate) enum ToTrackers {
    Schedule(ScheduleInput),
    Status(TorrentId, oneshot::Sender<Vec<TrackerStatus>>),
    ShutDown(oneshot::Sender<()>),
}

/// A torrent as trackers see it.
pub(crate) struct Announced {
    pub(crate) hashes: InfoHashes,
    pub(crate) peer_id: PeerId,
    pub(crate) private: bool,
    pub(crate) tiers: Vec<Vec<String>>,
    /// Asked besides, whatever the tiers answer.
    pub(crate) beside: Vec<String>,
}

impl Trackers {
    /// The way, and its other end.
    pub(crate) fn new(
        settings: &ClientBuilder,
        rng: Rng,
    ) -> Result<(Trackers, mpsc::UnboundedReceiver<ToTrackers>), Error> {
        let mut builder =
            TrackerClient::builder().user_agent(&settings.user_agent).allow_local(settings.local_trackers);
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
        Ok((
            Trackers {
                to,
                client,
                enabled,
                families,
                public_ip,
                rng: Mutex::new(rng),
                known: Mutex::default(),
            },
            told,
        ))
    }

    fn send(&self, what: ToTrackers) {
        // The task ends only with the client.
        let _ = self.to.send(what);
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<TorrentId>> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether a torrent has an announcer.
    pub(crate) fn knows(&self, id: TorrentId) -> bool {
        self.known().contains(&id)
    }

    /// For one torrent's announcer, where it has one.
    pub(crate) fn tell(&self, id: TorrentId, input: AnnouncerInput) {
        if self.knows(id) {
            self.send(ToTrackers::Schedule(ScheduleInput::Torrent(key(id), input)));
        }
    }

    /// A torrent that will announce when it is told to start. Without trackers it gets no announcer.
    pub(crate) fn add(&self, id: TorrentId, torrent: Announced, status: Status) {
        let tiers = if self.enabled { parse_tiers(&torrent.tiers) } else { Vec::new() };
        let beside = if self.enabled { parse(&torrent.beside) } else { Vec::new() };
        if tiers.is_empty() && beside.is_empty() {
            return;
        }
        self.known().insert(id);
        let mut config = AnnouncerConfig::new(torrent.hashes, torrent.peer_id, tiers);
        config.private = torrent.private;
        config.beside = beside;
        config.families = self.families.clone();
        config.public_ip = self.public_ip;
        let rng = self.rng.lock().unwrap_or_else(|e| e.into_inner()).fork();
        let announcer = Box::new(Announcer::new(config, rng));
        self.send(ToTrackers::Schedule(ScheduleInput::Add(key(id), announcer)));
        self.tell(id, AnnouncerInput::Status(status));
    }

    /// A torrent that leaves.
    pub(crate) fn remove(&self, id: TorrentId) {
        if !self.known().remove(&id) {
            return;
        }
        self.send(ToTrackers::Schedule(ScheduleInput::Remove(key(id))));
    }

    /// Leaves every swarm; returns when all trackers were told, or those that were not do not answer.
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

/// What the schedule calls a torrent.
pub(crate) fn key(id: TorrentId) -> TorrentKey {
    TorrentKey(id.0.into())
}

/// The tiers that can be asked; what is no address of a tracker is left out with a word in the log.
pub(crate) fn parse_tiers(tiers: &[Vec<String>]) -> Vec<Vec<TrackerUrl>> {
    tiers.iter().map(|tier| parse(tier)).filter(|tier| !tier.is_empty()).collect()
}

/// The addresses of trackers among these; what is none is left out with a word in the log.
pub(crate) fn parse(urls: &[String]) -> Vec<TrackerUrl> {
    let parse = |url: &String| match TrackerUrl::parse(url) {
        Ok(url) => Some(url),
        Err(error) => {
            tracing::info!(url, %error, "not a tracker");
            None
        }
    };
    urls.iter().filter_map(parse).collect()
}
