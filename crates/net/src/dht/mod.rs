//! The DHT (BEP 5) on tokio: the machine of [`dht`] on a UDP socket for each family.
//!
//! [`DhtClient`] drives one [`dht::Dht`]: it looks for the peers of the torrents it is given and announces them, and sends
//! nothing before it is told of a node. What it finds comes out of [`Events`]; what strangers say is as good as their word.
//!
//! ```no_run
//! use dht::Event;
//! use riverrun_net::dht::{DhtClient, Options};
//! use types::{Announceable, InfoHash, InfoHashes, Privacy};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, mut events) = DhtClient::open(Options { v4: Some("0.0.0.0:6881".parse()?), ..Options::default() }, |_| false)?;
//! client.ports(Some(6881), None);
//! let hashes = InfoHashes::v1(InfoHash([7; 20]));
//! client.add(Announceable::new(hashes, Privacy::Public).ok_or("a private torrent")?);
//! client.add_nodes(vec!["192.0.2.1:6881".parse()?]).await;
//! while let Some(event) = events.recv().await {
//!     if let Event::Peers { peers, .. } = event {
//!         println!("{peers:?}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ::dht::{Config, Dht, Event, Input, Known, Output, READ_LEN};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use types::{Announceable, InfoHashes, Time};

use crate::clock::{Clock, system_rng};

/// Most events that wait for their reader; later ones are dropped.
const EVENTS: usize = 256;

/// Settings of a [`DhtClient`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The schedule. Which families are asked follows from the addresses below.
    pub config: Config,
    /// Where the socket for IPv4 is bound; another port where that one is taken. None: IPv4 is not used.
    pub v4: Option<SocketAddr>,
    /// The same for IPv6.
    pub v6: Option<SocketAddr>,
}

/// Why there is no DHT.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No socket could be opened, for either family.
    #[error("no socket for the DHT: {0}")]
    Socket(#[source] io::Error),
    /// The system gave no entropy.
    #[error("no entropy: {0}")]
    Entropy(String),
}

enum Command {
    Ports(Option<u16>, Option<u16>),
    Nodes(Vec<SocketAddr>, oneshot::Sender<()>),
    Add(Announceable),
    Remove(InfoHashes),
}

/// Looks for peers in the DHT. Clones are the same; it ends when the last is dropped.
#[derive(Clone, Debug)]
pub struct DhtClient {
    commands: mpsc::UnboundedSender<Command>,
    known: watch::Receiver<Known>,
}

/// What was found.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; none when the [`DhtClient`] has ended. Cancel safe.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl DhtClient {
    /// Opens the sockets and starts the task that drives them, in the tokio runtime it is called in. One family is enough.
    /// Nothing is sent to an address that `blocks` says yes to.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(
        options: Options,
        blocks: impl Fn(SocketAddr) -> bool + Send + Sync + 'static,
    ) -> Result<(DhtClient, Events), Error> {
        let rng = system_rng().map_err(|error| Error::Entropy(error.to_string()))?;
        let mut failed = io::Error::new(io::ErrorKind::Unsupported, "both families are switched off");
        let mut open = |addr: Option<SocketAddr>| bind(addr?).map_err(|error| failed = error).ok();
        let (v4, v6) = (open(options.v4), open(options.v6));
        if v4.is_none() && v6.is_none() {
            return Err(Error::Socket(failed));
        }
        let config = Config { ipv4: v4.is_some(), ipv6: v6.is_some(), ..options.config };
        let (commands, from_us) = mpsc::unbounded_channel();
        let (events, out) = mpsc::channel(EVENTS);
        let (knows, known) = watch::channel(Known::default());
        let driver = Driver {
            clock: Clock::start(),
            machine: Dht::new(config, rng),
            v4,
            v6,
            events,
            knows,
            blocks: Box::new(blocks),
        };
        tokio::spawn(driver.run(from_us));
        Ok((DhtClient { commands, known }, Events(out)))
    }

    /// Says where peers are accepted. Until then, and for a family without a port, nothing is announced.
    pub fn ports(&self, v4: Option<u16>, v6: Option<u16>) {
        self.tell(Command::Ports(v4, v6));
    }

    /// Nodes to begin at, named by the user or by a torrent. Returns when they are taken in; whether they answer shows
    /// later. False where the client's runtime has ended. Cancel safe: they are taken in all the same.
    pub async fn add_nodes(&self, nodes: Vec<SocketAddr>) -> bool {
        let (done, taken) = oneshot::channel();
        self.tell(Command::Nodes(nodes, done));
        taken.await.is_ok()
    }

    /// A torrent takes part from now on.
    pub fn add(&self, torrent: Announceable) {
        self.tell(Command::Add(torrent));
    }

    /// A torrent takes part no more.
    pub fn remove(&self, torrent: InfoHashes) {
        self.tell(Command::Remove(torrent));
    }

    /// How many nodes are known.
    pub fn known(&self) -> Known {
        *self.known.borrow()
    }

    fn tell(&self, command: Command) {
        // The task ends before us only with its runtime, and then nobody is asked anyway.
        let _ = self.commands.send(command);
    }
}

struct Driver {
    clock: Clock,
    machine: Dht,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    events: mpsc::Sender<Event>,
    knows: watch::Sender<Known>,
    blocks: Box<dyn Fn(SocketAddr) -> bool + Send + Sync>,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut buffers = [[0; READ_LEN + 1]; 2].map(Vec::from);
        loop {
            let deadline = self.drain().await;
            let [buffer4, buffer6] = &mut buffers;
            let (read, family) = tokio::select! {
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    self.obey(command);
                    continue;
                }
                () = self.clock.sleep_until(deadline) => continue,
                read = receive(self.v4.as_ref(), buffer4) => (read, 0),
                read = receive(self.v6.as_ref(), buffer6) => (read, 1),
            };
            match read {
                Ok((len, from)) => self.take(Input::Datagram { from, bytes: &buffers[family][..len] }),
                // What nobody heard that we sent is told here. An error that stays must not turn the loop into a storm.
                Err(error) => {
                    tracing::trace!("the DHT cannot read: {error}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    async fn drain(&mut self) -> Time {
        loop {
            match self.machine.poll(self.clock.now()) {
                Output::Transmit { to, datagram } => {
                    let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
                    let Some(socket) = socket.as_ref().filter(|_| !(self.blocks)(to)) else { continue };
                    if let Err(error) = socket.send_to(&datagram, to).await {
                        tracing::trace!("the DHT cannot send to {to}: {error}");
                    }
                }
                // A reader that is slow misses some; they are found again.
                Output::Event(event) => _ = self.events.try_send(event),
                Output::Wait(at) => {
                    let known = self.machine.known();
                    self.knows.send_if_modified(|last| std::mem::replace(last, known) != known);
                    return at;
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ports(v4, v6) => self.take(Input::Ports { v4, v6 }),
            Command::Add(torrent) => self.take(Input::Add(torrent)),
            Command::Remove(torrent) => self.take(Input::Remove(torrent)),
            Command::Nodes(nodes, done) => {
                self.take(Input::Nodes(&nodes));
                // Who asked may not wait any more.
                let _ = done.send(());
            }
        }
    }

    fn take(&mut self, input: Input<'_>) {
        if let Err(ignored) = self.machine.handle(self.clock.now(), input) {
            tracing::trace!("a datagram of the DHT is passed over: {ignored}");
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

/// A socket at that address, or at another port where that one is taken: a node that nobody asks needs no certain one.
fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let open = |addr: SocketAddr| {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        UdpSocket::from_std(socket.into())
    };
    open(addr).or_else(|_| open(SocketAddr::new(addr.ip(), 0)))
}
