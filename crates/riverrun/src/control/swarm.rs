//! Taking part in a swarm, and leaving it: the shard, trackers, neighbours, the DHT and discoveries hear of it together.

use std::sync::Arc;

use engine::Command as Brain;
use shard::Command;
use tracker::AnnouncerInput;
use types::InfoHash;

use crate::Reach;
use crate::entry::{Entry, Stage, State};
use crate::inner::Inner;

/// Lets a torrent take part, unless something holds it: its user, its turn, a check, a move, or the end of the client.
/// Whatever makes one of these go away calls this, with the torrent's state locked. To join twice is to join.
pub(super) fn join(inner: &Inner, entry: &Arc<Entry>, state: &State) {
    if is_in(inner, state) {
        inner.shard(entry).command(Command::Torrent(entry.id, Brain::Start));
        inner.trackers.tell(entry.id, AnnouncerInput::Start);
        inner.local.enter(entry);
        inner.dht.enter(entry);
    }
}

/// Whether a torrent takes part: nothing holds it.
pub(super) fn is_in(inner: &Inner, state: &State) -> bool {
    let lives = matches!(state.stage, Stage::Running | Stage::Metadata);
    lives && state.takes_part() && !state.place.held && !inner.is_closing()
}

/// Takes it out, with the torrent's state locked.
pub(super) fn leave(inner: &Inner, entry: &Entry, state: &State) {
    if state.place.on_shard {
        inner.shard(entry).command(Command::Torrent(entry.id, Brain::Pause));
        be_silent(inner, entry);
    }
}

/// The torrent of that name, if it takes part and everybody may speak of it: who is named to us by those who know no
/// private torrents is a peer of such a one or of none.
pub(super) fn public(inner: &Inner, name: InfoHash) -> Option<Arc<Entry>> {
    let id = inner.session().find(name).map(|(id, _)| id)?;
    let public = |entry: &Arc<Entry>| entry.state().takes_part() && entry.reach() == Reach::Public;
    inner.entry(id).filter(public)
}

/// Trackers, neighbours, the DHT and discoveries hear no more of a torrent.
pub(super) fn be_silent(inner: &Inner, entry: &Entry) {
    inner.trackers.tell(entry.id, AnnouncerInput::Stop);
    inner.local.leave(entry);
    inner.dht.leave(entry);
}
