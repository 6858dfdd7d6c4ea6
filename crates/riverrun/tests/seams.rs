//! Discoveries, extensions and blocklists that an embedder brings.

mod support;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metainfo::{Metainfo, Version};
use riverrun::{
    AddTorrent, Client, Discovery, EventKind, Finding, InfoHashes, PeerFeed, PeerSource, Reach, Source,
};
use support::{Payload, addr, complete, guard, seeder, settings};

/// Knows one peer of every torrent; counts the searches under way, and keeps the last feed.
#[derive(Clone)]
struct Oracle {
    name: &'static str,
    reach: Reach,
    peer: SocketAddr,
    begun: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    feed: Arc<Mutex<Option<PeerFeed>>>,
}

impl Oracle {
    fn new(name: &'static str, reach: Reach, peer: SocketAddr) -> Oracle {
        let (begun, running, feed) = Default::default();
        Oracle { name, reach, peer, begun, running, feed }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    async fn has_running(&self, searches: usize) {
        let wait = async {
            while self.running.load(Ordering::SeqCst) != searches {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        guard(wait).await;
    }
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Discovery for Oracle {
    fn name(&self) -> &'static str {
        self.name
    }

    fn reach(&self) -> Reach {
        self.reach
    }

    fn run(&self, _: InfoHashes, feed: PeerFeed) -> Finding {
        let this = self.clone();
        this.begun.fetch_add(1, Ordering::SeqCst);
        this.running.fetch_add(1, Ordering::SeqCst);
        *this.feed.lock().unwrap() = Some(feed.clone());
        Box::pin(async move {
            let _running = Running(this.running.clone());
            assert!(feed.add([this.peer]).await);
            std::future::pending().await
        })
    }
}

fn private(metainfo: &Metainfo) -> Metainfo {
    let raw = metainfo.to_bytes();
    // The last key of the info dictionary, before its end and that of the whole.
    let mut out = raw[..raw.len() - 2].to_vec();
    out.extend_from_slice(b"7:privatei1eee");
    Metainfo::from_bytes(&out, &metainfo::Limits::default()).unwrap()
}

#[tokio::test]
async fn a_discovery_brings_peers_and_follows_its_torrent() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = payload.metainfo(Version::V1, 65_536, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let oracle = Oracle::new("oracle", Reach::Public, addr(&seed));
    let broken = Panics;
    let client = settings(ours.path()).discovery(oracle.clone()).discovery(broken).build().unwrap();
    let torrent = client.add(metainfo.clone()).await.unwrap();
    complete(&torrent).await;
    let known = torrent.known_peers().await.unwrap();
    let source = PeerSource::Custom { name: "oracle", private: false };
    assert_eq!((known[0].addr, known[0].source), (addr(&seed), source));
    let counts = torrent.snapshot().await.unwrap().sources;
    assert!(counts.iter().any(|count| count.source.name() == "oracle" && count.known == 1), "{counts:?}");

    torrent.pause().unwrap();
    oracle.has_running(0).await;
    let feed = oracle.feed.lock().unwrap().clone().unwrap();
    assert!(!feed.is_open() && !feed.try_add([addr(&seed)]) && !feed.add([addr(&seed)]).await);
    torrent.resume().unwrap();
    oracle.has_running(1).await;
    assert_eq!(oracle.begun(), 2);
    assert!(client.close().await && seed.close().await);
    oracle.has_running(0).await;
    payload.assert_at(&ours.path().join("data"));
}

struct Panics;

impl Discovery for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn run(&self, _: InfoHashes, _: PeerFeed) -> Finding {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn private_torrents_are_told_to_those_alone_who_declare_themselves() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = private(&payload.metainfo(Version::V1, 65_536, None));
    assert!(metainfo.info().is_private());
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let all = [("public", Reach::Public), ("unknown", Reach::Unknown), ("theirs", Reach::Private)];
    let all = all.map(|(name, reach)| Oracle::new(name, reach, addr(&seed)));
    let [public, unknown, theirs] = all.clone();

    let build = |dir: &std::path::Path| {
        all.iter().fold(settings(dir), |settings, oracle| settings.discovery(oracle.clone())).build().unwrap()
    };
    let client = build(ours.path());
    let torrent = client.add(metainfo.clone()).await.unwrap();
    complete(&torrent).await;
    assert_eq!((public.begun(), unknown.begun(), theirs.begun()), (0, 0, 1));
    assert!(client.close().await);

    // As a magnet link with a tracker it may be anything; what it turns out to be ends those that may not know.
    let dir = tempfile::tempdir().unwrap();
    let client = build(dir.path());
    let add =
        AddTorrent::new(Source::InfoHash(metainfo.info_hashes())).trackers(["http://127.0.0.1:9/announce"]);
    let torrent = client.add(add).await.unwrap();
    complete(&torrent).await;
    assert_eq!((public.begun(), unknown.begun()), (0, 1));
    unknown.has_running(0).await;
    theirs.has_running(1).await;
    assert!(client.close().await && seed.close().await);
}

#[test]
fn names_of_discoveries_are_plain_and_their_own() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    for bad in ["", "Oracle", "a b", "tracker", "x.pe", "a-name-that-is-longer-than-32-bytes-"] {
        let oracle = Oracle::new(bad, Reach::Public, nowhere);
        assert_eq!(Client::builder().discovery(oracle).build().unwrap_err().code(), "bad_setting", "{bad}");
    }
    let twice = Client::builder().discovery(Panics).discovery(Panics).build();
    assert_eq!(twice.unwrap_err().code(), "bad_setting");
}

#[tokio::test]
async fn messages_of_an_extension_go_both_ways() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = payload.metainfo(Version::V1, 65_536, None);
    payload.write(&theirs.path().join("data"));
    let seed = settings(theirs.path()).extension("xm_test").extension("xm_other").build().unwrap();
    let seeding = seed.add(metainfo.clone()).await.unwrap();
    complete(&seeding).await;
    let client = settings(ours.path()).extension("xm_test").download_rate(50_000).build().unwrap();
    let (mut here, mut there) = (client.events(), seed.events());
    let add = AddTorrent::metainfo(metainfo).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    let understood = async |events: &mut riverrun::Events| loop {
        if let EventKind::PeerExtensions { addr, names } = guard(events.recv()).await.unwrap().kind {
            return (addr, names);
        }
    };
    let message = async |events: &mut riverrun::Events| loop {
        if let EventKind::ExtensionMessage { name, payload, .. } = guard(events.recv()).await.unwrap().kind {
            assert_eq!(&*name, "xm_test");
            return payload.to_vec();
        }
    };
    let (at, names) = understood(&mut here).await;
    assert_eq!((at, names), (addr(&seed), vec!["xm_test".into()]));
    torrent.send_extension(Some(at), "xm_test", b"to one").unwrap();
    understood(&mut there).await;
    assert_eq!(message(&mut there).await, b"to one");
    seeding.send_extension(None, "xm_other", b"to nobody").unwrap();
    seeding.send_extension(None, "xm_test", &[7; 65_536]).unwrap();
    assert_eq!(message(&mut here).await, [7; 65_536]);
    for (name, len) in [("xm_other", 1), ("xm_test", 65_537)] {
        assert_eq!(torrent.send_extension(None, name, &vec![0; len]).unwrap_err().code(), "bad_setting");
    }
    assert!(client.close().await && seed.close().await);
}

#[tokio::test]
async fn a_blocklist_may_change_at_any_time() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = payload.metainfo(Version::V1, 65_536, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).download_rate(20_000).build().unwrap();
    let mut events = client.events();
    let add = AddTorrent::metainfo(metainfo).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    let mut until = async |wanted: fn(&EventKind) -> bool| {
        while !wanted(&guard(events.recv()).await.unwrap().kind) {}
    };
    until(|kind| matches!(kind, EventKind::PeerConnected { .. })).await;
    client.set_blocklist(Some(Arc::new(|addr: IpAddr| addr.is_loopback())));
    until(|kind| matches!(kind, EventKind::PeerDisconnected { .. })).await;
    torrent.add_peers([addr(&seed)]).unwrap();
    assert!(torrent.peers().await.unwrap().is_empty());
    client.set_blocklist(None);
    client.set_rates(None, None);
    torrent.add_peers([addr(&seed)]).unwrap();
    complete(&torrent).await;
    assert!(client.close().await && seed.close().await);
}
