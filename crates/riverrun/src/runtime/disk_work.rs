//! The disk work of one shard that is under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use engine::TorrentId;
use shard::{DiskDone, DiskOp, DiskRequest};
use tokio::sync::oneshot;

use crate::disk::{Disk, Reply};

/// Disk work that came back, for the shard it was meant for: a shard that was built anew must not see its
/// predecessor's.
struct Returned {
    generation: u32,
    done: DiskDone,
}

/// The way back from the disk threads.
struct Mailbox {
    returned: Sender<Returned>,
    waker: Arc<mio::Waker>,
}

impl Reply for Mailbox {
    fn done(&self, generation: u32, done: DiskDone) {
        // The driver may have ended meanwhile; then nobody waits for this.
        let _ = self.returned.send(Returned { generation, done });
        let _ = self.waker.wake();
    }
}

/// Where disk work leaves a shard's thread and comes back to it.
pub(super) struct DiskWork {
    disk: Arc<Disk>,
    returned: Receiver<Returned>,
    mailbox: Arc<Mailbox>,
    generation: u32,
    under_way: usize,
    /// Of each torrent that has any.
    of: BTreeMap<TorrentId, usize>,
    /// Who waits until none is under way, of this torrent or of all.
    quiet: Vec<(Option<TorrentId>, oneshot::Sender<()>)>,
}

impl DiskWork {
    /// None under way yet; it wakes its thread when work comes back.
    pub(super) fn new(disk: Arc<Disk>, waker: Arc<mio::Waker>) -> DiskWork {
        let (to, returned) = crossbeam_channel::unbounded();
        let mailbox = Arc::new(Mailbox { returned: to, waker });
        DiskWork {
            disk,
            returned,
            mailbox,
            generation: 0,
            under_way: 0,
            of: BTreeMap::new(),
            quiet: Vec::new(),
        }
    }

    /// Hands work out, and answers what is done at once: a read for a peer of what is in memory. Never waits.
    pub(super) fn submit(&mut self, mut request: DiskRequest) -> Option<DiskDone> {
        let DiskRequest { torrent, op } = &mut request;
        if let DiskOp::Read { offset, block, conn: Some(_) } = op
            && self.disk.read_resident(*torrent, *offset, block.as_mut())
        {
            return Some(DiskDone { torrent: request.torrent, op: request.op, result: Ok(()) });
        }
        self.under_way += 1;
        *self.of.entry(request.torrent).or_default() += 1;
        self.disk.submit(request, self.generation, self.mailbox.clone());
        None
    }

    /// How much has come back.
    pub(super) fn waiting(&self) -> usize {
        self.returned.len()
    }

    /// The next work that came back; the inner none where it was its predecessor's.
    pub(super) fn next(&mut self) -> Option<Option<DiskDone>> {
        let Returned { generation, done } = self.returned.try_recv().ok()?;
        self.under_way -= 1;
        if let Some(left) = self.of.get_mut(&done.torrent) {
            *left -= 1;
            if *left == 0 {
                self.of.remove(&done.torrent);
            }
        }
        Some((generation == self.generation).then_some(done))
    }

    /// The shard is gone: what is under way is not for the next one.
    pub(super) fn disown(&mut self) {
        self.generation += 1;
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// Answers when nothing is under way, of this torrent or of all.
    pub(super) fn when_idle(&mut self, of: Option<TorrentId>, answer: oneshot::Sender<()>) {
        self.quiet.push((of, answer));
    }

    /// Answers those who wait for what is not under way any more.
    pub(super) fn answer(&mut self) {
        let (of, idle) = (&self.of, self.under_way == 0);
        let is_idle = |id: &Option<TorrentId>| id.map_or(idle, |id| !of.contains_key(&id));
        for (_, asked) in self.quiet.extract_if(.., |(id, _)| is_idle(id)) {
            // Whoever asked may have gone meanwhile.
            let _ = asked.send(());
        }
    }
}
