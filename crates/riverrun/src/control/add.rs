//! Taking a torrent in: its source, its place, its data, its shard.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use engine::Command as Brain;
use metainfo::{FileIndex, Info, Limits, Magnet, Metainfo};
use shard::{Added, Command};
use storage::{Op, OpenRequest, ResumeData};
use tracker::AnnouncerInput;
use types::{Bitfield, PeerSource, PieceIndex};

use super::{change, data};
use crate::add::{Existing, Source};
use crate::client::Inner;
use crate::entry::{Entry, NewEntry, Stage};
use crate::{AddTorrent, Error, EventKind, Torrent};

/// A source that was read, and what came with it.
struct Described {
    metainfo: Metainfo,
    peers: Vec<SocketAddr>,
    trackers: Vec<String>,
    wanted: Option<Vec<u32>>,
}

impl From<Metainfo> for Described {
    fn from(metainfo: Metainfo) -> Described {
        Described { metainfo, peers: Vec::new(), trackers: Vec::new(), wanted: None }
    }
}

/// Adds a torrent, or finds it.
pub(crate) async fn add(inner: Arc<Inner>, mut add: AddTorrent) -> Result<Torrent, Error> {
    if inner.is_closing() {
        return Err(Error::Closed);
    }
    let described = describe(&inner, add.source.clone()).await?;
    add.peers.extend(described.peers);
    add.trackers.extend(described.trackers);
    let metainfo = described.metainfo;
    if let Some(obstacle) = metainfo.info().obstacle() {
        return Err(Error::bad_torrent(obstacle));
    }
    let saved = data::load(&inner, metainfo.info_hashes()).await;
    let wanted = add.wanted.clone().or(described.wanted);
    let wanted_files = match (wanted, &saved) {
        (Some(numbers), _) => wanted_files(metainfo.info(), numbers)?,
        (None, Some(saved)) => (0..metainfo.info().files().len() as u32)
            .map(FileIndex)
            .map(|f| saved.selection.wants(f))
            .collect(),
        (None, None) => vec![true; metainfo.info().files().len()],
    };
    let added = inner.session().add(metainfo.info_hashes().wire_names());
    let (id, shard) = match added {
        Ok(place) => place,
        Err(known) => return merge(&inner, known, &add),
    };
    let known = saved.as_ref().map(|saved| saved.trackers.clone()).filter(|tiers| !tiers.is_empty());
    let mut tiers = if add.own_trackers { known.unwrap_or_else(|| metainfo.tiers()) } else { Vec::new() };
    for url in &add.trackers {
        if !tiers.iter().flatten().any(|known| known == url) {
            tiers.push(vec![url.clone()]);
        }
    }
    let new = NewEntry {
        id,
        shard,
        output: add.output.clone().unwrap_or_else(|| inner.settings.download_dir.clone()),
        read_only: add.read_only,
        upload: add.upload && inner.settings.upload,
        paused: add.paused.unwrap_or_else(|| saved.as_ref().is_some_and(|saved| saved.paused)),
        wanted_files,
        tiers,
        goal: add.goal,
        agenda: inner.agenda.clone(),
        metainfo,
    };
    let entry = Arc::new(Entry::new(new, inner.events.clone()));
    if let Some(saved) = &saved {
        let mut state = entry.state();
        (state.uploaded_before, state.downloaded_before) = (saved.uploaded, saved.downloaded);
    }
    inner.insert(entry.clone());
    entry.tell(EventKind::Added);
    let saved = saved.map(Box::new);
    let start = BringUp { existing: add.existing, saved, peers: add.peers, max_peers: add.max_peers };
    let (to, of) = (inner.clone(), entry.clone());
    inner.spawn(async move {
        // What went wrong is in the torrent's state.
        let _ = bring_up(to, of, start).await;
    });
    Ok(Torrent::new(inner, entry))
}

/// Reads a source.
async fn describe(inner: &Arc<Inner>, source: Source) -> Result<Described, Error> {
    let parse = |bytes: Vec<u8>| {
        Metainfo::from_bytes(&bytes, &Limits::default()).map(Described::from).map_err(Error::bad_torrent)
    };
    match source {
        Source::Metainfo(metainfo) => Ok(Described::from(*metainfo)),
        // Large torrents take a while to read; the control thread has other work.
        Source::Bytes(bytes) => inner.blocking(move || parse(bytes)).await?,
        Source::Path(path) => inner.blocking(move || read_file(path).and_then(parse)).await?,
        Source::Url(url) => {
            let bytes = inner.trackers.fetch(&url).await?;
            inner.blocking(move || parse(bytes)).await?
        }
        Source::Magnet(magnet) => from_magnet(inner, *magnet).await,
        Source::InfoHash(hashes) => Err(Error::MetadataExchangeMissing { hashes }),
    }
}

/// Reads a `.torrent` file, unless it is longer than any of ours may be.
fn read_file(path: PathBuf) -> Result<Vec<u8>, Error> {
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

/// Fetches the `.torrent` that a magnet link names by a web address.
async fn from_magnet(inner: &Arc<Inner>, magnet: Magnet) -> Result<Described, Error> {
    let mut failure = Error::MetadataExchangeMissing { hashes: magnet.hashes };
    let is_web = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
    for url in magnet.exact_sources.iter().chain(&magnet.acceptable_sources).filter(is_web) {
        let bytes = match inner.trackers.fetch(url).await {
            Ok(bytes) => bytes,
            Err(error) => {
                failure = error;
                continue;
            }
        };
        let read = inner.blocking(move || Metainfo::from_bytes(&bytes, &Limits::default())).await?;
        match read {
            Ok(metainfo) if names_agree(&magnet, &metainfo) => {
                return Ok(of_magnet(magnet, metainfo));
            }
            Ok(metainfo) => {
                let other = metainfo.info_hashes();
                failure = Error::Fetch {
                    url: url.as_str().into(),
                    message: format!("it is another torrent, {other}").into(),
                };
            }
            Err(error) => failure = Error::bad_torrent(error),
        }
    }
    Err(failure)
}

fn names_agree(magnet: &Magnet, metainfo: &Metainfo) -> bool {
    let (link, found) = (magnet.hashes, metainfo.info_hashes());
    let v1 = link.get_v1().is_none_or(|v1| found.get_v1() == Some(v1));
    v1 && link.get_v2().is_none_or(|v2| found.get_v2() == Some(v2))
}

fn of_magnet(magnet: Magnet, metainfo: Metainfo) -> Described {
    let files = metainfo.info().files().len() as u32;
    let wanted = (!magnet.select.is_empty()).then(|| (0..files).filter(|n| magnet.selects(*n)).collect());
    let addr = |node: &metainfo::Node| Some(SocketAddr::new(node.host.parse().ok()?, node.port));
    let peers = magnet.peers.iter().filter_map(addr).collect();
    Described { metainfo, peers, trackers: magnet.trackers, wanted }
}

/// The torrent is here already: it gets the trackers and peers of the new one.
fn merge(inner: &Arc<Inner>, known: engine::TorrentId, add: &AddTorrent) -> Result<Torrent, Error> {
    // Without an entry it is being added or removed in this moment.
    let entry = inner.entry(known).filter(|e| e.state().stage != Stage::Removed).ok_or(Error::Removed)?;
    change::addresses(inner, &entry, PeerSource::Manual, add.peers.clone());
    change::add_trackers(inner, &entry, add.trackers.clone())?;
    Ok(Torrent::new(inner.clone(), entry))
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
    existing: Existing,
    saved: Option<Box<ResumeData>>,
    peers: Vec<SocketAddr>,
    max_peers: Option<u32>,
}

/// Finds a torrent's data and gives it to its shard.
pub(crate) async fn bring_up(inner: Arc<Inner>, entry: Arc<Entry>, start: BringUp) -> Result<(), Error> {
    let _busy = entry.busy.lock().await;
    let known = start.saved.as_ref().map(|saved| saved.peers.clone()).unwrap_or_default();
    let saved = start.saved.filter(|_| start.existing == Existing::Auto);
    let unhashed = match open(&inner, &entry, saved.map(|saved| *saved)).await {
        Ok(unhashed) => unhashed,
        Err(error) => {
            entry.fail(crate::Trouble::new(error.code(), error.to_string()));
            return Err(error);
        }
    };
    enter(&inner, &entry, unhashed, start.max_peers);
    change::addresses(&inner, &entry, PeerSource::Manual, start.peers);
    change::addresses(&inner, &entry, PeerSource::Resume, known);
    Ok(())
}

/// Opens the storage and looks for data. Returns blocks that lie there unhashed.
async fn open(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    saved: Option<ResumeData>,
) -> Result<Vec<(PieceIndex, Bitfield)>, Error> {
    data::lock(inner, entry).await?;
    let factory = inner.opener.at(&entry.output);
    let request = OpenRequest::new(entry.hashes, entry.plan.clone()).selection(entry.selection());
    let storage = inner.blocking(move || factory.open(&request)).await??;
    let storage = entry.storage.get_or_init(|| storage).clone();
    let found = data::find(inner, entry, storage.clone(), saved).await?;
    entry.set_have(found.have, found.durable);
    inner.shared.disk.house(entry.id, storage.clone(), entry.info.geometry().clone());
    if let Some(obstacle) = entry.obstacle() {
        return Err(obstacle);
    }
    if !entry.read_only && entry.state().missing > 0 {
        data::prepare(inner, entry, storage).await?;
    }
    Ok(found.unhashed)
}

/// Gives a checked torrent to its shard and its trackers.
pub(crate) fn enter(
    inner: &Arc<Inner>,
    entry: &Arc<Entry>,
    unhashed: Vec<(PieceIndex, Bitfield)>,
    max_peers: Option<u32>,
) {
    let mut params = engine::Params::new(inner.engine.clone(), entry.hashes, entry.info.geometry().clone());
    params.unhashed = unhashed;
    params.private = entry.info.is_private();
    params.upload = entry.upload;
    params.wanted = entry.to_be_fetched();
    let tiers = entry.state().tiers.clone();
    inner.trackers.add(inner, entry, &tiers);
    let shard = inner.shard(entry);
    // All under the lock: whoever sees the torrent running may send commands, and they must come after these.
    entry.change(|state| {
        if matches!(state.stage, Stage::Removed) {
            return inner.trackers.remove(entry.id);
        }
        params.have = state.have.clone();
        shard.command(Command::Add(Box::new(Added::new(entry.id, entry.info.clone(), params))));
        if let Some(most) = max_peers {
            shard.command(Command::Torrent(entry.id, Brain::MaxPeers(most)));
        }
        if !state.paused {
            shard.command(Command::Torrent(entry.id, Brain::Start));
            inner.trackers.tell(entry.id, AnnouncerInput::Start);
            inner.local.enter(entry);
        }
        (state.stage, state.on_shard) = (Stage::Running, true);
    });
    super::upkeep::review(inner, entry);
}
