//! Keeping a torrent's shard from its data while somebody else looks at it.

use std::sync::Arc;

use engine::Command as Brain;
use shard::Command;
use types::Bitfield;

use super::swarm;
use crate::entry::{Entry, Stage};
use crate::inner::Inner;
use crate::runtime::{FromShard, Question};

/// Stops a torrent's data path: its connections close, nothing of it is under way on the disk, and all it
/// told has been dealt with. What is found on the disk from here on stays true until [`release`].
pub(crate) async fn hold(inner: &Inner, entry: &Entry) {
    let held = entry.change(|state| {
        state.place.held = state.place.on_shard;
        if state.place.held {
            inner.shard(entry).command(Command::Torrent(entry.id, Brain::Pause));
        }
        state.place.held
    });
    if held {
        inner.shard(entry).ask(|to| Question::Quiet(Some(entry.id), to)).await;
        barrier(inner).await;
    }
}

/// Tells the shard which pieces are there, and lets it go on. False where it does not have the torrent (any
/// more).
pub(crate) fn release(inner: &Inner, entry: &Arc<Entry>, have: Bitfield) -> bool {
    let shard = inner.shard(entry);
    entry.change(|state| {
        state.place.held = false;
        if !state.place.on_shard || state.stage == Stage::Removed {
            return false;
        }
        let wanted = entry.to_be_fetched(state);
        shard.command(Command::Torrent(entry.id, Brain::Want(wanted)));
        shard.command(Command::Torrent(entry.id, Brain::Have(have)));
        entry.demand_again(shard, state);
        swarm::join(inner, entry, state);
        true
    })
}

/// Lets the shard go on after a [`hold`] in which no piece came or went. A client that closes stays at rest.
pub(crate) fn let_go(inner: &Inner, entry: &Arc<Entry>) {
    entry.change(|state| {
        state.place.held = false;
        swarm::join(inner, entry, state);
    });
}

/// Waits until everything that shards told before has been dealt with.
pub(crate) async fn barrier(inner: &Inner) {
    let (to, dealt_with) = tokio::sync::oneshot::channel();
    // The pump ends only with the client.
    if inner.shards.report(FromShard::Barrier(to)) {
        let _ = dealt_with.await;
    }
}
