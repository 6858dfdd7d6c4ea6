//! Between the client and the DHT: the peers that it finds, the nodes it begins at, and where others reach us.

use std::sync::Arc;

use dht::Event;
use net::dht::Events;
use types::PeerSource;

use super::{change, swarm};
use crate::inner::Inner;

/// Takes peers in; runs as long as the client.
pub(crate) async fn dht_peers(inner: Arc<Inner>, mut events: Events) {
    while let Some(event) = events.recv().await {
        if let Event::Peers { torrent, peers } = event
            && let Some(entry) = swarm::public(&inner, torrent)
        {
            tracing::debug!(%torrent, peers = peers.len(), "the DHT names peers");
            change::addresses(&inner, &entry, PeerSource::Dht, peers);
        }
    }
}

/// Takes in the nodes that the settings name.
pub(crate) async fn dht_bootstrap(inner: Arc<Inner>) {
    if let Err(error) = inner.dht.add_nodes(inner.settings.dht_nodes.clone()).await {
        tracing::warn!("a node of the DHT: {error}");
    }
}

/// Tells the DHT where others reach us whenever that changes; ends with the mapping on the gateway.
pub(crate) async fn dht_ports(inner: Arc<Inner>) {
    let Some(mut mapping) = inner.local.watch_mapping() else { return };
    while mapping.changed().await.is_ok() {
        inner.dht.say_ports(inner.reached_at());
    }
}
