//! Neighbours that local discovery found (BEP 14).

use std::sync::Arc;

use lsd::Event;
use net::lsd::Events;
use types::PeerSource;

use super::change;
use crate::Reach;
use crate::inner::Inner;

/// Takes neighbours in; runs as long as the client.
pub(crate) async fn neighbours(inner: Arc<Inner>, mut events: Events) {
    while let Some(event) = events.recv().await {
        let Event::Peer { torrent, addr } = event else { continue };
        let id = inner.session().find(torrent).map(|(id, _)| id);
        let Some(entry) = id.and_then(|id| inner.entry(id)) else { continue };
        if entry.state().takes_part() && entry.reach() == Reach::Public {
            tracing::debug!(%torrent, %addr, "a neighbour");
            change::addresses(&inner, &entry, PeerSource::Local, vec![addr]);
        }
    }
}
