//! Two clients that meet at a Unix socket, without any network: the seed listens at a path, and the other's dialer
//! connects there. `cargo run --example unix_sockets`.

mod support;

#[cfg(unix)]
#[tokio::main]
async fn main() -> support::Result {
    use riverrun::{AddTorrent, unix_dialer};
    use support::{Demo, loopback};

    let demo = Demo::start(&[("a.bin", 1_000_000)]).await?;
    let path = demo.dir.join("peers.sock");
    let seed = loopback()?.listen([]).listen_unix(&path).download_dir(demo.dir.join("seed")).build()?;
    seed.add(demo.metainfo.clone()).await?.wait_complete().await?;
    println!("a seed listens at {}, and at {} addresses", path.display(), seed.listen_addrs().len());

    // In the swarm the seed is this address, which nobody else has; the dialer knows what it stands for.
    let seed_addr = "10.77.0.1:6881".parse()?;
    let dialer = unix_dialer(move |addr| (addr == seed_addr).then(|| path.clone()));
    let client = demo.client()?.dialer(dialer).build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).peers([seed_addr]);
    let torrent = client.add(add).await?;
    torrent.wait_complete().await?;
    println!("{} bytes came from {seed_addr}", torrent.snapshot().await?.bytes_have);
    assert_eq!(std::fs::read(demo.dir.join("download/demo/a.bin"))?, demo.data);
    client.close().await;
    seed.close().await;
    Ok(())
}

#[cfg(not(unix))]
fn main() {
    println!("this system has no Unix sockets");
}
