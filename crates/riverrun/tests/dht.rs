//! Peers that are found in the DHT alone, by way of one node on loopback.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use dht::{Ask, Body, Message, NodeId, Query, Reply};
use metainfo::{Metainfo, Version};
use riverrun::{AddTorrent, Magnet, Node, PeerSource, Source};
use support::{Payload, complete, guard, seeder_with, settings};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use types::InfoHash;

/// A node that knows nobody but peers.
struct Serving {
    addr: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    /// What was announced.
    announced: watch::Receiver<BTreeMap<InfoHash, BTreeSet<SocketAddr>>>,
}

impl Serving {
    async fn start() -> Serving {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (announce, announced) = watch::channel(BTreeMap::new());
        let log = heard.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                log.lock().unwrap().push(buffer[..len].to_vec());
                let message = Message::decode(&buffer[..len]).expect("a message");
                let Body::Query(query) = message.body else { panic!("it only asks") };
                let body = Body::Reply(answer(&announce, from, query));
                let bytes = Message { transaction: message.transaction, body }.encode();
                socket.send_to(&bytes, from).await.unwrap();
            }
        });
        Serving { addr, heard, announced }
    }

    fn node(&self) -> Node {
        Node { host: self.addr.ip().to_string(), port: self.addr.port() }
    }

    /// Waits until somebody has announced a torrent.
    async fn announced(&self, torrent: InfoHash) {
        guard(self.announced.clone().wait_for(|known| known.contains_key(&torrent))).await.unwrap();
    }

    fn has_heard_of(&self, torrent: InfoHash) -> bool {
        let names = |datagram: &Vec<u8>| datagram.windows(20).any(|part| part == torrent.0);
        self.heard.lock().unwrap().iter().any(names)
    }
}

fn answer(
    announced: &watch::Sender<BTreeMap<InfoHash, BTreeSet<SocketAddr>>>,
    from: SocketAddr,
    Query { read_only, ask, .. }: Query,
) -> Reply {
    assert!(read_only, "who answers nobody says so");
    let mut reply = Reply::new(NodeId([0x55; 20]));
    match ask {
        Ask::GetPeers { torrent, .. } => {
            reply.token = Some(b"token".to_vec());
            reply.peers = announced.borrow().get(&torrent).into_iter().flatten().copied().collect();
        }
        Ask::AnnouncePeer { torrent, port, token, .. } => {
            assert_eq!(token, b"token");
            let peer = SocketAddr::new(from.ip(), port);
            announced.send_modify(|known| _ = known.entry(torrent).or_default().insert(peer));
        }
        _ => {}
    }
    reply
}

fn v1(metainfo: &Metainfo) -> InfoHash {
    metainfo.info_hashes().get_v1().unwrap()
}

#[tokio::test]
async fn a_peer_is_found_through_nodes_that_are_added_to_a_live_client() {
    let node = Serving::start().await;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(200_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let with_node = settings(theirs.path()).dht_nodes([node.node()]);
    let (seed, _seeding) = seeder_with(with_node, theirs.path(), &payload, &metainfo).await;
    node.announced(v1(&metainfo)).await;
    let before = node.heard.lock().unwrap().len();

    let client = settings(ours.path()).build().unwrap();
    let torrent = client.add(AddTorrent::new(Source::InfoHash(metainfo.info_hashes()))).await.unwrap();
    assert_eq!((client.stats().await.dht_nodes, node.heard.lock().unwrap().len()), (0, before));
    guard(client.add_dht_nodes([node.node()])).await.unwrap();
    complete(&torrent).await;
    let source = |of: &riverrun::SourceCount| of.source == PeerSource::Dht && of.known == 1;
    let sources = torrent.snapshot().await.unwrap().sources;
    assert!(sources.iter().any(source), "{sources:?}");
    assert_eq!(client.stats().await.dht_nodes, 1);
    assert!(client.report().await.to_string().contains("nodes of the DHT: 1\n"));
    assert!(client.close().await && seed.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn a_torrent_may_name_its_nodes() {
    let node = Serving::start().await;
    let theirs = tempfile::tempdir().unwrap();
    let payload = Payload::single(50_000);
    let mut metainfo = payload.metainfo(Version::Hybrid, 32_768, None);
    metainfo.set_nodes(&[node.node()]);
    let (seed, _seeding) = seeder_with(settings(theirs.path()), theirs.path(), &payload, &metainfo).await;
    // A hybrid goes by both of its names.
    for name in metainfo.info_hashes().wire_names() {
        node.announced(name).await;
    }
    assert!(seed.close().await);
    // Such nodes in our own network are not asked unless local trackers are.
    let (other, quiet) = (Serving::start().await, tempfile::tempdir().unwrap());
    let mut named = payload.metainfo(Version::V1, 16_384, None);
    named.set_nodes(&[other.node()]);
    let cautious = settings(quiet.path()).allow_local_trackers(false).dht_nodes([node.node()]);
    let (seed, _seeding) = seeder_with(cautious, quiet.path(), &payload, &named).await;
    node.announced(v1(&named)).await;
    assert!(other.heard.lock().unwrap().is_empty());
    assert!(seed.close().await);
}

/// The same torrent with another info hash: private.
fn private(metainfo: &Metainfo) -> Metainfo {
    let bytes = metainfo.info().raw();
    let mut out = b"d4:info".to_vec();
    out.extend_from_slice(&bytes[..bytes.len() - 1]);
    out.extend_from_slice(b"7:privatei1eee");
    Metainfo::from_bytes(&out, &metainfo::Limits::default()).unwrap()
}

#[tokio::test]
async fn row_46_a_private_torrent_is_in_no_datagram_of_the_dht() {
    let node = Serving::start().await;
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(100_000);
    let public = payload.metainfo(Version::V1, 32_768, None);
    let mut secret = private(&payload.metainfo(Version::V1, 65_536, None));
    assert!(secret.info().is_private());
    // Nodes that a private torrent names are nobody's either.
    let trap = Serving::start().await;
    secret.set_nodes(&[trap.node()]);
    let client = settings(dir.path()).dht_nodes([node.node()]).build().unwrap();
    payload.write(&dir.path().join("data"));
    let seeding = client.add(secret.clone()).await.unwrap();
    complete(&seeding).await;
    // A link with a tracker may turn out private.
    let mut link = Magnet::new(types::InfoHashes::v1(InfoHash([0x77; 20])));
    link.trackers = vec!["http://127.0.0.1:1/announce".to_owned()];
    client.add(AddTorrent::new(Source::Magnet(Box::new(link)))).await.unwrap();
    seeding.pause().unwrap();
    seeding.resume().unwrap();
    // What comes last is announced: so would have been what came before.
    let torrent = client.add(public.clone()).await.unwrap();
    complete(&torrent).await;
    node.announced(v1(&public)).await;
    for hidden in [v1(&secret), InfoHash([0x77; 20])] {
        assert!(!node.has_heard_of(hidden), "{hidden}");
    }
    assert!(client.close().await);
    assert!(node.has_heard_of(v1(&public)) && trap.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_without_a_dht_says_so_and_names_that_lead_nowhere_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let node = Serving::start().await;
    let without = settings(dir.path()).no_dht().dht_nodes([node.node()]).build().unwrap();
    assert_eq!(without.add_dht_nodes([node.node()]).await.unwrap_err().code(), "no_dht");
    assert!(without.close().await);
    let client = settings(dir.path()).build().unwrap();
    let nowhere = Node { host: "\0".to_owned(), port: 1 };
    let result = guard(client.add_dht_nodes([nowhere, node.node()])).await;
    assert_eq!(result.unwrap_err().code(), "unknown_host");
    // The other one was taken in all the same.
    while client.stats().await.dht_nodes == 0 {
        tokio::task::yield_now().await;
    }
    let closed = client.clone();
    assert!(client.close().await);
    assert_eq!(closed.add_dht_nodes([node.node()]).await.unwrap_err().code(), "closed");
}
