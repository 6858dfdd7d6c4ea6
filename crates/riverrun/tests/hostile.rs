//! Peers that mean no good, at a client's real sockets.

mod support;

#[cfg(target_os = "linux")]
use std::io::{Read, Write};
#[cfg(target_os = "linux")]
use std::net::TcpStream;

use metainfo::Version;
use riverrun::EventKind;
#[cfg(target_os = "linux")]
use support::download;
use support::{Payload, addr, guard, seeder_with, settings};

#[tokio::test]
async fn told_its_own_address_a_client_meets_itself_once() {
    let dir = tempfile::tempdir().unwrap();
    let payload = Payload::single(100_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    // On two shards the connection is handed from one to the other.
    for shards in [1, 2] {
        let settings = settings(dir.path()).shards(shards);
        let (client, torrent) = seeder_with(settings, dir.path(), &payload, &metainfo).await;
        let mut events = torrent.events();
        for _ in 0..3 {
            torrent.add_peers([addr(&client)]).unwrap();
            loop {
                if let EventKind::PeerUseless { addr: whom, code, retry, .. } =
                    guard(events.recv()).await.unwrap().kind
                {
                    assert_eq!((whom, code, retry), (addr(&client), "ourselves", false));
                    break;
                }
            }
        }
        let snapshot = torrent.snapshot().await.unwrap();
        assert_eq!((snapshot.known_peers, snapshot.half_open, snapshot.peers), (0, 0, 0));
        assert!(client.close().await);
    }
}

/// Connections of this process at one time: both ends are ours, and most systems allow 1,024 handles.
#[cfg(target_os = "linux")]
fn batch() -> usize {
    let handles = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    (handles.saturating_sub(300) as usize / 3).clamp(10, 200)
}

/// Whether the other end has not closed. Reads what came.
#[cfg(target_os = "linux")]
fn is_open(peer: &mut TcpStream) -> bool {
    peer.set_nonblocking(true).unwrap();
    let mut some = [0; 1_024];
    loop {
        match peer.read(&mut some) {
            Ok(1..) => {}
            Ok(0) => return false,
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Linux has all of 127/8 without being told, so that others can be other hosts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn ten_thousand_connections_from_one_address_keep_nobody_else_out() {
    const ALL: u64 = 10_000;
    const PLACES: u32 = 60;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    // The torrent has more places than the client on one run, and fewer on the other.
    for max_peers in [PLACES + 20, PLACES - 20] {
        let settings_of_seed = settings(theirs.path()).connections(PLACES).max_peers(max_peers).shards(2);
        let (seed, torrent) = seeder_with(settings_of_seed, theirs.path(), &payload, &metainfo).await;
        // The last free place of the client is lent to the shard that has fewest.
        let (hash, places) = (metainfo.info_hashes().primary().0, (PLACES - 1).min(max_peers));
        let (mut flood, mut begun) = (Vec::new(), 0_u64);
        let mut come = |flood: &mut Vec<TcpStream>, len: usize| {
            begun += 1;
            let mut peer = TcpStream::connect(addr(&seed)).unwrap();
            let id = [&[0; 12][..], &begun.to_be_bytes()].concat();
            let hello = [b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0", &hash[..], &id].concat();
            // Who is refused may be closed meanwhile.
            let _ = peer.write_all(&hello[..len]);
            flood.push(peer);
            begun
        };
        loop {
            flood.clear();
            // Every fourth says too little, for ever.
            let last = (0..batch()).map(|n| come(&mut flood, if n % 4 == 0 { 30 } else { 68 })).max();
            let stats = guard(seed.stats()).await;
            assert!(stats.connections <= PLACES && stats.handshakes <= 200, "{stats:?}");
            assert!(guard(torrent.peers()).await.unwrap().len() as u32 <= PLACES.min(max_peers));
            if last >= Some(ALL) {
                break;
            }
        }
        // Who closed may have been there still when these came, and shards lend each other places bit by bit: until
        // all are the flood's.
        guard(async {
            while torrent.peers().await.unwrap().len() < places as usize {
                flood.retain_mut(is_open);
                come(&mut flood, 68);
            }
        })
        .await;
        let client = settings(ours.path()).bind(["127.0.0.2".parse().unwrap()]).build().unwrap();
        let download = download(&client, &metainfo, addr(&seed)).await;
        payload.assert_at(&ours.path().join("data"));
        guard(download.remove(true)).await.unwrap();
        assert!(client.close().await && seed.close().await);
        drop(flood);
    }
}
