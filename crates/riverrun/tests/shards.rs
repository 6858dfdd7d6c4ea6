//! Several shards: connections reach the shard of their torrent, wherever they come in.

mod support;

use metainfo::Version;
use riverrun::AddTorrent;
use support::{Payload, addr, complete, seeder_with, settings};

#[tokio::test]
async fn incoming_connections_reach_the_shard_of_their_torrent() {
    for shards in [2, 3] {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = ["a", "b", "c", "d"];
        let payloads = names.map(|name| Payload {
            name,
            files: vec![(String::new(), support::bytes(name.len() as u64 + shards as u64, 200_001))],
        });
        let metainfos = payloads.each_ref().map(|payload| payload.metainfo(Version::V1, 32_768, None));
        // Torrents spread over shards in turn, and only the first shard listens.
        let seed = settings(theirs.path()).shards(shards).build().unwrap();
        for (payload, metainfo) in payloads.iter().zip(&metainfos) {
            payload.write(&theirs.path().join("data"));
            complete(&seed.add(metainfo.clone()).await.unwrap()).await;
        }
        let client = settings(ours.path()).shards(shards).build().unwrap();
        let mut all = Vec::new();
        for metainfo in &metainfos {
            let add = AddTorrent::metainfo(metainfo.clone()).peers([addr(&seed)]);
            all.push(client.add(add).await.unwrap());
        }
        for torrent in &all {
            complete(torrent).await;
        }
        assert!(client.close().await && seed.close().await);
        payloads.iter().for_each(|payload| payload.assert_at(&ours.path().join("data")));
    }
}

#[tokio::test]
async fn every_version_arrives_with_more_shards() {
    for shards in [2, 3] {
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let payload = Payload::odd();
            let metainfo = payload.metainfo(version, 32_768, None);
            let many = |dir: &std::path::Path| settings(dir).shards(shards);
            let (seed, _) = seeder_with(many(theirs.path()), theirs.path(), &payload, &metainfo).await;
            let client = many(ours.path()).build().unwrap();
            support::download(&client, &metainfo, addr(&seed)).await;
            assert!(client.close().await && seed.close().await);
            payload.assert_at(&ours.path().join("data"));
        }
    }
}
