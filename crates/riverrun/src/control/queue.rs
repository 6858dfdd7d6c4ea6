//! Whose turn it is, where only so many torrents may be active.

use std::sync::Arc;

use types::Time;

use super::swarm;
use crate::entry::{Entry, Stage, State};
use crate::inner::Inner;
use crate::line::{InLine, Wish};

/// Lets those be active that may, in the order of the line. Costs nothing where there is no limit.
pub(super) fn take_turns(inner: &Arc<Inner>) {
    let active = inner.settings.active;
    if !active.is_limited() || inner.is_closing() {
        return;
    }
    let now = inner.shared.clock.now();
    let line: Vec<(Arc<Entry>, InLine)> = inner
        .torrents
        .in_line()
        .into_iter()
        .filter_map(|entry| {
            let standing = standing(&entry.state(), now)?;
            Some((entry, standing))
        })
        .collect();
    let may = active.choose(line.iter().map(|(_, standing)| *standing));
    for ((entry, _), may) in line.iter().zip(may) {
        if entry.state().turn.waits() == may {
            set(inner, entry, !may, now);
        }
    }
}

/// What a torrent would do; none where it does not want to be active.
fn standing(state: &State, now: Time) -> Option<InLine> {
    if state.paused || !matches!(state.stage, Stage::Running | Stage::Metadata) {
        return None;
    }
    let seeds = state.stage == Stage::Running && state.pieces.missing() == 0;
    let wish = if seeds { Wish::Seed } else { Wish::Download };
    let urgent = state.demands.iter().next().is_some();
    Some(InLine { wish, urgent, idle: state.turn.is_idle(now) })
}

fn set(inner: &Inner, entry: &Arc<Entry>, waits: bool, now: Time) {
    entry.change(|state| {
        state.turn.set(waits, now);
        match waits {
            true => swarm::leave(inner, entry, state),
            false => swarm::join(inner, entry, state),
        }
    });
}
