//! `torrent edit`: change a torrent without making it anew.

use clap::Args;
use metainfo::edit::InfoEdit;
use metainfo::{Limits, Metainfo};
use serde::Serialize;

use crate::describe::infohashes;
use crate::exit::{Code, Failure};
use crate::{output, source, urls};

/// Change trackers, comment, web seeds, source or the private flag of a torrent
///
/// Keys that are not named stay byte for byte. `--private`, `--public`, `--source` and `--name` change the info hash: to
/// peers and trackers it is another torrent then.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The torrent: a file, its URL, or `-`
    file: String,
    /// Where to write; `-` for stdout. Without it the file itself is replaced
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Replace another file that --output names
    #[arg(short, long)]
    force: bool,
    /// Replace the trackers; repeat for more tiers, commas separate trackers of one tier
    #[arg(short, long, value_name = "URL[,URL]", conflicts_with = "no_trackers")]
    announce: Vec<String>,
    /// Add a tier of trackers after those that are there
    #[arg(long, value_name = "URL[,URL]", conflicts_with = "no_trackers")]
    add_tracker: Vec<String>,
    /// Remove all trackers
    #[arg(long)]
    no_trackers: bool,
    /// Set the comment; an empty one removes it
    #[arg(short, long, value_name = "TEXT")]
    comment: Option<String>,
    /// Set the name of the program that made the torrent; an empty one removes it
    #[arg(long, value_name = "TEXT")]
    created_by: Option<String>,
    /// Replace the web seeds; repeat for more
    #[arg(short, long, value_name = "URL", conflicts_with = "no_web_seeds")]
    web_seed: Vec<String>,
    /// Remove all web seeds
    #[arg(long)]
    no_web_seeds: bool,
    /// Forbid DHT and peer exchange (changes the info hash)
    #[arg(long, conflicts_with = "public")]
    private: bool,
    /// Allow DHT and peer exchange (changes the info hash)
    #[arg(long)]
    public: bool,
    /// Set the source tag; an empty one removes it (changes the info hash)
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Set the name of the file or directory (changes the info hash)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print one JSON object about the change
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Edited {
    output: String,
    infohashes_before: Vec<String>,
    infohashes: Vec<String>,
    infohash_changed: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let before = source::load(&options.file)?;
    let target = match &options.output {
        Some(output) => output.as_str(),
        None if std::path::Path::new(&options.file).is_file() => &options.file,
        None => {
            return Err(Failure::usage(
                "the torrent is no file that could be replaced; name one with --output",
            ));
        }
    };
    if options.json && target == "-" {
        return Err(Failure::usage(
            "--json and the torrent can't both go to stdout; name a file with --output",
        ));
    }
    if !options.changes_anything() {
        return Err(Failure::usage(
            "nothing to change; say what with --announce, --comment, --web-seed, --private, ... (`torrent help edit`)",
        ));
    }
    if !is_in_place(&options.file, target) {
        output::refuse_to_replace(target, options.force)?;
    }
    let mut after = edit_info(&before, options)?;
    edit_outer(&mut after, options)?;
    let bytes = after.to_bytes();
    if is_in_place(&options.file, target) {
        output::to_file_or_stdout(target, &bytes)?;
    } else {
        output::new_file(target, &bytes, options.force)?;
    }
    let infohash_changed = before.info_hashes() != after.info_hashes();
    if options.json {
        output::json(&Edited {
            output: target.to_owned(),
            infohashes_before: infohashes(&before),
            infohashes: infohashes(&after),
            infohash_changed,
        })?;
    }
    if infohash_changed {
        output::say(format!(
            "torrent: THE INFO HASH CHANGED, this is another torrent now:\n  before  {}\n  after   {}",
            infohashes(&before).join(" "),
            infohashes(&after).join(" ")
        ));
    }
    Ok(())
}

/// Whether the file that is written is the one that was read, by whatever path.
fn is_in_place(file: &str, target: &str) -> bool {
    let real = |path: &str| std::fs::canonicalize(path).ok();
    file == target || target != "-" && real(target).is_some_and(|target| real(file) == Some(target))
}

impl Options {
    /// Whether there is anything to do.
    fn changes_anything(&self) -> bool {
        let lists = [&self.announce, &self.add_tracker, &self.web_seed];
        let texts = [&self.comment, &self.created_by, &self.source, &self.name];
        let switches = [self.no_trackers, self.no_web_seeds, self.private, self.public];
        lists.iter().any(|list| !list.is_empty())
            || texts.iter().any(|text| text.is_some())
            || switches.contains(&true)
    }
}

fn edit_info(before: &Metainfo, options: &Options) -> Result<Metainfo, Failure> {
    let mut edit = InfoEdit::new();
    if options.private || options.public {
        edit = edit.private(options.private);
    }
    if let Some(source) = &options.source {
        edit = edit.source(some(source));
    }
    if let Some(name) = &options.name {
        // What `create` refuses: no reader would take it, or it would lead out of the directory.
        if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(Failure::usage(format!(
                "--name: `{}` cannot be part of a path in a torrent",
                output::printable(name)
            )));
        }
        edit = edit.name(name);
    }
    if edit == InfoEdit::new() {
        return Ok(before.clone());
    }
    before.with_info_edit(&edit, &Limits::default()).map_err(|error| Failure::new(Code::BadTorrent, error))
}

fn edit_outer(torrent: &mut Metainfo, options: &Options) -> Result<(), Failure> {
    if options.no_trackers {
        torrent.set_tiers(&[]);
    }
    if !options.announce.is_empty() {
        torrent.set_tiers(&urls::tiers("--announce", &options.announce)?);
    }
    if !options.add_tracker.is_empty() {
        let mut tiers = torrent.tiers();
        tiers.extend(urls::tiers("--add-tracker", &options.add_tracker)?);
        torrent.set_tiers(&tiers);
    }
    if let Some(comment) = &options.comment {
        torrent.set_comment(some(comment));
    }
    if let Some(program) = &options.created_by {
        torrent.set_created_by(some(program));
    }
    if options.no_web_seeds || !options.web_seed.is_empty() {
        torrent.set_web_seeds(&urls::web_seeds(&options.web_seed)?);
    }
    Ok(())
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
