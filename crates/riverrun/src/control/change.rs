//! What users ask of a torrent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::{Command as Brain, TorrentId, UploadMode, Usage};
use shard::Command;
use tracker::AnnouncerInput;
use types::{Bitfield, PeerSource, PieceIndex};

use super::hold::{hold, release};
use super::upkeep::review;
use super::{announce, data, save, swarm};
use crate::entry::{Entry, Stage, State};
use crate::inner::Inner;
use crate::{Error, Limiter, SeedGoal, Snapshot, TorrentState};

/// The figures of one moment; `live` is what the shard says, if the torrent is there.
pub(crate) fn snapshot(entry: &Entry, live: Option<engine::Snapshot>) -> Snapshot {
    let state = entry.state();
    let pieces = &state.pieces;
    let moved = live.as_ref().map(|live| (live.downloaded, live.uploaded));
    let (downloaded, uploaded) = state.totals.over_all(moved);
    let (session_downloaded, session_uploaded) = state.totals.session(moved);
    let mut out = Snapshot {
        state: state.public(),
        pieces: pieces.have().len(),
        pieces_have: pieces.have().count(),
        pieces_wanted: pieces.wanted().count(),
        pieces_missing: pieces.missing(),
        pieces_partial: 0,
        bytes: entry.info().geometry().data_len(),
        bytes_have: pieces.bytes_have(),
        bytes_wanted: pieces.bytes_wanted(),
        bytes_left: pieces.left(),
        downloaded,
        uploaded,
        session_downloaded,
        session_uploaded,
        wasted: crate::Waste::default(),
        download_rate: 0,
        upload_rate: 0,
        peers: 0,
        sources: Vec::new(),
        seeds: 0,
        half_open: 0,
        known_peers: 0,
        eta: None,
        faults: Vec::new(),
    };
    let (lost, sharing) = (!state.obstacles.lost.is_empty(), state.place.share_mode);
    drop(state);
    if entry.metainfo().is_none() {
        (out.pieces, out.pieces_wanted, out.pieces_missing) = (0, 0, 0);
        (out.bytes, out.bytes_wanted, out.bytes_left) = (0, 0, 0);
    }
    let Some(live) = live else { return out };
    if let (Some(m), TorrentState::FetchingMetadata { bytes, total, peers }) = (live.metadata, &mut out.state)
    {
        (*bytes, *total, *peers) = (m.bytes, m.total, m.peers);
    }
    out.pieces_partial = live.partial;
    // The shard was told not to want what is gone; the user still does.
    out.bytes_left = if lost { out.bytes_left } else { live.left };
    out.wasted = live.waste.into();
    out.sources = live.sources.into_iter().map(Into::into).collect();
    (out.download_rate, out.upload_rate) = (live.download_rate, live.upload_rate);
    (out.peers, out.seeds) = (live.peers, live.seeds);
    (out.half_open, out.known_peers) = (live.half_open, live.known);
    out.faults = live.faults;
    out.eta = match (out.bytes_left, out.download_rate) {
        // In share mode it may never have everything.
        _ if sharing => None,
        (0, _) | (_, 0) => None,
        (left, rate) => Some(Duration::from_secs(left.div_ceil(rate))),
    };
    out
}

/// Rests.
pub(crate) fn pause(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    let running = entry.change(|state| {
        state.paused = true;
        state.kept.change();
        swarm::leave(inner, entry, state);
        state.place.on_shard
    });
    review(inner, entry);
    if running {
        inner.tasks.spawn(save::sync_and_save(inner.clone(), entry.clone()));
    }
}

/// Goes on. During a check it goes on after it.
pub(crate) fn resume(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    entry.change(|state| {
        state.paused = false;
        state.seeding.restart();
        state.kept.change();
        swarm::join(inner, entry, state);
    });
    review(inner, entry);
}

/// Sets when it pauses after its download.
pub(crate) fn set_goal(inner: &Arc<Inner>, entry: &Arc<Entry>, goal: Option<SeedGoal>) {
    entry.change(|state| state.seeding.set_goal(goal));
    review(inner, entry);
}

/// Addresses to try, without those that are on the blocklist or have no port.
pub(crate) fn addresses(inner: &Inner, entry: &Entry, source: PeerSource, addrs: Vec<SocketAddr>) {
    let good = |addr: &SocketAddr| {
        addr.port() != 0 && inner.shared.dial.allow(*addr) && !inner.shared.blocklist.blocks(*addr)
    };
    let addrs: Vec<_> = addrs.into_iter().map(net::tcp::canonical).filter(good).collect();
    if addrs.is_empty() {
        return;
    }
    let mut state = entry.state();
    if source == PeerSource::Manual {
        state.place.named(&addrs);
    }
    // Under the lock: a torrent on its way to the shard brings along what the user named.
    inner.shard(entry).command(Command::Addresses(entry.id, source, addrs));
}

/// Changes how many connections it may have.
pub(crate) fn set_max_peers(inner: &Inner, entry: &Entry, most: u32) {
    let mut state = entry.state();
    state.place.max_peers = Some(most);
    inner.shard(entry).command(Command::Torrent(entry.id, Brain::MaxPeers(most)));
}

/// Changes its own limits, in bytes a second.
pub(crate) fn set_rates(inner: &Inner, entry: &Entry, download: Option<u64>, upload: Option<u64>) {
    let mut state = entry.state();
    state.place.rates.set_own(download, upload);
    inner.shard(entry).command(state.place.rates.change(entry.id));
}

/// Its part in a limit that it shares, or in none.
pub(crate) fn set_limiter(inner: &Inner, entry: &Entry, limiter: Option<&Limiter>) {
    let mut state = entry.state();
    state.place.rates.share(limiter);
    inner.shard(entry).command(state.place.rates.change(entry.id));
    inner.torrents.set_shares(entry.id, limiter.is_some());
}

/// Those that share limits get what is theirs now.
pub(crate) fn grant(inner: &Inner, used: &BTreeMap<TorrentId, Usage>) {
    for entry in inner.torrents.sharing() {
        let mut state = entry.state();
        let usage = used.get(&entry.id).copied().unwrap_or_default();
        if state.place.rates.grant(usage) {
            inner.shard(&entry).command(state.place.rates.change(entry.id));
        }
    }
}

/// Whether peers are served.
pub(crate) fn set_upload(inner: &Inner, entry: &Entry, mode: UploadMode) {
    let mut state = entry.state();
    state.place.upload = mode.min(inner.settings.upload);
    inner.shard(entry).command(Command::Torrent(entry.id, Brain::Upload(state.place.upload)));
}

/// Whether it gives each piece to one peer first.
pub(crate) fn set_super_seeding(inner: &Inner, entry: &Entry, on: bool) {
    let mut state = entry.state();
    state.place.super_seeding = on;
    inner.shard(entry).command(Command::Torrent(entry.id, Brain::SuperSeed(on)));
}

/// Whether it downloads only in order to upload.
pub(crate) fn set_share_mode(inner: &Arc<Inner>, entry: &Arc<Entry>, on: bool) {
    entry.change(|state| {
        state.place.share_mode = on;
        inner.shard(entry).command(Command::Torrent(entry.id, Brain::ShareMode(on)));
    });
    review(inner, entry);
}

/// What is no address of a tracker is an error.
fn check_trackers(urls: &[String]) -> Result<(), Error> {
    for url in urls {
        tracker::TrackerUrl::parse(url)
            .map_err(|e| Error::Fetch { url: url.as_str().into(), message: e.to_string().into() })?;
    }
    Ok(())
}

/// Trackers to be asked besides the others, as long as this client runs.
pub(crate) fn ask_besides(inner: &Inner, entry: &Entry, urls: Vec<String>) -> Result<(), Error> {
    check_trackers(&urls)?;
    entry.change(|state| {
        for url in urls {
            if !state.beside.contains(&url) {
                state.beside.push(url);
            }
        }
        let news = AnnouncerInput::Beside(crate::trackers::parse(&state.beside));
        announce::changed(inner, entry, state, news);
    });
    Ok(())
}

/// More trackers, each a tier of its own.
pub(crate) fn add_trackers(inner: &Inner, entry: &Entry, urls: Vec<String>) -> Result<(), Error> {
    check_trackers(&urls)?;
    entry.change(|state| {
        for url in urls {
            if !state.tiers.iter().flatten().any(|known| *known == url) {
                state.tiers.push(vec![url]);
                state.kept.change();
            }
        }
        let news = AnnouncerInput::Trackers(crate::trackers::parse_tiers(&state.tiers));
        announce::changed(inner, entry, state, news);
    });
    Ok(())
}

/// Changes which files are wanted.
pub(crate) async fn set_wanted(inner: Arc<Inner>, entry: Arc<Entry>, wanted: Vec<bool>) -> Result<(), Error> {
    let selection = storage::Selection::of(wanted.iter().copied());
    if let Some(storage) = entry.data.storage()
        && !entry.settings.read_only
    {
        let _alone = entry.data.files.lock().await;
        let change = move |storage: &dyn storage::Storage| storage.set_wanted(&selection);
        inner.shared.disk.fence(storage.clone(), change).await?;
    }
    let running = entry.change(|state| {
        state.want(entry.info(), |wants| wants.set_files(wanted));
        state.place.on_shard
    });
    if running {
        tell_wanted(&inner, &entry);
    }
    review(&inner, &entry);
    inner.tasks.spawn(save::sync_and_save(inner.clone(), entry));
    Ok(())
}

/// Tells the shard which pieces are wanted, and how much.
fn tell_wanted(inner: &Inner, entry: &Entry) {
    let shard = inner.shard(entry);
    // Under one lock: whoever changes it meanwhile tells the shard later.
    let state = entry.state();
    let pieces = entry.to_be_fetched(&state);
    shard.command(Command::Torrent(entry.id, Brain::Want(pieces)));
    let graded = entry.graded(&state);
    if !graded.is_empty() {
        shard.command(Command::Torrent(entry.id, Brain::Prioritize(graded.into())));
    }
}

/// Changes how much pieces are wanted for themselves.
pub(crate) fn prioritize(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    pieces: std::ops::Range<u32>,
    priority: engine::Priority,
) -> Result<(), Error> {
    if inner.is_closing() {
        return Err(Error::Closed);
    }
    entry.obstacle().map_or(Ok(()), Err)?;
    let end = pieces.end.min(entry.info().geometry().pieces());
    entry.change(|state| state.want(entry.info(), |wants| wants.set_own(pieces.start..end, priority)));
    if entry.state().place.on_shard && entry.metainfo().is_some() {
        tell_wanted(inner, entry);
    }
    review(inner, entry);
    Ok(())
}

/// Changes how much a file is wanted.
pub(crate) async fn set_priority(
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    file: metainfo::FileIndex,
    priority: engine::Priority,
) -> Result<(), Error> {
    let wanted = entry.state().wants.grade(file, priority);
    // What was normal once and is graded no more has to be told so: an empty list says nothing.
    let all: Vec<_> = entry.pieces_of(file).map(|p| (PieceIndex(p), engine::Priority::NORMAL)).collect();
    set_wanted(inner.clone(), entry.clone(), wanted).await?;
    let ungraded =
        priority == engine::Priority::NORMAL && entry.state().place.on_shard && !entry.settings.read_only;
    if ungraded && entry.graded(&entry.state()).is_empty() && entry.state().obstacles.lost.is_empty() {
        inner.shard(&entry).command(Command::Torrent(entry.id, Brain::Prioritize(all.into())));
    }
    Ok(())
}

/// Takes the files as they are, and hashes every piece.
async fn check_all(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    storage: Arc<dyn storage::Storage>,
) -> Result<Bitfield, storage::StorageError> {
    inner.shared.disk.fence(storage.clone(), |storage| storage.accept_changes()).await?;
    let all = Bitfield::full(entry.info().geometry().pieces());
    data::check(inner, entry, storage, all).await
}

/// Hashes everything again.
pub(crate) async fn recheck(inner: Arc<Inner>, entry: Arc<Entry>) -> Result<(), Error> {
    if matches!(entry.state().stage, Stage::Checking { .. }) {
        let over = |state: &State| (!matches!(state.stage, Stage::Checking { .. })).then_some(());
        entry.wait(over).await;
        return Ok(());
    }
    if entry.metainfo().is_none() {
        // There is nothing to be checked yet.
        return entry.obstacle().map_or(Ok(()), Err);
    }
    let busy = entry.data.busy.lock().await;
    let storage = entry.data.storage().cloned();
    entry.change(|state| {
        if state.stage == Stage::Removed {
            return Err(Error::Removed);
        }
        state.stage = Stage::Checking { checked: 0, total: 0 };
        if storage.is_some() {
            state.obstacles.lost.clear();
            state.obstacles.disk = None;
        }
        Ok(())
    })?;
    let Some(storage) = storage else {
        // It never came up: try that again.
        drop(busy);
        return super::add::bring_up(inner, entry.clone(), Default::default()).await;
    };
    hold(&inner, &entry).await;
    let have = match check_all(&inner, &entry, storage.clone()).await {
        Ok(have) => have,
        Err(error) => {
            entry.state().place.held = false;
            super::end::give_up(&inner, &entry, crate::disk::trouble(&error).into());
            return Err(error.into());
        }
    };
    // What was only just written may pass its hash and still be lost with the power.
    let durable =
        if data::sync_all(&inner, &entry, storage).await { have.clone() } else { Bitfield::new(have.len()) };
    entry.set_have(have.clone(), durable);
    entry.change(|state| {
        if state.stage != Stage::Removed {
            state.stage = Stage::Running;
        }
    });
    if release(&inner, &entry, have) {
        review(&inner, &entry);
    } else {
        super::add::enter(&inner, &entry, Vec::new());
    }
    save::save(&inner, &entry).await
}
