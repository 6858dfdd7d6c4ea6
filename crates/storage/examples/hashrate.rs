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

/// Processor time of this process so far, where the system tells in the way Linux does; in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().ok_or("usage: hashrate PATH [THREADS] [PIECE_LEN] [BUFFER]")?);
    let mut number = |default: usize| args.next().map_or(Ok(default), |text| text.parse());
    let (threads, piece_len, buffer) = (number(2)?, number(1 << 20)?, number(Effort::default().buffer)?);
    let effort = Effort::default().threads(threads).buffer(buffer);
    let tree = walk(&path, WalkOptions::default())?;
    let root = path.parent().unwrap_or(&path);
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let gigabytes = tree.content_len() as f64 / 1e9;
        let rate = |(start, cpu): (Instant, f64)| {
            let per_gb = (cpu_seconds() - cpu) / gigabytes;
            format!("{:.2} GB/s ({per_gb:.3} CPU s/GB)", gigabytes / start.elapsed().as_secs_f64())
        };
        let start = (Instant::now(), cpu_seconds());
        let builder = Builder::new(&tree.name).version(version).piece_len(piece_len as u32);
        let torrent = make_torrent(&tree, builder, effort, &Progress::new())?;
        let made = rate(start);
        let info = torrent.info();
        let request = OpenRequest::new(info.info_hashes(), Arc::new(Plan::of(info)));
        let storage = FileFactory::new(root).open(&request)?;
        let start = (Instant::now(), cpu_seconds());
        let options = CheckOptions::default().effort(effort);
        let report = check(&*storage, info, &options, &Progress::new(), &|_, _| {})?;
        assert!(report.good.is_full());
        println!("{version:?}: create {made}, check {}", rate(start));
    }
    Ok(())
}
