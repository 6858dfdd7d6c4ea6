//! The keys around the info dictionary: trackers, web seeds, nodes, notes.

use crate::error::{WarningKind, Warnings};
use crate::field::Field;
use crate::hints::Hints;
use crate::limits::Limits;
use crate::rare::Nothing;

/// A DHT node to begin at (BEP 5, `nodes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A host name or address, as written.
    pub host: String,
    /// Its port: UDP for a node of the DHT, TCP for a peer of a magnet link.
    pub port: u16,
}

/// What the outer keys say. What is wrong among them is left out with a warning: none is needed to download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) announce: Option<String>,
    pub(crate) tiers: Vec<Vec<String>>,
    pub(crate) web_seeds: Vec<String>,
    pub(crate) http_seeds: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) comment: Option<String>,
    pub(crate) created_by: Option<String>,
    pub(crate) creation_date: Option<i64>,
    pub(crate) encoding: Option<String>,
    pub(crate) hints: Hints,
}

static NOTHING: Outer = Outer {
    announce: None,
    tiers: Vec::new(),
    web_seeds: Vec::new(),
    http_seeds: Vec::new(),
    nodes: Vec::new(),
    comment: None,
    created_by: None,
    creation_date: None,
    encoding: None,
    hints: Hints::NONE,
};

impl Nothing for Outer {
    const NOTHING: &'static Outer = &NOTHING;
}

impl Outer {
    pub(crate) fn read(root: &Field<'_, '_, '_>, limits: &Limits, warnings: &mut Warnings) -> Outer {
        let hints = Hints::read(root, warnings);
        let mut reader = Reader { limits, warnings };
        Outer {
            hints,
            announce: root.get("announce").and_then(|url| reader.url(&url)),
            tiers: root.get("announce-list").map(|list| reader.tiers(&list)).unwrap_or_default(),
            web_seeds: root.get("url-list").map(|list| reader.urls(&list)).unwrap_or_default(),
            http_seeds: root.get("httpseeds").map(|list| reader.urls(&list)).unwrap_or_default(),
            nodes: root.get("nodes").map(|list| reader.nodes(&list)).unwrap_or_default(),
            comment: reader.text(root, "comment.utf-8").or_else(|| reader.text(root, "comment")),
            created_by: reader.text(root, "created by"),
            creation_date: root.get("creation date").and_then(|date| reader.date(&date)),
            encoding: reader.text(root, "encoding"),
        }
    }
}

struct Reader<'l, 'w> {
    limits: &'l Limits,
    warnings: &'w mut Warnings,
}

impl Reader<'_, '_> {
    /// A URL without white space around it. An empty one is what some programs write for none.
    fn url(&mut self, field: &Field<'_, '_, '_>) -> Option<String> {
        let text = field.node().as_str().map(str::trim);
        if text == Some("") {
            return None;
        }
        let fits = |url: &&str| url.len() <= self.limits.url_len && !url.contains(char::is_control);
        let url = text.filter(fits);
        if url.is_none() {
            field.warn(self.warnings, WarningKind::Ignored("a URL of printable text within the limit"));
        }
        url.map(Into::into)
    }

    /// A list of URLs, or one alone (BEP 19). The same one is kept once.
    fn urls(&mut self, field: &Field<'_, '_, '_>) -> Vec<String> {
        if field.node().as_bytes().is_some() {
            return self.url(field).into_iter().collect();
        }
        if field.list().is_err() {
            field.warn(self.warnings, WarningKind::Ignored("a URL or a list of URLs"));
        }
        let mut urls = Vec::new();
        for item in field.items() {
            if urls.len() == self.limits.web_seeds {
                field.warn(self.warnings, WarningKind::Truncated(urls.len()));
                break;
            }
            urls.extend(self.url(&item).filter(|url| !urls.contains(url)));
        }
        urls
    }

    /// Tiers of trackers (BEP 12). A tracker that is not in a tier of its own list makes one.
    fn tiers(&mut self, field: &Field<'_, '_, '_>) -> Vec<Vec<String>> {
        if field.list().is_err() {
            field.warn(self.warnings, WarningKind::Ignored("a list of lists of URLs"));
        }
        let (mut tiers, mut count) = (Vec::new(), 0);
        let mut seen = std::collections::BTreeSet::new();
        for tier in field.items() {
            let mut urls = Vec::new();
            let alone = tier.node().as_bytes().is_some();
            let nested = tier.items().collect::<Vec<_>>();
            if !alone && tier.list().is_err() {
                tier.warn(self.warnings, WarningKind::Ignored("a list of URLs"));
            }
            for item in if alone { std::slice::from_ref(&tier) } else { &nested } {
                if count == self.limits.trackers {
                    field.warn(self.warnings, WarningKind::Truncated(count));
                    return with_tier(tiers, urls);
                }
                let Some(url) = self.url(item).filter(|url| seen.insert(url.clone())) else { continue };
                urls.push(url);
                count += 1;
            }
            tiers = with_tier(tiers, urls);
        }
        tiers
    }

    /// Pairs of host and port (BEP 5), or strings of `host:port`.
    fn nodes(&mut self, field: &Field<'_, '_, '_>) -> Vec<Node> {
        if field.list().is_err() {
            field.warn(self.warnings, WarningKind::Ignored("a list of nodes"));
        }
        let mut nodes = Vec::new();
        for item in field.items() {
            if nodes.len() == self.limits.nodes {
                field.warn(self.warnings, WarningKind::Truncated(nodes.len()));
                break;
            }
            match node(&item) {
                Some(node) => nodes.push(node),
                None => item.warn(self.warnings, WarningKind::Ignored("a pair of host and port")),
            }
        }
        nodes
    }

    fn text(&mut self, root: &Field<'_, '_, '_>, key: &'static str) -> Option<String> {
        let field = root.get(key)?;
        let text = field.node().as_str_lossy();
        if text.is_none() {
            field.warn(self.warnings, WarningKind::Ignored("a string"));
        }
        text.map(Into::into)
    }

    /// Seconds since 1970, as an integer or as digits in a string.
    fn date(&mut self, field: &Field<'_, '_, '_>) -> Option<i64> {
        let number = field.node().as_int();
        let date = number.or_else(|| field.node().as_str()?.trim().parse().ok());
        if date.is_none() {
            field.warn(self.warnings, WarningKind::Ignored("a number of seconds"));
        }
        date
    }
}

fn with_tier(mut tiers: Vec<Vec<String>>, tier: Vec<String>) -> Vec<Vec<String>> {
    if !tier.is_empty() {
        tiers.push(tier);
    }
    tiers
}

fn node(field: &Field<'_, '_, '_>) -> Option<Node> {
    let (host, port) = match field.node().as_str() {
        Some(text) => {
            let (host, port) = text.trim().rsplit_once(':')?;
            (host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?)
        }
        None => {
            let mut pair = field.items();
            let (host, port) = (pair.next()?, pair.next()?);
            let port = u16::try_from(port.node().as_u64()?).ok()?;
            (host.node().as_str()?, port)
        }
    };
    let fits = !host.is_empty() && host.len() <= 255 && !host.contains(|c: char| c.is_control() || c == ' ');
    (fits && port != 0).then(|| Node { host: host.into(), port })
}
