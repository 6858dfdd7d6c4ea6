//! Peers that an embedder's discovery has found.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::change;
use crate::inner::Inner;
use crate::transport::Found;

/// Takes them in; runs as long as the client.
pub(crate) async fn finds(inner: Arc<Inner>, mut found: mpsc::Receiver<Found>) {
    while let Some(found) = found.recv().await {
        if let Some(entry) = found.torrent() {
            change::addresses(&inner, &entry, found.source, found.addrs);
        }
    }
}
