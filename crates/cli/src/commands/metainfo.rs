//! `torrent metainfo`: what is inside a torrent.

use clap::{Args, Subcommand, ValueEnum};
use metainfo::Metainfo;
use serde::Serialize;

use crate::describe::{hex, host_port, infohashes, version_word, warn};
use crate::exit::{Code, Failure};
use crate::global::Global;
use crate::{output, source, units};

/// Show what is inside a torrent
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    /// A .torrent file, its http(s) URL, or `-` for stdin
    #[arg(required = true)]
    file: Option<String>,
    /// What to show
    #[arg(value_enum, default_value = "show")]
    what: What,
    /// With `pprint` and `json`: the hash of each piece too
    #[arg(long)]
    piece_hashes: bool,
}

#[derive(Subcommand, Debug)]
enum Action {
    Fetch(Box<super::metainfo_fetch::Options>),
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// A summary for people
    Show,
    /// The magnet link
    Magnet,
    /// The info hashes, one a line: v1 first
    Infohash,
    /// Number, length and path of each file
    Files,
    /// The trackers, one a line, a blank line between tiers
    Trackers,
    /// Everything as one JSON object
    Json,
    /// As `json`, over several lines
    Pprint,
    /// The info dictionary, byte for byte
    Raw,
}

pub(crate) fn run(options: &Options, global: &Global) -> Result<(), Failure> {
    if let Some(Action::Fetch(fetch)) = &options.action {
        return super::metainfo_fetch::run(fetch, global);
    }
    let Some(file) = &options.file else { return Err(Failure::usage("name a .torrent")) };
    let torrent = source::load(file)?;
    warn(&torrent);
    match options.what {
        What::Show => show(&torrent),
        What::Magnet => output::line(torrent.magnet().to_string()),
        What::Infohash => infohashes(&torrent).iter().try_for_each(output::line),
        What::Files => files(&torrent),
        What::Trackers => {
            let tiers: Vec<String> = torrent.tiers().iter().map(|tier| tier.join("\n")).collect();
            if tiers.is_empty() { Ok(()) } else { output::line(tiers.join("\n\n")) }
        }
        What::Json => output::json(&Described::new(&torrent, options.piece_hashes)),
        What::Pprint => {
            let text = serde_json::to_string_pretty(&Described::new(&torrent, options.piece_hashes))
                .map_err(|error| Failure::new(Code::Other, format!("cannot print JSON: {error}")))?;
            output::line(text)
        }
        What::Raw => output::to_file_or_stdout("-", torrent.info().raw()),
    }
}

fn files(torrent: &Metainfo) -> Result<(), Failure> {
    let files = torrent.info().files().iter().enumerate().filter(|(_, file)| !file.is_padding());
    files.into_iter().try_for_each(|(i, file)| output::line(format!("{i}\t{}\t{}", file.len(), file.path())))
}

fn show(torrent: &Metainfo) -> Result<(), Failure> {
    let info = torrent.info();
    let mut rows: Vec<(&str, String)> = vec![("name", info.name().to_owned())];
    let hashes = torrent.info_hashes();
    rows.extend(hashes.get_v1().map(|hash| ("info hash v1", hash.to_string())));
    rows.extend(hashes.get_v2().map(|hash| ("info hash v2", hash.to_string())));
    rows.push(("size", format!("{} ({} bytes)", units::size(info.content_len()), info.content_len())));
    rows.push((
        "pieces",
        format!("{} of {}", info.geometry().pieces(), units::size(info.piece_len().into())),
    ));
    rows.push(("private", if info.is_private() { "yes" } else { "no" }.to_owned()));
    rows.extend(info.source().map(|source| ("source", source.to_owned())));
    rows.extend(torrent.comment().map(|comment| ("comment", comment.to_owned())));
    rows.extend(torrent.created_by().map(|program| ("created by", program.to_owned())));
    rows.extend(torrent.creation_date().map(|date| ("created", date_text(date))));
    for (i, tier) in torrent.tiers().iter().enumerate() {
        rows.extend(tier.iter().map(|url| ("tracker", format!("{url}  (tier {i})"))));
    }
    rows.extend(torrent.web_seeds().iter().map(|url| ("web seed", url.clone())));
    rows.extend(torrent.nodes().iter().map(|node| ("node", host_port(node))));
    rows.extend(info.obstacle().map(|obstacle| ("cannot download", obstacle.to_string())));
    for (key, value) in rows {
        output::line(format!("{key:<16} {}", output::printable(&value)))?;
    }
    output::line("files")?;
    for (i, file) in info.files().iter().enumerate().filter(|(_, file)| !file.is_padding()) {
        let link = file.symlink().map(|target| format!(" -> {target}")).unwrap_or_default();
        output::line(format!("  {i:>4}  {:>11}  {}{link}", units::size(file.len()), file.path()))?;
    }
    Ok(())
}

/// A Unix time as `2026-11-21 03:10:00 UTC`. Days are counted as Howard Hinnant's `civil_from_days` does.
fn date_text(unix: i64) -> String {
    let (days, seconds) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Beyond these years nothing was ever created.
    if !(-700_000..3_000_000).contains(&days) {
        return unix.to_string();
    }
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A torrent as JSON.
#[derive(Serialize)]
struct Described {
    name: String,
    version: &'static str,
    infohash_v1: Option<String>,
    infohash_v2: Option<String>,
    total_length: u64,
    piece_length: u32,
    pieces: u32,
    private: bool,
    source: Option<String>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
    encoding: Option<String>,
    announce: Option<String>,
    announce_list: Vec<Vec<String>>,
    url_list: Vec<String>,
    nodes: Vec<String>,
    files: Vec<DescribedFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    piece_hashes: Option<Vec<DescribedPiece>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct DescribedFile {
    index: usize,
    path: String,
    length: u64,
    offset: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    attr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    symlink: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pieces_root: Option<String>,
}

#[derive(Serialize)]
struct DescribedPiece {
    #[serde(skip_serializing_if = "Option::is_none")]
    v1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v2: Option<String>,
}

impl Described {
    fn new(torrent: &Metainfo, piece_hashes: bool) -> Described {
        let info = torrent.info();
        let hashes = torrent.info_hashes();
        let warnings = torrent.warnings().iter().chain(info.warnings().iter());
        Described {
            name: info.name().to_owned(),
            version: version_word(info.version()),
            infohash_v1: hashes.get_v1().map(|hash| hash.to_string()),
            infohash_v2: hashes.get_v2().map(|hash| hash.to_string()),
            total_length: info.content_len(),
            piece_length: info.piece_len(),
            pieces: info.geometry().pieces(),
            private: info.is_private(),
            source: info.source().map(str::to_owned),
            comment: torrent.comment().map(str::to_owned),
            created_by: torrent.created_by().map(str::to_owned),
            creation_date: torrent.creation_date(),
            encoding: torrent.encoding().map(str::to_owned),
            announce: torrent.announce().map(str::to_owned),
            announce_list: torrent.tiers(),
            url_list: torrent.web_seeds().to_vec(),
            nodes: torrent.nodes().iter().map(host_port).collect(),
            files: info.files().iter().enumerate().map(DescribedFile::new).collect(),
            piece_hashes: piece_hashes.then(|| pieces(torrent)),
            warnings: warnings.map(|warning| warning.to_string()).collect(),
        }
    }
}

impl DescribedFile {
    fn new((index, file): (usize, &metainfo::File)) -> DescribedFile {
        DescribedFile {
            index,
            path: file.path().to_owned(),
            length: file.len(),
            offset: file.offset(),
            attr: file.attributes().to_letters(),
            symlink: file.symlink().map(str::to_owned),
            pieces_root: file.root().map(|root| hex(root)),
        }
    }
}

fn pieces(torrent: &Metainfo) -> Vec<DescribedPiece> {
    let info = torrent.info();
    let expected = info.geometry().piece_indexes().map(|piece| info.piece_hash(piece));
    expected
        .map(|hash| DescribedPiece { v1: hash.v1().map(|h| hex(h)), v2: hash.v2().map(|h| hex(h.hash())) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date_text(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date_text(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date_text(1_795_230_610), "2026-11-21 03:10:10 UTC");
        assert_eq!(date_text(-1), "1969-12-31 23:59:59 UTC");
        assert_eq!(date_text(i64::MAX), i64::MAX.to_string());
    }
}
