//! Downloads one file of several, then another one before the rest: `cargo run --example select_files`.

mod support;

use riverrun::{AddTorrent, Priority};
use support::{Demo, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let demo = Demo::start(&[("a.bin", 300_000), ("b.bin", 300_000), ("c.bin", 300_000)]).await?;
    let client = demo.client()?.build()?;
    let add = AddTorrent::metainfo(demo.metainfo.clone()).wanted([1]).peers(demo.seed.listen_addrs());
    let torrent = client.add(add).await?;
    torrent.wait_complete().await?;
    let show = || {
        for file in torrent.files() {
            println!("{}: {} of {} bytes", file.display_path(), file.progress(), file.len());
        }
    };
    show();
    torrent.want_all().await?;
    torrent.files()[2].set_priority(Priority::TOP).await?;
    torrent.wait_complete().await?;
    show();
    client.close().await;
    demo.seed.clone().close().await;
    Ok(())
}
