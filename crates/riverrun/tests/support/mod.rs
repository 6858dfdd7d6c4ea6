//! Torrents made on the spot, and clients on loopback.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod hooked;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metainfo::create::Builder;
use metainfo::{Attributes, Metainfo, Place, Version};
use riverrun::{AddTorrent, Client, ClientBuilder, Torrent};

/// Files with their bytes, below one directory or alone.
pub(crate) struct Payload {
    pub(crate) name: &'static str,
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// Bytes that differ from place to place and from file to file.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = types::Rng::from_number(seed);
    let mut out: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
    out.truncate(len);
    out
}

impl Payload {
    pub(crate) fn single(len: usize) -> Payload {
        Payload { name: "single.bin", files: vec![(String::new(), bytes(1, len))] }
    }

    pub(crate) fn files(lens: &[usize]) -> Payload {
        let file = |(n, len): (usize, &usize)| (format!("dir{}/file{n}", n % 3), bytes(n as u64, *len));
        Payload { name: "several", files: lens.iter().enumerate().map(file).collect() }
    }

    /// Zero-length files, files around a block, odd tails.
    pub(crate) fn odd() -> Payload {
        Payload::files(&[0, 1, 16_383, 16_384, 16_385, 0, 70_001, 131_072, 3, 50_000])
    }

    pub(crate) fn metainfo(&self, version: Version, piece_len: u32, tracker: Option<&str>) -> Metainfo {
        let mut builder = Builder::new(self.name).version(version).piece_len(piece_len);
        if let Some(url) = tracker {
            builder = builder.tiers(vec![vec![url.to_owned()]]);
        }
        for (path, data) in &self.files {
            builder = match path.as_str() {
                "" => builder.single_file(data.len() as u64, Attributes::default()),
                path => builder.file(path.split('/'), data.len() as u64, Attributes::default()),
            };
        }
        let mut plan = builder.plan().unwrap();
        for piece in plan.geometry().piece_indexes() {
            let mut data = Vec::new();
            for extent in plan.extents(piece) {
                let len = extent.len as usize;
                match extent.place {
                    Place::File { file, offset } => {
                        let source = &self.files[plan.source(file).unwrap()].1;
                        data.extend_from_slice(&source[offset as usize..][..len]);
                    }
                    Place::Zeros => data.resize(data.len() + len, 0),
                }
            }
            if version.has_v1() {
                plan.set_v1(piece, hash::sha1(&data)).unwrap();
            }
            if let Some(leaves) = plan.leaves(piece) {
                let data = &data[..leaves.data_len() as usize];
                let digests: Vec<_> = data.chunks(16_384).map(hash::sha256).collect();
                plan.set_v2_leaves(piece, &digests).unwrap();
            }
        }
        plan.finish().unwrap()
    }

    fn path(&self, root: &Path, file: &str) -> PathBuf {
        if file.is_empty() { root.join(self.name) } else { root.join(self.name).join(file) }
    }

    /// Puts the files below `root`.
    pub(crate) fn write(&self, root: &Path) {
        for (file, data) in &self.files {
            let path = self.path(root, file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, data).unwrap();
        }
    }

    /// Asserts that the files are below `root`, whole.
    pub(crate) fn assert_at(&self, root: &Path) {
        for (file, data) in &self.files {
            let path = self.path(root, file);
            let found = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!(found.len(), data.len(), "length of {}", path.display());
            assert!(found == *data, "bytes of {}", path.display());
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.files.iter().map(|(_, data)| data.len() as u64).sum()
    }
}

/// A client's settings for tests: loopback, one shard, no trackers but local ones.
pub(crate) fn settings(dir: &Path) -> ClientBuilder {
    Client::builder()
        .download_dir(dir.join("data"))
        .state_dir(dir.join("state"))
        .listen(["127.0.0.1:0".parse().unwrap()])
        .ipv4_only()
        .shards(1)
        .allow_local_trackers(true)
}

/// A client with the payload below its directory, seeding.
pub(crate) async fn seeder(dir: &Path, payload: &Payload, metainfo: &Metainfo) -> (Client, Torrent) {
    seeder_with(settings(dir), dir, payload, metainfo).await
}

pub(crate) async fn seeder_with(
    settings: ClientBuilder,
    dir: &Path,
    payload: &Payload,
    metainfo: &Metainfo,
) -> (Client, Torrent) {
    payload.write(&dir.join("data"));
    let client = settings.build().unwrap();
    let torrent = client.add(metainfo.clone()).await.unwrap();
    complete(&torrent).await;
    (client, torrent)
}

pub(crate) fn addr(client: &Client) -> SocketAddr {
    client.listen_addrs()[0]
}

/// Downloads from one peer alone, to the end.
pub(crate) async fn download(client: &Client, metainfo: &Metainfo, from: SocketAddr) -> Torrent {
    let torrent = client.add(AddTorrent::metainfo(metainfo.clone()).peers([from])).await.unwrap();
    complete(&torrent).await;
    torrent
}

/// Waits for the end of a download; says how it stands where that does not come.
pub(crate) async fn complete(torrent: &Torrent) {
    match tokio::time::timeout(Duration::from_secs(60), torrent.wait_complete()).await {
        Ok(result) => result.unwrap(),
        Err(_) => {
            let missing: Vec<u32> = torrent.pieces().zeros().collect();
            let (snapshot, peers) = (torrent.snapshot().await, torrent.peers().await);
            panic!("it takes for ever: missing {missing:?}\n{snapshot:#?}\n{peers:#?}");
        }
    }
}

/// Only against hanging for ever.
pub(crate) async fn guard<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it takes for ever")
}
