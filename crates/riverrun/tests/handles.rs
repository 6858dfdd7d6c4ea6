//! What happens when the process has no file handle left. In a program of its own, since the limit is the
//! process's.
#![cfg(unix)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use metainfo::Version;
use riverrun::EventKind;
use rustix::process::{Resource, getrlimit, setrlimit};
use support::{Payload, addr, seeder};

#[tokio::test]
async fn connections_that_found_no_handle_are_made_when_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, torrent) = seeder(dir.path(), &payload, &metainfo).await;
    let named = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut events = torrent.events();
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(200);
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One handle for our end; none for theirs.
    drop(all.pop());
    let mut peer = TcpStream::connect(addr(&seed)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hash = metainfo.info_hashes().primary().0;
    peer.write_all(&[b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0", &hash[..], &[b'x'; 20]].concat()).unwrap();
    torrent.add_peers([named.local_addr().unwrap()]).unwrap();
    // The shard has tried both ways and found none before the second is answered.
    for _ in 0..2 {
        let _ = seed.stats().await;
    }
    drop(all);
    let mut answer = [0; 68];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer[28..48], hash);
    // Whom we could not dial is no worse for it, and is dialed soon.
    let (mut dialed, _) = named.accept().unwrap();
    dialed.read_exact(&mut answer).unwrap();
    assert_eq!(answer[28..48], hash);
    while let Some(event) = events.try_recv() {
        assert!(!matches!(event.kind, EventKind::PeerUseless { .. }), "{event:?}");
    }
    assert!(seed.close().await);
}
