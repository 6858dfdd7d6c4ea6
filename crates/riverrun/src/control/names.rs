//! Peers that are known by name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use metainfo::Node;
use types::PeerSource;

use super::change;
use crate::EventKind;
use crate::entry::{Entry, Stage};
use crate::inner::Inner;

/// Gives the torrent's shard these peers: those that are addresses now, the others when their names have been
/// looked up. To be called when the shard knows the torrent.
pub(super) fn seek(inner: &Arc<Inner>, entry: &Arc<Entry>, source: PeerSource, peers: Vec<Node>) {
    let (mut addrs, mut names) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer.host.parse::<IpAddr>() {
            Ok(ip) => addrs.push(SocketAddr::new(ip, peer.port)),
            Err(_) => names.push(peer),
        }
    }
    change::addresses(inner, entry, source, addrs);
    if !names.is_empty() {
        inner.spawn_for(entry, look_up(inner.clone(), entry.clone(), source, names));
    }
}

/// One name after the other: a link may carry many, and none is urgent.
async fn look_up(inner: Arc<Inner>, entry: Arc<Entry>, source: PeerSource, names: Vec<Node>) {
    for Node { host, port } in names {
        if inner.is_closing() || entry.state().stage == Stage::Removed {
            return;
        }
        match tokio::net::lookup_host((host.as_str(), port)).await {
            Ok(addrs) => change::addresses(&inner, &entry, source, addrs.collect()),
            Err(error) => entry.tell(EventKind::PeerNotFound {
                peer: format!("{host}:{port}"),
                message: format!("it can't be looked up: {error}"),
            }),
        }
    }
}
