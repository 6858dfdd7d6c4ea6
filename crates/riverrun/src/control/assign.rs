//! Giving torrents to their shards, also those of a shard that is built anew.

use std::sync::Arc;

use engine::{Command as Brain, Content};
use shard::{Added, Command};
use types::{Bitfield, PieceIndex};

use crate::Reach;
use crate::entry::{Entry, Stage, State};
use crate::inner::Inner;
use crate::runtime::Culprit;

/// What a shard has to know of a torrent's content as it is now. `state` is its own.
pub(super) fn content(entry: &Entry, state: &State, unhashed: Vec<(PieceIndex, Bitfield)>) -> Content {
    let mut content = Content::new(entry.info().geometry().clone());
    content.unhashed = unhashed;
    content.private = entry.info().is_private();
    content.wanted = state.to_be_fetched(entry.info(), entry.settings.read_only);
    content.have = state.pieces.have().clone();
    content.info = Some(entry.info().shared_raw());
    content
}

/// Gives a torrent to its shard, as it is now. `state` is its own: whoever sees it there may send commands,
/// and they must come after these.
pub(super) fn give(inner: &Inner, entry: &Entry, state: &mut State, content: Option<Content>) {
    let (id, shard) = (entry.id, inner.shard(entry));
    let tell = |command| shard.command(Command::Torrent(id, command));
    state.place.has_content = content.is_some();
    let added = match content {
        Some(content) => {
            let mut params = engine::Params::new(inner.engine.clone(), entry.hashes, content);
            params.upload = state.place.upload;
            Added::new(id, entry.info().clone(), params)
        }
        None => {
            let mut params = engine::Params::magnet(inner.engine.clone(), entry.hashes);
            params.discreet = entry.reach() != Reach::Public;
            params.upload = state.place.upload;
            Added::magnet(id, params)
        }
    };
    shard.command(Command::Add(Box::new(added)));
    for command in state.place.commands(id) {
        shard.command(command);
    }
    if state.unverified.is_watched() {
        shard.command(Command::Watch(id, true));
    }
    if state.place.has_content {
        entry.demand_again(shard, state);
    }
    if !state.rests() && !state.place.held {
        tell(Brain::Start);
    }
    state.place.on_shard = true;
}

/// A shard panicked and begins anew without torrents: fails whoever is to blame, and gives it the others
/// again.
pub(super) fn broke(inner: &Arc<Inner>, shard: usize, culprit: Culprit, message: &str) {
    // What was said before this is for nobody: it is in the torrents' states.
    inner.shards.renew(shard);
    for entry in inner.all().into_iter().filter(|entry| entry.shard == shard) {
        let guilty = match culprit {
            Culprit::Torrent(id) => entry.id == id,
            Culprit::Unknown => false,
            Culprit::Everyone => entry.state().place.on_shard,
        };
        if guilty {
            lose(inner, &entry, message);
        } else {
            again(inner, &entry);
        }
    }
}

/// A torrent's shard lost it for good.
pub(super) fn lose(inner: &Inner, entry: &Entry, message: &str) {
    // Whoever removes it waited for this.
    entry.change(|state| {
        state.totals.bank();
        state.place.on_shard = false;
    });
    if entry.fail(entry.panic_trouble(message)) {
        super::swarm::be_silent(inner, entry);
    }
}

/// A torrent's shard lost it through no fault of its own: gives it there again. It is not known any more
/// which blocks lie there unhashed: they are fetched again.
fn again(inner: &Inner, entry: &Entry) {
    entry.change(|state| {
        if !std::mem::take(&mut state.place.on_shard) {
            return;
        }
        state.totals.bank();
        let have = state.pieces.have().clone();
        state.unverified.begin_anew(&have);
        if let Stage::Removed | Stage::Failed(_) | Stage::Described = state.stage {
            return;
        }
        let content = state.place.has_content.then(|| content(entry, state, Vec::new()));
        give(inner, entry, state, content);
    });
}
