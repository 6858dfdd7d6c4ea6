//! Neighbours that local discovery found (BEP 14).

use std::sync::Arc;

use lsd::Event;
use net::lsd::Events;
use types::PeerSource;

use super::{change, swarm};
use crate::inner::Inner;

/// Takes neighbours in; runs as long as the client.
pub(crate) async fn neighbours(inner: Arc<Inner>, mut events: Events) {
    while let Some(event) = events.recv().await {
        let Event::Peer { torrent, addr } = event else { continue };
        if let Some(entry) = swarm::public(&inner, torrent) {
            tracing::debug!(%torrent, %addr, "a neighbour");
            change::addresses(&inner, &entry, PeerSource::Local, vec![addr]);
        }
    }
}
