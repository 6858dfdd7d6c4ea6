//! Downloads a torrent into the current directory: `cargo run --example download -- FILE.torrent`.

use riverrun::{AddTorrent, Client, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = std::env::args().nth(1).ok_or("usage: download FILE.torrent")?;
    // No asynchronous runtime is needed: the client has threads of its own.
    let client = Client::builder().state_dir(".riverrun").build()?;
    let torrent = client.blocking_add(AddTorrent::new(Source::parse(&source)?))?;
    println!("{} goes to {}", torrent.name(), torrent.output().display());
    torrent.blocking_wait_complete()?;
    client.blocking_close();
    println!("complete");
    Ok(())
}
