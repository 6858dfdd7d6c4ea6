//! Taking part in a swarm, and leaving it: the shard, trackers, neighbours and discoveries hear of it together.

use std::sync::Arc;

use engine::Command as Brain;
use shard::Command;
use tracker::AnnouncerInput;

use crate::entry::{Entry, Stage, State};
use crate::inner::Inner;

/// Lets a torrent take part, unless something holds it: its user, its turn, a check, a move, or the end of the client.
/// Whatever makes one of these go away calls this, with the torrent's state locked. To join twice is to join.
pub(super) fn join(inner: &Inner, entry: &Arc<Entry>, state: &State) {
    if is_in(inner, state) {
        inner.shard(entry).command(Command::Torrent(entry.id, Brain::Start));
        inner.trackers.tell(entry.id, AnnouncerInput::Start);
        inner.local.enter(entry);
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

/// Trackers, neighbours and discoveries hear no more of a torrent.
pub(super) fn be_silent(inner: &Inner, entry: &Entry) {
    inner.trackers.tell(entry.id, AnnouncerInput::Stop);
    inner.local.leave(entry);
}
