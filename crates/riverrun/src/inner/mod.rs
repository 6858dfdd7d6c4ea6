//! What the handles and tasks of one client share.

mod ending;
mod lane;
pub(crate) mod places;
mod relations;
mod shards;
mod tasks;
mod torrents;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use engine::{Session, TorrentId};
use metainfo::Metainfo;
use shard::Command;
use storage::Spool;
use tokio::task::AbortHandle;

use crate::builder::OpenStorage;
use crate::dht::Dht;
use crate::entry::Entry;
use crate::limiter::Membership;
use crate::local::Local;
use crate::runtime::{ShardHandle, Shared, ToShard};
use crate::trackers::Trackers;
#[cfg(unix)]
use crate::transport::Door;
use crate::transport::Guests;
use crate::{ClientBuilder, Error, Events};

pub(crate) use ending::Ending;
pub(crate) use shards::Shards;
pub(crate) use tasks::Tasks;
pub(crate) use torrents::Torrents;

/// One client: its settings, and the parts that its handles and tasks use.
pub(crate) struct Inner {
    pub(crate) settings: ClientBuilder,
    pub(crate) opener: Arc<dyn OpenStorage>,
    pub(crate) engine: Arc<engine::Config>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Shards,
    pub(crate) torrents: Torrents,
    /// Where info dictionaries lie; in memory where there is none.
    pub(crate) spool: Option<Arc<Spool>>,
    pub(crate) trackers: Trackers,
    pub(crate) local: Local,
    pub(crate) dht: Dht,
    pub(crate) listening: Vec<SocketAddr>,
    pub(crate) ending: Ending,
    pub(crate) tasks: Tasks,
    /// Its part in a limit that it shares with other clients.
    pub(crate) limited: Mutex<Option<Membership>>,
    /// What runs the embedder's code, where there is any.
    pub(crate) guests: Option<Guests>,
    /// The tasks that accept peers beside the shards' listeners, until the client closes.
    pub(crate) accepting: Mutex<Vec<AbortHandle>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("listening", &self.listening).finish_non_exhaustive()
    }
}

impl Inner {
    /// Ends all threads without waiting for them.
    pub(crate) fn abandon(&self) {
        self.ending.end();
        // Those that it shared a limit with have its part from now on.
        self.limited().take();
        self.all().iter().for_each(|entry| entry.data.release());
        self.shards.stop();
        self.guests.iter().for_each(|guests| guests.tasks.shut_down());
        self.tasks.shut_down();
    }

    fn limited(&self) -> MutexGuard<'_, Option<Membership>> {
        // Nothing panics half-way.
        self.limited.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The ports at which others reach us, over IPv4 and over IPv6: where the gateway chose one, that one (for IPv4), else the
    /// first of the family that is listened on.
    pub(crate) fn reached_at(&self) -> [Option<u16>; 2] {
        let first = |v4: bool| self.listening.iter().find(|addr| addr.is_ipv4() == v4).map(SocketAddr::port);
        [first(true).map(|port| self.local.external_port().unwrap_or(port)), first(false)]
    }

    /// What takes an info dictionary out of memory. It may wait for a disk.
    pub(crate) fn to_spool(&self) -> impl FnOnce(Metainfo) -> Metainfo + Send + use<> {
        let spool = self.spool.clone();
        move |mut metainfo| {
            if let Some(spool) = spool {
                metainfo.keep_raw(|raw| spool.keep(raw));
            }
            metainfo
        }
    }

    /// The shard that takes everyone in.
    pub(crate) fn first_shard(&self) -> &ShardHandle {
        self.shards.first()
    }

    /// Accepts peers at Unix sockets.
    ///
    /// # Errors
    /// One can't be polled.
    #[cfg(unix)]
    pub(crate) fn open_doors(&self, doors: Vec<Door>) -> Result<(), Error> {
        let runtime = self.tasks.handle();
        let _inside = runtime.enter();
        for door in doors {
            let task = door.serve(self.first_shard().clone());
            let task = task.map_err(|e| Error::system("poll a Unix socket", e))?;
            self.accepting.lock().unwrap_or_else(|e| e.into_inner()).push(runtime.spawn(task).abort_handle());
        }
        Ok(())
    }

    /// Accepts nobody from now on.
    pub(crate) fn stop_accepting(&self) {
        let accepting = std::mem::take(&mut *self.accepting.lock().unwrap_or_else(|e| e.into_inner()));
        accepting.iter().for_each(AbortHandle::abort);
        self.shards.iter().for_each(|shard| {
            shard.tell(ToShard::StopListening);
        });
    }

    /// Runs a task of one torrent. A panic in it fails the torrent.
    pub(crate) fn spawn_for(&self, entry: &Arc<Entry>, task: impl Future<Output = ()> + Send + 'static) {
        let entry = entry.clone();
        self.tasks.spawn_or(task, move |message| {
            entry.fail(entry.panic_trouble(&message));
        });
    }

    /// Runs a task of one torrent that begins with work which may wait for a disk. A panic in it fails the torrent.
    pub(crate) fn begin_for(&self, entry: &Arc<Entry>, task: impl Future<Output = ()> + Send + 'static) {
        let entry = entry.clone();
        self.tasks.begin_or(task, move |message| {
            entry.fail(entry.panic_trouble(&message));
        });
    }

    /// Runs a task without which no torrent can go on. A panic in it fails them all: each says so.
    pub(crate) fn spawn_vital(
        self: &Arc<Inner>,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let inner = Arc::downgrade(self);
        self.tasks.spawn_or(task, move |message| {
            tracing::error!(message, "the client's {name} panicked");
            let all = inner.upgrade().map_or_else(Vec::new, |inner| inner.all());
            for entry in all {
                entry.fail(entry.panic_trouble(&message));
            }
        });
    }

    /// Runs a task on the control thread and waits for it, unless the client is closed. The task goes on when
    /// the caller does not.
    pub(crate) async fn join<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        if self.ending.is_over() {
            return Err(Error::Closed);
        }
        self.tasks.run(task).await
    }

    /// As [`Inner::join`], for a task that begins with work which may wait for a disk.
    pub(crate) async fn begin<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        if self.ending.is_over() {
            return Err(Error::Closed);
        }
        self.tasks.begin(task).await
    }

    /// As [`Inner::begin`], with its first step on this thread, which waits for the rest too.
    pub(crate) fn begin_here<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        if self.ending.is_over() {
            return Err(Error::Closed);
        }
        self.tasks.begin_here(task)
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        // Its methods don't panic half-way.
        self.shared.session.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn entry(&self, id: TorrentId) -> Option<Arc<Entry>> {
        self.torrents.get(id)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.torrents.all()
    }

    /// Forgets a torrent that is gone from its shard.
    pub(crate) fn forget(&self, id: TorrentId) {
        self.torrents.forget(id);
        self.session().remove(id);
        self.shared.disk.evict(id);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.ending.has_begun()
    }

    /// The shard of a torrent.
    pub(crate) fn shard(&self, entry: &Entry) -> &ShardHandle {
        self.shards.of(entry)
    }

    /// A new listener: to one torrent, or to all.
    pub(crate) fn listen(&self, only: Option<types::InfoHashes>) -> Events {
        Events { line: self.torrents.events.subscribe(), closed: self.ending.subscribe(), only }
    }

    /// Gives each shard its part of the client's budget.
    pub(crate) fn lease(&self, usage: &[engine::Usage]) {
        let granted = self.limited().as_ref().map(|part| part.grant(usage));
        let leases = {
            let mut session = self.session();
            if let Some((download, upload)) = granted {
                session.set_granted(download, upload);
            }
            session.lease(usage)
        };
        for (shard, lease) in self.shards.iter().zip(leases) {
            shard.command(Command::Lease(lease));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.abandon();
    }
}
