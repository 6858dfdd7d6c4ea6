//! A torrent that is added again, limits that are shared, and a client that closes while it is waited for.

mod support;

use metainfo::Version;
use riverrun::{AddTorrent, Client, Limiter, PeerSource, Source};
use support::{Payload, addr, complete, guard, seeder, seeder_with, settings};

#[tokio::test]
async fn a_torrent_that_is_there_takes_peers_trackers_and_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = Payload::single(100_000).metainfo(Version::V1, 32_768, None);
    let client = settings(dir.path()).build().unwrap();
    let torrent = client.add(metainfo.clone()).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    assert_eq!(torrent.display_name(), "single.bin");

    let peer = "127.0.0.1:9".parse().unwrap();
    let tracker = "http://127.0.0.1:1/announce";
    let again = AddTorrent::metainfo(metainfo.clone()).display_name("A film").peers([peer]);
    // Another place for its files is ignored.
    let same = client.add(again.trackers([tracker]).output("/nowhere")).await.unwrap();
    assert_eq!((same.info_hashes(), client.torrents().len()), (torrent.info_hashes(), 1));
    assert_eq!((torrent.display_name(), torrent.name()), ("A film".to_owned(), "single.bin"));
    assert_eq!(torrent.output(), dir.path().join("data"));
    let known = torrent.known_peers().await.unwrap();
    assert_eq!((known.len(), known[0].addr, known[0].source), (1, peer, PeerSource::Manual));
    assert_eq!(torrent.trackers().await.unwrap()[0].url, tracker);

    // A link has a name too; a bare hash has none and takes nothing away.
    let link = format!("magnet:?xt=urn:btih:{}&dn=From+a+link", torrent.info_hashes());
    client.add(AddTorrent::new(Source::parse(&link).unwrap())).await.unwrap();
    assert_eq!(torrent.display_name(), "From a link");
    client.add(AddTorrent::new(Source::InfoHash(torrent.info_hashes()))).await.unwrap();
    assert_eq!(torrent.display_name(), "From a link");
    assert!(client.report().await.to_string().contains("From a link"));
    assert!(client.close().await);
}

#[tokio::test]
async fn who_adds_the_same_torrent_in_the_same_moment_gets_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let client = settings(dir.path()).build().unwrap();
    for round in 1..=50 {
        let metainfo = Payload::single(1_000 + round).metainfo(Version::V1, 32_768, None);
        let add = || {
            let place = dir.path().join(round.to_string());
            client.blocking_add(AddTorrent::metainfo(metainfo.clone()).output(place)).map(drop)
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
            all.into_iter().for_each(|one| one.join().unwrap().unwrap());
        });
        assert_eq!(client.torrents().len(), round);
    }
    assert!(client.close().await);
}

#[tokio::test]
async fn nobody_waits_for_a_client_that_closes() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = Payload::single(100_000).metainfo(Version::V1, 32_768, None);
    let client = settings(dir.path()).build().unwrap();
    assert!(guard(client.wait_all()).await, "there is nothing to wait for");
    client.add(metainfo).await.unwrap();
    let waits = client.clone();
    let waits = tokio::spawn(async move { waits.wait_all().await });
    tokio::task::yield_now().await;
    let other: Client = client.clone();
    assert!(client.close().await);
    assert!(!guard(waits).await.unwrap());
    assert!(!guard(other.wait_all()).await);
}

#[tokio::test]
async fn a_limit_of_0_holds_one_torrent_and_clients_share_another() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let limiter = Limiter::new(Some(0), None);
    let client = settings(ours.path()).limiter(&limiter).build().unwrap();
    let add = AddTorrent::metainfo(metainfo).rates(Some(0), None).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    // Whatever the order, nothing comes before both are lifted.
    torrent.set_rates(None, None);
    assert_eq!(torrent.snapshot().await.unwrap().session_downloaded, 0);
    torrent.set_rates(Some(0), None);
    limiter.set_rates(None, None);
    assert_eq!(torrent.snapshot().await.unwrap().session_downloaded, 0);
    torrent.set_rates(Some(10_000_000), None);
    complete(&torrent).await;
    assert!(client.close().await && seed.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn torrents_that_share_a_limit_are_a_class() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let (seed, _) = seeder(theirs.path(), &payload, &metainfo).await;
    let (class, client) = (Limiter::new(Some(0), None), settings(ours.path()).build().unwrap());
    let other = Payload::single(50_000).metainfo(Version::V1, 16_384, None);
    let elsewhere = AddTorrent::metainfo(other).output(ours.path().join("other"));
    let member = client.add(elsewhere.limiter(&class)).await.unwrap();
    let add = AddTorrent::metainfo(metainfo).limiter(&class).peers([addr(&seed)]);
    let torrent = client.add(add).await.unwrap();
    guard(torrent.wait_checked()).await.unwrap();
    assert_eq!(torrent.snapshot().await.unwrap().session_downloaded, 0);
    // It takes part in another class, and in the end in none; who leaves takes nothing along.
    torrent.set_limiter(Some(&Limiter::new(Some(0), Some(0))));
    assert_eq!(torrent.snapshot().await.unwrap().session_downloaded, 0);
    class.set_rates(Some(20_000_000), None);
    torrent.set_limiter(Some(&class));
    complete(&torrent).await;
    torrent.set_limiter(None);
    member.remove(false).await.unwrap();
    assert!(client.close().await && seed.close().await);
    payload.assert_at(&ours.path().join("data"));
}

#[tokio::test]
async fn where_payload_alone_counts_a_limit_of_0_lets_the_protocol_pass() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = Payload::single(300_000);
    let metainfo = payload.metainfo(Version::V1, 32_768, None);
    let builder = settings(theirs.path()).limit_payload_only(true).upload_rate(0);
    let (seed, seeding) = seeder_with(builder, theirs.path(), &payload, &metainfo).await;
    let client = settings(ours.path()).build().unwrap();
    let link = AddTorrent::new(Source::Magnet(Box::new(seeding.magnet()))).peers([addr(&seed)]);
    let torrent = client.add(link).await.unwrap();
    // The metadata is protocol.
    guard(torrent.wait_metadata()).await.unwrap();
    assert_eq!(seeding.snapshot().await.unwrap().session_uploaded, 0);
    seed.set_rates(None, None);
    complete(&torrent).await;
    assert!(client.close().await && seed.close().await);
    payload.assert_at(&ours.path().join("data"));
}
