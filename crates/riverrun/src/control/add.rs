//! Taking a torrent in: its source, its place, its data, its shard.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use metainfo::{FileIndex, Info, Limits, Magnet, Metainfo, Node};
use shard::Command;
use storage::{Op, ResumeData};
use types::{Bitfield, PeerSource, PieceIndex};

use super::{announce, assign, change, data, end, files, magnet, names, rivals, similar, swarm};
use crate::add::{Existing, Source};
use crate::entry::{Entry, Home, NewEntry, Settings, Stage, Turn, Waiting};
use crate::inner::Inner;
use crate::{AddTorrent, Error, EventKind};

/// Adds a torrent, or finds it.
pub(crate) async fn add(inner: Arc<Inner>, mut add: AddTorrent) -> Result<Arc<Entry>, Error> {
    if inner.is_closing() {
        return Err(Error::Closed);
    }
    // A large torrent is not to be in memory twice.
    match std::mem::replace(&mut add.source, Source::Bytes(Vec::new())) {
        Source::Magnet(magnet) => magnet::add(inner, *magnet, add).await,
        Source::InfoHash(hashes) => magnet::add(inner, Magnet::new(hashes), add).await,
        source => {
            let metainfo = describe(&inner, source).await?;
            add_metainfo(inner, metainfo, add).await
        }
    }
}

/// Adds a torrent whose metainfo is known.
pub(super) async fn add_metainfo(
    inner: Arc<Inner>,
    metainfo: Metainfo,
    add: AddTorrent,
) -> Result<Arc<Entry>, Error> {
    if let Some(obstacle) = metainfo.info().obstacle().filter(|_| !add.metadata_only) {
        return Err(Error::bad_torrent(obstacle));
    }
    let spooled = inner.to_spool();
    let metainfo = inner.tasks.brief(move || spooled(metainfo)).await?;
    let saved = data::load(&inner, metainfo.info_hashes()).await.map(Box::new);
    let wanted_files = match (add.wanted.clone(), &saved) {
        (Some(numbers), _) => wanted_files(metainfo.info(), numbers)?,
        (None, Some(saved)) if !add.all_files => (0..metainfo.info().files().len() as u32)
            .map(FileIndex)
            .map(|f| saved.selection.wants(f))
            .collect(),
        (None, _) => vec![true; metainfo.info().files().len()],
    };
    let entry = match insert(&inner, None, metainfo, wanted_files, &add, saved.as_deref()) {
        Ok(entry) => entry,
        Err(known) => return merge(&inner, known, &add),
    };
    if entry.settings.metadata_only {
        let link = Magnet::new(entry.hashes);
        *entry.content.waiting() = Some(Box::new(Waiting { link, add, saved, has_come: true }));
        return Ok(entry);
    }
    let nodes = entry.metainfo().map(|metainfo| metainfo.nodes().to_vec()).unwrap_or_default();
    if !nodes.is_empty() && entry.announceable().is_some() {
        let to = inner.clone();
        inner.tasks.spawn(async move { to.dht.add_nodes_of(nodes, to.settings.local_trackers).await });
    }
    let start = BringUp::new(add, saved);
    let (to, of) = (inner.clone(), entry.clone());
    let task = async move {
        // What went wrong is in the torrent's state.
        let _ = bring_up(to, of, start).await;
    };
    inner.begin_for(&entry, task);
    Ok(entry)
}

/// Gives a torrent its place in the client. Err where it is here already.
pub(super) fn insert(
    inner: &Arc<Inner>,
    magnet: Option<types::InfoHashes>,
    metainfo: Metainfo,
    wanted_files: Vec<bool>,
    add: &AddTorrent,
    saved: Option<&ResumeData>,
) -> Result<Arc<Entry>, engine::TorrentId> {
    let hashes = magnet.unwrap_or_else(|| metainfo.info_hashes());
    // Who adds the same one in this moment finds it whole.
    let _adding = inner.torrents.adding();
    let (id, shard) = inner.session().add(hashes.wire_names())?;
    let known = saved.map(|saved| saved.trackers.clone()).filter(|tiers| !tiers.is_empty());
    let mut tiers = if add.own_trackers { known.unwrap_or_else(|| metainfo.tiers()) } else { Vec::new() };
    for url in &add.link_trackers {
        if !tiers.iter().flatten().any(|known| known == url) {
            tiers.push(vec![url.clone()]);
        }
    }
    let tracked = add.link_is_tracked || !tiers.is_empty() || !add.trackers.is_empty();
    let asked = add.output.clone().map_or_else(|| inner.settings.download_dir.clone(), Into::into);
    let new = NewEntry {
        id,
        shard,
        magnet,
        settings: Settings { metadata_only: add.metadata_only, read_only: add.read_only, tracked },
        home: Home::new(asked, saved.map(|saved| &saved.whereabouts)),
        paused: add.paused.unwrap_or_else(|| saved.is_some_and(|saved| saved.paused)),
        wanted_files,
        tiers,
        beside: add.trackers.clone(),
        goal: add.goal,
        agenda: inner.torrents.agenda.clone(),
        events: inner.torrents.events.clone(),
        metainfo,
    };
    let entry = Arc::new(Entry::new(new));
    {
        let place = &mut entry.state().place;
        (place.max_peers, place.super_seeding) = (add.max_peers, add.super_seeding);
        place.share_mode = add.share_mode;
        place.upload = add.upload.min(inner.settings.upload);
        place.rates.set_own(add.rates.0, add.rates.1);
        if let Some(limiter) = &add.limiter {
            place.rates.share(Some(limiter));
            inner.torrents.set_shares(entry.id, true);
        }
    }
    if let Some(saved) = saved {
        let mut state = entry.state();
        state.totals.resume((saved.downloaded, saved.uploaded));
        if add.wanted.is_none() && !add.all_files {
            state.wants.restore(&saved.priorities);
        }
    }
    {
        let mut state = entry.state();
        state.display_name = add.display_name.clone();
        if inner.settings.active.is_limited() {
            state.turn = Turn::waiting();
        }
    }
    inner.torrents.insert(entry.clone());
    entry.tell(EventKind::Added);
    Ok(entry)
}

/// A `.torrent` of so many bytes is read at once: to hand it to another thread takes as long.
const SMALL: usize = 16 * 1024;

/// Reads a source.
async fn describe(inner: &Arc<Inner>, source: Source) -> Result<Metainfo, Error> {
    let parse = |bytes: Vec<u8>| Metainfo::from_vec(bytes, &Limits::default()).map_err(Error::bad_torrent);
    match source {
        Source::Metainfo(metainfo) => Ok(*metainfo),
        // Large torrents take a while to read; the control thread has other work.
        Source::Bytes(bytes) if bytes.len() <= SMALL => parse(bytes),
        Source::Bytes(bytes) => inner.tasks.brief(move || parse(bytes)).await?,
        Source::Path(path) => inner.tasks.brief(move || read_file(path).and_then(parse)).await?,
        Source::Url(url) => {
            let bytes = inner.trackers.fetch(&url).await?;
            inner.tasks.blocking(move || parse(bytes)).await?
        }
        // `add` has its own way for these.
        Source::Magnet(_) | Source::InfoHash(_) => Err(Error::bad_torrent("only its name is known")),
    }
}

/// Reads a `.torrent` file, unless it is longer than any of ours may be.
pub(super) fn read_file(path: PathBuf) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let fail = |e| Error::io(&path, Op::Read, e);
    let file = std::fs::File::open(&path).map_err(fail)?;
    let most = types::limits::METAINFO_LEN as u64;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > most {
        return Err(Error::bad_torrent(format_args!("{}: longer than {most} bytes", path.display())));
    }
    Ok(bytes)
}

/// The torrent is here already: it gets the trackers, the peers and the display name of the new one.
pub(super) fn merge(
    inner: &Arc<Inner>,
    known: engine::TorrentId,
    add: &AddTorrent,
) -> Result<Arc<Entry>, Error> {
    // Without an entry it is being added or removed in this moment.
    let entry = inner.entry(known).filter(|e| e.state().stage != Stage::Removed).ok_or(Error::Removed)?;
    if add.display_name.is_some() {
        entry.change(|state| state.display_name = add.display_name.clone());
    }
    change::addresses(inner, &entry, PeerSource::Manual, add.peers.clone());
    names::seek(inner, &entry, PeerSource::Manual, add.named_peers.clone());
    change::add_trackers(inner, &entry, add.link_trackers.clone())?;
    change::ask_besides(inner, &entry, add.trackers.clone())?;
    Ok(entry)
}

/// Which files are wanted, of the numbers of those that are.
pub(crate) fn wanted_files(info: &Info, numbers: impl IntoIterator<Item = u32>) -> Result<Vec<bool>, Error> {
    let files = info.files().len() as u32;
    let mut wanted = vec![false; files as usize];
    for file in numbers {
        *wanted.get_mut(file as usize).ok_or(Error::NoSuchFile { file, files })? = true;
    }
    Ok(wanted)
}

/// What only the start of a torrent needs.
#[derive(Debug, Default)]
pub(crate) struct BringUp {
    pub(super) existing: Existing,
    pub(super) saved: Option<Box<ResumeData>>,
    pub(super) peers: Vec<SocketAddr>,
    pub(super) named_peers: Vec<Node>,
}

impl BringUp {
    pub(super) fn new(add: AddTorrent, saved: Option<Box<ResumeData>>) -> BringUp {
        BringUp { existing: add.existing, saved, peers: add.peers, named_peers: add.named_peers }
    }
}

/// Finds a torrent's data and gives it to its shard.
pub(crate) async fn bring_up(inner: Arc<Inner>, entry: Arc<Entry>, start: BringUp) -> Result<(), Error> {
    let _busy = entry.data.busy.lock().await;
    // It waited in a line, where its removal may have overtaken it.
    if entry.state().stage == Stage::Removed {
        return Err(Error::Removed);
    }
    let known = start.saved.as_ref().map(|saved| saved.peers.clone()).unwrap_or_default();
    let saved = start.saved.filter(|_| start.existing == Existing::Auto);
    let unhashed = match open(&inner, &entry, saved.map(|saved| *saved)).await {
        Ok(unhashed) => unhashed,
        Err(error) => {
            end::give_up(&inner, &entry, crate::Trouble::new(error.code(), error.to_string()));
            return Err(error);
        }
    };
    enter(&inner, &entry, unhashed);
    change::addresses(&inner, &entry, PeerSource::Manual, start.peers);
    names::seek(&inner, &entry, PeerSource::Manual, start.named_peers);
    change::addresses(&inner, &entry, PeerSource::Resume, known);
    Ok(())
}

/// Opens the storage and looks for data. Returns blocks that lie there unhashed.
async fn open(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    saved: Option<ResumeData>,
) -> Result<Vec<(PieceIndex, Bitfield)>, Error> {
    similar::register(inner, entry);
    // What is missing of one that was here before is missing for a reason.
    let lenders = if saved.is_some() { Vec::new() } else { similar::lenders(inner, entry) };
    let data::Opened { storage, states, prepared, beside } = data::open(inner, entry, lenders).await?;
    files::recover(inner, entry, &storage).await?;
    let found = data::find(inner, entry, storage.clone(), states, saved).await?;
    entry.set_have(found.have, found.durable);
    let writes = !entry.settings.read_only && entry.state().pieces.missing() > 0;
    rivals::refuse(entry, writes, &beside)?;
    inner.shared.disk.house(entry.id, storage.clone(), entry.info().geometry().clone());
    if let Some(obstacle) = entry.obstacle() {
        return Err(obstacle);
    }
    if !prepared && !entry.settings.read_only && entry.state().pieces.missing() > 0 {
        data::prepare(inner, entry, storage).await?;
    }
    Ok(found.unhashed)
}

/// Gives a checked torrent to its shard and its trackers.
pub(crate) fn enter(inner: &Arc<Inner>, entry: &Arc<Entry>, unhashed: Vec<(PieceIndex, Bitfield)>) {
    entry.change(|state| {
        if matches!(state.stage, Stage::Removed) {
            return;
        }
        let content = assign::content(entry, state, unhashed);
        if !state.place.on_shard {
            announce::enter(inner, entry, state);
            assign::give(inner, entry, state, Some(content));
        } else {
            let shard = inner.shard(entry);
            shard.command(Command::Content(entry.id, entry.info().clone(), Box::new(content)));
            entry.demand_again(shard, state);
            state.place.has_content = true;
        }
        state.stage = Stage::Running;
        swarm::join(inner, entry, state);
    });
    super::upkeep::review(inner, entry);
}
