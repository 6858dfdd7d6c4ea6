//! What must hold for any bytes. The property tests, the corpus test and the fuzz targets all run this.
#![allow(dead_code, reason = "each fuzz target includes this file and uses one of its checks")]

use std::net::SocketAddr;
use std::time::Duration;

use riverrun_tracker::server::{Server, ServerConfig};
use riverrun_tracker::udp::{Call, Client, ClientConfig, Input, Output, Request, RequestId, Response};
use riverrun_tracker::{
    AnnounceReply, AnnounceRequest, Announcer, AnnouncerConfig, AnnouncerEvent, AnnouncerInput,
    AnnouncerOutput, ReplyError, TrackerUrl, http,
};
use types::{InfoHash, InfoHashes, PeerId, Rng, Time, limits};

const HASH: InfoHash = InfoHash([b'x'; 20]);

fn is_clean(text: &str) -> bool {
    text.chars().count() <= 300 && !text.chars().any(char::is_control)
}

/// Reads `bytes` as the body of an announce and of a scrape.
pub(crate) fn check_http_reply(bytes: &[u8]) {
    match http::parse_announce(bytes) {
        Ok(reply) => check_reply(reply),
        Err(ReplyError::Refused { reason, .. } | ReplyError::NotBencode { what: reason }) => {
            assert!(reason.chars().count() <= 400 && !reason.chars().any(char::is_control), "{reason:?}");
        }
        Err(_) => {}
    }
    let asked = [HASH, InfoHash([b'y'; 20])];
    if let Ok(reply) = http::parse_scrape(bytes, &asked) {
        assert!(reply.swarms.len() <= 2 && reply.swarms.iter().all(|(hash, _)| asked.contains(hash)));
    }
}

/// What a reply may hold, and that an announcer makes a sane waiting time of it.
fn check_reply(reply: AnnounceReply) {
    assert!(reply.peers.len() <= limits::TRACKER_PEERS);
    assert!(reply.peers.iter().all(|p| p.addr.port() != 0 && !p.addr.ip().is_multicast()));
    assert!(reply.warning.as_deref().is_none_or(is_clean));
    assert!(reply.interval != Some(Duration::ZERO) && reply.min_interval != Some(Duration::ZERO));
    let tracker = TrackerUrl::parse("http://t.example/announce").expect("a URL");
    let config = AnnouncerConfig::new(InfoHashes::v1(HASH), PeerId([1; 20]), vec![vec![tracker]]);
    let mut announcer = Announcer::new(config, Rng::from_number(1));
    announcer.handle(Time::ZERO, AnnouncerInput::Start);
    let AnnouncerOutput::Job(job) = announcer.poll(Time::ZERO) else { panic!("no announce") };
    announcer.handle(Time::ZERO, AnnouncerInput::Announced { ticket: job.ticket, outcome: Ok(reply) });
    let AnnouncerOutput::Event(AnnouncerEvent::Announced { next, .. }) = announcer.poll(Time::ZERO) else {
        panic!("no news")
    };
    assert!((60..=6 * 3600).contains(&next.as_secs()), "{next:?}");
}

/// Reads `bytes` as a datagram in both directions, and has a client take it in each of its states.
pub(crate) fn check_udp(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
    if let Ok(response) = Response::decode(bytes) {
        assert_eq!(Response::decode(&response.encode()), Ok(response));
    }
    for to in ["192.0.2.1:80", "[2001:db8::1]:80"] {
        let to: SocketAddr = to.parse().expect("an address");
        for call in [
            Call::Announce {
                request: Box::new(AnnounceRequest::new(HASH, PeerId([1; 20]), 1)),
                url_data: String::new(),
            },
            Call::Scrape(vec![HASH; 2]),
        ] {
            drive_client(bytes, to, call);
        }
    }
}

fn drive_client(bytes: &[u8], to: SocketAddr, call: Call) {
    let mut client = Client::new(ClientConfig::default(), Rng::from_number(1));
    client.handle(Time::ZERO, Input::Ask { id: RequestId(1), to, call });
    let mut done = 0;
    for _ in 0..8 {
        match client.poll(Time::ZERO) {
            Output::Transmit { datagram, .. } => {
                // As it is, then as if it answered what was just asked.
                client.handle(Time::ZERO, Input::Datagram { from: to, bytes });
                let mut answer = bytes.to_vec();
                if let Some(transaction) = answer.get_mut(4..8) {
                    transaction.copy_from_slice(&datagram[12..16]);
                }
                client.handle(Time::ZERO, Input::Datagram { from: to, bytes: &answer });
                if let Ok(Request::Connect { transaction }) = Request::decode(&datagram) {
                    let bytes = &Response::Connect { transaction, connection: 1 }.encode()[..];
                    client.handle(Time::ZERO, Input::Datagram { from: to, bytes });
                }
            }
            Output::Done { id, .. } => {
                assert_eq!(id, RequestId(1));
                done += 1;
            }
            Output::Wait(at) => {
                assert!(at > Time::ZERO);
                break;
            }
        }
    }
    assert!(done + client.in_flight() == 1);
}

/// Sends `bytes` to a server: each line as a request target, as the end of a good announce, and as a datagram.
pub(crate) fn check_server(bytes: &[u8]) {
    let config =
        ServerConfig { max_torrents: 3, max_peers: 4, max_total_peers: 8, ..ServerConfig::default() };
    let mut server = Server::new(config, Rng::from_number(1));
    let mut now = Time::ZERO;
    for (n, line) in bytes.split(|b| *b == b'\n').enumerate().take(64) {
        let from = SocketAddr::from(([192, 0, 2, n as u8], 1));
        let mut good =
            b"/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1&".to_vec();
        good.extend(line);
        for target in [line, &good] {
            let reply = server.http(now, from.ip(), "GET", target);
            let read = match target {
                [b'/', b'a', b'n', ..] if reply.status == 200 => http::parse_announce(&reply.body).map(drop),
                [b'/', b's', b'c', ..] if reply.status == 200 => {
                    http::parse_scrape(&reply.body, &[]).map(drop)
                }
                _ => Ok(()),
            };
            assert!(matches!(read, Ok(()) | Err(ReplyError::Refused { .. })), "{read:?}");
        }
        let reply = server.udp(now, from, line).unwrap_or_default();
        assert!(reply.len() <= line.len(), "an answer of {} to {}", reply.len(), line.len());
        check_connected(&mut server, now, from, line);
        assert!(server.torrents() <= 3 && server.peers() <= 8);
        now += Duration::from_secs(line.len() as u64 * 10);
    }
}

/// The same datagram from somebody who has connected.
fn check_connected(server: &mut Server, now: Time, from: SocketAddr, datagram: &[u8]) {
    let connect = Request::Connect { transaction: 1 }.encode();
    let reply = server.udp(now, from, &connect).expect("a connect is answered");
    let mut datagram = datagram.to_vec();
    if let Some(connection) = datagram.get_mut(..8) {
        connection.copy_from_slice(&reply[8..16]);
        if let Some(reply) = server.udp(now, from, &datagram) {
            let response = Response::decode(&reply).expect("an answer decodes");
            assert_eq!(response.transaction().to_be_bytes(), datagram[12..16]);
        }
    }
}
