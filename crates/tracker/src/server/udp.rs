//! The UDP side of the server.

use std::net::SocketAddr;

use types::Time;

use super::http::push_compact;
use super::{Refused, Server, ServerConfig};
use crate::message::AnnounceRequest;
use crate::udp::{Request, Response};

pub(super) fn answer(server: &mut Server, now: Time, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
    // What is no request gets no answer: its sender may be made up.
    let request = Request::decode(datagram).ok()?;
    let ip = from.ip();
    let connected = |server: &Server, id| server.is_connected(now, ip, id);
    let reply = match request {
        Request::Connect { transaction } => {
            Response::Connect { transaction, connection: server.new_connection(now, ip) }.encode()
        }
        Request::Announce { connection, transaction, .. }
        | Request::Scrape { connection, transaction, .. }
            if !connected(server, connection) =>
        {
            let reply = refuse(transaction, Refused::Connection);
            return (reply.len() <= datagram.len()).then_some(reply);
        }
        Request::Announce { transaction, announce, .. } => match announced(server, now, from, &announce) {
            Ok(body) => body.encode(transaction),
            Err(reason) => refuse(transaction, reason),
        },
        Request::Scrape { transaction, hashes, .. } => {
            let count = |hash: &_| {
                let counts = server.counts(*hash).filter(|_| server.is_allowed(*hash));
                counts.unwrap_or_default()
            };
            Response::Scrape { transaction, counts: hashes.iter().map(count).collect() }.encode()
        }
    };
    Some(reply)
}

/// What an announce is answered with.
struct Body {
    interval: u32,
    leechers: u32,
    seeders: u32,
    peers: Vec<u8>,
}

impl Body {
    fn encode(&self, transaction: u32) -> Vec<u8> {
        let Body { interval, leechers, seeders, ref peers } = *self;
        Response::Announce { transaction, interval, leechers, seeders, peers }.encode()
    }
}

fn announced(
    server: &mut Server,
    now: Time,
    from: SocketAddr,
    request: &AnnounceRequest,
) -> Result<Body, Refused> {
    let answer = server.announce(now, from.ip(), request, ServerConfig::UDP_PEERS, true)?;
    let counts = answer.counts.public();
    let mut peers = Vec::new();
    // The form follows from the family of the datagram, so only that family can be in it.
    for peer in answer.peers.iter().filter(|p| p.addr.is_ipv4() == from.is_ipv4()) {
        push_compact(peer.addr, &mut peers);
    }
    let interval = server.config.interval.as_secs().min(i32::MAX as u64) as u32;
    Ok(Body { interval, leechers: counts.leechers, seeders: counts.seeders, peers })
}

fn refuse(transaction: u32, reason: Refused) -> Vec<u8> {
    Response::Error { transaction, message: reason.to_string().as_bytes() }.encode()
}
