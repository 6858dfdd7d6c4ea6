//! `torrent create`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use metainfo::create::{Builder, FileOrder, check_piece_len};
use metainfo::{Metainfo, Node, Version};
use serde::Serialize;
use storage::{Effort, Links, Progress, Tree, WalkOptions};

use crate::describe::infohashes;
use crate::exit::Failure;
use crate::global::Global;
use crate::{output, units, urls, work};

/// Make a torrent of a file or a directory
///
/// The same files, name and options give the same info hash, whatever the machine and the number of threads.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The file or directory to share
    path: PathBuf,
    /// Where to write: a file, a directory, or `-` for stdout [default: NAME.torrent]
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Replace an existing file
    #[arg(short, long)]
    force: bool,
    /// Make a v2 torrent (BEP 52), which old clients can't use
    #[arg(long, conflicts_with = "hybrid")]
    v2: bool,
    /// Make a torrent that is both v1 and v2
    #[arg(long)]
    hybrid: bool,
    /// Length of a piece, such as 256KiB or 1M: a power of two from 16 KiB to 512 MiB [default: by size]
    #[arg(short = 'l', long, value_name = "SIZE", value_parser = piece_length)]
    piece_length: Option<u32>,
    /// A tier of trackers; repeat for more tiers, commas separate trackers of one tier
    #[arg(short, long, value_name = "URL[,URL]", value_delimiter = ' ')]
    announce: Vec<String>,
    /// A web seed (BEP 19); repeat for more
    #[arg(short, long, value_name = "URL", value_delimiter = ' ')]
    web_seed: Vec<String>,
    /// A DHT node to begin with; repeat for more
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ' ', value_parser = units::parse_host_port)]
    node: Vec<Node>,
    /// Forbid DHT and peer exchange (BEP 27)
    #[arg(short, long)]
    private: bool,
    /// A source tag, which makes the info hash differ from that of the same files elsewhere
    #[arg(short, long, value_name = "TEXT")]
    source: Option<String>,
    /// A comment
    #[arg(short, long, value_name = "TEXT")]
    comment: Option<String>,
    /// The program to be named as the maker
    #[arg(long, value_name = "TEXT", default_value = net::tracker::USER_AGENT)]
    created_by: String,
    /// Name no program
    #[arg(long)]
    no_created_by: bool,
    /// Seconds since 1970, `now` or `none`
    #[arg(long, value_name = "DATE", default_value = "now", value_parser = date)]
    creation_date: Date,
    /// No creation date and no program, so that the file can be made again byte for byte
    #[arg(long)]
    reproducible: bool,
    /// The torrent's name [default: that of the file or directory]
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,
    /// What becomes of symbolic links
    #[arg(long, value_enum, default_value = "follow")]
    links: LinksArg,
    /// Leave out files and directories whose name begins with a dot
    #[arg(long)]
    skip_hidden: bool,
    /// Order of the files of a v1 torrent
    #[arg(long, value_enum, default_value = "tree")]
    order: Order,
    /// Let each file of a v1 torrent begin at a piece, by padding (BEP 47)
    #[arg(long)]
    align: bool,
    /// Threads that hash; 0 for one for each core
    #[arg(short, long, value_name = "N", default_value = "0")]
    threads: usize,
    /// Only list what would be shared and how it would be cut; hash and write nothing
    #[arg(long, conflicts_with = "json")]
    dry_run: bool,
    /// Print one JSON object about the new torrent
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Date {
    Now,
    None,
    At(i64),
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum LinksArg {
    /// What they point to is put in their place
    Follow,
    /// They stay links (BEP 47), and must point into the directory
    Keep,
    /// They are left out
    Skip,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// All of a directory together, by the bytes of the names, as v2 has it
    Tree,
    /// By the bytes of whole paths, as some other programs have it
    Path,
}

fn piece_length(text: &str) -> Result<u32, String> {
    let bytes = units::parse_size(text)?;
    check_piece_len(bytes).map_err(|error| error.to_string())?;
    u32::try_from(bytes).map_err(|error| error.to_string())
}

fn date(text: &str) -> Result<Date, String> {
    match text {
        "now" => Ok(Date::Now),
        "none" => Ok(Date::None),
        _ => text.parse().map(Date::At).map_err(|_| "write seconds since 1970, `now` or `none`".to_owned()),
    }
}

#[derive(Serialize)]
struct Made {
    output: String,
    name: String,
    version: &'static str,
    infohash_v1: Option<String>,
    infohash_v2: Option<String>,
    total_length: u64,
    piece_length: u32,
    pieces: u32,
    files: usize,
    skipped: Vec<String>,
    magnet: String,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    options.path.symlink_metadata().map_err(|error| Failure::io(options.path.display(), &error))?;
    if options.json && options.output.as_deref() == Some("-") {
        return Err(Failure::usage(
            "--json and the torrent can't both go to stdout; name a file with --output",
        ));
    }
    let walking = WalkOptions::default().links(options.links.into()).skip_hidden(options.skip_hidden);
    let tree = storage::walk(&options.path, walking).map_err(Failure::make)?;
    for path in &tree.skipped {
        tracing::warn!("left out: {}", path.display());
    }
    let name = options.name.clone().map_or_else(|| tree.name.clone(), String::into_bytes);
    let builder = options.describe(Builder::new(&name))?;
    // What can't be made is said before the hashing, not after it.
    let plan = tree.describe(builder.clone()).plan().map_err(|error| Failure::make(error.into()))?;
    if options.dry_run {
        return dry_run(&tree, plan.geometry().pieces(), plan.geometry().nominal_piece_len());
    }
    let target = options.target(&name);
    output::refuse_to_replace(&target, options.force)?;
    if target == "-" {
        output::refuse_terminal()?;
    }
    let progress = Progress::new();
    let effort = Effort::default().threads(options.threads);
    let making = || storage::make_torrent(&tree, builder, effort, &progress);
    let torrent = work::hashing(global.quiet, "hashing", &progress, making)?.map_err(Failure::make)?;
    output::new_file(&target, &torrent.to_bytes(), options.force)?;
    tell(&torrent, &tree, &target, options, global)
}

impl Options {
    /// Every setting but the files.
    fn describe(&self, mut builder: Builder) -> Result<Builder, Failure> {
        builder = builder
            .version(match (self.v2, self.hybrid) {
                (true, _) => Version::V2,
                (_, true) => Version::Hybrid,
                _ => Version::V1,
            })
            .order(if self.order == Order::Path { FileOrder::Path } else { FileOrder::Tree })
            .align_v1(self.align)
            .private(self.private)
            .tiers(urls::tiers("--announce", &self.announce)?)
            .web_seeds(urls::web_seeds(&self.web_seed)?)
            .nodes(self.node.clone());
        if let Some(len) = self.piece_length {
            builder = builder.piece_len(len);
        }
        if let Some(source) = &self.source {
            builder = builder.source(source);
        }
        if let Some(comment) = &self.comment {
            builder = builder.comment(comment);
        }
        if !self.no_created_by && !self.reproducible {
            builder = builder.created_by(&self.created_by);
        }
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok();
        let date = match self.creation_date {
            _ if self.reproducible => None,
            Date::Now => now().and_then(|span| i64::try_from(span.as_secs()).ok()),
            Date::None => None,
            Date::At(date) => Some(date),
        };
        Ok(date.map_or(builder.clone(), |date| builder.creation_date(date)))
    }

    /// The file to be written.
    fn target(&self, name: &[u8]) -> String {
        let file = format!("{}.torrent", String::from_utf8_lossy(name));
        match &self.output {
            None => file,
            Some(output) if output != "-" && Path::new(output).is_dir() => {
                Path::new(output).join(file).to_string_lossy().into_owned()
            }
            Some(output) => output.clone(),
        }
    }
}

impl From<LinksArg> for Links {
    fn from(links: LinksArg) -> Links {
        match links {
            LinksArg::Follow => Links::Follow,
            LinksArg::Keep => Links::Keep,
            LinksArg::Skip => Links::Skip,
        }
    }
}

fn dry_run(tree: &Tree, pieces: u32, piece_length: u32) -> Result<(), Failure> {
    for file in &tree.files {
        let path = if tree.is_file { tree.name.clone() } else { file.components.join(&b'/') };
        output::line(format!("{}\t{}", file.len, output::printable(&String::from_utf8_lossy(&path))))?;
    }
    let (files, pieces) = (units::count(tree.files.len() as u64, "file"), units::count(pieces, "piece"));
    let (total, each) = (units::size(tree.content_len()), units::size(piece_length.into()));
    output::say(format!("{files}, {total}, {pieces} of {each}"));
    Ok(())
}

fn tell(
    torrent: &Metainfo,
    tree: &Tree,
    target: &str,
    options: &Options,
    global: &Global,
) -> Result<(), Failure> {
    let (info, hashes) = (torrent.info(), torrent.info_hashes());
    if options.json {
        return output::json(&Made {
            output: target.to_owned(),
            name: info.name().to_owned(),
            version: crate::describe::version_word(info.version()),
            infohash_v1: hashes.get_v1().map(|hash| hash.to_string()),
            infohash_v2: hashes.get_v2().map(|hash| hash.to_string()),
            total_length: info.content_len(),
            piece_length: info.piece_len(),
            pieces: info.geometry().pieces(),
            files: tree.files.len(),
            skipped: tree.skipped.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            magnet: torrent.magnet().to_string(),
        });
    }
    if !global.quiet {
        output::say(format!(
            "{}: {}, {}, {} of {}, info hash {}",
            if target == "-" { info.name() } else { target },
            units::count(tree.files.len() as u64, "file"),
            units::size(info.content_len()),
            units::count(info.geometry().pieces(), "piece"),
            units::size(info.piece_len().into()),
            infohashes(torrent).join(" and "),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        assert_eq!(date("1700000000"), Ok(Date::At(1_700_000_000)));
        assert!(date("yesterday").is_err());
    }
}
