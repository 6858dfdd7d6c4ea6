//! Changes to a torrent that was read.
//!
//! Outer keys can change freely. What is inside the info dictionary names the torrent: [`InfoEdit`] makes another
//! torrent, with another info hash.

use std::collections::BTreeMap;

use crate::encoded::{encode_bytes, encode_dict, encode_list, encode_strings};
use crate::error::Error;
use crate::field::Field;
use crate::info::Info;
use crate::limits::Limits;
use crate::metainfo::{Metainfo, pack};
use crate::outer::Node;

impl Metainfo {
    fn set_raw(&mut self, key: &str, value: Option<Vec<u8>>) {
        let mut keys: BTreeMap<&[u8], &[u8]> = self.outer_keys().collect();
        match &value {
            Some(value) => keys.insert(key.as_bytes(), value),
            None => keys.remove(key.as_bytes()),
        };
        self.raw = pack(&keys);
    }

    fn set_text(&mut self, key: &str, value: Option<&str>) -> Option<String> {
        self.set_raw(key, value.map(|text| encode_bytes(text.as_bytes())));
        value.map(Into::into)
    }

    /// Sets `announce`, or removes it.
    pub fn set_announce(&mut self, url: Option<&str>) {
        self.outer.announce = self.set_text("announce", url);
    }

    /// Sets the tiers of trackers: `announce` to the first of them, and `announce-list` where there is more than one
    /// (BEP 12). No tiers remove both.
    pub fn set_tiers(&mut self, tiers: &[Vec<String>]) {
        let tiers: Vec<Vec<String>> = tiers.iter().filter(|tier| !tier.is_empty()).cloned().collect();
        let first = tiers.first().map(|tier| tier[0].clone());
        self.set_announce(first.as_deref());
        let many = tiers.iter().map(Vec::len).sum::<usize>() > 1;
        let list = encode_list(tiers.iter().map(|tier| encode_strings(tier)));
        self.set_raw("announce-list", many.then_some(list));
        self.outer.tiers = if many { tiers } else { Vec::new() };
    }

    /// Sets the web seeds (BEP 19), or removes them.
    pub fn set_web_seeds(&mut self, urls: &[String]) {
        self.set_raw("url-list", (!urls.is_empty()).then(|| encode_strings(urls)));
        self.outer.web_seeds = urls.to_vec();
    }

    /// Sets the DHT nodes (BEP 5), or removes them.
    pub fn set_nodes(&mut self, nodes: &[Node]) {
        let pairs = nodes.iter().map(|node| {
            let port = format!("i{}e", node.port).into_bytes();
            encode_list([encode_bytes(node.host.as_bytes()), port].into_iter())
        });
        let list = encode_list(pairs);
        self.set_raw("nodes", (!nodes.is_empty()).then_some(list));
        self.outer.nodes = nodes.to_vec();
    }

    /// Sets the comment, or removes it; `comment.utf-8`, which would override it, is removed.
    pub fn set_comment(&mut self, comment: Option<&str>) {
        self.set_raw("comment.utf-8", None);
        self.outer.comment = self.set_text("comment", comment);
    }

    /// Sets the name of the program that made the torrent, or removes it.
    pub fn set_created_by(&mut self, program: Option<&str>) {
        self.outer.created_by = self.set_text("created by", program);
    }

    /// Sets the creation date, in seconds since 1970, or removes it.
    pub fn set_creation_date(&mut self, date: Option<i64>) {
        self.set_raw("creation date", date.map(|secs| format!("i{secs}e").into_bytes()));
        self.outer.creation_date = date;
    }

    /// The torrent with another info dictionary, and so another info hash; all outer keys and piece layers stay.
    ///
    /// # Errors
    /// [`Error`] if the changed dictionary is not one that could be read.
    pub fn with_info_edit(&self, edit: &InfoEdit, limits: &Limits) -> Result<Metainfo, Error> {
        let mut info = edit.apply(&self.info, limits)?;
        if info.version().has_v2() {
            info.seldom.layers = self.info.seldom.layers.clone();
        }
        Ok(Metainfo { info: info.into(), ..self.clone() })
    }
}

/// Changes inside an info dictionary. Each makes the info hash another one: to peers and trackers, another torrent.
///
/// ```
/// use riverrun_metainfo::{Limits, Metainfo, edit::InfoEdit};
/// let bytes = b"d4:infod6:lengthi5e4:name5:hello12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
/// let torrent = Metainfo::from_bytes(bytes, &Limits::default())?;
/// let private = torrent.with_info_edit(&InfoEdit::new().private(true), &Limits::default())?;
/// assert!(private.info().is_private());
/// assert_ne!(private.info_hashes(), torrent.info_hashes());
/// # Ok::<(), riverrun_metainfo::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InfoEdit {
    /// Keys to set or, with no value, to remove.
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl InfoEdit {
    /// No change.
    pub fn new() -> InfoEdit {
        InfoEdit::default()
    }

    /// Sets `private` (BEP 27) to 1, or removes it.
    #[must_use]
    pub fn private(mut self, private: bool) -> InfoEdit {
        self.changes.insert(b"private".into(), private.then(|| b"i1e".into()));
        self
    }

    /// Sets `source`, or removes it.
    #[must_use]
    pub fn source(mut self, source: Option<&str>) -> InfoEdit {
        self.changes.insert(b"source".into(), source.map(|text| encode_bytes(text.as_bytes())));
        self
    }

    /// Sets the name; `name.utf-8`, which would override it, is removed. The only file of a v2 torrent is renamed in its
    /// file tree too.
    #[must_use]
    pub fn name(mut self, name: &str) -> InfoEdit {
        self.changes.insert(b"name.utf-8".into(), None);
        self.changes.insert(b"name".into(), Some(encode_bytes(name.as_bytes())));
        self
    }

    fn apply(&self, info: &Info, limits: &Limits) -> Result<Info, Error> {
        let document = bencode::parse(info.raw(), &limits.bencode(usize::MAX))?;
        let field = Field::named(document.root(), "info");
        let mut entries: BTreeMap<&[u8], &[u8]> = BTreeMap::new();
        for (key, value) in field.entries() {
            entries.entry(key).or_insert_with(|| value.node().raw());
        }
        for (key, value) in &self.changes {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&**key),
            };
        }
        let tree = self.renamed_tree(info, &field);
        if let Some(tree) = &tree {
            entries.insert(b"file tree", tree);
        }
        Info::from_bytes(&encode_dict(entries.into_iter()), limits)
    }

    /// The file tree of a single file under its new name.
    fn renamed_tree(&self, info: &Info, field: &Field<'_, '_, '_>) -> Option<Vec<u8>> {
        let name = self.changes.get(&b"name"[..])?.as_ref()?;
        if !info.is_single_file() {
            return None;
        }
        let (_, file) = field.get("file tree")?.node().as_dict()?.next()?;
        Some([b"d", &**name, file.raw(), b"e"].concat())
    }
}
