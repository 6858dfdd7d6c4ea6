//! What the DHT finds.

use std::sync::Arc;
use std::time::Duration;

use dht::Event;
use net::dht::Events;
use tokio::time::{MissedTickBehavior, interval};
use types::PeerSource;

use super::{change, swarm};
use crate::inner::Inner;

/// How often it is looked whether the gateway gave us another port.
const PORTS: Duration = Duration::from_secs(30);

/// Takes peers in; runs as long as the client.
pub(crate) async fn nodes(inner: Arc<Inner>, mut events: Events) {
    let mut ports = interval(PORTS);
    ports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = ports.tick() => {
                inner.dht.say_ports(inner.local.external_port());
                continue;
            }
        };
        let Some(event) = event else { return };
        if let Event::Peers { torrent, peers } = event
            && let Some(entry) = swarm::public(&inner, torrent)
        {
            tracing::debug!(%torrent, peers = peers.len(), "the DHT names peers");
            change::addresses(&inner, &entry, PeerSource::Dht, peers);
        }
    }
}

/// Takes in the nodes that the settings name.
pub(crate) async fn first_nodes(inner: Arc<Inner>) {
    if let Err(error) = inner.dht.add_nodes(inner.settings.dht_nodes.clone()).await {
        tracing::warn!("a node of the DHT: {error}");
    }
}
