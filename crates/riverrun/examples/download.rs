//! Downloads a torrent by calls that block: `cargo run --example download [-- FILE.torrent]`. Without a
//! torrent it makes one and seeds it itself.

mod support;

use riverrun::{AddTorrent, Client, Source};
use support::{Demo, Result};

fn main() -> Result {
    // No asynchronous runtime is needed but for the demonstration: a client has threads of its own.
    let Some(source) = std::env::args().nth(1) else {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let demo = runtime.block_on(Demo::start(&[("a.bin", 500_000)]))?;
        let add = AddTorrent::metainfo(demo.metainfo.clone()).peers(demo.seed.listen_addrs());
        return download(demo.client()?.build()?, add);
    };
    let client = Client::builder().state_dir(".riverrun").build()?;
    download(client, AddTorrent::new(Source::parse(&source)?))
}

fn download(client: Client, add: AddTorrent) -> Result {
    let torrent = client.blocking_add(add)?;
    println!("{} goes to {}", torrent.name(), torrent.output().display());
    torrent.blocking_wait_complete()?;
    client.blocking_close();
    println!("complete");
    Ok(())
}
