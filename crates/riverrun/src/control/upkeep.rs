//! What is done now and then: leases, saving, seed goals, figures for trackers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracker::{AnnouncerInput, Status};

use super::{change, data};
use crate::EventKind;
use crate::client::Inner;
use crate::entry::Entry;
use crate::runtime::Question;

/// How often shards get new leases.
const LEASE: Duration = Duration::from_millis(250);
/// Leases between two looks at seed goals: 1 s.
const GOALS: u32 = 4;
/// Leases between two savings: 15 s.
const SAVE: u32 = 60;

/// Runs as long as the client.
pub(crate) async fn upkeep(inner: Arc<Inner>) {
    let mut ticks = interval(LEASE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 1u32.. {
        ticks.tick().await;
        lease(&inner).await;
        if tick.is_multiple_of(GOALS) {
            for entry in inner.all() {
                figures(&inner, &entry).await;
            }
        }
        if tick.is_multiple_of(SAVE) {
            for entry in inner.all() {
                let state = entry.state();
                let due = (state.unsynced || state.unsaved) && state.on_shard;
                drop(state);
                if due {
                    inner.spawn(data::sync_and_save(inner.clone(), entry));
                }
            }
        }
    }
}

async fn lease(inner: &Inner) {
    let mut usage = Vec::with_capacity(inner.shards.len());
    for shard in &inner.shards {
        usage.push(shard.ask(Question::Usage).await.unwrap_or_default());
    }
    inner.lease(&usage);
}

/// Tells the trackers of a torrent how it stands, and pauses it at its goal. A torrent that does nothing costs nothing.
async fn figures(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    let resting = {
        let state = entry.state();
        !state.on_shard || state.paused
    };
    if resting {
        entry.state().seeding_since = None;
        return;
    }
    let id = entry.id;
    let Some(Some(live)) = inner.shard(entry).ask(|to| Question::Snapshot(id, to)).await else { return };
    let status = Status {
        port: super::trackers::port(inner),
        uploaded: live.uploaded,
        downloaded: live.downloaded,
        left: live.left,
        num_want: Some(if live.missing == 0 { 30 } else { 80 }),
    };
    inner.trackers.tell(id, AnnouncerInput::Status(status));
    let now = inner.shared.clock.now();
    let reached = {
        let mut state = entry.state();
        let seeding = live.missing == 0;
        let since = *state.seeding_since.get_or_insert(now);
        if !seeding {
            state.seeding_since = None;
        }
        let wanted = change::bytes_of(entry, &state.wanted);
        let goal = state.goal.filter(|_| seeding && !state.goal_reached);
        let uploaded = (state.uploaded_before + live.uploaded) as f64;
        let reached = goal.is_some_and(|goal| {
            goal.ratio.is_some_and(|ratio| uploaded >= ratio * wanted as f64)
                || goal.time.is_some_and(|time| now.since(since) >= time)
        });
        state.goal_reached |= reached;
        reached
    };
    if reached {
        change::pause(inner, entry);
        entry.tell(EventKind::GoalReached);
    }
}
