//! Two clients in one process: one makes a torrent of a few bytes and seeds it, the other downloads it over
//! loopback. `cargo run --example two_clients`.

use metainfo::Attributes;
use metainfo::create::Builder;
use riverrun::{AddTorrent, Client, ClientBuilder, Metainfo};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("riverrun-two-clients-{}", std::process::id()));
    let (from, to) = (dir.join("seed"), dir.join("download"));
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n / 7) as u8).collect();
    std::fs::create_dir_all(&from)?;
    std::fs::write(from.join("hello.bin"), &data)?;
    let metainfo = describe(&data)?;

    let seed = loopback()?.download_dir(&from).build()?;
    seed.add(metainfo.clone()).await?.wait_complete().await?;
    let client = loopback()?.download_dir(&to).build()?;
    let torrent = client.add(AddTorrent::metainfo(metainfo).peers(seed.listen_addrs())).await?;
    torrent.wait_complete().await?;
    client.close().await;
    seed.close().await;

    assert_eq!(std::fs::read(to.join("hello.bin"))?, data);
    println!("{} bytes went from {} to {}", data.len(), from.display(), to.display());
    Ok(std::fs::remove_dir_all(dir)?)
}

fn loopback() -> Result<ClientBuilder, std::net::AddrParseError> {
    Ok(Client::builder().listen(["127.0.0.1:0".parse()?]).ipv4_only().no_trackers())
}

/// A torrent of one file, hashed here and now.
fn describe(data: &[u8]) -> Result<Metainfo, Box<dyn std::error::Error>> {
    let builder = Builder::new("hello.bin").piece_len(65_536);
    let mut plan = builder.single_file(data.len() as u64, Attributes::default()).plan()?;
    for (piece, bytes) in plan.geometry().piece_indexes().zip(data.chunks(65_536)) {
        plan.set_v1(piece, hash::sha1(bytes))?;
    }
    Ok(plan.finish()?)
}
