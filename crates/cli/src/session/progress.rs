//! What a person sees while a client works: a bar for each torrent on a terminal, lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use riverrun::{Snapshot, Torrent, TorrentState};

use crate::{output, units};

/// How progress is shown.
pub(crate) enum Progress {
    /// A bar for each torrent, in the order of the torrents.
    Bars { all: MultiProgress, bars: Vec<ProgressBar> },
    /// A line for each torrent when something changed, and once a minute.
    Lines { last: Vec<Option<(String, Instant)>>, start: Instant },
    /// Nothing.
    Silent,
}

/// Lines come at most so often.
const LINE_EVERY: Duration = Duration::from_secs(3);
/// A line that says the same comes at most so often.
const SAME_LINE_EVERY: Duration = Duration::from_secs(60);

impl Progress {
    /// Bars on a terminal, lines elsewhere, nothing when `quiet`.
    pub(crate) fn new(torrents: &[Torrent], quiet: bool) -> Progress {
        if quiet {
            return Progress::Silent;
        }
        if !std::io::stderr().is_terminal() {
            return Progress::Lines { last: vec![None; torrents.len()], start: Instant::now() };
        }
        let all = MultiProgress::new();
        let bars = torrents.iter().map(|torrent| all.add(bar(torrent))).collect();
        Progress::Bars { all, bars }
    }

    /// How often to show progress.
    pub(crate) fn interval(&self) -> Duration {
        match self {
            Progress::Bars { .. } => Duration::from_millis(200),
            Progress::Lines { .. } | Progress::Silent => Duration::from_secs(1),
        }
    }

    /// Shows one torrent.
    pub(crate) fn show(&mut self, i: usize, torrent: &Torrent, s: &Snapshot) {
        match self {
            Progress::Bars { bars, .. } => {
                let Some(bar) = bars.get(i) else { return };
                let (done, total) = done(s);
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(facts(s));
            }
            Progress::Lines { last, start } => {
                let Some(last) = last.get_mut(i) else { return };
                let (done, total) = done(s);
                let text = format!(
                    "{}: {} of {}, {}",
                    torrent.name(),
                    units::size(done),
                    units::size(total),
                    facts(s)
                );
                let due = match last {
                    None => true,
                    Some((before, at)) => {
                        at.elapsed() >= if *before == text { SAME_LINE_EVERY } else { LINE_EVERY }
                    }
                };
                if due {
                    output::say(format!("{:>7}  {text}", units::time(start.elapsed())));
                    *last = Some((text, Instant::now()));
                }
            }
            Progress::Silent => {}
        }
    }

    /// Words between the bars.
    pub(crate) fn say(&self, text: &str) {
        match self {
            // A terminal that can't be written to has nobody before it.
            Progress::Bars { all, .. } => {
                let _ = all.println(text);
            }
            Progress::Lines { .. } => output::say(text),
            Progress::Silent => {}
        }
    }

    /// What went wrong: told although nothing else is.
    pub(crate) fn complain(&self, text: &str) {
        match self {
            Progress::Silent => output::complain(text),
            _ => self.say(text),
        }
    }

    /// Leaves the last state on the screen.
    pub(crate) fn finish(&self) {
        if let Progress::Bars { bars, .. } = self {
            bars.iter().for_each(ProgressBar::abandon);
        }
    }
}

fn bar(torrent: &Torrent) -> ProgressBar {
    const NAME: usize = 28;
    let name: String =
        torrent.name().chars().map(|c| if c.is_control() { '.' } else { c }).take(NAME).collect();
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {percent:>3}% {bytes}/{total_bytes} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(0).with_style(style).with_prefix(name)
}

/// Bytes done and to be done: of checking while it lasts, of the download then.
fn done(s: &Snapshot) -> (u64, u64) {
    match s.state {
        TorrentState::Checking { checked, total } => (checked, total),
        TorrentState::FetchingMetadata { bytes, total, .. } => (bytes.into(), total.into()),
        _ => (s.bytes_wanted.saturating_sub(s.bytes_left), s.bytes_wanted),
    }
}

/// Pieces complete and partial, rates, peers, the time left.
fn facts(s: &Snapshot) -> String {
    let have = s.pieces_wanted.saturating_sub(s.pieces_missing);
    let pieces = format!("{have}+{}/{} pieces", s.pieces_partial, s.pieces_wanted);
    let peers = format!("{} peers", s.peers);
    let up = if s.upload_rate > 0 { format!(", up {}/s", units::size(s.upload_rate)) } else { String::new() };
    match &s.state {
        TorrentState::Checking { .. } => "checking".to_owned(),
        state @ TorrentState::FetchingMetadata { .. } => super::fetch::words(state).unwrap_or_default(),
        TorrentState::Downloading => {
            let eta = s.eta.map(|eta| format!(", {} left", units::time(eta))).unwrap_or_default();
            format!("{pieces}, {}/s{up}, {peers}{eta}", units::size(s.download_rate))
        }
        TorrentState::Seeding => format!("seeding{up}, {peers}, ratio {:.2}", s.ratio()),
        TorrentState::Stalled(trouble) => format!("stalled: {trouble}"),
        state => state.name().to_owned(),
    }
}
