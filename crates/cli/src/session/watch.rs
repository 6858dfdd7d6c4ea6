//! The main loop over a client's torrents: show progress, wait for the end, close.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use riverrun::{Client, Event, EventKind, Events, PortMapping, Snapshot, Torrent, TorrentState};
use types::InfoHashes;

use super::progress::Progress;
use super::{Stop, failure, json};
use crate::exit::{Code, Failure};
use crate::{output, units};

/// What ends the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// Every torrent has its wanted files.
    Complete,
    /// Every torrent reached its seed goal.
    Goal,
    /// Only a signal.
    Interrupted,
}

/// A client at work.
pub(crate) struct Watch {
    client: Client,
    torrents: Vec<Torrent>,
    until: Until,
    /// Give up when nothing came for so long.
    timeout: Option<Duration>,
    json: bool,
    quiet: bool,
    stop: Stop,
    repair: &'static str,
}

/// What was seen so far.
struct Seen {
    progress: Progress,
    goals: BTreeSet<InfoHashes>,
    /// When payload last came, or the torrent was not downloading.
    moved: Instant,
    downloaded: u64,
    mapping: Option<PortMapping>,
    /// Peers of which was said why they are of no use; a cause is told once.
    useless: BTreeSet<(SocketAddr, &'static str)>,
}

impl Watch {
    pub(crate) fn new(client: Client, torrents: Vec<Torrent>, until: Until, stop: Stop) -> Watch {
        Watch { client, torrents, until, timeout: None, json: false, quiet: false, stop, repair: "" }
    }

    pub(crate) fn timeout(mut self, timeout: Option<Duration>) -> Watch {
        self.timeout = timeout;
        self
    }

    pub(crate) fn json(mut self, json: bool) -> Watch {
        self.json = json;
        self
    }

    pub(crate) fn quiet(mut self, quiet: bool) -> Watch {
        self.quiet = quiet;
        self
    }

    /// What a person can do about a file that is gone or was cut while we worked.
    pub(crate) fn repair(mut self, words: &'static str) -> Watch {
        self.repair = words;
        self
    }

    /// Works until the end, closes the client, and says how it went.
    pub(crate) async fn run(self, events: Events) -> Result<(), Failure> {
        let Watch { client, torrents, until, timeout, json, quiet, stop, repair } = self;
        let mut seen = Seen {
            progress: Progress::new(&torrents, quiet || json),
            goals: BTreeSet::new(),
            moved: Instant::now(),
            downloaded: 0,
            mapping: None,
            useless: BTreeSet::new(),
        };
        let rules = Rules { client: &client, torrents: &torrents, until, timeout, json, repair };
        let start = Instant::now();
        let outcome = tokio::select! {
            biased;
            outcome = rules.work(&mut seen, events) => outcome,
            () = stop.attend(quiet) => Err(Failure::new(Code::Interrupted, "interrupted; progress is kept")),
        };
        for (i, torrent) in torrents.iter().enumerate() {
            if let Ok(snapshot) = torrent.snapshot().await {
                // What can't be told any more must not keep the client from closing.
                let _ = rules.show(&mut seen, i, torrent, &snapshot);
            }
        }
        seen.progress.finish();
        let outcome = outcome.and_then(|()| torrents.iter().try_for_each(still_there));
        if outcome.is_ok() && until == Until::Complete {
            for torrent in &torrents {
                let (name, dir) = (torrent.name(), torrent.output());
                seen.progress.say(&format!(
                    "{name}: downloaded and verified, in {}, {}",
                    dir.display(),
                    units::time(start.elapsed())
                ));
            }
        }
        drop(torrents);
        if !client.close().await {
            tracing::warn!("closing took too long; the next start checks what was not saved");
        }
        if json {
            let (code, message) = outcome.as_ref().err().map_or((0, ""), |f| (f.code() as u8, f.message()));
            json::end(code, message)?;
        }
        outcome
    }
}

/// A last look at the files of a finished torrent: one that somebody deleted, moved or cut meanwhile is no success.
fn still_there(torrent: &Torrent) -> Result<(), Failure> {
    let Some(metainfo) = torrent.metainfo() else { return Ok(()) };
    let info = metainfo.info();
    let on_disk =
        |file: &&riverrun::File| info.files().get(file.number() as usize).is_some_and(|f| f.is_stored());
    for file in torrent.files().iter().filter(on_disk).filter(|file| file.is_wanted() && file.is_complete()) {
        let path = torrent.output().join(file.path());
        let found = std::fs::metadata(&path).map(|meta| meta.len());
        if !found.as_ref().is_ok_and(|found| *found >= file.len()) {
            let path = path.display();
            let message =
                format!("{path}: is gone or shorter than it was; run again with --verify to fetch it anew");
            return Err(Failure::new(Code::Io, message));
        }
    }
    Ok(())
}

/// A tracker without the part of its address that says whose client this is.
fn origin(url: &str) -> String {
    tracker::TrackerUrl::parse(url).map_or_else(|_| "a tracker".to_owned(), |url| url.origin().to_owned())
}

/// Why a peer that the user named is of no use, in words that name what the user can do something about.
fn useless<'a>(code: &str, reason: &'a str) -> &'a str {
    match code {
        "network" => "it can't be reached",
        "closed_by_peer" => "it hung up before it said hello, so it may not serve this torrent",
        _ => reason,
    }
}

/// Whether the work may be over with this: nobody should wait for the next tick then.
fn may_end(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Completed | EventKind::GoalReached | EventKind::Failed(_))
}

/// What holds while the work goes on.
struct Rules<'a> {
    client: &'a Client,
    torrents: &'a [Torrent],
    until: Until,
    timeout: Option<Duration>,
    json: bool,
    repair: &'static str,
}

impl Rules<'_> {
    async fn work(&self, seen: &mut Seen, mut events: Events) -> Result<(), Failure> {
        let mut tick = tokio::time::interval(seen.progress.interval());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => {
                        self.event(seen, &event)?;
                        if may_end(&event.kind) && self.look(seen).await? {
                            return Ok(());
                        }
                        self.heed_reader()?;
                    }
                    None => return Err(failure(&riverrun::Error::Closed)),
                },
                _ = tick.tick() => {
                    if self.look(seen).await? {
                        return Ok(());
                    }
                    self.heed_reader()?;
                }
            }
        }
    }

    /// With `--json` somebody is to read what goes on. Where they have gone the work ends as if it was interrupted.
    fn heed_reader(&self) -> Result<(), Failure> {
        if self.json { output::heed_reader() } else { Ok(()) }
    }

    fn event(&self, seen: &mut Seen, event: &Event) -> Result<(), Failure> {
        if self.json {
            json::event(event)?;
        }
        let name = || {
            let torrent =
                event.torrent.and_then(|hashes| self.torrents.iter().find(|t| t.info_hashes() == hashes));
            torrent.map_or("torrent", Torrent::name)
        };
        match &event.kind {
            EventKind::GoalReached => seen.goals.extend(event.torrent),
            EventKind::Stalled(trouble) => {
                if self.json {
                    return Ok(());
                }
                seen.progress.complain(&format!("{}: {trouble}", name()));
                if matches!(trouble.code, "truncated" | "not_found") && !self.repair.is_empty() {
                    seen.progress.complain(&format!("{}: {}", name(), self.repair));
                }
            }
            EventKind::Recovered => seen.progress.say(&format!("{}: the disk works again", name())),
            EventKind::TrackerFailed { url, message, .. } | EventKind::TrackerWarning { url, message } => {
                let origin = origin(url);
                tracing::warn!("{origin}: {}", message.replace(url.as_str(), &origin));
            }
            EventKind::TrackerAnnounced { url, warning: Some(warning), .. } => {
                tracing::warn!("{}: the tracker says: {warning}", origin(url));
            }
            EventKind::PeerUseless { addr, code, reason, retry } => {
                if seen.useless.insert((*addr, code)) {
                    let then = if *retry { "tried again" } else { "left alone" };
                    tracing::warn!("--peer {addr}: {}; it is {then}", useless(code, reason));
                }
            }
            EventKind::PeerNotFound { peer, message } => tracing::warn!("{peer}: {message}"),
            EventKind::PeerBanned { addr } => tracing::warn!("{addr} sent corrupt data and is shut out"),
            kind => tracing::debug!("{}: {kind:?}", name()),
        }
        Ok(())
    }

    /// Looks at every torrent. Whether the work is done.
    async fn look(&self, seen: &mut Seen) -> Result<bool, Failure> {
        self.tell_mapping(seen);
        let (mut complete, mut downloaded, mut waiting) = (true, 0, false);
        let mut stalled = None;
        for (i, torrent) in self.torrents.iter().enumerate() {
            let snapshot = torrent.snapshot().await.map_err(|error| failure(&error))?;
            self.show(seen, i, torrent, &snapshot)?;
            match &snapshot.state {
                TorrentState::Failed(trouble) => {
                    return Err(Failure::new(Code::of_library(trouble.code), trouble));
                }
                TorrentState::Stalled(trouble) => stalled = Some(trouble.clone()),
                TorrentState::Downloading => waiting = true,
                TorrentState::FetchingMetadata { bytes, .. } => {
                    (waiting, complete) = (true, false);
                    downloaded += u64::from(*bytes);
                }
                TorrentState::Seeding => {}
                TorrentState::Paused if seen.goals.contains(&torrent.info_hashes()) => {}
                _ => complete = false,
            }
            complete &= snapshot.pieces_missing == 0;
            downloaded += snapshot.session_downloaded;
        }
        if downloaded != seen.downloaded || !waiting && stalled.is_none() {
            (seen.downloaded, seen.moved) = (downloaded, Instant::now());
        }
        if let Some(timeout) = self.timeout.filter(|timeout| seen.moved.elapsed() >= *timeout) {
            return Err(match stalled {
                Some(trouble) => Failure::new(Code::of_library(trouble.code), trouble),
                None => Failure::new(Code::NoPeers, format!("nothing came for {}", units::time(timeout))),
            });
        }
        Ok(match self.until {
            Until::Complete => complete,
            Until::Goal => self.torrents.iter().all(|t| seen.goals.contains(&t.info_hashes())),
            Until::Interrupted => false,
        })
    }

    /// Says how the port stands on the gateway, when that changed, to whoever wants details.
    fn tell_mapping(&self, seen: &mut Seen) {
        let now = self.client.port_mapping();
        if seen.mapping.as_ref() == Some(&now) {
            return;
        }
        match &now {
            PortMapping::Off => tracing::info!("port forwarding: off"),
            PortMapping::Searching => tracing::info!("port forwarding: looking for a gateway"),
            PortMapping::Mapped { method, external } => {
                tracing::info!("port forwarding: {external} on the gateway is ours, by {method}");
            }
            PortMapping::Failed { reason } => tracing::info!("port forwarding: none, {reason}"),
            other => tracing::info!("port forwarding: {other:?}"),
        }
        seen.mapping = Some(now);
    }

    fn show(&self, seen: &mut Seen, i: usize, torrent: &Torrent, snapshot: &Snapshot) -> Result<(), Failure> {
        if self.json {
            return json::progress(torrent, snapshot);
        }
        seen.progress.show(i, torrent, snapshot);
        Ok(())
    }
}
