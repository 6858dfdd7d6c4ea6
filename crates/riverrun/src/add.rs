//! What a torrent is added from, and how.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use metainfo::{Magnet, Metainfo, Node};
use types::InfoHashes;

use engine::UploadMode;

use crate::{Error, Limiter};

/// Where the description of a torrent comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// Read already.
    Metainfo(Box<Metainfo>),
    /// The bytes of a `.torrent` file.
    Bytes(Vec<u8>),
    /// A `.torrent` file.
    Path(PathBuf),
    /// The web address of a `.torrent` file.
    Url(String),
    /// A magnet link: its metainfo comes from peers (BEP 9), or from an `xs` or `as` web address in it.
    Magnet(Box<Magnet>),
    /// The bare name of a torrent: as a magnet link with nothing else in it.
    InfoHash(InfoHashes),
}

impl Source {
    /// What a user types: a magnet link, a web address, 40 or 64 hexadecimal digits or 32 of base32, or else
    /// a path.
    ///
    /// # Errors
    /// [`Error::BadMagnet`] for what begins like a magnet link and is none.
    pub fn parse(text: &str) -> Result<Source, Error> {
        let begins = |prefix: &str| text.get(..prefix.len()).is_some_and(|t| t.eq_ignore_ascii_case(prefix));
        if begins("magnet:") {
            let magnet = text
                .parse()
                .map_err(|e: metainfo::MagnetError| Error::BadMagnet { message: e.to_string().into() })?;
            return Ok(Source::Magnet(Box::new(magnet)));
        }
        if begins("http://") || begins("https://") {
            return Ok(Source::Url(text.to_owned()));
        }
        Ok(match text.parse() {
            Ok(hashes) => Source::InfoHash(hashes),
            Err(_) => Source::Path(text.into()),
        })
    }
}

/// What to do with files that are there when a torrent is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Existing {
    /// Believe the saved state where the files are as it says, and check the rest.
    #[default]
    Auto,
    /// Check every piece, whatever was saved.
    Check,
}

/// What becomes of a torrent that has reached its seed goal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum GoalAction {
    /// It rests.
    #[default]
    Pause,
    /// It is taken out of the client; its files stay.
    Remove,
    /// It is taken out of the client, and its files are deleted.
    RemoveWithData,
}

/// When a seed has done its part: whichever comes first; and what becomes of it then.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct SeedGoal {
    /// Bytes uploaded for each byte of the wanted files.
    pub ratio: Option<f64>,
    /// Time spent seeding in this run.
    pub time: Option<Duration>,
    /// Time spent seeding in this run without sending anything.
    pub idle: Option<Duration>,
    /// What becomes of it. Default it rests.
    pub action: GoalAction,
}

impl SeedGoal {
    /// A goal that is never reached.
    pub fn none() -> SeedGoal {
        SeedGoal::default()
    }

    /// Stop at this ratio.
    #[must_use]
    pub fn ratio(mut self, ratio: f64) -> SeedGoal {
        self.ratio = Some(ratio);
        self
    }

    /// Stop when nobody was sent anything for this time.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> SeedGoal {
        self.idle = Some(time);
        self
    }

    /// What becomes of it.
    #[must_use]
    pub fn action(mut self, action: GoalAction) -> SeedGoal {
        self.action = action;
        self
    }

    /// Stop after this time.
    #[must_use]
    pub fn time(mut self, time: Duration) -> SeedGoal {
        self.time = Some(time);
        self
    }
}

/// A torrent to be added, with everything about it that is not in its metainfo.
///
/// Where state of it was saved, it takes up from there: what of it is here, which files are wanted, its
/// trackers, some peers, its totals, and whether it was paused. What is said here goes before what was saved.
///
/// ```no_run
/// # async fn f(client: riverrun::Client) -> Result<(), riverrun::Error> {
/// let torrent = client.add(riverrun::AddTorrent::path("film.torrent").output("/srv/films")).await?;
/// torrent.wait_complete().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AddTorrent {
    pub(crate) source: Source,
    pub(crate) output: Option<PathBuf>,
    pub(crate) wanted: Option<Vec<u32>>,
    /// The saved selection does not count.
    pub(crate) all_files: bool,
    pub(crate) trackers: Vec<String>,
    /// Those of its magnet link, each a tier of its own.
    pub(crate) link_trackers: Vec<String>,
    /// Its magnet link names trackers, used or not.
    pub(crate) link_is_tracked: bool,
    pub(crate) own_trackers: bool,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) named_peers: Vec<Node>,
    pub(crate) paused: Option<bool>,
    pub(crate) existing: Existing,
    pub(crate) read_only: bool,
    pub(crate) upload: UploadMode,
    pub(crate) goal: Option<SeedGoal>,
    pub(crate) max_peers: Option<u32>,
    pub(crate) super_seeding: bool,
    pub(crate) share_mode: bool,
    pub(crate) display_name: Option<String>,
    pub(crate) rates: (Option<u64>, Option<u64>),
    pub(crate) limiter: Option<Limiter>,
    pub(crate) metadata_only: bool,
}

impl From<Metainfo> for AddTorrent {
    fn from(metainfo: Metainfo) -> AddTorrent {
        AddTorrent::metainfo(metainfo)
    }
}

impl AddTorrent {
    /// From any source.
    pub fn new(source: Source) -> AddTorrent {
        AddTorrent {
            source,
            output: None,
            wanted: None,
            all_files: false,
            trackers: Vec::new(),
            link_trackers: Vec::new(),
            link_is_tracked: false,
            own_trackers: true,
            peers: Vec::new(),
            named_peers: Vec::new(),
            paused: None,
            existing: Existing::Auto,
            read_only: false,
            upload: UploadMode::default(),
            goal: None,
            max_peers: None,
            super_seeding: false,
            share_mode: false,
            display_name: None,
            rates: (None, None),
            limiter: None,
            metadata_only: false,
        }
    }

    /// From a metainfo.
    pub fn metainfo(metainfo: Metainfo) -> AddTorrent {
        AddTorrent::new(Source::Metainfo(Box::new(metainfo)))
    }

    /// From the bytes of a `.torrent` file.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> AddTorrent {
        AddTorrent::new(Source::Bytes(bytes.into()))
    }

    /// From a `.torrent` file.
    pub fn path(path: impl Into<PathBuf>) -> AddTorrent {
        AddTorrent::new(Source::Path(path.into()))
    }

    /// The directory its files go below. Default: the client's.
    pub fn output(mut self, dir: impl Into<PathBuf>) -> AddTorrent {
        self.output = Some(dir.into());
        self
    }

    /// Download these files only (default: as saved, else all), by number from 0. Bytes of others that share
    /// a piece with them are kept in a part file.
    pub fn wanted(mut self, files: impl IntoIterator<Item = u32>) -> AddTorrent {
        self.wanted = Some(files.into_iter().collect());
        self
    }

    /// Download every file, whatever selection was saved. A magnet link's own (`so`, BEP 53) still holds.
    pub fn all_files(mut self) -> AddTorrent {
        (self.wanted, self.all_files) = (None, true);
        self
    }

    /// More trackers. Each is asked besides those of the metainfo, even while they answer; of a private torrent, which has
    /// one tracker at a time (BEP 27), it is a tier of its own after the others. They are not saved: a later run names
    /// them anew, or [`Torrent::add_trackers`](crate::Torrent::add_trackers) keeps them.
    pub fn trackers(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> AddTorrent {
        self.trackers.extend(urls.into_iter().map(Into::into));
        self
    }

    /// Leave out the trackers of the metainfo, and those that were saved.
    pub fn without_own_trackers(mut self) -> AddTorrent {
        self.own_trackers = false;
        self
    }

    /// Peers to try first.
    pub fn peers(mut self, addrs: impl IntoIterator<Item = SocketAddr>) -> AddTorrent {
        self.peers.extend(addrs);
        self
    }

    /// The same by name. Names are looked up while the torrent comes up; of one that can't be,
    /// [`EventKind::PeerNotFound`](crate::EventKind::PeerNotFound) tells.
    pub fn named_peers(mut self, peers: impl IntoIterator<Item = Node>) -> AddTorrent {
        self.named_peers.extend(peers);
        self
    }

    /// Add it without starting it, or start it. Existing data is still checked. Default: as it was when its
    /// state was saved, else started.
    pub fn paused(mut self, paused: bool) -> AddTorrent {
        self.paused = Some(paused);
        self
    }

    /// What to do with files that are there.
    pub fn existing(mut self, existing: Existing) -> AddTorrent {
        self.existing = existing;
        self
    }

    /// Only seed what is there: nothing is ever written, so the directory may be read-only.
    pub fn read_only(mut self) -> AddTorrent {
        self.read_only = true;
        self
    }

    /// Whether peers are served: never, while something is missing, or also afterwards as a seed. The client's own
    /// setting is the most. Not remembered for the next start. Default [`UploadMode::Seed`].
    pub fn upload_mode(mut self, mode: UploadMode) -> AddTorrent {
        self.upload = mode;
        self
    }

    /// Pause when this much was seeded.
    pub fn seed_goal(mut self, goal: SeedGoal) -> AddTorrent {
        self.goal = Some(goal);
        self
    }

    /// Fetch nothing but the metainfo, that of a magnet link from its swarm:
    /// [`Torrent::wait_metadata`](crate::Torrent::wait_metadata) has it then, and the torrent rests until
    /// [`Torrent::download`](crate::Torrent::download).
    pub fn metadata_only(mut self) -> AddTorrent {
        self.metadata_only = true;
        self
    }

    /// Most connections of this torrent. Default: the client's setting.
    pub fn max_peers(mut self, most: u32) -> AddTorrent {
        self.max_peers = Some(most);
        self
    }

    /// Limits of its own in bytes a second, received and sent, protocol included; none is no limit. Those of
    /// the client hold besides. They are not remembered for the next start.
    pub fn rates(mut self, download: Option<u64>, upload: Option<u64>) -> AddTorrent {
        self.rates = (download, upload);
        self
    }

    /// A limit that it shares with other torrents, which makes them a class: together they stay within it. Its own
    /// limits and those of its client hold besides. It is not remembered for the next start.
    pub fn limiter(mut self, limiter: &Limiter) -> AddTorrent {
        self.limiter = Some(limiter.clone());
        self
    }

    /// What it is called in place of its name, see [`Torrent::display_name`](crate::Torrent::display_name). A
    /// torrent that is here already takes it.
    pub fn display_name(mut self, name: impl Into<String>) -> AddTorrent {
        self.display_name = Some(name.into());
        self
    }

    /// As a seed look as if nothing were here, and give each piece to one peer first (BEP 16): the swarm has
    /// a first copy for little more than one copy's upload. For a torrent that nobody else has; otherwise it
    /// only slows the swarm down. It is not remembered for the next start. Default: no.
    pub fn super_seeding(mut self, on: bool) -> AddTorrent {
        self.super_seeding = on;
        self
    }

    /// Download only in order to upload: nothing is fetched but a few rare pieces at a time, of the files that are
    /// wanted, where at least three peers lack them and more is asked for than the seeds bring; and the next ones only
    /// when three times as much was sent as was received since share mode began. Among seeds alone nothing is fetched,
    /// and with [`UploadMode::Never`] neither; what readers wait for is. The torrent counts as downloading until
    /// everything is here, which may never be; its [`SeedGoal`] counts from the start. It is not remembered for the
    /// next start. Default: no.
    pub fn share_mode(mut self, on: bool) -> AddTorrent {
        self.share_mode = on;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_type_is_told_apart() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        assert!(matches!(Source::parse(hash), Ok(Source::InfoHash(_))));
        assert!(matches!(Source::parse(&format!("magnet:?xt=urn:btih:{hash}")), Ok(Source::Magnet(_))));
        assert!(matches!(Source::parse("HTTPS://example.org/a.torrent"), Ok(Source::Url(_))));
        assert!(matches!(Source::parse("a.torrent"), Ok(Source::Path(_))));
        assert_eq!(Source::parse("magnet:?xt=nothing").unwrap_err().code(), "bad_magnet");
    }
}
