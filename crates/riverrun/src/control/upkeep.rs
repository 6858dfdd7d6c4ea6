//! What is done now and then: leases, figures of the torrents that did something, and chores whose time has come.
//!
//! Each tick costs a question to each shard. A torrent that does nothing is in no answer and on no list.

use std::sync::Arc;
use std::time::Duration;

use engine::{Figures, TorrentId};
use tokio::time::{MissedTickBehavior, interval};
use tracker::{AnnouncerInput, Status};
use types::Time;

use super::{change, data};
use crate::EventKind;
use crate::agenda::Chore;
use crate::client::Inner;
use crate::entry::{Entry, Stage};
use crate::runtime::Question;

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
        if tick.is_multiple_of(FIGURES) {
            figures(&inner).await;
        }
        for (id, chore) in inner.agenda.take_due(inner.shared.clock.now()) {
            let Some(entry) = inner.entry(id) else { continue };
            match chore {
                Chore::Save => inner.spawn(data::sync_and_save(inner.clone(), entry)),
                Chore::Goal => review(&inner, &entry),
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

async fn figures(inner: &Arc<Inner>) {
    for shard in &inner.shards {
        for (id, live) in shard.ask(Question::Figures).await.unwrap_or_default() {
            note(inner, id, live);
        }
    }
}

/// A torrent moved: its trackers hear of it, and it may have reached its goal.
fn note(inner: &Arc<Inner>, id: TorrentId, live: Figures) {
    let Some(entry) = inner.entry(id) else { return };
    let left = {
        let mut state = entry.state();
        let bytes = |live: &Figures| (live.downloaded, live.uploaded);
        if bytes(&state.live) != bytes(&live) {
            state.moved = true;
            inner.agenda.within(id, Chore::Save, TOTALS);
        }
        state.live = live;
        state.left
    };
    let status = Status {
        port: super::trackers::port(inner),
        uploaded: live.uploaded,
        downloaded: live.downloaded,
        left,
        num_want: Some(if live.missing == 0 { 30 } else { types::DEFAULT_MAX_PEERS }),
    };
    inner.trackers.tell(id, AnnouncerInput::Status(status));
    review(inner, &entry);
}

/// Pauses a torrent that has reached its seed goal; lists when it will by time alone.
pub(crate) fn review(inner: &Arc<Inner>, entry: &Arc<Entry>) {
    let now = inner.shared.clock.now();
    let (reached, next) = {
        let mut state = entry.state();
        let seeds = state.on_shard && !state.paused && state.missing == 0 && state.stage == Stage::Running;
        state.seeding_since = seeds.then(|| state.seeding_since.unwrap_or(now));
        let since = state.seeding_since.unwrap_or(now);
        let goal = state.goal.filter(|_| seeds && !state.goal_reached);
        let uploaded = (state.uploaded_before + state.live.uploaded) as f64;
        let at = goal.and_then(|goal| goal.time).map_or(Time::NEVER, |time| since + time);
        let by_ratio = goal.and_then(|goal| goal.ratio);
        let reached =
            at.is_due(now) || by_ratio.is_some_and(|ratio| uploaded >= ratio * state.bytes_wanted as f64);
        state.goal_reached |= reached;
        (reached, if reached { Time::NEVER } else { at })
    };
    inner.agenda.set(entry.id, Chore::Goal, next);
    if reached {
        change::pause(inner, entry);
        entry.tell(EventKind::GoalReached);
    }
}
