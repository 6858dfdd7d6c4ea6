//! The tracker client against our own server, and against servers that mean no good. Loopback only.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use riverrun_net::tracker::{Builder, Error, Resolve, Resolving, Roots, TrackerClient};
use riverrun_net::tracker_server::{HttpLimits, TrackerServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tracker::server::ServerConfig;
use tracker::udp::{Request, Response};
use tracker::url::Refusal;
use tracker::{
    AnnounceEvent, AnnounceRequest, Announcer, AnnouncerConfig, AnnouncerEvent, AnnouncerInput, FailureKind,
    Family, ReplyError, Retry, Schedule, ScheduleConfig, ScheduleInput, ScheduleOutput, Status, SwarmCounts,
    TorrentKey, TrackerUrl,
};
use types::{InfoHash, InfoHashes, PeerId, Rng, Time};

const HASH: InfoHash = InfoHash([0xfe; 20]);

fn url(text: &str) -> TrackerUrl {
    TrackerUrl::parse(text).unwrap()
}

fn request(port: u16) -> AnnounceRequest {
    let mut r = AnnounceRequest::new(HASH, PeerId(*b"-RR0100-abcdefghijkl"), port);
    r.event = AnnounceEvent::Started;
    r
}

fn client() -> TrackerClient {
    TrackerClient::builder().build().unwrap()
}

/// An HTTP server that answers each request with what `answer` makes of its head. Returns its address.
async fn fake(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let reply = answer(&String::from_utf8_lossy(&head));
                let _ = stream.write_all(&reply).await;
                if reply.is_empty() {
                    // Hangs until the client leaves.
                    let _ = stream.read_u8().await;
                }
            });
        }
    });
    addr
}

fn http(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let mut out =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n", body.len())
            .into_bytes();
    out.extend(body);
    out
}

fn redirect(to: &str) -> Vec<u8> {
    http("302 Found", &format!("Location: {to}\r\n"), b"")
}

/// Asks a fake server and returns the error.
async fn error_of(client: &TrackerClient, addr: SocketAddr) -> Error {
    client.announce(&url(&format!("http://{addr}/announce")), &request(1)).await.unwrap_err()
}

async fn server() -> TrackerServer {
    let any: Option<SocketAddr> = "127.0.0.1:0".parse().ok();
    TrackerServer::bind(any, any, ServerConfig::default()).await.unwrap()
}

#[tokio::test]
async fn both_protocols_lead_to_the_same_swarm() {
    let (server, client) = (server().await, client());
    let urls: Vec<TrackerUrl> = server.announce_urls().iter().map(|u| url(u)).collect();
    assert_eq!(urls.len(), 2);
    let first = client.announce(&urls[0], &request(1001)).await.unwrap();
    assert_eq!((first.leechers, first.peers.len()), (Some(1), 0));
    assert_eq!(first.external_ip, Some("127.0.0.1".parse().unwrap()));
    let mut seeder = request(1002);
    seeder.left = 0;
    let second = client.announce(&urls[1], &seeder).await.unwrap();
    assert_eq!(second.peers[0].addr, "127.0.0.1:1001".parse().unwrap());
    let counts = SwarmCounts { seeders: 1, downloads: 0, leechers: 1 };
    for url in &urls {
        assert_eq!(client.scrape(url, &[HASH]).await.unwrap().swarms, [(HASH, counts)]);
    }
    assert_eq!((server.totals(), server.counts(HASH)), ((1, 2), Some(counts)));
    let mut leave = request(1001);
    leave.event = AnnounceEvent::Stopped;
    client.announce(&urls[1], &leave).await.unwrap();
    assert_eq!(server.totals(), (1, 1));
}

#[tokio::test]
async fn ipv6_is_served_and_asked_for() {
    let any: Option<SocketAddr> = "[::1]:0".parse().ok();
    let Ok(server) = TrackerServer::bind(any, any, ServerConfig::default()).await else {
        // This machine has no IPv6.
        return;
    };
    let client = client();
    for text in server.announce_urls() {
        let mut r = request(7);
        r.family = Family::V6;
        client.announce(&url(&text), &r).await.unwrap();
        r.port = 8;
        let reply = client.announce(&url(&text), &r).await.unwrap();
        assert_eq!(reply.peers[0].addr, "[::1]:7".parse().unwrap());
        r.family = Family::V4;
        let error = client.announce(&url(&text), &r).await.unwrap_err();
        assert_eq!(error.failure().kind, FailureKind::NoAddress, "{error}");
        r.port = 7;
        r.event = AnnounceEvent::Stopped;
        r.family = Family::Any;
        client.announce(&url(&text), &r).await.unwrap();
    }
}

#[tokio::test]
async fn many_announces_share_a_few_connections() {
    let opened = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let count = Arc::clone(&opened);
    // Keeps its connections open, and answers forever.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nd8:intervali900ee";
                        stream.write_all(reply).await.unwrap();
                    }
                }
            });
        }
    });
    let client = TrackerClient::builder().per_host(3).build().unwrap();
    let target = url(&format!("http://{addr}/announce"));
    let mut work = tokio::task::JoinSet::new();
    for port in 0..200 {
        let (client, target) = (client.clone(), target.clone());
        work.spawn(async move { client.announce(&target, &request(port)).await.unwrap() });
    }
    assert_eq!(work.join_all().await.len(), 200);
    assert!(opened.load(Ordering::SeqCst) <= 3, "{opened:?}");
}

#[tokio::test]
async fn refusals_and_nonsense_are_told_apart() {
    let client = client();
    let addr = fake(|_| http("200 OK", "", b"<html><title>Welcome</title>")).await;
    let error = error_of(&client, addr).await;
    assert_eq!(error.to_string(), "not a tracker's answer: an HTML page titled \"Welcome\"");
    assert_eq!(error.code(), "tracker-reply");
    let addr = fake(|_| http("404 Not Found", "", b"<html>")).await;
    assert!(matches!(error_of(&client, addr).await, Error::Status { status: 404, .. }));
    let addr = fake(|_| http("503 Busy", "", b"d14:failure reason4:busy8:retry ini3ee")).await;
    let error = error_of(&client, addr).await;
    assert_eq!(error.failure().kind, FailureKind::Refused(Retry::After(Duration::from_secs(180))));
    let addr = fake(|_| b"nonsense\r\n\r\n".to_vec()).await;
    assert!(matches!(error_of(&client, addr).await, Error::Http { .. }));
    let error = client.scrape(&url(&format!("http://{addr}/a")), &[HASH]).await.unwrap_err();
    assert!(matches!(error, Error::NoScrape | Error::Refusal(_)));
}

#[tokio::test]
async fn the_request_says_who_asks_and_what() {
    let client = TrackerClient::builder().user_agent("tester/9").build().unwrap();
    let addr = fake(|head| {
        assert!(head.starts_with("GET /announce?pass=1&info_hash=%FE%FE"), "{head}");
        assert!(head.to_lowercase().contains("\r\nuser-agent: tester/9\r\n"), "{head}");
        assert!(head.contains("Basic dTpw"), "{head}");
        http("200 OK", "", b"d8:intervali900ee")
    })
    .await;
    client.announce(&url(&format!("http://u:p@{addr}/announce?pass=1")), &request(1)).await.unwrap();
}

#[tokio::test]
async fn bodies_have_a_limit_packed_or_not() {
    let client = client();
    let addr = fake(|_| http("200 OK", "", &vec![b'd'; (1 << 20) + 1])).await;
    assert!(matches!(error_of(&client, addr).await, Error::TooLarge { .. }));
    // Without a length.
    let addr = fake(|_| {
        let mut out = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        out.extend(vec![b'd'; 2 << 20]);
        out
    })
    .await;
    assert!(matches!(error_of(&client, addr).await, Error::TooLarge { .. }));
    // A bomb: 64 MiB in 64 KiB.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..64).for_each(|_| packed.write_all(&vec![0; 1 << 20]).unwrap());
    let packed = packed.finish().unwrap();
    let addr = fake(move |_| http("200 OK", "Content-Encoding: gzip\r\n", &packed)).await;
    assert!(matches!(error_of(&client, addr).await, Error::TooLarge { .. }));
    // And an honest packed answer.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"d8:intervali900e5:peers6:\x01\x02\x03\x04\x00\x50e").unwrap();
    let packed = packed.finish().unwrap();
    let addr = fake(move |head| {
        assert!(head.to_lowercase().contains("accept-encoding: gzip"), "{head}");
        http("200 OK", "Content-Encoding: gzip\r\n", &packed)
    })
    .await;
    let reply = client.announce(&url(&format!("http://{addr}/announce")), &request(1)).await.unwrap();
    assert_eq!(reply.peers.len(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    let client = TrackerClient::builder().total_timeout(Duration::from_millis(50)).build().unwrap();
    let addr = fake(|_| Vec::new()).await;
    assert!(matches!(error_of(&client, addr).await, Error::Timeout { .. }));
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_not_six() {
    let hops = |last: usize| {
        move |head: &str| {
            let n: usize = head["GET /announce".len()..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .unwrap_or(0);
            if n == last {
                http("200 OK", "", b"d8:intervali900ee")
            } else {
                redirect(&format!("/announce{}?x=1", n + 1))
            }
        }
    };
    let client = client();
    let addr = fake(hops(5)).await;
    client.announce(&url(&format!("http://{addr}/announce")), &request(1)).await.unwrap();
    let addr = fake(hops(6)).await;
    assert!(matches!(error_of(&client, addr).await, Error::Refusal(Refusal::TooManyRedirects)));
    let addr = fake(|_| redirect("/announce")).await;
    assert!(matches!(error_of(&client, addr).await, Error::Refusal(Refusal::TooManyRedirects)));
}

#[tokio::test]
async fn redirects_obey_the_rules() {
    let client = client();
    for (to, what) in [
        ("/admin", "begins with /announce"),
        ("ftp://127.0.0.1/announce", "neither http nor https"),
        ("http://xn--bcher-kva.example/announce", "internationalised"),
        ("http://[::/", "no URL"),
    ] {
        let addr = fake(move |_| redirect(to)).await;
        let error = error_of(&client, addr).await;
        assert!(matches!(error, Error::Refusal(_) | Error::Redirect { .. }), "{to}: {error:?}");
        assert!(error.to_string().contains(what), "{to}: {error}");
        // The URL itself is fine: it may be asked again when the redirect has gone.
        assert_eq!(error.failure().kind, FailureKind::Unreachable, "{to}");
    }
    let addr = fake(|head| {
        if head.starts_with("GET /announce") { redirect("/elsewhere") } else { http("200 OK", "", b"de") }
    })
    .await;
    let relaxed = TrackerClient::builder().allow_local(true).build().unwrap();
    relaxed.announce(&url(&format!("http://{addr}/announce")), &request(1)).await.unwrap();
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let other = fake(|head| {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        http("200 OK", "", b"de")
    })
    .await;
    let first = fake(move |head| {
        assert!(head.contains("Basic"), "{head}");
        if head.starts_with("GET /announce2") {
            redirect(&format!("http://{other}/announce"))
        } else {
            redirect("/announce2")
        }
    })
    .await;
    client().announce(&url(&format!("http://u:p@{first}/announce")), &request(1)).await.unwrap();
}

/// Every name is at this address.
struct At(IpAddr);

impl Resolve for At {
    fn resolve(&self, _: &str) -> Resolving {
        let addr = self.0;
        Box::pin(async move { Ok(vec![addr]) })
    }
}

fn resolving_to(addr: &str) -> Builder {
    TrackerClient::builder().resolver(At(addr.parse().unwrap()))
}

#[tokio::test]
async fn names_that_lead_inside_are_caught_after_look_up() {
    let client = resolving_to("127.0.0.1").build().unwrap();
    for text in ["http://innocent.example/x", "https://innocent.example/x", "udp://innocent.example:53/x"] {
        let error = client.announce(&url(text), &request(1)).await.unwrap_err();
        assert!(matches!(error, Error::Refusal(Refusal::Address { .. })), "{text}: {error}");
    }
    let addr = fake(|head| {
        assert!(head.contains("innocent.example"), "{head}");
        http("200 OK", "", b"de")
    })
    .await;
    let text = format!("http://innocent.example:{}/announce", addr.port());
    client.announce(&url(&text), &request(1)).await.unwrap();
    let mut r = request(1);
    r.family = Family::V6;
    let error = client.announce(&url(&text), &r).await.unwrap_err();
    assert!(matches!(error, Error::NoAddress { .. }), "{error}");
}

#[tokio::test]
async fn certificates_are_verified() {
    let made = rcgen::generate_simple_self_signed(["tracker.example".to_owned()]).unwrap();
    let (cert, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let config = tokio_rustls::rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key.try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 2048];
            let _ = tls.read(&mut head).await;
            let _ = tls.write_all(&http("200 OK", "", b"d8:intervali900ee")).await;
            let _ = tls.shutdown().await;
        }
    });
    let target = url(&format!("https://tracker.example:{port}/announce"));
    for roots in [Roots::System, Roots::Bundled] {
        let strict = resolving_to("127.0.0.1").roots(roots).build().unwrap();
        let error = strict.announce(&target, &request(1)).await.unwrap_err();
        assert!(matches!(&error, Error::Http { problem, .. } if problem.contains("certificate")), "{error}");
    }
    let trusting = resolving_to("127.0.0.1").roots(Roots::Pem(made.cert.pem().into_bytes())).build().unwrap();
    trusting.announce(&target, &request(1)).await.unwrap();
    // The right signer, the wrong name.
    let target = url(&format!("https://other.example:{port}/announce"));
    let error = trusting.announce(&target, &request(1)).await.unwrap_err();
    assert!(matches!(error, Error::Http { .. }), "{error}");
}

#[tokio::test]
async fn torrent_files_are_fetched_within_their_limits() {
    let client = client();
    let addr = fake(|head| match head.split(' ').nth(1) {
        Some("/a.torrent") => http("200 OK", "", b"d4:infodee"),
        Some("/moved") => redirect("/a.torrent"),
        Some("/big") => http("200 OK", "", &vec![0; types::limits::METAINFO_LEN + 1]),
        _ => http("404 Not Found", "", b""),
    })
    .await;
    assert_eq!(client.fetch_metainfo(&format!("http://{addr}/a.torrent")).await.unwrap(), b"d4:infodee");
    assert_eq!(client.fetch_metainfo(&format!("http://{addr}/moved")).await.unwrap(), b"d4:infodee");
    let error = client.fetch_metainfo(&format!("http://{addr}/big")).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit, .. } if limit == types::limits::METAINFO_LEN));
    let error = client.fetch_metainfo(&format!("http://{addr}/none")).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 404, .. }));
    assert!(matches!(client.fetch_metainfo("udp://a:1/").await.unwrap_err(), Error::Refusal(_)));
    assert!(matches!(client.fetch_metainfo("a.torrent").await.unwrap_err(), Error::Url(_)));
}

#[tokio::test]
async fn udp_answers_with_wrong_ids_are_ignored() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
            let (right, wrong) = match Request::decode(&buffer[..len]).unwrap() {
                Request::Connect { transaction } => (
                    Response::Connect { transaction, connection: 5 }.encode(),
                    Response::Connect { transaction: transaction ^ 1, connection: 6 }.encode(),
                ),
                Request::Announce { transaction, connection, .. } => {
                    assert_eq!(connection, 5);
                    let message = b"no room";
                    (
                        Response::Error { transaction, message }.encode(),
                        Response::Error { transaction: transaction ^ 1, message: b"wrong" }.encode(),
                    )
                }
                Request::Scrape { .. } => return,
            };
            for reply in [&wrong, &[1, 2, 3][..].to_vec(), &right] {
                socket.send_to(reply, from).await.unwrap();
            }
        }
    });
    let client = client();
    let error = client.announce(&url(&format!("udp://{addr}")), &request(1)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Reply(ReplyError::Refused { reason, .. }) if reason == "no room"),
        "{error}"
    );
    assert!(client.ignored_datagrams() >= 3);
}

#[tokio::test(start_paused = true)]
async fn udp_gives_up_and_can_be_dropped() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = url(&format!("udp://{}", silent.local_addr().unwrap()));
    let client = client();
    {
        // Dropped half way: forgotten.
        let request = request(1);
        let asked = client.announce(&target, &request);
        assert!(tokio::time::timeout(Duration::from_secs(1), asked).await.is_err());
    }
    let error = client.announce(&target, &request(1)).await.unwrap_err();
    assert!(matches!(error, Error::UdpTimeout { tries: 2, .. }), "{error}");
}

#[tokio::test]
async fn what_may_not_be_asked_is_not_asked() {
    let client = client();
    for (text, code) in [
        ("http://127.0.0.1:1/admin", "tracker-refused-by-rule"),
        ("http://t.example/announce?info_hash=x", "tracker-refused-by-rule"),
        ("wss://t.example/announce", "tracker-refused-by-rule"),
    ] {
        let error = client.announce(&url(text), &request(1)).await.unwrap_err();
        assert_eq!((error.code(), error.failure().kind), (code, FailureKind::Unusable), "{text}");
    }
    // Nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = error_of(&client, free).await;
    assert_eq!((error.code(), error.failure().kind), ("tracker-http", FailureKind::Unreachable));
}

#[tokio::test]
async fn the_server_bounds_what_http_clients_send() {
    let any: Option<SocketAddr> = "127.0.0.1:0".parse().ok();
    let limits =
        HttpLimits { connections: 2, head_timeout: Duration::from_millis(50), ..HttpLimits::default() };
    let server = TrackerServer::bind_with(any, None, ServerConfig::default(), limits).await.unwrap();
    let addr = server.http_addr().unwrap();
    let send = |bytes: Vec<u8>| async move {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        // The server may close before it has read all of it.
        let _ = stream.write_all(&bytes).await;
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8_lossy(&reply).into_owned()
    };
    let long = format!("GET /announce HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    assert!(send(long.into_bytes()).await.starts_with("HTTP/1.1 431"));
    assert!(send(b"nonsense\r\n\r\n".to_vec()).await.starts_with("HTTP/1.1 400"));
    let post = b"POST /announce HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec();
    assert!(send(post).await.starts_with("HTTP/1.1 405"));
    // Those who send half a head are closed, so that a third gets its turn.
    let (a, b) = tokio::join!(send(b"GET /".to_vec()), send(b"GET /".to_vec()));
    assert!(!a.contains("200") && !b.contains("200"));
    let root = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec();
    assert!(send(root).await.contains("This is a BitTorrent tracker"));
}

/// What a client's control plane does: the schedule says what to ask, the client asks, the answers go back.
#[tokio::test]
async fn a_schedule_drives_the_client() {
    let (server, client) = (server().await, client());
    let tiers = |text: &str| vec![vec![url(text)]];
    let mut schedule = Schedule::new(ScheduleConfig { per_host: 2, total: 8 });
    for n in 0..40u8 {
        let hashes = InfoHashes::v1(InfoHash([n / 2; 20]));
        let text = &server.announce_urls()[usize::from(n % 2)];
        let config = AnnouncerConfig::new(hashes, PeerId([n; 20]), tiers(text));
        let announcer = Box::new(Announcer::new(config, Rng::from_number(n.into())));
        let key = TorrentKey(n.into());
        schedule.handle(Time::ZERO, ScheduleInput::Add(key, announcer));
        let status = Status { port: 1000 + u16::from(n), ..Status::default() };
        schedule.handle(Time::ZERO, ScheduleInput::Torrent(key, AnnouncerInput::Status(status)));
        schedule.handle(Time::ZERO, ScheduleInput::Torrent(key, AnnouncerInput::Start));
    }
    let mut under_way = tokio::task::JoinSet::new();
    let (mut peers, mut answers) = (0, 0);
    loop {
        match schedule.poll(Time::ZERO) {
            ScheduleOutput::Announce { ticket, tracker, request } => {
                let client = client.clone();
                under_way.spawn(async move {
                    let outcome = client.announce(&tracker, &request).await;
                    ScheduleInput::Announced(ticket, outcome.map_err(|error| error.failure()))
                });
                assert!(under_way.len() <= 4);
            }
            ScheduleOutput::Event(_, AnnouncerEvent::Announced { peers: found, event, .. }) => {
                peers += found.len();
                answers += 1;
                if answers == 40 {
                    assert_eq!((server.totals(), peers), ((20, 40), 20));
                    schedule.handle(Time::ZERO, ScheduleInput::Shutdown);
                }
                assert_eq!(event, AnnounceEvent::Started);
            }
            ScheduleOutput::Wait(_) => {
                let input = under_way.join_next().await.expect("something is under way").unwrap();
                schedule.handle(Time::ZERO, input);
            }
            ScheduleOutput::Drained => break,
            ScheduleOutput::Event(_, AnnouncerEvent::Stopped) | ScheduleOutput::Removed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.totals(), (0, 0));
}

#[tokio::test]
async fn dropping_the_server_closes_its_sockets() {
    let server = server().await;
    let addr = server.http_addr().unwrap();
    let mut held = tokio::net::TcpStream::connect(addr).await.unwrap();
    client().announce(&url(&server.announce_urls()[0]), &request(1)).await.unwrap();
    drop(server);
    let mut rest = Vec::new();
    let _ = held.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
