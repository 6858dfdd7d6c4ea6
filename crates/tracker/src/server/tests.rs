use super::*;
use crate::http::{announce_url, parse_announce, parse_scrape, scrape_url};
use crate::message::ReplyError;
use crate::udp::{Request, Response};
use crate::url::TrackerUrl;
use proptest::prelude::*;
use types::{PeerId, Rng};

fn server(config: ServerConfig) -> Server {
    Server::new(config, Rng::from_number(9))
}

fn request(n: u16, hash: u8, left: u64) -> AnnounceRequest {
    let mut r = AnnounceRequest::new(InfoHash([hash; 20]), PeerId([b'p'; 20]), n);
    r.left = left;
    r
}

fn target(r: &AnnounceRequest) -> Vec<u8> {
    let url = announce_url(&TrackerUrl::parse("http://t.example/announce").unwrap(), r);
    url.as_bytes()["http://t.example".len()..].to_vec()
}

fn ask(s: &mut Server, secs: u64, ip: &str, r: &AnnounceRequest) -> Result<crate::AnnounceReply, ReplyError> {
    let reply = s.http(Time::from_secs(secs), ip.parse().unwrap(), "GET", &target(r));
    assert_eq!(reply.status, 200);
    parse_announce(&reply.body)
}

#[test]
fn peers_find_each_other_over_http() {
    let mut s = server(ServerConfig::default());
    assert!(ask(&mut s, 0, "10.0.0.1", &request(1, 1, 5)).unwrap().peers.is_empty());
    let second = ask(&mut s, 1, "10.0.0.2", &request(2, 1, 0)).unwrap();
    assert_eq!(second.peers[0].addr, "10.0.0.1:1".parse().unwrap());
    assert_eq!(
        (second.seeders, second.leechers, second.interval),
        (Some(1), Some(1), Some(Duration::from_secs(1800)))
    );
    assert_eq!(second.external_ip, Some("10.0.0.2".parse().unwrap()));
    // A seeder gets no seeders; IPv6 peers travel beside the others.
    let third = ask(&mut s, 2, "2001:db8::3", &request(3, 1, 0)).unwrap();
    assert_eq!(third.peers.len(), 1);
    let first = ask(&mut s, 3, "::ffff:10.0.0.1", &request(1, 1, 5)).unwrap();
    assert_eq!((first.peers.len(), s.peers()), (2, 3));
    // Another swarm knows none of them.
    assert!(ask(&mut s, 4, "10.0.0.1", &request(1, 2, 5)).unwrap().peers.is_empty());
}

#[test]
fn the_long_form_is_served_on_request() {
    let mut s = server(ServerConfig::default());
    ask(&mut s, 0, "10.0.0.1", &request(1, 1, 5)).unwrap();
    let long = |s: &mut Server, more: &str| {
        let mut t = target(&request(2, 1, 5));
        let text = String::from_utf8(std::mem::take(&mut t)).unwrap().replace("compact=1", more);
        let reply = s.http(Time::ZERO, "10.0.0.2".parse().unwrap(), "GET", text.as_bytes());
        parse_announce(&reply.body).unwrap().peers[0]
    };
    assert_eq!(long(&mut s, "compact=0").id, Some(PeerId([b'p'; 20])));
    let bare = long(&mut s, "compact=0&no_peer_id=1");
    assert_eq!((bare.id, bare.addr), (None, "10.0.0.1:1".parse().unwrap()));
}

#[test]
fn stopped_completed_and_expiry_are_counted() {
    let mut s = server(ServerConfig::default());
    let mut r = request(1, 1, 5);
    ask(&mut s, 0, "10.0.0.1", &r).unwrap();
    (r.left, r.event) = (0, AnnounceEvent::Completed);
    for _ in 0..3 {
        assert_eq!(ask(&mut s, 1, "10.0.0.1", &r).unwrap().downloads, Some(1));
    }
    ask(&mut s, 2, "10.0.0.2", &request(2, 1, 5)).unwrap();
    r.event = AnnounceEvent::Stopped;
    let last = ask(&mut s, 3, "10.0.0.1", &r).unwrap();
    assert_eq!((last.peers.len(), last.seeders, last.leechers), (0, Some(0), Some(1)));
    assert_eq!((s.torrents(), s.peers()), (1, 1));
    ask(&mut s, 5000, "10.0.0.9", &request(9, 9, 5)).unwrap();
    assert_eq!((s.torrents(), s.peers()), (1, 1));
    assert_eq!(s.counts(InfoHash([1; 20])), None);
}

#[test]
fn refusals_are_sentences() {
    let config =
        ServerConfig { allow: Some([InfoHash([1; 20])].into()), max_peers: 1, ..ServerConfig::default() };
    let mut s = server(config);
    let why = |r: Result<crate::AnnounceReply, ReplyError>| r.unwrap_err().to_string();
    assert_eq!(
        why(ask(&mut s, 0, "10.0.0.1", &request(1, 2, 5))),
        "the tracker refused: this torrent is not tracked here"
    );
    ask(&mut s, 0, "10.0.0.1", &request(1, 1, 5)).unwrap();
    assert!(why(ask(&mut s, 0, "10.0.0.2", &request(1, 1, 5))).contains("swarm is full"));
    // Who is in already stays welcome.
    ask(&mut s, 0, "10.0.0.1", &request(1, 1, 0)).unwrap();
    assert!(why(ask(&mut s, 0, "10.0.0.1", &request(0, 1, 5))).contains("port is not valid: it is 0"));
    let raw = |s: &mut Server, target: &str| {
        let body = s.http(Time::ZERO, "10.0.0.1".parse().unwrap(), "GET", target.as_bytes()).body;
        parse_announce(&body).unwrap_err().to_string()
    };
    assert!(raw(&mut s, "/announce").contains("info_hash is missing"));
    assert!(raw(&mut s, "/announce?info_hash=abc").contains("not 20 bytes long"));
    let twenty = "a".repeat(20);
    assert!(
        raw(&mut s, &format!("/announce?info_hash={twenty}&peer_id={twenty}&port=x"))
            .contains("port is not valid")
    );
    assert!(raw(&mut s, "/scrape").contains("whole-tracker scrapes"));
}

#[test]
fn other_requests_get_their_status() {
    let mut s = server(ServerConfig::default());
    let mut status =
        |method: &str, target: &[u8]| s.http(Time::ZERO, "10.0.0.1".parse().unwrap(), method, target).status;
    assert_eq!(status("POST", b"/announce"), 405);
    assert_eq!(status("GET", b"/other"), 404);
    assert_eq!(status("GET", b"/"), 200);
    assert_eq!(status("GET", &[b'a'; 9000]), 414);
}

#[test]
fn limits_bound_answers_and_memory() {
    let config = ServerConfig { max_torrents: 3, max_total_peers: 300, ..ServerConfig::default() };
    let mut s = server(config);
    for n in 0..300 {
        let _ = ask(&mut s, 0, &format!("10.0.{}.{}", n / 250, n % 250), &request(1000 + n, 1, 5));
    }
    let mut r = request(1000, 1, 5);
    r.num_want = Some(u32::MAX);
    assert_eq!(ask(&mut s, 0, "10.0.0.0", &r).unwrap().peers.len(), 200);
    r.num_want = Some(7);
    assert_eq!(ask(&mut s, 0, "10.0.0.0", &r).unwrap().peers.len(), 7);
    r.num_want = Some(0);
    assert!(ask(&mut s, 0, "10.0.0.0", &r).unwrap().peers.is_empty());
    assert!(ask(&mut s, 0, "10.9.9.9", &request(1, 1, 5)).is_err());
    let config = ServerConfig { max_torrents: 3, ..ServerConfig::default() };
    let mut s = server(config);
    let taken = (0..9).filter(|n| ask(&mut s, 0, "10.0.0.1", &request(1, *n, 5)).is_ok()).count();
    assert_eq!((taken, s.torrents()), (3, 3));
}

#[test]
fn a_given_address_is_believed_only_where_configured() {
    for (trust, from, want) in
        [(false, "127.0.0.1", "127.0.0.1"), (true, "127.0.0.1", "9.9.9.9"), (true, "10.0.0.1", "10.0.0.1")]
    {
        let mut s = server(ServerConfig { trust_local_ip: trust, ..ServerConfig::default() });
        let mut r = request(1, 1, 5);
        r.ip = Some("9.9.9.9".parse().unwrap());
        ask(&mut s, 0, from, &r).unwrap();
        let seen = ask(&mut s, 0, "10.0.0.7", &request(2, 1, 5)).unwrap().peers[0].addr.ip();
        assert_eq!(seen.to_string(), want);
    }
}

#[test]
fn a_scrape_tells_the_counts_over_both_protocols() {
    let mut s = server(ServerConfig::default());
    ask(&mut s, 0, "10.0.0.1", &request(1, 1, 5)).unwrap();
    ask(&mut s, 0, "10.0.0.2", &request(1, 1, 0)).unwrap();
    let hashes = [InfoHash([1; 20]), InfoHash([2; 20])];
    let url = scrape_url(&TrackerUrl::parse("http://t.example/announce").unwrap(), &hashes).unwrap();
    let target = &url.as_bytes()["http://t.example".len()..];
    let body = s.http(Time::ZERO, "10.0.0.3".parse().unwrap(), "GET", target).body;
    let counts = SwarmCounts { seeders: 1, downloads: 0, leechers: 1 };
    assert_eq!(
        parse_scrape(&body, &hashes).unwrap().swarms,
        [(hashes[0], counts), (hashes[1], SwarmCounts::default())]
    );
    let from = "10.0.0.3:5".parse().unwrap();
    let connection = connect(&mut s, 0, from);
    let datagram = Request::Scrape { connection, transaction: 4, hashes: hashes.to_vec() }.encode();
    let reply = s.udp(Time::ZERO, from, &datagram).unwrap();
    let want = Response::Scrape { transaction: 4, counts: vec![counts, SwarmCounts::default()] };
    assert_eq!(Response::decode(&reply), Ok(want));
}

fn connect(s: &mut Server, secs: u64, from: SocketAddr) -> u64 {
    let reply = s.udp(Time::from_secs(secs), from, &Request::Connect { transaction: 3 }.encode()).unwrap();
    assert_eq!(reply.len(), 16);
    let Ok(Response::Connect { transaction: 3, connection }) = Response::decode(&reply) else { panic!() };
    connection
}

fn udp_announce(connection: u64, announce: AnnounceRequest) -> Vec<u8> {
    Request::Announce { connection, transaction: 8, announce, url_data: "/announce".into() }.encode()
}

#[test]
fn udp_and_http_share_the_swarms() {
    let mut s = server(ServerConfig::default());
    ask(&mut s, 0, "10.0.0.1", &request(1, 1, 5)).unwrap();
    ask(&mut s, 0, "2001:db8::1", &request(1, 1, 5)).unwrap();
    let from: SocketAddr = "10.0.0.2:999".parse().unwrap();
    let connection = connect(&mut s, 0, from);
    let reply = s.udp(Time::ZERO, from, &udp_announce(connection, request(2, 1, 5))).unwrap();
    let want = Response::Announce {
        transaction: 8,
        interval: 1800,
        leechers: 3,
        seeders: 0,
        peers: &[10, 0, 0, 1, 0, 1],
    };
    assert_eq!(Response::decode(&reply), Ok(want));
    let from: SocketAddr = "[2001:db8::2]:999".parse().unwrap();
    let connection = connect(&mut s, 0, from);
    let reply = s.udp(Time::ZERO, from, &udp_announce(connection, request(2, 1, 5))).unwrap();
    assert_eq!(reply.len(), 20 + 18);
}

#[test]
fn connection_ids_belong_to_an_address_and_a_time() {
    let mut s = server(ServerConfig::default());
    let (a, b): (SocketAddr, SocketAddr) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
    let id = connect(&mut s, 59, a);
    let mut try_at = |secs: u64, from: SocketAddr, id: u64| {
        let reply = s.udp(Time::from_secs(secs), from, &udp_announce(id, request(1, 1, 5))).unwrap();
        matches!(Response::decode(&reply), Ok(Response::Announce { .. }))
    };
    assert!(try_at(59, a, id) && try_at(179, a, id));
    assert!(!try_at(180, a, id), "expired");
    assert!(!try_at(59, b, id), "of another address");
    assert!(!try_at(59, a, id ^ 1), "guessed");
    // A table of ids would be another; two servers have two secrets.
    let other = Server::new(ServerConfig::default(), Rng::from_number(10));
    assert_ne!(other.new_connection(Time::from_secs(59), a.ip()), id);
}

#[test]
fn nobody_is_made_a_reflector() {
    let mut s = server(ServerConfig::default());
    let from = "10.0.0.1:1".parse().unwrap();
    for datagram in [vec![], vec![0; 15], vec![0; 16], vec![0xff; 98], udp_announce(1, request(1, 1, 1))] {
        let len = s.udp(Time::ZERO, from, &datagram).map_or(0, |reply| reply.len());
        assert!(len <= datagram.len(), "{len} for {}", datagram.len());
    }
    let scrape = Request::Scrape { connection: 1, transaction: 1, hashes: vec![InfoHash([1; 20])] }.encode();
    assert_eq!(s.udp(Time::ZERO, from, &scrape), None);
}

proptest! {
    #[test]
    fn no_request_panics(target in proptest::collection::vec(any::<u8>(), 0..200), datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut s = server(ServerConfig::default());
        s.http(Time::ZERO, "10.0.0.1".parse().unwrap(), "GET", &target);
        let mut announce = b"/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=aaaaaaaaaaaaaaaaaaaa&".to_vec();
        announce.extend(&target);
        let reply = s.http(Time::ZERO, "10.0.0.1".parse().unwrap(), "GET", &announce);
        prop_assert!(reply.status != 200 || bencode::parse(&reply.body, &bencode::Options::strict()).is_ok());
        s.udp(Time::ZERO, "10.0.0.1:1".parse().unwrap(), &datagram);
    }

    /// The store against a model of it: who is in, and how many have everything.
    #[test]
    fn swarms_match_a_model(ops in proptest::collection::vec((0u8..3, 0u8..12, any::<bool>(), 0u64..900), 1..150)) {
        let mut s = server(ServerConfig { expiry: Duration::from_secs(2000), ..ServerConfig::default() });
        let mut model = std::collections::BTreeMap::<(u8, u8), (bool, u64)>::new();
        let mut now = 0;
        let mut last_sweep = None;
        for (hash, host, seeder, wait) in ops {
            now += wait;
            if last_sweep.is_none_or(|at| now >= at + 60) {
                last_sweep = Some(now);
                model.retain(|_, (_, seen)| now - *seen <= 2000);
            }
            let mut r = request(7, hash, if seeder { 0 } else { 1 });
            if wait % 7 == 0 {
                r.event = AnnounceEvent::Stopped;
                model.remove(&(hash, host));
            } else {
                model.insert((hash, host), (seeder, now));
            }
            let reply = ask(&mut s, now, &format!("10.0.0.{host}"), &r).unwrap();
            let swarm: Vec<_> = model.iter().filter(|((h, _), _)| *h == hash).collect();
            let seeders = swarm.iter().filter(|(_, (seeder, _))| *seeder).count();
            prop_assert_eq!(reply.seeders, Some(seeders as u32));
            prop_assert_eq!(reply.leechers, Some((swarm.len() - seeders) as u32));
            prop_assert_eq!(s.peers(), model.len());
            let useful = swarm.iter().filter(|((_, h), (s, _))| *h != host && !(*s && seeder)).count();
            prop_assert_eq!(reply.peers.len(), if r.event == AnnounceEvent::Stopped { 0 } else { useful });
        }
    }
}
