//! The sockets of the UDP client: one per family for all trackers, driven by one task.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tracker::udp::{Call, Client, ClientConfig, Input, Output, RequestId, UdpError, UdpReply};
use types::Rng;

use super::Builder;
use super::error::Error;
use crate::clock::Clock;

/// No datagram is longer.
const DATAGRAM_LEN: usize = 65_536;

type Answer = oneshot::Sender<Result<UdpReply, Error>>;

enum Command {
    Ask { id: RequestId, to: SocketAddr, call: Call, answer: Answer },
    Cancel(RequestId),
}

#[derive(Clone)]
struct Settings {
    bind_v4: Ipv4Addr,
    bind_v6: Ipv6Addr,
    client: ClientConfig,
}

pub(super) struct Udp {
    settings: Settings,
    /// The way to the task, once it was needed. The task ends when this is dropped.
    commands: Mutex<Option<mpsc::UnboundedSender<Command>>>,
    next: AtomicU64,
    ignored: Arc<AtomicU64>,
}

/// Tells the task that nobody waits any more.
struct CancelOnDrop {
    id: RequestId,
    commands: mpsc::UnboundedSender<Command>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // A task that is gone has nothing to cancel; one that has answered ignores it.
        let _ = self.commands.send(Command::Cancel(self.id));
    }
}

impl Udp {
    pub(super) fn new(builder: &Builder) -> Udp {
        let settings = Settings {
            bind_v4: builder.bind_v4.unwrap_or(Ipv4Addr::UNSPECIFIED),
            bind_v6: builder.bind_v6.unwrap_or(Ipv6Addr::UNSPECIFIED),
            client: ClientConfig { retransmits: builder.udp_retransmits },
        };
        Udp { settings, commands: Mutex::default(), next: AtomicU64::new(0), ignored: Arc::default() }
    }

    pub(super) fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    pub(super) async fn ask(&self, to: SocketAddr, call: Call) -> Result<UdpReply, Error> {
        let commands = self.commands()?;
        let id = RequestId(self.next.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        commands.send(Command::Ask { id, to, call, answer }).map_err(|_| Error::Closed)?;
        let _cancel = CancelOnDrop { id, commands };
        answered.await.map_err(|_| Error::Closed)?
    }

    /// The way to the task, which is started where there is none: the first time, or when the runtime it lived in ended.
    fn commands(&self) -> Result<mpsc::UnboundedSender<Command>, Error> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commands) = commands.as_ref().filter(|c| !c.is_closed()) {
            return Ok(commands.clone());
        }
        let rng = crate::clock::system_rng().map_err(|e| Error::Setup(e.to_string()))?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let driver = Driver::new(self.settings.clone(), rng, Arc::clone(&self.ignored));
        tokio::spawn(driver.run(receiver));
        *commands = Some(sender.clone());
        Ok(sender)
    }
}

struct Driver {
    settings: Settings,
    client: Client,
    clock: Clock,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    waiting: BTreeMap<RequestId, Answer>,
    ignored: Arc<AtomicU64>,
}

impl Driver {
    fn new(settings: Settings, rng: Rng, ignored: Arc<AtomicU64>) -> Driver {
        let client = Client::new(settings.client, rng);
        let waiting = BTreeMap::new();
        Driver { settings, client, clock: Clock::start(), v4: None, v6: None, waiting, ignored }
    }

    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let (mut buffer4, mut buffer6) = (vec![0; DATAGRAM_LEN], vec![0; DATAGRAM_LEN]);
        let mut counted = 0;
        loop {
            let deadline = self.drain().await;
            self.ignored.fetch_add(self.client.ignored() - counted, Ordering::Relaxed);
            counted = self.client.ignored();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => return,
                },
                got = receive(self.v4.as_ref(), &mut buffer4) => match got {
                    Ok((len, from)) => self.datagram(from, &buffer4[..len]),
                    Err(error) => forget_broken(&mut self.v4, &error),
                },
                got = receive(self.v6.as_ref(), &mut buffer6) => match got {
                    Ok((len, from)) => self.datagram(from, &buffer6[..len]),
                    Err(error) => forget_broken(&mut self.v6, &error),
                },
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }

    fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.client.handle(self.clock.now(), Input::Datagram { from, bytes });
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Ask { id, to, call, answer } => match self.socket(to.ip()).await {
                Ok(_) => {
                    self.waiting.insert(id, answer);
                    self.client.handle(self.clock.now(), Input::Ask { id, to, call });
                }
                Err(source) => {
                    // Whoever asked may have left already.
                    let _ = answer.send(Err(Error::Io { what: "the UDP socket can't be opened", source }));
                }
            },
            Command::Cancel(id) => {
                self.waiting.remove(&id);
                self.client.handle(self.clock.now(), Input::Cancel(id));
            }
        }
    }

    /// Does what the machine wants, and says when it wants more.
    async fn drain(&mut self) -> types::Time {
        loop {
            match self.client.poll(self.clock.now()) {
                Output::Transmit { to, datagram } => {
                    // What can't be sent counts as lost: the machine sends it again.
                    if let Ok(socket) = self.socket(to.ip()).await {
                        let _ = socket.send_to(&datagram, to).await;
                    }
                }
                Output::Done { id, result } => {
                    let result = result.map_err(|error| match error {
                        UdpError::TimedOut { to, tries } => Error::UdpTimeout { to, tries },
                        UdpError::Reply(error) => Error::Reply(error),
                        _ => Error::Closed,
                    });
                    if let Some(answer) = self.waiting.remove(&id) {
                        let _ = answer.send(result);
                    }
                }
                Output::Wait(deadline) => return deadline,
            }
        }
    }

    async fn socket(&mut self, to: IpAddr) -> io::Result<&UdpSocket> {
        let (slot, bind) = match to {
            IpAddr::V4(_) => (&mut self.v4, IpAddr::V4(self.settings.bind_v4)),
            IpAddr::V6(_) => (&mut self.v6, IpAddr::V6(self.settings.bind_v6)),
        };
        let socket = match slot.take() {
            Some(socket) => socket,
            None => UdpSocket::bind((bind, 0)).await?,
        };
        Ok(slot.insert(socket))
    }
}

/// Waits for ever where there is no socket.
async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

/// Some systems report an unreachable tracker on the socket that asked it; on any other error a new one is opened when
/// it is needed.
fn forget_broken(socket: &mut Option<UdpSocket>, error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused) {
        *socket = None;
    }
}
