//! Torrents of which only a magnet link or a hash is known: their metainfo comes from peers, from the web, or
//! from an earlier run.

use std::path::Path;
use std::sync::Arc;

use engine::Command as Brain;
use metainfo::{Info, Limits, Magnet, Metainfo, Obstacle};
use shard::Command;
use tracker::AnnouncerInput;
use types::{InfoHashes, PeerSource};

use super::add::{BringUp, add_metainfo, bring_up, insert, merge, read_file, wanted_files};
use super::{announce, assign, change, data, end, names, swarm};
use crate::entry::{Entry, Stage, Waiting};
use crate::inner::Inner;
use crate::{AddTorrent, Error, EventKind, Trouble};

/// Adds a torrent by its magnet link.
pub(super) async fn add(inner: Arc<Inner>, link: Magnet, mut add: AddTorrent) -> Result<Arc<Entry>, Error> {
    let (peers, name) = (link.peers.clone(), link.name.clone());
    add.link_is_tracked = !link.trackers.is_empty();
    if add.own_trackers {
        add.link_trackers.clone_from(&link.trackers);
    }
    if let Some(metainfo) = load(&inner, link.hashes).await {
        if add.wanted.is_none() {
            add.wanted = selected(&link, metainfo.info())?;
        }
        add.named_peers.extend(peers);
        return add_metainfo(inner, metainfo, add).await;
    }
    let blank = blank(&link).ok_or_else(|| Error::bad_torrent("a magnet link without a usable name"))?;
    let saved = data::load(&inner, link.hashes).await.map(Box::new);
    let entry = match insert(&inner, Some(link.hashes), blank, vec![true], &add, saved.as_deref()) {
        Ok(entry) => entry,
        Err(known) => {
            add.named_peers.extend(peers);
            add.display_name = add.display_name.or(name);
            return merge(&inner, known, &add);
        }
    };
    let (named, named_peers) = (std::mem::take(&mut add.peers), std::mem::take(&mut add.named_peers));
    *entry.content.waiting() = Some(Box::new(Waiting { link, add, saved, has_come: false }));
    enter(&inner, &entry);
    names::seek(&inner, &entry, PeerSource::Magnet, peers);
    change::addresses(&inner, &entry, PeerSource::Manual, named);
    names::seek(&inner, &entry, PeerSource::Manual, named_peers);
    inner.tasks.spawn(from_web(inner.clone(), entry.clone()));
    Ok(entry)
}

/// A torrent of one byte, the least there is, under the name of a link: it is shown to nobody.
fn blank(link: &Magnet) -> Option<Metainfo> {
    let describe = |name: &str| {
        let bytes = format!(
            "d4:infod6:lengthi1e4:name{}:{name}12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
            name.len()
        );
        Metainfo::from_bytes(bytes.as_bytes(), &Limits::default()).ok()
    };
    let named = link.name.as_deref().and_then(describe);
    named.or_else(|| describe(&link.hashes.to_string()))
}

/// Gives a torrent without content to its shard and its trackers.
fn enter(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    entry.change(|state| {
        announce::enter(inner, entry, state);
        assign::give(inner, entry, state, None);
        swarm::join(inner, entry, state);
    });
}

/// The info dictionary has come from peers, and its hash is right.
pub(super) async fn received(inner: Arc<Inner>, entry: Arc<Entry>, bytes: Arc<[u8]>) {
    let hashes = entry.hashes;
    let spooled = inner.to_spool();
    let read = move || {
        let info = Info::from_peers(&bytes, &hashes, &Limits::default())?;
        Ok::<_, metainfo::Error>(spooled(Metainfo::from_info(info)))
    };
    match inner.tasks.blocking(read).await {
        Ok(Ok(metainfo)) => known(&inner, &entry, metainfo).await,
        Ok(Err(error)) => fail(&inner, &entry, &Error::bad_torrent(error)),
        Err(_) => {}
    }
}

/// Tries the web addresses of a link. What can't be had there may still come from peers.
async fn from_web(inner: Arc<Inner>, entry: Arc<Entry>) {
    let is_web = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
    let urls: Vec<String> = match entry.content.waiting().as_deref() {
        Some(Waiting { link, .. }) => {
            link.exact_sources.iter().chain(&link.acceptable_sources).filter(is_web).cloned().collect()
        }
        None => return,
    };
    for url in urls {
        let fetched = tokio::select! {
            fetched = inner.trackers.fetch(&url) => fetched,
            () = entry.wait(|state| (state.stage != Stage::Metadata).then_some(())) => return,
        };
        let Ok(bytes) = fetched.inspect_err(|error| tracing::info!(%error, "no .torrent there")) else {
            continue;
        };
        let spooled = inner.to_spool();
        let read = move || Metainfo::from_bytes(&bytes, &Limits::default()).map(spooled);
        match inner.tasks.blocking(read).await {
            Ok(Ok(metainfo)) if agree(entry.hashes, metainfo.info_hashes()) => {
                return known(&inner, &entry, metainfo).await;
            }
            Ok(Ok(_)) => tracing::info!(url, "it is another torrent"),
            Ok(Err(error)) => tracing::info!(url, %error, "it is no torrent"),
            Err(_) => return,
        }
    }
}

/// Whether a torrent with the names `found` is the one that `wanted` names. A 20-byte name may be a v2 name
/// that was cut.
fn agree(wanted: InfoHashes, found: InfoHashes) -> bool {
    wanted.get_v1().is_none_or(|v1| found.matches(v1))
        && wanted.get_v2().is_none_or(|v2| found.get_v2() == Some(v2))
}

/// The files that a link selects (BEP 53); none means all. Numbers beyond the last file count for nothing, unless they are
/// all that is selected.
fn selected(link: &Magnet, info: &Info) -> Result<Option<Vec<u32>>, Error> {
    let Some(first) = link.select.first() else { return Ok(None) };
    let files = info.files();
    let chosen: Vec<u32> = (0..files.len() as u32).filter(|n| link.selects(*n)).collect();
    if chosen.iter().any(|n| files[*n as usize].is_stored()) {
        return Ok(Some(chosen));
    }
    Err(Error::NoSuchFile {
        file: *first.start(),
        files: files.iter().filter(|file| file.is_stored()).count() as u32,
    })
}

/// The metainfo is known: from here on it is a torrent like any other.
async fn known(inner: &Arc<Inner>, entry: &Arc<Entry>, metainfo: Metainfo) {
    let waiting = entry.content.waiting().take_if(|waiting| !waiting.has_come);
    let Some(Waiting { link, mut add, saved, .. }) = waiting.map(|waiting| *waiting) else { return };
    if !entry.settings.metadata_only
        && let Some(error) = obstacle(entry.hashes, &metainfo)
    {
        return fail(inner, entry, &error);
    }
    let chosen = match add.wanted.take() {
        // Where it is the metainfo alone that is wanted, a selection of nothing keeps nobody from it.
        None if entry.settings.metadata_only => Ok(selected(&link, metainfo.info()).unwrap_or(None)),
        None => selected(&link, metainfo.info()),
        chosen => Ok(chosen),
    };
    let all = || Ok(vec![true; metainfo.info().files().len()]);
    let chosen =
        chosen.and_then(|chosen| chosen.map_or_else(all, |numbers| wanted_files(metainfo.info(), numbers)));
    let chosen = match chosen {
        Ok(files) => files,
        Err(error) => return fail(inner, entry, &error),
    };
    let (dir, bytes) = (inner.settings.state_dir.clone(), metainfo.to_bytes());
    let start = if entry.settings.metadata_only {
        // Before anybody can see that it is known, and want more.
        inner.shard(entry).command(Command::Torrent(entry.id, Brain::Pause));
        inner.trackers.tell(entry.id, AnnouncerInput::Stop);
        *entry.content.waiting() = Some(Box::new(Waiting { link, add, saved, has_come: true }));
        None
    } else {
        Some(BringUp::new(add, saved))
    };
    if !entry.learn(metainfo, chosen) {
        return;
    }
    if entry.settings.metadata_only || entry.info().is_private() {
        // Who may know of it hears of it again.
        inner.local.leave(entry);
        inner.dht.leave(entry);
    }
    entry.tell(EventKind::MetadataReceived);
    if let Some(dir) = dir {
        let path = data::metainfo_path(&dir, entry.hashes);
        let saved = inner.tasks.blocking(move || save(&path, &bytes)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(torrent = %entry.hashes, %error, "can't save the metainfo");
        }
    }
    if let Some(start) = start {
        // What went wrong is in the torrent's state.
        let _ = bring_up(inner.clone(), entry.clone(), start).await;
    }
}

/// What keeps a torrent from being downloaded, though its metainfo is right.
fn obstacle(hashes: InfoHashes, metainfo: &Metainfo) -> Option<Error> {
    metainfo.info().obstacle().map(|obstacle| match obstacle {
        Obstacle::PieceLayers => Error::HashExchangeMissing { hashes },
        other => Error::bad_torrent(other),
    })
}

/// Downloads a torrent of which only the metainfo was wanted before: these files, or those that it was added
/// with.
pub(crate) async fn download(
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    files: Option<Vec<u32>>,
) -> Result<(), Error> {
    let wanted = files.map(|files| wanted_files(entry.info(), files)).transpose()?;
    if let Some(error) = entry.metainfo().and_then(|metainfo| obstacle(entry.hashes, metainfo)) {
        return Err(error);
    }
    let Some(waiting) = entry.content.waiting().take_if(|waiting| waiting.has_come) else {
        // It is downloaded already.
        return match wanted {
            Some(wanted) => change::set_wanted(inner, entry, wanted).await,
            None => Ok(()),
        };
    };
    let goes_on = entry.change(|state| {
        let goes_on = state.stage == Stage::Described;
        if goes_on {
            if let Some(wanted) = wanted {
                state.want(entry.info(), |wants| wants.set_files(wanted));
            }
            state.stage = Stage::Checking { checked: 0, total: 0 };
        }
        goes_on
    });
    if !goes_on {
        return Err(Error::Removed);
    }
    let start = BringUp::new(waiting.add, waiting.saved);
    let (to, of) = (inner.clone(), entry.clone());
    inner.spawn_for(&entry, async move {
        // What goes wrong is in the torrent's state.
        drop(bring_up(to, of, start).await);
    });
    Ok(())
}

/// The metainfo is of no use: the torrent rests in its failure.
fn fail(inner: &Inner, entry: &Entry, error: &Error) {
    end::give_up(inner, entry, Trouble::new(error.code(), error.to_string()));
}

/// The metainfo that an earlier run fetched.
async fn load(inner: &Arc<Inner>, hashes: InfoHashes) -> Option<Metainfo> {
    let path = data::metainfo_path(inner.settings.state_dir.as_deref()?, hashes);
    let read = move || {
        let bytes = read_file(path).ok()?;
        Metainfo::from_bytes(&bytes, &Limits::default()).ok()
    };
    let metainfo = inner.tasks.blocking(read).await.ok()??;
    agree(hashes, metainfo.info_hashes()).then_some(metainfo)
}

/// Writes the metainfo whole or not at all.
fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    storage::replace_file(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_link_has_a_name_to_show() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        for (dn, name) in [("&dn=a%20b", "a b"), ("", hash)] {
            let link: Magnet = format!("magnet:?xt=urn:btih:{hash}{dn}").parse().unwrap();
            let blank = blank(&link).unwrap();
            assert_eq!(blank.info().name(), name);
        }
        let odd: Magnet = format!("magnet:?xt=urn:btih:{hash}&dn=..%2F..%2Fetc").parse().unwrap();
        assert!(!blank(&odd).unwrap().info().name().contains('/'));
    }
}
