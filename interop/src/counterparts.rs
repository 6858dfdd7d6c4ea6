//! The programs of others, one file each, and ours behind the same trait.

pub(crate) mod anacrolix;
pub(crate) mod aria2;
pub(crate) mod libtorrent;
pub(crate) mod qbittorrent;
pub(crate) mod riverrun;
pub(crate) mod rqbit;
pub(crate) mod rtorrent;
pub(crate) mod transmission;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::data::Shape;
use crate::process::{self, Process};

/// Every program that moves torrents. One more is one file and one line here.
pub(crate) static ALL: &[&dyn Counterpart] = &[
    &libtorrent::Libtorrent,
    &transmission::Transmission,
    &aria2::Aria2,
    &qbittorrent::Qbittorrent,
    &rtorrent::Rtorrent,
    &rqbit::Rqbit,
    &anacrolix::Anacrolix,
];

/// What a client is to do.
pub(crate) struct Job<'a> {
    /// The .torrent, with the trackers it is to ask.
    pub(crate) torrent: &'a Path,
    /// A magnet link that it gets in place of the .torrent.
    pub(crate) magnet: Option<&'a str>,
    /// Where the data is, or is to be saved: the directory above the torrent's own name.
    pub(crate) dir: &'a Path,
    /// Where it listens for peers.
    pub(crate) listen: SocketAddr,
    /// Whom it connects to by itself, if it takes peers at all.
    pub(crate) peers: &'a [SocketAddr],
    /// Whether the data is there and complete.
    pub(crate) seed: bool,
    /// Bytes a second it may send; 0 is no limit.
    pub(crate) up_rate: u64,
    /// Whether it looks for peers on the local network (BEP 14).
    pub(crate) lsd: bool,
    /// Whether it exchanges peers (BEP 11), where that can be switched.
    pub(crate) pex: bool,
    /// A directory of its own, for settings and logs.
    pub(crate) scratch: &'a Path,
}

impl Job<'_> {
    /// The magnet link if there is one, or else the path of the .torrent.
    pub(crate) fn source(&self) -> &OsStr {
        self.magnet.map_or(self.torrent.as_os_str(), OsStr::new)
    }
}

/// A program that seeds and downloads.
pub(crate) trait Counterpart: Sync {
    /// Its name in cells.
    fn name(&self) -> &'static str;

    /// Makes sure that it is there, installing it where that is possible.
    fn install(&self) -> Result;

    /// Its version, as it gives it.
    fn version(&self) -> Result<String>;

    /// Whether it moves torrents of this shape; v1 at least.
    fn reads(&self, shape: &Shape) -> bool {
        shape.version == "v1"
    }

    /// Whether it downloads what it reads.
    fn saves(&self, _: &Shape) -> bool {
        true
    }

    /// Whether it takes a magnet link of this shape's torrent; v1 at least.
    fn takes_magnet(&self, shape: &Shape) -> bool {
        shape.version == "v1"
    }

    /// Whether it connects to the peers that a magnet link names (`x.pe`); Transmission, aria2, rTorrent and rqbit do not.
    fn takes_linked_peers(&self) -> bool {
        false
    }

    /// Whether it makes a file of no bytes.
    fn makes_empty_files(&self) -> bool {
        true
    }

    /// Whether it can be told the address of a peer.
    fn takes_peers(&self) -> bool {
        false
    }

    /// Whether it connects to peers on loopback that a tracker names.
    fn dials_loopback(&self) -> bool {
        true
    }

    /// Starts it.
    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Client>>;
}

/// A client at work; it ends with the value.
pub(crate) trait Client: Send {
    /// Its process.
    fn process(&mut self) -> &mut Process;

    /// How far it is. An error if it ended or failed.
    fn state(&mut self) -> Result<State>;
}

/// How far a client is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    /// It listens, and a seed has found its data complete.
    pub(crate) ready: bool,
    /// It has everything.
    pub(crate) complete: bool,
    /// Bytes of payload sent, where it tells.
    pub(crate) up: u64,
}

/// Waits until a client can take part.
pub(crate) fn wait_ready(client: &mut dyn Client) -> Result {
    process::until(Duration::from_secs(60), "a client to be ready", || Ok(client.state()?.ready))
}

/// Waits until a client has everything.
pub(crate) fn wait_complete(client: &mut dyn Client, within: Duration) -> Result {
    process::until(within, "a download to be complete", || Ok(client.state()?.complete))
}
