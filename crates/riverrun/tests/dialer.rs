//! Connections that an embedder opens and accepts.

mod support;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use metainfo::{Metainfo, Version};
use riverrun::{
    AddTorrent, Client, ClientBuilder, DialBudget, DialRequest, EventKind, Events, PeerStream,
    blocking_dialer, unix_dialer,
};
use support::{Payload, addr, complete, download, guard, seeder, seeder_with, settings};
use tempfile::TempDir;

/// A peer of a private network that is nowhere: only a dialer of ours reaches it.
fn far(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 255, 0, n], 6881))
}

/// A payload with its torrent, and a directory for each of two clients.
struct Stage {
    payload: Payload,
    metainfo: Metainfo,
    seed: TempDir,
    leech: TempDir,
}

impl Stage {
    fn new(len: usize) -> Stage {
        let payload = Payload::single(len);
        let metainfo = payload.metainfo(Version::V1, 65_536, None);
        Stage { payload, metainfo, seed: tempfile::tempdir().unwrap(), leech: tempfile::tempdir().unwrap() }
    }

    async fn seeder(&self, settings: ClientBuilder) -> Client {
        seeder_with(settings, self.seed.path(), &self.payload, &self.metainfo).await.0
    }

    fn assert_downloaded(&self) {
        self.payload.assert_at(&self.leech.path().join("data"));
    }
}

/// The address of the next peer that joins.
async fn met(events: &mut Events) -> SocketAddr {
    loop {
        if let EventKind::PeerConnected { addr } = guard(events.recv()).await.unwrap().kind {
            return addr;
        }
    }
}

#[tokio::test]
async fn unix_sockets_from_end_to_end() {
    let stage = Stage::new(1_000_003);
    let path = stage.seed.path().join("peers.sock");
    // What a process that was killed left behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let seed = stage.seeder(settings(stage.seed.path()).listen([]).listen_unix(&path)).await;
    let again = settings(stage.leech.path()).listen_unix(&path).build().unwrap_err();
    assert_eq!(again.code(), "address_in_use");

    let to = path.clone();
    let dialer = unix_dialer(move |addr| (addr == far(1)).then(|| to.clone()));
    let client = settings(stage.leech.path()).dialer(dialer).build().unwrap();
    let (mut ours, mut theirs) = (client.events(), seed.events());
    download(&client, &stage.metainfo, far(1)).await;
    assert_eq!(met(&mut ours).await, far(1));
    let from = met(&mut theirs).await;
    assert!(from.to_string().starts_with("[100::1]:"), "{from}");
    // What the dialer names no path for is dialed by TCP, and an answer of such a dialer is as good.
    let other = tempfile::tempdir().unwrap();
    let third = settings(other.path()).dialer(unix_dialer(|_| None)).build().unwrap();
    download(&third, &stage.metainfo, addr(&client)).await;

    assert!(third.close().await && client.close().await && seed.close().await);
    stage.assert_downloaded();
    assert!(!path.exists(), "its file goes with it");
}

#[tokio::test]
async fn connections_without_any_network() {
    let stage = Stage::new(700_001);
    let seed = stage.seeder(settings(stage.seed.path()).listen([])).await;
    let target = seed.clone();
    let dialer = move |to: DialRequest| {
        let target = target.clone();
        async move {
            let (ours, theirs) = UnixStream::pair()?;
            target.accept(theirs, far(2)).map_err(io::Error::other)?;
            assert!(to.from_port().is_none());
            Ok(OwnedFd::from(ours).into())
        }
    };
    let client = settings(stage.leech.path()).dialer(dialer).build().unwrap();
    let mut theirs = seed.events();
    download(&client, &stage.metainfo, far(1)).await;
    assert_eq!(met(&mut theirs).await, far(2));
    assert!(client.close().await);
    let late = seed.clone();
    assert!(seed.close().await);
    assert_eq!(late.accept(UnixStream::pair().unwrap().0, far(2)).unwrap_err().code(), "closed");
    stage.assert_downloaded();
}

#[tokio::test]
async fn a_stream_without_a_descriptor_is_bridged() {
    let stage = Stage::new(700_001);
    let (seed, _) = seeder(stage.seed.path(), &stage.payload, &stage.metainfo).await;
    let target = addr(&seed);
    // Through memory, with a task in between that could be a tunnel.
    let dialer = move |_: DialRequest| async move {
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        let mut wire = tokio::net::TcpStream::connect(target).await?;
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut theirs, &mut wire).await });
        PeerStream::bridge(ours)
    };
    let client = settings(stage.leech.path()).dialer(dialer).build().unwrap();
    download(&client, &stage.metainfo, far(1)).await;
    assert!(client.close().await && seed.close().await);
    stage.assert_downloaded();
}

#[tokio::test]
async fn dialers_that_fail_panic_and_hang_hurt_nobody() {
    let stage = Stage::new(700_001);
    let (seed, _) = seeder(stage.seed.path(), &stage.payload, &stage.metainfo).await;
    let (target, dropped) = (addr(&seed), Arc::new(AtomicUsize::new(0)));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let count = dropped.clone();
    let dialer = move |to: DialRequest| {
        if to.addr() == far(1) {
            panic!("on purpose, before there is a future");
        }
        let count = count.clone();
        async move {
            match to.addr() {
                addr if addr == far(2) => panic!("on purpose, in the future"),
                addr if addr == far(3) => Err(io::Error::other("no way")),
                // Whatever came back could not be polled.
                addr if addr == far(4) => Ok(OwnedFd::from(std::fs::File::open("/dev/null")?).into()),
                addr if addr == far(5) => {
                    let _count = Count(count);
                    pending::<io::Result<PeerStream>>().await
                }
                _ => to.tcp(),
            }
        }
    };
    let client = settings(stage.leech.path()).dialer(dialer).build().unwrap();
    let mut events = client.events();
    let peers = (1..=5).map(far);
    let torrent = client.add(AddTorrent::metainfo(stage.metainfo.clone()).peers(peers)).await.unwrap();
    let mut useless = Vec::new();
    while useless.len() < 4 {
        if let EventKind::PeerUseless { addr, .. } = guard(events.recv()).await.unwrap().kind {
            useless.push(addr);
        }
    }
    useless.sort();
    assert_eq!(useless, (1..=4).map(far).collect::<Vec<_>>());
    torrent.add_peers([target]).unwrap();
    complete(&torrent).await;
    // Nobody waits for what hangs: it is dropped when the torrent rests.
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    torrent.pause().unwrap();
    guard(async {
        while dropped.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(client.close().await && seed.close().await);
    stage.assert_downloaded();
}

#[tokio::test]
async fn a_dial_has_its_time_whatever_its_thread_does() {
    let stage = Stage::new(100_000);
    // It blocks the thread that all dials run on, until the test ends.
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let ended = std::sync::Mutex::new(ended);
    let dialer = move |_: DialRequest| {
        let _ = ended.lock().unwrap().recv();
        async { Err(io::Error::other("too late")) }
    };
    let settings = settings(stage.leech.path()).dialer(dialer).dial_timeout(Duration::from_millis(50));
    let client = settings.build().unwrap();
    let mut events = client.events();
    let add = AddTorrent::metainfo(stage.metainfo.clone()).peers((1..=60).map(far));
    let torrent = client.add(add).await.unwrap();
    for _ in 0..60 {
        while !matches!(guard(events.recv()).await.unwrap().kind, EventKind::PeerUseless { .. }) {}
    }
    assert!(torrent.snapshot().await.is_ok());
    assert!(client.close().await, "closing does not wait for it");
    drop(end);
}

#[tokio::test]
async fn half_open_connections_are_bounded_and_functions_may_block() {
    let stage = Stage::new(100_000);
    let (seed, _) = seeder(stage.seed.path(), &stage.payload, &stage.metainfo).await;
    let (target, open, most) = (addr(&seed), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    // The first two wait for each other.
    let (begun, both) = (AtomicUsize::new(0), Barrier::new(2));
    let dialer = blocking_dialer(move |to| {
        seen.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if begun.fetch_add(1, Ordering::SeqCst) < 2 {
            both.wait();
        }
        std::thread::sleep(Duration::from_millis(20));
        open.fetch_sub(1, Ordering::SeqCst);
        match to.addr() == far(100) {
            true => Ok(std::net::TcpStream::connect(target)?.into()),
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    });
    let client = settings(stage.leech.path()).dialer(dialer).build().unwrap();
    let add = AddTorrent::metainfo(stage.metainfo.clone()).peers((1..=100).map(far));
    complete(&client.add(add).await.unwrap()).await;
    let most = most.load(Ordering::SeqCst);
    assert!((2..=25).contains(&most), "{most}");
    assert!(client.close().await && seed.close().await);
    stage.assert_downloaded();
}

#[tokio::test]
async fn clients_share_one_budget_and_none_starves() {
    let (stage, budget) = (Stage::new(100_000), DialBudget::new(3));
    let (open, done) = (Arc::new(AtomicUsize::new(0)), [0; 2].map(|_| Arc::new(AtomicUsize::new(0))));
    let (watched, most) = (budget.clone(), Arc::new(AtomicUsize::new(0)));
    let dirs = [0; 2].map(|_| tempfile::tempdir().unwrap());
    // The first two of all wait for each other.
    let first = Arc::new((AtomicUsize::new(0), tokio::sync::Barrier::new(2)));
    let mut clients = Vec::new();
    for (dir, done) in dirs.iter().zip(&done) {
        let (open, done, most, watched) = (open.clone(), done.clone(), most.clone(), watched.clone());
        let first = first.clone();
        let dialer = move |_: DialRequest| {
            let (open, done, most, watched) = (open.clone(), done.clone(), most.clone(), watched.clone());
            let first = first.clone();
            async move {
                let now = open.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                if first.0.fetch_add(1, Ordering::SeqCst) < 2 {
                    first.1.wait().await;
                }
                assert!(watched.half_open() >= now);
                tokio::time::sleep(Duration::from_millis(5)).await;
                open.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
                Err(io::ErrorKind::ConnectionRefused.into())
            }
        };
        let client = settings(dir.path()).dialer(dialer).dial_budget(&budget).build().unwrap();
        let add = AddTorrent::metainfo(stage.metainfo.clone()).peers((1..=40).map(far));
        client.add(add).await.unwrap();
        clients.push(client);
    }
    let all = async |each: usize| {
        while done.iter().any(|done| done.load(Ordering::SeqCst) < each) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    guard(all(20)).await;
    budget.set_most(7);
    guard(all(40)).await;
    let most = most.load(Ordering::SeqCst);
    assert!((2..=7).contains(&most), "{most}");
    for client in clients {
        assert!(client.close().await);
    }
    guard(async {
        while budget.half_open() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn dials_without_a_place_wait_for_it_at_no_cost() {
    let stage = Stage::new(300_000);
    let (seed, _) = seeder(stage.seed.path(), &stage.payload, &stage.metainfo).await;
    let (budget, other) = (DialBudget::new(1), tempfile::tempdir().unwrap());
    // One client takes the only place with a dial that hangs.
    let hangs = |_: DialRequest| pending::<io::Result<PeerStream>>();
    let hog = settings(other.path()).dialer(hangs).dial_budget(&budget).build().unwrap();
    hog.add(AddTorrent::metainfo(stage.metainfo.clone()).peers([far(1)])).await.unwrap();
    guard(async {
        while budget.half_open() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    // The other one dials by TCP as usual.
    let settings = settings(stage.leech.path()).dial_budget(&budget).dial_timeout(Duration::from_millis(500));
    let client = settings.build().unwrap();
    let add = AddTorrent::metainfo(stage.metainfo.clone()).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    torrent.wait_checked().await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(1_000), torrent.wait_complete()).await;
    assert!(waits.is_err(), "there is no place");
    let known = torrent.known_peers().await.unwrap();
    assert_eq!((known[0].failures, known[0].tried.is_some()), (0, true), "it waits to be dialed");
    hog.torrents()[0].pause().unwrap();
    complete(&torrent).await;
    assert_eq!(budget.half_open(), 0);
    assert!(client.close().await && hog.close().await && seed.close().await);
    stage.assert_downloaded();
}

#[test]
fn a_dial_timeout_has_its_range() {
    for bad in [0, 20_001] {
        let error = Client::builder().dial_timeout(Duration::from_millis(bad)).build().unwrap_err();
        assert_eq!(error.code(), "bad_setting");
    }
}
