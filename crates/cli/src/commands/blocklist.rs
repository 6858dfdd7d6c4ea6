//! `torrent blocklist`: lists of addresses not to talk to.

use std::net::IpAddr;

use clap::Subcommand;
use iplist::{Blocklist, Builder, Limits, Match, Packed, Stats};
use serde::Serialize;

use crate::exit::Failure;
use crate::lists::{PACKED, add, damaged, load, open_packed, read, refuse_nonsense, warn};
use crate::output;

/// Pack, search and count lists of blocked addresses
///
/// A list is text in P2P, eMule or CIDR form, plain or compressed with gzip, or what `torrent blocklist pack` has made.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Merge lists into one packed file that is searched without being read through
    Pack {
        /// Lists to merge; `-` for stdin
        #[arg(required = true)]
        files: Vec<String>,
        /// Where to write; `-` for stdout
        #[arg(short, long, value_name = "FILE")]
        output: String,
        /// Leave out the names of the ranges, which makes it smaller
        #[arg(long)]
        no_names: bool,
        /// Replace an existing file
        #[arg(short, long)]
        force: bool,
    },
    /// Print for each address the range that blocks it, or `none`
    Lookup {
        /// A list; `-` for stdin
        list: String,
        /// IPv4 and IPv6 addresses
        #[arg(required = true, value_name = "IP")]
        ips: Vec<IpAddr>,
        /// Print one JSON object for each address
        #[arg(long)]
        json: bool,
    },
    /// Count ranges, addresses, and lines that can't be read
    Stats {
        /// Lists; `-` for stdin
        #[arg(required = true, value_name = "LIST")]
        lists: Vec<String>,
        /// Print one JSON object for each list
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Pack { files, output, no_names, force } => pack(files, output, *no_names, *force),
        Command::Lookup { list, ips, json } => lookup(list, ips, *json),
        Command::Stats { lists, json } => lists.iter().try_for_each(|list| stats(list, *json)),
    }
}

fn pack(files: &[String], target: &str, no_names: bool, force: bool) -> Result<(), Failure> {
    output::refuse_to_replace(target, force)?;
    let mut builder = Builder::new(Limits::default());
    if !no_names {
        builder = builder.keep_names();
    }
    for path in files {
        let report = add(&mut builder, path, &read(path)?)?;
        refuse_nonsense(path, report.as_ref())?;
        warn(path, report.as_ref());
    }
    output::to_file_or_stdout(target, &builder.build().pack())
}

#[derive(Serialize)]
struct Found<'a> {
    ip: IpAddr,
    blocked: bool,
    range: Option<String>,
    name: Option<&'a str>,
}

fn lookup(path: &str, ips: &[IpAddr], json: bool) -> Result<(), Failure> {
    let bytes = read(path)?;
    if bytes.starts_with(PACKED) {
        let packed = Packed::new(&bytes).map_err(|error| damaged(path, error))?;
        return ips.iter().try_for_each(|ip| print_match(*ip, packed.find(*ip), json));
    }
    let (list, report) = load(path, &bytes)?;
    warn(path, report.as_ref());
    ips.iter().try_for_each(|ip| print_match(*ip, list.lookup(*ip), json))
}

fn print_match(ip: IpAddr, found: Option<Match<'_>>, json: bool) -> Result<(), Failure> {
    let range = found.map(|found| found.range.to_string());
    let name = found.and_then(|found| found.name);
    if json {
        return output::json(&Found { ip, blocked: found.is_some(), range, name });
    }
    match (range, name) {
        (None, _) => output::line(format!("{ip}\tnone")),
        (Some(range), None) => output::line(format!("{ip}\t{range}")),
        (Some(range), Some(name)) => output::line(format!("{ip}\t{range}\t{}", output::printable(name))),
    }
}

#[derive(Serialize)]
struct Counted<'a> {
    list: &'a str,
    packed: bool,
    v4_ranges: usize,
    v6_ranges: usize,
    v4_addresses: u64,
    /// As text: it may be beyond what JSON readers take for a number.
    v6_addresses: String,
    names: usize,
    lines: Option<u64>,
    bad_lines: Option<u64>,
    first_bad_lines: Vec<String>,
}

fn stats(path: &str, json: bool) -> Result<(), Failure> {
    let bytes = read(path)?;
    let packed = bytes.starts_with(PACKED);
    let (stats, report): (Stats, _) = if packed {
        (open_packed(path, &bytes)?.stats(), None)
    } else {
        let (list, report) = load(path, &bytes)?;
        (list.stats(), report)
    };
    let bad = report.iter().flat_map(|report| &report.bad_lines).map(ToString::to_string).collect();
    let counted = Counted {
        list: path,
        packed,
        v4_ranges: stats.v4_ranges,
        v6_ranges: stats.v6_ranges,
        v4_addresses: stats.v4_addresses,
        v6_addresses: stats.v6_addresses.to_string(),
        names: stats.names,
        lines: report.as_ref().map(|report| report.lines),
        bad_lines: report.as_ref().map(|report| report.bad),
        first_bad_lines: bad,
    };
    if json { output::json(&counted) } else { print_stats(&counted) }
}

fn print_stats(counted: &Counted<'_>) -> Result<(), Failure> {
    output::line(format!("list            {}", counted.list))?;
    output::line(format!(
        "IPv4            {} ranges, {} addresses",
        counted.v4_ranges, counted.v4_addresses
    ))?;
    output::line(format!(
        "IPv6            {} ranges, {} addresses",
        counted.v6_ranges, counted.v6_addresses
    ))?;
    output::line(format!("names           {}", counted.names))?;
    let (Some(lines), Some(bad)) = (counted.lines, counted.bad_lines) else { return Ok(()) };
    output::line(format!("lines           {lines}, {bad} of them not understood"))?;
    counted.first_bad_lines.iter().try_for_each(|line| output::line(format!("  {line}")))
}
