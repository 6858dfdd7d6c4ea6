//! The shard threads of a client.

use tokio::sync::mpsc;

use crate::entry::Entry;
use crate::runtime::{FromShard, ShardHandle, ToShard};

/// The ways to all shards, and the line of what they tell.
pub(crate) struct Shards {
    handles: Vec<ShardHandle>,
    reports: mpsc::UnboundedSender<FromShard>,
}

impl Shards {
    pub(crate) fn new(handles: Vec<ShardHandle>, reports: mpsc::UnboundedSender<FromShard>) -> Shards {
        Shards { handles, reports }
    }

    /// Every one, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ShardHandle> {
        self.handles.iter()
    }

    /// The one that takes connections in.
    pub(crate) fn first(&self) -> &ShardHandle {
        &self.handles[0]
    }

    /// The shard of a torrent.
    pub(crate) fn of(&self, entry: &Entry) -> &ShardHandle {
        &self.handles[entry.shard]
    }

    /// Lets a shard that broke begin anew.
    pub(crate) fn renew(&self, shard: usize) {
        if let Some(shard) = self.handles.get(shard) {
            shard.tell(ToShard::Renew);
        }
    }

    /// Tells all of them to end.
    pub(crate) fn stop(&self) {
        for shard in self.iter() {
            shard.tell(ToShard::Stop);
        }
    }

    /// Puts something into the line of what shards tell. False where nobody listens any more.
    pub(crate) fn report(&self, what: FromShard) -> bool {
        self.reports.send(what).is_ok()
    }
}
