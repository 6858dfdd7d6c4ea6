//! What a client tells of itself, byte by byte, at real sockets. On Linux, where all of 127/8 is this machine.
#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use metainfo::{Metainfo, Version};
use riverrun::{AddTorrent, ClientBuilder};
use support::{Payload, complete, guard, settings};

/// Where the client lives: nobody else speaks from there, so that every mention of it is the client's.
const HOME: [u8; 4] = [127, 0, 0, 3];

/// What came out of a client: every byte, in the order of each connection or datagram.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Vec<u8>>>>);

impl Heard {
    fn note(&self, bytes: &[u8]) {
        self.0.lock().unwrap().push(bytes.to_vec());
    }

    fn all(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }

    fn holds(&self, what: &[u8]) -> bool {
        let same = |window: &[u8]| window.eq_ignore_ascii_case(what);
        self.all().iter().any(|bytes| bytes.windows(what.len()).any(same))
    }
}

/// An HTTP tracker that has no peers, and how many announces it heard.
fn http_tracker(heard: Heard, told: mpsc::Sender<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request, mut byte) = (stream.unwrap(), Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                request.push(byte[0]);
            }
            heard.note(&request);
            let body = "d8:intervali1800e5:peers0:e";
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
            let _ = told.send(());
        }
    });
    url
}

/// The same over UDP (BEP 15).
fn udp_tracker(heard: Heard, told: mpsc::Sender<()>) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}/announce", socket.local_addr().unwrap());
    thread::spawn(move || {
        let mut datagram = [0; 2_048];
        while let Ok((len, from)) = socket.recv_from(&mut datagram) {
            heard.note(&datagram[..len]);
            let (action, transaction) = (&datagram[8..12], &datagram[12..16]);
            let mut reply = [action, transaction].concat();
            match action[3] {
                0 => reply.extend([7; 8]),
                _ => reply.extend([0, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
            }
            socket.send_to(&reply, from).unwrap();
            if action[3] != 0 {
                let _ = told.send(());
            }
        }
    });
    url
}

/// A peer of the torrent: greets, asks for what can be asked for, and reads to the end. Says when it was greeted.
fn peer(mut stream: TcpStream, metainfo: &Metainfo, id: u8, heard: Heard, told: mpsc::Sender<()>) {
    let mut hello = b"\x13BitTorrent protocol".to_vec();
    hello.extend([0, 0, 0, 0, 0, 0x10, 0, 4]);
    hello.extend(metainfo.info_hashes().primary().as_bytes());
    hello.extend([id; 20]);
    let extended =
        b"d1:md11:lt_donthavei4e12:ut_holepunchi5e11:ut_metadatai2e6:ut_pexi3e11:upload_onlyi6ee1:pi6881ee";
    // Have none, interested, the handshake of BEP 10, metadata piece 0, block 0.
    let mut messages = vec![vec![15], vec![2], [&[20, 0], &extended[..]].concat()];
    messages.push([&[20, 1], &b"d8:msg_typei0e5:piecei0ee"[..]].concat());
    messages.push([&[6], &[0; 8][..], &[0, 0, 64, 0]].concat());
    for message in messages {
        hello.extend((message.len() as u32).to_be_bytes());
        hello.extend(message);
    }
    thread::spawn(move || {
        stream.write_all(&hello).unwrap();
        let (mut all, mut some, mut greeted) = (Vec::new(), [0; 65_536], false);
        while let Ok(len @ 1..) = stream.read(&mut some) {
            all.extend_from_slice(&some[..len]);
            if !greeted && all.windows(4).any(|bytes| bytes == b"reqq") {
                greeted = true;
                let _ = told.send(());
            }
        }
        heard.note(&all);
        drop(told);
    });
}

/// What was heard of one client that seeds a public torrent and downloads a private one.
struct Run {
    http: Heard,
    udp: Heard,
    /// Of the peers of each torrent.
    peers: [Heard; 2],
}

fn torrents() -> [(Payload, Metainfo); 2] {
    let payloads = [Payload::single(100_000), Payload::files(&[70_000, 1_000])];
    let [public, private] = payloads.map(|payload| {
        let metainfo = payload.metainfo(Version::V1, 32_768, None);
        (payload, metainfo)
    });
    // `private` comes last in the sorted info dictionary, which is the last of the whole.
    let mut bytes = private.1.to_bytes();
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(b"7:privatei1eee");
    let metainfo = Metainfo::from_bytes(&bytes, &metainfo::Limits::default()).unwrap();
    assert!(metainfo.info().is_private());
    [public, (private.0, metainfo)]
}

async fn run(dir: &Path, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Run {
    let heard = Run { http: Heard::default(), udp: Heard::default(), peers: Default::default() };
    let (told, announced) = mpsc::channel();
    let http = http_tracker(heard.http.clone(), told.clone());
    let udp = udp_tracker(heard.udp.clone(), told);
    let [(payload, public), (_, private)] = torrents();
    payload.write(&dir.join("data"));
    let home = SocketAddr::from((HOME, 0));
    let client = change(settings(dir).listen([home]).bind([home.ip()])).build().unwrap();
    let doors = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut torrents = Vec::new();
    for (door, metainfo) in doors.iter().zip([&public, &private]) {
        let add = AddTorrent::metainfo(metainfo.clone()).peers([door.local_addr().unwrap()]);
        torrents.push(client.add(add.trackers([&http, &udp])).await.unwrap());
    }
    complete(&torrents[0]).await;
    let (told, greeted) = mpsc::channel();
    let listening = client.listen_addrs()[0];
    for (n, (door, metainfo)) in doors.into_iter().zip([&public, &private]).enumerate() {
        let accepted = guard(tokio::task::spawn_blocking(move || door.accept())).await.unwrap().unwrap().0;
        for (way, stream) in [accepted, TcpStream::connect(listening).unwrap()].into_iter().enumerate() {
            peer(stream, metainfo, (2 * n + way) as u8 + 1, heard.peers[n].clone(), told.clone());
        }
    }
    drop(told);
    let waited = tokio::task::spawn_blocking(move || {
        // Both torrents to the HTTP tracker, the public one to the other.
        (0..3).for_each(|_| announced.recv_timeout(Duration::from_secs(60)).expect("an announce"));
        (0..4).for_each(|_| greeted.recv_timeout(Duration::from_secs(60)).expect("a greeting"));
        greeted
    });
    let greeted = waited.await.unwrap();
    assert!(guard(client.close()).await);
    // Until every peer has read its last byte.
    guard(tokio::task::spawn_blocking(move || while greeted.recv().is_ok() {})).await.unwrap();
    heard
}

/// The value of each `key=` in what the HTTP tracker heard.
fn values(heard: &Heard, key: &str) -> Vec<String> {
    let of = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let at = text.find(&format!("&{key}="))? + key.len() + 2;
        Some(text[at..].split(['&', ' ']).next().unwrap().to_owned())
    };
    heard.all().into_iter().filter_map(of).collect()
}

/// The peer ids that the peers of a torrent, or a UDP tracker, were told.
fn ids(heard: &Heard, at: usize) -> Vec<Vec<u8>> {
    let mut ids: Vec<_> = heard
        .all()
        .iter()
        .filter(|bytes| bytes.len() >= at + 20)
        .map(|bytes| bytes[at..at + 20].to_vec())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

/// What tells who somebody is: our name, our prefix, our version, the address that it lives at.
fn telling() -> Vec<Vec<u8>> {
    let home = std::net::Ipv4Addr::from(HOME).to_string();
    vec![b"riverrun".into(), b"-RR".into(), types::CLIENT_NAME.into(), home.into(), HOME.into()]
}

#[tokio::test]
async fn row_46_an_anonymous_client_tells_neither_what_nor_where_it_is() {
    let mut names = Vec::new();
    for _ in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let heard = run(dir.path(), |settings| settings.anonymous(true)).await;
        let everything = [&heard.http, &heard.udp, &heard.peers[0], &heard.peers[1]];
        for (what, whom) in telling().iter().flat_map(|what| everything.map(|whom| (what, whom))) {
            assert!(!whom.holds(what), "it says {}", what.escape_ascii());
        }
        assert!(!heard.http.holds(b"&ip=") && heard.http.holds(b"\r\nuser-agent: curl/"));
        for peers in &heard.peers {
            assert_eq!(peers.all().len(), 2, "one that it dialed, one that dialed it");
            for key in ["1:v", "1:p", "4:ipv4", "4:ipv6", "6:yourip"] {
                assert!(!peers.holds(key.as_bytes()), "its handshake has {key}");
            }
        }
        // The address in a UDP announce (BEP 15) is nobody's.
        let announces = heard.udp.all().into_iter().filter(|bytes| bytes.len() >= 98);
        assert!(announces.into_iter().all(|bytes| bytes[84..88] == [0; 4]));
        let [public, private] = [&heard.peers[0], &heard.peers[1]].map(|peers| ids(peers, 48));
        assert_eq!((public.len(), private.len()), (1, 1), "a torrent has one name");
        assert_eq!(ids(&heard.udp, 36), public);
        let mut told = values(&heard.http, "peer_id");
        told.sort();
        told.dedup();
        let mut here: Vec<String> =
            [&public, &private].map(|id| String::from_utf8(id[0].clone()).unwrap()).into();
        here.sort();
        assert_eq!(told, here, "trackers know it by the same name");
        let mut keys = values(&heard.http, "key");
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 2);
        names.extend(public.into_iter().chain(private));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "no torrent and no run can be told by a name of another");
}

#[tokio::test]
async fn what_is_asserted_of_an_anonymous_client_does_not_hold_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let heard = run(dir.path(), |settings| settings.public_ip(HOME.into())).await;
    assert!(heard.http.holds(b"riverrun") && heard.udp.holds(b"-RR") && heard.udp.holds(&HOME));
    for peers in &heard.peers {
        for said in ["riverrun", "-RR", types::CLIENT_NAME, "1:v", "1:p", "6:yourip"] {
            assert!(peers.holds(said.as_bytes()), "its handshake lacks {said}");
        }
    }
    assert_eq!(ids(&heard.peers[0], 48), ids(&heard.peers[1], 48));
}

#[test]
fn what_would_tell_who_we_are_is_refused_together_with_being_anonymous() {
    type Change = fn(ClientBuilder) -> ClientBuilder;
    let cases: [(&str, Change); 5] = [
        ("peer_id_prefix", |s| s.peer_id_prefix("-XY0001-")),
        ("client_name", |s| s.client_name("mine")),
        ("user_agent", |s| s.user_agent("mine/1")),
        ("public_ip", |s| s.public_ip(HOME.into())),
        ("extension", |s| s.extension("xy_mine")),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (setting, change) in cases {
        assert!(change(settings(dir.path())).build().is_ok());
        let error = change(settings(dir.path()).anonymous(true)).build().unwrap_err();
        assert_eq!(error.code(), "bad_setting");
        let sentence = error.to_string();
        assert!(sentence.contains(setting) && sentence.contains("anonymous"), "{sentence}");
    }
}
