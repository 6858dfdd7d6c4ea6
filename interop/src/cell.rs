//! A cell of the table: one thing shown with real programs, by one command.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::counterparts::{Client, Counterpart, Job};
use crate::data::{Data, Shape, Store};
use crate::trackers;
use crate::{Result, metainfo, ports, sandbox};

/// One cell.
pub(crate) struct Cell {
    /// `GROUP/WHO/WHAT`; `--only` looks for its pattern in it.
    pub(crate) name: String,
    /// What it shows.
    pub(crate) about: String,
    /// The programs it needs.
    pub(crate) needs: Vec<Need>,
    /// Whether it wants the machine to itself.
    pub(crate) alone: bool,
    /// The cell itself; it returns what is worth a note.
    pub(crate) run: Run,
}

/// What a cell does.
pub(crate) type Run = Box<dyn Fn(&Context<'_>) -> Result<String> + Send + Sync>;

/// Something a cell cannot do without.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// A client.
    Client(&'static dyn Counterpart),
    /// A tracker.
    Tracker(trackers::Kind),
    /// A program of a Debian package.
    Program(&'static str, &'static str),
    /// A mount of its own.
    Mounts,
    /// Networks of its own, side by side.
    Networks,
}

impl Need {
    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Need::Client(client) => client.name(),
            Need::Tracker(kind) => kind.name(),
            Need::Program(_, program) => program,
            Need::Mounts => "a mount namespace",
            Need::Networks => "network namespaces",
        }
    }

    /// Makes sure that it is there.
    pub(crate) fn install(&self) -> Result {
        match self {
            Need::Client(client) => client.install(),
            Need::Tracker(kind) => kind.install(),
            Need::Program(package, program) => crate::install::debian(package, &[program]),
            // Outside, it is what the cells will find inside that counts.
            Need::Mounts if sandbox::walled() || (!sandbox::inside() && crate::install::root()) => Ok(()),
            // Outside, it is what the cells will find inside that counts.
            Need::Networks if sandbox::walled() || (!sandbox::inside() && crate::install::root()) => Ok(()),
            Need::Networks => Err("networks side by side need root".into()),
            Need::Mounts => Err("mounting out of everybody's sight needs root".into()),
        }
    }
}

impl Cell {
    /// A cell that may run beside others.
    pub(crate) fn new(
        name: impl Into<String>,
        about: impl Into<String>,
        needs: impl Into<Vec<Need>>,
        run: impl Fn(&Context<'_>) -> Result<String> + Send + Sync + 'static,
    ) -> Cell {
        Cell { name: name.into(), about: about.into(), needs: needs.into(), alone: false, run: Box::new(run) }
    }

    /// The same, with the machine to itself.
    pub(crate) fn alone(self) -> Cell {
        Cell { alone: true, ..self }
    }
}

/// What a cell works with.
pub(crate) struct Context<'a> {
    /// Data and torrents.
    pub(crate) store: &'a Store,
    /// The cell's own directory, empty at first.
    pub(crate) dir: PathBuf,
}

/// A torrent in a cell: its file and its data.
pub(crate) struct Torrent {
    /// The .torrent, with the cell's trackers.
    pub(crate) path: PathBuf,
    /// Its data, complete.
    pub(crate) data: Arc<Data>,
}

impl Context<'_> {
    /// A shape's torrent, announced to the trackers of those URLs.
    pub(crate) fn torrent(&self, shape: &Shape, trackers: &[String]) -> Result<Torrent> {
        let path = self.dir.join(format!("{}.torrent", shape.name));
        let bytes = metainfo::with_trackers(&self.store.torrent(shape)?, trackers)?;
        std::fs::write(&path, bytes)?;
        Ok(Torrent { path, data: self.store.data(shape)? })
    }

    /// A directory below the cell's own, made when missing.
    pub(crate) fn sub(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Starts a client as a seed of the whole data.
    pub(crate) fn seed(
        &self,
        who: &dyn Counterpart,
        torrent: &Torrent,
        listen: SocketAddr,
        peers: &[SocketAddr],
    ) -> Result<Box<dyn Client>> {
        let scratch = self.sub(&format!("seed-{}", who.name()))?;
        who.start(&Job { seed: true, ..job(torrent, &torrent.data.dir, listen, peers, &scratch) })
    }

    /// Starts a client that downloads to `dir`.
    pub(crate) fn leech(
        &self,
        who: &dyn Counterpart,
        torrent: &Torrent,
        dir: &Path,
        listen: SocketAddr,
        peers: &[SocketAddr],
    ) -> Result<Box<dyn Client>> {
        let scratch = self.sub(&format!("leech-{}-{}", who.name(), listen.port()))?;
        who.start(&job(torrent, dir, listen, peers, &scratch))
    }
}

/// A download without limits.
pub(crate) fn job<'a>(
    torrent: &'a Torrent,
    dir: &'a Path,
    listen: SocketAddr,
    peers: &'a [SocketAddr],
    scratch: &'a Path,
) -> Job<'a> {
    Job {
        torrent: &torrent.path,
        magnet: None,
        dir,
        listen,
        peers,
        seed: false,
        up_rate: 0,
        lsd: false,
        pex: false,
        scratch,
    }
}

/// A free address on the IPv4 loopback.
pub(crate) fn local() -> Result<SocketAddr> {
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::free()?))
}
