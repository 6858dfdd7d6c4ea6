//! Measures creation and rechecking of what is in the page cache:
//! `cargo run --release -p riverrun-storage --example hashrate -- PATH [THREADS] [PIECE_LEN] [BUFFER]`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use metainfo::Version;
use metainfo::create::Builder;
use riverrun_storage::{
    CheckOptions, Effort, FileFactory, OpenRequest, Plan, Progress, StorageFactory, WalkOptions, check,
    make_torrent, walk,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().ok_or("usage: hashrate PATH [THREADS] [PIECE_LEN] [BUFFER]")?);
    let mut number = |default: usize| args.next().map_or(Ok(default), |text| text.parse());
    let (threads, piece_len, buffer) = (number(2)?, number(1 << 20)?, number(Effort::default().buffer)?);
    let effort = Effort::default().threads(threads).buffer(buffer);
    let tree = walk(&path, WalkOptions::default())?;
    let root = path.parent().unwrap_or(&path);
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let rate = |since: Instant| tree.content_len() as f64 / since.elapsed().as_secs_f64() / 1e9;
        let start = Instant::now();
        let builder = Builder::new(&tree.name).version(version).piece_len(piece_len as u32);
        let torrent = make_torrent(&tree, builder, effort, &Progress::new())?;
        let made = rate(start);
        let info = torrent.info();
        let request = OpenRequest::new(info.info_hashes(), Arc::new(Plan::of(info)));
        let storage = FileFactory::new(root).open(&request)?;
        let start = Instant::now();
        let options = CheckOptions::default().effort(effort);
        let report = check(&*storage, info, &options, &Progress::new(), &|_, _| {})?;
        assert!(report.good.is_full());
        println!("{version:?}: create {made:.2} GB/s, check {:.2} GB/s", rate(start));
    }
    Ok(())
}
