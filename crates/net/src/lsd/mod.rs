//! Local service discovery (BEP 14) on tokio: the machine of [`lsd`] on multicast sockets.
//!
//! [`LocalDiscovery`] joins the groups on each interface, again when interfaces come and go, and drives one
//! [`lsd::Lsd`]. Several processes on one machine share the port, and hear each other. What is heard comes out of
//! [`Events`]; a neighbour's address is as good as its word.
//!
//! ```no_run
//! use lsd::{Announceable, Event, Privacy};
//! use riverrun_net::lsd::{LocalDiscovery, Options};
//! use types::{InfoHash, InfoHashes};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (discovery, mut events) = LocalDiscovery::open(Options::default())?;
//! discovery.ports(Some(6881), Some(6881));
//! let hashes = InfoHashes::v1(InfoHash([7; 20]));
//! discovery.add(Announceable::new(hashes, Privacy::Public).ok_or("a private torrent")?);
//! while let Some(event) = events.recv().await {
//!     if let Event::Peer { addr, .. } = event {
//!         println!("{addr}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod sockets;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ::lsd::{Announceable, Config, Event, Input, Lsd, Output, READ_LEN};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use types::{InfoHashes, Rng};

use crate::clock::{Clock, system_rng};
use sockets::{Read, Sockets};

/// How often interfaces are looked for.
const REFRESH: Duration = Duration::from_secs(60);
/// Most events that wait for their reader; later ones are dropped.
const EVENTS: usize = 1_024;

/// Where announces are sent and heard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Interfaces {
    /// On every interface but loopback and tunnels.
    #[default]
    Lan,
    /// On every interface that has one of these addresses.
    Only(Vec<IpAddr>),
}

impl Interfaces {
    fn allow(&self, interface: &crate::interfaces::Interface) -> bool {
        match self {
            Interfaces::Lan => !interface.ip.is_loopback() && !interface.point_to_point,
            Interfaces::Only(addrs) => addrs.contains(&interface.ip),
        }
    }
}

/// Settings of a [`LocalDiscovery`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The schedule.
    pub config: Config,
    /// The interfaces.
    pub interfaces: Interfaces,
    /// Whether the IPv4 group is used.
    pub ipv4: bool,
    /// Whether the IPv6 group is used.
    pub ipv6: bool,
    /// How many routers an announce may pass, plus 1. 1 by default: it stays in its network.
    pub ttl: u8,
}

impl Default for Options {
    fn default() -> Options {
        Options { config: Config::default(), interfaces: Interfaces::Lan, ipv4: true, ipv6: true, ttl: 1 }
    }
}

/// Why there is no local discovery.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No socket could be opened at port 6771, for either group.
    #[error("no socket for local discovery: {0}")]
    Socket(#[source] io::Error),
    /// The system gave no entropy.
    #[error("no entropy: {0}")]
    Entropy(String),
}

enum Command {
    Ports(Option<u16>, Option<u16>),
    Add(Announceable),
    Remove(InfoHashes),
}

/// Announces torrents on the local network and hears of those of others. It ends when it is dropped.
#[derive(Debug)]
pub struct LocalDiscovery {
    commands: mpsc::UnboundedSender<Command>,
}

/// What was heard.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; none when the [`LocalDiscovery`] has ended. Cancel safe.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl LocalDiscovery {
    /// Opens the sockets and starts the task that drives them, in the tokio runtime it is called in. One group is enough;
    /// interfaces may come later.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(options: Options) -> Result<(LocalDiscovery, Events), Error> {
        let rng = system_rng().map_err(|error| Error::Entropy(error.to_string()))?;
        let sockets = Sockets::open(&options).map_err(Error::Socket)?;
        let (commands, from_us) = mpsc::unbounded_channel();
        let (events, out) = mpsc::channel(EVENTS);
        let driver = Driver::new(options.config, rng, sockets, events);
        tokio::spawn(driver.run(from_us));
        Ok((LocalDiscovery { commands }, Events(out)))
    }

    /// Says where peers are accepted. Until then, and for a family without a port, nothing is announced.
    pub fn ports(&self, v4: Option<u16>, v6: Option<u16>) {
        self.tell(Command::Ports(v4, v6));
    }

    /// A torrent takes part from now on.
    pub fn add(&self, torrent: Announceable) {
        self.tell(Command::Add(torrent));
    }

    /// A torrent takes part no more.
    pub fn remove(&self, torrent: InfoHashes) {
        self.tell(Command::Remove(torrent));
    }

    fn tell(&self, command: Command) {
        // The task ends before us only with its runtime, and then nothing is announced anyway.
        let _ = self.commands.send(command);
    }
}

struct Driver {
    clock: Clock,
    machine: Lsd,
    sockets: Sockets,
    events: mpsc::Sender<Event>,
}

impl Driver {
    fn new(config: Config, rng: Rng, sockets: Sockets, events: mpsc::Sender<Event>) -> Driver {
        Driver { clock: Clock::start(), machine: Lsd::new(config, rng), sockets, events }
    }

    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut buffers = [vec![0; READ_LEN + 1], vec![0; READ_LEN + 1]];
        loop {
            let deadline = self.drain().await;
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                _ = refresh.tick() => self.refresh(),
                read = self.sockets.read(&mut buffers) => match read {
                    Ok(Read { from, group, len }) => self.datagram(from, &buffers[group][..len]),
                    // An error that stays must not turn the loop into a storm.
                    Err(error) => {
                        tracing::debug!("local discovery cannot read: {error}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }

    async fn drain(&mut self) -> types::Time {
        loop {
            match self.machine.poll(self.clock.now()) {
                Output::Transmit { group, datagram } => self.sockets.send(group, &datagram).await,
                // A reader that is slow misses some; they are announced again.
                Output::Event(event) => _ = self.events.try_send(event),
                Output::Wait(at) => return at,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let input = match command {
            Command::Ports(v4, v6) => Input::Ports { v4, v6 },
            Command::Add(torrent) => Input::Add(torrent),
            Command::Remove(torrent) => Input::Remove(torrent),
        };
        self.take(input);
    }

    fn refresh(&mut self) {
        match self.sockets.refresh() {
            Ok(networks) => self.take(Input::Networks(&networks)),
            Err(error) => tracing::debug!("local discovery cannot list interfaces: {error}"),
        }
    }

    fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.take(Input::Datagram { from, bytes });
    }

    fn take(&mut self, input: Input<'_>) {
        if let Err(ignored) = self.machine.handle(self.clock.now(), input) {
            tracing::trace!("a datagram of local discovery is passed over: {ignored}");
        }
    }
}
