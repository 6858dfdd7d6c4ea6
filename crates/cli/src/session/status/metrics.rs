//! The status as Prometheus reads it: its text format 0.0.4.

use std::fmt::Write;

use riverrun::{Report, SourceCount, TorrentReport, Waste};

/// Labels and their values, as yet unescaped.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The families that were written so far.
struct Families(String);

impl Families {
    /// One family with its samples; none at all where there are no samples.
    fn add<'a>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        // Writing into a string can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.add(name, kind, help, [(Vec::new(), value)]);
    }
}

/// A label's value within its quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn reasons(waste: Waste) -> [(&'static str, u64); 3] {
    [("duplicate", waste.duplicate), ("hash_failed", waste.hash_failed), ("unasked", waste.unasked)]
}

/// All families.
pub(super) fn of(report: &Report) -> String {
    let mut out = Families(String::new());
    client(&mut out, report);
    torrents(&mut out, &report.torrents);
    trackers(&mut out, &report.torrents);
    out.0
}

fn client(out: &mut Families, report: &Report) {
    let stats = &report.stats;
    let version = env!("CARGO_PKG_VERSION");
    out.add("riverrun_build_info", "gauge", "The version.", [(vec![("version", version)], 1.0)]);
    out.one("riverrun_uptime_seconds", "gauge", "How long the client runs.", report.uptime.as_secs_f64());
    out.one("riverrun_torrents", "gauge", "Torrents.", stats.torrents as f64);
    out.one("riverrun_connections", "gauge", "Connections open or being opened.", stats.connections.into());
    let help = "Bytes received in a second, protocol included.";
    out.one("riverrun_download_rate_bytes", "gauge", help, stats.download_rate as f64);
    let help = "Bytes sent in a second, protocol included.";
    out.one("riverrun_upload_rate_bytes", "gauge", help, stats.upload_rate as f64);
    out.one("riverrun_dht_nodes", "gauge", "Nodes of the DHT that answered.", stats.dht_nodes as f64);
    let by = |count: fn(&SourceCount) -> u32| {
        stats.sources.iter().map(move |s| (vec![("source", s.source.name())], f64::from(count(s))))
    };
    out.add("riverrun_peers", "gauge", "Connected peers by source.", by(|s| s.connected));
    out.add("riverrun_known_peers", "gauge", "Known addresses by source.", by(|s| s.known));
}

/// A family with one sample for each torrent.
fn each(
    out: &mut Families,
    all: &[TorrentReport],
    (name, kind, help): (&str, &str, &str),
    value: fn(&TorrentReport) -> f64,
) {
    out.add(name, kind, help, all.iter().map(|t| (vec![("infohash", t.infohash.as_str())], value(t))));
}

fn torrents(out: &mut Families, all: &[TorrentReport]) {
    let info = |t: &'_ TorrentReport| (t.infohash.clone(), t.name.clone(), t.snapshot.state.name());
    let infos: Vec<(String, String, &str)> = all.iter().map(info).collect();
    let samples = infos.iter().map(|(hash, name, state)| {
        (vec![("infohash", hash.as_str()), ("name", name.as_str()), ("state", *state)], 1.0)
    });
    out.add("riverrun_torrent_info", "gauge", "The name and state of each torrent.", samples);
    type Value = fn(&TorrentReport) -> f64;
    let families: [(&str, &str, &str, Value); 13] = [
        ("size_bytes", "gauge", "Length of all pieces.", |t| t.snapshot.bytes as f64),
        ("have_bytes", "gauge", "Length of the verified pieces.", |t| t.snapshot.bytes_have as f64),
        ("wanted_bytes", "gauge", "Length of the wanted pieces.", |t| t.snapshot.bytes_wanted as f64),
        ("left_bytes", "gauge", "Wanted bytes that are missing.", |t| t.snapshot.bytes_left as f64),
        ("pieces", "gauge", "Pieces in all.", |t| t.snapshot.pieces.into()),
        ("pieces_have", "gauge", "Verified pieces.", |t| t.snapshot.pieces_have.into()),
        ("pieces_missing", "gauge", "Wanted pieces that are missing.", |t| t.snapshot.pieces_missing.into()),
        ("received_bytes_total", "counter", "Payload received in this run, the useless included.", |t| {
            t.snapshot.session_downloaded as f64
        }),
        ("sent_bytes_total", "counter", "Payload sent in this run.", |t| t.snapshot.session_uploaded as f64),
        ("download_rate_bytes", "gauge", "Payload received in a second.", |t| {
            t.snapshot.download_rate as f64
        }),
        ("upload_rate_bytes", "gauge", "Payload sent in a second.", |t| t.snapshot.upload_rate as f64),
        ("ratio", "gauge", "Sent for each wanted byte, over all runs.", |t| t.snapshot.ratio()),
        ("seeds", "gauge", "Connected peers that have everything.", |t| t.snapshot.seeds.into()),
    ];
    for (name, kind, help, value) in families {
        each(out, all, (&format!("riverrun_torrent_{name}"), kind, help), value);
    }
    let wasted = all.iter().flat_map(|t| {
        let by = reasons(t.snapshot.wasted);
        by.into_iter().map(|(why, n)| (vec![("infohash", t.infohash.as_str()), ("reason", why)], n as f64))
    });
    out.add("riverrun_torrent_wasted_bytes_total", "counter", "Payload received in vain.", wasted);
    let peers = |count: fn(&SourceCount) -> u32| {
        all.iter().flat_map(move |t| {
            t.snapshot.sources.iter().map(move |s| {
                (vec![("infohash", t.infohash.as_str()), ("source", s.source.name())], f64::from(count(s)))
            })
        })
    };
    out.add("riverrun_torrent_peers", "gauge", "Connected peers by source.", peers(|s| s.connected));
    out.add("riverrun_torrent_known_peers", "gauge", "Known addresses by source.", peers(|s| s.known));
}

fn trackers(out: &mut Families, all: &[TorrentReport]) {
    let each = || {
        let of = |t: &'_ TorrentReport| t.trackers.iter().map(|k| (t.infohash.clone(), k.clone())).collect();
        all.iter().flat_map(of as fn(&TorrentReport) -> Vec<_>)
    };
    let known: Vec<(String, riverrun::TrackerStatus)> = each().collect();
    // A URL may hold a passkey, and metrics are kept and passed on: a tracker goes by its tier and host.
    let tiers: Vec<(String, String)> =
        known.iter().map(|(_, tracker)| (tracker.tier.to_string(), host(&tracker.url).to_owned())).collect();
    let rows = || {
        known.iter().zip(&tiers).map(|((hash, tracker), (tier, host))| {
            let labels =
                vec![("infohash", hash.as_str()), ("tier", tier.as_str()), ("tracker", host.as_str())];
            (labels, tracker)
        })
    };
    let failures = rows().map(|(labels, tracker)| (labels, f64::from(tracker.failures)));
    out.add("riverrun_tracker_failures", "gauge", "Failures in a row.", failures);
    let next = rows().filter_map(|(labels, tracker)| Some((labels, tracker.next_announce?.as_secs_f64())));
    out.add("riverrun_tracker_next_announce_seconds", "gauge", "Time to the next announce.", next);
}

/// The scheme and host of a URL.
fn host(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_empty_families_left_out() {
        let mut out = Families(String::new());
        out.add("a", "gauge", "None.", []);
        out.add("b", "gauge", "Odd.", [(vec![("name", "a\"b\\c\nd"), ("x", "y")], 1.5)]);
        assert_eq!(out.0, "# HELP b Odd.\n# TYPE b gauge\nb{name=\"a\\\"b\\\\c\\nd\",x=\"y\"} 1.5\n");
    }

    #[test]
    fn a_tracker_goes_by_its_host() {
        assert_eq!(host("https://t.example:443/secret/announce?key=1"), "https://t.example:443");
        assert_eq!(host("udp://t.example:6969"), "udp://t.example:6969");
        assert_eq!(host("nothing"), "nothing");
    }
}
