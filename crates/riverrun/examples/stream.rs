//! Reads a file while it is being fetched, and seeks in it; what is not read is not fetched:
//! `cargo run --example stream`.

mod support;

use std::io::SeekFrom;

use riverrun::{AddTorrent, Readahead};
use support::{Demo, Result};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("film.bin", 8_000_000)]).await?;
    let client = demo.client()?.build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).wanted([]).peers(demo.seed.listen_addrs());
    let torrent = client.add(add).await?;
    let file = torrent.file(0).ok_or("no file")?;
    let mut reader = file.reader().with_readahead(Readahead::Fixed(200_000));
    let mut start = vec![0; 100_000];
    reader.read_exact(&mut start).await?;
    reader.seek(SeekFrom::Start(5_000_000)).await?;
    let mut middle = vec![0; 100_000];
    reader.read_exact(&mut middle).await?;
    assert!(start == demo.data[..100_000] && middle == demo.data[5_000_000..5_100_000]);
    drop(reader);
    println!("read 200000 bytes of {}; {} were fetched", file.len(), torrent.bytes_completed());
    client.close().await;
    demo.seed.clone().close().await;
    Ok(())
}
