//! What is done now and then: leases, figures of the torrents that did something, and chores whose time has
//! come.
//!
//! Each tick costs a question to each shard. A torrent that does nothing is in no answer and on no list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Figures, TorrentId};
use tokio::time::{MissedTickBehavior, interval};
use tracker::{AnnouncerInput, Status};

use super::{change, queue, save};
use crate::agenda::Chore;
use crate::entry::Entry;
use crate::inner::Inner;
use crate::runtime::Question;
use crate::{EventKind, GoalAction};

/// How often shards get new leases.
const LEASE: Duration = Duration::from_millis(250);
/// Leases between two looks at figures: 1 s.
const FIGURES: u32 = 4;
/// How old saved totals may be.
const TOTALS: Duration = Duration::from_secs(300);

/// Runs as long as the client.
pub(crate) async fn upkeep(inner: Arc<Inner>) {
    let mut ticks = interval(LEASE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 1u32.. {
        ticks.tick().await;
        lease(&inner).await;
        queue::take_turns(&inner);
        if tick.is_multiple_of(FIGURES) {
            figures(&inner).await;
        }
        let mut unsaved = Vec::new();
        for (id, chore) in inner.torrents.agenda.take_due(inner.shared.clock.now()) {
            let Some(entry) = inner.entry(id) else { continue };
            match chore {
                Chore::Save => unsaved.push(entry),
                Chore::Goal => review(&inner, &entry),
            }
        }
        if !unsaved.is_empty() {
            inner.tasks.spawn(save::sync_and_save_all(inner.clone(), unsaved));
        }
    }
}

async fn lease(inner: &Inner) {
    let mut usage = Vec::new();
    for shard in inner.shards.iter() {
        usage.push(shard.ask(Question::Usage).await.unwrap_or_default());
    }
    inner.lease(&usage);
    if !inner.torrents.sharing().is_empty() {
        let mut used = BTreeMap::new();
        for shard in inner.shards.iter() {
            used.extend(shard.ask(Question::UsageByTorrent).await.unwrap_or_default());
        }
        change::grant(inner, &used);
    }
}

async fn figures(inner: &Arc<Inner>) {
    for shard in inner.shards.iter() {
        for (id, live) in shard.ask(Question::Figures).await.unwrap_or_default() {
            note(inner, id, live);
        }
    }
}

/// A torrent moved: its trackers hear of it, and it may have reached its goal.
fn note(inner: &Arc<Inner>, id: TorrentId, live: Figures) {
    let Some(entry) = inner.entry(id) else { return };
    let ((downloaded, uploaded), left) = {
        let mut state = entry.state();
        let Some(moved) = state.totals.note(live) else { return };
        if moved {
            state.turn.moved(inner.shared.clock.now());
            state.kept.moved();
            inner.torrents.agenda.within(id, Chore::Save, TOTALS);
        }
        (state.totals.session(None), state.pieces.left())
    };
    let status = Status {
        port: super::announce::port(inner),
        uploaded,
        downloaded,
        left,
        num_want: Some(if live.missing == 0 { 30 } else { types::DEFAULT_MAX_PEERS }),
    };
    inner.trackers.tell(id, AnnouncerInput::Status(status));
    review(inner, &entry);
}

/// Pauses a torrent that has reached its seed goal; lists when it will by time alone.
pub(crate) fn review(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    let (reached, action) = {
        let mut state = entry.state();
        let ((_, sent), wanted) = (state.totals.over_all(None), state.pieces.bytes_wanted());
        let seeds = state.seeds(entry.settings.read_only);
        let (reached, next) = state.seeding.review(inner.shared.clock.now(), seeds, sent, wanted);
        // Under the lock: the last to look says when to look again.
        inner.torrents.agenda.set(entry.id, Chore::Goal, next);
        (reached, state.seeding.action())
    };
    if reached {
        change::pause(inner, entry);
        entry.tell(EventKind::GoalReached);
        let data = action == GoalAction::RemoveWithData;
        if data || action == GoalAction::Remove {
            let (to, of) = (inner.clone(), entry.clone());
            // What goes wrong is told by the torrent, which stays then.
            inner.tasks.spawn(async move { drop(super::end::remove(to, of, data).await) });
        }
    }
}
