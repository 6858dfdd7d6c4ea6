//! Connections for the load generator and the floor: one thread, readiness, no buffers but its own.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::net::{AddressFamily, SocketType};
use types::{InfoHash, PeerId};
use wire::{Handshake, Reserved};

use crate::Result;

/// Readiness of many sockets.
pub(crate) struct Poll {
    epoll: rustix::fd::OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(crate) fn new() -> Result<Poll> {
        Ok(Poll { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(1024) })
    }

    /// Watches a socket for reading.
    pub(crate) fn add(&self, socket: impl AsFd, key: usize) -> Result {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key as u64), epoll::EventFlags::IN)?)
    }

    /// Watches it for writing too, or no longer.
    pub(crate) fn writing(&self, socket: impl AsFd, key: usize, on: bool) -> Result {
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, on);
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(key as u64), flags)?)
    }

    /// Waits, no longer than that, and names the sockets that are ready.
    pub(crate) fn wait(&mut self, ready: &mut Vec<usize>, most: Option<Duration>) -> Result {
        self.events.clear();
        let most = most.map(Timespec::try_from).transpose()?;
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), most.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            outcome => drop(outcome?),
        }
        ready.clear();
        ready.extend(self.events.iter().map(|event| event.data.u64() as usize));
        Ok(())
    }
}

/// Whether an error only says that there is nothing to do now.
pub(crate) fn later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Connects from an address of its own: clients count connections by address. Tries until the other side is there.
pub(crate) fn dial(number: usize, to: SocketAddr) -> Result<TcpStream> {
    let start = Instant::now();
    loop {
        match connect(number, to) {
            Ok(stream) => return Ok(stream),
            Err(error) if start.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn connect(number: usize, to: SocketAddr) -> Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let host = u8::try_from(number % 250)? + 2;
    let from = Ipv4Addr::new(127, 1, u8::try_from(number / 250)?, host);
    rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
    rustix::net::connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The handshake of a peer that knows no extension: every client knows what such a one says.
pub(crate) fn handshake(info_hash: [u8; 20], number: usize) -> [u8; Handshake::LEN] {
    let mut id = *b"-RB0001-000000000000";
    id[12..].copy_from_slice(format!("{number:08}").as_bytes());
    Handshake { reserved: Reserved::NONE, info_hash: InfoHash(info_hash), peer_id: PeerId(id) }.encode()
}
