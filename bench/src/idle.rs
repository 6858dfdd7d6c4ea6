//! Our own client with very many torrents and no peers, or with a huge one.

use std::time::Instant;

use riverrun::{AddTorrent, Client, Torrent};

use crate::Result;
use crate::args::Args;
use crate::payload::noise;

/// A torrent of 64 pieces whose hashes nothing fits.
fn torrent(number: usize) -> Vec<u8> {
    const PIECE: usize = 16 * 1024;
    let (length, name) = (64 * PIECE, format!("idle-{number}"));
    let head =
        format!("d4:infod6:lengthi{length}e4:name{}:{name}12:piece lengthi{PIECE}e6:pieces1280:", name.len());
    let mut out = head.into_bytes();
    out.extend(noise(number as u64).take(1280 / 8).flatten());
    out.extend_from_slice(b"ee");
    out
}

fn client(dir: &str) -> Result<Client> {
    Ok(Client::builder()
        .download_dir(dir)
        .state_dir(format!("{dir}/state"))
        // For those who have so many; docs/performance.md has what it costs without.
        .metadata_on_disk(true)
        .listen(["127.0.0.1:0".parse()?])
        .no_trackers()
        .build()?)
}

/// Tells when all are looked through and started, and stays.
fn stay(torrents: &[Torrent], start: Instant) -> ! {
    while torrents.iter().any(|torrent| {
        use riverrun::TorrentState::{Checking, Seeding};
        matches!(torrent.state(), Checking { .. } | Seeding)
    }) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    println!("added {:.4}", start.elapsed().as_secs_f64());
    loop {
        std::thread::park();
    }
}

/// `idle riverrun`.
pub(crate) fn riverrun(args: &Args) -> Result {
    let (count, dir): (usize, String) = (args.get("torrents")?, args.get("dir")?);
    let client = client(&dir)?;
    let start = Instant::now();
    let mut torrents = Vec::with_capacity(count);
    for number in 0..count {
        torrents.push(client.blocking_add(AddTorrent::bytes(torrent(number)))?);
    }
    stay(&torrents, start)
}

/// `huge riverrun`.
pub(crate) fn huge(args: &Args) -> Result {
    let (torrent, dir): (String, String) = (args.get("torrent")?, args.get("dir")?);
    let client = client(&dir)?;
    let start = Instant::now();
    // It answers as soon as the torrent is read and has its place.
    let torrent = client.blocking_add(AddTorrent::path(torrent))?;
    println!("parsed {:.4}", start.elapsed().as_secs_f64());
    stay(&[torrent], Instant::now())
}
